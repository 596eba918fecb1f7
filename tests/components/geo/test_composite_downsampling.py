"""Composites in larger pixels: everything is computed at full resolution, then averaged."""

from pathlib import Path

import numpy as np
import pytest

from components.geo import composite
from components.geo.bands import Band, BandSet
from components.geo.image import open_image
from components.geo.window import Window
from tests.components.geo.composite_scenes import (
    HEIGHT,
    HEIGHT_BAND,
    RED,
    WIDTH,
    read_composite,
    write_image,
)
from tests.make_raster import write_raster


def test_downsampling_averages_plain_bands_as_in_an_image_that_is_read_alone(tmp_path: Path) -> None:
    image = write_image(tmp_path)
    window = Window(4, 6, 30, 40)
    with open_image({"image": str(image)}, BandSet.of_numbers([1], ["red"])) as reader:
        alone = reader.read(window, 2)
    height = write_raster(tmp_path / "d.tif", np.ones((HEIGHT, WIDTH), np.uint8))
    raster, _, _ = read_composite([RED, HEIGHT_BAND], window, 2, image=image, dsm=height)
    np.testing.assert_array_equal(raster.pixels[..., :1], alone.pixels)
    assert raster.georeference == alone.georeference


@pytest.mark.parametrize("chunk_pixels", [1, 500, 10**6])
def test_derived_bands_are_computed_before_they_are_averaged(
    tmp_path: Path, chunk_pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composite, "_CHUNK_PIXELS", chunk_pixels)
    rng = np.random.default_rng(7)
    pixels = rng.integers(1, 200, (HEIGHT, WIDTH, 2)).astype(np.uint8)
    pixels[rng.random((HEIGHT, WIDTH)) < 0.4] = 0
    image = write_raster(tmp_path / "i.tif", pixels, nodata=0)
    bands = [RED, Band(name="nir", number=2), Band(name="ratio", expression="nir / red")]
    raster, _, _ = read_composite(bands, Window(0, 0, HEIGHT, WIDTH), 3, image=image)
    there = pixels[:, : WIDTH // 3 * 3].any(axis=2).reshape(HEIGHT // 3, 3, WIDTH // 3, 3)
    ratio = np.zeros((HEIGHT, WIDTH))
    np.divide(pixels[..., 1], pixels[..., 0], out=ratio, where=pixels[..., 0] > 0)
    ratio = ratio[:, : WIDTH // 3 * 3].reshape(HEIGHT // 3, 3, WIDTH // 3, 3)
    count = there.sum(axis=(1, 3))
    np.testing.assert_array_equal(raster.valid, count >= 5)  # at least half of 9
    mean = ratio.sum(axis=(1, 3))[raster.valid] / count[raster.valid]
    np.testing.assert_allclose(raster.pixels[raster.valid, 2], mean, rtol=1e-6)
    assert (raster.pixels[~raster.valid] == 0).all()
