"""EOSeg's evaluation options as a TFMA EvalConfig: which signature, which slices, which thresholds."""

import json
from collections.abc import Sequence

import tensorflow_model_analysis as tfma

from components.classes import ClassTable
from components.contract import EVALUATE_SIGNATURE
from components.evaluation.figures import OVERALL_ACCURACY
from components.evaluation.gate_options import PATCHES, Gate
from components.records import patch_example

CANDIDATE = "candidate"
BASELINE = "baseline"


def build_eval_config(
    table: ClassTable, gates: Sequence[Gate], *, compare: bool, bless: bool = True
) -> tfma.EvalConfig:
    """The EvalConfig for the stock Evaluator.

    Args:
        table: The classes.
        gates: Become TFMA value and change thresholds on the overall slice.
        compare: Whether the latest blessed model is evaluated beside the candidate.
        bless: False sets no threshold at all, so that the Evaluator gives no blessing.
    """
    # TFMA insists on a label key although the signature has compared prediction and truth by itself.
    spec = {"signature_name": EVALUATE_SIGNATURE, "label_key": patch_example.VOID_SHARE}
    models = [tfma.ModelSpec(name=CANDIDATE, **spec)]
    if compare:
        models.append(tfma.ModelSpec(name=BASELINE, is_baseline=True, **spec))
    metric = tfma.MetricConfig(
        class_name="SegmentationFigures",
        module="components.evaluation.tfma_metrics",
        config=tfma_json(table),
    )
    thresholds = _of_whole_split(gates, compare) if bless else {}
    return tfma.EvalConfig(
        model_specs=models,
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[patch_example.TILE])],
        metrics_specs=[tfma.MetricsSpec(metrics=[metric], per_slice_thresholds=thresholds)],
    )


def tfma_json(table: ClassTable) -> str:
    """The metric's arguments in TFMA's form, JSON."""
    return json.dumps({"class_names": list(table.names), "scored_ids": list(table.scored_ids)})


def _of_whole_split(gates: Sequence[Gate], compare: bool) -> dict[str, tfma.PerSliceMetricThresholds]:
    """The thresholds, for the whole split alone: a plain threshold would also apply to every tile."""
    return {
        metric: tfma.PerSliceMetricThresholds(
            thresholds=[tfma.PerSliceMetricThreshold(slicing_specs=[tfma.SlicingSpec()], threshold=threshold)]
        )
        for metric, threshold in _thresholds(gates, compare).items()
    }


def _thresholds(gates: Sequence[Gate], compare: bool) -> dict[str, tfma.MetricThreshold]:
    """The strictest of each kind of bound, where several gates are on one figure; of gates on patches."""
    thresholds: dict[str, tfma.MetricThreshold] = {}
    for gate in gates:
        if gate.view != PATCHES:
            continue
        threshold = thresholds.setdefault(gate.metric, tfma.MetricThreshold())
        bounds = threshold.value_threshold
        # An absent figure fails every gate, also one that bounds the change alone: no figure is below -1.
        least = [-1.0 if gate.at_least is None else gate.at_least]
        least += [bounds.lower_bound.value] if bounds.HasField("lower_bound") else []
        bounds.lower_bound.value = max(least)
        if gate.at_most is not None:
            most = [bounds.upper_bound.value] if bounds.HasField("upper_bound") else []
            bounds.upper_bound.value = min([gate.at_most, *most])
        if gate.max_drop is not None and compare:
            change = threshold.change_threshold
            drops = [-change.absolute.value] if change.HasField("absolute") else []
            change.direction = tfma.MetricDirection.HIGHER_IS_BETTER
            change.absolute.value = -min([gate.max_drop, *drops])
    if not thresholds:
        # Without any threshold the Evaluator gives no blessing at all. This one only asks that there is a figure.
        thresholds[OVERALL_ACCURACY] = tfma.MetricThreshold()
        thresholds[OVERALL_ACCURACY].value_threshold.lower_bound.value = 0.0
    return thresholds
