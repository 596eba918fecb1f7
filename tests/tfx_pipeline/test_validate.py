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


def test_ground_blocks_are_counted_as_one_tile(
    scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load((tmp_path / "parcels.yaml").read_text())
    del config["data"]["tiles"][1:], config["data"]["tiles"][0]["split"]
    config["data"]["blocks"] = {"size_px": 96, "pattern": "checkerboard", "folds": 2, "eval": [1], "buffer_px": 16}
    config["patches"] = {"size": 64}
    (tmp_path / "parcels.yaml").write_text(yaml.safe_dump(config))
    assert validate(tmp_path) == 0
    assert capsys.readouterr().out == "1 tile in 9 ground blocks checked\n0 errors, 0 warnings, 0 infos\n"
    # 288 = 3 * 80 + 48: the last blocks lose 8 to 40 < 48, and no configuration knows the tile's size.
    cut = ["--set", "data.blocks.size_px=80", "--set", "data.blocks.buffer_px=8", "--set", "patches.size=48"]
    cut += ["--set", "network.name=unet"]
    assert validate(tmp_path, *cut) == 2
    assert "leaves" in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("labels={kind: index, values: {1: lawm}}", "labels.values.1 names 'lawm', which is no class"),
        ("labels={kind: masks}", "labels.kind is masks"),
    ],
)
def test_a_wrong_name_in_the_label_options_is_one_message_not_one_a_tile(
    scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert validate(tmp_path, "--set", change) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("error") == 1
    assert message in captured.err


def test_an_unknown_mask_in_a_list_is_one_message(
    scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{s.tile},{Path(s.image).name},{Path(s.label).name},{s.split}" for s in scenes.sources]
    (scenes.folder / "list.csv").write_text("\n".join(["tile,image,mask:pont,split", *rows]))
    config = yaml.safe_load((tmp_path / "parcels.yaml").read_text())
    config["data"] = {"root": str(scenes.folder), "list": "list.csv", "bands": config["data"]["bands"]}
    (tmp_path / "parcels.yaml").write_text(yaml.safe_dump(config))
    assert validate(tmp_path, "--set", "labels={kind: masks}") == 2
    assert "names 'pont', which is no class" in capsys.readouterr().err
    assert validate(tmp_path) == 2
    assert "has masks, but labels.kind is colors" in capsys.readouterr().err


def test_an_area_of_interest_elsewhere_is_one_error_that_names_its_file(
    scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ring = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    area = scenes.folder / "elsewhere.geojson"
    area.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert validate(tmp_path, "--set", "data.area_of_interest=elsewhere.geojson") == 2
    errors = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ERROR")]
    assert errors == [
        "ERROR [class-absent] data set: no tile of split train has a pixel of any class: all is void or outside the "
        "area of interest"
    ]


def test_a_damaged_first_tile_is_a_finding_beside_the_others(
    scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(scenes.sources[0].image).write_bytes(b"junk")
    scenes.write_label(1, patchwork(1)[:-1])
    assert validate(tmp_path) == 2
    errors = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("ERROR")]
    assert errors == ["ERROR [unreadable] tile tile 0", "ERROR [label-size] tile tile 1"]


def test_a_band_that_no_tile_has_is_one_message(
    scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate(tmp_path, "--set", "data.bands.red=4") == 2
    assert "tile 0.tif has 3 band(s), not band 4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("maps.tiles=[tile 9]", "maps.tiles names 'tile 9', which is no tile"),
        ("evaluation.split=test", "evaluation.split is test, and no tile is in that split"),
        ("evaluation.zones={file: none.gpkg, attribute: parcel}", "evaluation.zones.file"),
        (
            "evaluation.gates=[{metric: kappa, view: tiles, slice: tile/tile 9, at_least: 0}]",
            "the gate on kappa has slice 'tile/tile 9', and no such tile is evaluated",
        ),
    ],
)
def test_what_would_only_show_after_the_training_is_said_before(
    scenes: Scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert validate(tmp_path, "--set", change) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("scenes")
def test_weights_that_are_not_there_are_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(tmp_path, "--set", f"network.pretrained={tmp_path}/vgg16.h5") == 2
    said = capsys.readouterr().err
    assert f"network.pretrained names {tmp_path}/vgg16.h5, which is no file here" in said
    assert "tiles checked" not in said


@pytest.mark.usefixtures("scenes")
def test_weights_in_the_home_directory_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "vgg16.h5").write_bytes(b"weights")
    assert validate(tmp_path, "--set", "network.pretrained=~/vgg16.h5") == 0
