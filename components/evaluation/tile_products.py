"""An evaluated tile as files for the report: its facts as JSON, its pictures as one npz; and back.

The npz holds `overview_image`, `overview_truth`, `overview_predicted`, `overview_confidence` and `overview_place` (row,
column, height, width and step), and the same for `worst_0`,
`worst_1` and so on. Both are named by the tile alone, so that a bundle
that a runner tries again does no harm.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.evaluation.evaluate_tile import EvaluatedTile
from components.evaluation.slices import WorstWindow
from components.evaluation.tile_pictures import Layers, Picture
from components.geo.window import Window

OVERVIEW = "overview"


@dataclass(frozen=True)
class TileFacts:
    """What is known of an evaluated tile beside its counts.

    Attributes:
        tile: The whole tile's id.
        shape: Height and width.
        areas: What was evaluated.
        mapped_pixels: Pixels of each predicted class.
        mapped_square_metres: The ground that they cover; None where it is not known.
        zone_square_metres: The same in each zone that lies on the tile.
        pictures: The npz file's name in the same folder; empty where there is none.
        worst: The windows with the highest share of errors, in the order of the npz.
    """

    tile: str
    shape: tuple[int, int]
    areas: tuple[Window, ...]
    mapped_pixels: tuple[int, ...]
    mapped_square_metres: tuple[float, ...] | None
    zone_square_metres: Mapping[str, tuple[float, ...]]
    pictures: str
    worst: tuple[WorstWindow, ...]


def file_stem(tile: str) -> str:
    """The name of a tile's files, without the ending."""
    return hashlib.sha256(tile.encode()).hexdigest()[:32]


def facts_of(found: EvaluatedTile) -> TileFacts:
    """The facts of an evaluated tile."""
    ground = found.mapped_square_metres
    return TileFacts(
        tile=found.tile,
        shape=found.shape,
        areas=found.areas,
        mapped_pixels=tuple(found.mapped_pixels.tolist()),
        mapped_square_metres=None if ground is None else tuple(ground.tolist()),
        zone_square_metres={name: tuple(of_zone.tolist()) for name, of_zone in found.zone_square_metres.items()},
        pictures="" if found.overview is None else f"{file_stem(found.tile)}.npz",
        worst=tuple(worst for worst, _ in found.worst),
    )


def facts_to_json(facts: TileFacts) -> str:
    """The facts as JSON text."""
    return json.dumps(asdict(facts), allow_nan=False)


def facts_from_json(text: str, name: str = "the facts of a tile") -> TileFacts:
    """The inverse of `facts_to_json`.

    Raises:
        DataError: If the text holds no such facts.
    """
    try:
        read = json.loads(text)
        ground = read["mapped_square_metres"]
        return TileFacts(
            tile=read["tile"],
            shape=(int(read["shape"][0]), int(read["shape"][1])),
            areas=tuple(Window(**area) for area in read["areas"]),
            mapped_pixels=tuple(read["mapped_pixels"]),
            mapped_square_metres=None if ground is None else tuple(ground),
            zone_square_metres={name: tuple(of_zone) for name, of_zone in read["zone_square_metres"].items()},
            pictures=read["pictures"],
            worst=tuple(WorstWindow(**{**worst, "window": Window(**worst["window"])}) for worst in read["worst"]),
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{name} cannot be read: {error!r}", "what EOSeg's evaluation wrote", "evaluate again"
        ) from error


def pictures_to_npz(found: EvaluatedTile) -> bytes:
    """All pictures of a tile as a compressed npz file."""
    arrays: dict[str, NDArray[Any]] = {}
    if found.overview is not None:
        arrays |= _arrays(OVERVIEW, found.overview)
    for i, (_, picture) in enumerate(found.worst):
        arrays |= _arrays(f"worst_{i}", picture)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def pictures_from_npz(data: bytes) -> Iterator[tuple[str, Picture]]:
    """The inverse of `pictures_to_npz`: the overview by the name `overview`, then `worst_0` and so on."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        entries: Mapping[str, NDArray[Any]] = {entry: file[entry] for entry in file.files}
    for name in [entry.removesuffix("_place") for entry in entries if entry.endswith("_place")]:
        place = [int(number) for number in entries[f"{name}_place"]]
        layers = Layers(*(entries[f"{name}_{layer}"] for layer in ("truth", "predicted", "confidence")))
        yield name, Picture(Window(*place[:4]), place[4], entries[f"{name}_image"], layers)


def _arrays(name: str, picture: Picture) -> dict[str, NDArray[Any]]:
    window = picture.window
    return {
        f"{name}_place": np.array([window.row, window.col, window.height, window.width, picture.step]),
        f"{name}_image": picture.image,
        f"{name}_truth": picture.layers.truth,
        f"{name}_predicted": picture.layers.predicted,
        f"{name}_confidence": picture.layers.confidence,
    }
