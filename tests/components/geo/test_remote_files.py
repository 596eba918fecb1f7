"""Files in stores, behind HTTP and in archives: listed, missed, and noticed when they change."""

import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError, MissingFileError
from components.geo.remote_files import (
    archive_of,
    content_mark,
    list_files,
    missing_files,
    refuse_unmarked,
    s3_stream,
    those_there,
)
from tests.s3_server import s3_server


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    with s3_server("tiles") as client:
        for key in ("city a/rgb 1.tif", "city a/deep/er/2.tif", "other/3.tif"):
            client.put_object(Bucket="tiles", Key=key, Body=key.encode())
        yield client


def test_a_store_lists_what_is_below_a_prefix(store: Any) -> None:
    assert list_files("s3://tiles/city a") == ["deep/er/2.tif", "rgb 1.tif"]
    assert list_files("s3://tiles/") == ["city a/deep/er/2.tif", "city a/rgb 1.tif", "other/3.tif"]


def test_an_object_that_is_uploaded_later_is_listed(store: Any) -> None:
    store.put_object(Bucket="tiles", Key="growing/1.tif", Body=b"1")
    assert list_files("s3://tiles/growing") == ["1.tif"]
    store.put_object(Bucket="tiles", Key="growing/2.tif", Body=b"2")
    assert list_files("s3://tiles/growing") == ["1.tif", "2.tif"]


@pytest.mark.parametrize("folder", ["s3://tiles/nothing", "s3://no-such-bucket/x"])
def test_nothing_to_list_is_an_error_with_a_remedy(folder: str, store: Any) -> None:
    with pytest.raises(MissingFileError, match="holds no files") as caught:
        list_files(folder)
    assert "AWS_ACCESS_KEY_ID" in caught.value.remedy


def test_what_is_missing_is_found_among_local_and_remote_files(store: Any, tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    there = [str(tmp_path / "here"), "s3://tiles/other/3.tif", "/vsis3/tiles/city a/rgb 1.tif"]
    gone = [str(tmp_path / "gone"), "s3://tiles/other/4.tif", "s3://tiles/other"]
    assert missing_files(there + gone) == set(gone)
    assert those_there(["s3://tiles/other/3.tif", "s3://tiles/other/4.tif", "s3://tiles/none/1.tif"]) == [
        "s3://tiles/other/3.tif"
    ]


def test_an_objects_mark_changes_with_its_content_alone(store: Any) -> None:
    store.put_object(Bucket="tiles", Key="marked", Body=b"one")
    before = content_mark("s3://tiles/marked")
    store.put_object(Bucket="tiles", Key="marked", Body=b"one")
    assert content_mark("s3://tiles/marked") == before
    store.put_object(Bucket="tiles", Key="marked", Body=b"two")  # of the same size, within the same second
    assert content_mark("s3://tiles/marked") != before
    with pytest.raises(MissingFileError, match="s3://tiles/unmarked does not exist"):
        content_mark("s3://tiles/unmarked")


def test_an_object_is_streamed(store: Any) -> None:
    with s3_stream("s3://tiles/other/3.tif") as stream:
        assert stream.read() == b"other/3.tif"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An HTTP server without ETags, which says when a file was modified."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(tmp_path))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", tmp_path
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_http_files_mark_changes_with_its_size(web: tuple[str, Path]) -> None:
    url, folder = web
    (folder / "a b.tif").write_bytes(b"one")
    before = content_mark(f"{url}/a b.tif")
    assert content_mark(f"{url}/a b.tif") == before
    (folder / "a b.tif").write_bytes(b"three")
    assert content_mark(f"{url}/a b.tif") != before
    with pytest.raises(MissingFileError, match="404"):
        content_mark(f"{url}/none.tif")
    with pytest.raises(ConfigError, match="does not list its files"):
        list_files(url)


def test_a_local_archive_is_listed_and_stands_for_its_files(tmp_path: Path) -> None:
    archive = tmp_path / "all tiles.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a/1.tif", "1")
        file.writestr("2.tif", "2")
    assert list_files(f"/vsizip/{archive}") == ["2.tif", "a/1.tif"]
    assert archive_of(f"/vsizip/{archive}/a/1.tif") == str(archive)


@pytest.mark.parametrize(
    ("path", "holder"),
    [
        ("/data/a.tif", "/data/a.tif"),
        ("s3://bucket/a.zip", "s3://bucket/a.zip"),
        ("/vsizip/data/a.zip/b.tif", "data/a.zip"),
        ("/vsizip/{/data/odd name}/b.tif", "/data/odd name"),
        ("/vsitar//data/a.tar.gz/b.tif", "/data/a.tar.gz"),
        ("/vsizip/vsis3/bucket/a.zip/b.tif", "/vsis3/bucket/a.zip"),
        ("/vsizip//vsis3/bucket/a.zip/b.tif", "/vsis3/bucket/a.zip"),
        ("/vsigzip//vsizip//data/a.zip/b.tif.gz", "/data/a.zip"),
    ],
)
def test_what_file_holds_a_file(path: str, holder: str) -> None:
    assert archive_of(path) == holder


def test_a_file_system_that_tells_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="lies in Google Cloud Storage, where EOSeg cannot tell"):
        content_mark("gs://bucket/a.tif")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("gs://bucket/a.tif", "Google Cloud Storage"),
        ("/vsigs/bucket/a.tif", "Google Cloud Storage"),
        ("az://container/a.tif", "Azure Blob Storage"),
        ("adl://container/a.tif", "Azure Data Lake Storage"),
        ("/vsizip/vsigs/bucket/a.zip/b.tif", "Google Cloud Storage"),
        ("/vsiswift/bucket/a.tif", "/vsiswift/"),
    ],
)
def test_stores_that_do_not_tell_of_changes_are_refused_unasked(path: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_unmarked(path)
    assert caught.value.problem.startswith(f"{path} lies in {place}, ")


@pytest.mark.parametrize(
    "path",
    [
        "a.tif",
        "/data/a b.tif",
        "s3://b/a.tif",
        "https://host/a.tif",
        "/vsizip//d/a.zip/b.tif",
        "/vsitar/vsis3/b/a.tar/c",
        "",
    ],
)
def test_places_that_tell_of_changes_are_not_refused(path: str) -> None:
    refuse_unmarked(path)
