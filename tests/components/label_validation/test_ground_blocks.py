"""Ground blocks are judged as the tile that they are parts of, and counted by themselves in their splits."""

from pathlib import Path

import numpy as np
import pytest

from components.classes import VOID_ID, encode_colors
from components.geo.label_options import ColorLabels
from components.label_validation.anomalies import as_anomalies
from components.label_validation.checks import check_data_set
from components.label_validation.facts import TileFacts
from components.label_validation.findings import Finding
from components.label_validation.measure_tile import TileMeasurer
from components.label_validation.options import ValidationOptions
from components.label_validation.parts import by_tile
from components.label_validation.report import as_document
from components.splits.ground_blocks import BlockOptions
from components.tile_source import TileSource
from tests.components.label_validation.scenes import BANDS, TABLE, Scenes, blocks_of, patchwork, photo, place
from tests.components.label_validation.test_planted_faults import FAULTS
from tests.make_raster import write_raster

BIG = 480
CHECKERBOARD = BlockOptions(size_px=96, pattern="checkerboard", folds=2, eval=(1,), buffer_px=8)
"""5 x 5 blocks of the big tile, (row + column) even: train; 3 x 3 blocks of a tile of `Scenes`."""


class BigTile:
    """One tile on disk, cut into a checkerboard."""

    def __init__(self, folder: Path) -> None:
        self.ids = patchwork(7, BIG).copy()
        self.pixels = photo(self.ids, 7)
        self.source = TileSource(
            tile="big", image=str(folder / "big.tif"), label=str(folder / "big label.tif"), split="train"
        )
        self.blocks = blocks_of(self.source, CHECKERBOARD, BIG, BIG)
        self.write()

    def write(self, colors: np.ndarray | None = None) -> None:
        write_raster(Path(self.source.image), self.pixels, transform=place(0))
        colors = encode_colors(self.ids, TABLE) if colors is None else colors
        write_raster(Path(self.source.label), colors, transform=place(0))

    def facts(self) -> TileFacts:
        (parts,) = by_tile(self.blocks)
        return TileMeasurer(BANDS, TABLE, ColorLabels()).measure(*parts.tiles)

    def findings(self) -> list[Finding]:
        return check_data_set([self.facts()], TABLE, ValidationOptions())

    def in_split(self, split: str) -> np.ndarray:
        inside = np.zeros((BIG, BIG), bool)
        for block in self.blocks:
            if block.split == split and block.area is not None:
                inside[block.area.slices] = True
        return inside


@pytest.fixture
def big(tmp_path: Path) -> BigTile:
    return BigTile(tmp_path)


def test_a_clean_tile_in_a_checkerboard_gives_no_finding(big: BigTile) -> None:
    assert {block.split for block in big.blocks} == {"train", "eval"}
    assert big.findings() == []


def test_ground_that_repeats_within_a_tile_is_no_duplicate(big: BigTile) -> None:
    # Every block is the same 96 x 96 pixels: equal images and labels of several classes, but one tile.
    big.ids = np.tile(patchwork(7, 96), (5, 5))
    big.pixels = np.tile(photo(patchwork(7, 96), 7), (5, 5, 1))
    big.write()
    assert big.findings() == []


def test_the_ground_of_a_tile_may_change_from_block_to_block(big: BigTile) -> None:
    """A lake in the east: blocks there are of one class, all water and nearly blank; as tiles of their own they would
    be far from the others, of one colour and mostly void."""
    big.ids[:, 288:] = 2
    big.ids[96:192, 288:384] = VOID_ID
    big.pixels = np.where((big.ids == 2)[..., None], (40, 60, 160), photo(np.minimum(big.ids, 2), 7)).astype(np.uint8)
    big.write()
    assert big.findings() == []


def test_a_colour_of_no_class_is_found_once_in_its_tile_and_block(big: BigTile) -> None:
    colors = encode_colors(big.ids, TABLE)
    colors[17, 200:203] = (252, 255, 0)  # block r0c2
    colors[400, 300] = (252, 255, 0)  # block r4c3
    big.write(colors)
    (finding,) = big.findings()
    assert (finding.code, finding.severity, finding.tile) == ("off-palette", "error", "big")
    assert "4 pixels" in finding.found
    assert "252,255,0 (4 px, first at row 17, column 200)" in finding.found
    # r0c2 has neighbours of eval on its left, its right and below.
    assert finding.place == "row 17, column 200, in block r0c2 (train; rows 0 to 87, columns 200 to 279)"


def test_what_lies_in_no_block_is_not_counted(big: BigTile) -> None:
    colors = encode_colors(big.ids, TABLE)
    colors[90, 240] = (252, 255, 0)  # in the buffer between r0c2 (train) and r1c2 (eval)
    colors[100, 100] = (252, 255, 0)  # in r1c1
    big.write(colors)
    big.blocks = [block for block in big.blocks if block.tile != "big/r1c1"]  # data.exclude
    assert big.findings() == []


def test_labels_outside_the_blocks_do_not_decide_about_a_shift(big: BigTile) -> None:
    big.blocks = [block for block in big.blocks if block.area is not None and block.area.row < 350]
    as_delivered = big.facts().shift
    big.ids[~(big.in_split("train") | big.in_split("eval"))] = VOID_ID
    big.write()
    assert as_delivered is not None
    assert as_delivered == big.facts().shift


def test_a_label_that_is_shifted_in_all_blocks_is_one_finding(big: BigTile) -> None:
    big.ids = np.roll(big.ids, (6, -5), axis=(0, 1))
    big.write()
    (finding,) = big.findings()
    assert (finding.code, finding.tile) == ("label-shift", "big")
    assert "6 px further up and 5 px further right" in finding.found
    assert "in block r" in finding.place


def test_a_tile_that_cannot_be_read_is_one_finding(big: BigTile) -> None:
    Path(big.source.label).unlink()
    (finding,) = big.findings()
    assert (finding.code, finding.tile) == ("missing-file", "big")


def test_bands_that_differ_between_the_splits_are_found_block_by_block(big: BigTile) -> None:
    big.pixels[big.in_split("eval")] = np.minimum(big.pixels[big.in_split("eval")].astype(int) + 70, 255)
    big.write()
    (finding,) = big.findings()
    assert (finding.code, finding.tile) == ("band-drift", "")
    assert "the 13 ground blocks of split train have other band means than the 12 other ground blocks" in finding.found


def test_a_class_without_a_pixel_in_the_blocks_of_a_split_is_found(big: BigTile) -> None:
    big.ids[big.in_split("eval") & (big.ids == 2)] = 1
    big.pixels = photo(big.ids, 7)
    big.write()
    assert [(f.code, f.found) for f in big.findings()] == [("class-absent", "class pond has no pixel in split eval")]


def test_facts_of_all_blocks_are_those_of_the_tile(big: BigTile) -> None:
    without_buffer = CHECKERBOARD.model_copy(update={"buffer_px": 0})
    whole = TileMeasurer(BANDS, TABLE, ColorLabels()).measure(big.source)
    big.blocks = blocks_of(big.source, without_buffer, BIG, BIG)
    cut = big.facts()
    assert (cut.source, cut.image_digest, cut.label_digest) == (whole.source, whole.image_digest, whole.label_digest)
    assert (cut.tally, cut.shift, cut.valid_share) == (whole.tally, whole.shift, whole.valid_share)
    assert (cut.image_thumbnail, cut.label_thumbnail) == (whole.image_thumbnail, whole.label_thumbnail)
    for a, b in zip(cut.bands, whole.bands, strict=True):
        assert a.model_dump(exclude={"rasters"}) == pytest.approx(b.model_dump(exclude={"rasters"}))
    for k, (c, d) in enumerate(zip(cut.classes, whole.classes, strict=True)):
        assert c is not None
        assert d is not None
        assert (c.pixels, c.mean, c.stddev) == (d.pixels, pytest.approx(d.mean), pytest.approx(d.stddev))
        assert big.ids[c.row, c.col] == k
    assert (cut.splits, whole.splits) == (("train", "eval"), ("train",))


def test_each_block_has_its_own_tally_and_bands(big: BigTile) -> None:
    for part in big.facts().parts:
        assert part.source.area is not None
        assert part.tally is not None
        ids, red = big.ids[part.source.area.slices], big.pixels[part.source.area.slices][..., 0]
        assert part.tally.by_class == tuple(np.bincount(ids.ravel(), minlength=3).tolist())
        assert part.bands[0].mean == pytest.approx(red.mean())
        assert (part.bands[0].low, part.bands[0].high) == (red.min(), red.max())


def test_the_report_lists_blocks_by_split_and_their_anomalies_in_every_split_of_the_tile(big: BigTile) -> None:
    big.ids[:] = VOID_ID
    big.write()
    findings, facts = big.findings(), big.facts()
    rows = as_document(findings, [facts], TABLE)["tiles"]
    assert {(row["tile"], row["split"]) for row in rows} == {(block.tile, block.split) for block in big.blocks}
    assert {row["whole_tile"] for row in rows} == {"big"}
    assert sum(row["void"] for row in rows) == sum(b.area.height * b.area.width for b in big.blocks if b.area)
    for split in ("train", "eval"):
        assert "big/void-share" in as_anomalies(findings, {"big": facts.splits}, split).anomaly_info


OF_A_TILE = (
    "missing label",
    "truncated image",
    "index raster",
    "label a column short",
    "other coordinate system",
    "georeference a pixel off",
    "a colour of no class",
    "unlabelled",
    "one colour",
    "all nodata",
    "clipped",
    "the same tile in train and eval",
    "the label of another tile",
    "label turned round",
    "two classes swapped",
    "a tile of coarser pixels",
    "one tile of 16 bits",
    "one tile in other units",
    "brighter in August",
)
"""Faults that have nothing to do with splits."""


@pytest.mark.parametrize("name", OF_A_TILE)
def test_a_fault_of_a_tile_is_found_as_if_it_were_not_cut(name: str, tmp_path: Path) -> None:
    scenes, fault = Scenes(tmp_path), FAULTS[name]
    fault.plant(scenes)
    uncut = [(f.code, f.severity, f.tile, f.file) for f in scenes.findings()]
    scenes.cut(CHECKERBOARD)
    findings = scenes.findings()
    assert [(f.code, f.severity, f.tile, f.file) for f in findings] == uncut
    if fault.at is not None:
        assert [(f.row, f.col) for f in findings] == [fault.at]


def test_clean_tiles_in_blocks_give_no_finding(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.cut(CHECKERBOARD)
    assert len(scenes.sources) == 6 * 9
    assert scenes.findings() == []


def test_two_tiles_that_share_ground_are_one_finding_whatever_they_are_cut_into(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    for i in (4, 0):
        scenes.write_image(i, photo(patchwork(i), i), transform=place(0))
        scenes.write_label(i, patchwork(i), transform=place(0))
    scenes.cut(BlockOptions(size_px=96, eval=(0,), folds=3))
    (finding,) = scenes.findings()
    assert (finding.code, {finding.tile, finding.other_tile}) == ("ground-overlap", {"tile 0", "tile 4"})
    assert "more pair(s) of their ground blocks do" in finding.found
    assert finding.place.startswith("block r")
