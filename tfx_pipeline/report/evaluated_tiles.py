"""Whole tiles to look at, as the evaluation left them: an overview of each, and the windows with most errors."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID, ClassTable
from components.errors import DataError
from components.evaluation.figures import MEAN_IOU, OVERALL_ACCURACY
from components.evaluation.map_evaluator.files import TILES_FOLDER, MapEvaluationFiles
from components.evaluation.tile_pictures import Picture
from components.evaluation.tile_products import OVERVIEW, pictures_from_npz
from components.file_systems import local_copy
from tfx_pipeline.report import pictures
from tfx_pipeline.report.figure_rows import defined
from tfx_pipeline.report.layers import Ground, Layers, layers_of, within_budget

MOST_TILES = 50
"""The least accurate ones; the others stand in the table alone."""
TILES_BUDGET_BYTES = 4_500_000
FULL_SIDE_PX = 1024
FULL_SIZE_TILES = 6
"""With more tiles than these each becomes smaller, so that all together weigh about as much."""

MOST_WINDOWS = 12
WINDOWS_BUDGET_BYTES = 1_600_000
WINDOW_SIDE_PX = 320


@dataclass(frozen=True)
class ShownTile:
    """An evaluated tile.

    Attributes:
        tile: Its id.
        height, width: Of what was evaluated, in tile pixels.
        accuracy, mean_iou: Of the tile; NaN where absent.
        layers: The overview.
    """

    tile: str
    height: int
    width: int
    accuracy: float
    mean_iou: float
    layers: Layers


@dataclass(frozen=True)
class ShownWindow:
    """A window of a tile with many errors: its upper left corner and size in tile pixels, and its share of errors."""

    tile: str
    row: int
    col: int
    height: int
    width: int
    wrong_share: float
    layers: Layers


def shown_tiles(found: MapEvaluationFiles, table: ClassTable, most: int = MOST_TILES) -> Sequence[ShownTile]:
    """The overviews, the least accurate tile first; tiles without pictures are left out.

    Raises:
        EosegError: If a tile's file cannot be read.
    """
    figures = {facts["tile"]: found.document["slices"].get(f"tile/{facts['tile']}", {}) for facts in _facts(found)}

    def accuracy(tile: str) -> float:
        return defined(figures[tile].get(OVERALL_ACCURACY))

    order = sorted(_facts(found), key=lambda facts: (_last(accuracy(facts["tile"])), facts["tile"]))

    def encode(side_px: int) -> list[ShownTile]:
        shown = []
        for facts in order[:most]:
            tile = facts["tile"]
            overview = _pictures(found, facts)[OVERVIEW]
            ground = _ground(overview, _stretch(overview))
            shown.append(
                ShownTile(
                    tile=tile,
                    height=overview.window.height,
                    width=overview.window.width,
                    accuracy=accuracy(tile),
                    mean_iou=defined(figures[tile].get(MEAN_IOU)),
                    layers=layers_of(ground, table, side_px),
                )
            )
        return shown

    side_px = tile_side_px(min(len(order), most))
    return within_budget(TILES_BUDGET_BYTES, side_px, encode, lambda shown: shown.layers.weight)


def tile_side_px(tiles: int) -> int:
    """The longest side of each overview on a page of so many."""
    return FULL_SIDE_PX if tiles <= FULL_SIZE_TILES else round(FULL_SIDE_PX * (FULL_SIZE_TILES / tiles) ** 0.5)


def shown_windows(found: MapEvaluationFiles, table: ClassTable, most: int = MOST_WINDOWS) -> Sequence[ShownWindow]:
    """The windows with the highest share of errors in all tiles, the worst first; those without pictures left out.

    Raises:
        EosegError: If a tile's file cannot be read.
    """
    grounds = dict(_window_grounds(found, most))

    def encode(side_px: int) -> list[ShownWindow]:
        return [
            ShownWindow(tile, row, col, height, width, share, layers_of(ground, table, side_px))
            for (tile, row, col, height, width, share), ground in sorted(
                grounds.items(), key=lambda entry: (-entry[0][-1], entry[0])
            )
        ]

    return within_budget(WINDOWS_BUDGET_BYTES, WINDOW_SIDE_PX, encode, lambda shown: shown.layers.weight)


_Place = tuple[str, int, int, int, int, float]


def _window_grounds(found: MapEvaluationFiles, most: int) -> Iterator[tuple[_Place, Ground]]:
    """The worst of the windows that tiles kept pictures of; each tile kept its own worst."""
    entries = [
        (worst["errors"] / worst["pixels"], facts["tile"], number)
        for facts in _facts(found)
        for number, worst in enumerate(facts["worst"])
    ]
    wanted: dict[str, list[tuple[int, float]]] = {}
    for share, tile, number in sorted(entries, key=lambda entry: (-entry[0], entry[1], entry[2]))[:most]:
        wanted.setdefault(tile, []).append((number, share))
    for facts in _facts(found):
        if facts["tile"] not in wanted:
            continue
        of_tile = _pictures(found, facts)
        stretch = _stretch(of_tile[OVERVIEW])
        for number, share in wanted[facts["tile"]]:
            picture = of_tile[f"worst_{number}"]
            window = picture.window
            place = (facts["tile"], window.row, window.col, window.height, window.width, share)
            yield place, _ground(picture, pictures.adapted(stretch, picture.image))


def _facts(found: MapEvaluationFiles) -> list[Mapping[str, Any]]:
    return [facts for facts in found.document["tiles"] if facts["pictures"]]


def _pictures(found: MapEvaluationFiles, facts: Mapping[str, Any]) -> dict[str, Picture]:
    path = f"{found.uri}/{TILES_FOLDER}/{facts['pictures']}"
    with local_copy(path) as file:
        try:
            return dict(pictures_from_npz(file.read_bytes()))
        except (ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(
                f"{path} cannot be read: {error!r}", "the pictures that the evaluation wrote", "run again"
            ) from error


def _stretch(overview: Picture) -> pictures.Stretch:
    return pictures.find_stretch(overview.image, overview.image.any(axis=-1))


def _ground(picture: Picture, stretch: pictures.Stretch) -> Ground:
    layers = picture.layers
    return Ground(_photo(picture, stretch), layers.predicted, layers.truth, layers.confidence)


def _photo(picture: Picture, stretch: pictures.Stretch) -> NDArray[np.uint8]:
    photo = pictures.stretched(picture.image, stretch)
    # Nodata, which is neither predicted nor counted: paper, not night.
    photo[(picture.layers.predicted == VOID_ID) & ~picture.image.any(axis=-1)] = 255
    return photo


def _last(value: float) -> float:
    """For sorting: what is absent comes last."""
    return math.inf if math.isnan(value) else value
