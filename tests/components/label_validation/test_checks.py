"""Each planted fault is found, with the file and the remedy; clean data give no finding."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from components.classes import ClassTable, LandClass, encode_colors
from components.geo.bands import BandSet
from components.geo.labels import LabelDecoder
from components.label_validation.checks import ValidationOptions, check_data_set, check_tile
from components.label_validation.findings import as_text
from components.tile_source import TileSource
from tests.make_raster import ORIGIN, gradient, write_raster

BANDS = BandSet.of_numbers((1, 2, 3))
TABLE = ClassTable(classes=(LandClass(name="roof", color=(255, 0, 0)), LandClass(name="lawn", color=(0, 255, 0))))


def make_tile(folder: Path, split: str = "train") -> TileSource:
    ids = np.arange(40 * 50, dtype=np.uint8).reshape(40, 50) % 2
    image = write_raster(folder / "a tile.tif", gradient(40, 50))
    label = write_raster(folder / "a label.tif", encode_colors(ids, TABLE))
    return TileSource(tile=f"{split} tile", image=str(image), label=str(label), split=split)


def findings_of(source: TileSource, **options: float) -> list:
    report = check_tile(source, BANDS, TABLE, LabelDecoder(TABLE), ValidationOptions(**options))
    return list(report.findings)


def relabel(source: TileSource, **changes: object) -> None:
    ids = np.zeros((40, 50), np.uint8)
    write_raster(Path(source.label), encode_colors(ids, TABLE), **changes)


def truncate(path: str) -> None:
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])


FAULTS: dict[str, tuple[Callable[[TileSource], object], str]] = {
    "missing label": (lambda s: Path(s.label).unlink(), "missing-file"),
    "truncated image": (lambda s: truncate(s.image), "unreadable"),
    "truncated label": (lambda s: truncate(s.label), "unreadable"),
    "one pixel smaller": (
        lambda s: write_raster(Path(s.label), encode_colors(np.zeros((40, 49), np.uint8), TABLE)),
        "label-size",
    ),
    "other coordinate system": (lambda s: relabel(s, crs="EPSG:25833"), "label-crs"),
    "shifted by a pixel": (lambda s: relabel(s, transform=ORIGIN @ Affine.translation(1, 0)), "label-place"),
    "grey index raster": (lambda s: write_raster(Path(s.label), np.zeros((40, 50), np.uint8)), "unusable-label"),
    "a colour of no class": (
        lambda s: write_raster(Path(s.label), np.full((40, 50, 3), 9, np.uint8)),
        "off-palette",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_an_error_that_names_the_file(fault: str, tmp_path: Path) -> None:
    source = make_tile(tmp_path)
    plant, code = FAULTS[fault]
    plant(source)
    errors = [finding for finding in findings_of(source) if finding.severity == "error"]
    assert code in [finding.code for finding in errors]
    assert all(finding.remedy and finding.expected and Path(finding.file).parent == tmp_path for finding in errors)


def test_clean_data_give_no_finding(tmp_path: Path) -> None:
    reports = []
    for split in ("train", "eval"):
        source = make_tile(tmp_path / split, split)
        reports.append(check_tile(source, BANDS, TABLE, LabelDecoder(TABLE), ValidationOptions()))
    assert [finding for report in reports for finding in report.findings] == []
    assert check_data_set(reports, TABLE, ValidationOptions()) == []


def test_a_label_without_georeference_is_compared_by_its_size_alone(tmp_path: Path) -> None:
    source = make_tile(tmp_path)
    relabel(source, crs=None)
    assert findings_of(source) == []


def test_off_palette_pixels_are_counted_with_colour_share_and_place(tmp_path: Path) -> None:
    source = make_tile(tmp_path)
    colors = encode_colors(np.zeros((40, 50), np.uint8), TABLE)
    colors[7, 11] = (252, 255, 0)
    colors[8, 11:13] = (9, 9, 9)
    write_raster(Path(source.label), colors)
    (finding,) = findings_of(source)
    assert "3 pixels (0.1500%)" in finding.found  # 3 / 2000
    assert "252,255,0 (1 px, first at row 7, column 11)" in finding.found
    assert finding.place == "row 8, column 11"  # of the most frequent colour


@pytest.mark.parametrize(("budget", "severity"), [(0.001, "error"), (0.002, "warning")])
def test_the_budget_decides_between_error_and_warning(budget: float, severity: str, tmp_path: Path) -> None:
    source = make_tile(tmp_path)
    colors = encode_colors(np.zeros((40, 50), np.uint8), TABLE)
    colors[0, :3] = 9
    write_raster(Path(source.label), colors)
    assert [finding.severity for finding in findings_of(source, max_off_palette_share=budget)] == [severity]


def test_a_class_absent_from_train_is_an_error_and_from_eval_a_warning(tmp_path: Path) -> None:
    for split, severity in (("train", "error"), ("eval", "warning")):
        reports = []
        for other in ("train", "eval"):
            source = make_tile(tmp_path / split / other, other)
            if other == split:
                relabel(source)
            reports.append(check_tile(source, BANDS, TABLE, LabelDecoder(TABLE), ValidationOptions()))
        (finding,) = check_data_set(reports, TABLE, ValidationOptions())
        assert (finding.code, finding.severity) == ("class-absent", severity)
        assert "lawn" in finding.found


def test_an_empty_split_is_an_error(tmp_path: Path) -> None:
    report = check_tile(make_tile(tmp_path), BANDS, TABLE, LabelDecoder(TABLE), ValidationOptions())
    (finding,) = check_data_set([report], TABLE, ValidationOptions())
    assert finding.code == "empty-split"
    assert as_text([finding]).startswith("ERROR [empty-split] data set: split eval has no tile")
