"""Training patches as they were recorded and as they were varied: the trainer's picture, made small for the page."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from components.errors import DataError
from components.file_systems import local_copy
from components.training.pictures import AUGMENTED_FILE
from tfx_pipeline.report.pictures import jpeg_uri

WIDEST_PX = 1080
"""About the width of the page's text; wider pictures are averaged down."""


@dataclass(frozen=True)
class AugmentedPicture:
    """The picture as a `data:` address, with its size in pixels."""

    uri: str
    height: int
    width: int


def augmented_picture(model_run: str) -> AugmentedPicture | None:
    """The picture of a training's augmentation; None where the trainer left none.

    Args:
        model_run: The Trainer's artifact, on any file system.

    Raises:
        DataError: If the file is no picture.
    """
    with local_copy(f"{model_run}/{AUGMENTED_FILE}") as file:
        if not file.is_file():
            return None
        try:
            with Image.open(file) as opened:
                sheet = opened.convert("RGB")
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error}", "the trainer's PNG", "train again") from error
    sheet.thumbnail((WIDEST_PX, sheet.height), Image.Resampling.BOX)
    return AugmentedPicture(jpeg_uri(np.asarray(sheet)), sheet.height, sheet.width)
