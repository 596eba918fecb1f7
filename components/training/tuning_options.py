"""Which settings a search tries; apart from the search, so that a configuration is read without Keras."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from components.option_numbers import INT32_LARGEST, PositiveFloat32
from components.options import Options
from components.training.network_options import without_repeats

SEARCH_VERSION = 2
"""Changes whenever equal options would search otherwise, so that no trial is taken from an earlier search."""


class TuningOptions(Options):
    """A random search with short trainings; the best on the eval split is what the Trainer trains with.

    Raises:
        pydantic.ValidationError: On unknown keys, wrong values, or nothing to search.
    """

    trials: PositiveInt = 8
    """Short trainings."""
    steps: PositiveInt = Field(default=300, le=INT32_LARGEST)
    """Of each; the schedule ends with them, and the warm-up is a quarter of them at most. Other settings are
    `training`'s."""
    learning_rate: tuple[PositiveFloat32, PositiveFloat32] | None = (1e-4, 1e-2)
    """Lowest and highest, drawn alike on a logarithmic axis; None keeps `training.learning_rate`."""
    widths: tuple[Annotated[float, Field(gt=0, le=4)], ...] = ()
    """Values of `network.width`; none keeps it."""
    losses: tuple[Literal["cross_entropy", "focal", "dice", "lovasz"], ...] = ()
    """Losses, each alone, with the settings of `training.loss` that belong to it; none keeps `training.loss`."""
    seed: NonNegativeInt = Field(default=0, lt=2**31)
    """Decides what is drawn."""

    @field_validator("widths", "losses")
    @classmethod
    def _each_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return without_repeats(values, "choice")

    @model_validator(mode="after")
    def _something_is_searched(self) -> "TuningOptions":
        if self.learning_rate is None and not self.widths and not self.losses:
            raise ValueError("nothing is searched; give learning_rate, widths or losses")
        if self.learning_rate and self.learning_rate[0] >= self.learning_rate[1]:
            raise ValueError(f"learning_rate {list(self.learning_rate)} is no range; give the lowest and the highest")
        return self

    @property
    def trial_count(self) -> int:
        """The most trials that a search comes to: no setting is tried twice."""
        if self.learning_rate is not None:
            return self.trials
        return min(self.trials, max(1, len(self.widths)) * max(1, len(self.losses)))
