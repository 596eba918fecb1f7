"""The thresholds of the checks that look at one tile."""

import math
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from components.classes import encode_colors
from components.geo.bands import Band, BandSet
from components.geo.label_options import ColorLabels
from components.geo.window import Window
from components.label_validation.facts import RasterFacts
from components.label_validation.image_checks import check_image
from components.label_validation.measure_tile import TileMeasurer
from components.label_validation.options import ValidationOptions
from components.label_validation.tile_checks import misplacement_px
from tests.components.label_validation.scenes import SIDE, TABLE, Scenes, patchwork, place
from tests.make_raster import write_raster

OPTIONS = ValidationOptions()


def grid_of(transform: Affine) -> RasterFacts:
    return RasterFacts(
        height=40, width=50, crs="EPSG:25832", wkt="...", transform=tuple(transform)[:6], pixel_size_m=(0.5, 0.5)
    )


@given(
    st.floats(-180, 180),
    st.sampled_from((1, -1)),
    st.floats(0.05, 30),
    st.floats(-9, 9),
    st.floats(-9, 9),
)
def test_misplacement_is_what_the_label_was_moved_by_whatever_the_transform(
    degrees: float, up: int, pixel_m: float, cols: float, rows: float
) -> None:
    # rotated, north-up or south-up, of any pixel size
    image = Affine.translation(5e5, 5e6) @ Affine.rotation(degrees) @ Affine.scale(pixel_m, up * pixel_m)
    label = image @ Affine.translation(cols, rows)
    assert misplacement_px(grid_of(image), grid_of(label)) == pytest.approx(max(abs(cols), abs(rows)), abs=1e-5)


def test_misplacement_of_coarser_pixels_grows_to_the_far_corner() -> None:
    image = Affine(0.5, 0, 0, 0, -0.5, 0)
    label = Affine(0.51, 0, 0, 0, -0.5, 0)
    assert math.isclose(misplacement_px(grid_of(image), grid_of(label)), 50 * 0.01 / 0.5)  # one pixel over 50 columns


def test_a_label_without_georeference_is_compared_by_its_size_alone(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.write_label(1, patchwork(1), crs=None)
    assert scenes.findings() == []


def test_a_rotated_label_a_pixel_off_is_found(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    transform = place(1) @ Affine.rotation(30)
    scenes.write_label(1, patchwork(1), transform=transform)
    (finding,) = scenes.findings()
    assert finding.code == "label-place"


def test_another_spelling_of_the_coordinate_system_is_no_fault(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    spelt = CRS.from_epsg(25832).to_wkt().replace("ETRS89 / UTM zone 32N", "Amt fuer Vermessung, UTM32")
    spelt = spelt.replace(',AUTHORITY["EPSG","25832"]', "")
    scenes.write_label(1, patchwork(1), crs=spelt)
    facts = scenes.facts()[1]
    assert facts.image is not None
    assert facts.label is not None
    assert facts.label.wkt != facts.image.wkt
    assert scenes.findings() == []


@pytest.mark.parametrize(("allowed", "severity"), [(2 / SIDE**2, "error"), (3 / SIDE**2, "warning")])
def test_the_share_of_unknown_colours_decides_between_error_and_warning(
    allowed: float, severity: str, tmp_path: Path
) -> None:
    scenes = Scenes(tmp_path)
    colors = encode_colors(patchwork(0), TABLE)
    colors[7, 11] = (252, 255, 0)
    colors[8, 11:13] = (9, 9, 9)
    write_raster(Path(scenes.sources[0].label), colors, transform=place(0))
    (finding,) = scenes.findings(max_off_palette_share=allowed)
    assert finding.severity == severity
    assert "9,9,9 (2 px, first at row 8, column 11), 252,255,0 (1 px, first at row 7, column 11)" in finding.found
    assert finding.place == "row 8, column 11"  # of the most frequent colour


def test_only_the_area_of_a_tile_is_measured(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    ids = patchwork(1).copy()
    ids[:, 100:] = 255
    scenes.write_label(1, ids)
    scenes.change(1, area=Window(10, 20, 200, 80))
    facts = scenes.facts()[1]
    assert facts.tally is not None
    assert facts.tally.pixels == 200 * 80
    assert facts.tally.void == 0
    expected = [int((patchwork(1)[10:210, 20:100] == k).sum()) for k in range(3)]
    assert list(facts.tally.by_class) == expected
    assert sum(colour.pixels for colour in facts.classes if colour) == 200 * 80
    pond = facts.classes[2]
    assert pond is not None
    assert 10 <= pond.row < 210
    assert 20 <= pond.col < 100
    assert patchwork(1)[pond.row, pond.col] == 2


def test_parts_of_one_image_are_no_duplicates(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    first = scenes.sources[0]
    scenes.change(0, area=Window(0, 0, 144, SIDE))
    scenes.change(4, image=first.image, label=first.label, area=Window(144, 0, 144, SIDE))
    assert scenes.findings() == []


def test_statistics_are_those_of_all_pixels_where_the_tile_is_small(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    rng = np.random.default_rng(3)
    pixels = rng.integers(10, 200, (SIDE, SIDE, 3)).astype(np.uint8)
    pixels[:7] = 0
    scenes.write_image(0, pixels, nodata=0)
    facts = scenes.facts()[0]
    red, kept = facts.bands[0], pixels[7:, :, 0].astype(float)
    assert facts.valid_share == (SIDE - 7) / SIDE
    assert red.mean == pytest.approx(kept.mean())
    assert red.stddev == pytest.approx(kept.std())
    assert (red.low, red.high) == (kept.min(), kept.max())
    assert red.share_high == pytest.approx((kept == kept.max()).mean())
    roof = facts.classes[0]
    assert roof is not None
    inside = kept[patchwork(0)[7:] == 0]
    assert (roof.pixels, roof.mean[0]) == (len(inside), pytest.approx(inside.mean()))
    assert roof.stddev[0] == pytest.approx(inside.std())


def test_a_clipped_band_of_another_raster_names_that_raster_and_its_file(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    rng = np.random.default_rng(4)
    heights = np.minimum(rng.integers(0, 100, (SIDE, SIDE)), 60).astype(np.uint8)  # 40 of 100 have the highest value
    file = str(write_raster(tmp_path / "heights.tif", heights, transform=place(0)))
    scenes.change(0, rasters={"dsm": file})
    bands = BandSet(
        bands=(
            Band(name="red", number=1),
            Band(name="height", raster="dsm", number=1),
            Band(name="over", expression="minimum(height, red)"),
            Band(name="low", expression="minimum(red, 60)"),
        )
    )
    facts = TileMeasurer(bands, TABLE, ColorLabels()).measure(scenes.sources[0])
    assert {band.name: (band.rasters, band.as_stored) for band in facts.bands} == {
        "red": (("image",), True),
        "height": (("dsm",), True),
        "over": (("dsm", "image"), False),
        "low": (("image",), False),
    }
    image = scenes.sources[0].image
    found = {f.found.split(" of the valid pixels of ")[1].split(" have its")[0]: f for f in check_image(facts, OPTIONS)}
    assert found["band height (of the raster dsm)"].file == file
    assert found["band height (of the raster dsm)"].remedy.startswith(f"deliver {file} without clipping")
    assert found["band low (made of the image)"].file == image
    assert found["band low (made of the image)"].remedy.startswith(f"check what data.bands.low makes of {image}:")
    assert found["band over (made of the raster dsm and the image)"].remedy.startswith(
        f"check what data.bands.over makes of {file}, {image}:"
    )
    assert not any(name.startswith("band red") for name in found)
