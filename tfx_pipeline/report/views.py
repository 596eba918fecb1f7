"""The views of one evaluation, side by side: whole tiles and patch records, with and without class boundaries."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from components.classes import ClassTable
from components.evaluation.all_figures import eroded_figure
from components.evaluation.bootstrap import Difference, Interval, bootstrap_intervals
from components.evaluation.figures import PIXELS, figure_arrays
from components.evaluation.map_evaluator.files import MapEvaluationFiles
from components.evaluation.verdict import Evaluation

PATCHES, PATCHES_ERODED = "patches", "patches-eroded"
TILES, TILES_ERODED = "tiles", "tiles-eroded"

T = TypeVar("T")
WithInterval = TypeVar("WithInterval", Interval, Difference)
_ERODED = eroded_figure("")


@dataclass(frozen=True)
class View:
    """One way to score a model.

    Attributes:
        key: `tiles`, `tiles-eroded`, `patches` or `patches-eroded`.
        name: For people.
        meaning: What is scored, in a sentence.
        figures: By name, without `eroded/`; NaN where absent.
        confusion: `(K, K)` counts, row = truth, column = prediction.
        intervals: 95 % intervals; a figure without one is left out.
        blessed_figures: Of the latest blessed model on the same pixels; None where it is not compared.
        differences: From the blessed model, with their intervals; a figure without one is left out.
        drawn: What intervals draw from, in words: `12 tiles`; empty where there are none.
    """

    key: str
    name: str
    meaning: str
    figures: Mapping[str, float]
    confusion: NDArray[np.int64]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    blessed_figures: Mapping[str, float] | None = None
    differences: Mapping[str, Difference] = field(default_factory=dict)
    drawn: str = ""

    @property
    def pixels(self) -> float:
        """Pixels with truth."""
        return self.figures.get(PIXELS, math.nan)


def all_views(evaluation: Evaluation, of_tiles: MapEvaluationFiles | None, table: ClassTable) -> tuple[View, ...]:
    """The views that a run has, the first one that which people should look at first.

    Args:
        evaluation: Of the patch records.
        of_tiles: Of whole tiles; None for a run without.
        table: The classes.
    """
    whole = () if of_tiles is None else tile_views(of_tiles.document)
    return (*whole, *patch_views(evaluation, table))


def patch_views(evaluation: Evaluation, table: ClassTable) -> tuple[View, ...]:
    """The records against the full truth, and without the pixels at class boundaries where these were counted apart.

    The intervals are by bootstrap over the records' tiles (or blocks, where a split is made of these).
    """
    known, blessed = _intervals(evaluation.confusion_by_tile, table), evaluation.blessed_figures
    full = View(
        key=PATCHES,
        name="Patch records",
        meaning="each record is predicted by itself, as in training; where records overlap, a pixel counts in one",
        figures=_own(evaluation.figures, eroded=False),
        confusion=evaluation.confusion.astype(np.int64),
        intervals=known,
        blessed_figures=None if blessed is None else _own(blessed, eroded=False),
        drawn=_drawn(known, "tiles"),
    )
    if evaluation.eroded_confusion is None:
        return (full,)
    known_of_eroded = _intervals(evaluation.eroded_confusion_by_tile, table)
    eroded = View(
        key=PATCHES_ERODED,
        name="Patch records, boundaries eroded",
        meaning="the same, without the pixels at class boundaries",
        figures=_own(evaluation.figures, eroded=True),
        confusion=evaluation.eroded_confusion.astype(np.int64),
        intervals=known_of_eroded,
        blessed_figures=None if blessed is None else _own(blessed, eroded=True),
        drawn=_drawn(known_of_eroded, "tiles"),
    )
    return full, eroded


_PREDICTED = {
    "none": "each patch once",
    "flips": "the mean over 4 mirror images of each patch",
    "d4": "the mean over 8 mirror images and turns of each patch",
}


def _making(document: Mapping[str, Any]) -> str:
    made = document["prediction"]
    return f"with overlap {made['overlap']:g}, blending {made['blend']}, {_PREDICTED[made['augment']]}"


def tile_views(document: Mapping[str, Any]) -> tuple[View, View]:
    """Whole tiles against the full truth, and without the pixels at class boundaries.

    Args:
        document: As `components.evaluation.map_evaluator.document` writes it.
    """
    intervals = {name: Interval(**_with_nan(row)) for name, row in document["figures"].items()}
    differences = {name: Difference(**_with_nan(row)) for name, row in (document["differences"] or {}).items()}
    blessed = None if document["blessed_figures"] is None else _with_nan(document["blessed_figures"])
    erosion_px = document["counting"]["erosion_px"]

    def view(key: str, name: str, meaning: str, matrix: str, *, eroded: bool) -> View:
        own = _own(intervals, eroded)
        known = _known(own)
        return View(
            key=key,
            name=name,
            meaning=meaning,
            figures={figure: row.value for figure, row in own.items()},
            confusion=np.asarray(document[matrix], np.int64),
            intervals=known,
            blessed_figures=None if blessed is None else _own(blessed, eroded),
            differences=_known(_own(differences, eroded)),
            drawn=_drawn(known, document["bootstrap"]["over"]),
        )

    return (
        view(
            TILES,
            "Whole tiles",
            f"predicted as production predicts them, {_making(document)}; each pixel counts once",
            "confusion",
            eroded=False,
        ),
        view(
            TILES_ERODED,
            "Whole tiles, boundaries eroded",
            f"the same, without the pixels within {erosion_px} px of another class, or those that the data set marks",
            "eroded_confusion",
            eroded=True,
        ),
    )


def _intervals(by_tile: Mapping[str, NDArray[np.float64]], table: ClassTable) -> dict[str, Interval]:
    """Those of the figures of matrices, by bootstrap over the tiles."""
    if not by_tile:
        return {}
    units = np.stack([by_tile[tile] for tile in sorted(by_tile)])
    return _known(bootstrap_intervals(units, lambda summed: figure_arrays(summed, table.names, table.scored_ids)))


def _own(named: Mapping[str, T], eroded: bool) -> dict[str, T]:
    """What is of the full or of the eroded truth, under the names that the full truth's figures have."""
    return {name.removeprefix(_ERODED): row for name, row in named.items() if name.startswith(_ERODED) == eroded}


def _known(rows: Mapping[str, WithInterval]) -> dict[str, WithInterval]:
    """Without those that have no interval."""
    return {name: row for name, row in rows.items() if not math.isnan(row.low)}


def _drawn(known: Mapping[str, Interval], over: str) -> str:
    return f"{max(row.units for row in known.values())} {over}" if known else ""


def _with_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's null is an absent figure."""
    return {key: math.nan if value is None else value for key, value in row.items()}
