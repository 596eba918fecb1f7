"""Figures as rows for a page: headline, all views side by side, classes, slices, confusion matrix."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.classes import ClassTable
from components.evaluation.all_figures import BOUNDARY_F1, CALIBRATION_ERROR, LOWER_IS_BETTER, MEAN_BOUNDARY_F1
from components.evaluation.bootstrap import Difference, Interval
from components.evaluation.figures import (
    AVERAGE_ACCURACY,
    FREQUENCY_WEIGHTED_IOU,
    KAPPA,
    MCC,
    MEAN_F1,
    MEAN_IOU,
    OVERALL_ACCURACY,
    PIXELS,
    class_figure,
)
from components.evaluation.verdict import Evaluation
from tfx_pipeline.report.pictures import css_color
from tfx_pipeline.report.views import View

HEADLINE = (
    (OVERALL_ACCURACY, "Overall accuracy", "share of pixels whose class is right"),
    (MEAN_IOU, "Mean IoU", "intersection over union, mean of the scored classes"),
    (MEAN_F1, "Mean F1", "harmonic mean of precision and recall, mean of the scored classes"),
    (KAPPA, "Cohen's kappa", "agreement beyond chance: 1 is perfect, 0 is chance"),
)
FURTHER = (
    (AVERAGE_ACCURACY, "Average accuracy", "mean recall of the scored classes"),
    (MCC, "Matthews correlation", "correlation of truth and prediction over all classes"),
    (FREQUENCY_WEIGHTED_IOU, "Frequency-weighted IoU", "IoU of each class, weighted by its share of the truth"),
    (MEAN_BOUNDARY_F1, "Mean boundary F1", "how well outlines are met, to within a tolerance"),
    (CALIBRATION_ERROR, "Calibration error", "expected: mean gap between confidence and accuracy; less is better"),
)


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        value: NaN where absent.
        interval: 95 %; None where there is none.
        blessed: The latest blessed model's, NaN where absent; None where nothing is compared.
        difference: From the blessed one's, with its interval; None where there is none.
        lower_is_better: Whether less of it is better.
    """

    value: float
    interval: Interval | None = None
    blessed: float | None = None
    difference: Difference | None = None
    lower_is_better: bool = False


@dataclass(frozen=True)
class FigureRow:
    """One figure in each view, in the views' order; None where a view does not have it."""

    key: str
    name: str
    meaning: str
    by_view: tuple[Figure | None, ...]


@dataclass(frozen=True)
class ClassRow:
    """One class's figures in one view."""

    name: str
    color: str
    scored: bool
    iou: Figure
    f1: Figure
    precision: Figure
    recall: Figure
    boundary_f1: Figure | None
    truth_share: float

    @property
    def is_absent(self) -> bool:
        """Whether the truth holds no pixel of it."""
        return not self.truth_share > 0


@dataclass(frozen=True)
class SliceRow:
    """A part of the split; `ious` in class order, NaN where absent."""

    name: str
    pixels: float
    accuracy: float
    mean_iou: float
    mean_f1: float
    ious: tuple[float, ...]


@dataclass(frozen=True)
class ConfusionCell:
    """One pair of classes: its count, its share of the truth's row, and both as heat from 0 to 1."""

    count: int
    share: float
    count_heat: float
    share_heat: float
    is_right: bool


@dataclass(frozen=True)
class ConfusionRow:
    """One class of the truth against all predictions."""

    name: str
    color: str
    cells: tuple[ConfusionCell, ...]
    total: int


def figure_of(view: View, name: str) -> Figure:
    """One figure with all that a view knows of it."""
    blessed = view.blessed_figures
    return Figure(
        value=view.figures.get(name, math.nan),
        interval=view.intervals.get(name),
        blessed=None if blessed is None else blessed.get(name, math.nan),
        difference=view.differences.get(name),
        lower_is_better=name in LOWER_IS_BETTER,
    )


def headline_rows(views: Sequence[View]) -> list[FigureRow]:
    """The summary figures in the order in which people ask for them, then the further ones, in all views."""
    return [
        FigureRow(key, name, meaning, tuple(figure_of(view, key) if key in view.figures else None for view in views))
        for key, name, meaning in (*HEADLINE, *FURTHER)
        if any(key in view.figures for view in views)
    ]


def class_rows(view: View, table: ClassTable) -> list[ClassRow]:
    """One row a class, in id order."""

    def row(name: str, color: str, scored: bool) -> ClassRow:
        def of(figure: str) -> Figure:
            return figure_of(view, class_figure(figure, name))

        return ClassRow(
            name=name,
            color=color,
            scored=scored,
            iou=of("iou"),
            f1=of("f1"),
            precision=of("precision"),
            recall=of("recall"),
            boundary_f1=of(BOUNDARY_F1) if class_figure(BOUNDARY_F1, name) in view.figures else None,
            truth_share=of("truth_share").value,
        )

    return [row(entry.name, css_color(entry.color), entry.scored) for entry in table.classes]


def slice_rows(slices: Mapping[str, Mapping[str, float | None]], table: ClassTable, kind: str) -> list[SliceRow]:
    """The slices whose name begins with a kind, the least accurate first.

    Args:
        slices: Figures by name of the slice, null or NaN where absent.
        table: The classes.
        kind: `tile/`, `with/` or `without/`; it is left out of the rows' names.
    """
    rows = [
        SliceRow(
            name=name.removeprefix(kind),
            pixels=defined(figures.get(PIXELS)),
            accuracy=defined(figures.get(OVERALL_ACCURACY)),
            mean_iou=defined(figures.get(MEAN_IOU)),
            mean_f1=defined(figures.get(MEAN_F1)),
            ious=tuple(defined(figures.get(class_figure("iou", of_class))) for of_class in table.names),
        )
        for name, figures in slices.items()
        if name.startswith(kind)
    ]
    return sorted(rows, key=lambda row: (math.inf if math.isnan(row.accuracy) else row.accuracy, row.name))


def tile_rows(evaluation: Evaluation, table: ClassTable) -> list[SliceRow]:
    """One row a tile of the patch records, the least accurate first."""
    return slice_rows(evaluation.by_tile, table, "")


def confusion_rows(view: View, table: ClassTable) -> list[ConfusionRow]:
    """The summed confusion matrix; row = truth, column = prediction."""
    counts = view.confusion.astype(np.int64)
    most = max(int(counts.max()), 1)
    rows = []
    for i, (name, color) in enumerate(zip(table.names, table.colors, strict=True)):
        total = int(counts[i].sum())
        cells = []
        for j, count in enumerate(counts[i].tolist()):
            share = count / total if total else math.nan
            # Square root: a class a hundred times rarer than the commonest one still shows a tenth of its heat.
            heat = math.sqrt(count / most)
            cells.append(ConfusionCell(count, share, heat, 0.0 if math.isnan(share) else share, i == j))
        rows.append(ConfusionRow(name, css_color(color), tuple(cells), total))
    return rows


def predicted_totals(view: View) -> list[int]:
    """Pixels predicted as each class."""
    return [int(total) for total in view.confusion.sum(axis=0)]


def defined(value: float | None) -> float:
    """NaN where JSON has null."""
    return math.nan if value is None else value
