"""Changed files are noticed, unchanged ones are not read again."""

import os
import zipfile
from pathlib import Path

import pytest

from components.errors import MissingFileError
from components.records import fingerprint
from components.records.fingerprint import files_fingerprint


def test_changed_bytes_under_the_same_name_size_and_time_change_the_fingerprint(tmp_path: Path) -> None:
    file, memory = tmp_path / "a.tif", tmp_path / "memory.json"
    file.write_bytes(b"one")
    stamp = file.stat()
    before = files_fingerprint([file], memory)
    file.write_bytes(b"two")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert files_fingerprint([file], memory) != before


def test_unchanged_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, memory = tmp_path / "a.tif", tmp_path / "memory.json"
    file.write_bytes(b"one")
    before = files_fingerprint([file], memory)
    monkeypatch.setattr(fingerprint, "content_digest", lambda path: pytest.fail(f"{path} was read again"))
    assert files_fingerprint([file], memory) == before


def test_a_side_file_that_changes_the_reading_counts(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    file.write_bytes(b"one")
    before = files_fingerprint([file])
    (tmp_path / "a.tif.msk").write_bytes(b"mask")
    assert files_fingerprint([file]) != before


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"gone\.tif does not exist"):
        files_fingerprint([tmp_path / "gone.tif"])


def test_a_file_in_an_archive_changes_with_the_archive(tmp_path: Path) -> None:
    def write(text: str) -> None:
        with zipfile.ZipFile(tmp_path / "tiles.zip", "w") as archive:
            archive.writestr("a.tif", text)

    write("one")
    file = f"/vsizip/{tmp_path}/tiles.zip/a.tif"
    before = files_fingerprint([file])
    assert files_fingerprint([file]) == before
    write("two")
    assert files_fingerprint([file]) != before


@pytest.mark.parametrize("ending", [".dbf", ".shx", ".prj"])
def test_the_files_of_a_shapefile_count(ending: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.shp"
    file.write_bytes(b"shapes")
    before = files_fingerprint([file])
    file.with_suffix(ending).write_bytes(b"attributes")
    assert files_fingerprint([file]) != before


def test_a_torn_memory_is_forgotten(tmp_path: Path) -> None:
    file, memory = tmp_path / "a.tif", tmp_path / "memory.json"
    file.write_bytes(b"one")
    before = files_fingerprint([file], memory)
    memory.write_text('{"a')
    assert files_fingerprint([file], memory) == before
