from pathlib import Path

import numpy as np
import pytest
import rasterio

from components.errors import ConfigError, RasterError
from serving.predict_map import MapOptions, MapOutputs, predict_map
from tests.make_raster import gradient, write_raster
from tests.serving.fake_client import FakeClient, contract_of


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "a tile.tif", gradient(40, 50))


def test_tags_say_what_a_map_is_made_of(tile: Path, tmp_path: Path) -> None:
    contract = contract_of().model_copy(update={"provenance": {"config_hash": "c0ffee", "data_fingerprint": "da7a"}})
    options = MapOptions(overlap=0.5, blend="flat", augment="flips")
    predict_map(tile, tmp_path / "map.tif", FakeClient(contract, version=41), options)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        tags = dataset.tags()
    expected = {
        "EOSEG_MODEL": "eoseg",
        "EOSEG_VERSION": "41",
        "EOSEG_CONFIG_HASH": "c0ffee",
        "EOSEG_DATA_FINGERPRINT": "da7a",
        "EOSEG_TILE": "a tile.tif",
        "EOSEG_OVERLAP": "0.5",
        "EOSEG_BLEND": "flat",
        "EOSEG_AUGMENT": "flips",
        "EOSEG_BANDS": "a, b, c",
    }
    assert {key: tags[key] for key in expected} == expected
    assert tags["TIFFTAG_SOFTWARE"].startswith("EOSeg ")
    assert tags["EOSEG_DATE"].endswith("Z")


def test_a_map_of_the_same_making_is_left_as_it_is(tile: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    predict_map(tile, path, FakeClient())
    before = path.read_bytes()
    client = FakeClient()
    result = predict_map(tile, path, client, overwrite=False)
    assert (result.was_there, client.patches, path.read_bytes()) == (True, 0, before)
    assert not predict_map(tile, path, client, overwrite=True).was_there
    assert client.patches > 0


def test_a_map_of_another_making_is_made_again(tile: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    predict_map(tile, path, FakeClient())
    assert not predict_map(tile, path, FakeClient(version=2), overwrite=False).was_there
    assert not predict_map(tile, path, FakeClient(version=2), MapOptions(blend="flat"), overwrite=False).was_there
    assert predict_map(tile, path, FakeClient(version=2), MapOptions(blend="flat"), overwrite=False).was_there
    write_raster(tile, np.zeros((40, 50, 3), np.uint8))
    assert not predict_map(tile, path, FakeClient(version=2), MapOptions(blend="flat"), overwrite=False).was_there


def test_a_layer_that_is_missing_is_made(tile: Path, tmp_path: Path) -> None:
    outputs = MapOutputs(confidence=tmp_path / "c.tif")
    predict_map(tile, tmp_path / "map.tif", FakeClient())
    assert not predict_map(tile, tmp_path / "map.tif", FakeClient(), outputs=outputs, overwrite=False).was_there
    assert (tmp_path / "c.tif").exists()
    assert predict_map(tile, tmp_path / "map.tif", FakeClient(), outputs=outputs, overwrite=False).was_there


def test_what_is_no_map_is_not_replaced_unasked(tile: Path, tmp_path: Path) -> None:
    other = write_raster(tmp_path / "orthophoto.tif", gradient(9, 9))
    before = other.read_bytes()
    with pytest.raises(RasterError, match="no map of EOSeg's"):
        predict_map(tile, other, FakeClient(), overwrite=False)
    assert other.read_bytes() == before


def test_no_file_is_written_over_what_is_read_or_twice(tile: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="image that is read"):
        predict_map(tile, tile, FakeClient())
    with pytest.raises(ConfigError, match="written twice"):
        predict_map(tile, tmp_path / "map.tif", FakeClient(), outputs=MapOutputs(confidence=tmp_path / "map.tif"))


def test_confidence_is_the_best_score_in_percent(tile: Path, tmp_path: Path) -> None:
    outputs = MapOutputs(confidence=tmp_path / "c.tif", scores=tmp_path / "s.tif")
    predict_map(tile, tmp_path / "map.tif", FakeClient(), outputs=outputs)
    pixels = np.maximum(gradient(40, 50), 1) / 255
    with rasterio.open(tmp_path / "c.tif") as dataset:
        np.testing.assert_allclose(dataset.read(1), pixels.max(-1) * 100, atol=0.501)
    with rasterio.open(tmp_path / "s.tif") as dataset:
        np.testing.assert_allclose(dataset.read().transpose(1, 2, 0), pixels * 254, atol=0.501)
