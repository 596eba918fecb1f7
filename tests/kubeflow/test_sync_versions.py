"""Versions between a folder and an object store, through a real S3 protocol server."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.kubeflow.build_manifests import MANIFESTS, build, containers_named, the
from tests.s3_server import s3_server

SCRIPT = MANIFESTS / "components" / "s3" / "sync_versions.py"
BUCKET = "eoseg"
STORE = f"s3://{BUCKET}/served"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sync_versions", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with s3_server(BUCKET) as client:
        yield client


@pytest.fixture
def client(server: Any) -> Any:
    """The store, emptied."""
    for entry in server.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        server.delete_object(Bucket=BUCKET, Key=entry["Key"])
    return server


def make_version(folder: Path, number: int) -> None:
    for file in ("saved_model.pb", "variables/variables.index", "assets.extra/eoseg_provenance.json"):
        path = folder / "eoseg" / str(number) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{file} of {number}")


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(script: ModuleType, client: Any, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    make_version(here, 3)
    make_version(here, 12)
    store = script.Store(client, STORE)
    assert script.push(here, store) == [("eoseg", "12"), ("eoseg", "3")]
    assert script.push(here, store) == [], "once is enough"
    assert script.pull(store, there) == ([("eoseg", "12"), ("eoseg", "3")], [])
    assert contents(there) == contents(here)
    assert script.pull(store, there) == ([], [])


def test_a_version_that_is_still_being_pushed_is_not_taken(script: ModuleType, client: Any, tmp_path: Path) -> None:
    store = script.Store(client, STORE)
    make_version(tmp_path / "here", 1)
    script.push(tmp_path / "here", store)
    client.put_object(Bucket=BUCKET, Key="served/eoseg/2/variables/variables.index", Body=b"half")
    assert script.pull(store, tmp_path / "there")[0] == [("eoseg", "1")]


def test_a_push_ends_with_what_makes_the_version_count(script: ModuleType, tmp_path: Path) -> None:
    make_version(tmp_path, 1)
    put: list[str] = []

    class Recorder:
        def versions(self) -> dict[Any, Any]:
            return {}

        def put(self, version: Any, file: str, path: Path) -> None:
            put.append(file)

    script.push(tmp_path, Recorder())
    assert put[-1] == "saved_model.pb"
    assert sorted(put) == ["assets.extra/eoseg_provenance.json", "saved_model.pb", "variables/variables.index"]


def test_a_pull_that_breaks_off_shows_no_version(
    script: ModuleType, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    make_version(here, 1)
    store = script.Store(client, STORE)
    script.push(here, store)
    get = script.Store.get

    def broken(self: Any, version: Any, file: str, path: Path) -> None:
        if file.startswith("variables"):
            raise OSError("the network is gone")
        get(self, version, file, path)

    with monkeypatch.context() as patch:
        patch.setattr(script.Store, "get", broken)
        with pytest.raises(OSError, match="the network is gone"):
            script.pull(store, there)
    assert not [path for path in (there / "eoseg").iterdir() if path.name.isdecimal()], "a server takes any number"
    script.pull(store, there)
    assert contents(there) == contents(here)


def test_what_the_store_drops_goes_but_never_everything(script: ModuleType, client: Any, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for number in (1, 2):
        make_version(here, number)
    store = script.Store(client, STORE)
    script.push(here, store)
    script.pull(store, there)
    client.delete_object(Bucket=BUCKET, Key="served/eoseg/1/saved_model.pb")
    assert script.pull(store, there) == ([], [("eoseg", "1")])
    assert [path.name for path in (there / "eoseg").iterdir()] == ["2"]
    assert script.pull(script.Store(client, f"s3://{BUCKET}/elsewhere"), there) == ([], [])
    assert [path.name for path in (there / "eoseg").iterdir()] == ["2"]


def test_a_key_cannot_climb_out_of_the_folder(script: ModuleType, client: Any, tmp_path: Path) -> None:
    for key in ("eoseg/1/saved_model.pb", "eoseg/1/../../../evil", "../1/saved_model.pb"):
        client.put_object(Bucket=BUCKET, Key=f"served/{key}", Body=b"x")
    script.pull(script.Store(client, STORE), tmp_path / "a" / "there")
    assert list(contents(tmp_path)) == ["a/there/eoseg/1/saved_model.pb"]


@pytest.mark.slow
def test_the_pods_commands_fill_and_follow_the_folder(script: ModuleType, client: Any, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    endpoint = client.meta.endpoint_url
    environment = os.environ | {"AWS_ENDPOINT_URL": endpoint, "EOSEG_STORE": STORE}
    pod = the(build("overlays/s3"), "Deployment")["spec"]["template"]["spec"]

    def command(name: str, *more: str) -> list[str]:
        words = containers_named(pod)[name]["command"]
        known = {"python": sys.executable, "/sync/sync_versions.py": str(SCRIPT), "/models": str(there)}
        return [known.get(word, word.replace("$(EOSEG_STORE)", STORE)) for word in words] + list(more)

    empty = subprocess.run(command("first-models"), env=environment, capture_output=True, text=True)
    assert empty.returncode == 2
    assert "holds no NAME/VERSION/saved_model.pb" in empty.stderr
    make_version(here, 1)
    subprocess.run([sys.executable, SCRIPT, "push", here, STORE], env=environment, check=True)
    subprocess.run(command("first-models"), env=environment, check=True)
    assert contents(there) == contents(here)
    follower = subprocess.Popen(command("models", "--seconds", "0.2"), env=environment)
    try:
        make_version(here, 2)
        subprocess.run([sys.executable, SCRIPT, "push", here, STORE], env=environment, check=True)
        deadline = time.monotonic() + 60
        while contents(there) != contents(here) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert contents(there) == contents(here)
    finally:
        follower.send_signal(signal.SIGTERM)
    assert follower.wait(30) == 0, "a Pod that ends is not waited for"
