"""How training patches are varied; apart from `augment`, so that a configuration is read without TensorFlow."""

from pydantic import Field

from components.options import Options


class AugmentOptions(Options):
    """How training patches are varied."""

    flips: bool = True
    """Top to bottom and left to right, each for half of the patches."""
    quarter_turns: bool = True
    """By 0, 90, 180 or 270 degrees, each for a quarter of the patches."""
    brightness: float = Field(default=0.0, ge=0, le=2)
    """Largest shift up or down, the same for all bands, in standard deviations of each band."""
    contrast: float = Field(default=0.0, ge=0, lt=1)
    """Largest relative stretch or shrink about each band's mean."""
