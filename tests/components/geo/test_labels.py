"""Labels are decoded through their colours, never through raw numbers; ignored pixels; what every kind shares."""

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.crs import CRS

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable, ColorDecoder, LandClass, encode_colors
from components.errors import LabelError
from components.geo.geotiff import open_raster
from components.geo.label_options import ColorLabels, IgnoreOptions, IndexLabels
from components.geo.labels import LabelDecoder, LabelReader
from components.geo.raster import Georeference, Grid
from components.geo.window import Window
from components.tile_source import TileSource
from tests.make_raster import ORIGIN, gradient, write_raster

RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (155, 155, 155)
TABLE = ClassTable(
    classes=(LandClass(name="roof", color=RED), LandClass(name="lawn", color=GREEN)),
    void=(LandClass(name="unlabelled", color=GREY),),
)
DECODER = ColorDecoder(TABLE)


@contextmanager
def opened(path: Path, ignore: Path | str = "", value: Any = 0, **options: Any) -> Iterator[LabelReader]:
    source = TileSource(tile="a", image="", label=str(path), ignore=str(ignore), split="train")
    decoder = LabelDecoder(TABLE, ColorLabels(ignore=IgnoreOptions(value=value), **options))
    with open_raster(path) as raster, decoder.open(source, raster.grid) as label:
        yield label


@given(hnp.arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, VOID_ID])))
def test_ids_to_colours_and_back(class_ids: np.ndarray) -> None:
    np.testing.assert_array_equal(DECODER.decode(encode_colors(class_ids, TABLE, void_color=GREY)), class_ids)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_a_colour_is_a_class_void_or_unknown_and_nothing_else(color: tuple[int, int, int]) -> None:
    expected = {RED: 0, GREEN: 1, GREY: VOID_ID}.get(color, UNKNOWN_ID)
    assert DECODER.decode(np.array([[color]], np.uint8)).tolist() == [[expected]]


def test_palette_rasters_of_different_palette_order_decode_alike(tmp_path: Path) -> None:
    indices = np.array([[0, 1], [2, 0]], np.uint8)
    swapped = np.array([[1, 0], [2, 1]], np.uint8)
    one = write_raster(tmp_path / "one.tif", indices, palette=[RED, GREEN, GREY])
    two = write_raster(tmp_path / "two.tif", swapped, palette=[GREEN, RED, GREY])
    decoded = []
    for path in (one, two):
        with opened(path) as label:
            decoded.append(label.read(Window(0, 0, 2, 2)).tolist())
    assert decoded[0] == decoded[1] == [[0, 1], [VOID_ID, 0]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        # 0 and 1 could be the two classes, or 1 the first class and 0 void: only the person who made them knows
        (
            [0, 1],
            r"values are 0, 1\n(.|\n)*labels: {kind: index, first: 0}  \(0 is roof\), or "
            r"labels: {kind: index, first: 1, void: \[0\]}  \(1 is roof\)",
        ),
        ([1, 2], r"say so: labels: {kind: index, first: 1}  \(1 is roof\), or .* first: 0, void: \[2\]}"),
        ([0, 1, 255], r"first: 0, void: \[255\]}  \(0 is roof\)$"),
        ([10, 20, 30], r"values: {10: roof, 20: lawn}}  \(put the right names\)$"),
        (list(range(0, 250)), r"17, 18, 19 and more\n"),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
def test_a_one_band_raster_without_a_palette_is_refused_with_the_lines_that_would_fit(
    tmp_path: Path, values: list[int], message: str, dtype: str
) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([values], dtype))
    with pytest.raises(LabelError, match="no palette") as error, opened(path):
        pass
    assert re.search(message, str(error.value))


def test_the_lines_that_would_fit_leave_nodata_out(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[0, 1, 99, 98]], np.uint8), nodata=99)
    with pytest.raises(LabelError, match=r"values are 0, 1, 98\n"), opened(path):
        pass


def test_rasters_that_hold_no_numbers_for_classes_are_refused_without_a_proposal(tmp_path: Path) -> None:
    heights = write_raster(tmp_path / "dsm.tif", np.array([[1.5, 2.25]], np.float32))
    five = write_raster(tmp_path / "five.tif", gradient(4, 4, 5))
    for path, found in ((heights, "1 band.* of float32"), (five, "5 band.* of uint8")):
        with pytest.raises(LabelError, match=found) as error, opened(path):
            pass
        assert "kind: index" not in str(error.value)


@given(
    color=st.tuples(*[st.integers(0, 255)] * 3),
    tolerance=st.integers(1, 64),
    data=st.data(),
)
@settings(max_examples=25, deadline=None)
def test_within_the_tolerance_the_nearest_class_counts_and_ties_none(
    color: tuple[int, int, int], tolerance: int, data: st.DataObject
) -> None:
    # classes near the colour, so that several are within reach
    near = st.tuples(*[st.integers(max(0, c - 70), min(255, c + 70)) for c in color])
    colors = data.draw(st.lists(near, min_size=3, max_size=5, unique=True))
    table = ClassTable(
        classes=tuple(LandClass(name=str(i), color=c) for i, c in enumerate(colors[:-1])),
        void=(LandClass(name="none", color=colors[-1]),),
    )
    distance = {i: max(abs(a - b) for a, b in zip(color, c, strict=True)) for i, c in enumerate(colors)}
    nearest = [i for i, d in distance.items() if d == min(distance.values()) and d <= tolerance]
    expected = UNKNOWN_ID if len(nearest) != 1 else VOID_ID if nearest[0] == len(colors) - 1 else nearest[0]
    decoder = ColorDecoder(table, tolerance)
    assert decoder.decode(np.array([[color]], np.uint8))[0, 0] == expected


def test_two_void_colours_at_the_same_distance_are_void() -> None:
    table = TABLE.model_copy(
        update={"void": (LandClass(name="a", color=(9, 9, 9)), LandClass(name="b", color=(9, 9, 11)))}
    )
    assert ColorDecoder(table, 1).decode(np.array([[[9, 9, 10]]], np.uint8))[0, 0] == VOID_ID


def test_tolerance_is_off_by_default_and_catches_off_by_three_when_asked_for(tmp_path: Path) -> None:
    pixels = np.array([[RED, (252, 2, 0), (248, 0, 0)]], np.uint8)
    path = write_raster(tmp_path / "a.tif", pixels)
    with opened(path) as label:
        assert label.read(Window(0, 0, 1, 3)).tolist() == [[0, UNKNOWN_ID, UNKNOWN_ID]]
    with opened(path, tolerance=3) as label:
        assert label.read(Window(0, 0, 1, 3)).tolist() == [[0, 0, UNKNOWN_ID]]
        assert label.describe(int(label.read_raw(Window(0, 0, 1, 3))[0, 2])) == "248,0,0"


def test_tolerance_reads_palettes_too(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[0, 1]], np.uint8), palette=[(1, 254, 0), (253, 0, 0)])
    with opened(path, tolerance=2) as label:
        assert label.read(Window(0, 0, 1, 2)).tolist() == [[1, 0]]
        assert [label.describe(int(raw)) for raw in label.read_raw(Window(0, 0, 1, 2))[0]] == ["1,254,0", "253,0,0"]


def test_nodata_of_an_unlisted_colour_is_void_and_of_a_listed_one_the_class(tmp_path: Path) -> None:
    pixels = np.array([[(0, 0, 0), RED, (1, 2, 3)]], np.uint8)
    path = write_raster(tmp_path / "a.tif", pixels, nodata=0)
    with opened(path) as label:
        assert label.read(Window(0, 0, 1, 3)).tolist() == [[VOID_ID, 0, UNKNOWN_ID]]
    table = ClassTable(classes=(LandClass(name="black", color=(0, 0, 0)), *TABLE.classes))
    with open_raster(path) as raster:
        source = TileSource(tile="a", image="", label=str(path), split="train")
        with LabelDecoder(table).open(source, raster.grid) as label:
            assert label.read(Window(0, 0, 1, 3)).tolist() == [[0, 1, UNKNOWN_ID]]


@pytest.mark.parametrize("transform", [ORIGIN @ Affine.translation(-1, 0), ORIGIN @ Affine.translation(-1, 0.001)])
def test_outside_a_resampled_label_is_void_even_where_black_is_a_class(tmp_path: Path, transform: Affine) -> None:
    table = ClassTable(classes=(LandClass(name="black", color=(0, 0, 0)), *TABLE.classes))
    path = write_raster(tmp_path / "a.tif", np.array([[RED, GREEN, RED]], np.uint8), transform=transform)
    source = TileSource(tile="a", image="", label=str(path), split="train")
    grid = Grid(1, 3, Georeference(ORIGIN, CRS.from_epsg(25832).to_wkt()))
    with LabelDecoder(table, ColorLabels(resample=True)).open(source, grid) as label:
        assert label.read(Window(0, 0, 1, 3)).tolist() == [[2, 1, VOID_ID]]


def test_a_label_on_another_grid_opens_so_that_it_can_be_judged_but_is_not_read_beyond_its_edge(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.full((4, 4, 3), RED, np.uint8))
    source = TileSource(tile="a", image="", label=str(path), split="train")
    with LabelDecoder(TABLE).open(source, Grid(5, 4, Georeference(ORIGIN, ""))) as label:
        assert label.raster is not None
        assert label.raster.height == 4
        with pytest.raises(LabelError, match="resample: true"):
            label.read(Window(0, 0, 5, 4))


def test_pixels_that_the_eroded_truth_leaves_out_are_told_apart_from_the_full_truth(tmp_path: Path) -> None:
    full = np.array([[RED, RED, GREEN, GREEN]], np.uint8)
    eroded = full.copy()
    eroded[0, 1:3] = 0  # black boundaries, as in ISPRS noBoundary
    label_path = write_raster(tmp_path / "a.tif", full)
    ignore_path = write_raster(tmp_path / "a_noBoundary.tif", eroded)
    with opened(label_path, ignore_path) as label:
        assert label.read(Window(0, 0, 1, 4)).tolist() == [[0, 0, 1, 1]]
        ignored = label.read_ignored(Window(0, 1, 1, 3))
        assert ignored is not None
        assert ignored.tolist() == [[True, True, False]]
    with opened(label_path) as label:
        assert label.read_ignored(Window(0, 0, 1, 4)) is None


def test_ignored_pixels_are_sampled_like_the_labels(tmp_path: Path) -> None:
    ids = np.random.default_rng(1).integers(0, 2, (9, 12))
    label_path = write_raster(tmp_path / "a.tif", np.where(ids[..., None] == 0, RED, GREEN).astype(np.uint8))
    ignore_path = write_raster(tmp_path / "b.tif", (ids * 7).astype(np.uint8))
    with opened(label_path, ignore_path) as label:
        for downsample in (1, 2, 3):
            window = Window(0, downsample, 9, 9)
            ignored = label.read_ignored(window, downsample)
            assert ignored is not None
            np.testing.assert_array_equal(ignored, label.read(window, downsample) == 0)


def test_another_value_or_colour_can_mark_ignored_pixels(tmp_path: Path) -> None:
    label_path = write_raster(tmp_path / "a.tif", np.array([[RED, GREEN]], np.uint8))
    marks = write_raster(tmp_path / "marks.tif", np.array([[0, 9]], np.uint8))
    with opened(label_path, marks, value=9) as label:
        assert label.read_ignored(Window(0, 0, 1, 2)).tolist() == [[False, True]]  # type: ignore[union-attr]
    with opened(label_path, label_path, value=GREEN) as label:
        assert label.read_ignored(Window(0, 0, 1, 2)).tolist() == [[False, True]]  # type: ignore[union-attr]
    with pytest.raises(LabelError, match=r"2 numbers.* has 3 band"), opened(label_path, label_path, value=(1, 2)):
        pass


def test_a_decoder_travels_without_its_colour_table(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[RED, GREEN]], np.uint8))
    source = TileSource(tile="a", image="", label=str(path), split="train")
    decoder = LabelDecoder(TABLE, ColorLabels(tolerance=1))
    with open_raster(path) as raster, decoder.open(source, raster.grid) as label:
        label.read(Window(0, 0, 1, 2))  # builds the table of 16 MiB
        sent = pickle.dumps(decoder)
        assert len(sent) < 10_000
        with pickle.loads(sent).open(source, raster.grid) as again:
            assert again.read(Window(0, 0, 1, 2)).tolist() == [[0, 1]]


@pytest.mark.parametrize("options", [ColorLabels(), IndexLabels(kind="index", first=0)])
def test_a_tile_without_a_label_file_is_refused(options: ColorLabels | IndexLabels) -> None:
    source = TileSource(tile="a", image="", masks={"roof": "r.tif"}, split="train")
    with (
        pytest.raises(LabelError, match=r"tile a has no label file(.|\n)*kind: masks"),
        LabelDecoder(TABLE, options).open(source, Grid(1, 1, Georeference(ORIGIN, ""))),
    ):
        pass


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([("roof", RED), ("lawn", RED)], "colour .* stands twice"),
        ([("roof", RED), ("roof", GREEN)], "name roof stands twice"),
        ([("roof", RED), ("lawn", (0, 0, 256))], "outside 0 to 255"),
        ([("roof", RED)], "at least 2"),
    ],
)
def test_class_tables_that_contradict_themselves_are_refused(classes: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClassTable(classes=tuple(LandClass(name=name, color=color) for name, color in classes))
