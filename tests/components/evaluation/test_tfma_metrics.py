"""The TFMA metric and the gates as TFMA judges them, against the plain functions."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma

from components.classes import ClassTable, LandClass
from components.contract import CONFUSION, ERODED_CONFUSION, EVALUATE_SIGNATURE
from components.evaluation.eval_config import BASELINE, CANDIDATE, build_eval_config
from components.evaluation.figures import figures
from components.evaluation.gate import Gate, judge
from components.evaluation.verdict import read_evaluation

TABLE = ClassTable(classes=(LandClass(name="roof", color=(1, 1, 1)), LandClass(name="lawn", color=(2, 2, 2))))


class Fixed(tf.Module):
    """Answers each record with the confusion matrix that it carries, plus `errors` on the off-diagonal."""

    def __init__(self, errors: float) -> None:
        super().__init__()
        self.errors = errors

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        matrix = tf.io.parse_example(examples, {"matrix": tf.io.FixedLenFeature([4], tf.float32)})["matrix"]
        confusion = matrix + tf.constant([0.0, self.errors, 0.0, 0.0])
        # At boundaries all roofs are wrong.
        return {CONFUSION: confusion, ERODED_CONFUSION: confusion * tf.constant([1.0, 0.0, 1.0, 1.0])}


def record(tile: str, matrix: list[float]) -> bytes:
    example = tf.train.Example()
    example.features.feature["tile"].bytes_list.value.append(tile.encode())
    example.features.feature["matrix"].float_list.value.extend(matrix)
    example.features.feature["void_share"].float_list.value.append(0.0)
    return example.SerializeToString()


RECORDS = [record("a", [8, 2, 0, 0]), record("a", [1, 0, 3, 6]), record("b", [0, 0, 5, 5])]
MATRICES = {"": [[9, 2], [8, 11]], "a": [[9, 2], [3, 6]], "b": [[0, 0], [5, 5]]}


def evaluate(folder: Path, errors: dict[str, float], gates: list[Gate], records: list[bytes] = RECORDS) -> str:
    """Runs TFMA as TFX's Evaluator does; `errors` by model name."""
    shared = []
    compare = len(errors) > 1
    config = build_eval_config(TABLE, gates, compare=True)
    config = tfma.utils.update_eval_config_with_defaults(config, has_baseline=compare, rubber_stamp=True)
    for name, count in errors.items():
        module = Fixed(count)
        tf.saved_model.save(module, str(folder / name), signatures={EVALUATE_SIGNATURE: module.evaluate})
        shared.append(
            tfma.default_eval_shared_model(str(folder / name), eval_config=config, model_name=name if compare else "")
        )
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([[r] for r in records], pa.list_(pa.binary())),
            pa.array([[b"a"], [b"a"], [b"b"]]),
            pa.array([[0.0]] * 3, pa.list_(pa.float32())),
        ],
        [tfma.ARROW_INPUT_COLUMN, "tile", "void_share"],
    )
    with beam.Pipeline() as pipeline:
        _ = (
            pipeline
            | beam.Create([batch])
            | tfma.ExtractEvaluateAndWriteResults(
                eval_config=config, eval_shared_model=shared if compare else shared[0], output_path=str(folder / "out")
            )
        )
    return str(folder / "out")


def expected_figures(matrix: list[list[int]]) -> dict[str, float]:
    eroded = np.array(matrix) * [[1, 0], [1, 1]]
    of_eroded = figures(eroded, TABLE.names, TABLE.scored_ids)
    full = figures(matrix, TABLE.names, TABLE.scored_ids)
    return {**full, **{f"eroded/{name}": value for name, value in of_eroded.items()}}


def test_matrices_are_summed_and_divided_once_overall_and_by_tile(tmp_path: Path) -> None:
    evaluation = read_evaluation(evaluate(tmp_path, {CANDIDATE: 0.0}, []))
    np.testing.assert_array_equal(evaluation.confusion, MATRICES[""])
    np.testing.assert_array_equal(evaluation.eroded_confusion, [[9, 0], [8, 11]])
    assert evaluation.figures == pytest.approx(expected_figures(MATRICES[""]), nan_ok=True)
    assert set(evaluation.by_tile) == {"a", "b"}
    for tile in "ab":
        expected = expected_figures(MATRICES[tile])
        assert evaluation.by_tile[tile] == pytest.approx(expected, nan_ok=True)
    assert evaluation.blessed_figures is None


@pytest.mark.parametrize(
    ("gate", "candidate_errors", "passes"),
    [
        (Gate(metric="overall_accuracy", at_least=0.6), 0.0, True),  # 20 / 30 = 0.667
        (Gate(metric="overall_accuracy", at_least=0.7), 0.0, False),
        (Gate(metric="overall_accuracy", at_most=0.7), 0.0, True),
        (Gate(metric="overall_accuracy", at_most=0.6), 0.0, False),
        (Gate(metric="iou/roof", max_drop=0.01), 0.0, True),
        (Gate(metric="iou/roof", max_drop=0.01), 9.0, False),
    ],
)
def test_tfma_and_the_verdict_for_people_agree(
    gate: Gate, candidate_errors: float, passes: bool, tmp_path: Path
) -> None:
    output = evaluate(tmp_path, {CANDIDATE: candidate_errors, BASELINE: 0.0}, [gate])
    evaluation = read_evaluation(output)
    assert [verdict.passed for verdict in judge([gate], evaluation.figures, evaluation.blessed_figures)] == [passes]
    assert tfma.load_validation_result(output).validation_ok is passes
    assert evaluation.blessed_figures == pytest.approx(expected_figures(MATRICES[""]), nan_ok=True)


@pytest.mark.parametrize(
    "gate", [Gate(metric="iou/lawn", at_least=0.0), Gate(metric="iou/lawn", max_drop=0.5)], ids=["value", "change"]
)
def test_a_class_that_is_absent_fails_its_gate_in_tfma_too(gate: Gate, tmp_path: Path) -> None:
    roof_only = [record("a", [5, 0, 0, 0])] * 3
    output = evaluate(tmp_path, {CANDIDATE: 0.0}, [gate], roof_only)
    assert not tfma.load_validation_result(output).validation_ok
    assert not judge([gate], read_evaluation(output).figures, None)[0].passed


def test_a_class_that_is_nowhere_and_mapped_all_the_same_is_a_drop_in_both(tmp_path: Path) -> None:
    gate, roof_only = Gate(metric="iou/lawn", max_drop=0.5), [record("a", [5, 0, 0, 0])] * 3
    output = evaluate(tmp_path, {CANDIDATE: 1.0, BASELINE: 0.0}, [gate], roof_only)
    evaluation = read_evaluation(output)
    assert not judge([gate], evaluation.figures, evaluation.blessed_figures)[0].passed
    assert not tfma.load_validation_result(output).validation_ok
