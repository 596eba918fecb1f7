"""Whether a label would fit its image better if it were moved: edges of the label against gradients of the image.

The tile is sampled by square blocks on a regular grid, at full resolution. In each block b,

    B(x)   = 1 at pixels beside which the class changes, 0 elsewhere
    G(x)   = square root of the image's gradient (mean of the bands, each relative to its own mean in the block),
             divided by its mean over the block and the margin around it
    S_b(d) = sum_x B(x) G(x + d) / sum_x B(x) - 1          for every translation d up to REACH pixels

so S_b(d) says by what share the image is steeper under the label's edges, moved by d, than anywhere. The square root
keeps a few hard shadows from outvoting everything else. S(d) is the mean over blocks. A label in its place has its
maximum near d = 0 even where shadows and leaning walls run parallel to its edges, since the true edges are there too;
a shifted one has nothing at 0. So a finding needs all of: a best d away from 0, S(0) below half of S(d), and a paired
t over the blocks, of S_b(d) - S_b(0), that the best of about a thousand translations would hardly reach by chance
(`ValidationOptions.max_shift_chance`). The correlations of all translations come from one Fourier transform a block.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from components.geo.window import Window
from components.label_validation.facts import ShiftFacts

BLOCK, REACH = 64, 16
"""Pixels a side of a block, and the farthest translation tried."""
MOST_BLOCKS = 16
"""A side of the grid of blocks, so that a large tile costs no more than one of 1200 pixels a side."""
LEAST_BLOCKS = 9
"""Fewer blocks with edges say nothing."""
LEAST_EDGE = 32
"""Edge pixels that a block needs, half a side's length."""
MOST_BANDS = 4
"""Bands whose gradients are taken: the first ones."""

_SIDE = BLOCK + 2 * REACH


def chance(shift: ShiftFacts) -> float:
    """How probable such a t is for the best of all translations where none is better, at most 1."""
    translations = (2 * REACH + 1) ** 2
    return min(1.0, translations * float(special.stdtr(shift.blocks - 1, -shift.t)))


class ShiftProbe:
    """Collects blocks of one tile strip by strip.

    Args:
        area: The part of the tile that is measured.
        class_count: K; other ids have no edges.
    """

    def __init__(self, area: Window, class_count: int) -> None:
        self._class_count = class_count
        self._tops = _starts(area.row, area.height)
        self._lefts = [left - area.col for left in _starts(area.col, area.width)]
        self._area = area
        self._open: dict[int, list[tuple[NDArray[Any], NDArray[np.bool_] | None, NDArray[np.uint8]]]] = {}
        self._scores: list[NDArray[np.float64]] = []
        self._centres: list[tuple[int, int]] = []

    def add(self, pixels: NDArray[Any], valid: NDArray[np.bool_] | None, ids: NDArray[np.uint8], row: int) -> None:
        """Adds a strip of the area's whole width; strips come top to bottom without gaps.

        Args:
            pixels: `(height, width, bands)`.
            valid: `(height, width)`, or None where all pixels are valid.
            ids: `(height, width)` class ids.
            row: Of the first row, in tile pixels.
        """
        stop = row + ids.shape[0]
        for top in self._tops:
            first, last = max(top, row), min(top + _SIDE, stop)
            if first >= last:
                continue
            rows = slice(first - row, last - row)
            pieces = self._open.setdefault(top, [])
            piece = (pixels[rows], None if valid is None else valid[rows], ids[rows])
            if last == top + _SIDE:
                self._finish(top, [*pieces, piece])
                del self._open[top]
            else:  # copied: a view would keep the whole strip
                part, inside, classes = piece
                pieces.append((part.copy(), None if inside is None else inside.copy(), classes.copy()))

    def facts(self) -> ShiftFacts | None:
        """The best translation; None with fewer than `LEAST_BLOCKS` blocks."""
        if len(self._scores) < LEAST_BLOCKS:
            return None
        scores = np.stack(self._scores)
        mean = scores.mean(axis=0)
        best = np.unravel_index(int(mean.argmax()), mean.shape)
        here = (REACH, REACH)
        gains = scores[:, best[0], best[1]] - scores[:, here[0], here[1]]
        spread = float(gains.std(ddof=1))
        most = int(gains.argmax())
        return ShiftFacts(
            rows=int(best[0]) - REACH,
            cols=int(best[1]) - REACH,
            excess_here=float(mean[here]),
            excess_best=float(mean[best]),
            t=float(gains.mean() / (spread / np.sqrt(len(gains)))) if spread else 0.0,
            blocks=len(gains),
            row=self._centres[most][0],
            col=self._centres[most][1],
        )

    def _finish(self, top: int, pieces: list[tuple[NDArray[Any], NDArray[np.bool_] | None, NDArray[np.uint8]]]) -> None:
        """Scores the row of blocks whose margin starts at `top`."""
        ids = np.concatenate([piece[2] for piece in pieces])
        edges, lefts = [], []
        for left in self._lefts:
            inner = ids[REACH - 1 : REACH + BLOCK + 1, left + REACH - 1 : left + REACH + BLOCK + 1]
            edge = _edges(inner, self._class_count)
            if np.count_nonzero(edge) >= LEAST_EDGE:
                edges.append(edge)
                lefts.append(left)
        if not lefts:
            return
        pixels = [np.concatenate([piece[0][:, left : left + _SIDE, :MOST_BANDS] for piece in pieces]) for left in lefts]
        valid = [
            np.concatenate([
                np.ones((piece[2].shape[0], _SIDE), np.bool_) if piece[1] is None else piece[1][:, left : left + _SIDE]
                for piece in pieces
            ])
            for left in lefts
        ]  # fmt: skip
        scores = _correlate(np.stack(edges), _gradient(np.stack(pixels), np.stack(valid)))
        for left, score in zip(lefts, scores, strict=True):
            self._scores.append(score)
            centre = _SIDE // 2
            self._centres.append((top + centre, self._area.col + left + centre))


def _starts(first: int, length: int) -> list[int]:
    """First pixels of the blocks' margins along one axis: evenly spread, blocks never overlap."""
    count = min(MOST_BLOCKS, (length - 2 * REACH) // BLOCK)
    if count <= 0:
        return []
    spare = length - 2 * REACH - count * BLOCK
    return [first + i * BLOCK + spare * (2 * i + 1) // (2 * count) for i in range(count)]


def _edges(ids: NDArray[np.uint8], class_count: int) -> NDArray[np.float32]:
    """Pixels on both sides of a change from one class to another; ids with a rim of one pixel, result without it."""
    known = ids < class_count
    edge = np.zeros(ids.shape, np.bool_)
    for a, b in (((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
                 ((slice(1, None), slice(None)), (slice(None, -1), slice(None)))):  # fmt: skip
        change = (ids[a] != ids[b]) & known[a] & known[b]
        edge[a] |= change
        edge[b] |= change
    return edge[1:-1, 1:-1].astype(np.float32)


def _gradient(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """G - 1 of blocks `(blocks, side, side, bands)`, `(blocks, side, side)`; 0 at nodata and beside it."""
    values = np.nan_to_num(np.moveaxis(pixels, -1, 0).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    steep = np.zeros_like(values)
    # Central differences: a step between two pixels weighs the same on both, as it does in `_edges`.
    steep[..., 1:-1] += np.abs(values[..., 2:] - values[..., :-2])
    steep[..., 1:-1, :] += np.abs(values[..., 2:, :] - values[..., :-2, :])
    sound = valid.copy()
    sound[:, :, 1:] &= valid[:, :, :-1]
    sound[:, :, :-1] &= valid[:, :, 1:]
    sound[:, 1:] &= valid[:, :-1]
    sound[:, :-1] &= valid[:, 1:]
    steep *= sound
    count = np.maximum(sound.sum(axis=(1, 2), keepdims=True), 1)
    level = steep.sum(axis=(2, 3), keepdims=True) / count
    root = np.sqrt((steep / np.where(level > 0, level, 1)).mean(axis=0))
    mean = root.sum(axis=(1, 2), keepdims=True) / count
    relative: NDArray[np.float32] = np.where(sound & (mean > 0), root / np.where(mean > 0, mean, 1) - 1, 0)
    return relative.astype(np.float32)


def _correlate(edges: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float64]:
    """S_b(d), `(blocks, 2 * REACH + 1, 2 * REACH + 1)`: [REACH + rows, REACH + cols] for d = (rows, cols)."""
    shape = (_SIDE, _SIDE)
    # Edge pixel x of the block stands at x + REACH in the margin's pixels: entry k of the correlation is d + REACH.
    product = fft.rfft2(gradient, shape) * np.conj(fft.rfft2(edges, shape))
    sums = fft.irfft2(product, shape)[:, : 2 * REACH + 1, : 2 * REACH + 1]
    scores: NDArray[np.float64] = sums / edges.sum(axis=(1, 2))[:, None, None]
    return scores.astype(np.float64)
