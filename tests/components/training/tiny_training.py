"""A training of seconds, and when two of them ended alike."""

import numpy as np

from components.training.options import NetworkOptions, TrainingOptions
from components.training.train import TrainedNetwork

TINY = NetworkOptions(width=1 / 8)
OPTIONS = TrainingOptions(steps=8, batch_size=4, learning_rate=3e-3, steps_per_epoch=3, checkpoint_every=2, seed=4)

# The rate is so high after the warm-up that the first epochs are the best.
STOPPING = TrainingOptions(
    steps=60, batch_size=4, learning_rate=0.5, schedule="constant", warmup_steps=9, steps_per_epoch=3,
    early_stopping_epochs=3, export="best",
)  # fmt: skip


def assert_equal_weights(first: TrainedNetwork, second: TrainedNetwork) -> None:
    for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
