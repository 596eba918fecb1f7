"""Real files that break readers: each is read as plain rasterio reads it, or refused with words that help.

The table of docs/formats.md says the same in prose.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from components.errors import RasterError
from components.geo.bands import Band, BandSet
from components.geo.geotiff import open_raster
from components.geo.image import open_image
from components.geo.raster_header import READABLE_DTYPES
from components.geo.window import Window

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
FOLDERS = ("format_oddities", "naip_4band_unlabelled")

READ = {
    # file: (bands that are read when none are named, share of pixels that are valid)
    "format_oddities/RGB.byte.tif": ((1, 2, 3), 0.675),  # nodata 0 in each band
    "format_oddities/RGB2.byte.tif": ((1, 2, 3), 0.674),  # a mask in a file of its own
    "format_oddities/RGB2.byte.tif.msk": ((1,), 1.0),  # that mask itself
    "format_oddities/RGBA.byte.tif": ((1, 2, 3), 0.675),
    "format_oddities/RGBA.uint16.tif": ((1, 2, 3), 0.488),
    "format_oddities/all-nodata.tif": ((1, 2, 3, 4), 0.0),
    "format_oddities/cog_cmap.tif": ((1,), 0.555),  # a palette
    "format_oddities/cog_nodata_nan.tif": ((1,), 0.489),  # nodata 0, and NaN besides
    "format_oddities/cog_rgb.tif": ((1, 2, 3), 1.0),
    "format_oddities/cogeo.tif": ((1, 2, 3), 1.0),  # JPEG in a COG
    "format_oddities/float_nan.tif": ((1,), 0.833),
    "format_oddities/float_raster_with_nodata.tif": ((1,), 0.628),
    "format_oddities/inverted_lat.tif": ((1,), 0.0),  # south-up
    "format_oddities/no_geo2.jpg": ((1, 2, 3), 1.0),
    "format_oddities/nocog.tif": ((1,), 1.0),
    "format_oddities/pix4d_alpha_nodata.tif": ((1, 2, 3), 0.876),
    "format_oddities/potsdam_header_stub/top_potsdam_2_10_RGBIR.tif": ((1, 2, 3), None),  # infrared tagged as alpha
    "format_oddities/potsdam_header_stub/top_potsdam_2_10_label.tif": ((1, 2, 3), 1.0),
    "format_oddities/rgb1.tif": ((1, 2, 3), 0.683),
    "format_oddities/rgb2.tif": ((1, 2, 3), 0.695),
    "format_oddities/rgb3.tif": ((1, 2, 3), 0.687),
    "format_oddities/rgb4.tif": ((1, 2, 3), 0.628),
    "format_oddities/rotated.tif": ((1,), 1.0),
    "format_oddities/shade.tif": ((1,), 0.119),
    "naip_4band_unlabelled/m_4709963_se_14_1_20090818.tif": ((1, 2, 3, 4), 1.0),
    "naip_4band_unlabelled/m_4709963_se_14_1_20140720.tif": ((1, 2, 3, 4), 1.0),  # 2,837 zeros in the infrared alone
    "naip_4band_unlabelled/m_4709963_se_14_1_20160816.tif": ((1, 2, 3, 4), 1.0),
}

REFUSED = {
    "format_oddities/corrupt.tif": r"corrupt\.tif cannot be read at row 0(.|\n)*damaged",
    "format_oddities/cog_gcps.tif": r"cog_gcps\.tif has 210 ground control points(.|\n)*gdalwarp",
}


def _files() -> list[str]:
    return sorted(
        path.relative_to(DATA).as_posix()
        for folder in FOLDERS
        for path in (DATA / folder).rglob("*")
        if path.is_file() and path.suffix != ".md"
    )


needs_data = pytest.mark.skipif(
    not all((DATA / folder).is_dir() for folder in FOLDERS), reason=f"the folders {FOLDERS} are not in {DATA}"
)


@needs_data
def test_every_file_there_is_stands_in_one_of_the_two_tables() -> None:
    assert _files() == sorted([*READ, *REFUSED])


@needs_data
@pytest.mark.parametrize("name", READ)
def test_it_is_read_as_plain_rasterio_reads_it(name: str) -> None:
    """Read in strips of 100 rows; pixels and masks are compared with the whole file's."""
    bands, share = READ[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(DATA / name) as dataset:
            expected = dataset.read(list(bands)).transpose(1, 2, 0)
            masks = dataset.read_masks(list(bands)).any(axis=0)
            shape, transform, crs = dataset.shape, dataset.transform, dataset.crs
    valid_pixels = 0
    with open_raster(DATA / name) as reader:
        assert reader.bands == bands
        assert (reader.height, reader.width) == shape
        assert reader.dtype in READABLE_DTYPES
        assert reader.crs == crs
        for row in range(0, reader.height, 100):
            strip = reader.read(Window(row, 0, min(100, reader.height - row), reader.width))
            here = slice(row, row + len(strip.pixels))
            finite = np.isfinite(expected[here].astype(np.float64)).all(axis=2)
            np.testing.assert_array_equal(strip.valid, masks[here] & finite)
            np.testing.assert_array_equal(strip.pixels[strip.valid], expected[here][strip.valid])
            assert strip.georeference.transform @ (0, 0) == pytest.approx(transform @ (0, row))
            valid_pixels += np.count_nonzero(strip.valid)
    if share is not None:
        assert valid_pixels / (shape[0] * shape[1]) == pytest.approx(share, abs=0.002)


@needs_data
@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_words_that_help(name: str) -> None:
    with pytest.raises(RasterError, match=REFUSED[name]), open_raster(DATA / name) as reader:
        reader.read(Window(0, 0, reader.height, reader.width))


@needs_data
def test_naip_of_another_year_is_put_onto_the_grid_of_the_image() -> None:
    """The years' grids lie 0.6 m and 0.8 m apart, of 5 m pixels: bilinear, close to the unshifted neighbours."""
    folder = DATA / "naip_4band_unlabelled"
    files = {
        "image": str(folder / "m_4709963_se_14_1_20140720.tif"),
        "later": str(folder / "m_4709963_se_14_1_20160816.tif"),
    }
    bands = BandSet(bands=(Band(name="red", number=1), Band(name="red_later", raster="later", number=1)))
    with open_image(files, bands) as reader:
        assert reader.resampled == ("later: 5 m onto 5 m, EPSG:26914",)
        assert reader.dtype == "uint8"
        raster = reader.read(Window(100, 100, 200, 300))
    with open_raster(files["later"], [1]) as later:
        unshifted = later.read(Window(100, 100, 200, 300)).pixels[..., 0].astype(np.float64)
        x, y = ~later.georeference.transform @ (reader.georeference.transform @ (100, 100))
        neighbours = later.read(Window(99, 99, 202, 302)).pixels[..., 0].astype(np.float64)
    assert raster.valid.all()
    # x = 100 - 0.6 / 5, y = 100 + (5209246.2 - 5209245) / 5
    assert (x, y) == pytest.approx((99.88, 100.24))
    right, down = x - 99, y - 100
    rows = (1 - down) * neighbours[1:-1] + down * neighbours[2:]
    expected = (1 - right) * rows[:, :300] + right * rows[:, 1:301]
    assert np.abs(raster.pixels[..., 1] - expected).max() <= 0.51
    assert np.abs(raster.pixels[..., 1] - unshifted).max() > 1  # and it makes a difference
