"""What a map is made of: for its tags, and to tell whether a map that is there is the one that would be made again."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from components.contract import ModelContract
from components.errors import EosegError
from components.geo.bands import IMAGE
from components.geo.paths import gdal_path, is_remote
from components.geo.remote_files import archive_of, content_mark
from components.mapping.map_options import MapOptions

PREDICTION = "EOSEG_PREDICTION"
"""The tag that holds `digest` of what the map was made of."""


def identity_of(
    tile: str, options: MapOptions, contract: ModelContract, model_name: str, version: int
) -> dict[str, str]:
    """Everything that decides a map's pixels, in words.

    Files count by size and time of change, those of S3 and HTTP servers by their ETag.
    """
    rasters = {IMAGE: tile, **options.rasters}
    return {
        "tile": "; ".join(f"{name} {_place(path)} ({_mark(path)})" for name, path in rasters.items()),
        "model": model_name,
        "version": str(version),
        "contract": digest({"contract": contract.model_dump_json()}),
        "overlap": f"{options.overlap:g}",
        "blend": options.blend,
        "augment": options.augment,
        "bands": ",".join(map(str, options.bands)) if options.bands else "the model's",
    }


def digest(identity: Mapping[str, str]) -> str:
    """16 hexadecimal digits that stand for it."""
    text = "\n".join(f"{key}\t{value}" for key, value in sorted(identity.items()))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def tags_of(identity: Mapping[str, str], tile: str, contract: ModelContract, date: str = "") -> dict[str, str]:
    """The tags of the map's files; `date` is the tile's."""
    now = datetime.now(timezone.utc)
    known = {f"EOSEG_{key.upper()}": value for key, value in contract.provenance.items()}
    return {
        **known,
        **({"EOSEG_TILE_DATE": date} if date else {}),
        "EOSEG_MODEL": identity["model"],
        "EOSEG_VERSION": identity["version"],
        "EOSEG_TILE": Path(tile).name,
        "EOSEG_OVERLAP": identity["overlap"],
        "EOSEG_BLEND": identity["blend"],
        "EOSEG_AUGMENT": identity["augment"],
        "EOSEG_BANDS": ", ".join(contract.bands) if identity["bands"] == "the model's" else identity["bands"],
        "EOSEG_DATE": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        PREDICTION: digest(identity),
        "TIFFTAG_SOFTWARE": f"EOSeg {metadata.version('eoseg')}",
        "TIFFTAG_DATETIME": now.strftime("%Y:%m:%d %H:%M:%S"),
    }


def prediction_of(path: Path) -> str | None:
    """What a map, or a layer beside it, says it was made of; empty where it is none of EOSeg's, None if not there."""
    if not path.exists():
        return None
    try:
        with rasterio.open(path) as dataset:
            return str(dataset.tags().get(PREDICTION, ""))
    except RasterioError:
        return ""


def _place(path: str) -> str:
    """The same however the path is written."""
    return path if is_remote(path) else str(Path(gdal_path(path)).resolve())


def _mark(path: str) -> str:
    """A text that changes when the file does."""
    holder = archive_of(path)
    if not is_remote(holder):
        try:
            status = Path(gdal_path(holder)).stat()
        except OSError:
            return "missing"  # opening it says so
        return f"{status.st_size} bytes, {datetime.fromtimestamp(status.st_mtime, timezone.utc).isoformat()}"
    try:
        return content_mark(path)
    except EosegError:
        return "unknown"  # a store that is not asked, or does not tell
