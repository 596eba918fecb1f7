"""Local files pass as they are; TensorFlow's in-memory file system stands for a store, whose copies must be exact.

The S3 protocol itself is tested with whole records and a whole run, in processes of their own.
"""

import os
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from components import file_systems
from components.errors import ConfigError, DataError
from components.file_systems import load_file_system, local_copy, open_artifact_store, put_folder, read_text, write_text

S3_VARIABLES = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "S3_ENDPOINT",
    "AWS_S3_ENDPOINT",
    "AWS_HTTPS",
)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A folder of a file system that is not the local one."""
    monkeypatch.setattr(file_systems, "OBJECT_STORES", ("ram://",))
    return f"ram://{tmp_path.name}"


@pytest.fixture
def s3_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No S3 variable set, no plugin loaded, and everything as before afterwards."""
    for name in S3_VARIABLES:
        monkeypatch.setenv(name, "")  # so that what the code sets is undone
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "tensorflow_io", sys)
    return monkeypatch


def make_folder(folder: Path) -> dict[str, bytes]:
    files = {"saved_model.pb": b"graph", "variables/index": b"\x00\xff" * 3_000_000, "assets/empty": b""}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return files


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_goes_to_a_store_and_comes_back_byte_for_byte(store: str, tmp_path: Path) -> None:
    files = make_folder(tmp_path / "model")
    put_folder(tmp_path / "model", f"{store}/a model")
    with local_copy(f"{store}/a model") as copy:
        assert content(copy) == files
    assert not copy.exists()


def test_a_single_file_comes_back_under_its_name(store: str) -> None:
    write_text(f"{store}/deep/er/network.txt", "é\n")
    with local_copy(f"{store}/deep/er/network.txt") as copy:
        assert (copy.name, copy.read_text(encoding="utf-8")) == ("network.txt", "é\n")


def test_a_local_folder_is_not_copied(tmp_path: Path) -> None:
    files = make_folder(tmp_path / "model")
    with local_copy(str(tmp_path / "model")) as same:
        assert same == tmp_path / "model"
    assert content(tmp_path / "model") == files, "the block's end must not remove it"
    put_folder(tmp_path / "model", str(tmp_path / "there"))
    assert content(tmp_path / "there") == files


def test_what_is_not_there_is_neither_text_nor_copy(store: str, tmp_path: Path) -> None:
    for place in (str(tmp_path / "none"), f"{store}/none"):
        assert read_text(place) is None
        with local_copy(place) as copy:
            assert not copy.exists()
    assert read_text(str(tmp_path)) is None, "a folder is no text"


def test_text_is_read_as_it_was_written(store: str, tmp_path: Path) -> None:
    for place in (str(tmp_path / "new folder" / "text"), f"{store}/new/text"):
        write_text(place, "é\n")
        assert read_text(place) == "é\n"


def test_a_copy_that_fails_says_which_file(tmp_path: Path, store: str) -> None:
    make_folder(tmp_path / "model")
    with pytest.raises(DataError, match=r"saved_model\.pb cannot be copied to nosuch://"):
        file_systems._copy_bytes(str(tmp_path / "model" / "saved_model.pb"), "nosuch://bucket/model")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"AWS_S3_ENDPOINT": "minio:9000"}, "https://minio:9000"),
        ({"AWS_S3_ENDPOINT": "minio:9000", "AWS_HTTPS": "NO"}, "http://minio:9000"),
        ({"AWS_ENDPOINT_URL": "http://minio:9000"}, "http://minio:9000"),
        ({"S3_ENDPOINT": "http://minio:9000"}, "http://minio:9000"),
    ],
)
def test_one_endpoint_is_enough_for_all_clients(
    given: dict[str, str], url: str, s3_environment: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        s3_environment.setenv(name, value)
    s3_environment.setenv("AWS_REGION", "eu-north-1")
    load_file_system("s3://bucket/key")
    assert (os.environ["S3_ENDPOINT"], os.environ["AWS_ENDPOINT_URL_S3"]) == (url, url)
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-north-1"  # boto3's name for it


def test_a_client_with_an_endpoint_of_its_own_keeps_it(s3_environment: pytest.MonkeyPatch) -> None:
    s3_environment.setenv("S3_ENDPOINT", "http://one:1")
    s3_environment.setenv("AWS_ENDPOINT_URL_S3", "http://two:2")
    load_file_system("s3://bucket/key")
    assert (os.environ["S3_ENDPOINT"], os.environ["AWS_ENDPOINT_URL_S3"]) == ("http://one:1", "http://two:2")


def test_without_an_endpoint_it_is_amazons(s3_environment: pytest.MonkeyPatch) -> None:
    load_file_system("s3://bucket/key")
    assert not {"S3_ENDPOINT", "AWS_ENDPOINT_URL_S3"} & set(os.environ)


def test_s3_without_boto3_is_refused_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="boto3"):
        open_artifact_store("s3://bucket/runs")
    open_artifact_store("/a/local/folder")


def test_a_store_that_can_be_written_to_is_left_empty(store: str) -> None:
    open_artifact_store(f"{store}/runs")
    assert list(tf.io.gfile.listdir(f"{store}/runs")) == []


def test_a_store_that_cannot_be_written_to_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "OBJECT_STORES", ("nosuch://",))
    with pytest.raises(ConfigError, match="nosuch://bucket/runs cannot be written to"):
        open_artifact_store("nosuch://bucket/runs")
