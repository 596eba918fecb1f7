"""Options of the data statistics."""

from pydantic import Field

from components.options import Options


class StatisticsOptions(Options):
    """How the records' scalar features are judged."""

    schema_file: str | None = None
    """A curated schema (`schema.pbtxt`) to import; None infers one from the training statistics."""
    max_skew: float = Field(default=0.8, gt=0, le=1)
    """The Jensen-Shannon divergence (0 = same, 1 = disjoint; base 2) between a feature's training and eval
    histograms above which the run stops. The default only catches splits that hardly overlap: other sensors,
    swapped bands."""
