"""Writes GeoTIFFs of classes, the one place that says how: labels that are converted, and maps that are predicted."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from components.classes import VOID_ID, ClassTable, Color
from components.errors import EosegError, RasterError
from components.geo.raster import Georeference

BLOCK = 512
"""Pixels a side of the file's blocks. Write whole rows of them: a block that is compressed twice leaves its first copy
in the file."""

COMPRESSION = {"compress": "deflate"}
"""Without predictor: differences of class numbers say less than the numbers (real masks took 385 kB instead of 330,
with speckles 1002 instead of 892). Zstandard would take a tenth less at best, and not every program reads it."""


@contextmanager
def create_geotiff(
    path: str | Path,
    shape: tuple[int, int],
    georeference: Georeference,
    bands: int = 1,
    *,
    holds: str = "labels",
    nodata: int | None = None,
) -> Iterator[Any]:
    """Creates a tiled, compressed uint8 GeoTIFF with overviews by nearest neighbour.

    It gets its name when the block ends without an error; otherwise nothing is left, and a file that was there stays.

    Args:
        path: A local path; its folder is made.
        shape: (height, width) in pixels.
        georeference: Of the upper left corner.
        bands: 1, or 3 for red, green and blue.
        holds: What it holds, for the error message.
        nodata: The nodata tag.

    Yields:
        The open `rasterio.io.DatasetWriter`.

    Raises:
        RasterError: If the file cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part.tif")
    how: dict[str, Any] = {"photometric": "RGB"} if bands == 3 else {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the tile had none either
            dataset = rasterio.open(
                part,
                "w",
                driver="GTiff",
                height=shape[0],
                width=shape[1],
                count=bands,
                dtype="uint8",
                nodata=nodata,
                crs=georeference.crs or None,
                transform=georeference.transform,
                tiled=True,
                blockxsize=BLOCK,
                blockysize=BLOCK,
                bigtiff="if_safer",
                **COMPRESSION,
                **how,
            )
        with dataset:
            yield dataset
        _add_overviews(part, shape)
        part.replace(path)
    except EosegError:
        raise  # of the block; some are OSErrors, too
    except (RasterioError, OSError) as error:
        raise RasterError(
            f"{path} cannot be written: {error}",
            f"a folder that can be written to, with room for the {holds}",
            "choose another path, or make room",
        ) from error
    finally:
        with suppress(OSError):  # the folder itself may be missing
            part.unlink()


def describe_classes(
    dataset: Any, table: ClassTable, void: tuple[int, int, int, int], tags: Mapping[str, str] | None = None
) -> None:
    """Gives a one-band file its palette, and the classes' names as the tags `CLASS_<id>` and `CLASS_NAMES` (JSON).

    Args:
        dataset: As `create_geotiff` gives it, before pixels are written.
        table: The classes.
        void: Red, green, blue and opacity of the ids that are no class.
        tags: Further tags.
    """
    palette = dict.fromkeys(range(VOID_ID + 1), void)
    palette.update({i: (*color, 255) for i, color in enumerate(table.colors)})
    dataset.write_colormap(1, palette)
    dataset.colorinterp = (ColorInterp.palette,)
    names = {f"CLASS_{i}": name for i, name in enumerate(table.names)}
    dataset.update_tags(**names, CLASS_NAMES=json.dumps(table.names), **(tags or {}))


def void_color(table: ClassTable) -> Color:
    """The first void colour of the table; without one, the grey that lies farthest from all classes."""
    if table.void:
        return table.void[0].color
    grey = max(range(256), key=lambda g: min(max(abs(channel - g) for channel in color) for color in table.colors))
    return grey, grey, grey


def _add_overviews(path: Path, shape: tuple[int, int]) -> None:
    """Half, a quarter, ... until one block holds the raster. A class number is never an average of others."""
    factors: list[int] = []
    while max(shape) > BLOCK * 2 ** len(factors):
        factors.append(2 ** (len(factors) + 1))
    if not factors:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(path, "r+")
    with dataset:
        dataset.build_overviews(factors, Resampling.nearest)
