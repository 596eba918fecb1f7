"""The budgets and thresholds of the checks."""

from typing import Literal

from pydantic import Field, field_validator

from components.label_validation.codes import CODES
from components.options import Options


class Budget(Options):
    """How findings of one code are judged."""

    severity: Literal["error", "warning", "info", "off"] | None = None
    """Replaces the severity of every finding of the code; `off` leaves them out. None keeps it."""
    at_most: int = Field(default=0, ge=0)
    """While there are at most this many findings of the code, each counts one severity less (error as warning,
    warning as info); beyond it, all count in full."""


class ValidationOptions(Options):
    """Thresholds of the checks; shares are 0 to 1 of a tile's pixels.

    Raises:
        pydantic.ValidationError: If a budget names an unknown code.
    """

    max_off_palette_share: float = Field(default=0.0, ge=0, le=1)
    """More pixels of colours or values that are in no class stop the run; up to it they become void, with a warning."""
    max_void_share: float = Field(default=0.95, ge=0, le=1)
    """A tile with more void is warned about."""
    max_misplacement_px: float = Field(default=0.5, ge=0)
    """How far the corners of image and label may lie apart, in image pixels."""
    max_imbalance: float = Field(default=1000.0, gt=1)
    """The most frequent class may have this many times the training pixels of the rarest before a warning."""
    max_nodata_share: float = Field(default=0.99, ge=0, le=1)
    """An image with more nodata counts as blank."""
    max_clipped_share: float = Field(default=0.2, gt=0, le=1)
    """More valid pixels at a band's lowest or highest value: clipped (or nodata that is not declared)."""
    max_label_shift_px: float = Field(default=3.0, ge=0)
    """By how many pixels the best place of a label may differ from its own. Labels drawn by hand, shadows and leaning
    walls put edges two or three pixels off without anything being wrong."""
    max_shift_chance: float = Field(default=0.01, gt=0, lt=1)
    """How probable it may be that chance makes a label's best place that much better than its own: Student's t of the
    paired difference over blocks of the tile, times the number of translations tried (Bonferroni)."""
    max_resolution_ratio: float = Field(default=1.5, gt=1)
    """By what factor ground pixel sizes may differ: a label's from its image's, a tile's from the tiles' median."""
    max_band_drift: float = Field(default=3.0, gt=0)
    """How far a tile's band mean may lie from the other tiles' median, in pooled standard deviations: pixels within a
    tile and tile means together. Ground differs between tiles by one or two of them; sensors and units by more."""
    max_scale_ratio: float = Field(default=6.0, gt=1)
    """By what factor both mean and standard deviation of all of a tile's bands may differ from the other tiles'
    medians: other units or other bit depths. On the low side no distance in standard deviations shows them."""
    max_group_drift: float = Field(default=1.0, gt=0)
    """The same between splits and between dates, where single tiles average out. It must also be significant."""
    max_class_drift: float = Field(default=4.0, gt=0)
    """How far a class's mean colour may lie from its mean over the other tiles, in standard deviations of such
    means, before it is compared with the other classes' colours."""
    min_class_agreement: float = Field(default=0.25, ge=0, lt=1)
    """Least slope of a tile's class colours against those of the other tiles: 1 is as elsewhere, 0 is what a label
    gives that belongs to another image."""
    budgets: dict[str, Budget] = Field(default_factory=dict)
    """Code -> how its findings are judged."""

    @field_validator("budgets")
    @classmethod
    def _known_codes(cls, budgets: dict[str, Budget]) -> dict[str, Budget]:
        unknown = next((code for code in budgets if code not in CODES), None)
        if unknown is not None:
            raise ValueError(f"there is no code '{unknown}'; the codes are {', '.join(sorted(CODES))}")
        return budgets
