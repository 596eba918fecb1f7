"""A model server under the load of many clients while everything happens to it; not one answer may be wrong or missing.

Versions are pushed, promoted, rolled back, broken ones dropped in, the configuration is reloaded, broken and repaired,
the server is stopped and killed and started again. Meanwhile clients ask for patches without pause and make maps of a
scene, and check every answer against the version that gave it (`benchmarks/load_story/known_model.py`: its right answer
is arithmetic).

`wrong_answers`, `failed_requests`, `wrong_scenes` and `failed_scenes` must be 0, else the exit code is 1. `retries`
counts the tries that the server refused, by gRPC code; NOT_FOUND are those of clients pinned to a version that was
unloaded, who were `moved_on` to its successor. `call_ms` is a request with its tries and pauses, `try_ms` each answered
try. The last line is one JSON object.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the benchmarks are not installed

from benchmarks.arguments import positive_float, positive_int

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Tells the story and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=positive_float, default=60.0, help="longer where the events take longer")
    parser.add_argument("--clients", type=positive_int, default=16)
    parser.add_argument("--server", choices=("auto", "stock", "embedded"), default="auto")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep models, log and maps in this new folder")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Not installed, so the clients' processes need the path, too.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    from benchmarks.load_story.story import tell_story

    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = tell_story(
            folder, arguments.seconds, arguments.clients, arguments.server, lambda text: print(text, file=sys.stderr)
        )
    print(json.dumps({**found, "load_average": round(os.getloadavg()[0], 1)}))
    return int(any(found[name] for name in ("wrong_answers", "failed_requests", "wrong_scenes", "failed_scenes")))


if __name__ == "__main__":
    sys.exit(main())
