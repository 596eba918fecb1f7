"""Reading rasters: what comes back, and what is refused with which words."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine

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


def test_a_rotated_transform_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(4, 4), transform=ORIGIN @ Affine.rotation(10))
    with pytest.raises(RasterError, match="gdalwarp"), open_raster(path):
        pass


def test_a_dtype_that_the_records_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.zeros((4, 4), np.float64))
    with pytest.raises(RasterError, match="float64"), open_raster(path):
        pass


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
