"""Budgets, the text report, the JSON report, the page, the anomalies."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from components.classes import UNKNOWN_ID, VOID_ID
from components.geo.label_options import ColorLabels
from components.label_validation.anomalies import as_anomalies
from components.label_validation.codes import CODES
from components.label_validation.findings import Finding, as_text, finding_of
from components.label_validation.options import ValidationOptions
from components.label_validation.page import Photographer, as_html
from components.label_validation.report import as_document
from components.label_validation.thumbnails import ids_picture
from tests.components.label_validation.scenes import BANDS, SIDE, TABLE, Scenes, patchwork

DOCS = Path(__file__).parents[3] / "docs" / "validation.md"


def void_tiles(folder: Path, count: int) -> Scenes:
    scenes = Scenes(folder)
    for i in range(count):
        scenes.write_label(i, np.full((SIDE, SIDE), 255, np.uint8))
    return scenes


@pytest.mark.parametrize(
    ("budget", "severities"),
    [
        ({}, ["warning", "warning"]),
        ({"severity": "error"}, ["error", "error"]),
        ({"severity": "off"}, []),
        ({"at_most": 1}, ["warning", "warning"]),
        ({"at_most": 2}, ["info", "info"]),
        ({"severity": "error", "at_most": 2}, ["warning", "warning"]),
        ({"severity": "info", "at_most": 2}, ["info", "info"]),
    ],
)
def test_a_budget_changes_the_severity_of_its_code(budget: dict, severities: list, tmp_path: Path) -> None:
    findings = void_tiles(tmp_path, 2).findings(budgets={"void-share": budget, "label-size": {"severity": "off"}})
    assert [f.severity for f in findings if f.code == "void-share"] == severities


def test_an_unknown_code_is_refused_with_the_list_of_codes() -> None:
    with pytest.raises(ValidationError, match=r"no code 'voidshare'; the codes are (.|\n)*void-share"):
        ValidationOptions.model_validate({"budgets": {"voidshare": {"severity": "off"}}})


def finding(code: str, tile: str = "", **changes: object) -> Finding:
    made = finding_of(code, None, found="seen", expected="hoped", remedy="do")
    return made.model_copy(update={"tile": tile, **changes})


def test_the_text_ends_with_counts_in_aligned_columns() -> None:
    findings = [
        finding("mixed-crs"),
        finding("void-share", "b", found="seen too"),
        finding("void-share", "a"),
        finding("label-size", "a"),
    ]
    text = as_text(findings)
    assert text.startswith("ERROR [label-size] tile a: seen\n    expected: hoped\n    to fix:   do\n")
    assert text.index("tile a: seen") < text.index("tile b: seen")
    table = text.split("\n\n")[1].splitlines()
    assert [line.split() for line in table] == [
        ["code", "error", "warning", "info"],
        ["label-size", "1"],
        ["void-share", "2"],
        ["mixed-crs", "1"],
    ]
    assert [line.index(digit) for line, digit in zip(table[1:], "121", strict=True)] == [
        table[0].index(name) + len(name) - 1 for name in ("error", "warning", "info")
    ]
    assert text.endswith("1 error, 2 warnings, 1 info\n")


def test_the_document_survives_as_json(tmp_path: Path) -> None:
    scenes = void_tiles(tmp_path, 1)
    findings, facts = scenes.findings(), scenes.facts()
    document = json.loads(json.dumps(as_document(findings, facts, TABLE)))
    assert document == json.loads(json.dumps(document))
    assert [Finding.model_validate(row) for row in document["findings"]] == findings
    assert document["counts"] == {"error": 0, "warning": 1, "info": 0}
    tile = document["tiles"][0]
    assert (tile["pixels"], tile["void"], tile["classes"]["pond"]) == (SIDE**2, SIDE**2, None)
    assert document["tiles"][1]["by_class"]["pond"] == int((patchwork(1) == 2).sum())


def test_the_page_shows_the_place_and_escapes_what_it_says(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    facts = scenes.facts()
    findings = [
        finding(
            "off-palette", "tile 1", row=280, col=10, place="row 280, column 10", found="<script>alert(1)</script>"
        ),
        finding("duplicate-tile", "tile 2", other_tile="tile 5"),
        finding("empty-split"),
    ]
    page = as_html("<b>", findings, 6, TABLE, Photographer(facts, BANDS, TABLE, ColorLabels()))
    assert "<script" not in page
    assert "http" not in page
    pictures = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    # image, outlines and label around the place; image and label of each of two tiles (the key's swatches are no img)
    assert len(pictures) == 3 + 2 * 2
    sizes = [Image.open(io.BytesIO(base64.b64decode(picture))).size for picture in pictures]
    assert set(sizes[:2] + sizes[6:]) <= {(256, 256), (144, 144)}  # every second pixel of 288: no side beyond 192
    assert "rows 32 to 287, columns 0 to 255" in page  # 288 - 256 = 32: the window is pushed inside the tile
    label = Image.open(io.BytesIO(base64.b64decode(pictures[-1]))).convert("RGB")
    assert {color for _, color in label.getcolors()} == set(TABLE.colors)


def test_a_page_is_made_although_the_tile_cannot_be_read(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    Path(scenes.sources[1].image).unlink()
    facts = scenes.facts()
    findings = [finding("missing-file", "tile 1", row=1, col=1)]
    page = as_html("x", findings, 6, TABLE, Photographer(facts, BANDS, TABLE, ColorLabels()))
    assert "missing-file" in page
    assert "<img" not in page


def test_anomalies_of_a_split_hold_its_errors_and_warnings() -> None:
    findings = [
        finding("label-size", "a"),
        finding("clipped-image", "a", found="red"),
        finding("clipped-image", "a", found="blue"),
        finding("void-share", "b"),
        finding("empty-split"),
        finding("mixed-crs"),
    ]
    anomalies = as_anomalies(findings, {"a": ("train",), "b": ("eval",)}, "train")
    assert set(anomalies.anomaly_info) == {"a/label-size", "a/clipped-image", "empty-split"}
    assert anomalies.anomaly_info["a/label-size"].severity == 2  # ERROR
    assert anomalies.anomaly_info["a/clipped-image"].severity == 1  # WARNING
    assert len(anomalies.anomaly_info["a/clipped-image"].reason) == 2


def test_the_documentation_lists_every_code_with_its_severity() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {code: facts.severity for code, facts in CODES.items()}


def test_the_documentation_lists_every_option() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in ValidationOptions.model_fields if f"`{name}`" not in text] == []


def test_what_is_found_of_several_tiles_in_the_same_words_stands_once_and_counts_for_each() -> None:
    text = as_text([finding("void-share", tile) for tile in "gfedcba"] + [finding("void-share", "h", found="else")])
    assert text.count("WARNING") == 2
    assert "WARNING [void-share] tiles a, b, c, d, e and 2 more: seen\n" in text
    assert text.endswith("0 errors, 8 warnings, 0 infos\n")


def test_a_text_of_limited_length_says_how_many_are_left_out() -> None:
    many = [finding("void-share", f"{i}", found=f"seen {i}") for i in range(5)]
    text = as_text([*many, finding("label-size", "a")], most=3)
    assert [line.split(":")[0] for line in text.splitlines() if "[" in line] == [
        "ERROR [label-size] tile a",
        *(f"WARNING [void-share] tile {i}" for i in range(3)),
        "WARNING [void-share] 2 more like these (the JSON report has all)",
    ]
    assert text.endswith("1 error, 5 warnings, 0 infos\n")


def test_a_place_that_is_already_in_the_words_is_not_said_twice() -> None:
    text = as_text([finding("void-share", "a", found="seen at row 1, column 2", place="row 1, column 2")])
    assert text.count("row 1, column 2") == 1


def test_void_and_what_means_no_class_look_different_from_each_other_and_from_every_class() -> None:
    def colours(class_id: int) -> set[tuple[int, ...]]:
        ids = np.full((12, 12), class_id, np.uint8)
        return {tuple(colour) for colour in ids_picture(ids, TABLE).reshape(-1, 3).tolist()}

    shown = [colours(i) for i in (0, 1, 2, VOID_ID, UNKNOWN_ID)]
    assert shown[:3] == [{colour} for colour in TABLE.colors]
    assert all(len(pattern) == 2 for pattern in shown[3:])  # a class has one colour: no class can look like these
    assert len(set.union(*shown)) == sum(map(len, shown))


def test_the_key_shows_what_the_pictures_show() -> None:
    page = as_html("x", [finding("empty-split")], 6, TABLE, Photographer([], BANDS, TABLE, ColorLabels()))
    names = ["roof", "lawn", "pond", "void (no truth: unlabelled)", "a colour or value of no class"]
    entries = re.findall(r"url\(data:image/png;base64,([^)]+)\)\"></i>([^<]+)</span>", page)
    assert [name for _, name in entries] == names
    for (swatch, _), class_id in zip(entries, (0, 1, 2, VOID_ID, UNKNOWN_ID), strict=True):
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(swatch))).convert("RGB"))
        assert np.array_equal(picture, ids_picture(np.full(picture.shape[:2], class_id, np.uint8), TABLE))
