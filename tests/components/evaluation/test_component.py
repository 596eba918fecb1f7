"""Which model a candidate is compared with."""

import json
from pathlib import Path

from tfx import v1 as tfx

from components.contract import CONTRACT_FILE
from components.evaluation.component import (
    ALL_GATES,
    CANDIDATE,
    JUDGED_BY,
    MODEL,
    MODEL_BLESSING,
    LatestComparableBlessedModel,
)

ARTIFACTS = tfx.types.standard_artifacts


def make_model(folder: Path, number: int, classes: str = "roof, lawn") -> object:
    path = folder / str(number) / "Format-Serving" / "assets.extra" / CONTRACT_FILE
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"classes": classes}))
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


def test_a_model_of_other_classes_is_passed_over(tmp_path: Path) -> None:
    models = [make_model(tmp_path, 1, "water"), make_model(tmp_path, 2)]
    assert resolve(models[1], models, [bless(1)]) == []
