"""A map that is monitored is the same map; its statistics are those of the tile and of the evaluation's figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from components.classes import encode_colors
from components.errors import ConfigError
from components.evaluation.calibration import PIXELS
from components.evaluation.evaluate_tile import TileEvaluationOptions, evaluate_tile
from components.geo.labels import LabelDecoder
from components.mapping.map_options import MapOptions
from components.tile_source import TileSource
from serving.client_scorer import ClientScorer
from serving.drift.map_monitor import MapMonitor, MonitorOptions
from serving.drift.map_statistics import CONFIDENCE_BINS, MapStatistics, read_statistics
from serving.predict_map import MapResult, predict_map
from tests.make_raster import write_raster
from tests.serving.drift.make_reference import scene
from tests.serving.fake_client import FakeClient, contract_of, fail_after

EVERY_ROW = MonitorOptions(row_step=1, confidence_row_step=1)


def predicted(tile: Path, out: Path, monitor: MapMonitor | None, client: Any = None, **options: Any) -> MapResult:
    return predict_map(tile, out, client or FakeClient(), MapOptions(), monitor=monitor, **options)


def kept(folder: Path) -> MapStatistics:
    (path,) = folder.glob("*.monitor.json")
    return read_statistics(path)


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    image = scene(100, 75)
    valid = np.ones(image.shape[:2], np.bool_)
    valid[30:60, 10:50] = False
    return write_raster(tmp_path / "a.tif", image, mask=valid)


def test_monitoring_changes_no_pixel_and_no_tag_but_the_date(tile: Path, tmp_path: Path) -> None:
    plain = predicted(tile, tmp_path / "plain.tif", None)
    result = predicted(tile, tmp_path / "map.tif", MapMonitor(tmp_path / "seen"))
    with rasterio.open(plain.path) as one, rasterio.open(result.path) as other:
        np.testing.assert_array_equal(one.read(), other.read())
        assert one.tags()["EOSEG_PREDICTION"] == other.tags()["EOSEG_PREDICTION"]
    assert (result.class_pixels, result.nodata_pixels) == (plain.class_pixels, plain.nodata_pixels)
    assert result.outputs["monitor"] == next((tmp_path / "seen").iterdir())
    assert result.notes == plain.notes


@pytest.mark.parametrize("step", [1, 4])
def test_bands_are_those_of_every_so_manieth_row(tile: Path, tmp_path: Path, step: int) -> None:
    options = MonitorOptions(row_step=step)
    predicted(tile, tmp_path / "map.tif", MapMonitor(tmp_path / "seen", options), date="2025-06-01")
    found = kept(tmp_path / "seen")
    with rasterio.open(tile) as dataset:
        image, valid = dataset.read(), dataset.dataset_mask() > 0
    for band, pixels in zip(found.bands, image, strict=True):
        expected = dict(zip(*np.unique(pixels[::step][valid[::step]], return_counts=True), strict=True))
        assert dict(zip(band.bins, band.counts, strict=True)) == expected
    assert (found.date, found.version, found.model) == ("2025-06-01", 1, "eoseg")
    assert sum(found.class_pixels.values()) == valid.sum()
    assert found.nodata_pixels == (~valid).sum()


def test_a_model_that_sees_several_pixels_as_one_is_given_the_bands_that_it_sees(tmp_path: Path) -> None:
    image = scene(64, 64)
    contract = contract_of().model_copy(update={"downsample": 2})
    tile = write_raster(tmp_path / "a.tif", image)
    predicted(tile, tmp_path / "map.tif", MapMonitor(tmp_path / "seen", EVERY_ROW), FakeClient(contract))
    found = kept(tmp_path / "seen")
    averaged = np.floor(image.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)) + 0.5).astype(np.uint8)
    for i, band in enumerate(found.bands):
        expected = dict(zip(*np.unique(averaged[..., i], return_counts=True), strict=True))
        assert dict(zip(band.bins, band.counts, strict=True)) == expected
    assert sum(found.confidence) == 64 * 64


def test_confidence_and_classes_are_those_of_the_evaluation(tile: Path, tmp_path: Path) -> None:
    client = FakeClient()
    table = client.contract().table
    with rasterio.open(tile) as dataset:
        truth = dataset.read().argmax(0).astype(np.uint8)
    label = write_raster(tmp_path / "label.tif", encode_colors(truth, table))
    source = TileSource(tile="a", image=str(tile), label=str(label), split="test")
    options = TileEvaluationOptions(maps=MapOptions())
    evaluated = evaluate_tile(
        [source], client.contract(), ClientScorer(client), LabelDecoder(table, None), options, pictures=False
    )
    monitor = MapMonitor(tmp_path / "seen", EVERY_ROW)
    predicted(tile, tmp_path / "map.tif", monitor)
    found = kept(tmp_path / "seen")
    assert tuple(found.class_pixels.values()) == tuple(evaluated.mapped_pixels)
    bins = options.counting.bins
    reliability = evaluated.counts.reliability.sum(axis=0)
    np.testing.assert_array_equal(
        np.reshape(found.confidence, (bins, CONFIDENCE_BINS // bins)).sum(axis=1), reliability[:, PIXELS]
    )
    assert found.mean_confidence == pytest.approx(reliability[:, 2].sum() / 1e6 / reliability[:, PIXELS].sum())
    assert monitor.mean_confidence == pytest.approx(found.mean_confidence)


def test_a_map_that_is_begun_again_with_another_version_is_counted_once(tile: Path, tmp_path: Path) -> None:
    client = FakeClient(before=fail_after(20, "NOT_FOUND"), successor=2)
    result = predicted(tile, tmp_path / "map.tif", MapMonitor(tmp_path / "seen", EVERY_ROW), client)
    found = kept(tmp_path / "seen")
    assert (result.version, found.version) == (2, 2)
    assert found.bands[0].pixels == sum(found.confidence) == sum(found.class_pixels.values())


def test_each_tile_and_version_has_a_file_of_its_own_and_the_same_again_replaces_it(tile: Path, tmp_path: Path) -> None:
    seen, out = tmp_path / "seen", tmp_path / "map.tif"
    other = write_raster(tmp_path / "other" / "a.tif", scene(20, 30, 1))
    for image, version in ((tile, 1), (tile, 1), (tile, 2), (other, 2)):
        predicted(image, out, MapMonitor(seen), FakeClient(version=version))
    names = sorted(path.name.split(".")[:2] for path in seen.iterdir())
    assert names == [["map", "1"], ["map", "2"], ["map", "2"]]


def test_a_map_that_was_there_has_none_and_says_so(tile: Path, tmp_path: Path) -> None:
    predicted(tile, tmp_path / "map.tif", None)
    result = predicted(tile, tmp_path / "map.tif", MapMonitor(tmp_path / "seen"), overwrite=False)
    assert result.was_there
    assert "no statistics" in result.notes[-1]
    predicted(tile, tmp_path / "map.tif", MapMonitor(tmp_path / "seen"))
    assert predicted(tile, tmp_path / "map.tif", MapMonitor(tmp_path / "seen"), overwrite=False).notes == ()


def test_a_map_does_not_fail_for_statistics_that_cannot_be_kept(tile: Path, tmp_path: Path) -> None:
    monitor = MapMonitor(tmp_path / "seen")
    (tmp_path / "seen").rmdir()
    (tmp_path / "seen").write_text("in the way")
    result = predicted(tile, tmp_path / "map.tif", monitor)
    assert result.path.exists()
    assert "not kept" in result.notes[-1]
    assert "monitor" not in result.outputs
    with pytest.raises(ConfigError, match="seen cannot be made"):
        MapMonitor(tmp_path / "seen")
    with pytest.raises(ConfigError, match="s3://bucket/seen is no local path"):
        MapMonitor("s3://bucket/seen")
