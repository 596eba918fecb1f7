"""A tile and who scores its patches, to the tile's rows of blended scores; in bounded memory."""

import itertools
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from components.contract import ModelContract
from components.errors import EosegError
from components.geo.image import ImageReader
from components.geo.window import Window
from components.mapping.augmentation import TURNS, Turn
from components.mapping.blended_rows import BlendedRows
from components.mapping.blending import RowBlender, Sums
from components.mapping.map_options import MapOptions
from components.mapping.patch_axis import PatchAxis, patch_axis
from components.mapping.tile_strips import TileStrips
from components.mapping.upsampling import RowUpsampler, first_coarse_row


class Scorer(Protocol):
    """Who scores patches: a model server's client, a network, a function."""

    @property
    def patches_per_request(self) -> int:
        """At most so many patches are given at once."""

    @property
    def most_waiting(self) -> int:
        """At most so many requests are given before the first one's answer is taken; bounds memory."""

    def submit(self, patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
        """Scores `(n, size, size, K)` uint8, probability times 255, of `(n, size, size, bands)` patches."""


class ScoringError(EosegError, RuntimeError):
    """Patches that were not scored; the scorer's own error is the cause.

    Attributes:
        window: Where they lie, in tile pixels; may reach past the tile's edges.
        tile: The tile's path.
    """

    def __init__(self, problem: str, expected: str, remedy: str, window: Window, tile: str) -> None:
        super().__init__(problem, expected, remedy)
        self.window = window
        self.tile = tile
        self.args = (problem, expected, remedy, window, tile)  # survives pickling


def blended_rows(
    reader: ImageReader, contract: ModelContract, scorer: Scorer, options: MapOptions, first_row: int = 0
) -> Generator[BlendedRows, None, None]:
    """The rows of a tile from `first_row` on, top to bottom, a few at a time.

    They depend neither on the scorer's patches a request and requests waiting, nor on the order in which answers come,
    nor, bit by bit, on `first_row`: a map may be made in several goes.

    Args:
        reader: The tile, open, with the bands of `options.band_set(contract)`.
        contract: Of the model that scores.
        scorer: Scores patches.
        options: Overlap, blending, turns.
        first_row: Number of the first row that is wanted.

    Raises:
        RasterError: If the tile cannot be read, or does not fit the model.
        ScoringError: If the scorer fails.
    """
    with TileStrips(reader, contract) as strips:
        yield from _rows_of(strips, reader, contract, scorer, options, first_row)


def _rows_of(
    strips: TileStrips,
    reader: ImageReader,
    contract: ModelContract,
    scorer: Scorer,
    options: MapOptions,
    first_row: int,
) -> Iterator[BlendedRows]:
    rows = patch_axis(strips.height, contract.patch_size, options.overlap, options.blend)
    cols = patch_axis(strips.width, contract.patch_size, options.overlap, options.blend)
    turns = TURNS[options.augment]
    factor = contract.downsample
    top = first_row if factor == 1 else first_coarse_row(first_row, strips.height, factor)
    starts = [start for start in rows.starts if start + rows.size > top]
    blender = RowBlender(rows, cols, len(contract.table), top, times=len(turns))
    upsampler = None
    if factor > 1:
        upsampler = RowUpsampler((reader.height, reader.width), (strips.height, strips.width), factor, first_row)
    requests = _requests(strips, starts, cols, turns, scorer.patches_per_request)
    answers = _answers(requests, scorer, reader, contract)
    answer = next(answers, None)
    done = first_row
    for row, next_row in zip(starts, (*starts[1:], None), strict=True):
        while answer is not None and answer.row == row:
            for (col, turn), scores in zip(answer.shown, answer.scores, strict=True):
                blender.add(row, col, turn.back(scores))
            answer = next(answers, None)
        for sums in blender.finish(next_row):
            for fine in (sums,) if upsampler is None else _upsampled(upsampler, sums):
                count = fine.scores.shape[1]
                yield BlendedRows(done, fine.scores, fine.weights, strips.take_valid(done, count))
                done += count


def _upsampled(upsampler: RowUpsampler, sums: Sums) -> Iterator[Sums]:
    """Scores that are interpolated must be divided by their weights first."""
    one = np.ones((1, 1), np.float32)
    for fine in upsampler.add(sums.scores / sums.weights):
        yield Sums(fine, one)


class _Request(NamedTuple):
    row: int
    shown: tuple[tuple[int, Turn], ...]
    """Column of each patch, and how it is turned."""
    patches: NDArray[Any]


class _Answer(NamedTuple):
    row: int
    shown: tuple[tuple[int, Turn], ...]
    scores: NDArray[np.uint8]


def _requests(
    strips: TileStrips, starts: list[int], cols: PatchAxis, turns: tuple[Turn, ...], size: int
) -> Iterator[_Request]:
    """The patches of the tile, at most `size` a request, all of one request in the same row of patches."""
    for row, next_row in zip(starts, (*starts[1:], None), strict=True):
        shown = ((col, turn, patch) for col, patch in strips.cut(row, cols, next_row) for turn in turns)
        while batch := list(itertools.islice(shown, size)):
            patches = np.stack([turn.of_patch(patch) for _, turn, patch in batch])
            yield _Request(row, tuple((col, turn) for col, turn, _ in batch), patches)


def _answers(
    requests: Iterator[_Request], scorer: Scorer, reader: ImageReader, contract: ModelContract
) -> Iterator[_Answer]:
    """The answers in the requests' order, so that the sum of the scores does not depend on which comes first."""
    waiting: deque[tuple[_Request, Future[NDArray[np.uint8]]]] = deque()

    def first() -> _Answer:
        request, future = waiting.popleft()
        try:
            return _Answer(request.row, request.shown, future.result())
        except Exception as error:  # whatever a scorer raises: the window it happened in must be said
            raise _scoring_error(request, error, reader, contract) from error

    try:
        for request in requests:
            while len(waiting) >= scorer.most_waiting:
                yield first()
            try:
                future = scorer.submit(request.patches)
            except Exception as error:  # as above
                raise _scoring_error(request, error, reader, contract) from error
            waiting.append((request, future))
        while waiting:
            yield first()
    finally:
        for _, future in waiting:
            future.cancel()


def _scoring_error(request: _Request, error: Exception, reader: ImageReader, contract: ModelContract) -> ScoringError:
    columns = [col for col, _ in request.shown]
    width = columns[-1] + contract.patch_size - columns[0]
    window = Window(request.row, columns[0], contract.patch_size, width).scaled(contract.downsample)
    where = (
        f"rows {max(0, window.row)} to {min(reader.height, window.row_stop) - 1}, "
        f"columns {max(0, window.col)} to {min(reader.width, window.col_stop) - 1}"
    )
    own = error if isinstance(error, EosegError) else EosegError(f"{type(error).__name__}: {error}")
    return ScoringError(f"{reader.path}, {where}: {own.problem}", own.expected, own.remedy, window, reader.path)
