"""What a person is told when the loss is no longer a number."""

from collections.abc import Sequence

from components.errors import TrainingError
from components.geo.window import Window
from components.training.options import TrainingOptions


class DivergedError(TrainingError):
    """A training whose numbers grew beyond all bounds: these settings do not work, others may."""


def diverged(
    what: str, step: int, training: TrainingOptions, checkpoint: str | None, places: Sequence[tuple[str, Window]]
) -> DivergedError:
    """The error that names the batch.

    Args:
        what: What happened, such as "the loss became nan".
        step: Counted from 1.
        training: Its options.
        checkpoint: The last good one; None if there is none yet.
        places: Tile and window of each patch of the batch.
    """
    kept = f"; the checkpoint before it is {checkpoint}" if checkpoint else ""
    windows: dict[str, list[str]] = {}
    for tile, window in dict.fromkeys(places):
        windows.setdefault(tile, []).append(f"{window.row},{window.col}")
    size = f"{places[0][1].height} x {places[0][1].width}" if places else ""
    batch = "\n".join(f"    {tile}: {'  '.join(corners)}" for tile, corners in windows.items())
    narrow = " or training.precision: mixed_bfloat16 (float16 ends at 65504)"
    return DivergedError(
        f"{what} at step {step}, with learning rate {training.learning_rate:g}{kept}\n"
        f"  the batch: windows of {size} tile pixels, by their upper left row,col\n{batch}",
        "finite numbers",
        f"set training.learning_rate lower (say {training.learning_rate / 3:.1g}), add training.warmup_steps or "
        f"training.gradient_clip{narrow if training.precision == 'mixed_float16' else ''}; if it is so from the first "
        "step, look at those windows",
    )
