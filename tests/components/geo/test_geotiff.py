"""Reading rasters: what comes back, and what is refused with which words."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.control import GroundControlPoint
from rasterio.enums import Resampling
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning

from components.errors import MissingFileError, RasterError
from components.geo.geotiff import open_raster
from components.geo.window import Window
from tests.make_raster import ORIGIN, gradient, write_raster

ODDITIES = Path(__file__).resolve().parents[4] / "shared" / "data" / "format_oddities"
needs_oddities = pytest.mark.skipif(not ODDITIES.is_dir(), reason=f"the folder {ODDITIES} is not there")


def test_a_window_comes_back_with_its_pixels_and_its_place(tmp_path: Path) -> None:
    pixels = gradient(40, 50, 4)
    path = write_raster(tmp_path / "with a space.tif", pixels)
    with open_raster(path, bands=[3, 1]) as reader:
        raster = reader.read(Window(10, 20, 8, 5))
    np.testing.assert_array_equal(raster.pixels, pixels[10:18, 20:25][..., [2, 0]])
    assert raster.valid.all()
    # 20 columns of 0.5 m to the east, 10 rows of 0.5 m to the south
    assert raster.georeference.transform @ (0, 0) == (500_010.0, 5_499_995.0)


def test_downsampling_averages_images_and_takes_the_nearest_of_labels(tmp_path: Path) -> None:
    pixels = np.array([[0, 100, 7, 7], [100, 200, 7, 7]], np.uint8)
    path = write_raster(tmp_path / "a.tif", pixels)
    with open_raster(path) as reader:
        averaged = reader.read(Window(0, 0, 2, 4), downsample=2)
        nearest = reader.read(Window(0, 0, 2, 4), downsample=2, nearest=True)
    assert averaged.pixels[..., 0].tolist() == [[100, 7]]  # (0 + 100 + 100 + 200) / 4
    assert set(nearest.pixels.ravel().tolist()) <= {0, 100, 200, 7}
    assert averaged.georeference.transform.a == 2 * ORIGIN.a


def test_a_pixel_is_nodata_only_where_all_bands_are(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 2), 9, np.uint8)
    pixels[0, 0] = 0
    pixels[1, 1, 1] = 0  # one dark band is no hole
    with open_raster(write_raster(tmp_path / "a.tif", pixels, nodata=0)) as reader:
        assert reader.read(Window(0, 0, 2, 2)).valid.tolist() == [[False, True], [True, True]]


def test_a_missing_band_is_refused_with_the_numbers_there_are(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(4, 4, 3))
    with pytest.raises(RasterError, match=r"not band 4(.|\n)*from 1 to 3"), open_raster(path, bands=[4]):
        pass


def test_a_missing_file_and_a_file_that_is_no_raster_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="does not exist"), open_raster(tmp_path / "none.tif"):
        pass
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(RasterError, match="cannot be opened"), open_raster(tmp_path / "text.tif"):
        pass


def test_bands_are_chosen_by_description_in_the_order_asked_for(tmp_path: Path) -> None:
    pixels = gradient(4, 5, 3)
    path = write_raster(tmp_path / "a.tif", pixels, descriptions=["red", "green", "near infrared"])
    with open_raster(path, bands=["near infrared", 1]) as reader:
        assert reader.bands == (3, 1)
        np.testing.assert_array_equal(reader.read(Window(0, 0, 4, 5)).pixels, pixels[..., [2, 0]])


def test_an_unknown_or_ambiguous_description_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(4, 4, 3), descriptions=["red", "red", None])
    with (
        pytest.raises(RasterError, match=r"no band\(s\)(.|\n)*'nir'(.|\n)*'red' \(band 1\)"),
        open_raster(path, ["nir"]),
    ):
        pass
    with pytest.raises(RasterError, match=r"2 band\(s\)(.|\n)*'red'"), open_raster(path, ["red"]):
        pass
    bare = write_raster(tmp_path / "b.tif", gradient(4, 4, 3))
    with pytest.raises(RasterError, match="bands have no descriptions"), open_raster(bare, ["red"]):
        pass


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_pixels_of_these_types_come_back_as_they_are(tmp_path: Path, dtype: str) -> None:
    extremes = [0, 1, 255] if dtype == "uint8" else [0, 1, 32_767]
    pixels = np.array([extremes], dtype)
    with open_raster(write_raster(tmp_path / "a.tif", pixels)) as reader:
        raster = reader.read(Window(0, 0, 1, 3))
    assert reader.dtype == dtype
    assert raster.pixels.dtype == dtype
    assert raster.pixels[0, :, 0].tolist() == extremes


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint32", "float64"])
def test_other_real_types_are_read_as_float32_exact_below_two_to_the_24(tmp_path: Path, dtype: str) -> None:
    largest = 127 if dtype == "int8" else 2**24 - 1
    pixels = np.array([[0, 7, largest]], dtype)
    with open_raster(write_raster(tmp_path / "a.tif", pixels, nodata=7)) as reader:
        raster = reader.read(Window(0, 0, 1, 3))
    assert reader.dtype == "float32"
    assert raster.pixels.dtype == np.float32
    assert raster.pixels[0, [0, 2], 0].tolist() == [0, largest]
    assert raster.valid.tolist() == [[True, False, True]]


def test_bands_of_differing_types_are_read_as_float32(tmp_path: Path) -> None:
    height = write_raster(tmp_path / "height.tif", np.array([[1.5, -3]], np.float32))
    photo = write_raster(tmp_path / "photo.tif", np.array([[200, 7]], np.uint8))
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{i}"><SimpleSource><SourceFilename relativeToVRT="1">{file.name}'
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        for i, (kind, file) in enumerate((("Byte", photo), ("Float32", height)), 1)
    )
    vrt = tmp_path / "both.vrt"
    vrt.write_text(f'<VRTDataset rasterXSize="2" rasterYSize="1">{bands}</VRTDataset>')
    with open_raster(vrt) as reader:
        assert reader.dtype == "float32"
        assert reader.read(Window(0, 0, 1, 2)).pixels.tolist() == [[[200, 1.5], [7, -3]]]


@pytest.mark.parametrize("dtype", ["complex64", "complex_int16"])
def test_complex_pixels_are_refused_unless_their_modulus_is_asked_for(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "slc.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=1, width=2, count=1, dtype=dtype, crs="EPSG:25832", transform=ORIGIN
    ) as dataset:
        dataset.write(np.array([[[3 + 4j, -5j]]], np.complex64))
    with pytest.raises(RasterError, match=r"complex(.|\n)*decibel: amplitude"), open_raster(path):
        pass
    with open_raster(path, modulus=True) as reader:
        assert reader.read(Window(0, 0, 1, 2)).pixels.ravel().tolist() == [5, 5]  # sqrt(9 + 16), sqrt(25)


@pytest.mark.parametrize(
    "transform",
    [ORIGIN @ Affine.rotation(10), Affine(0.5, 0, 500_000, 0, 0.5, 5_400_000)],
    ids=["rotated", "south-up"],
)
def test_rotated_and_south_up_rasters_are_read_on_their_own_grid(tmp_path: Path, transform: Affine) -> None:
    pixels = gradient(20, 30)
    with open_raster(write_raster(tmp_path / "a.tif", pixels, transform=transform)) as reader:
        raster = reader.read(Window(4, 6, 10, 12), downsample=2)
        whole = reader.read(Window(0, 0, 20, 30))
    np.testing.assert_array_equal(whole.pixels, pixels)
    # The corner of the window, and the one opposite, 10 rows down and 12 columns to the right of it
    assert raster.georeference.transform @ (0, 0) == pytest.approx(transform @ (6, 4), abs=1e-9)
    assert raster.georeference.transform @ (6, 5) == pytest.approx(transform @ (18, 14), abs=1e-9)


def test_ground_control_points_alone_are_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(4, 4), crs=None)
    corners = [GroundControlPoint(row, col, 9 + col / 100, 50 - row / 100) for row, col in ((0, 0), (0, 4), (4, 0))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "r+") as dataset:
            dataset.gcps = (corners, rasterio.CRS.from_epsg(4326))
    with pytest.raises(RasterError, match=r"3 ground control points(.|\n)*gdalwarp"), open_raster(path):
        pass


@pytest.mark.parametrize("nearest", [True, False])
def test_overviews_are_never_read_in_place_of_the_pixels(tmp_path: Path, nearest: bool) -> None:
    path = write_raster(tmp_path / "a.tif", np.full((512, 512), 10, np.uint8), creation={"tiled": True})
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2], Resampling.nearest)
    with rasterio.open(path, "r+", OVERVIEW_LEVEL=0) as overview:
        overview.write(np.full((1, 256, 256), 99, np.uint8))
    with rasterio.open(path) as dataset:
        assert dataset.read(1, out_shape=(256, 256)).max() == 99  # what GDAL gives when it may choose
    with open_raster(path) as reader:
        assert (reader.read(Window(0, 0, 512, 512), downsample=2, nearest=nearest).pixels == 10).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_validity_is_gdals_mask_of_any_chosen_band(tmp_path: Path, dtype: str, data: st.DataObject) -> None:
    """The oracle is `read_masks`; whole numbers are compared with the nodata value instead, which must be the same.

    Alpha counts whatever the number of bands."""
    nodata = data.draw(st.sampled_from([None, 0, 3, 255] if dtype[0] == "u" else [None, 0, 3, -9, math.nan]))
    if dtype == "int16" and nodata != nodata:
        nodata = None
    kind = data.draw(st.sampled_from(["nodata", "alpha", "mask"]))
    count = data.draw(st.sampled_from([2, 3, 4, 6]))
    pixels = data.draw(arrays(np.uint8, (6, 7, count), elements=st.sampled_from([0, 3, 9]))).astype(dtype)
    mask = data.draw(arrays(np.bool_, (6, 7))) if kind == "mask" else None
    path = write_raster(
        tmp_path / "a.tif",
        pixels,
        nodata=nodata if kind == "nodata" else None,
        mask=mask,
        last_is_alpha=kind == "alpha",
    )
    bands = data.draw(st.sampled_from([[1], [2, 1] if count > 2 else [1]]))
    with rasterio.open(path) as dataset, warnings.catch_warnings():
        warnings.simplefilter("ignore", NodataShadowWarning)
        expected = dataset.read_masks(bands).any(axis=0)
    if mask is not None:
        np.testing.assert_array_equal(expected, mask)  # the oracle sees the mask file at all
    if kind == "alpha":  # of which GDAL makes a mask only in 2 or 4 bands of uint8 or uint16
        expected = pixels[..., -1] > 0
    row, col = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 6))
    with open_raster(path, bands) as reader:
        whole = reader.read(Window(0, 0, 6, 7))
        part = reader.read(Window(row, col, 6 - row, 7 - col))
    np.testing.assert_array_equal(whole.valid, expected)
    np.testing.assert_array_equal(part.valid, expected[row:, col:])
    np.testing.assert_array_equal(part.pixels, whole.pixels[row:, col:])


def test_an_alpha_band_that_is_not_chosen_says_what_is_valid(tmp_path: Path) -> None:
    pixels = np.array([[[9, 9, 9, 0], [0, 0, 0, 255]]], np.uint8)
    with open_raster(write_raster(tmp_path / "a.tif", pixels, last_is_alpha=True)) as reader:
        assert reader.bands == (1, 2, 3)
        assert reader.read(Window(0, 0, 1, 2)).valid.tolist() == [[False, True]]


def test_images_hold_no_number_that_is_not_finite_and_labels_keep_theirs(tmp_path: Path) -> None:
    pixels = np.array([[1, np.nan, -3.4e38, np.inf]], np.float32)
    with open_raster(write_raster(tmp_path / "a.tif", pixels, nodata=-3.4e38)) as reader:
        image = reader.read(Window(0, 0, 1, 4))
        label = reader.read(Window(0, 0, 1, 4), nearest=True)
    assert image.valid.tolist() == label.valid.tolist() == [[True, False, False, False]]
    assert image.pixels.ravel().tolist() == [1, 0, 0, 0]
    np.testing.assert_array_equal(label.pixels.ravel(), pixels.ravel())


def test_twenty_bands_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    pixels = np.arange(2 * 3 * 20, dtype=np.int16).reshape(2, 3, 20)
    order = list(range(20, 0, -1))
    with open_raster(write_raster(tmp_path / "a.tif", pixels), order) as reader:
        np.testing.assert_array_equal(reader.read(Window(0, 0, 2, 3)).pixels, pixels[..., ::-1])


@pytest.mark.parametrize(
    "creation",
    [
        {"compress": "lzw", "predictor": 2},
        {"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16},
        {"compress": "zstd", "interleave": "band"},
        {"compress": "lerc", "max_z_error": 0},
        {"driver": "COG"},
        {"driver": "PNG", "crs": None},
        {"bigtiff": "yes"},
    ],
    ids=str,
)
def test_every_lossless_layout_gives_the_same_pixels(tmp_path: Path, creation: dict[str, Any]) -> None:
    pixels = gradient(40, 50)
    driver, crs = creation.pop("driver", "GTiff"), creation.pop("crs", "EPSG:25832")
    path = write_raster(tmp_path / "a", pixels, driver=driver, crs=crs, creation=creation)
    with open_raster(path) as reader:
        np.testing.assert_array_equal(reader.read(Window(3, 5, 20, 30)).pixels, pixels[3:23, 5:35])


@needs_oddities
def test_a_truncated_tiff_says_which_file_and_where() -> None:
    with (
        open_raster(ODDITIES / "corrupt.tif") as reader,
        pytest.raises(RasterError, match=r"corrupt\.tif cannot be read at row 0.*"),
    ):
        reader.read(Window(0, 0, reader.height, reader.width))


@needs_oddities
def test_an_infrared_band_tagged_as_alpha_is_read_as_a_measurement_when_named() -> None:
    path = ODDITIES / "potsdam_header_stub" / "top_potsdam_2_10_RGBIR.tif"
    with open_raster(path, bands=[4, 1, 2]) as reader:
        raster = reader.read(Window(0, 0, 2, 2))
    assert raster.pixels.shape == (2, 2, 3)
    assert raster.valid.all()
