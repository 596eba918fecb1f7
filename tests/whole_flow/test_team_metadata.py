"""`eoseg run` with ML Metadata in a real PostgreSQL server, and continuous training in it."""

import subprocess
from collections.abc import Iterator

import pytest
import yaml

from tests.database_server import DatabaseServer, database_server
from tests.whole_flow.test_whole_flow import Job, make_tile, reused

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[DatabaseServer]:
    with database_server("postgresql") as running:
        yield running


@pytest.fixture(scope="module")
def jobs(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Job]:
    """The same pipeline on the same tiles, in two working directories."""
    made = {name: Job(tmp_path_factory.mktemp(name)) for name in ("ours", "theirs")}
    for job in made.values():
        file = job.folder / "tiny.yaml"
        config = yaml.safe_load(file.read_text())
        config["metadata"] = server.options("team")
        config["data"]["root"] = str(made["ours"].folder)
        config["training"] |= {"steps": 10, "warm_start": "blessed"}
        file.write_text(yaml.safe_dump(config))
    return made


def test_two_runs_at_once_in_one_database_do_not_harm_each_other(jobs: dict[str, Job]) -> None:
    running = {
        name: subprocess.Popen(job.command("run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for name, job in jobs.items()
    }
    said = {name: process.communicate(timeout=900)[0] for name, process in running.items()}
    for name, job in jobs.items():
        assert running[name].returncode == 0, said[name]
        assert not reused(said[name]), said[name]
        assert len(job.versions) == 1
        assert job.summary["version_folder"].startswith(str(job.workdir))
        assert not (job.workdir / "metadata.sqlite").exists()
        for log in job.workdir.glob("logs/*.log"):
            assert "secret" not in log.read_text()  # the password


def test_nothing_new_is_no_run(jobs: dict[str, Job]) -> None:
    job = jobs["ours"]
    done = job.run("--if-changed", "--max-age", "1000")
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"nothing is new since version {job.versions[0]}: no run" in done.stdout


def test_new_pixels_are_a_run_that_starts_from_the_blessed_model(jobs: dict[str, Job]) -> None:
    job = jobs["ours"]
    make_tile(job.folder, "a", 77)
    done = job.run("--if-changed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the tiles are not those of the last run that pushed" in done.stdout
    (started,) = [line for line in done.stdout.splitlines() if line.startswith("warm start: from the weights of")]
    assert str(job.workdir) in started
    assert len(job.versions) == 2


def test_the_same_again_is_not_trained_again_from_its_own_result(jobs: dict[str, Job]) -> None:
    job = jobs["ours"]
    done = job.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train the network" in reused(done.stdout), done.stdout
    assert len(job.versions) == 2
