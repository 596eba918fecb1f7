"""Areas by class of all ground evaluated, of each tile and of each zone: mapped, and adjusted for the map's errors.

Every adjustment uses the errors of the whole split: the shares of truth in what is mapped as a class (Olofsson et al.
2014).
Of one tile or one zone it is therefore an estimate of what lies there if the model errs there as it errs on the whole.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from components.evaluation.adjusted_areas import adjusted_area_intervals
from components.evaluation.counts import EvaluationCounts
from components.evaluation.tile_products import TileFacts
from components.evaluation.view_figures import BootstrapOptions

ALL, TILE, ZONE = "all", "tile", "zone"


@dataclass(frozen=True)
class AreaRow:
    """The area of one class at one place, in square metres; NaN where it cannot be estimated.

    Attributes:
        kind: `all`, `tile` or `zone`.
        place: The tile's id or the zone's name; empty for all.
        class_name: The class.
        mapped_m2: What is mapped as it.
        adjusted_m2: The estimate of what is there.
        low_m2, high_m2: Its 95 % interval, by bootstrap over tiles or blocks.
    """

    kind: str
    place: str
    class_name: str
    mapped_m2: float
    adjusted_m2: float
    low_m2: float
    high_m2: float


def area_rows(
    counts: EvaluationCounts, facts: Sequence[TileFacts], class_names: Sequence[str], bootstrap: BootstrapOptions
) -> list[AreaRow]:
    """The rows of all places; none where a tile's ground is not known.

    Args:
        counts: Of the whole split.
        facts: Of its tiles.
        class_names: K names.
        bootstrap: How intervals are made.
    """
    if any(of_tile.mapped_square_metres is None for of_tile in facts):
        return []
    units = bootstrap.units_of(counts).confusion
    rows = []
    for kind, place, mapped in _places(facts, len(class_names)):
        intervals = adjusted_area_intervals(
            units, mapped, class_names, seed=bootstrap.seed, resamples=bootstrap.resamples
        )
        for name, square_metres in zip(class_names, mapped.tolist(), strict=True):
            found = intervals[name]
            rows.append(AreaRow(kind, place, name, square_metres, found.value, found.low, found.high))
    return rows


def areas_as_csv(rows: Iterable[AreaRow]) -> str:
    """The rows as CSV with a header: the fields of `AreaRow`, and the areas in hectares."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(AreaRow)]
    writer.writerow([*names[:2], "class", *names[3:], *(name.replace("_m2", "_ha") for name in names[3:])])
    for row in rows:
        values = astuple(row)
        metres = ["" if value != value else f"{value:.2f}" for value in values[3:]]
        hectares = ["" if value != value else f"{value / 10_000:.6f}" for value in values[3:]]
        writer.writerow([*values[:3], *metres, *hectares])
    return text.getvalue()


def areas_as_documents(rows: Iterable[AreaRow]) -> list[dict[str, object]]:
    """The rows for JSON."""
    return [asdict(row) for row in rows]


def _places(facts: Sequence[TileFacts], class_count: int) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    everything = np.zeros(class_count)
    zones: dict[str, NDArray[np.float64]] = {}
    for of_tile in facts:
        everything += np.asarray(of_tile.mapped_square_metres, np.float64)
        _add(zones, of_tile.zone_square_metres)
    yield ALL, "", everything
    for of_tile in facts:
        yield TILE, of_tile.tile, np.asarray(of_tile.mapped_square_metres, np.float64)
    for name, mapped in zones.items():
        yield ZONE, name, mapped


def _add(zones: dict[str, NDArray[np.float64]], more: Mapping[str, Sequence[float]]) -> None:
    for name, mapped in more.items():
        zones[name] = zones.get(name, 0.0) + np.asarray(mapped, np.float64)
