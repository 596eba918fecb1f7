"""A label raster on its image's grid: every pixel is the one that lies under the image pixel's centre."""

from pathlib import Path

import numpy as np
import pytest
import rasterio.warp
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from components.errors import LabelError
from components.geo.aligned_raster import AlignedRaster
from components.geo.geotiff import open_raster
from components.geo.raster import Georeference, Grid
from components.geo.window import Window
from tests.make_raster import ORIGIN, write_raster

UTM = CRS.from_epsg(25832).to_wkt()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height + width).integers(1, 255, (height, width)).astype(np.uint8)


def grid(height: int, width: int, transform: Affine = ORIGIN, crs: str = UTM) -> Grid:
    return Grid(height, width, Georeference(transform, crs))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aligned")


@pytest.mark.parametrize("resample", [False, True])
@pytest.mark.parametrize("downsample", [1, 2, 3, 4, 5])
def test_on_the_same_grid_the_pixels_are_those_of_the_file_downsampled_as_gdal_does(
    folder: Path, downsample: int, resample: bool
) -> None:
    path = write_raster(folder / "same.tif", noise(61, 47))
    window = Window(2 * downsample, downsample, 40, 33)
    with open_raster(path) as raster:
        aligned = AlignedRaster(raster, raster.grid, resample)
        found = aligned.read(window, downsample)
        np.testing.assert_array_equal(found.pixels, raster.read(window, downsample, nearest=True).pixels)
    assert aligned.is_one_to_one
    assert found.outside is None


@pytest.mark.parametrize("downsample", [1, 2, 3, 4])
def test_looked_up_pixels_are_sampled_like_those_read_directly(folder: Path, downsample: int) -> None:
    # the label is the image's left upper part: looked up, for the sizes differ, but pixel on pixel
    pixels = noise(60, 48)
    path = write_raster(folder / "part.tif", pixels)
    whole = write_raster(folder / "whole.tif", np.pad(pixels, ((0, 20), (0, 12))))
    window = Window(downsample, 2 * downsample, 31, 29)
    with open_raster(path) as raster, open_raster(whole) as larger:
        aligned = AlignedRaster(raster, grid(80, 60), True)
        assert not aligned.is_one_to_one
        found = aligned.read(window, downsample).pixels
        np.testing.assert_array_equal(found, larger.read(window, downsample, nearest=True).pixels)


@settings(max_examples=40, deadline=None)
@given(
    metres=st.sampled_from([0.2, 0.25, 0.5, 0.7, 1.0, 3.0]),
    east=st.integers(-30, 30),
    north=st.integers(-30, 30),
    south_up=st.booleans(),
)
def test_another_resolution_and_origin_give_the_pixel_under_each_centre(
    folder: Path, metres: float, east: int, north: int, south_up: bool
) -> None:
    # shifts of 0.03 m keep centres off the edges of pixels of these sizes
    transform = Affine(metres, 0, 500_000 + east * 0.5 + 0.03, 0, -metres, 5_500_000 + north * 0.5 - 0.03)
    pixels = noise(50, 70)
    if south_up:
        transform = transform @ Affine.translation(0, 50) @ Affine.scale(1, -1)
    path = write_raster(folder / "shifted.tif", pixels, transform=transform)
    with open_raster(path) as raster:
        found = AlignedRaster(raster, grid(40, 60), True).read(Window(0, 0, 40, 60))
    assert found.outside is not None
    for row in range(0, 40, 3):
        for col in range(0, 60, 7):
            x, y = ~transform @ (ORIGIN @ (col + 0.5, row + 0.5))
            inside = 0 <= x < 70 and 0 <= y < 50
            assert found.outside[row, col] != inside
            assert found.valid[row, col] == inside
            assert found.pixels[row, col, 0] == (pixels[int(y), int(x)] if inside else 0)


def test_centres_on_the_edge_between_two_pixels_go_to_the_same_side_everywhere(folder: Path) -> None:
    # twice as fine: the centre of each image pixel is a corner of label pixels; right and below is taken, as in [1::2]
    # (in numbers that have no exact binary form)
    pixels = noise(200, 300)
    transform = Affine(0.3, 0, 500_000.1, 0, -0.3, 5_500_000.7)
    path = write_raster(folder / "fine.tif", pixels, transform=Affine(0.15, 0, 500_000.1, 0, -0.15, 5_500_000.7))
    with open_raster(path) as raster:
        found = AlignedRaster(raster, grid(100, 150, transform), True).read(Window(0, 0, 100, 150)).pixels[..., 0]
    np.testing.assert_array_equal(found, pixels[1::2, 1::2])


def test_a_label_in_another_coordinate_system_is_looked_up_where_proj_says(folder: Path) -> None:
    # 0.4 m pixels in the neighbouring zone, around the image
    west, south, east, north = rasterio.warp.transform_bounds(
        "EPSG:25832", "EPSG:25833", 500_000, 5_499_700, 500_350, 5_500_000
    )
    transform = Affine(0.4, 0, west + 40, 0, -0.4, north - 20)
    pixels = noise(int((north - south) / 0.4), int((east - west) / 0.4))
    path = write_raster(folder / "zone.tif", pixels, crs="EPSG:25833", transform=transform)
    with open_raster(path) as raster:
        aligned = AlignedRaster(raster, grid(600, 700), True)
        found = aligned.read(Window(0, 0, 600, 700))
        assert found.outside is not None
        assert 0 < np.count_nonzero(found.outside) < found.outside.size / 2
        windows = [Window(0, 0, 600, 13), Window(0, 13, 77, 687), Window(77, 13, 523, 687)]
        for window in windows:
            piece = aligned.read(window)
            np.testing.assert_array_equal(piece.pixels, found.pixels[window.slices])
            np.testing.assert_array_equal(piece.outside, found.outside[window.slices])
    rows, cols = (index.ravel() for index in np.mgrid[0:600:5, 0:700:7])
    xs, ys = ORIGIN @ (cols + 0.5, rows + 0.5)
    xs, ys = rasterio.warp.transform("EPSG:25832", "EPSG:25833", xs.tolist(), ys.tolist())[:2]
    at_cols, at_rows = ~transform @ (np.array(xs), np.array(ys))
    # the interpolated position may be 0.01 pixels off: leave out what is that near to an edge
    clear = (np.abs(at_cols - np.rint(at_cols)) > 0.01) & (np.abs(at_rows - np.rint(at_rows)) > 0.01)
    inside = (at_cols >= 0) & (at_cols < pixels.shape[1]) & (at_rows >= 0) & (at_rows < pixels.shape[0]) & clear
    assert inside.sum() > 5_000
    expected = pixels[at_rows[inside].astype(int), at_cols[inside].astype(int)]
    np.testing.assert_array_equal(found.pixels[rows[inside], cols[inside], 0], expected)
    np.testing.assert_array_equal(found.outside[rows, cols][clear], ~inside[clear])


def test_a_much_finer_label_is_not_read_into_memory_at_once(folder: Path) -> None:
    path = write_raster(folder / "fine zone.tif", noise(40, 40), crs="EPSG:25833", transform=ORIGIN)
    with open_raster(path) as raster:
        # one image pixel is 200 label pixels: blocks of 2800 / 200 = 14 pixels, the least is 32
        coarse = AlignedRaster(raster, grid(400, 400, ORIGIN @ Affine.scale(200)), True)
        assert coarse._block == 32
        assert AlignedRaster(raster, grid(400, 400), True)._block == 512


def test_without_ground_coordinates_sizes_are_matched_by_their_ratio(folder: Path) -> None:
    pixels = noise(30, 40)
    path = write_raster(folder / "plain.tif", pixels, crs=None)
    with open_raster(path) as raster:
        found = AlignedRaster(raster, grid(90, 120, Affine.identity(), ""), True).read(Window(0, 0, 90, 120))
    np.testing.assert_array_equal(found.pixels[..., 0], np.kron(pixels, np.ones((3, 3), np.uint8)))


def test_without_ground_coordinates_other_proportions_are_refused(folder: Path) -> None:
    path = write_raster(folder / "plain.tif", noise(30, 40), crs=None)
    with (
        open_raster(path) as raster,
        pytest.raises(LabelError, match=r"30 x 40 pixels.* the image 90 x 130.*no ground coordinates"),
    ):
        AlignedRaster(raster, grid(90, 130), True)


def test_read_one_to_one_a_window_beyond_a_smaller_label_is_refused(folder: Path) -> None:
    pixels = noise(30, 40)
    path = write_raster(folder / "small.tif", pixels)
    with open_raster(path) as raster:
        aligned = AlignedRaster(raster, grid(31, 40), False)
        np.testing.assert_array_equal(aligned.read(Window(0, 0, 30, 40)).pixels[..., 0], pixels)
        with pytest.raises(LabelError, match=r"30 x 40(.|\n)*row 30, column 39(.|\n)*resample: true"):
            aligned.read(Window(20, 0, 11, 40))
