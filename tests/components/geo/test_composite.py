"""Composites: bands of several rasters and derived bands, on the image's grid, however windows are cut."""

import functools
import math
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.warp import transform as transform_points

from components.errors import ConfigError, MissingFileError, RasterError
from components.geo import composite, warped
from components.geo.bands import Band, BandSet, Despeckle
from components.geo.image import open_image
from components.geo.window import Window
from tests.components.geo.composite_scenes import (
    EXPECTED_PLANE,
    FAR,
    HEIGHT,
    HEIGHT_BAND,
    RED,
    WHOLE,
    WIDTH,
    plane,
    read_composite,
    write_image,
)
from tests.make_raster import ORIGIN, gradient, write_raster

# Same grid


def test_bands_of_two_rasters_on_one_grid_are_read_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    height = rng.normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    dsm = write_raster(tmp_path / "dsm.tif", height)
    raster, dtype, resampled = read_composite([HEIGHT_BAND, RED], image=write_image(tmp_path), dsm=dsm)
    assert dtype == "float32"
    assert resampled == ()
    np.testing.assert_array_equal(raster.pixels[..., 0], height)
    np.testing.assert_array_equal(raster.pixels[..., 1], gradient(HEIGHT, WIDTH)[..., 0])
    assert raster.valid.all()


def test_rasters_of_one_dtype_keep_it(tmp_path: Path) -> None:
    other = write_raster(tmp_path / "b.tif", gradient(HEIGHT, WIDTH)[..., ::-1])
    raster, dtype, _ = read_composite([RED, HEIGHT_BAND], image=write_image(tmp_path), dsm=other)
    assert dtype == "uint8"
    np.testing.assert_array_equal(raster.pixels, gradient(HEIGHT, WIDTH)[..., [0, 2]])


def test_bands_by_description_alone_are_a_plain_image(tmp_path: Path) -> None:
    image = write_image(tmp_path, descriptions=["red", "green", "near infrared"])
    raster, dtype, _ = read_composite([Band(name="nir", description="near infrared"), RED], image=image)
    assert dtype == "uint8"
    np.testing.assert_array_equal(raster.pixels, gradient(HEIGHT, WIDTH)[..., [2, 0]])


def test_a_band_of_a_raster_that_the_tile_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'dsm'"):
        read_composite([RED, HEIGHT_BAND], image=write_image(tmp_path))
    with pytest.raises(MissingFileError, match=r"none\.tif"):
        read_composite([RED, HEIGHT_BAND], image=write_image(tmp_path), dsm=tmp_path / "none.tif")


# Derived bands


def test_a_derived_band_is_its_expression_over_the_sensors_numbers(tmp_path: Path) -> None:
    pixels = gradient(HEIGHT, WIDTH)
    raster, dtype, _ = read_composite(
        [RED, Band(name="nir", number=3, recorded=False), Band(name="ndvi", expression="(nir - red) / (nir + red)")],
        image=write_image(tmp_path),
    )
    red, nir = pixels[..., 0].astype(np.float32), pixels[..., 2].astype(np.float32)
    defined = nir + red != 0
    assert dtype == "float32"
    assert raster.pixels.shape == (HEIGHT, WIDTH, 2)
    np.testing.assert_array_equal(raster.valid, defined)
    np.testing.assert_allclose(raster.pixels[defined, 1], ((nir - red)[defined] / (nir + red)[defined]), rtol=1e-6)
    assert (raster.pixels[~defined] == 0).all()


def test_a_derived_band_can_use_derived_bands_written_after_it(tmp_path: Path) -> None:
    bands = [Band(name="b", expression="a + 1"), Band(name="a", expression="2 * red", recorded=False), RED]
    raster, _, _ = read_composite(bands, image=write_image(tmp_path))
    red = gradient(HEIGHT, WIDTH)[..., 0].astype(np.float32)
    np.testing.assert_array_equal(raster.pixels, np.stack([2 * red + 1, red], axis=-1))


# Validity


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        # columns: all there | red is nodata | image is nodata | height is nodata
        (["red", "nir"], [True, True, False, True]),
        (["red", "nir", "height"], [True, True, False, False]),
        (["height"], [True, True, True, False]),
        (["ndvi"], [True, False, False, True]),
        (["nir", "ndvi"], [True, False, False, True]),
        (["nir", "above"], [True, True, False, False]),
        (["red"], [True, False, False, True]),
    ],
)
def test_a_pixel_is_valid_where_the_bands_that_are_recorded_or_used_are(
    tmp_path: Path, bands: list[str], expected: list[bool]
) -> None:
    image = write_raster(tmp_path / "i.tif", np.array([[[9, 5], [0, 5], [0, 0], [9, 5]]], np.uint8), nodata=0)
    dsm = write_raster(tmp_path / "d.tif", np.array([[1, 2, 3, -9999]], np.float32), nodata=-9999)
    every = {
        "red": Band(name="red", number=1),
        "nir": Band(name="nir", number=2),
        "height": HEIGHT_BAND,
        "ndvi": Band(name="ndvi", expression="(nir - red) / (nir + red)"),
        "above": Band(name="above", expression="height - nir"),
    }
    chosen = [band.model_copy(update={"recorded": name in bands}) for name, band in every.items()]
    raster, _, _ = read_composite(chosen, Window(0, 0, 1, 4), image=image, dsm=dsm)
    assert raster.valid[0].tolist() == expected
    assert (raster.pixels[~raster.valid] == 0).all()


def test_nodata_of_one_band_of_another_raster_is_nodata_of_the_pixel(tmp_path: Path) -> None:
    """Unlike in the image, where a single dark band is no hole."""
    other = write_raster(tmp_path / "o.tif", np.array([[[0, 5], [5, 5]]], np.uint8), nodata=0)
    image = write_raster(tmp_path / "i.tif", np.array([[[0, 5], [5, 5]]], np.uint8), nodata=0)
    of_other = [Band(name="a", raster="o", number=1), Band(name="b", raster="o", number=2)]
    of_image = [Band(name="c", number=1), Band(name="d", number=2)]
    raster, _, _ = read_composite([*of_other, *of_image], Window(0, 0, 1, 2), image=image, o=other)
    assert raster.valid.tolist() == [[False, True]]


# Other grids


@functools.cache
def _transform(kind: str) -> tuple[Affine, int, int, str]:
    """Transform, height, width and coordinate system of a raster that covers the image with room to spare."""
    if kind == "EPSG:4326":
        (west, east), (north, south) = transform_points(
            "EPSG:25832", "EPSG:4326", [499_990, 500_050], [5_500_010, 5_499_960]
        )
        return Affine((east - west) / 90, 0, west, 0, (south - north) / 120, north), 120, 90, "EPSG:4326"
    place = Affine.translation(499_990, 5_500_010)
    turned = {
        "coarser": place @ Affine.scale(1.3, -1.3),
        "much coarser": place @ Affine.scale(7, -7),
        "finer": place @ Affine.scale(0.11, -0.11),
        "shifted": place @ Affine.scale(0.5, -0.5) @ Affine.translation(0.3, 0.4),
        "south-up": Affine.translation(499_990, 5_499_950) @ Affine.scale(1.3, 1.3),
        "rotated": Affine.translation(499_970, 5_500_020) @ Affine.rotation(-15) @ Affine.scale(0.9, -0.9),
    }[kind]
    pixel = math.sqrt(abs(turned.determinant))
    side = math.ceil(100 / pixel)
    return turned, side, side, "EPSG:25832"


KINDS = ["coarser", "much coarser", "finer", "shifted", "south-up", "rotated", "EPSG:4326"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_raster_of_another_grid_shows_the_same_ground(tmp_path: Path, kind: str) -> None:
    """Heights that rise evenly: averages and bilinear values are the heights at the image's own pixel centres."""
    transform, height, width, crs = _transform(kind)
    dsm = write_raster(tmp_path / "d.tif", plane(height, width, transform, crs), transform=transform, crs=crs)
    raster, dtype, resampled = read_composite([HEIGHT_BAND], image=write_image(tmp_path), dsm=dsm)
    assert raster.valid.all()
    assert dtype == "float32"
    # In degrees the plane is very slightly bent; elsewhere float32 holds 150 m to about 1e-5 m. An average takes pixels
    # that are cut by the edge as even: at most half of 0.11 m on each side, times the slope, over 0.5 m.
    tolerance = 0.11 / 2 * 3 * 0.11 / 0.5 if kind == "finer" else 2e-3
    np.testing.assert_allclose(raster.pixels[..., 0], EXPECTED_PLANE, atol=tolerance)
    assert len(resampled) == 1
    assert resampled[0].startswith("dsm: ")


def test_what_is_resampled_is_said_in_words(tmp_path: Path) -> None:
    for kind, words in (
        ("coarser", "dsm: 1.3 m onto 0.5 m, EPSG:25832"),
        ("EPSG:4326", "from EPSG:4326, EPSG:25832"),
    ):
        transform, height, width, crs = _transform(kind)
        dsm = write_raster(tmp_path / "d.tif", plane(height, width, transform, crs), transform=transform, crs=crs)
        assert words in read_composite([HEIGHT_BAND], image=write_image(tmp_path), dsm=dsm)[2][0]


def test_finer_rasters_are_averaged_over_the_pixel(tmp_path: Path) -> None:
    """Four pixels of 0.25 m in each of 0.5 m."""
    fine = np.random.default_rng(2).integers(0, 1000, (2 * HEIGHT, 2 * WIDTH)).astype(np.float32)
    dsm = write_raster(tmp_path / "d.tif", fine, transform=ORIGIN @ Affine.scale(0.5))
    raster, _, _ = read_composite([HEIGHT_BAND], image=write_image(tmp_path), dsm=dsm)
    np.testing.assert_allclose(raster.pixels[..., 0], fine.reshape(HEIGHT, 2, WIDTH, 2).mean(axis=(1, 3)), rtol=1e-6)


@pytest.mark.parametrize("hole", ["nodata", "nan", "mask", "alpha", "alpha of three bands"])
def test_holes_are_left_out_of_averages_whatever_marks_them(tmp_path: Path, hole: str) -> None:
    fine = np.full((2 * HEIGHT, 2 * WIDTH), 7, np.float32)
    fine[0, 0] = fine[2:4, 2:4] = {"nan": np.nan}.get(hole, 0)
    there = fine == 7
    pixels = fine
    if hole.startswith("alpha"):
        between = [fine] if hole == "alpha of three bands" else []
        pixels = np.stack([fine, *between, there * 255], axis=-1).astype(np.uint8)
    dsm = write_raster(
        tmp_path / "d.tif",
        pixels,
        transform=ORIGIN @ Affine.scale(0.5),
        nodata={"nodata": 0, "nan": np.nan}.get(hole),
        mask=there if hole == "mask" else None,
        last_is_alpha=hole.startswith("alpha"),
    )
    raster, _, _ = read_composite([HEIGHT_BAND], image=write_image(tmp_path), dsm=dsm)
    expected = np.ones((HEIGHT, WIDTH), np.bool_)
    expected[1, 1] = False
    np.testing.assert_array_equal(raster.valid, expected)
    np.testing.assert_array_equal(raster.pixels[..., 0], 7 * expected)


def test_whole_numbers_stay_whole_when_resampled(tmp_path: Path) -> None:
    fine = np.random.default_rng(3).integers(0, 65_536, (2 * HEIGHT, 2 * WIDTH)).astype(np.uint16)
    dsm = write_raster(tmp_path / "d.tif", fine, transform=ORIGIN @ Affine.scale(0.5))
    raster, dtype, _ = read_composite([HEIGHT_BAND], image=write_image(tmp_path), dsm=dsm)
    assert dtype == "uint16"
    mean = fine.reshape(HEIGHT, 2, WIDTH, 2).mean(axis=(1, 3))
    assert np.abs(raster.pixels[..., 0] - mean).max() <= 0.51


def test_pixels_beyond_a_raster_are_nodata(tmp_path: Path) -> None:
    dsm = write_raster(
        tmp_path / "d.tif", np.ones((HEIGHT, 30), np.uint8), transform=ORIGIN @ Affine.translation(10, 0)
    )
    raster, _, _ = read_composite([RED, HEIGHT_BAND], image=write_image(tmp_path), dsm=dsm)
    assert raster.valid[0].tolist() == [False] * 10 + [True] * 30 + [False] * (WIDTH - 40)
    assert (raster.pixels[~raster.valid] == 0).all()


def test_a_raster_without_ground_in_common_is_refused_naming_both_files(tmp_path: Path) -> None:
    dsm = write_raster(tmp_path / "far away.tif", np.ones((HEIGHT, WIDTH), np.uint8), transform=FAR @ ORIGIN)
    with pytest.raises(RasterError, match=r"far away\.tif(.|\n)*an image\.tif(.|\n)*share no ground"):
        read_composite([RED, HEIGHT_BAND], image=write_image(tmp_path), dsm=dsm)


def test_a_raster_with_a_transform_alone_is_taken_to_be_in_the_images_system(tmp_path: Path) -> None:
    """A TIFF with a world file, as ISPRS delivers heights."""
    coarse = Affine(1, 0, 500_000, 0, -1, 5_500_000)
    heights = plane(HEIGHT, WIDTH, coarse)
    dsm = write_raster(tmp_path / "d.tif", heights, crs=None)
    # 1 m to the east, 1 m to the south, the centre of the upper left pixel
    (tmp_path / "d.tfw").write_text("1\n0\n0\n-1\n500000.5\n5499999.5\n")
    raster, _, resampled = read_composite([HEIGHT_BAND], image=write_image(tmp_path), dsm=dsm)
    assert resampled == ("dsm: 1 m onto 0.5 m, EPSG:25832",)
    # Beyond the outermost centres nothing is extrapolated.
    np.testing.assert_allclose(raster.pixels[1:-1, 1:-1, 0], EXPECTED_PLANE[1:-1, 1:-1], atol=1e-3)


@pytest.mark.parametrize("image_has_place", [True, False])
def test_rasters_without_georeference_go_pixel_by_pixel_or_by_whole_multiples(
    tmp_path: Path, image_has_place: bool
) -> None:
    image = write_image(tmp_path, crs="EPSG:25832" if image_has_place else None)
    same = write_raster(tmp_path / "same.tif", gradient(HEIGHT, WIDTH)[..., 0], crs=None)
    raster, _, resampled = read_composite([RED, HEIGHT_BAND], image=image, dsm=same)
    assert resampled == ()
    np.testing.assert_array_equal(raster.pixels[..., 0], raster.pixels[..., 1])
    fine = np.kron(gradient(HEIGHT, WIDTH)[..., 0], np.ones((3, 3), np.uint8))
    finer = write_raster(tmp_path / "fine.tif", fine, crs=None)
    raster, _, resampled = read_composite([RED, HEIGHT_BAND], image=image, dsm=finer)
    assert resampled == ("dsm: 180 x 240 onto 60 x 80 pixels",)
    np.testing.assert_array_equal(raster.pixels[..., 0], raster.pixels[..., 1])
    coarse = write_raster(tmp_path / "coarse.tif", np.full((HEIGHT // 2, WIDTH // 2), 5, np.uint8), crs=None)
    assert (read_composite([HEIGHT_BAND], image=image, dsm=coarse)[0].pixels == 5).all()


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH - 1), (2 * HEIGHT, WIDTH), (HEIGHT * 3 // 2, WIDTH * 3 // 2)])
def test_other_sizes_without_georeference_are_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    dsm = write_raster(tmp_path / "d.tif", np.ones(shape, np.uint8), crs=None)
    with pytest.raises(RasterError, match=rf"{shape[0]} x {shape[1]} pixels(.|\n)*60 x 80"):
        read_composite([RED, HEIGHT_BAND], image=write_image(tmp_path), dsm=dsm)


# Windows

WINDOWS = st.tuples(
    st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, HEIGHT), st.integers(1, WIDTH)
).map(lambda w: Window(w[0], w[1], min(w[2], HEIGHT - w[0]), min(w[3], WIDTH - w[1])))

COMPOSITE = (
    RED,
    HEIGHT_BAND,
    Band(name="ratio", expression="(red - height) / (red + height)"),
    Band(name="radar", raster="sar", number=1, despeckle=Despeckle(size=5, looks=2), decibel="intensity"),
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The same image with heights and radar on each kind of grid, holes in all of them."""
    folder = tmp_path_factory.mktemp("scene")
    rng = np.random.default_rng(5)
    scenes = {}
    for kind in KINDS:
        transform, height, width, crs = _transform(kind)
        heights = rng.normal(50, 20, (height, width)).astype(np.float32)
        heights[rng.random(heights.shape) < 0.02] = -9999
        radar = rng.gamma(2, 0.5, (height, width)).astype(np.float32)
        radar[rng.random(radar.shape) < 0.02] = np.nan
        image = gradient(HEIGHT, WIDTH)
        image[10:20, 10:20] = 0
        scenes[kind] = {
            "image": str(write_raster(folder / f"{kind} i.tif", image, nodata=0)),
            "dsm": str(write_raster(folder / f"{kind} d.tif", heights, transform=transform, crs=crs, nodata=-9999)),
            "sar": str(write_raster(folder / f"{kind} s.tif", radar, transform=transform, crs=crs)),
        }
    return scenes


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_pixel_depends_on_how_windows_are_cut(
    scene: dict[str, dict[str, str]], kind: str, data: st.DataObject
) -> None:
    """A window read alone, in small chunks, in a file opened for it, is to the last bit the same cut of the whole."""
    window = data.draw(WINDOWS)
    rows = data.draw(st.integers(1, 50))
    bands = BandSet(bands=COMPOSITE)
    with open_image(scene[kind], bands) as reader:
        whole = reader.read(WHOLE)
    with pytest.MonkeyPatch.context() as patch, open_image(scene[kind], bands) as reader:
        patch.setattr(composite, "_CHUNK_PIXELS", rows * window.width)
        part = reader.read(window)
    assert not whole.valid.all()
    assert whole.valid.any()
    np.testing.assert_array_equal(part.valid, whole.valid[window.slices])
    np.testing.assert_array_equal(part.pixels, whole.pixels[window.slices])


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_no_seam_where_warped_blocks_meet(
    scene: dict[str, dict[str, str]], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warped in blocks of 16 x 23 pixels or at once, it is the same raster but for float32's rounding."""
    results = []
    for block in ((256, 1024), (16, 23)):
        monkeypatch.setattr(warped, "_BLOCK", block)
        with open_image(scene[kind], BandSet(bands=(HEIGHT_BAND,))) as reader:
            results.append(reader.read(WHOLE))
    np.testing.assert_array_equal(results[0].valid, results[1].valid)
    # Heights vary by some 100 m from pixel to pixel; a coordinate is off by at most 1e-5 pixels.
    np.testing.assert_allclose(results[0].pixels, results[1].pixels, atol=5e-3)


def test_warped_blocks_are_kept_in_bounded_number(
    scene: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_image(scene["coarser"], BandSet(bands=(HEIGHT_BAND,))) as reader:
        whole = reader.read(WHOLE)
    monkeypatch.setattr(warped, "_BLOCK", (16, 23))
    monkeypatch.setattr(warped, "_KEPT_BYTES", 3 * 16 * 23 * 4)
    with open_image(scene["coarser"], BandSet(bands=(HEIGHT_BAND,))) as reader:
        again = reader.read(WHOLE)
        kept = reader._sources["dsm"]._blocks  # type: ignore[attr-defined]
    assert sum(block.nbytes for block in kept.values()) <= 3 * 16 * 23 * 4
    np.testing.assert_allclose(again.pixels, whole.pixels, atol=5e-3)
