"""Flips and quarter turns of a patch, and back: the average of the scores over them is the patch's.

A network is not quite indifferent to which way a scene is turned, land cover is: averaging over the group of a square's
symmetries (or a part of it) takes some of the network's noise away.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Augment = Literal["none", "flips", "d4"]


class Turn(NamedTuple):
    """One symmetry of the square: mirrored left to right or not, then turned by quarters against the clock."""

    mirrored: bool
    quarters: int

    def of_patch(self, patch: NDArray[Any]) -> NDArray[Any]:
        """The patch `(size, size, ...)` as the network is shown it; a view."""
        return np.rot90(patch[:, ::-1] if self.mirrored else patch, self.quarters)

    def back(self, scores: NDArray[Any]) -> NDArray[Any]:
        """What the network said of it, `(size, size, ...)`, where the pixels were before; a view."""
        straight = np.rot90(scores, -self.quarters)
        return straight[:, ::-1] if self.mirrored else straight


TURNS: dict[Augment, tuple[Turn, ...]] = {
    "none": (Turn(False, 0),),
    # Mirrored and turned by a half is mirrored top to bottom.
    "flips": tuple(Turn(mirrored, quarters) for mirrored in (False, True) for quarters in (0, 2)),
    "d4": tuple(Turn(mirrored, quarters) for mirrored in (False, True) for quarters in range(4)),
}
"""Each a group: with every turn, its inverse is one of them."""
