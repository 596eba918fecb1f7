"""Compares a server's answers with the Keras model's."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_AGREEMENT = 0.999
"""Share of pixels with the same class. Not 1: the server runs the same network in another graph, whose sums may come
out differently in the last bit, and a pixel on the edge between two classes may then tip over."""

MAX_SCORE_DIFFERENCE = 4
"""Of 255, for the same reason."""


@dataclass(frozen=True)
class Agreement:
    """How far a server's answers are the Keras model's.

    Attributes:
        patches: How many patches were compared.
        same_class: Share of pixels with the same class id, 0 to 1.
        score_difference: Largest difference of a score, 0 to 255.
    """

    patches: int
    same_class: float
    score_difference: int

    @property
    def good(self) -> bool:
        """Whether the server can be believed."""
        return self.same_class >= MIN_AGREEMENT and self.score_difference <= MAX_SCORE_DIFFERENCE

    def __str__(self) -> str:
        return (
            f"on {self.patches} real patches the server gives {self.same_class:.4%} of the pixels the Keras model's "
            f"class (at least {MIN_AGREEMENT:.1%}), scores differ by at most {self.score_difference} of 255 "
            f"(at most {MAX_SCORE_DIFFERENCE})"
        )


def compare_answers(logits: NDArray[Any], class_ids: NDArray[np.uint8], scores: NDArray[np.uint8]) -> Agreement:
    """Compares answers with what the Keras model's logits say.

    Args:
        logits: `(n, height, width, K)` of the Keras model.
        class_ids: `(n, height, width)` of the server.
        scores: `(n, height, width, K)` of the server, probability times 255.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    probability = np.exp(shifted)
    probability /= probability.sum(axis=-1, keepdims=True)
    difference = np.abs(np.rint(probability * 255) - scores)
    same = logits.argmax(axis=-1) == class_ids
    return Agreement(len(class_ids), float(same.mean()), int(difference.max()))
