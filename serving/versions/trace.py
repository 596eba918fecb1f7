"""From a map, by its tags or its STAC item, to the version that made it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import ConfigError, MissingFileError

_PREFIX = "EOSEG_"
_STAC_PREFIX = "eoseg:"


@dataclass(frozen=True)
class MapOrigin:
    """What a map says of its making.

    Attributes:
        model, version: That predicted it.
        tile: The tile's file name.
        config_hash, data_fingerprint: Of the training and of its records; empty where the version did not say.
        tags: All of EOSeg's, without `EOSEG_`, in small letters.
    """

    model: str
    version: int
    tile: str
    config_hash: str
    data_fingerprint: str
    tags: dict[str, str]

    def contradictions(self, config_hash: str, records_fingerprint: str) -> list[str]:
        """Where the version of that number is another one than the map's."""
        pairs = (
            ("config hash", self.config_hash, config_hash),
            ("fingerprint of the records", self.data_fingerprint, records_fingerprint),
        )
        return [
            f"the map's {what} is {of_map}, the version's {of_version}"
            for what, of_map, of_version in pairs
            if of_map and of_version and of_map != of_version
        ]


def map_origin(path: Path) -> MapOrigin:
    """What a GeoTIFF's tags, or a STAC item's properties, say.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: If it is no map of EOSeg's.
    """
    if not path.is_file():
        problem = "is no file" if path.exists() else "does not exist"
        raise MissingFileError(f"{path} {problem}", "a map, or its STAC item", "correct the path")
    tags = _of_item(path) if path.suffix.lower() in (".json", ".geojson") else _of_raster(path)
    try:
        return MapOrigin(
            model=tags["model"],
            version=int(tags["version"]),
            tile=tags.get("tile", ""),
            config_hash=tags.get("config_hash", ""),
            data_fingerprint=tags.get("data_fingerprint", ""),
            tags=tags,
        )
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"{path} does not say which version made it",
            "a map of EOSeg's with its tags, or its STAC item",
            "give that",
        ) from error


def _of_raster(path: Path) -> dict[str, str]:
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(path) as dataset:
            tags: dict[str, str] = dataset.tags()
    except RasterioError as error:
        raise ConfigError(f"{path} cannot be read: {error}", "a GeoTIFF", "give a map, or its STAC item") from error
    return {name.removeprefix(_PREFIX).lower(): value for name, value in tags.items() if name.startswith(_PREFIX)}


def _of_item(path: Path) -> dict[str, str]:
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        properties = dict(document["properties"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no STAC item: {error}", "a STAC item", "give a map, or its STAC item") from error
    return {
        name.removeprefix(_STAC_PREFIX): str(value)
        for name, value in properties.items()
        if name.startswith(_STAC_PREFIX)
    }
