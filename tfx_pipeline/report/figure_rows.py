"""The evaluation as rows for a page: headline, classes, tiles, confusion matrix."""

import math
from dataclasses import dataclass

import numpy as np

from components.classes import ClassTable
from components.evaluation.figures import KAPPA, MEAN_F1, MEAN_IOU, OVERALL_ACCURACY, PIXELS, class_figure
from components.evaluation.verdict import Evaluation
from tfx_pipeline.report.pictures import css_color

HEADLINE = (
    (OVERALL_ACCURACY, "Overall accuracy", "share of pixels whose class is right"),
    (MEAN_IOU, "Mean IoU", "intersection over union, mean of the scored classes"),
    (MEAN_F1, "Mean F1", "harmonic mean of precision and recall, mean of the scored classes"),
    (KAPPA, "Cohen's kappa", "agreement beyond chance: 1 is perfect, 0 is chance"),
)


@dataclass(frozen=True)
class HeadlineFigure:
    """One of the figures at the top; `blessed` is the latest blessed model's, None where there is none."""

    name: str
    meaning: str
    value: float
    blessed: float | None


@dataclass(frozen=True)
class ClassRow:
    """One class's figures; NaN where a figure is not defined."""

    name: str
    color: str
    scored: bool
    iou: float
    f1: float
    precision: float
    recall: float
    truth_share: float
    blessed_iou: float | None

    @property
    def is_absent(self) -> bool:
        """Whether the truth holds no pixel of it."""
        return not self.truth_share > 0


@dataclass(frozen=True)
class TileRow:
    """One tile's figures; `ious` in class order."""

    tile: str
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


def headline_figures(evaluation: Evaluation) -> list[HeadlineFigure]:
    """The summary figures in the order in which people ask for them."""
    blessed = evaluation.blessed_figures or {}
    return [
        HeadlineFigure(name, meaning, evaluation.figures.get(key, math.nan), blessed.get(key))
        for key, name, meaning in HEADLINE
    ]


def class_rows(evaluation: Evaluation, table: ClassTable) -> list[ClassRow]:
    """One row a class, in id order."""
    blessed = evaluation.blessed_figures

    def row(name: str, color: str, scored: bool) -> ClassRow:
        def of(figure: str) -> float:
            return evaluation.figures.get(class_figure(figure, name), math.nan)

        return ClassRow(
            name=name,
            color=color,
            scored=scored,
            iou=of("iou"),
            f1=of("f1"),
            precision=of("precision"),
            recall=of("recall"),
            truth_share=of("truth_share"),
            blessed_iou=None if blessed is None else blessed.get(class_figure("iou", name), math.nan),
        )

    return [row(entry.name, css_color(entry.color), entry.scored) for entry in table.classes]


def tile_rows(evaluation: Evaluation, table: ClassTable) -> list[TileRow]:
    """One row a tile, the least accurate first."""
    rows = [
        TileRow(
            tile=tile,
            pixels=figures.get(PIXELS, math.nan),
            accuracy=figures.get(OVERALL_ACCURACY, math.nan),
            mean_iou=figures.get(MEAN_IOU, math.nan),
            mean_f1=figures.get(MEAN_F1, math.nan),
            ious=tuple(figures.get(class_figure("iou", name), math.nan) for name in table.names),
        )
        for tile, figures in evaluation.by_tile.items()
    ]
    return sorted(rows, key=lambda row: (math.inf if math.isnan(row.accuracy) else row.accuracy, row.tile))


def confusion_rows(evaluation: Evaluation, table: ClassTable) -> list[ConfusionRow]:
    """The summed confusion matrix; row = truth, column = prediction."""
    counts = evaluation.confusion.astype(np.int64)
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


def predicted_totals(evaluation: Evaluation) -> list[int]:
    """Pixels predicted as each class."""
    return [int(total) for total in evaluation.confusion.sum(axis=0)]
