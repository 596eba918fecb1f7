"""The first step of a run in a cluster: the fingerprint of the tiles as they are now.

    python -m eoseg_kubeflow.fingerprint_tiles --memory FILE --executor_input '{{$}}'

It imports neither TensorFlow nor TFX.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import EosegError
from components.records.fingerprint import files_fingerprint

from .run_time import FINGERPRINT, filled

FILES = "files"


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the fingerprint to the output parameter's file; 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(description="Take the fingerprint of a run's tiles.")
    parser.add_argument("--executor_input", required=True)
    parser.add_argument("--memory", type=Path, help="remembers the digests of unchanged files")
    arguments = parser.parse_args(argv)
    executor_input = json.loads(arguments.executor_input)
    output = Path(executor_input["outputs"]["parameters"][FINGERPRINT]["outputFile"])
    try:
        parameters = filled(executor_input["inputs"]["parameterValues"])
        fingerprint = files_fingerprint(json.loads(parameters[FILES]), arguments.memory)
    except EosegError as error:
        print(f"eoseg: error: {error}", file=sys.stderr)
        return 2
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(fingerprint, encoding="utf-8")
    print(f"fingerprint {fingerprint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
