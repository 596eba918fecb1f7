"""Schemas that only a Go module carries, through Go's own client."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest


def go_module(name: str, folder: Path) -> Path:
    """The folder of a Go module; skips where there is no Go, or nothing to get it from.

    Args:
        name: `module@version`.
        folder: A folder outside any Go project.
    """
    if shutil.which("go") is None:
        pytest.skip("no Go to get the schema with")
    command = ["go", "mod", "download", "-json", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"not fetched: {shlex.join(command)}")
    return Path(json.loads(done.stdout)["Dir"])
