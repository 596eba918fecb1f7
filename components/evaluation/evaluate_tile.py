"""A whole tile predicted as production predicts it, and counted: each ground pixel of the split once.

The windows, the overlap and the blending are those of `eoseg predict` (`components.mapping`), on the tile's own grid.
Rows are counted as they come, with the rows around them that erosion and boundary matching look at, so that memory does
not grow with the tile's height and the counts do not depend on how the rows come.

Where only ground blocks of a tile belong to the split, these are predicted with all that lies around them, as in the
map of the whole tile; patches that touch none of them are left out. The truth outside them is not counted; it erodes
boundaries inside them all the same.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from components.classes import UNKNOWN_ID, VOID_ID
from components.contract import ModelContract
from components.errors import DataError
from components.evaluation.count_window import count_window, void_of
from components.evaluation.counts import CountingOptions, EvaluationCounts
from components.evaluation.erosion import erode_boundaries
from components.evaluation.halo import inside, with_halo
from components.evaluation.needed_pixels import NeededPixels
from components.evaluation.slices import WorstWindow
from components.evaluation.tile_pictures import OVERVIEW_PX, Layers, Picture, RowPicker, WorstCutouts
from components.geo.image import ImageReader, open_image
from components.geo.labels import LabelDecoder, LabelReader
from components.geo.pixel_area import pixel_areas
from components.geo.window import Window
from components.geo.zones import ZoneOptions, ZoneReader
from components.label_validation.parts import frame_of, only_in, whole_tile
from components.mapping.blended_rows import BlendedRows
from components.mapping.map_options import MapOptions
from components.mapping.score_rows import Scorer, blended_rows
from components.options import Options
from components.tile_source import TileSource

STRIP_PIXELS = 4_000_000
"""About how many pixels are counted at once, in some ten arrays of 1 to 8 bytes: under 200 MB."""


class TileEvaluationOptions(Options):
    """How whole tiles are predicted and counted."""

    maps: MapOptions = MapOptions()
    """As maps are made in production."""
    counting: CountingOptions = CountingOptions()
    worst_windows: int = Field(default=6, ge=0, le=100)
    """Windows kept of each tile to look at, those with the highest share of errors."""
    patches_per_request: PositiveInt = 16
    """The network's batch."""
    ignored_ids: tuple[int, ...] = ()
    """Classes whose truth counts as void."""
    zones: ZoneOptions | None = None
    """Whose ground is measured by class besides the tiles'."""
    threads: int = Field(default=0, ge=0)
    """Of one operation of the network; 0 leaves it to TensorFlow."""


@dataclass(frozen=True)
class EvaluatedTile:
    """A tile's part in an evaluation.

    Attributes:
        tile: The whole tile's id.
        shape: Its height and width.
        areas: The parts of it that were evaluated, in tile pixels.
        counts: In blocks, or one unit.
        mapped_pixels: `(K,)` int64: pixels of the areas by predicted class, with and without truth.
        mapped_square_metres: `(K,)` the ground that they cover; None where the tile has no coordinate system.
        zone_square_metres: The same of the areas' pixels in each zone, by its name.
        overview: The smallest window that holds all areas; None if no pictures were asked for.
        worst: The windows with the highest share of errors, the worst first.
    """

    tile: str
    shape: tuple[int, int]
    areas: tuple[Window, ...]
    counts: EvaluationCounts
    mapped_pixels: NDArray[np.int64]
    mapped_square_metres: NDArray[np.float64] | None
    zone_square_metres: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    overview: Picture | None = None
    worst: tuple[tuple[WorstWindow, Picture], ...] = ()


def evaluate_tile(
    parts: Sequence[TileSource],
    contract: ModelContract,
    scorer: Scorer,
    labels: LabelDecoder,
    options: TileEvaluationOptions,
    *,
    pictures: bool = True,
    strip_rows: int | None = None,
) -> EvaluatedTile:
    """Predicts and counts a tile.

    Args:
        parts: The tile, or those of its ground blocks that are in the split.
        contract: Of the model.
        scorer: The model.
        labels: Opens labels.
        options: How to predict and count.
        pictures: Whether to keep an overview and the worst windows.
        strip_rows: Rows counted at once; None chooses. The counts do not depend on it.

    Raises:
        EosegError: If a file cannot be read, does not fit the model, or the model fails.
    """
    tile = whole_tile(parts)
    maps = options.maps
    with (
        open_image({**tile.all_rasters, **maps.rasters}, maps.band_set(contract)) as image,
        labels.open(tile, image.grid) as label,
    ):
        whole = Window(0, 0, image.height, image.width)
        areas = tuple(_on_tile(part, whole, image.path) for part in parts)
        counter = _TileCounter(tile.tile, areas, image, label, len(contract.table), options, pictures)
        counter.count(contract, scorer, strip_rows)
        return counter.result()


class _TileCounter:
    """The pass over one tile."""

    def __init__(
        self,
        tile: str,
        areas: tuple[Window, ...],
        image: ImageReader,
        label: LabelReader,
        class_count: int,
        options: TileEvaluationOptions,
        pictures: bool,
    ) -> None:
        self._tile, self._areas, self._image, self._label = tile, areas, image, label
        self._class_count, self._options = class_count, options
        self._shape = (image.height, image.width)
        self._frame = frame_of(areas)
        self._is_whole = areas == (Window(0, 0, *self._shape),)
        self._counts: list[EvaluationCounts] = []
        self._pixels = np.zeros(class_count, np.int64)
        self._ground: NDArray[np.float64] | None = np.zeros(class_count)
        self._zones = None if options.zones is None else ZoneReader(options.zones, image.grid)
        self._zone_ground = np.zeros((0 if self._zones is None else len(self._zones.names) + 1, class_count))
        how_many = options.worst_windows if pictures else 0
        self._overview = RowPicker(self._frame, OVERVIEW_PX) if pictures else None
        self._worst = WorstCutouts(
            tile, self._shape, self._frame, class_count, options.counting, how_many, options.ignored_ids
        )

    def count(self, contract: ModelContract, scorer: Scorer, strip_rows: int | None) -> None:
        halo, frame = self._options.counting.halo, self._frame
        outer_frame = with_halo(frame, halo, *self._shape)
        reader = self._image
        if not self._is_whole:
            # Without a halo: where the truth is void, nobody asks what is predicted.
            reader = NeededPixels(reader, self._areas)
        rows = strip_rows or max(16 * max(1, halo), STRIP_PIXELS // outer_frame.width)
        made = blended_rows(reader, contract, scorer, self._options.maps, outer_frame.row)
        with closing(made):  # it reads ahead: it must stop before the tile is closed
            waiting = _RowBuffer(made, outer_frame)
            for window in _strips(frame, rows):
                outer = with_halo(window, halo, *self._shape)
                self._count_strip(window, outer, *waiting.take(outer))

    def result(self) -> EvaluatedTile:
        return EvaluatedTile(
            tile=self._tile,
            shape=self._shape,
            areas=self._areas,
            counts=EvaluationCounts.sum_of(self._counts),
            mapped_pixels=self._pixels,
            mapped_square_metres=self._ground,
            zone_square_metres={
                name: ground
                for name, ground in zip(self._zones.names if self._zones else (), self._zone_ground[1:], strict=True)
                if ground.any()
            },
            overview=None if self._overview is None else self._overview.picture(self._image),
            worst=tuple(self._worst.found(self._image)),
        )

    def _count_strip(
        self, window: Window, outer: Window, predicted: NDArray[np.uint8], confidence: NDArray[np.float32]
    ) -> None:
        truth, eroded = self._truth(outer)
        for ids in (truth, eroded):
            ids[predicted == VOID_ID] = VOID_ID  # nodata: there is nothing to predict
        counts = count_window(
            self._tile, self._shape, window, outer, truth, predicted, self._class_count, self._options.counting,
            confidence=confidence, eroded_truth=eroded, ignored_ids=self._options.ignored_ids,
        )  # fmt: skip
        self._counts.append(counts)
        place = inside(window, outer)
        mapped = self._only_counted(predicted[place], window)
        self._measure(mapped, window)
        if self._overview is not None:
            percent = np.rint(confidence[place] * 100).astype(np.uint8)
            percent[mapped == VOID_ID] = 255
            layers = Layers(void_of(truth[place], self._options.ignored_ids), mapped, percent)
            self._overview.add(window, layers)
            self._worst.add(window, counts, layers)

    def _truth(self, outer: Window) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The full and the eroded truth of what counts. The few rows of the halo are read twice."""
        truth = self._label.read(outer)
        truth[truth == UNKNOWN_ID] = VOID_ID  # LabelValidator has judged them against their budget
        ignored = self._label.read_ignored(outer)
        if ignored is None:
            eroded = erode_boundaries(truth, self._options.counting.erosion_px)
        else:
            eroded = np.where(ignored, np.uint8(VOID_ID), truth)
        return self._only_counted(truth, outer), self._only_counted(eroded, outer)

    def _only_counted(self, ids: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
        return ids if self._is_whole else only_in(self._areas, ids, window)

    def _measure(self, mapped: NDArray[np.uint8], window: Window) -> None:
        pixels = np.bincount(mapped.ravel(), minlength=256)[: self._class_count]
        self._pixels += pixels
        areas = pixel_areas(self._image.georeference, window)
        if areas is None:
            self._ground = None
        elif self._ground is not None and areas.size == 1:
            self._ground += pixels * areas.item()
        elif self._ground is not None:
            weights = np.broadcast_to(areas, mapped.shape).ravel()
            self._ground += np.bincount(mapped.ravel(), weights, minlength=256)[: self._class_count]
        if self._zones is not None and areas is not None:
            counted = mapped < self._class_count
            place = self._zones.read(window)[counted] * self._class_count + mapped[counted]
            weights = np.broadcast_to(areas, mapped.shape)[counted]
            found = np.bincount(place, weights, minlength=self._zone_ground.size)
            self._zone_ground += found.reshape(self._zone_ground.shape)


class _RowBuffer:
    """The rows of a map from the first one that is still needed: class ids and confidences of some columns."""

    def __init__(self, rows: Iterator[BlendedRows], frame: Window) -> None:
        self._rows = rows
        self._cols = slice(frame.col, frame.col_stop)
        self._chunks: deque[tuple[int, NDArray[np.uint8], NDArray[np.float32]]] = deque()
        self._stop = frame.row

    def take(self, outer: Window) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The rows of `outer`; windows must come from top to bottom."""
        while self._chunks and self._chunks[0][0] + len(self._chunks[0][1]) <= outer.row:
            self._chunks.popleft()
        while self._stop < outer.row_stop:
            self._add(next(self._rows))
        first = outer.row - self._chunks[0][0]
        rows = slice(first, first + outer.height)
        ids = np.concatenate([chunk[1] for chunk in self._chunks])[rows]
        return ids, np.concatenate([chunk[2] for chunk in self._chunks])[rows]

    def _add(self, rows: BlendedRows) -> None:
        ids = rows.class_ids()[:, self._cols].copy()
        # The best class's probability, unrounded: percents would move pixels from bin to bin of the reliability curve.
        weights = rows.weights if rows.weights.shape[1] == 1 else rows.weights[:, self._cols]
        confidence = rows.sums[:, :, self._cols].max(axis=0) / (np.float32(255) * weights)
        np.minimum(confidence, 1, out=confidence)
        self._chunks.append((rows.row, ids, confidence))
        self._stop = rows.row + len(ids)


def _strips(frame: Window, rows: int) -> Iterator[Window]:
    for row in range(frame.row, frame.row_stop, rows):
        yield Window(row, frame.col, min(rows, frame.row_stop - row), frame.width)


def _on_tile(part: TileSource, whole: Window, path: str) -> Window:
    area = part.area or whole
    if area.intersection(whole) != area:
        raise DataError(
            f"{part.tile} stands for {area} of {path}, which has {whole.height} x {whole.width} pixels",
            "an area inside the tile",
            "list the tiles anew",
        )
    return area
