"""VersionPusher publishes what both blessings allow, and nothing else; and says in a card what it published."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfx import v1 as tfx

from components.classes import ClassTable
from components.contract import CONTRACT_FILE, ModelContract
from components.evaluation.figures import figures
from components.evaluation.gate import GateVerdict
from components.evaluation.gate_verdicts import write_verdicts
from components.evaluation.map_evaluator.component import MapEvaluation
from components.evaluation.verdict import Evaluation
from components.label_validation.component import REPORT_JSON, LabelReport
from components.publishing.component import VersionPusher
from components.publishing.model_card import CARD_MARKDOWN, read_model_card
from components.publishing.model_card_evidence import patch_section
from components.publishing.model_card_options import CardRequest, ModelCardOptions
from components.publishing.versions import VERSION_FILES, version_numbers
from tests.components.publishing.test_versions import make_saved_model

ARTIFACTS = tfx.types.standard_artifacts


def push(folder: Path, blessed: int, served_well: int, **more: Any) -> object:
    if not (folder / "model").exists():
        make_saved_model(folder / "model" / "Format-Serving")
    (folder / "infra" / VERSION_FILES / "assets.extra").mkdir(parents=True, exist_ok=True)
    (folder / "infra" / VERSION_FILES).chmod(0o700)  # as temporary folders are
    (folder / "infra" / VERSION_FILES / "assets.extra" / "warm").touch()
    model, blessing, infra, pushed = (
        kind() for kind in (ARTIFACTS.Model, ARTIFACTS.ModelBlessing, ARTIFACTS.InfraBlessing, ARTIFACTS.PushedModel)
    )
    model.uri, infra.uri, pushed.uri = str(folder / "model"), str(folder / "infra"), str(folder / "pushed")
    blessing.uri = str(folder / "blessing")
    blessing.set_int_custom_property("blessed", blessed)
    infra.set_int_custom_property("blessed", served_well)
    VersionPusher.test_call(
        model=model,
        model_blessing=blessing,
        infra_blessing=infra,
        pushed_model=pushed,
        model_base=str(folder / "served"),
        model_name="net",
        provenance={"data_fingerprint": "f"},
        **more,
    )
    return pushed


def test_a_model_with_both_blessings_is_pushed_with_its_warm_up_requests(tmp_path: Path) -> None:
    pushed = push(tmp_path, 1, 1)
    (number,) = version_numbers(tmp_path / "served" / "net")
    assert pushed.get_string_custom_property("pushed_version") == str(number)  # type: ignore[attr-defined]
    assert (tmp_path / "served" / "net" / str(number) / "assets.extra" / "warm").exists()


@pytest.mark.parametrize(("blessed", "served_well"), [(0, 1), (1, 0), (0, 0)])
def test_a_model_without_both_blessings_is_not_pushed(blessed: int, served_well: int, tmp_path: Path) -> None:
    pushed = push(tmp_path, blessed, served_well)
    assert pushed.get_int_custom_property("pushed") == 0  # type: ignore[attr-defined]
    assert not (tmp_path / "served").exists()
    assert (tmp_path / "pushed" / "NOT_PUSHED").is_file(), "an object store would not keep an empty artifact"


def artifact(kind: type, folder: Path, **files: Any) -> Any:
    made = kind()
    made.uri = str(folder)
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return made


def test_the_card_tells_what_the_runs_artifacts_say(tmp_path: Path, table: ClassTable) -> None:
    contract = ModelContract(patch_size=8, bands=("red",), dtype="uint8", table=table)
    extra = make_saved_model(tmp_path / "model" / "Format-Serving") / "assets.extra"
    extra.mkdir()
    (extra / CONTRACT_FILE).write_text(contract.model_dump_json())
    (tmp_path / "blessing").mkdir()
    write_verdicts(str(tmp_path / "blessing"), [GateVerdict("mean_iou", "at least 0.4", 0.5, True, "reaches 0.4")])
    iou = {"value": 0.5, "low": 0.4, "high": 0.6, "units": 2}
    of_tiles = {"format": "eoseg-map-evaluation", "figures": {"mean_iou": iou}, "classes": list(table.names)}
    row = {"split": "test", "by_class": {"roof": 3, "lawn": 1}, "void": 0, "off_palette": 0, "pixel_size_m": [0.5, 0.5]}
    known = {
        "map_evaluation": artifact(MapEvaluation, tmp_path / "maps", figures=of_tiles),
        "label_report": artifact(LabelReport, tmp_path / "labels", **{Path(REPORT_JSON).stem: {"tiles": [row]}}),
        "model_run": artifact(
            ARTIFACTS.ModelRun, tmp_path / "run", history=[{"step": 7, "loss": 1.0, "seconds": 2.0}],
            settings={"network": {"name": "segnet", "width": 0.5}, "training": {}},
        ),
    }  # fmt: skip
    request = CardRequest(split="test", config={"network": {"name": "segnet", "width": 1.0}, "tuning": {"trials": 2}})
    push(tmp_path, 1, 1, card=request.model_dump_json(), **known)
    (number,) = version_numbers(tmp_path / "served" / "net")
    version = tmp_path / "served" / "net" / str(number)
    card = read_model_card(version)
    assert card is not None
    assert card["model"]["classes"][0]["name"] == "roof"
    assert card["model"]["ground_sample_distance_m"] == [0.5, 0.5]
    assert card["model"]["trained"]["step"] == 7
    assert card["model"]["network"]["width"] == 0.5, "what the trainer says, not what the configuration asked for"
    assert card["tiles"]["figures"]["mean_iou"] == iou
    assert card["gates"][0]["reason"] == "reaches 0.4"
    assert card["data"]["splits"][0]["class_pixels"] == {"roof": 3, "lawn": 1}
    assert card["provenance"]["data_fingerprint"] == "f"
    assert (version / CARD_MARKDOWN).is_file()
    assert (version / "assets.extra" / "warm").exists(), "the warm-up requests are there as well"
    assert stat.S_IMODE(version.stat().st_mode) & 0o055 == 0o055 & ~_umask(), "other users' servers can read it"

    # The same model again, with a contact: no new version, and the card says so.
    stated = request.model_copy(update={"stated": ModelCardOptions(contact="maps@example.org")})
    push(tmp_path, 1, 1, card=stated.model_dump_json(), **known)
    assert version_numbers(tmp_path / "served" / "net") == [number]
    again = read_model_card(version)
    assert again is not None
    assert again["stated"]["contact"] == "maps@example.org"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_figures_of_patches_get_intervals_over_tiles(table: ClassTable) -> None:
    by_tile = {"a": np.array([[8.0, 2], [1, 9]]), "b": np.array([[5.0, 5], [0, 10]]), "c": np.array([[9.0, 1], [4, 6]])}
    total = sum(by_tile.values(), np.zeros((2, 2)))
    evaluation = Evaluation(figures(total, table.names, (0, 1)), total, {}, by_tile, None)
    section = patch_section(evaluation, table, "test")
    accuracy = section["figures"]["overall_accuracy"]
    assert accuracy["value"] == (22 + 25) / 60
    assert accuracy["units"] == 3
    assert 15 / 20 <= accuracy["low"] < accuracy["value"] < accuracy["high"] <= 17 / 20  # tiles: 17, 15, 15 of 20
    assert section["confusion"] == [[22, 8], [5, 25]]
    eroded = Evaluation(evaluation.figures, total, {}, by_tile, None, total, by_tile)
    section = patch_section(eroded, table, "test")
    assert section["figures"]["eroded/overall_accuracy"] == accuracy, "the same matrices, the same draws"
    alone = patch_section(Evaluation(evaluation.figures, total, {}, {}, None), table, "test")
    assert np.isnan(alone["figures"]["overall_accuracy"]["low"]), "one unit gives no interval"
