"""The gates a model must pass before it is pushed, as a configuration names them: a figure and its bounds.

`components.evaluation.gate` judges them.
"""

import re
from collections.abc import Collection, Sequence
from typing import Literal

from pydantic import Field, model_validator

from components.errors import ConfigError
from components.evaluation.all_figures import (
    LOWER_IS_BETTER,
    MEAN_BOUNDARY_F1,
    all_figure_names,
    eroded_figure,
    patch_figure_names,
)
from components.evaluation.figures import PIXELS, SUMMARY_FIGURES
from components.options import Options

View = Literal["patches", "tiles"]
PATCHES: View = "patches"
TILES: View = "tiles"

_OF_PLACE = re.compile(r"(?:tile/(.+)|zone/(.+)/r\d+c\d+)", re.DOTALL)
_OF_CLASS = re.compile(r"(?:with|without)/(.+)", re.DOTALL)


class Gate(Options):
    """Bounds on one figure of the evaluated split; each is judged by itself.

    Raises:
        pydantic.ValidationError: If it bounds nothing, or asks of the patches what only whole tiles can tell.
    """

    metric: str
    """`mean_iou`, `overall_accuracy`, `kappa`, `mean_f1`, or of one class: `iou/building`; `iou/*` is a gate for each
    scored class."""
    view: View = PATCHES
    """`patches` are the records, each by itself; `tiles` are whole tiles, predicted as production predicts them."""
    slice: str | None = None
    """A part of the split instead of all of it: `tile/a`, `zone/a/r0c2` (a block of a tile), `with/building` or
    `without/building` (the blocks whose truth holds a class, or does not). Of whole tiles only."""
    at_least: float | None = Field(default=None, ge=-1, le=1)
    """The least that the figure may be."""
    at_most: float | None = Field(default=None, ge=-1, le=1)
    """The most that the figure may be, for those of which less is better (calibration errors)."""
    max_drop: float | None = Field(default=None, ge=0, le=2)
    """How much worse than the latest blessed model's the figure may be, on the same records or tiles: lower, or higher
    where less is better."""
    confidently_better: bool = False
    """The figure must be better than the latest blessed model's with 95 % confidence: the interval of the difference,
    by paired bootstrap over tiles or blocks, lies on the better side of 0. Of whole tiles only."""

    @property
    def lower_is_better(self) -> bool:
        """Whether less of the figure is better."""
        return self.metric in LOWER_IS_BETTER

    @model_validator(mode="after")
    def _bounds_something(self) -> "Gate":
        bounds = (self.at_least, self.at_most, self.max_drop)
        if all(bound is None for bound in bounds) and not self.confidently_better:
            raise ValueError(
                f"the gate on {self.metric} has no bound; give at_least, at_most, max_drop or confidently_better: true"
            )
        if self.lower_is_better and self.at_least is not None:
            raise ValueError(f"less of {self.metric} is better; bound it by at_most, not by at_least")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(
                f"no {self.metric} is at least {self.at_least:g} and at most {self.at_most:g}; correct the bounds"
            )
        if self.view == PATCHES and (self.slice is not None or self.confidently_better):
            raise ValueError(
                f"the gate on {self.metric} has {'slice' if self.slice is not None else 'confidently_better'}, which "
                "whole tiles alone can tell; add view: tiles"
            )
        if self.slice is not None and not (_OF_PLACE.fullmatch(self.slice) or _OF_CLASS.fullmatch(self.slice)):
            raise ValueError(
                f"the gate on {self.metric} has slice '{self.slice}'; expected tile/ID, zone/ID/rROWcCOL, with/CLASS "
                "or without/CLASS"
            )
        return self


def check_gates(gates: Sequence[Gate], class_names: Sequence[str]) -> None:
    """Refuses gates on figures or classes that will never be there.

    Raises:
        ValueError: Naming the gate and what there is.
    """
    of_patches, of_tiles = set(patch_figure_names(class_names)), set(all_figure_names(class_names))
    of_tiles -= {PIXELS, eroded_figure(PIXELS)}  # a count: bounds are shares
    names = ", ".join(class_names)
    for gate in gates:
        if gate.view == PATCHES and gate.metric in of_tiles - of_patches:
            raise ValueError(f"the gate on {gate.metric} needs view: tiles; patch records alone do not give the figure")
        if gate.metric not in of_tiles:
            raise ValueError(
                f"gate on unknown metric '{gate.metric}'; expected one of {', '.join(SUMMARY_FIGURES)}, or "
                f"iou/, f1/, precision/ or recall/ with a class name ({names}) or *; any of these after eroded/; on "
                f"view: tiles also {', '.join((MEAN_BOUNDARY_F1, *LOWER_IS_BETTER))} and boundary_f1/ with a class name"
            )
        of_class = _OF_CLASS.fullmatch(gate.slice or "")
        if of_class and of_class[1] not in class_names:
            raise ValueError(f"the gate on {gate.metric} has slice '{gate.slice}'; expected one of the classes {names}")


def check_places(gates: Sequence[Gate], tiles: Collection[str]) -> None:
    """Refuses gates on slices of tiles that are not evaluated: such a gate would fail after the training.

    Args:
        gates: The gates.
        tiles: The ids of the whole tiles in the evaluated split.

    Raises:
        ConfigError: Naming the gate and some of the tiles.
    """
    for gate in gates:
        place = _OF_PLACE.fullmatch(gate.slice or "")
        if place and (place[1] or place[2]) not in tiles:
            shown = sorted(tiles)
            raise ConfigError(
                f"the gate on {gate.metric} has slice '{gate.slice}', and no such tile is evaluated",
                f"one of {', '.join(shown[:10])}{', ...' if len(shown) > 10 else ''}",
                "correct the gate's slice (a whole tile's id), or put the tile into the evaluated split",
            )
