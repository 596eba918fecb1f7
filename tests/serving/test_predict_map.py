from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from components.classes import VOID_ID
from components.errors import EosegError, MissingFileError, RasterError
from serving.batching import BatchingOptions
from serving.client import ClientOptions, SegmentationClient
from serving.embedded.server import EmbeddedServer
from serving.predict_map import MapOptions, MapProgress, predict_map

Write = Callable[..., Path]


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Random bands, but never two equal ones, so that every pixel has one right class."""
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.uint8([50, 120, 190]), (height, width, 1)), axis=-1)
    return order + rng.integers(0, 40, (height, width, 3), np.uint8)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize("blend", ["hann", "flat", "centre"])
@pytest.mark.parametrize("shape", [(100, 75), (16, 16), (5, 40), (1, 1)])
def test_a_network_that_looks_at_one_pixel_gives_the_exact_map(
    client: SegmentationClient, write_tile: Write, tmp_path: Path, shape: tuple[int, int], blend: Any
) -> None:
    image = scene(*shape)
    result = predict_map(write_tile(image), tmp_path / "map.tif", client, MapOptions(blend=blend))
    np.testing.assert_array_equal(read(result.path), image.argmax(-1))
    assert result.pixels == shape[0] * shape[1]
    assert list(result.class_pixels.values()) == np.bincount(image.argmax(-1).ravel(), minlength=3).tolist()
    assert (result.model_name, result.version) == ("eoseg", 1)


def test_the_map_lies_where_the_tile_lies_and_says_who_made_it(
    client: SegmentationClient, write_tile: Write, tmp_path: Path
) -> None:
    tile = write_tile(scene(40, 50))
    seen = []
    predict_map(tile, tmp_path / "map.tif", client, progress=lambda now: seen.append((now.rows, now.height)))
    with rasterio.open(tile) as before, rasterio.open(tmp_path / "map.tif") as after:
        assert (before.crs, before.transform, before.shape) == (after.crs, after.transform, after.shape)
        assert after.tags()["EOSEG_VERSION"] == "1"
        assert after.colormap(1)[0] == (0, 0, 255, 255)
    assert seen[-1] == (40, 40)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_nodata_stays_nodata(client: SegmentationClient, write_tile: Write, tmp_path: Path) -> None:
    image = scene(60, 90)
    image[10:30, 20:90] = 0
    image[:, 70:] = 0
    result = predict_map(write_tile(image, nodata=0), tmp_path / "map.tif", client)
    empty = (image == 0).all(-1)
    np.testing.assert_array_equal(read(result.path), np.where(empty, VOID_ID, image.argmax(-1)))
    assert result.nodata_pixels == np.count_nonzero(empty)


def test_the_map_does_not_depend_on_how_requests_are_cut(
    tmp_path: Path, write_tile: Write, export: Callable[..., Path], start: Callable[..., EmbeddedServer]
) -> None:
    export(tmp_path / "m" / "1", reach=2)
    tile = write_tile(scene(70, 90))
    maps = []
    for batching in (BatchingOptions(enabled=False), BatchingOptions(max_batch_size=8, allowed_batch_sizes=(4, 8))):
        server = start(tmp_path / "m", batching=batching)
        for concurrency, patches in ((1, 1), (4, 3), (8, 8)):
            options = ClientOptions(concurrency=concurrency, patches_per_request=patches)
            with SegmentationClient(server.address, options=options) as client:
                maps.append(read(predict_map(tile, tmp_path / "map.tif", client).path))
        server.stop()
    for other in maps[1:]:
        np.testing.assert_array_equal(other, maps[0])


@pytest.fixture(scope="module")
def seeing_far(
    tmp_path_factory: pytest.TempPathFactory, export: Callable[..., Path], start: Callable[..., EmbeddedServer]
) -> Iterator[SegmentationClient]:
    """A network whose answer depends on 3 pixels around, so that a patch's edge differs from its middle."""
    base = tmp_path_factory.mktemp("far") / "eoseg"
    export(base / "1", reach=3)
    server = start(base)
    with SegmentationClient(server.address) as client:
        yield client
    server.stop()


def test_a_texture_that_repeats_gives_a_map_without_seams(
    seeing_far: SegmentationClient, write_tile: Write, tmp_path: Path
) -> None:
    # Stripes of 4 columns: the blurred scores repeat every 12 columns, so any seam between patches breaks the period.
    columns = (np.arange(96) // 4) % 3
    image = np.tile(np.eye(3, dtype=np.uint8)[columns] * 200, (80, 1, 1))
    result = predict_map(write_tile(image), tmp_path / "map.tif", seeing_far, MapOptions(overlap=0.5, blend="centre"))
    class_map = read(result.path)
    assert (class_map == class_map[:1]).all()
    np.testing.assert_array_equal(class_map[:, 12:48], class_map[:, 48:84])


def test_a_constant_tile_gives_the_scores_of_its_interior_everywhere(
    seeing_far: SegmentationClient, write_tile: Write, tmp_path: Path
) -> None:
    image = np.tile(np.uint8([90, 200, 30]), (50, 61, 1))
    result = predict_map(write_tile(image), tmp_path / "map.tif", seeing_far)
    assert (read(result.path) == 1).all()


@pytest.mark.parametrize("shape", [(96, 96), (97, 101)])
def test_a_model_of_coarser_pixels_answers_on_the_tiles_own_grid(
    tmp_path: Path,
    write_tile: Write,
    export: Callable[..., Path],
    start: Callable[..., EmbeddedServer],
    shape: tuple[int, int],
) -> None:
    export(tmp_path / "m" / "1", downsample=3)
    server = start(tmp_path / "m")
    # Two halves: the border between classes lies at column 48, on a multiple of 3.
    image = np.tile(np.uint8([200, 10, 10]), (*shape, 1))
    image[:, 48:] = (10, 10, 200)
    image[:6, :6] = 0
    with SegmentationClient(server.address) as client:
        result = predict_map(write_tile(image, nodata=0), tmp_path / "map.tif", client)
    expected = image.argmax(-1).astype(np.uint8)
    expected[:6, :6] = VOID_ID
    np.testing.assert_array_equal(read(result.path), expected)
    server.stop()


def test_a_version_that_goes_away_half_way_begins_the_tile_anew(
    tmp_path: Path, write_tile: Write, export: Callable[..., Path], start: Callable[..., EmbeddedServer]
) -> None:
    import time

    export(tmp_path / "m" / "1", bias=0)
    export(tmp_path / "staging" / "2", bias=5)
    server = start(tmp_path / "m", file_system_poll_wait_seconds=0.05)
    promoted = []

    def promote(now: MapProgress) -> None:
        if not promoted:
            (tmp_path / "staging" / "2").rename(tmp_path / "m" / "2")
            promoted.append(now.rows)
            with SegmentationClient(server.address) as newcomer:
                while newcomer.version != 2:
                    newcomer.repin()
                    time.sleep(0.02)
            time.sleep(0.5)  # version 1 is unloaded once 2 serves

    image = scene(200, 60)
    with SegmentationClient(server.address, options=ClientOptions(concurrency=1)) as client:
        result = predict_map(write_tile(image), tmp_path / "map.tif", client, progress=promote)
    assert result.version == 2
    np.testing.assert_array_equal(read(result.path), image.argmax(-1))
    server.stop()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda write: write(np.zeros((20, 20, 2), np.uint8)), "has 2 band"),
        (lambda write: write(np.zeros((20, 20, 3), np.uint16)), "pixels of type uint16"),
        (lambda write: Path("/nowhere/tile.tif"), "does not exist"),
    ],
)
def test_a_tile_that_does_not_fit_is_one_clear_error(
    client: SegmentationClient, write_tile: Write, tmp_path: Path, make: Callable[[Write], Path], message: str
) -> None:
    with pytest.raises((RasterError, MissingFileError), match=message) as caught:
        predict_map(make(write_tile), tmp_path / "map.tif", client)
    assert isinstance(caught.value, EosegError)
    assert caught.value.remedy
    assert not (tmp_path / "map.tif").exists()


def test_bands_are_chosen_by_number(client: SegmentationClient, write_tile: Write, tmp_path: Path) -> None:
    image = scene(20, 30)
    four = np.dstack([np.zeros((20, 30, 1), np.uint8), image])
    result = predict_map(write_tile(four), tmp_path / "map.tif", client, MapOptions(bands=(2, 3, 4)))
    np.testing.assert_array_equal(read(result.path), image.argmax(-1))
