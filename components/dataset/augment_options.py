"""How training patches are varied; apart from `augment`, so that a configuration is read without TensorFlow."""

from typing import Literal

from pydantic import Field, model_validator

from components.options import Options


class AugmentOptions(Options):
    """How training patches are varied."""

    flips: bool = True
    """Top to bottom and left to right, each for half of the patches."""
    quarter_turns: bool = True
    """By 0, 90, 180 or 270 degrees, each for a quarter of the patches."""
    rotation: float = Field(default=0.0, ge=0, le=180)
    """Largest turn to either side about the patch's centre, in degrees, beside quarter turns. What comes from outside
    of the patch is void."""
    scale: float = Field(default=0.0, ge=0, le=3)
    """Sizes between 1 / (1 + scale) and 1 + scale times the true one, alike on a logarithmic axis."""
    brightness: float = Field(default=0.0, ge=0, le=2)
    """Largest shift up or down, in standard deviations of each band."""
    contrast: float = Field(default=0.0, ge=0, lt=1)
    """Largest relative stretch or shrink about each band's mean."""
    gamma: float = Field(default=0.0, ge=0, le=3)
    """Exponents between 1 / (1 + gamma) and 1 + gamma on each band's mean +- 3 standard deviations."""
    per_band: bool = False
    """Draw brightness, contrast and gamma for each band on its own, not once for all bands of a patch."""
    channel_dropout: float = Field(default=0.0, ge=0, le=1)
    """Share of the patches in which one band, any of them, becomes its mean."""
    cutout: float = Field(default=0.0, ge=0, lt=1)
    """Side of a square hole in each patch, as a share of the patch's side; the image there becomes the mean."""
    cutout_label: Literal["void", "kept"] = "void"
    """`void`: nothing is asked of the hole. `kept`: its classes must be told from its surroundings."""

    @model_validator(mode="after")
    def _hole_has_a_label(self) -> "AugmentOptions":
        if self.cutout_label != "void" and not self.cutout:
            raise ValueError("cutout_label is given, but no cutout; set cutout, or remove it")
        return self

    @model_validator(mode="after")
    def _bands_are_relit(self) -> "AugmentOptions":
        if self.per_band and not (self.brightness or self.contrast or self.gamma):
            raise ValueError("per_band belongs to brightness, contrast and gamma; set one of these, or remove it")
        return self
