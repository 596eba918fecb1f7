"""A map that is interrupted: nothing half-made appears, and the rest is all that is predicted again."""

import fcntl
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from components.errors import ConfigError, RasterError
from components.mapping.score_rows import ScoringError
from serving.call_error import CallError
from serving.map_part import MapPart, open_part, part_of, read_identity
from serving.predict_map import MapOptions, MapOutputs, predict_map
from tests.make_raster import gradient, write_raster
from tests.serving.fake_client import FakeClient, fail_after

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 200, 90


@pytest.fixture(autouse=True)
def low_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strips of 64 rows: of 200 rows, 64, 128 and 192 are finished ones."""
    monkeypatch.setattr(MapPart, "strip_rows", 64)


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(1, 255, (HEIGHT, WIDTH, 3), np.uint8)
    pixels[30:90, 10:40] = 0
    return write_raster(tmp_path / "tile.tif", pixels, nodata=0)


def read(path: Path) -> list[Any]:
    with rasterio.open(path) as dataset:
        return [dataset.read(), dataset.nodata, dataset.overviews(1), dataset.crs, dataset.transform]


def assert_same(one: Path, other: Path) -> None:
    for here, there in zip(read(one), read(other), strict=True):
        np.testing.assert_array_equal(here, there)


def interrupt(tile: Path, path: Path, patches: int = 60, **options: Any) -> ScoringError:
    with pytest.raises(ScoringError) as caught:
        predict_map(tile, path, FakeClient(before=fail_after(patches, "UNAVAILABLE")), **options)
    return caught.value


CHILD = """
import sys
from pathlib import Path
from serving.map_part import MapPart
from serving.predict_map import predict_map, MapOutputs
from tests.serving.fake_client import FakeClient, stand_still_after
MapPart.strip_rows = 64
tile, path = map(Path, sys.argv[1:3])
outputs = MapOutputs(confidence=path.with_name("confidence.tif"), scores=path.with_name("scores.tif"))
predict_map(tile, path, FakeClient(before=stand_still_after(100)), outputs=outputs)
"""


def test_a_process_that_is_killed_half_way_goes_on_to_the_same_map(tile: Path, tmp_path: Path) -> None:
    made, whole = tmp_path / "made", tmp_path / "whole"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tile), str(made / "map.tif")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "standing still\n"
        child.send_signal(signal.SIGKILL)
        child.wait(30)
    assert [path.name for path in made.iterdir()] == ["map.tif.part"]
    journal = json.loads((made / "map.tif.part" / "journal.json").read_text())
    assert journal["rows"] == 128  # at most 12 rows of 8 patches, 12 pixels apart, were answered: 142 of 200 rows

    clients = FakeClient(), FakeClient()
    for client, folder in zip(clients, (made, whole), strict=True):
        outputs = MapOutputs(confidence=folder / "confidence.tif", scores=folder / "scores.tif")
        result = predict_map(tile, folder / "map.tif", client, outputs=outputs, resume=True)
        assert result.resumed_rows == (128 if folder == made else 0)
        assert sum(result.class_pixels.values()) + result.nodata_pixels == HEIGHT * WIDTH
    for name in ("map.tif", "confidence.tif", "scores.tif"):
        assert_same(made / name, whole / name)
    assert clients[0].patches < clients[1].patches / 2
    assert not part_of(made / "map.tif").exists()


def test_a_server_that_stops_answering_is_named_with_the_window_and_the_way_on(tile: Path, tmp_path: Path) -> None:
    write_raster(tile, gradient(HEIGHT, WIDTH))
    error = interrupt(tile, tmp_path / "map.tif", 88)
    # 8 patches lie side by side, two requests of 4; the 12th row of patches begins at row 11 * 12 - 2.
    assert "rows 130 to 145, columns 0 to" in error.problem
    assert "the server is away" in error.problem
    assert "--resume" in error.remedy
    assert not (tmp_path / "map.tif").exists()


def test_what_fails_before_a_strip_is_finished_leaves_nothing(tile: Path, tmp_path: Path) -> None:
    error = interrupt(tile, tmp_path / "map.tif", 8)
    assert "--resume" not in error.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["tile.tif"]


def test_without_resume_a_leftover_is_thrown_away(tile: Path, tmp_path: Path) -> None:
    interrupt(tile, tmp_path / "map.tif")
    client = FakeClient()
    assert predict_map(tile, tmp_path / "map.tif", client).resumed_rows == 0
    anew = FakeClient()
    predict_map(tile, tmp_path / "other.tif", anew)
    assert client.patches == anew.patches


def test_resume_with_nothing_to_go_on_with_begins(tile: Path, tmp_path: Path) -> None:
    assert predict_map(tile, tmp_path / "map.tif", FakeClient(), resume=True).resumed_rows == 0


@pytest.mark.parametrize(
    ("options", "outputs", "version", "named"),
    [
        (MapOptions(overlap=0.5), MapOutputs(), 1, "overlap was 0.25, now 0.5"),
        (MapOptions(augment="flips"), MapOutputs(), 1, "augment was none, now flips"),
        (MapOptions(), MapOutputs(), 2, "version was 1, now 2"),
        (MapOptions(), MapOutputs(confidence=Path("c.tif")), 1, "files was classes, now classes, confidence"),
    ],
)
def test_what_was_begun_otherwise_is_not_gone_on_with(
    tile: Path, tmp_path: Path, options: MapOptions, outputs: MapOutputs, version: int, named: str
) -> None:
    interrupt(tile, tmp_path / "map.tif")
    with pytest.raises(ConfigError, match=named) as caught:
        predict_map(tile, tmp_path / "map.tif", FakeClient(version=version), options, outputs=outputs, resume=True)
    assert "--resume" in caught.value.remedy
    assert read_identity(tmp_path / "map.tif") is not None  # still there for who corrects the options


def test_a_tile_that_changed_is_not_gone_on_with(tile: Path, tmp_path: Path) -> None:
    interrupt(tile, tmp_path / "map.tif")
    write_raster(tile, np.full((HEIGHT, WIDTH, 3), 9, np.uint8))
    with pytest.raises(ConfigError, match="tile was"):
        predict_map(tile, tmp_path / "map.tif", FakeClient(), resume=True)


def test_a_version_that_is_gone_is_said_to_be(tile: Path, tmp_path: Path) -> None:
    interrupt(tile, tmp_path / "map.tif")
    client = FakeClient(before=fail_after(0, "NOT_FOUND"), successor=2)
    with pytest.raises(ScoringError, match="load version 1 again"):
        predict_map(tile, tmp_path / "map.tif", client, resume=True)
    assert read_identity(tmp_path / "map.tif") is not None


def test_a_version_that_is_gone_before_the_first_question_is_said_to_be(tile: Path, tmp_path: Path) -> None:
    interrupt(tile, tmp_path / "map.tif")
    client = FakeClient(version=1)
    error = CallError("Servable not found", "a version", "correct --version", "NOT_FOUND")
    client.contract = lambda: (_ for _ in ()).throw(error)  # type: ignore[method-assign]
    with pytest.raises(CallError, match="Servable not found") as caught:
        predict_map(tile, tmp_path / "map.tif", client, resume=True)
    assert "load version 1 again and go on with --resume" in caught.value.remedy
    with pytest.raises(CallError) as caught:
        predict_map(tile, tmp_path / "map.tif", client)
    assert caught.value.remedy == "correct --version", "nothing is gone on with"


def test_a_version_that_goes_in_the_middle_of_one_run_is_replaced_by_its_successor(tile: Path, tmp_path: Path) -> None:
    client = FakeClient(before=fail_after(80, "NOT_FOUND"), successor=2)
    result = predict_map(tile, tmp_path / "map.tif", client)
    assert (result.version, result.resumed_rows) == (2, 0)
    assert not part_of(tmp_path / "map.tif").exists()


def test_a_strip_that_the_journal_does_not_name_counts_for_nothing(tile: Path, tmp_path: Path) -> None:
    interrupt(tile, tmp_path / "map.tif")
    folder = part_of(tmp_path / "map.tif")
    rows = json.loads((folder / "journal.json").read_text())["rows"]
    (folder / f"classes-{rows:07}.tif").write_bytes(b"II*\0 half a strip")
    (folder / "journal.json.new").write_text('{"rows": 19')
    predict_map(tile, tmp_path / "map.tif", FakeClient(), resume=True)
    predict_map(tile, tmp_path / "whole.tif", FakeClient())
    assert_same(tmp_path / "map.tif", tmp_path / "whole.tif")


def test_a_strip_that_somebody_deleted_is_named_before_anything_is_predicted(tile: Path, tmp_path: Path) -> None:
    outputs = MapOutputs(confidence=tmp_path / "confidence.tif")
    interrupt(tile, tmp_path / "map.tif", outputs=outputs)
    (part_of(tmp_path / "map.tif") / "confidence-0000000.tif").unlink()
    client = FakeClient()
    with pytest.raises(RasterError, match=r"confidence-0000000\.tif is missing") as caught:
        predict_map(tile, tmp_path / "map.tif", client, outputs=outputs, resume=True)
    assert "leave --resume out" in caught.value.remedy
    assert client.patches == 0
    assert predict_map(tile, tmp_path / "map.tif", client, outputs=outputs).resumed_rows == 0


def test_a_strip_that_is_damaged_is_one_error_that_says_which_map(tile: Path, tmp_path: Path) -> None:
    interrupt(tile, tmp_path / "map.tif")
    (part_of(tmp_path / "map.tif") / "classes-0000000.tif").write_bytes(b"II*\0 half a strip")
    with pytest.raises(RasterError, match=r"map\.tif cannot be written"):
        predict_map(tile, tmp_path / "map.tif", FakeClient(), resume=True)
    assert not (tmp_path / "map.tif").exists()


def test_a_journal_that_cannot_be_read_is_begun_anew(tile: Path, tmp_path: Path) -> None:
    interrupt(tile, tmp_path / "map.tif")
    (part_of(tmp_path / "map.tif") / "journal.json").write_text("{")
    assert predict_map(tile, tmp_path / "map.tif", FakeClient(), resume=True).resumed_rows == 0


def test_rows_that_are_all_there_need_no_server_at_all(
    tile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("serving.map_writer.write_cog", full)
        with pytest.raises(RasterError, match="No space left") as caught:
            predict_map(tile, tmp_path / "map.tif", FakeClient())
    assert "--resume" in caught.value.remedy
    client = FakeClient()
    assert predict_map(tile, tmp_path / "map.tif", client, resume=True).resumed_rows == HEIGHT
    assert client.patches == 0
    predict_map(tile, tmp_path / "whole.tif", FakeClient())
    assert_same(tmp_path / "map.tif", tmp_path / "whole.tif")


def test_two_processes_do_not_write_one_map(tile: Path, tmp_path: Path) -> None:
    with open_part(tmp_path / "map.tif", {}, 10, resume=False) as part:
        with pytest.raises(RasterError, match="being written by another process"):
            predict_map(tile, tmp_path / "map.tif", FakeClient())
        assert part.folder.exists()


def test_a_lock_that_is_gained_as_its_folder_goes_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process opens the lock's file; the one before finishes and removes the folder; a third makes it anew."""
    path = tmp_path / "map.tif"
    lock = fcntl.flock
    third: list[Any] = []

    def late(file: Any, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        shutil.rmtree(part_of(path))
        third.append(open_part(path, {}, 10, resume=False))
        third[0].__enter__()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(RasterError, match="being written by another process"), open_part(path, {}, 10, resume=False):
        pytest.fail("two processes have the folder")
    assert part_of(path).exists()
    third[0].__exit__(None, None, None)


def test_a_folder_that_goes_as_it_is_locked_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "map.tif"
    lock = fcntl.flock

    def late(file: Any, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        shutil.rmtree(part_of(path))
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with open_part(path, {}, 10, resume=False) as part:
        assert (part.folder / "lock").exists()
