"""Areas as rows for a page: of each class on all ground, and on each tile and zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.classes import ClassTable
from components.evaluation.area_rows import TILE, ZONE
from tfx_pipeline.report.figure_rows import defined
from tfx_pipeline.report.pictures import css_color


@dataclass(frozen=True)
class AreaRow:
    """A class's area in square metres, as mapped and as adjusted by the confusion matrix; NaN where not known."""

    name: str
    color: str
    mapped: float
    adjusted: float
    low: float
    high: float
    users_accuracy: float
    producers_accuracy: float


@dataclass(frozen=True)
class AreaOfClass:
    """A class's area at one place in square metres, mapped and adjusted; NaN where it cannot be estimated."""

    mapped: float
    adjusted: float
    low: float
    high: float


@dataclass(frozen=True)
class PlaceAreas:
    """The areas of a `tile` or a `zone`, in class order."""

    kind: str
    place: str
    classes: tuple[AreaOfClass, ...]


def area_rows(areas: Mapping[str, Any], table: ClassTable) -> list[AreaRow]:
    """One row a class of the document's `areas`, in id order."""

    def row(name: str, color: str) -> AreaRow:
        of_class = {key: defined(value) for key, value in areas["classes"][name].items()}
        return AreaRow(
            name=name,
            color=color,
            mapped=of_class["mapped_square_metres"],
            adjusted=of_class["adjusted_square_metres"],
            low=of_class["low"],
            high=of_class["high"],
            users_accuracy=of_class["users_accuracy"],
            producers_accuracy=of_class["producers_accuracy"],
        )

    return [row(entry.name, css_color(entry.color)) for entry in table.classes]


def places_of(document: Mapping[str, Any], table: ClassTable) -> list[PlaceAreas]:
    """The areas of each tile and each zone, as the document's `places` has them."""
    found: dict[tuple[str, str], dict[str, AreaOfClass]] = {}
    for row in document.get("places", ()):
        values = (defined(row[key]) for key in ("mapped_m2", "adjusted_m2", "low_m2", "high_m2"))
        found.setdefault((row["kind"], row["place"]), {})[row["class_name"]] = AreaOfClass(*values)
    return [
        PlaceAreas(kind, place, tuple(by_class[name] for name in table.names))
        for (kind, place), by_class in found.items()
        if kind in (TILE, ZONE)
    ]
