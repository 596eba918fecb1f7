"""A whole tile through a model server to a georeferenced class map, in bounded memory."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from components.classes import VOID_ID
from components.contract import ModelContract
from components.errors import RasterError
from components.geo.bands import IMAGE, BandSet
from components.geo.image import ImageReader, open_image
from components.geo.window import Window
from components.options import Options
from serving.blending import Blend, PatchAxis, RowBlender, patch_axis, reflected
from serving.client import SegmentationClient
from serving.map_writer import open_map
from serving.transport import CallError
from serving.upsampling import RowUpsampler

Progress = Callable[[int, int], None]
"""Called with the tile's rows that are finished and those that there are."""

_TRIES_OF_A_VERSION = 3


class MapOptions(Options):
    """How a tile is cut and put together again."""

    overlap: float = Field(default=0.25, ge=0, lt=0.95)
    """Share of a patch that its neighbour covers again."""
    blend: Blend = "hann"
    """`hann` weighs patches down towards their edges, `flat` takes the mean, `centre` cuts the edges off."""
    bands: tuple[PositiveInt, ...] | None = None
    """Numbers of the file's bands, in the order of the model's; None takes those that the model was trained on."""
    rasters: dict[str, str] = Field(default_factory=dict)
    """Further rasters that the model's bands are read from, by name."""


@dataclass(frozen=True)
class MapResult:
    """What was made.

    Attributes:
        path: The map.
        seconds: How long it took.
        height, width: In pixels.
        class_pixels: Class name -> pixels.
        nodata_pixels: Pixels without a class.
        model_name, version: Who predicted it.
    """

    path: Path
    seconds: float
    height: int
    width: int
    class_pixels: dict[str, int]
    nodata_pixels: int
    model_name: str
    version: int

    @property
    def pixels(self) -> int:
        """All pixels of the map."""
        return self.height * self.width


def predict_map(
    tile: str | Path,
    map_path: str | Path,
    client: SegmentationClient,
    options: MapOptions | None = None,
    progress: Progress | None = None,
) -> MapResult:
    """Predicts the class of every pixel of a tile and writes the map.

    One version predicts the whole tile. If it is unloaded on the way because a newer one took its place, the tile is
    begun again with that one, unless the client was told which version to ask.

    Args:
        tile: A raster that GDAL can read.
        map_path: The GeoTIFF to write; it appears when it is complete.
        client: Asks the server.
        options: Overlap, blending, bands.
        progress: Told after every strip.

    Raises:
        MissingFileError, RasterError: If the tile cannot be read or does not fit the model, or the map not be written.
        ServingError: If the server does not answer.
    """
    for _ in range(_TRIES_OF_A_VERSION - 1):
        try:
            return _predict_map(tile, map_path, client, options or MapOptions(), progress)
        except CallError as error:
            if error.code != "NOT_FOUND" or not client.repin():
                raise
    return _predict_map(tile, map_path, client, options or MapOptions(), progress)


def _predict_map(
    tile: str | Path,
    map_path: str | Path,
    client: SegmentationClient,
    options: MapOptions,
    progress: Progress | None,
) -> MapResult:
    started = time.monotonic()
    contract = client.contract()
    with open_image({IMAGE: str(tile), **options.rasters}, _bands(options, contract)) as reader:
        _check_fits(reader, contract)
        version = client.version
        tags = {
            "EOSEG_MODEL": client.model_name,
            "EOSEG_VERSION": str(version),
            "EOSEG_TILE": Path(tile).name,
            "EOSEG_OVERLAP": str(options.overlap),
            "EOSEG_BLEND": options.blend,
        }
        shape = (reader.height, reader.width)
        with open_map(map_path, shape, reader.georeference, contract.table, tags) as writer:
            for class_ids in _class_rows(reader, contract, client, options):
                writer.write(class_ids)
                if progress is not None:
                    progress(writer.rows, reader.height)
    counts = writer.counts
    return MapResult(
        path=Path(map_path),
        seconds=time.monotonic() - started,
        height=shape[0],
        width=shape[1],
        class_pixels={name: int(counts[i]) for i, name in enumerate(contract.table.names)},
        nodata_pixels=int(counts[VOID_ID]),
        model_name=client.model_name,
        version=version,
    )


def _class_rows(
    reader: ImageReader, contract: ModelContract, client: SegmentationClient, options: MapOptions
) -> Iterator[NDArray[np.uint8]]:
    """The map's rows `(rows, width)` uint8, top to bottom."""
    strips = _Strips(reader, contract)
    rows = patch_axis(strips.height, contract.patch_size, options.overlap, options.blend)
    cols = patch_axis(strips.width, contract.patch_size, options.overlap, options.blend)
    blender = RowBlender(rows, cols, len(contract.table))
    upsampler = RowUpsampler((reader.height, reader.width), (strips.height, strips.width), contract.downsample)
    answers = _answers(_requests(strips, rows, cols, client.options.patches_per_request), client)
    answer = next(answers, None)
    done = 0
    for row, next_row in zip(rows.starts, (*rows.starts[1:], None), strict=True):
        while answer is not None and answer.row == row:
            for col, patch_scores in zip(answer.cols, answer.scores, strict=True):
                blender.add(row, col, patch_scores)
            answer = next(answers, None)
        # Scores that are interpolated must be divided by their weights first; the best class is the same without.
        for scores in blender.finish(next_row, divide=contract.downsample > 1):
            for fine in upsampler.add(scores):
                class_ids = fine.argmax(axis=-1).astype(np.uint8)
                class_ids[~strips.take_valid(done, len(fine))] = VOID_ID
                yield class_ids
                done += len(fine)


class _Request(NamedTuple):
    row: int
    cols: tuple[int, ...]
    patches: NDArray[Any]


class _Answer(NamedTuple):
    row: int
    cols: tuple[int, ...]
    scores: NDArray[np.uint8]


def _requests(strips: "_Strips", rows: PatchAxis, cols: PatchAxis, size: int) -> Iterator[_Request]:
    """The patches of the tile, at most `size` a request, all of one request in the same row of patches."""
    for row in rows.starts:
        patches = strips.cut(row, cols)
        while batch := list(itertools.islice(patches, size)):
            yield _Request(row, tuple(col for col, _ in batch), np.stack([patch for _, patch in batch]))


def _answers(requests: Iterator[_Request], client: SegmentationClient) -> Iterator[_Answer]:
    """The answers in the requests' order, so that the sum of the scores does not depend on which comes first.

    Requests run ahead of the answers by twice the client's concurrency: the server is never idle, memory is bounded.
    """
    waiting: deque[tuple[_Request, Future[NDArray[np.uint8]]]] = deque()
    try:
        for request in requests:
            waiting.append((request, client.submit_scores(request.patches)))
            if len(waiting) > 2 * client.options.concurrency:
                first, future = waiting.popleft()
                yield _Answer(first.row, first.cols, future.result())
        while waiting:
            first, future = waiting.popleft()
            yield _Answer(first.row, first.cols, future.result())
    finally:
        for _, future in waiting:
            future.cancel()


class _Strips:
    """The tile, read once from top to bottom at the patches' resolution, a row of patches in memory.

    Attributes:
        height, width: Of the tile in patch pixels.
    """

    def __init__(self, reader: ImageReader, contract: ModelContract) -> None:
        self._reader = reader
        self._size = contract.patch_size
        self._downsample = contract.downsample
        self.height = reader.height // contract.downsample
        self.width = reader.width // contract.downsample
        self._top = 0
        self._pixels = np.empty((0, self.width, len(contract.bands)), contract.dtype)
        self._valid = np.empty((0, self.width), np.bool_)
        self._unclaimed: deque[NDArray[np.bool_]] = deque()
        """Validity of the rows that `take_valid` has not yet asked for, where patches have the tile's resolution."""

    def cut(self, row: int, cols: PatchAxis) -> Iterator[tuple[int, NDArray[Any]]]:
        """Column start and pixels `(size, size, bands)` of the patches at `row`, reflected at the tile's edges.

        Patches without a valid pixel are left out: nothing of them shows in the map.
        """
        self._read_to(row)
        lines = reflected(row, row + self._size, self.height) - self._top
        pixels, valid = self._pixels[lines], self._valid[lines]
        for col in cols.starts:
            on_tile, in_patch = cols.inside(col)
            if not valid[:, on_tile].any():
                continue
            if in_patch == slice(0, self._size):
                yield col, pixels[:, on_tile]
            else:
                yield col, pixels[:, reflected(col, col + self._size, self.width)]

    def take_valid(self, first: int, count: int) -> NDArray[np.bool_]:
        """Which pixels of tile rows `first` to `first + count` are no nodata, `(count, tile width)` bool; in order."""
        if self._downsample > 1:
            return self._reader.read(Window(first, 0, count, self._reader.width)).valid
        taken = []
        while count:
            rows = self._unclaimed.popleft()
            taken.append(rows[:count])
            if len(rows) > count:
                self._unclaimed.appendleft(rows[count:])
            count -= len(taken[-1])
        return np.concatenate(taken)

    def _read_to(self, row: int) -> None:
        """Makes the buffer hold the rows of the patches at `row`."""
        first, last = max(0, row), min(self.height, row + self._size)
        have = self._top + len(self._pixels)
        keep = first - self._top
        self._pixels, self._valid, self._top = self._pixels[keep:], self._valid[keep:], first
        if have >= last:
            return
        window = Window(have, 0, last - have, self.width).scaled(self._downsample)
        strip = self._reader.read(window, self._downsample)
        if strip.pixels.dtype.kind == "f":
            strip.pixels[~np.isfinite(strip.pixels)] = 0  # one NaN would spread over the whole patch
        self._pixels = np.concatenate([self._pixels, strip.pixels])
        self._valid = np.concatenate([self._valid, strip.valid])
        if self._downsample == 1:
            self._unclaimed.append(strip.valid)


def _bands(options: MapOptions, contract: ModelContract) -> BandSet:
    """Which bands to read: those asked for, else those that the model was trained on, else the file's first ones."""
    if options.bands is not None:
        return BandSet.of_numbers(options.bands)
    return contract.band_set or BandSet.of_numbers(range(1, len(contract.bands) + 1), contract.bands)


def _check_fits(reader: ImageReader, contract: ModelContract) -> None:
    if reader.band_count != len(contract.bands):
        raise RasterError(
            f"{reader.path} gives {reader.band_count} band(s)",
            f"{len(contract.bands)} band(s), as the model wants them: {', '.join(contract.bands)}",
            "choose the file's bands in that order, for example --bands 1,2,3",
        )
    if reader.dtype != contract.dtype:
        raise RasterError(
            f"{reader.path} has pixels of type {reader.dtype}",
            f"{contract.dtype}, as the model was trained on",
            "give a tile of the sensor that the model was trained for, in the sensor's own numbers",
        )
    if min(reader.height, reader.width) < contract.downsample:
        raise RasterError(
            f"{reader.path} has {reader.height} x {reader.width} pixels",
            f"at least {contract.downsample} x {contract.downsample}: the model sees that many as one",
            "give a larger tile",
        )
