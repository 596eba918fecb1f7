"""A STAC item beside a map: where it lies, of when it is, what it is made of, and which files belong to it."""

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from rasterio.crs import CRS

from components.classes import VOID_ID
from components.errors import ConfigError, MissingFileError, RasterError
from components.geo.footprint import SEGMENTS, outline, warp_points
from components.geo.raster import Grid
from serving.finished_map import FinishedMap, open_finished_map, whole_or_nothing
from serving.polygon_style import hex_color

if TYPE_CHECKING:
    import pystac

EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("projection/v2.0.0", "classification/v2.0.0", "processing/v1.2.0", "file/v2.1.0")
)

_DIGITS = 7
"""Of longitudes and latitudes: a centimetre."""

_TITLES = {
    "map": ("Land cover", ["data"]),
    "confidence": ("Probability of the map's class in percent", ["data", "confidence"]),
    "scores": ("Probability of every class", ["data", "scores"]),
    "polygons": ("Land cover as polygons", ["data"]),
    "areas": ("Areas of the classes", ["metadata"]),
}
_MEDIA_TYPES = {
    ".gpkg": "application/geopackage+sqlite3",
    ".geojson": "application/geo+json",
    ".json": "application/geo+json",
    ".csv": "text/csv",
}
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_GEOTIFF = "image/tiff; application=geotiff"


def write_stac_item(
    map_path: Path, assets: Mapping[str, Path], provenance: Mapping[str, str], out: Path, date: str = ""
) -> None:
    """Describes a map and what was made of it; hrefs are relative to the item.

    Args:
        map_path: The finished map; class names and colours are read from it.
        assets: Further files by name (`confidence`, `scores`, `polygons`, `areas`); they must be there.
        provenance: What the map was made of, as its tags have it: `EOSEG_MODEL` becomes the property `eoseg:model`.
            Names that do not start with `EOSEG_` are taken as they are, but for TIFF's own and those of classes.
        out: The JSON file.
        date: When the tile was taken (ISO 8601); empty takes `EOSEG_TILE_DATE` of the provenance. Where that is
            missing as well, the item's date is that of the prediction: STAC wants one.

    Raises:
        MissingFileError, RasterError: If the map or an asset cannot be read, or the item not be written.
        ConfigError: If the date is none.
    """
    import pystac

    with open_finished_map(map_path) as finished:
        grid, classes, is_cog = finished.grid, _classes(finished), finished.is_cog
    made = _moment(provenance.get("EOSEG_DATE", "")) or datetime.now(timezone.utc).replace(microsecond=0)
    taken = _moment(date or provenance.get("EOSEG_TILE_DATE", ""))
    geometry, bbox = _footprint(grid)
    item = pystac.Item(
        id=map_path.stem,
        geometry=geometry,
        bbox=bbox,
        datetime=taken or made,
        properties={
            "title": f"Land cover of {provenance.get('EOSEG_TILE') or map_path.stem}",
            "created": _text(made),
            "processing:datetime": _text(made),
            "processing:software": {"EOSeg": metadata.version("eoseg")},
            **_projection(grid),
            **_provenance(provenance),
        },
        stac_extensions=list(EXTENSIONS),
    )
    item.add_asset("map", _map_asset(map_path, out, classes, is_cog))
    for name, path in assets.items():
        if path.resolve() != map_path.resolve():
            item.add_asset(name, _asset(name, path, out))
    text = json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False), indent=2, ensure_ascii=False)
    with whole_or_nothing(out, "STAC item") as part:
        part.write_text(text + "\n", encoding="utf-8")


def _map_asset(path: Path, out: Path, classes: list[dict[str, Any]], is_cog: bool) -> "pystac.Asset":
    asset = _asset("map", path, out)
    asset.media_type = _COG if is_cog else _GEOTIFF
    asset.extra_fields |= {
        "bands": [{"name": "land cover", "data_type": "uint8", "nodata": VOID_ID}],
        "classification:classes": classes,
    }
    return asset


def _asset(name: str, path: Path, out: Path) -> "pystac.Asset":
    import pystac

    try:
        size = path.stat().st_size
    except OSError as error:
        raise MissingFileError(
            f"{path}, which the STAC item shall name as '{name}', does not exist",
            "a file that was written",
            "write it first, or leave it out",
        ) from error
    title, roles = _TITLES.get(name, (name.replace("_", " "), ["data"]))
    is_tiff = path.suffix.lower() in (".tif", ".tiff")
    return pystac.Asset(
        href=_relative(path, out),
        title=title,
        media_type=_COG if is_tiff else _MEDIA_TYPES.get(path.suffix.lower()),
        roles=roles,
        extra_fields={"file:size": size},
    )


def _relative(path: Path, out: Path) -> str:
    try:
        relative = os.path.relpath(path.resolve(), out.resolve().parent)
    except ValueError:  # another drive
        return path.resolve().as_uri()
    text = Path(relative).as_posix()
    return text if text.startswith("../") else f"./{text}"


def _classes(finished: FinishedMap) -> list[dict[str, Any]]:
    """The extension's class objects; nodata among them."""
    try:
        names = json.loads(finished.tags["CLASS_NAMES"])
    except (KeyError, ValueError) as error:
        raise RasterError(
            f"{finished.path} does not name its classes (tag CLASS_NAMES)", "a map that EOSeg made", "predict it again"
        ) from error
    classes: list[dict[str, Any]] = []
    for value, name in enumerate(names):
        # The extension allows letters, digits, hyphens and underscores in a name; the title is free.
        entry = {"value": value, "name": re.sub(r"[^0-9A-Za-z_-]+", "_", name) or f"class_{value}", "title": name}
        if value in finished.colors:
            entry["color_hint"] = hex_color(finished.colors[value][:3])[1:].upper()
        classes.append({**entry, "description": name})
    return [*classes, {"value": VOID_ID, "name": "nodata", "description": "no class", "nodata": True}]


def _footprint(grid: Grid) -> tuple[dict[str, Any] | None, list[float] | None]:
    """GeoJSON geometry and bounding box of the grid in WGS 84; None and None without a coordinate system.

    Across the antimeridian the geometry is cut in two, and the box's west is larger than its east (RFC 7946, 5.2).
    """
    if not grid.georeference.crs:
        return None, None
    points = warp_points(
        outline(grid, segments=SEGMENTS), CRS.from_user_input(grid.georeference.crs), CRS.from_epsg(4326)
    )
    if points is None:
        return None, None
    points = points.round(_DIGITS)
    crosses = bool(np.ptp(points[:, 0]) > 180 and (np.abs(np.diff(points[:, 0])) > 180).any())
    if not crosses:
        shape = shapely.orient_polygons(shapely.Polygon(points))
        return json.loads(shapely.to_geojson(shape)), [float(value) for value in shape.bounds]
    points[:, 0] %= 360
    shape = shapely.Polygon(points)
    east_side = shapely.transform(shape & shapely.box(180, -90, 360, 90), lambda xy: xy - [360, 0])
    both = shapely.orient_polygons(shapely.MultiPolygon([shape & shapely.box(0, -90, 180, 90), east_side]))
    west, south, east, north = shape.bounds
    return json.loads(shapely.to_geojson(both)), [float(west), float(south), float(east - 360), float(north)]


def _projection(grid: Grid) -> dict[str, Any]:
    """The projection extension's fields."""
    t = grid.georeference.transform
    fields: dict[str, Any] = {
        "proj:code": None,
        "proj:shape": [grid.height, grid.width],
        "proj:transform": [t.a, t.b, t.c, t.d, t.e, t.f],
    }
    if not grid.georeference.crs:
        return fields
    crs = CRS.from_user_input(grid.georeference.crs)
    code = crs.to_authority(confidence_threshold=100)
    corners = outline(grid)
    fields["proj:code"] = ":".join(code) if code else None
    fields["proj:bbox"] = [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]
    if not code:
        fields["proj:wkt2"] = crs.to_wkt(version="WKT2_2019")
    return fields


def _provenance(provenance: Mapping[str, str]) -> dict[str, str]:
    """`EOSEG_MODEL` as `eoseg:model`."""
    return {
        f"eoseg:{name.removeprefix('EOSEG_').lower()}": value
        for name, value in provenance.items()
        if not name.startswith(("TIFFTAG_", "CLASS_", "AREA_OR_POINT"))
        and name not in ("EOSEG_DATE", "EOSEG_TILE_DATE")
    }


def _moment(text: str) -> datetime | None:
    """A date in UTC; one without a zone is taken for UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no date", "ISO 8601, for instance 2024-07-31T10:20:30Z", "correct it"
        ) from error
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
