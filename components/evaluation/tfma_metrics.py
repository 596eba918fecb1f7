"""The segmentation figures as a TFMA metric: matrices are summed over the split and divided once.

The model's `evaluate` signature counts each patch's confusion matrix in the graph, so no image travels through
Python; what arrives here is K * K numbers a patch.
"""

from collections.abc import Iterable, Sequence

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray

from components.contract import CONFUSION, ERODED_CONFUSION
from components.evaluation.all_figures import eroded_figure, patch_figure_names
from components.evaluation.figures import figures

METRIC_NAME = "segmentation"
MATRIX_FIGURE = "confusion_matrix"
"""The summed matrix itself, `(K * K,)`, beside the figures made of it."""

ERODED_MATRIX_FIGURE = "eroded_confusion_matrix"

MetricsDict = dict[tfma.metrics.MetricKey, object]


class SegmentationFigures(tfma.metrics.Metric):
    """All of `components.evaluation.figures`, for each slice, of the full and of the eroded truth.

    Args:
        class_names: K names, in id order.
        scored_ids: The classes that means are taken over.
        name: TFMA's name for the metric.
    """

    def __init__(self, class_names: Sequence[str], scored_ids: Sequence[int], name: str = METRIC_NAME) -> None:
        super().__init__(_computations, class_names=list(class_names), scored_ids=list(scored_ids), name=name)


def _computations(
    class_names: Sequence[str],
    scored_ids: Sequence[int],
    name: str = METRIC_NAME,
    model_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> tfma.metrics.MetricComputations:
    """One computation a model and output; the arguments' names are TFMA's."""
    del name
    return [
        _computation(class_names, scored_ids, model_name, output_name)
        for model_name in model_names or [""]
        for output_name in output_names or [""]
    ]


def _computation(
    class_names: Sequence[str], scored_ids: Sequence[int], model_name: str, output_name: str
) -> tfma.metrics.MetricComputation:
    # Thresholds by name look for keys that say nothing of example weights; MetricKey's own default is False.
    keys = [
        tfma.metrics.MetricKey(name=figure, model_name=model_name, output_name=output_name, example_weighted=None)
        for figure in (*patch_figure_names(class_names), MATRIX_FIGURE, ERODED_MATRIX_FIGURE)
    ]
    combiner = _SumMatrices(keys, class_names, scored_ids, model_name)
    return tfma.metrics.MetricComputation(keys=keys, preprocessors=None, combiner=combiner)


class _SumMatrices(beam.CombineFn):
    """Sums `(2, K, K)`: the matrix of the full truth and of the eroded; the figures are made in `extract_output`."""

    def __init__(
        self,
        keys: Sequence[tfma.metrics.MetricKey],
        class_names: Sequence[str],
        scored_ids: Sequence[int],
        model_name: str,
    ) -> None:
        self._keys = {key.name: key for key in keys}
        self._class_names = list(class_names)
        self._scored_ids = list(scored_ids)
        self._model_name = model_name

    def create_accumulator(self) -> NDArray[np.float64]:
        return np.zeros((2, len(self._class_names), len(self._class_names)))

    def add_input(self, total: NDArray[np.float64], element: tfma.metrics.StandardMetricInputs) -> NDArray[np.float64]:
        prediction = element.prediction
        if isinstance(prediction, dict) and self._model_name in prediction:
            prediction = prediction[self._model_name]
        # A model of before there was an eroded truth gives one matrix: its eroded figures are absent.
        matrices = prediction if isinstance(prediction, dict) else {CONFUSION: prediction}
        added = np.zeros_like(total)
        for place, name in enumerate((CONFUSION, ERODED_CONFUSION)):
            if name in matrices:
                added[place] = np.asarray(matrices[name], np.float64).reshape(-1, *total.shape[1:]).sum(axis=0)
        return np.add(total, added)

    def merge_accumulators(self, totals: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        merged: NDArray[np.float64] = np.sum(list(totals), axis=0)
        return merged

    def extract_output(self, total: NDArray[np.float64]) -> MetricsDict:
        full, eroded = total
        named: dict[str, object] = {**figures(full, self._class_names, self._scored_ids)}
        of_eroded = figures(eroded, self._class_names, self._scored_ids)
        named |= {eroded_figure(name): value for name, value in of_eroded.items()}
        named |= {MATRIX_FIGURE: full.ravel(), ERODED_MATRIX_FIGURE: eroded.ravel()}
        return {self._keys[figure]: value for figure, value in named.items()}
