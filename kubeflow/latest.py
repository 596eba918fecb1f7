"""Remembers between runs which artifacts were found good, and gives the latest one to a later run.

    python -m eoseg_kubeflow.latest find --memory FOLDER --type tfx.Model --executor_input '{{$}}'
    python -m eoseg_kubeflow.latest copy --memory FOLDER --type tfx.Model --executor_input '{{$}}'

A cluster's ML Metadata is the cluster's: steps have no access to it, and its launcher takes no output of a step that
lies in another run's folder. So a step that found an artifact good (`run_step`) copies it to a folder that all steps
share. `find` names the newest one; it looks anew in each run and is quick. `copy` makes it an artifact of this run; the
cluster reuses that, and all that depends on it, while the name stays the same. As in a local run, an artifact is never
compared with itself, and models of other classes or bands are passed over.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.contract import CONTRACT_FILE

from .artifact_paths import LAUNCHER_BASE, local_path

KEPT = 3
"""Copies that are kept of each type."""

OWN = "own"
"""`find`'s input: this run's artifact, which is to be compared with an earlier one."""
FOUND = "found"
"""What `find` gives to `copy`: the name of a copy, or `NONE`."""
NONE = "none"
EARLIER = "earlier"
"""`copy`'s output; empty where there is no earlier one."""

_RECORD = "record.json"
_FILES = "files"


def remember(memory: Path, title: str, uri: str, folder: Path) -> None:
    """Keeps an artifact that was found good, whole or not at all.

    Args:
        memory: The folder that all steps share.
        title: The artifact's type.
        uri: What the cluster calls it.
        folder: Where it lies now.
    """
    place = memory / title
    place.mkdir(parents=True, exist_ok=True)
    part = place / f".{time.time_ns():020d}-{os.getpid()}"
    shutil.copytree(folder, part / _FILES)
    (part / _RECORD).write_text(json.dumps({"uri": uri}), encoding="utf-8")
    part.rename(place / part.name.removeprefix("."))
    for old in _oldest_first(place)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def find(memory: Path, title: str, own: str, folder: Path) -> str:
    """The name of the latest good artifact that this run's can be compared with; `NONE` where there is none.

    Args:
        memory: The folder that all steps share.
        title: The artifact's type.
        own: This run's artifact, as the cluster calls it.
        folder: Where that lies.
    """
    contract = _contract_in(folder)
    for kept in reversed(_oldest_first(memory / title)):
        uri = json.loads((kept / _RECORD).read_text(encoding="utf-8"))["uri"]
        if uri != own and _contract_in(kept / _FILES) == contract:
            return kept.name
    return NONE


def copy(memory: Path, title: str, name: str, target: Path) -> None:
    """Puts what was found into an artifact's folder; leaves no folder where nothing was."""
    if name != NONE:
        shutil.copytree(memory / title / name / _FILES, target, dirs_exist_ok=True)


def _contract_in(folder: Path) -> dict[str, Any] | None:
    """What the model in an artifact's folder promises; None where there is no model."""
    for path in sorted(folder.glob(f"**/assets.extra/{CONTRACT_FILE}")):
        contract: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        contract.pop("provenance", None)  # every training has its own
        return contract
    return None


def _oldest_first(place: Path) -> list[Path]:
    return sorted(kept for kept in place.glob("[0-9]*") if (kept / _RECORD).is_file())


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one of the two steps."""
    parser = argparse.ArgumentParser(description="Find, or copy, the latest good artifact of a type.")
    parser.add_argument("what", choices=("find", "copy"))
    parser.add_argument("--executor_input", required=True)
    parser.add_argument("--memory", type=Path, required=True)
    parser.add_argument("--type", required=True)
    parser.add_argument("--artifact_base", default=LAUNCHER_BASE)
    arguments = parser.parse_args(argv)
    executor_input = json.loads(arguments.executor_input)
    inputs, outputs = executor_input["inputs"], executor_input["outputs"]
    if arguments.what == "find":
        (own,) = inputs["artifacts"][OWN]["artifacts"]
        folder = Path(local_path(own["uri"], arguments.artifact_base))
        found = find(arguments.memory, arguments.type, own["uri"], folder)
        output = Path(outputs["parameters"][FOUND]["outputFile"])
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(found, encoding="utf-8")
    else:
        found = inputs["parameterValues"][FOUND]
        (earlier,) = outputs["artifacts"][EARLIER]["artifacts"]
        copy(arguments.memory, arguments.type, found, Path(local_path(earlier["uri"], arguments.artifact_base)))
    print(f"latest {arguments.type}: {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
