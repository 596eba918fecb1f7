"""Tiles in memory, and scorers that are functions of pixels: what one can say of their maps by arithmetic."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from components.classes import ClassTable, LandClass
from components.contract import ModelContract
from components.geo.image import ImageReader
from components.geo.raster import Georeference, Grid, Raster
from components.geo.window import Window
from components.mapping.map_options import MapOptions
from components.mapping.score_rows import blended_rows

TABLE = ClassTable(classes=tuple(LandClass(name=f"class {i}", color=(i, i, i)) for i in range(3)))


def contract_of(patch_size: int, downsample: int = 1, dtype: Any = "uint8") -> ModelContract:
    return ModelContract(patch_size=patch_size, bands=("a", "b", "c"), dtype=dtype, downsample=downsample, table=TABLE)


class MemoryTile:
    """An `ImageReader` over an array `(height, width, bands)`."""

    path = "memory.tif"
    georeference = Georeference(Affine.identity(), "")
    crs = None
    crs_name = "none"
    resampled = ()

    def __init__(self, pixels: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> None:
        self.pixels = pixels
        self.height, self.width, self.band_count = pixels.shape
        self.valid = np.ones(pixels.shape[:2], np.bool_) if valid is None else valid
        self.dtype = pixels.dtype.name
        self.grid = Grid(self.height, self.width, self.georeference)

    def read(self, window: Window, downsample: int = 1) -> Raster:
        pixels, valid = self.pixels[window.slices], self.valid[window.slices]
        step = slice(downsample // 2, None, downsample)
        return Raster(pixels[step, step].copy(), valid[step, step].copy(), self.georeference)


class LazyScorer:
    """Answers nothing until an answer is waited for; then all that were asked, in an order of its own."""

    def __init__(
        self,
        function: Callable[[NDArray[Any]], NDArray[np.uint8]],
        patches_per_request: int = 4,
        most_waiting: int = 4,
        order: Callable[[Sequence[Any]], Sequence[Any]] = list,
    ) -> None:
        self.function, self.order = function, order
        self.patches_per_request, self.most_waiting = patches_per_request, most_waiting
        self.asked: list[tuple[_Future, NDArray[Any]]] = []
        self.patches = 0
        self.most_seen_waiting = 0

    def submit(self, patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
        assert 0 < len(patches) <= self.patches_per_request
        self.patches += len(patches)
        future = _Future(self)
        self.asked.append((future, patches))
        self.most_seen_waiting = max(self.most_seen_waiting, len(self.asked))
        return future

    def answer_all(self) -> None:
        for future, patches in self.order(self.asked):
            try:
                future.set_result(np.stack([self.function(patch) for patch in patches]))
            except OSError as error:
                future.set_exception(error)
        self.asked = []


class _Future(Future):
    def __init__(self, scorer: LazyScorer) -> None:
        super().__init__()
        self._scorer = scorer

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self._scorer.answer_all()
        return super().result(timeout)


def own_pixel(patch: NDArray[Any]) -> NDArray[np.uint8]:
    """Class k scores what band k holds, but never nothing."""
    return np.maximum(patch, 1)


def scores_of(
    tile: ImageReader, contract: ModelContract, scorer: Any, options: MapOptions, first_row: int = 0
) -> NDArray[np.float32]:
    """All blended scores `(height, width, K)`, 0 to 255."""
    parts = [
        (rows.sums / rows.weights).transpose(1, 2, 0)
        for rows in blended_rows(tile, contract, scorer, options, first_row)
    ]
    return np.concatenate(parts)


def class_ids_of(
    tile: ImageReader, contract: ModelContract, scorer: Any, options: MapOptions, first_row: int = 0
) -> NDArray[np.uint8]:
    """The whole map `(height, width)`."""
    return np.concatenate([rows.class_ids() for rows in blended_rows(tile, contract, scorer, options, first_row)])
