"""Clean data give no finding; each fault, planted alone, is found with the expected codes, tile and place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil

from components.classes import encode_colors
from tests.components.label_validation.scenes import COLOURS, SIDE, TABLE, Scenes, patchwork, photo, place
from tests.make_raster import write_raster

VOID = 255


@dataclass(frozen=True)
class Fault:
    """What is planted, and the oracle: (code, severity, tile) of every finding; words that must stand in one."""

    plant: Callable[[Scenes], object]
    expected: set[tuple[str, str, str]]
    words: str = ""
    at: tuple[int, int] | None = None


def truncate(path: str) -> None:
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])


def shift_label(scenes: Scenes, rows: int, cols: int) -> None:
    """The label of tile 1 lies `rows` too far down and `cols` too far right; what moves in is a parcel's rim."""
    wide = np.pad(patchwork(1), 16, mode="edge")
    scenes.write_label(1, wide[16 - rows : 16 - rows + SIDE, 16 - cols : 16 - cols + SIDE])


def off_palette(scenes: Scenes) -> None:
    colors = encode_colors(patchwork(1), TABLE)
    colors[17, 200:203] = (252, 255, 0)
    write_raster(Path(scenes.sources[1].label), colors, transform=place(1))


def without_pond(scenes: Scenes, tiles: tuple[int, ...], rest: int = 0) -> None:
    """Ponds become lawn in image and label, but for `rest` pixels in the corner of each tile."""
    for i in tiles:
        ids = np.where(patchwork(i) == 2, 1, patchwork(i)).astype(np.uint8)
        ids[0, :rest] = 2
        scenes.write_image(i, photo(ids, i))
        scenes.write_label(i, ids)


def copy_tile(scenes: Scenes, source: int, target: int) -> None:
    """Another file of the same pixels: compressed, and in blocks."""
    for kind in ("image", "label"):
        path = getattr(scenes.sources[target], kind)
        Path(path).unlink()
        rasterio.shutil.copy(
            getattr(scenes.sources[source], kind), path, driver="GTiff", compress="deflate", tiled=True
        )
        with rasterio.open(path, "r+") as dataset:
            dataset.transform = place(target)


def two_dates(scenes: Scenes, *, covered: bool = False) -> None:
    """Tile 3 is tile 2 at another time: the same label and other pixels, under fog or snow of the average colour."""
    pixels = photo(patchwork(2), 3)
    if covered:
        pixels = (COLOURS.mean(axis=0) + pixels - COLOURS[patchwork(2)]).clip(0, 255).astype(np.uint8)
    scenes.write_image(3, pixels, transform=place(2))
    scenes.write_label(3, patchwork(2), transform=place(2))


def swap_classes(scenes: Scenes) -> None:
    scenes.write_label(2, np.array([2, 1, 0], np.uint8)[patchwork(2)])


def brighter(scenes: Scenes, tiles: tuple[int, ...], by: int) -> None:
    for i in tiles:
        scenes.write_image(i, np.clip(photo(patchwork(i), i).astype(int) + by, 0, 255).astype(np.uint8))


def clipped(scenes: Scenes) -> None:
    """All above the 60th percentile of red become it: 40 of 100 pixels have the highest value."""
    pixels = photo(patchwork(3), 3)
    pixels[..., 0] = np.minimum(pixels[..., 0], np.percentile(pixels[..., 0], 60).astype(np.uint8))
    scenes.write_image(3, pixels)


def coarse_tile(scenes: Scenes) -> None:
    scenes.write_image(2, photo(patchwork(2), 2), transform=place(2, 1.0))
    scenes.write_label(2, patchwork(2), transform=place(2, 1.0))


def coarse_label(scenes: Scenes) -> None:
    scenes.resample_labels = True
    scenes.write_label(2, patchwork(2)[1::2, 1::2], transform=place(2, 1.0))


def on_the_same_ground(scenes: Scenes) -> None:
    scenes.write_image(4, photo(patchwork(4), 4), transform=place(0))
    scenes.write_label(4, patchwork(4), transform=place(0))


def with_eroded_truth(scenes: Scenes, marked: int, *, rows: int = SIDE) -> None:
    """Beside every tile a raster whose left columns hold `marked`."""
    for i, source in enumerate(scenes.sources):
        edges = np.full((rows, SIDE), 255, np.uint8)
        edges[:, :10] = marked
        file = write_raster(Path(source.image).with_name(f"edges {i}.tif"), edges, transform=place(i))
        scenes.change(i, ignore=str(file))


FAULTS: dict[str, Fault] = {
    "an eroded truth that marks nothing": Fault(
        lambda s: with_eroded_truth(s, 7), {("ignore-share", "warning", "")}, "leave out 0.0%"
    ),
    "eroded truths that end before their images": Fault(
        lambda s: with_eroded_truth(s, 0, rows=SIDE - 1),
        {("unusable-label", "error", f"tile {i}") for i in range(6)},
        "edges 0.tif has 287 x 288 pixels",
    ),
    "missing label": Fault(
        lambda s: Path(s.sources[1].label).unlink(), {("missing-file", "error", "tile 1")}, "tile 1 label.tif"
    ),
    "missing image": Fault(
        lambda s: Path(s.sources[1].image).unlink(), {("missing-file", "error", "tile 1")}, "tile 1.tif"
    ),
    "truncated image": Fault(lambda s: truncate(s.sources[1].image), {("unreadable", "error", "tile 1")}),
    "truncated label": Fault(lambda s: truncate(s.sources[1].label), {("unreadable", "error", "tile 1")}),
    "no raster": Fault(
        lambda s: Path(s.sources[1].image).write_text("moved to the archive"), {("unreadable", "error", "tile 1")}
    ),
    "index raster": Fault(
        lambda s: write_raster(Path(s.sources[1].label), patchwork(1)), {("unusable-label", "error", "tile 1")}
    ),
    "label a column short": Fault(
        lambda s: s.write_label(1, patchwork(1)[:, 1:]), {("label-size", "error", "tile 1")}, "288 x 287"
    ),
    "other coordinate system": Fault(
        lambda s: s.write_label(1, patchwork(1), crs="EPSG:25833"), {("label-crs", "error", "tile 1")}, "EPSG:25833"
    ),
    "georeference a pixel off": Fault(
        lambda s: s.write_label(1, patchwork(1), transform=place(1) @ place(0).translation(1, 0)),
        {("label-place", "error", "tile 1")},
        "1.00 pixels apart",
    ),
    "a colour of no class": Fault(
        off_palette, {("off-palette", "error", "tile 1")}, "252,255,0 (3 px, first at row 17, column 200)", (17, 200)
    ),
    "unlabelled": Fault(
        lambda s: s.write_label(1, np.full((SIDE, SIDE), VOID, np.uint8)),
        {("void-share", "warning", "tile 1")},
        "100.0%",
    ),
    "one colour": Fault(
        lambda s: s.write_image(1, np.full((SIDE, SIDE, 3), 80, np.uint8)),
        {("blank-image", "error", "tile 1")},
        "red 80, green 80, blue 80",
    ),
    "all nodata": Fault(
        lambda s: s.write_image(1, np.zeros((SIDE, SIDE, 3), np.uint8), nodata=0),
        {("blank-image", "error", "tile 1")},
        "100.00% of the image is nodata",
    ),
    "clipped": Fault(clipped, {("clipped-image", "warning", "tile 3")}, "of band red have its highest value"),
    "the same tile in train and eval": Fault(
        lambda s: copy_tile(s, 0, 5), {("duplicate-tile", "error", "tile 5")}, "that of tile tile 0 (train)"
    ),
    "the same tile twice in train": Fault(
        lambda s: copy_tile(s, 0, 3), {("duplicate-tile", "warning", "tile 3")}, "that of tile tile 0 (train)"
    ),
    "the label of another tile": Fault(
        lambda s: s.write_label(3, patchwork(0)),
        {("duplicate-label", "error", "tile 3"), ("class-colours-collapse", "warning", "tile 3")},
        "whose image is another; it does not fit the colours of tile tile 3",
    ),
    "one label for two dates of the same ground": Fault(
        two_dates, {("duplicate-label", "warning", "tile 3")}, "same pixels as that of tile tile 2"
    ),
    "one label for two dates, one of them under fog": Fault(
        lambda s: two_dates(s, covered=True),
        {("duplicate-label", "warning", "tile 3"), ("class-colours-collapse", "warning", "tile 3")},
    ),
    "label turned round": Fault(
        lambda s: s.write_label(2, np.rot90(patchwork(2))), {("class-colours-collapse", "warning", "tile 2")}
    ),
    "two classes swapped": Fault(
        swap_classes, {("class-colours-contradict", "warning", "tile 2")}, "roof looks as pond does"
    ),
    "label 5 down, 7 left": Fault(
        lambda s: shift_label(s, 5, -7),
        {("label-shift", "warning", "tile 1")},
        "5 px further up and 7 px further right",
    ),
    "label 4 right": Fault(
        lambda s: shift_label(s, 0, 4),
        {("label-shift", "warning", "tile 1")},
        "0 px further down and 4 px further left",
    ),
    "label 12 up, 12 left": Fault(
        lambda s: shift_label(s, -12, -12),
        {("label-shift", "warning", "tile 1")},
        "12 px further down and 12 px further right",
    ),
    "a tile of coarser pixels": Fault(
        coarse_tile, {("resolution-mismatch", "warning", "tile 2")}, "1 m on the ground, 0.5 m in the median"
    ),
    "a coarser label": Fault(coarse_label, {("resolution-mismatch", "warning", "tile 2")}, "a factor of 2.00"),
    "one tile of 16 bits": Fault(
        lambda s: s.write_image(2, photo(patchwork(2), 2).astype(np.uint16)),
        {("mixed-dtype", "error", "tile 2")},
        "uint16",
    ),
    "one tile in other units": Fault(
        lambda s: s.write_image(2, photo(patchwork(2), 2) // 8),
        {("band-drift", "warning", "tile 2")},
        "differ by a factor of at least",
    ),
    "brighter in eval": Fault(
        lambda s: brighter(s, (4, 5), 70), {("band-drift", "warning", "")}, "the 4 tiles of split train"
    ),
    "brighter in August": Fault(
        lambda s: brighter(s, (1, 3, 5), 70), {("band-drift", "warning", "")}, "tiles of date 2024-08-01"
    ),
    "train and eval on the same ground": Fault(
        on_the_same_ground,
        {("ground-overlap", "error", "tile 0")},
        "20,736.0 square metres",  # (288 * 0.5)^2
    ),
    "no eval tile": Fault(
        lambda s: [s.change(i, split="test") for i in (4, 5)], {("empty-split", "error", "")}, "split eval has no tile"
    ),
    "no pond in eval": Fault(
        lambda s: without_pond(s, (4, 5)), {("class-absent", "warning", "")}, "pond has no pixel in split eval"
    ),
    "no pond in train": Fault(
        # Without water, train is less blue than eval: that is true, too.
        lambda s: without_pond(s, (0, 1, 2, 3)),
        {("class-absent", "error", ""), ("band-drift", "warning", "")},
        "pond has no pixel in split train",
    ),
    "few ponds in train": Fault(
        lambda s: without_pond(s, (0, 1, 2, 3), 30),
        {("imbalance", "warning", ""), ("band-drift", "warning", "")},
        "of pond",
    ),
}


def test_clean_data_give_no_finding(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    assert scenes.findings() == []
    with_eroded_truth(scenes, 0)
    assert scenes.findings() == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(name: str, tmp_path: Path) -> None:
    scenes, fault = Scenes(tmp_path), FAULTS[name]
    fault.plant(scenes)
    findings = scenes.findings()
    assert {(f.code, f.severity, f.tile) for f in findings} == fault.expected
    assert any(fault.words in f.found for f in findings), [f.found for f in findings]
    assert all(f.remedy and f.expected for f in findings)
    if fault.at is not None:
        assert [(f.row, f.col) for f in findings] == [fault.at]


def test_tiles_of_two_zones_are_told_of_but_no_fault(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.write_image(2, photo(patchwork(2), 2), crs="EPSG:25833")
    scenes.write_label(2, patchwork(2), crs="EPSG:25833")
    (finding,) = scenes.findings()
    assert (finding.code, finding.severity) == ("mixed-crs", "info")
