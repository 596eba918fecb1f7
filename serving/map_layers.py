"""The raster files of a map: classes, and on request confidence and scores; how each is coded and described."""

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID, ClassTable
from components.mapping.blended_rows import CONFIDENCE_NODATA, SCORES_NODATA, SCORES_SCALE, BlendedRows

LayerName = Literal["classes", "confidence", "scores"]


@dataclass(frozen=True)
class Layer:
    """One uint8 raster file.

    Attributes:
        name: Which of them.
        descriptions: Of the bands.
        nodata: The value of nodata pixels.
        overviews: GDAL's name of the resampling that overviews are made by.
        scale: What a stored number is to be multiplied by.
        palette: Red, green, blue, opacity of the values 0 to 255; empty for measurements.
        categories: Names of the values from 0.
        tags: About the values.
    """

    name: LayerName
    descriptions: tuple[str, ...]
    nodata: int
    overviews: Literal["NEAREST", "AVERAGE"]
    scale: float = 1.0
    palette: tuple[tuple[int, int, int, int], ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    def rows(self, blended: BlendedRows) -> NDArray[np.uint8]:
        """The layer's `(bands, rows, width)` of some rows."""
        if self.name == "scores":
            return blended.scores()
        return (blended.confidence() if self.name == "confidence" else blended.class_ids())[None]


def layer_of(name: LayerName, table: ClassTable) -> Layer:
    """The layer of this name, for these classes."""
    if name == "confidence":
        return Layer(name, ("confidence in percent",), CONFIDENCE_NODATA, "AVERAGE")
    names = tuple((f"CLASS_{i}", class_name) for i, class_name in enumerate(table.names))
    tags = (*names, ("CLASS_NAMES", json.dumps(table.names)))
    if name == "scores":
        return Layer(name, table.names, SCORES_NODATA, "AVERAGE", scale=1 / SCORES_SCALE, tags=tags)
    palette = [(0, 0, 0, 255)] * (VOID_ID + 1)
    palette[: len(table)] = [(*color, 255) for color in table.colors]
    palette[VOID_ID] = (0, 0, 0, 0)
    return Layer(name, ("land cover",), VOID_ID, "NEAREST", palette=tuple(palette), categories=table.names, tags=tags)
