"""`eoseg validate`: exit codes, the table, the JSON file, the page."""

import json
from pathlib import Path

import pytest
import yaml

from tests.components.label_validation.scenes import TABLE, Scenes, patchwork
from tfx_pipeline.cli.main import main


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    made = Scenes(tmp_path / "tiles")
    tiles = [
        {"tile": s.tile, "image": Path(s.image).name, "label": Path(s.label).name, "split": s.split}
        for s in made.sources
    ]
    config = {
        "name": "parcels",
        "workdir": str(tmp_path / "work"),
        "data": {"root": str(made.folder), "tiles": tiles, "bands": {"red": 1, "green": 2, "blue": 3}},
        "classes": [entry.model_dump(mode="json") for entry in TABLE.classes],
        "void": [entry.model_dump(mode="json") for entry in TABLE.void],
    }
    (tmp_path / "parcels.yaml").write_text(yaml.safe_dump(config))
    return made


def validate(tmp_path: Path, *arguments: str) -> int:
    return main(["validate", str(tmp_path / "parcels.yaml"), *arguments])


def test_clean_data_give_zero(scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(tmp_path) == 0
    assert capsys.readouterr().out == "6 tiles checked\n0 errors, 0 warnings, 0 infos\n"


def test_findings_come_as_table_json_and_page(
    scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes.write_label(1, patchwork(1)[:-1])
    file, page = tmp_path / "new" / "findings.json", tmp_path / "new" / "findings.html"
    assert validate(tmp_path, "--json", str(file), "--html", str(page)) == 2
    out = capsys.readouterr().out
    assert "ERROR [label-size] tile tile 1: the label is 287 x 288 pixels" in out
    assert ["label-size", "1"] in [line.split() for line in out.splitlines()]
    document = json.loads(file.read_text())
    assert [(f["code"], f["tile"]) for f in document["findings"]] == [("label-size", "tile 1")]
    assert document["counts"] == {"error": 1, "warning": 0, "info": 0}
    html = page.read_text()
    assert "parcels: validation" in html
    assert 'alt="image of tile tile 1"' in html


def test_a_budget_makes_an_error_a_warning(scenes: Scenes, tmp_path: Path) -> None:
    scenes.write_label(1, patchwork(1)[:-1])
    assert validate(tmp_path, "--set", "validation.budgets={label-size: {at_most: 1}}") == 0


def test_a_budget_of_no_code_is_refused_with_the_codes(
    scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate(tmp_path, "--set", "validation.budgets={label-sise: {at_most: 1}}") == 2
    error = capsys.readouterr().err
    assert "there is no code 'label-sise'" in error
    assert "label-size" in error
