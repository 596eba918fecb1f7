"""Ground blocks are parts of one tile: read together, summed each by itself, and judged as the tile that they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.geo.label_reader import LabelReader
from components.geo.window import Window
from components.label_validation.band_origins import BandOrigin
from components.label_validation.facts import PartFacts
from components.label_validation.sampling import PixelSample
from components.label_validation.tally import Tallier
from components.tile_source import TileList, TileSource


def by_tile(sources: Sequence[TileSource]) -> list[TileList]:
    """The sources with the ground blocks of each tile together, in the order in which the tiles first come."""
    parts: dict[str, list[TileSource]] = {}
    for source in sources:
        parts.setdefault(source.whole_tile, []).append(source)
    return [TileList(tiles=tuple(together)) for together in parts.values()]


def whole_tile(parts: Sequence[TileSource]) -> TileSource:
    """The tile that some sources are the ground blocks of; a source that is no block, as it is.

    Its `split` is that of the first block: `TileFacts.splits` knows all.
    """
    first = parts[0]
    if first.whole_tile == first.tile:
        return first
    return first.model_copy(update={"tile": first.whole_tile, "area": None})


def frame_of(areas: Sequence[Window]) -> Window:
    """The smallest window that holds all areas."""
    row, col = min(area.row for area in areas), min(area.col for area in areas)
    stop, right = max(area.row_stop for area in areas), max(area.col_stop for area in areas)
    return Window(row, col, stop - row, right - col)


class PartSums:
    """What is summed of one part, strip by strip.

    Args:
        source: The part.
        area: Its pixels.
        frame: Of all parts of the tile. It decides which pixels are sampled, so that samples of parts add up to that of
            the tile, and many small blocks cost no more than one large tile.
        bands: In record order.
        class_count: K.
    """

    def __init__(
        self, source: TileSource, area: Window, frame: Window, bands: Sequence[BandOrigin], class_count: int
    ) -> None:
        self.source = source
        self.area = area
        self.sample = PixelSample(frame, bands, class_count)
        self.tallier = Tallier(class_count)
        self.valid_count = self.ignored_count = 0

    def add(
        self,
        strip: Window,
        pixels: NDArray[Any],
        valid: NDArray[np.bool_] | None,
        ids: NDArray[np.uint8] | None,
        ignored: NDArray[np.bool_] | None,
        label: LabelReader | None,
    ) -> None:
        """Adds what a strip of the tile holds of the part.

        Args:
            strip: Where the strip lies in the tile.
            pixels: `(height, width, bands)`.
            valid: `(height, width)`, or None where all pixels are valid.
            ids: `(height, width)` class ids, or None where they do not fit onto the image.
            ignored: `(height, width)`, or None where nothing is.
            label: Where `ids` come from.
        """
        window = self.area.intersection(strip)
        if window is None:
            return
        here = Window(window.row - strip.row, window.col - strip.col, window.height, window.width).slices
        own_valid = None if valid is None else valid[here]
        self.valid_count += window.height * window.width if own_valid is None else int(np.count_nonzero(own_valid))
        own_ids = None if ids is None else ids[here]
        if own_ids is not None and label is not None:
            self.tallier.add(own_ids, window.row, window.col, lambda: label.read_raw(window))
        if ignored is not None:
            self.ignored_count += int(np.count_nonzero(ignored[here]))
        self.sample.add(pixels[here], own_valid, own_ids, window.row, window.col)

    def facts(self, label: LabelReader | None) -> PartFacts:
        """What was summed; without a tally where there was no label."""
        return PartFacts(
            source=self.source,
            valid_share=self.valid_count / (self.area.height * self.area.width),
            bands=self.sample.bands(),
            tally=None if label is None else self.tallier.tally(label.describe),
        )


def only_in(areas: Sequence[Window], ids: NDArray[np.uint8], strip: Window) -> NDArray[np.uint8]:
    """The class ids `(height, width)` of a strip, void outside all areas (buffers, blocks that are left out)."""
    inside = np.full_like(ids, VOID_ID)
    for area in areas:
        window = area.intersection(strip)
        if window is not None:
            here = Window(window.row - strip.row, window.col - strip.col, window.height, window.width).slices
            inside[here] = ids[here]
    return inside
