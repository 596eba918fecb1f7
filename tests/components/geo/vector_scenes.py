"""What the tests of vector labels share: geometries written to files, and how they are read as class ids."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import rasterio.warp
import shapely
from affine import Affine
from rasterio.crs import CRS

from components.classes import VOID_ID, ClassTable, LandClass
from components.geo.label_options import VectorLabels
from components.geo.labels import LabelDecoder, LabelReader
from components.geo.raster import Georeference, Grid
from components.geo.window import Window
from components.tile_source import TileSource
from tests.make_raster import ORIGIN

ROOF, LAWN, ROAD = 0, 1, 2

TABLE = ClassTable(
    classes=tuple(
        LandClass(name=name, color=color)
        for name, color in (("roof", (255, 0, 0)), ("lawn", (0, 255, 0)), ("road", (9, 9, 9)))
    )
)
UTM = CRS.from_epsg(25832).to_wkt()
WGS84 = CRS.from_epsg(4326).to_wkt()
GRID = Grid(40, 60, Georeference(ORIGIN, UTM))
PLAIN = Grid(40, 60, Georeference(Affine.identity(), ""))
WHOLE = Window(0, 0, 40, 60)

Feature = tuple[Any, Any]
"""Geometry in pixels of GRID, and the class attribute."""


def on_ground(geometry: Any, crs: str = "EPSG:25832") -> Any:
    """A geometry in pixels of GRID, in ground coordinates."""

    def move(xy: np.ndarray) -> np.ndarray:
        xs, ys = ORIGIN @ (xy[:, 0], xy[:, 1])
        return np.column_stack(rasterio.warp.transform("EPSG:25832", crs, xs.tolist(), ys.tolist())[:2])

    return shapely.transform(geometry, move)


def write_vectors(
    path: Path, features: Sequence[Feature], crs: str | None = "EPSG:25832", columns: dict[str, list] | None = None
) -> Path:
    """Writes by the file's ending; `columns` are further attributes."""
    geometries = np.array([None if g is None else on_ground(g, crs or "EPSG:25832") for g, _ in features], object)
    fields = {"class": [value for _, value in features], **(columns or {})}
    kinds = {g.geom_type for g, _ in features if g is not None}
    pyogrio.raw.write(
        path,
        shapely.to_wkb(geometries),
        [np.array(values, object if any(isinstance(v, str | None) for v in values) else None)
         for values in fields.values()],
        list(fields),
        crs=crs,
        geometry_type=kinds.pop() if len(kinds) == 1 else "Unknown",
        driver={".geojson": "GeoJSON", ".gpkg": "GPKG", ".shp": "ESRI Shapefile"}[path.suffix],
    )  # fmt: skip
    return path


@contextmanager
def opened(path: Path, grid: Grid = GRID, tile: str = "a", **options: Any) -> Iterator[LabelReader]:
    source = TileSource(tile=tile, image="", label=str(path), split="train")
    decoder = LabelDecoder(TABLE, VectorLabels(**{"kind": "vectors", "attribute": "class", **options}))
    with decoder.open(source, grid) as label:
        yield label


def ids_of(path: Path, grid: Grid = GRID, tile: str = "a", **options: Any) -> np.ndarray:
    with opened(path, grid, tile, **options) as label:
        return label.read(Window(0, 0, grid.height, grid.width))


def box_ids(*boxes: tuple[int, int, int, int, int], background: int = VOID_ID) -> np.ndarray:
    """Ids of GRID from (west, north, east, south, id) in pixels."""
    ids = np.full((40, 60), background, np.uint8)
    for west, north, east, south, value in boxes:
        ids[north:south, west:east] = value
    return ids


SQUARE, OTHER = shapely.box(10, 5, 30, 25), shapely.box(20, 10, 50, 35)


def write_dstl(folder: Path) -> dict[str, Any]:
    """A CSV as DSTL's train_wkt_v4.csv, with a box from pixel (10, 5) to (30, 25) of GRID, and its grid sizes."""
    x_max, y_min = 0.009188, -0.00904
    # x_px = x / x_max * W * W / (W + 1), so x = x_px * x_max * (W + 1) / W**2
    xs = [px * x_max * 61 / 60**2 for px in (10, 30)]
    ys = [px * y_min * 41 / 40**2 for px in (5, 25)]
    polygon = shapely.box(xs[0], min(ys), xs[1], max(ys))
    rows = [
        "ImageId,ClassType,MultipolygonWKT",
        f'6120_2_2,1,"{shapely.MultiPolygon([polygon]).wkt}"',
        '6120_2_2,2,"MULTIPOLYGON EMPTY"',
        f'6100_1_3,2,"{shapely.MultiPolygon([polygon]).wkt}"',
    ]
    (folder / "train_wkt_v4.csv").write_text("\n".join(rows))
    (folder / "grid_sizes.csv").write_text(f",Xmax,Ymin\n6120_2_2,{x_max},{y_min}\n6100_1_3,{x_max},{y_min}\n")
    return {
        "attribute": "ClassType",
        "values": {1: "roof", 2: "lawn"},
        "wkt_column": "MultipolygonWKT",
        "tile_column": "ImageId",
        "coordinates": "unit",
        "grid_sizes": str(folder / "grid_sizes.csv"),
        "background": "road",
    }
