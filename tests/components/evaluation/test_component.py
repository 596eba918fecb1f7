"""Which model a candidate is compared with."""

from pathlib import Path
from typing import Any

import pytest
from tfx import v1 as tfx

from components.classes import ClassTable, LandClass
from components.contract import CONTRACT_FILE, ModelContract
from components.evaluation.component import (
    ALL_GATES,
    CANDIDATE,
    JUDGED_BY,
    MODEL,
    MODEL_BLESSING,
    LatestComparableBlessedModel,
)

ARTIFACTS = tfx.types.standard_artifacts


TABLE = ClassTable(classes=(LandClass(name="roof", color=(255, 0, 0)), LandClass(name="lawn", color=(0, 255, 0))))
CONTRACT = ModelContract(patch_size=16, bands=("red", "green"), dtype="uint8", table=TABLE)


def make_model(folder: Path, number: int, **differs: Any) -> object:
    path = folder / str(number) / "Format-Serving" / "assets.extra" / CONTRACT_FILE
    path.parent.mkdir(parents=True)
    differs = {"provenance": {"config_hash": str(number)}, **differs}
    path.write_text(CONTRACT.model_copy(update=differs).model_dump_json())
    model = ARTIFACTS.Model()
    model.id, model.uri = number, str(folder / str(number))
    return model


def bless(model_id: int, blessed: int = 1, judged_by: str = ALL_GATES) -> object:
    blessing = ARTIFACTS.ModelBlessing()
    blessing.set_int_custom_property("current_model_id", model_id)
    blessing.set_int_custom_property("blessed", blessed)
    blessing.set_string_custom_property(JUDGED_BY, judged_by)
    return blessing


def resolve(candidate: object, models: list, blessings: list) -> list[int]:
    found = LatestComparableBlessedModel().resolve_artifacts(
        None, {CANDIDATE: [candidate], MODEL: list(models), MODEL_BLESSING: list(blessings)}
    )
    assert found is not None
    return [model.id for model in found[MODEL]]


def test_the_latest_blessed_model_before_the_candidate_is_taken(tmp_path: Path) -> None:
    models = [make_model(tmp_path, number) for number in (1, 2, 3, 4)]
    assert resolve(models[3], models, [bless(1), bless(2), bless(3, blessed=0)]) == [2]


def test_a_blessing_that_knows_not_all_gates_does_not_count(tmp_path: Path) -> None:
    models = [make_model(tmp_path, number) for number in (1, 2, 3)]
    assert resolve(models[2], models, [bless(1), bless(2, judged_by="")]) == [1]


def test_a_blessed_candidate_is_not_compared_with_itself(tmp_path: Path) -> None:
    models = [make_model(tmp_path, number) for number in (1, 2)]
    assert resolve(models[1], models, [bless(1), bless(2)]) == [1]
    assert resolve(models[0], models[:1], [bless(1)]) == []


@pytest.mark.parametrize(
    "differs",
    [
        {"table": ClassTable(classes=(TABLE.classes[0], LandClass(name="water", color=(0, 0, 255))))},
        {"table": ClassTable(classes=TABLE.classes[::-1])},
        {"bands": ("red", "infrared")},
        {"dtype": "uint16"},
        {"patch_size": 32},
        {"downsample": 2},
    ],
)
def test_a_model_that_cannot_read_the_records_is_passed_over(tmp_path: Path, differs: dict[str, Any]) -> None:
    models = [make_model(tmp_path, 1), make_model(tmp_path, 2, **differs), make_model(tmp_path, 3)]
    assert resolve(models[2], models, [bless(1), bless(2)]) == [1]


def test_colours_void_and_what_is_scored_hinder_no_comparison(tmp_path: Path) -> None:
    classes = (LandClass(name="roof", color=(9, 9, 9), scored=False), TABLE.classes[1])
    table = ClassTable(classes=classes, void=(LandClass(name="none", color=(1, 1, 1)),))
    models = [make_model(tmp_path, 1, table=table), make_model(tmp_path, 2)]
    assert resolve(models[1], models, [bless(1)]) == [1]
