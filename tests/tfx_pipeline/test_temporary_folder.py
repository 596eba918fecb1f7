"""Temporary files of a run go with it."""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tfx_pipeline.temporary_folder import temporary_folder

CHILD = [sys.executable, "-c", "import tempfile; print(tempfile.mkdtemp())"]


@pytest.mark.parametrize("named", [True, False])
def test_what_it_and_its_processes_leave_is_removed(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if named:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
    else:
        monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with contextlib.suppress(KeyboardInterrupt), temporary_folder() as folder:
        assert Path(folder).parent == tmp_path
        own = Path(tempfile.mkdtemp())
        childs = Path(subprocess.run(CHILD, capture_output=True, text=True, check=True).stdout.strip())
        assert {own.parent, childs.parent} == {Path(folder)}
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    assert os.environ.get("TMPDIR") == (str(tmp_path) if named else None)
    assert tempfile.gettempdir() == str(tmp_path)
