"""Labels are decoded through their colours, never through raw numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable, ColorDecoder, LandClass, encode_colors
from components.errors import LabelError
from components.geo.geotiff import open_raster
from components.geo.labels import LabelDecoder, LabelReader
from components.geo.window import Window
from components.tile_source import TileSource
from tests.make_raster import gradient, write_raster

RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (155, 155, 155)
TABLE = ClassTable(
    classes=(LandClass(name="roof", color=RED), LandClass(name="lawn", color=GREEN)),
    void=(LandClass(name="unlabelled", color=GREY),),
)
DECODER = ColorDecoder(TABLE)


@contextmanager
def opened(path: Path) -> Iterator[LabelReader]:
    source = TileSource(tile="a", image="", label=str(path), split="train")
    with open_raster(path) as raster, LabelDecoder(TABLE).open(source, raster.grid) as label:
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


def test_a_one_band_raster_without_a_palette_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", gradient(4, 4, 1))
    with pytest.raises(LabelError, match="no palette"), opened(path):
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
