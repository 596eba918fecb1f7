"""Labels written as index rasters and in colours: there and back, whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.crs import CRS

from components.classes import VOID_ID, ClassTable, LandClass, encode_colors
from components.errors import LabelError, RasterError
from components.geo.class_geotiff import void_color
from components.geo.convert_labels import Converted, convert_labels
from components.geo.geotiff import open_raster
from components.geo.label_options import ColorLabels, IndexLabels, LabelOptions, MaskLabels, VectorLabels
from components.geo.labels import LabelDecoder
from components.geo.raster import Georeference, Grid
from components.geo.window import Window
from components.tile_source import TileSource
from tests.make_raster import ORIGIN, write_raster

CLASSES = (LandClass(name="black", color=(0, 0, 0)), LandClass(name="lawn", color=(0, 255, 0)))
GREY = (155, 155, 155)
TABLE = ClassTable(classes=CLASSES, void=(LandClass(name="unlabelled", color=GREY),))
NO_VOID = ClassTable(classes=CLASSES)
UTM = CRS.from_epsg(25832).to_wkt()


def convert(
    path: Path, target: Path, form: Any, options: LabelOptions | None = None, table: ClassTable = TABLE, **how: Any
) -> Converted:
    source = TileSource(tile="a", image="", label=str(path), split="train")
    with (
        open_raster(path) as raster,
        LabelDecoder(table, options or ColorLabels()).open(source, raster.grid) as label,
    ):
        return convert_labels(label, target, table, form, **how)


def read(path: Path, options: LabelOptions, table: ClassTable = TABLE) -> np.ndarray:
    source = TileSource(tile="a", image="", label=str(path), split="train")
    with open_raster(path) as raster, LabelDecoder(table, options).open(source, raster.grid) as label:
        return label.read(Window(0, 0, raster.height, raster.width))


@settings(max_examples=15, deadline=None)
@given(ids=hnp.arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, VOID_ID])))
def test_colours_to_index_to_colours_are_the_same_pixels(
    ids: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("there and back")
    colors = encode_colors(ids, TABLE, GREY)
    start = write_raster(folder / "a.tif", colors)
    done = convert(start, folder / "index.tif", "index")
    assert done == Converted((int((ids == 0).sum()), int((ids == 1).sum())), int((ids == VOID_ID).sum()), 0)
    back = folder / "back.tif"
    convert(folder / "index.tif", back, "colors", IndexLabels(kind="index", first=0))
    with rasterio.open(back) as dataset, rasterio.open(start) as first:
        np.testing.assert_array_equal(dataset.read(), first.read())
        assert dataset.transform == first.transform
        assert dataset.crs == first.crs


@pytest.mark.parametrize("table", [TABLE, NO_VOID])
@pytest.mark.parametrize("options", [IndexLabels(kind="index", first=0), ColorLabels(), ColorLabels(tolerance=64)])
def test_an_index_file_reads_by_its_numbers_and_by_its_palette(
    tmp_path: Path, table: ClassTable, options: LabelOptions
) -> None:
    ids = np.array([[0, 1, VOID_ID]], np.uint8)
    start = write_raster(tmp_path / "a.tif", ids)
    index = IndexLabels(kind="index", first=0, void=(255,))
    convert(start, tmp_path / "b.tif", "index", index, table)
    np.testing.assert_array_equal(read(tmp_path / "b.tif", options, table), ids)


def test_the_file_is_tiled_deflated_and_says_its_classes_and_its_nodata(tmp_path: Path) -> None:
    start = write_raster(tmp_path / "a.tif", encode_colors(np.zeros((600, 300), np.uint8), TABLE))
    convert(start, tmp_path / "b.tif", "index")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        assert dataset.profile["tiled"]
        assert dataset.block_shapes == [(512, 512)]
        assert dataset.compression.name == "deflate"
        assert dataset.nodata == VOID_ID
        assert dataset.tags()["CLASS_1"] == "lawn"
        assert dataset.dtypes == ("uint8",)


def test_strips_are_put_together_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.geo.convert_labels._STRIP_PIXELS", 1)  # strips of one row of blocks
    ids = np.random.default_rng(3).integers(0, 2, (1100, 90)).astype(np.uint8)
    convert(write_raster(tmp_path / "a.tif", encode_colors(ids, TABLE)), tmp_path / "b.tif", "index")
    np.testing.assert_array_equal(read(tmp_path / "b.tif", IndexLabels(kind="index", first=0)), ids)


def test_unknown_pixels_are_an_error_with_their_number_unless_they_may_be_void(tmp_path: Path) -> None:
    pixels = np.array([[(0, 0, 0), (1, 2, 3), (1, 2, 3), (4, 4, 4)]], np.uint8)
    start, target = write_raster(tmp_path / "a.tif", pixels), tmp_path / "out" / "b.tif"
    with pytest.raises(LabelError, match=r"3 pixels that mean no class: 1,2,3 \(2 px\), 4,4,4 \(1 px\)"):
        convert(start, target, "index")
    assert list(target.parent.iterdir()) == []
    assert convert(start, target, "index", unknown_as_void=True) == Converted((1, 0), 3, 3)
    assert read(target, IndexLabels(kind="index", first=0)).tolist() == [[0, VOID_ID, VOID_ID, VOID_ID]]
    assert list(target.parent.iterdir()) == [target]


def test_void_pixels_need_a_void_colour(tmp_path: Path) -> None:
    start = write_raster(tmp_path / "a.tif", np.array([[0, 9]], np.uint8))
    options = IndexLabels(kind="index", first=0, void=(9,))
    with pytest.raises(LabelError, match=r"1 void pixels(.|\n)*void: \[\{name"):
        convert(start, tmp_path / "b.tif", "colors", options, NO_VOID)
    assert not (tmp_path / "b.tif").exists()
    convert(start, tmp_path / "b.tif", "colors", options)
    assert read(tmp_path / "b.tif", ColorLabels()).tolist() == [[0, VOID_ID]]


def test_without_void_colours_the_palettes_void_is_far_from_every_class() -> None:
    assert void_color(TABLE) == GREY
    # 255,255,255 is 255 from black, and 255 from green in red and blue
    assert void_color(NO_VOID) == (255, 255, 255)


def test_a_label_larger_than_its_image_is_not_cut_off(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", encode_colors(np.zeros((6, 4), np.uint8), TABLE))
    source = TileSource(tile="a", image="", label=str(path), split="train")
    grid = Grid(5, 4, Georeference(ORIGIN, UTM))
    with (
        LabelDecoder(TABLE).open(source, grid) as label,
        pytest.raises(LabelError, match=r"6 x 4 pixels .*, its image 5 x 4"),
    ):
        convert_labels(label, tmp_path / "b.tif", TABLE, "index")
    with LabelDecoder(TABLE, ColorLabels(resample=True)).open(source, grid) as label:
        assert convert_labels(label, tmp_path / "b.tif", TABLE, "index").by_class == (20, 0)


def test_masks_and_vectors_become_rasters_too(tmp_path: Path) -> None:
    mask = write_raster(tmp_path / "m.tif", np.array([[0, 1, 1]], np.uint8))
    (tmp_path / "v.csv").write_text('class,WKT\nlawn,"POLYGON ((1 0, 3 0, 3 1, 1 1, 1 0))"')
    grid = Grid(1, 3, Georeference(Affine.identity(), ""))
    kinds: list[tuple[LabelOptions, dict[str, Any]]] = [
        (MaskLabels(kind="masks"), {"masks": {"lawn": str(mask)}}),
        (VectorLabels(kind="vectors", attribute="class", coordinates="pixel"), {"label": str(tmp_path / "v.csv")}),
    ]
    for options, files in kinds:
        source = TileSource(tile="a", image="", split="train", **files)
        with LabelDecoder(TABLE, options).open(source, grid) as label:
            assert convert_labels(label, tmp_path / "out.tif", TABLE, "index") == Converted((0, 2), 1, 0)
        assert read(tmp_path / "out.tif", IndexLabels(kind="index", first=0)).tolist() == [[VOID_ID, 1, 1]]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    start = write_raster(tmp_path / "a.tif", encode_colors(np.zeros((2, 2), np.uint8), TABLE))
    (tmp_path / "file").write_text("")
    with pytest.raises(RasterError, match="cannot be written"):
        convert(start, tmp_path / "file" / "b.tif", "index")
