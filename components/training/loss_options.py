"""What a training minimises; apart from the losses themselves, so that a configuration is read without Keras."""

from typing import Any

from pydantic import Field, model_validator

from components.option_numbers import NonNegativeFloat32
from components.options import Options

TERMS = ("cross_entropy", "focal", "dice", "lovasz")
"""The losses, as `components.training.total_loss` adds them up."""


class LossOptions(Options):
    """A weighted sum of losses: `{cross_entropy: 1, lovasz: 0.5}`; a name alone, `lovasz`, is that one with weight 1.

    Raises:
        pydantic.ValidationError: On unknown keys, no loss at all, or a setting of a loss that is not in the sum.
    """

    cross_entropy: NonNegativeFloat32 = 0.0
    """Weight of the cross entropy, weighted by class."""
    focal: NonNegativeFloat32 = 0.0
    """Weight of the focal loss (Lin et al. 2017), weighted by class."""
    dice: NonNegativeFloat32 = 0.0
    """Weight of the soft Dice loss."""
    lovasz: NonNegativeFloat32 = 0.0
    """Weight of the Lovasz-softmax loss (Berman et al. 2018): mean IoU itself, made differentiable."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the truth that the cross entropy spreads evenly over all classes."""
    focal_gamma: NonNegativeFloat32 = 2.0
    """How strongly the focal loss turns away from pixels that are right already; 0 makes it the cross entropy."""
    auxiliary: NonNegativeFloat32 = 0.4
    """Weight of the same sum on each further output that `network.deep_supervision` gives: 0.4 is PSPNet's."""

    @model_validator(mode="before")
    @classmethod
    def _of_a_name(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in TERMS:
            raise ValueError(f"there is no loss {value}; choose of {', '.join(TERMS)}, or give several their weights")
        return {value: 1.0}

    @model_validator(mode="after")
    def _is_a_loss(self) -> "LossOptions":
        if not any(getattr(self, term) for term in TERMS):
            raise ValueError(f"no loss has a weight above 0; give one of {', '.join(TERMS)}")
        if self.label_smoothing and not self.cross_entropy:
            raise ValueError(
                "label_smoothing belongs to cross_entropy, which is not in the sum; add it, or remove this"
            )
        if "focal_gamma" in self.model_fields_set and self.focal_gamma != 2.0 and not self.focal:
            raise ValueError("focal_gamma belongs to focal, which is not in the sum; add it, or remove this")
        return self
