"""Options of the data statistics."""

from pydantic import Field

from components.options import Options


class StatisticsOptions(Options):
    """How the records' scalar features are judged. All divergences are Jensen-Shannon's: 0 = same, 1 = disjoint."""

    schema_file: str | None = None
    """A curated schema (TFDV's `schema.pbtxt`) to judge by; None infers one from the training statistics."""
    max_skew: float = Field(default=0.8, gt=0, le=1)
    """The divergence of a band's training histogram from another split's above which the run stops. The default only
    catches splits that hardly overlap: other sensors, swapped bands; 1 stops nothing."""
    max_drift: float | None = Field(default=None, gt=0, le=1)
    """The divergence of a feature's histogram from the last run's, in the same split, above which the run stops; None
    measures and reports drift, and stops nothing. Thresholds that a curated schema gives a feature come first."""
    min_patches: int = Field(default=16, ge=1)
    """Splits with fewer patches are measured but stop nothing; for skew, patches that overlap count as so many as would
    lie side by side. Two draws of 8 patches from one and the same normal distribution diverge by 0.55 in the median and
    0.86 at worst, of 16 by 0.30 and 0.47, of 64 by 0.06 and 0.11 (TFDV's 10 buckets, 12 draws each)."""
