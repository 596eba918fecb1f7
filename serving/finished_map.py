"""Opens a finished class map for the products that are made of it, and makes files that appear only when complete."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterioWindow

from components.classes import VOID_ID, ClassTable
from components.errors import EosegError, MissingFileError, RasterError
from components.geo.geotiff import CACHE_MB
from components.geo.raster import Georeference, Grid


@dataclass(frozen=True)
class FinishedMap:
    """An open map; made by `open_finished_map`.

    Attributes:
        path: Where it lies.
        grid: Its size and place.
        block_rows: Rows of the file's blocks: what is read together anyway.
        tags: The file's.
        colors: Red, green, blue and opacity of the numbers 0 to 255; empty without a palette.
        is_cog: Whether it is a Cloud-Optimised GeoTIFF.
    """

    path: Path
    grid: Grid
    block_rows: int
    tags: dict[str, str]
    colors: dict[int, tuple[int, int, int, int]]
    is_cog: bool
    _dataset: Any
    _classes: int

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Class ids `(stop - start, width)` uint8 of rows.

        Raises:
            RasterError: If they cannot be read, or hold a number that is no class.
        """
        try:
            ids: NDArray[np.uint8] = self._dataset.read(
                1, window=RasterioWindow(0, start, self.grid.width, stop - start)
            )
        except RasterioError as error:
            raise RasterError(
                f"{self.path} cannot be read from row {start} to {stop}: {error}", "a whole map", "predict it again"
            ) from error
        stray = (ids >= self._classes) & (ids != VOID_ID)
        if stray.any():
            raise RasterError(
                f"{self.path} has the class number {int(ids[stray][0])} in rows {start} to {stop}",
                f"numbers below {self._classes}, as there are classes, or {VOID_ID} for nodata",
                "give the classes that the map was made with",
            )
        return ids


@contextmanager
def open_finished_map(path: Path, table: ClassTable | None = None) -> Iterator[FinishedMap]:
    """Opens a map as `map_writer` makes them.

    Args:
        path: A local GeoTIFF.
        table: Its classes: numbers beyond them are refused when they are read.

    Raises:
        MissingFileError: If there is none.
        RasterError: If it is no map of class numbers.
    """
    # As `open_raster` does, for whoever opens a map first.
    os.environ.setdefault("GDAL_CACHEMAX", str(CACHE_MB))
    if not path.exists():
        raise MissingFileError(f"the map {path} does not exist", "a class map", "predict it first")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path)
    except RasterioError as error:
        raise RasterError(f"{path} cannot be read: {error}", "a class map", "predict it again") from error
    with dataset:
        if dataset.count != 1 or dataset.dtypes[0] != "uint8":
            raise RasterError(
                f"{path} has {dataset.count} band(s) of {dataset.dtypes[0]}",
                "one band of uint8: class numbers",
                "give the map, not its scores or its confidence",
            )
        crs = dataset.crs.to_wkt() if dataset.crs else ""
        yield FinishedMap(
            path,
            Grid(dataset.height, dataset.width, Georeference(dataset.transform, crs)),
            int(dataset.block_shapes[0][0]),
            dataset.tags(),
            _colors(dataset),
            dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG",
            dataset,
            VOID_ID if table is None else len(table),
        )


def _colors(dataset: Any) -> dict[int, tuple[int, int, int, int]]:
    try:
        colors: dict[int, tuple[int, int, int, int]] = dataset.colormap(1)
    except ValueError:  # it has none
        return {}
    return colors


@contextmanager
def whole_or_nothing(path: Path, holds: str) -> Iterator[Path]:
    """A path to write to instead; what is written there gets its name when the block ends without an error.

    Args:
        path: Where it shall lie; its folder is made. A file that is there stays until it is replaced.
        holds: What it holds, for the error message.

    Raises:
        RasterError: If it cannot be written.
    """
    # GDAL takes the kind of a file from its ending.
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except EosegError:
        raise  # of the block; some are OSErrors, too
    except OSError as error:
        raise RasterError(
            f"{path} cannot be written: {error.strerror or error}",
            f"a file that can be written, with room for the {holds}",
            "choose another path, or make room",
        ) from error
    finally:
        for left in (part, *(part.with_name(part.name + end) for end in ("-journal", "-wal", "-shm"))):
            with suppress(OSError):  # the folder itself may be missing
                left.unlink()
