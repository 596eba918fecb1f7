"""A small clean data set, each tile made of ids, so that a test can plant one fault in it."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from components.classes import ClassTable, LandClass, encode_colors
from components.geo.bands import BandSet
from components.geo.label_options import ColorLabels
from components.label_validation.checks import check_data_set
from components.label_validation.facts import TileFacts
from components.label_validation.findings import Finding
from components.label_validation.measure_tile import TileMeasurer
from components.label_validation.options import ValidationOptions
from components.label_validation.parts import by_tile
from components.splits.ground_blocks import BlockOptions, buffered, plan_blocks
from components.tile_source import Split, TileSource
from tests.make_raster import write_raster

SIDE = 288
"""(288 - 2 * 16) / 64 = 4: sixteen blocks for the shift."""
NOISE = 12.0
BANDS = BandSet.of_numbers((1, 2, 3), ("red", "green", "blue"))
TABLE = ClassTable(
    classes=(
        LandClass(name="roof", color=(255, 0, 0)),
        LandClass(name="lawn", color=(0, 255, 0)),
        LandClass(name="pond", color=(0, 0, 255)),
    ),
    void=(LandClass(name="unlabelled", color=(0, 0, 0)),),
)
COLOURS = np.array([(170, 60, 60), (60, 130, 60), (60, 60, 160)], np.float64)
SPLITS: tuple[Split, ...] = ("train", "train", "train", "train", "eval", "eval")


def place(tile: int, pixel_m: float = 0.5) -> Affine:
    """A kilometre for each tile."""
    return Affine(pixel_m, 0, 500_000 + 1000 * tile, 0, -pixel_m, 5_500_000)


@lru_cache(maxsize=64)
def patchwork(seed: int, side: int = SIDE) -> NDArray[np.uint8]:
    """Irregular parcels of the three classes: every pixel has the class of the nearest of forty random points."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, side, (40, 2))
    rows, cols = np.mgrid[:side, :side]
    nearest = ((rows[..., None] - points[:, 0]) ** 2 + (cols[..., None] - points[:, 1]) ** 2).argmin(axis=-1)
    ids = (np.arange(40) % 3).astype(np.uint8)[nearest]
    ids.flags.writeable = False  # it is kept
    return ids


def photo(ids: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """What a camera would see of it, `(height, width, 3)`."""
    return (COLOURS[ids] + _noise(seed, ids.shape)).clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _noise(seed: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    return np.random.default_rng(seed + 1000).normal(0, NOISE, (*shape, 3))


def blocks_of(source: TileSource, options: BlockOptions, height: int = SIDE, width: int = SIDE) -> list[TileSource]:
    """The ground blocks of a tile, as `tfx_pipeline.split_assignment` cuts it."""
    blocks = plan_blocks(source.tile, height, width, options)
    splits = {block.name: block.split for block in blocks}
    return [
        source.model_copy(update={"tile": f"{source.tile}/{name}", "area": area, "split": splits[name]})
        for name, area in buffered(blocks, splits, options.buffer_px).items()
    ]


@lru_cache
def _measurer(resample: bool) -> TileMeasurer:
    return TileMeasurer(BANDS, TABLE, ColorLabels(resample=resample))


@dataclass
class Scenes:
    """Six tiles on disk."""

    folder: Path
    sources: list[TileSource] = field(default_factory=list)
    resample_labels: bool = False

    def __post_init__(self) -> None:
        for i, split in enumerate(SPLITS):
            source = TileSource(
                tile=f"tile {i}",
                image=str(self.folder / f"tile {i}.tif"),
                label=str(self.folder / f"tile {i} label.tif"),
                split=split,
                date=("2024-05-01", "2024-08-01")[i % 2],
            )
            self.sources.append(source)
            self.write_image(i, photo(patchwork(i), i))
            self.write_label(i, patchwork(i))

    def write_image(self, i: int, pixels: NDArray, **options: object) -> None:
        write_raster(Path(self.sources[i].image), pixels, **{"transform": place(i), **options})

    def write_label(self, i: int, ids: NDArray[np.uint8], **options: object) -> None:
        write_raster(Path(self.sources[i].label), encode_colors(ids, TABLE), **{"transform": place(i), **options})

    def change(self, i: int, **changes: object) -> None:
        self.sources[i] = self.sources[i].model_copy(update=changes)

    def cut(self, options: BlockOptions) -> None:
        """Every tile becomes its ground blocks. Faults are planted before: they go by the tiles' numbers."""
        self.sources = [block for source in self.sources for block in blocks_of(source, options)]

    def facts(self) -> list[TileFacts]:
        return [_measurer(self.resample_labels).measure(*parts.tiles) for parts in by_tile(self.sources)]

    def findings(self, **options: object) -> list[Finding]:
        return check_data_set(self.facts(), TABLE, ValidationOptions.model_validate(options))
