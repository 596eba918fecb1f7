"""Slices of an evaluation: which units belong together, and where the errors are.

A slice is a name and its units, as places in `EvaluationCounts.units`; `counts.confusion[places].sum(axis=0)` is its
matrix. Slices may overlap: a block with roofs and lawns is in the slice of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.evaluation.counts import FULL, EvaluationCounts, Unit
from components.geo.window import Window

Slices = dict[str, NDArray[np.intp]]

LABELLED_SHARE = 0.25
"""Of a window's pixels, at least, that must have a truth for it to stand among the worst."""


def zone_name(unit: Unit) -> str:
    """The name of a block, as the ground blocks of the splits are named: `tile/r0c2`."""
    return f"{unit.tile}/r{unit.row}c{unit.col}"


def slices_by_tile(counts: EvaluationCounts) -> Slices:
    """One slice a tile, by its id."""
    return _grouped([unit.tile for unit in counts.units])


def slices_by_zone(counts: EvaluationCounts) -> Slices:
    """One slice a block, by `zone_name`."""
    return _grouped([zone_name(unit) for unit in counts.units])


def slices_by_group(counts: EvaluationCounts, group_of_tile: Mapping[str, str]) -> Slices:
    """One slice a group of tiles: a split, a district, a sensor.

    Raises:
        DataError: If a tile has no group.
    """
    missing = sorted({unit.tile for unit in counts.units} - set(group_of_tile))
    if missing:
        raise DataError(f"tile {missing[0]} has no group", "a group for each evaluated tile", "add it to the groups")
    return _grouped([group_of_tile[unit.tile] for unit in counts.units])


def slices_by_presence(counts: EvaluationCounts, class_names: Sequence[str]) -> Slices:
    """For each class the units whose truth holds it, `with/roof`, and the labelled ones without it, `without/roof`.

    A slice without any unit is left out.
    """
    in_truth = counts.confusion.sum(axis=2) > 0
    is_labelled = in_truth.any(axis=1)
    masks = {f"with/{name}": in_truth[:, i] for i, name in enumerate(class_names)}
    masks |= {f"without/{name}": is_labelled & ~in_truth[:, i] for i, name in enumerate(class_names)}
    return {name: np.flatnonzero(mask) for name, mask in masks.items() if mask.any()}


@dataclass(frozen=True)
class WorstWindow:
    """A block of a tile with its errors.

    Attributes:
        tile: The tile's id.
        window: The block, cut at the tile's edges.
        pixels: How many have a truth.
        errors: How many of them are predicted wrong.
    """

    tile: str
    window: Window
    pixels: int
    errors: int

    @property
    def error_share(self) -> float:
        """Errors by pixels, 0 to 1."""
        return self.errors / self.pixels


def worst_windows(
    counts: EvaluationCounts,
    tile_shapes: Mapping[str, tuple[int, int]],
    how_many: int = 20,
    *,
    view: str = FULL,
    labelled_share: float = LABELLED_SHARE,
    ignored_ids: Sequence[int] = (),
) -> list[WorstWindow]:
    """The blocks with the highest share of errors; those of equal share by tile, row and column.

    Blocks do not overlap, so neither do these windows. Left out are blocks without errors, and those of which less than
    `labelled_share` is labelled: measured by a whole block (or the tile, if that is smaller), so that a sliver at the
    tile's edge does not lead the list.

    Args:
        counts: In blocks, or one unit a tile.
        tile_shapes: Height and width of each tile.
        how_many: At most.
        view: `FULL` or `ERODED`.
        labelled_share: 0 to 1.
        ignored_ids: Classes whose truth counts as void.

    Raises:
        DataError: If a tile's shape is missing.
    """
    matrices = counts.matrices(view).copy()
    matrices[:, list(ignored_ids)] = 0
    pixels = matrices.sum(axis=(1, 2))
    errors = pixels - np.trace(matrices, axis1=1, axis2=2)
    found = []
    for unit, pixel_count, error_count in zip(counts.units, pixels.tolist(), errors.tolist(), strict=True):
        if unit.tile not in tile_shapes:
            raise DataError(f"the size of tile {unit.tile} is not known", "height and width of each tile", "give them")
        window, least = _place(unit, tile_shapes[unit.tile], counts.options.block_px, labelled_share)
        if error_count and pixel_count >= least:
            found.append(WorstWindow(unit.tile, window, pixel_count, error_count))
    # The units ascend by tile, row and column, and the sort is stable.
    return sorted(found, key=lambda worst: -worst.error_share)[:how_many]


def _place(unit: Unit, shape: tuple[int, int], block_px: int | None, share: float) -> tuple[Window, float]:
    """A unit's window, and how many of its pixels must be labelled."""
    whole = Window(0, 0, *shape)
    if block_px is None:
        return whole, share * whole.height * whole.width
    window = whole.intersection(Window(unit.row * block_px, unit.col * block_px, block_px, block_px))
    if window is None:
        raise DataError(
            f"{zone_name(unit)} lies outside its tile of {shape[0]} x {shape[1]} pixels",
            "the size that the tile had when it was evaluated",
            "evaluate again",
        )
    return window, share * min(block_px, whole.height) * min(block_px, whole.width)


def _grouped(names: Sequence[str]) -> Slices:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return {name: np.array(places[name], np.intp) for name in sorted(places)}
