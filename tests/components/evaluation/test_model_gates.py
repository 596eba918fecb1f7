"""The step that gives the one blessing: both views' verdicts, joined."""

import json
from pathlib import Path
from typing import Any

import pytest
from tfx import v1 as tfx

from components.evaluation.component import ALL_GATES, JUDGED_BY
from components.evaluation.counts import Unit
from components.evaluation.counts_file import to_npz
from components.evaluation.evaluation_options import EvaluationOptions
from components.evaluation.gate import Gate
from components.evaluation.gate_verdicts import read_verdicts
from components.evaluation.map_evaluator.component import MapEvaluation
from components.evaluation.map_evaluator.document import FORMAT
from components.evaluation.model_gates.component import ModelGates
from tests.components.evaluation.make_counts import make_counts
from tests.components.evaluation.test_tfma_metrics import evaluate

KINDS = tfx.types.standard_artifacts
ON_TILES = Gate(metric="mean_iou", view="tiles", at_least=0.5)
ON_PATCHES = Gate(metric="overall_accuracy", at_least=0.6)


def artifact(kind: type, uri: str | Path, number: int = 0) -> Any:
    made = kind()
    made.uri, made.id = str(uri), number
    return made


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> str:
    """TFMA's, of a model that is right at 20 of 30 pixels."""
    return evaluate(tmp_path_factory.mktemp("evaluation"), {"candidate": 0.0}, [ON_PATCHES])


def bless(evaluation: str, folder: Path, gates: tuple[Gate, ...], hundredths: int) -> Any:
    """Of a map in which each class's IoU is so many hundredths; 0 is a map without a pixel."""
    right, wrong = 2 * hundredths, 100 - hundredths if hundredths else 0
    counts = make_counts({Unit("a"): [[right, wrong], [wrong, right]]})
    (folder / "maps").mkdir()
    (folder / "maps" / "candidate_counts.npz").write_bytes(to_npz(counts))
    document = {
        "format": FORMAT, "classes": ["roof", "lawn"], "scored": ["roof", "lawn"], "ignored": [],
        "bootstrap": {}, "blessed_figures": None, "not_compared": "nothing is blessed",
    }  # fmt: skip
    (folder / "maps" / "figures.json").write_text(json.dumps(document))
    blessing = artifact(KINDS.ModelBlessing, folder / "blessing")
    ModelGates.test_call(
        model=artifact(KINDS.Model, "/models/7", 7),
        evaluation=artifact(KINDS.ModelEvaluation, evaluation),
        map_evaluation=artifact(MapEvaluation, folder / "maps"),
        blessing=blessing,
        options=EvaluationOptions(gates=gates).model_dump_json(),
    )
    return blessing


@pytest.mark.parametrize(("hundredths", "blessed"), [(51, 1), (49, 0), (0, 0)])
def test_a_model_is_blessed_that_passes_both_views(
    evaluation: str, tmp_path: Path, hundredths: int, blessed: int
) -> None:
    blessing = bless(evaluation, tmp_path, (ON_TILES, ON_PATCHES), hundredths)
    assert blessing.get_int_custom_property("blessed") == blessed
    assert blessing.get_int_custom_property("current_model_id") == 7
    assert blessing.get_string_custom_property(JUDGED_BY) == ALL_GATES
    assert (tmp_path / "blessing" / ("BLESSED" if blessed else "NOT_BLESSED")).exists()
    assert [(v.view, v.passed) for v in read_verdicts(blessing.uri)] == [("patches", True), ("tiles", bool(blessed))]


def test_good_tiles_do_not_make_up_for_patches(evaluation: str, tmp_path: Path) -> None:
    too_high = Gate(metric="mean_iou", at_least=1.0, max_drop=0.1)
    absent = Gate(metric="iou/lava", at_least=0.0)
    blessing = bless(evaluation, tmp_path, (ON_TILES, too_high, absent), 90)
    assert blessing.get_int_custom_property("blessed") == 0
    assert [v.passed for v in read_verdicts(blessing.uri)] == [False, True, False, True]


def test_without_gates_a_model_with_figures_is_blessed(evaluation: str, tmp_path: Path) -> None:
    assert bless(evaluation, tmp_path, (), 10).get_int_custom_property("blessed") == 1
