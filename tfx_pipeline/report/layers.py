"""One piece of ground as layers that lie exactly over each other: image, truth, prediction, errors, confidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.classes import ClassTable
from tfx_pipeline.report import pictures

IMAGE, TRUTH, PREDICTION, ERRORS, CONFIDENCE = "image", "truth", "prediction", "errors", "confidence"
"""The layers in the order in which the page shows them; its style sheet knows them by these names."""

LEAST_SIDE_PX = 64
"""Nothing is shrunk below this, however heavy the page becomes."""


@dataclass(frozen=True)
class Ground:
    """What there is to look at of one piece of ground, all on one grid.

    Attributes:
        photo: `(height, width, 3)` uint8, stretched.
        predicted: `(height, width)` class ids.
        truth: `(height, width)` class ids; None where there is none.
        confidence: `(height, width)` uint8 in percent, above 100 at nodata; None where it is not known.
    """

    photo: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    truth: NDArray[np.uint8] | None = None
    confidence: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Layers:
    """A piece of ground on the page: its size in picture pixels, and names and `data:` addresses of its layers."""

    width: int
    height: int
    uris: tuple[tuple[str, str], ...]

    @property
    def weight(self) -> int:
        """Bytes on the page."""
        return sum(len(uri) for _, uri in self.uris)


def layers_of(ground: Ground, table: ClassTable, most_side_px: int) -> Layers:
    """Encodes a piece of ground, shrunk where a side is longer than `most_side_px`.

    The photo is averaged; class ids and confidences are picked, each from the middle of its pixel.
    """
    height, width = ground.predicted.shape
    scale = min(1.0, most_side_px / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))

    def picked(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.NEAREST))

    predicted = picked(ground.predicted)
    photo = np.asarray(Image.fromarray(ground.photo).resize(size, Image.Resampling.BOX))
    found = [(IMAGE, pictures.jpeg_uri(photo))]
    if ground.truth is not None:
        found.append((TRUTH, pictures.png_uri(pictures.class_picture(picked(ground.truth), table))))
    found.append((PREDICTION, pictures.png_uri(pictures.class_picture(predicted, table))))
    if ground.truth is not None:
        errors = pictures.error_overlay(picked(ground.truth), predicted, len(table))
        found.append((ERRORS, pictures.png_uri(errors)))
    if ground.confidence is not None:
        found.append((CONFIDENCE, pictures.png_uri(pictures.confidence_picture(picked(ground.confidence)))))
    return Layers(*size, tuple(found))


T = TypeVar("T")


def within_budget(
    budget_bytes: int, side_px: int, encode: Callable[[int], Sequence[T]], weigh: Callable[[T], int]
) -> Sequence[T]:
    """Encodes pictures as large as a budget allows.

    How well pictures compress is known only once they are compressed: noise takes ten times the bytes of water.

    Args:
        budget_bytes: For all together.
        side_px: The longest side to try first.
        encode: Makes all of them with no side longer than its argument.
        weigh: The bytes of one.
    """
    while True:
        made = encode(side_px)
        weight = sum(weigh(one) for one in made)
        if weight <= budget_bytes or side_px <= LEAST_SIDE_PX:
            return made
        # Bytes grow with the area, or somewhat slower: a little less than the root of the excess.
        side_px = max(LEAST_SIDE_PX, int(side_px * 0.93 * (budget_bytes / weight) ** 0.5))
