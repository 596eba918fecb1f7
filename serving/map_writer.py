"""Writes a class map as a tiled, compressed GeoTIFF that appears only when it is complete."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterioWindow

from components.classes import VOID_ID, ClassTable
from components.errors import EosegError, RasterError
from components.geo.raster import Georeference

BLOCK = 256
"""Pixels a side of the file's blocks."""


class MapWriter:
    """An open map; made by `open_map`. Rows are written top to bottom.

    Attributes:
        counts: `(256,)` int64, how many pixels of each class id were written.
        rows: How many rows were written.
    """

    def __init__(self, dataset: rasterio.io.DatasetWriter) -> None:
        self._dataset = dataset
        self._waiting: list[NDArray[np.uint8]] = []
        self._next_row = 0
        self.rows = 0
        self.counts = np.zeros(256, np.int64)

    def write(self, class_ids: NDArray[np.uint8]) -> None:
        """Appends rows `(rows, width)` uint8 of class ids, `VOID_ID` for nodata."""
        self.counts += np.bincount(class_ids.ravel(), minlength=256)
        self.rows += len(class_ids)
        self._waiting.append(class_ids)
        waiting = self.rows - self._next_row
        # Only whole rows of blocks: a block that is compressed twice leaves its first copy in the file.
        whole = waiting - waiting % BLOCK
        if whole:
            rows = np.concatenate(self._waiting)
            self._write(rows[:whole])
            self._waiting = [rows[whole:]]

    def flush(self) -> None:
        """Writes the rows that fill no whole block; the last thing to do."""
        rows = np.concatenate(self._waiting) if self._waiting else np.empty((0, self._dataset.width), np.uint8)
        if len(rows):
            self._write(rows)
        self._waiting = []

    def _write(self, rows: NDArray[np.uint8]) -> None:
        window = RasterioWindow(0, self._next_row, rows.shape[1], rows.shape[0])
        self._dataset.write(rows, 1, window=window)
        self._next_row += len(rows)


@contextmanager
def open_map(
    path: str | Path,
    shape: tuple[int, int],
    georeference: Georeference,
    table: ClassTable,
    tags: Mapping[str, str],
) -> Iterator[MapWriter]:
    """Creates a map; it gets its name when the block ends without an error, and leaves nothing behind otherwise.

    Args:
        path: A local path; its folder is made.
        shape: (height, width) in pixels.
        georeference: Of the tile.
        table: Class names and colours: the palette, and the tags `CLASS_<id>` and `CLASS_NAMES`.
        tags: Further tags, for instance provenance.

    Raises:
        RasterError: If the file cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part.tif")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the tile had none either
            with rasterio.open(
                part,
                "w",
                driver="GTiff",
                height=shape[0],
                width=shape[1],
                count=1,
                dtype="uint8",
                nodata=VOID_ID,
                crs=georeference.crs or None,
                transform=georeference.transform,
                tiled=True,
                blockxsize=BLOCK,
                blockysize=BLOCK,
                compress="deflate",
                bigtiff="if_safer",
            ) as dataset:
                dataset.write_colormap(1, _palette(table))
                dataset.colorinterp = (ColorInterp.palette,)
                names = {f"CLASS_{i}": name for i, name in enumerate(table.names)}
                dataset.update_tags(**names, CLASS_NAMES=json.dumps(table.names), **tags)
                dataset.set_band_description(1, "land cover")
                writer = MapWriter(dataset)
                yield writer
                writer.flush()
        part.replace(path)
    except EosegError:
        raise  # of the block; some are OSErrors, too
    except (RasterioError, OSError) as error:
        raise RasterError(
            f"{path} cannot be written: {error}",
            "a folder that can be written to, with room for the map",
            "choose another path, or make room",
        ) from error
    finally:
        with suppress(OSError):  # the folder itself may be missing
            part.unlink()


def _palette(table: ClassTable) -> dict[int, tuple[int, int, int, int]]:
    palette = dict.fromkeys(range(256), (0, 0, 0, 255))
    palette.update({i: (*color, 255) for i, color in enumerate(table.colors)})
    palette[VOID_ID] = (0, 0, 0, 0)
    return palette
