"""Radar bands of composites: decibels, speckle, complex numbers."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from components.errors import RasterError
from components.geo.bands import Band, Despeckle
from components.geo.despeckle import decibels, lee_filter
from components.geo.window import Window
from tests.components.geo.composite_scenes import HEIGHT, HEIGHT_BAND, WIDTH, read_composite, write_image
from tests.make_raster import ORIGIN, write_raster


def _radar(tmp_path: Path, **kwargs: Any) -> tuple[Path, NDArray[np.float32]]:
    intensity = np.random.default_rng(8).gamma(4, 0.25, (HEIGHT, WIDTH)).astype(np.float32)
    intensity[3, 4], intensity[5, 6], intensity[7, 8] = np.nan, 0, -0.01
    return write_raster(tmp_path / "vv.tif", intensity, **kwargs), intensity


def test_backscatter_becomes_decibels_and_what_has_none_is_nodata(tmp_path: Path) -> None:
    path, intensity = _radar(tmp_path)
    raster, dtype, _ = read_composite([Band(name="vv", number=1, decibel="intensity")], image=path)
    assert dtype == "float32"
    assert np.argwhere(~raster.valid).tolist() == [[3, 4], [5, 6], [7, 8]]
    np.testing.assert_allclose(raster.pixels[raster.valid, 0], 10 * np.log10(intensity[raster.valid]), rtol=1e-5)
    assert (raster.pixels[~raster.valid] == 0).all()


def test_one_polarisation_without_backscatter_makes_the_pixel_nodata(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s1.tif", np.array([[[1, 0], [1, 10], [0, 0]]], np.float32))
    bands = [Band(name=name, number=i, decibel="intensity") for i, name in enumerate(("vv", "vh"), 1)]
    raster, _, _ = read_composite(bands, Window(0, 0, 1, 3), image=path)
    assert raster.valid.tolist() == [[False, True, False]]
    assert raster.pixels[0, 1].tolist() == [0, 10]


def test_speckle_is_filtered_on_intensities_before_decibels(tmp_path: Path) -> None:
    path, intensity = _radar(tmp_path)
    raster, _, _ = read_composite(
        [Band(name="vv", number=1, decibel="intensity", despeckle=Despeckle(size=7, looks=4))], image=path
    )
    expected = decibels(lee_filter(intensity, np.isfinite(intensity), 7, 4), "intensity")
    np.testing.assert_array_equal(raster.valid, np.isfinite(expected))
    np.testing.assert_array_equal(raster.pixels[raster.valid, 0], expected[raster.valid])


def test_amplitudes_are_squared_for_the_filter(tmp_path: Path) -> None:
    path, intensity = _radar(tmp_path)
    amplitude = np.sqrt(np.abs(intensity))
    write_raster(path, amplitude)
    raster, _, _ = read_composite(
        [Band(name="vv", number=1, decibel="amplitude", despeckle=Despeckle(size=3, looks=4))], image=path
    )
    squared = amplitude.astype(np.float64) ** 2
    expected = decibels(lee_filter(squared, np.isfinite(squared), 3, 4), "intensity")
    np.testing.assert_allclose(raster.pixels[raster.valid, 0], expected[raster.valid], atol=1e-4)


def test_nodata_of_a_radar_band_is_left_out_of_the_filter(tmp_path: Path) -> None:
    pixels = np.full((9, 9), 2, np.float32)
    pixels[4, 4] = -9999
    path = write_raster(tmp_path / "vv.tif", pixels, nodata=-9999)
    raster, _, _ = read_composite(
        [Band(name="vv", number=1, despeckle=Despeckle(size=3))], Window(0, 0, 9, 9), image=path
    )
    assert np.argwhere(~raster.valid).tolist() == [[4, 4]]
    assert set(raster.pixels[raster.valid].ravel().tolist()) == {2}


@pytest.mark.parametrize("decibel", ["amplitude", "intensity"])
@pytest.mark.parametrize("dtype", ["complex64", "complex_int16"])
def test_complex_numbers_are_taken_by_their_modulus(tmp_path: Path, dtype: str, decibel: Any) -> None:
    path = tmp_path / "slc.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=1, width=3, count=1, dtype=dtype, crs="EPSG:25832", transform=ORIGIN
    ) as dataset:
        dataset.write(np.array([[[3 + 4j, -10j, 0]]], np.complex64))
    raster, _, _ = read_composite([Band(name="vv", number=1, decibel=decibel)], Window(0, 0, 1, 3), image=path)
    assert raster.valid.tolist() == [[True, True, False]]
    assert raster.pixels[0, :2, 0].tolist() == pytest.approx([20 * math.log10(5), 20])
    with pytest.raises(RasterError, match="complex"):
        read_composite([Band(name="vv", number=1)], Window(0, 0, 1, 3), image=path)


def test_complex_numbers_of_another_grid_are_warped_by_their_modulus(tmp_path: Path) -> None:
    """Averaging the numbers themselves would give 0: their phases cancel."""
    path = tmp_path / "slc.tif"
    signs = np.where(np.indices((2 * HEIGHT, 2 * WIDTH)).sum(axis=0) % 2, 1, -1)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=2 * HEIGHT,
        width=2 * WIDTH,
        count=1,
        dtype="complex64",
        crs="EPSG:25832",
        transform=ORIGIN @ Affine.scale(0.5),
    ) as dataset:
        dataset.write((signs * (6 + 8j)).astype(np.complex64)[None])
    raster, _, _ = read_composite([HEIGHT_BAND], image=write_image(tmp_path), dsm=path)
    np.testing.assert_allclose(raster.pixels, 10, rtol=1e-6)


RADAR = {"decibel": {"decibel": "amplitude"}, "despeckle": {"despeckle": Despeckle(size=3)}}


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("asked", RADAR)
@pytest.mark.parametrize("of_the_image", [True, False])
def test_a_picture_in_8_bits_is_no_backscatter(tmp_path: Path, dtype: str, asked: str, of_the_image: bool) -> None:
    path = write_raster(tmp_path / "quicklook.tif", np.ones((HEIGHT, WIDTH, 2), dtype))
    if of_the_image:
        rasters, raster = {"image": path}, "image"
    else:
        rasters, raster = {"image": write_image(tmp_path), "sar": path}, "sar"
    bands = [
        Band(name="plain", number=1),
        Band(name="vh", raster=raster, number=2, **RADAR[asked]),  # type: ignore[arg-type]
    ]
    with pytest.raises(RasterError) as caught:
        read_composite(bands, **rasters)
    assert str(path) in caught.value.problem
    assert f"band vh (number 2 in the file) has {dtype} pixels, and the configuration asks for {asked}" in str(
        caught.value
    )
    assert "16 bits" in caught.value.expected
    assert f"{asked} out of data.bands.vh" in caught.value.remedy


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_amplitudes_in_16_bits_are_backscatter(tmp_path: Path, dtype: str) -> None:
    """As Sentinel-1 GRD and ALOS mosaics are delivered: 20 log10(100) = 40."""
    path = write_raster(tmp_path / "grd.tif", np.full((HEIGHT, WIDTH), 100, dtype))
    raster, read_as, _ = read_composite([Band(name="vv", number=1, decibel="amplitude")], image=path)
    assert read_as == "float32"
    np.testing.assert_allclose(raster.pixels, 40, rtol=1e-6)


def test_bands_in_8_bits_may_lie_beside_radar(tmp_path: Path) -> None:
    sar = write_raster(tmp_path / "sar.tif", np.full((HEIGHT, WIDTH), 100, np.float32))
    bands = [Band(name="red", number=1), Band(name="vv", raster="sar", number=1, decibel="intensity")]
    raster, _, _ = read_composite(bands, image=write_image(tmp_path), sar=sar)
    np.testing.assert_allclose(raster.pixels[..., 1], 20, rtol=1e-6)
