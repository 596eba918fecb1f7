"""Labels coded by number: only what the configuration says of a number counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable, LandClass
from components.errors import ConfigError, LabelError
from components.geo.geotiff import open_raster
from components.geo.label_options import IndexLabels
from components.geo.labels import LabelDecoder, LabelReader
from components.geo.window import Window
from components.tile_source import TileSource
from tests.make_raster import write_raster

TABLE = ClassTable(
    classes=(
        LandClass(name="roof", color=(255, 0, 0)),
        LandClass(name="lawn", color=(0, 255, 0)),
        LandClass(name="water", color=(0, 0, 255)),
    ),
    void=(LandClass(name="unlabelled", color=(9, 9, 9)),),
)


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[LabelReader]:
    source = TileSource(tile="a", image="", label=str(path), split="train")
    decoder = LabelDecoder(TABLE, IndexLabels(kind="index", **options))
    with open_raster(path) as raster, decoder.open(source, raster.grid) as label:
        yield label


def ids_of(path: Path, **options: Any) -> list[list[int]]:
    with opened(path, **options) as label:
        grid: list[list[int]] = label.read(Window(0, 0, label.grid.height, label.grid.width)).tolist()
        return grid


def test_first_says_which_number_the_first_class_has_and_zero_never_shifts_unnoticed(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[0, 1, 2, 3, 4]], np.uint8))
    assert ids_of(path, first=0) == [[0, 1, 2, UNKNOWN_ID, UNKNOWN_ID]]
    assert ids_of(path, first=1) == [[UNKNOWN_ID, 0, 1, 2, UNKNOWN_ID]]
    assert ids_of(path, first=1, void=[0]) == [[VOID_ID, 0, 1, 2, UNKNOWN_ID]]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), dtype=st.sampled_from(["uint8", "int16", "uint16", "int32", "float32"]))
def test_every_pixel_means_what_the_mapping_says_of_its_value_and_nothing_else(
    data: st.DataObject, dtype: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lowest, highest = {"uint8": (0, 255), "uint16": (0, 65535), "int16": (-32768, 32767)}.get(dtype, (-(2**23), 2**23))
    values = st.integers(lowest, highest)
    names = st.sampled_from(["roof", "lawn", "water", "void", "unlabelled"])
    mapping = data.draw(st.dictionaries(values, names, min_size=1, max_size=6))
    pixels = data.draw(hnp.arrays(dtype, (3, 4), elements=st.one_of(st.sampled_from(sorted(mapping)), values)))
    path = write_raster(tmp_path_factory.mktemp("index") / "a.tif", pixels)
    meaning = {"roof": 0, "lawn": 1, "water": 2, "void": VOID_ID, "unlabelled": VOID_ID}
    expected = [[meaning.get(mapping.get(int(v), ""), UNKNOWN_ID) for v in row] for row in pixels.tolist()]
    with opened(path, values=mapping) as label:
        assert label.read(Window(0, 0, 3, 4)).tolist() == expected
        raw = label.read_raw(Window(0, 0, 3, 4))
    np.testing.assert_array_equal(raw, pixels.astype(np.int64))


def test_minus_one_without_a_nodata_tag_is_void_where_the_configuration_says_so(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[-1, 0, 2, 7]], np.int16))
    assert ids_of(path, first=0, void=[-1]) == [[VOID_ID, 0, 2, UNKNOWN_ID]]
    assert ids_of(path, values={-1: "void", 0: "lawn", 2: "roof"}) == [[VOID_ID, 1, 0, UNKNOWN_ID]]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_nodata_is_void_unless_its_value_is_listed_as_a_class(tmp_path: Path, dtype: str) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[0, 1, 9]], dtype), nodata=9)
    assert ids_of(path, first=0) == [[0, 1, VOID_ID]]
    assert ids_of(path, values={0: "roof", 9: "water"}) == [[0, UNKNOWN_ID, 2]]


def test_nan_in_a_float_label_is_void(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[np.nan, 0, 1]], np.float32))
    assert ids_of(path, first=0) == [[VOID_ID, 0, 1]]


def test_numbers_that_no_integer_holds_are_void_as_nodata_and_unknown_otherwise(tmp_path: Path) -> None:
    lowest = float(np.finfo(np.float32).min)
    for nodata, expected in ((lowest, VOID_ID), (None, UNKNOWN_ID)):
        path = write_raster(tmp_path / "a.tif", np.array([[lowest, 0, 1]], np.float32), nodata=nodata)
        assert ids_of(path, first=0) == [[expected, 0, 1]]


def test_values_beyond_16_bits_are_told_apart(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[1_000_000, 1_000_001, 5, -70_000]], np.int32))
    found = ids_of(path, values={1_000_000: "roof", 1_000_001: "lawn", -70_000: "void"})
    assert found == [[0, 1, UNKNOWN_ID, VOID_ID]]


def test_unknown_values_are_described_by_their_number(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[-7, 0]], np.int16))
    with opened(path, first=0) as label:
        assert [label.describe(int(raw)) for raw in label.read_raw(Window(0, 0, 1, 2))[0]] == ["value -7", "value 0"]


def test_a_palette_is_ignored_where_the_configuration_says_index(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[0, 1]], np.uint8), palette=[(0, 255, 0), (255, 0, 0)])
    assert ids_of(path, first=0) == [[0, 1]]


def test_several_bands_are_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(LabelError, match=r"3 bands of uint8(.|\n)*kind: colors"), opened(path, first=0):
        pass


def test_fractions_are_refused_with_their_place(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.array([[0, 0.37]], np.float32))
    with opened(path, first=0) as label, pytest.raises(LabelError, match=r"0\.37(.|\n)*nearest neighbour"):
        label.read(Window(0, 0, 1, 2))


def test_a_value_that_a_float_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", np.zeros((1, 1), np.int32))
    with pytest.raises(LabelError, match="20000001"), opened(path, values={0: "roof", 20_000_001: "lawn"}):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": {3: "rooof"}}, r"labels\.values\.3 names 'rooof', which is no class(.|\n)*roof, lawn, water"),
        ({"first": 0, "void": [2]}, r"labels\.void lists 2(.|\n)*the class water(.|\n)*outside 0 to 2"),
    ],
)
def test_mappings_that_cannot_be_meant_are_refused_before_a_file_is_opened(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LabelDecoder(TABLE, IndexLabels(kind="index", **options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either `first`"),
        ({"first": 0, "values": {0: "roof"}}, "give either `first`"),
        ({"values": {0: "roof"}, "void": [1]}, "`void` goes with `first`"),
    ],
)
def test_options_that_leave_the_numbering_open_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IndexLabels(kind="index", **options)
