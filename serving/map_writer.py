"""Writes the raster files of a map, row by row; they appear, as Cloud-Optimised GeoTIFFs, when all are complete."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from components.classes import ClassTable
from components.errors import EosegError, RasterError
from components.geo.raster import Grid
from serving.map_layers import Layer, LayerName, layer_of
from serving.map_part import MapPart, open_part, publish
from serving.map_style import write_style
from serving.strip_mosaic import write_cog, write_vrt


class MapWriter:
    """An open map; made by `open_map`. Rows are written top to bottom.

    Attributes:
        layers: What is to be written of every row.
        rows: How many rows are there, those of an earlier run among them.
        resumed_rows: Those of an earlier run: go on at this row.
        counts: `(256,)` int64, how many pixels of each class id are there, once all rows are.
    """

    def __init__(self, part: MapPart, layers: Sequence[Layer], width: int) -> None:
        self.layers = tuple(layers)
        self._part = part
        self._buffers = {
            layer.name: np.empty((len(layer.descriptions), part.strip_rows, width), np.uint8) for layer in layers
        }
        self._waiting = 0
        self.rows = self.resumed_rows = part.rows

    @property
    def counts(self) -> NDArray[np.int64]:
        """See the class."""
        return self._part.counts

    def write(self, rows: Mapping[LayerName, NDArray[np.uint8]]) -> None:
        """Appends rows: of each layer `(bands, rows, width)` uint8."""
        count = rows["classes"].shape[1]
        taken = 0
        while taken < count:
            step = min(count - taken, self._part.strip_rows - self._waiting)
            for name, buffer in self._buffers.items():
                buffer[:, self._waiting : self._waiting + step] = rows[name][:, taken : taken + step]
            self._waiting += step
            self.rows += step
            taken += step
            if self._waiting == self._part.strip_rows or self.rows == self._part.height:
                strips: dict[str, NDArray[np.uint8]] = {
                    name: buffer[:, : self._waiting] for name, buffer in self._buffers.items()
                }
                self._part.add(strips, np.bincount(strips["classes"].ravel(), minlength=256))
                self._waiting = 0


@contextmanager
def open_map(
    paths: Mapping[LayerName, Path],
    grid: Grid,
    table: ClassTable,
    tags: Mapping[str, str],
    identity: Mapping[str, str] | None = None,
    *,
    resume: bool = False,
) -> Iterator[MapWriter]:
    """Creates a map; its files get their names when the block ends without an error, the map itself last.

    What was finished of a block that ends with an error stays in `MAP.part`, for `resume`.

    Args:
        paths: Where to; `classes` is the map. Local paths; their folders are made.
        grid: Of the tile.
        table: Class names and colours: the palette, and the tags `CLASS_<id>` and `CLASS_NAMES`.
        tags: Further tags, for instance provenance.
        identity: Everything that decides the pixels, in words: what is left of an earlier run must be of the same.
        resume: Whether to go on with what a run that died has left.

    Raises:
        RasterError: If a file cannot be written, or another process is writing the map.
        ConfigError: If what is left was begun otherwise.
    """
    layers = [layer_of(name, table) for name in paths]
    path = paths["classes"]
    with open_part(path, {**(identity or {}), "files": ", ".join(paths)}, grid.height, resume=resume) as part:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)  # strips have no place of their own
                writer = MapWriter(part, layers, grid.width)
                yield writer
                if part.rows < grid.height:
                    raise RasterError(f"{path} got {part.rows} rows", f"{grid.height} rows", "this is a fault of EOSeg")
                _finish(part, layers, paths, grid, table, tags)
        except EosegError:
            raise  # of the block; some are OSErrors, too
        except (RasterioError, OSError) as error:
            raise RasterError(
                f"{path} cannot be written: {error}",
                "a folder that can be written to, with room for the map",
                "choose another path, or make room and go on with --resume",
            ) from error


def _finish(
    part: MapPart,
    layers: Sequence[Layer],
    paths: Mapping[LayerName, Path],
    grid: Grid,
    table: ClassTable,
    tags: Mapping[str, str],
) -> None:
    made: list[tuple[Path, Path]] = []
    for layer in sorted(layers, key=lambda layer: layer.name == "classes"):
        vrt, cog = (part.folder / f"{layer.name}.{kind}" for kind in ("vrt", "cog.tif"))
        write_vrt(vrt, part.strips(layer.name), grid, layer, tags)
        write_cog(vrt, cog, layer.overviews)
        path = paths[layer.name]
        if layer.name == "classes":
            made.append((cog.with_name(f"{cog.name}.aux.xml"), path.with_name(f"{path.name}.aux.xml")))
            style = part.folder / "style.qml"
            write_style(style, table)
            made.append((style, path.with_suffix(".qml")))
        made.append((cog, path))
    publish(made)
