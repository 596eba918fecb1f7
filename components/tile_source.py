"""One tile of a data set: where its image and label lie, and which split it belongs to."""

from typing import Literal

from components.options import Options

Split = Literal["train", "eval", "test"]
SPLITS: tuple[Split, ...] = ("train", "eval", "test")


class TileSource(Options):
    """A tile with its label. Paths are local and may hold spaces."""

    tile: str
    """The tile's id: unique in the data set."""
    image: str
    label: str
    split: Split


class TileList(Options):
    """The tiles of a data set, as they travel to a step of the pipeline."""

    tiles: tuple[TileSource, ...]
