"""Temporary files of a run go with its process, after all that is left for the process's end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROCESS = """
import atexit, os, subprocess, sys, tempfile
from pathlib import Path
from apache_beam.runners.portability.job_server import StopOnExitJobServer, SubprocessJobServer
from tfx_pipeline.cli import main
from tfx_pipeline.temporary_folder import temporary_folder

class Server:
    def start(self): return "endpoint"
    def stop(self): print("server stopped", flush=True)

def verb():
    child = [sys.executable, "-c", "import tempfile; print(tempfile.mkdtemp())"]
    before = tempfile.gettempdir(), os.environ.get("TMPDIR")
    with temporary_folder() as folder:
        print(folder)
        own, childs = tempfile.mkdtemp(), subprocess.run(child, capture_output=True, text=True).stdout.strip()
        assert {Path(own).parent, Path(childs).parent} == {Path(folder)}, (own, childs)
        server = SubprocessJobServer()
        server._server = Server()
        server._local_temp_root = tempfile.mkdtemp()
        job = StopOnExitJobServer(server)
        server.start = lambda: "endpoint"
        job.start()
    assert (tempfile.gettempdir(), os.environ.get("TMPDIR")) == before
    return 0

if sys.argv[1] == "aborts at exit":
    sys.modules["tensorflow_io"] = sys
main.main = verb
main.command()
"""


@pytest.mark.parametrize("named", [True, False], ids=["TMPDIR", "no TMPDIR"])
@pytest.mark.parametrize("ends", ["regularly", "aborts at exit"])
def test_beams_servers_are_stopped_before_the_folder_goes(named: bool, ends: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TMPDIR"}
    if named:
        environment["TMPDIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROCESS, ends],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder, said = done.stdout.splitlines()
    assert said == "server stopped"
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
    assert not Path(folder).exists()
