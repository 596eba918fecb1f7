"""Where files lie: on this machine, or behind one of GDAL's virtual file systems (S3 and other stores, HTTP, archives).

Credentials and endpoints of stores are read by GDAL from its and AWS's usual environment variables
(`AWS_ACCESS_KEY_ID`, `AWS_S3_ENDPOINT`, `GS_OAUTH2_...`, `AZURE_STORAGE_...`), never from a configuration.
"""

import warnings
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

_FILE_SYSTEMS = {
    "s3": "/vsis3/",
    "gs": "/vsigs/",
    "az": "/vsiaz/",
    "adl": "/vsiadls/",
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
}

# GDAL tells "not there" from "there, but no raster" in words alone; as GDAL 3.10 says it of stores, HTTP and archives.
_NOT_THERE = ("does not exist", "no such file", "response code: 404", "nosuchkey", "nosuchbucket")


def gdal_path(path: str | Path) -> str:
    """The path as GDAL wants it: `s3://bucket/key` is `/vsis3/bucket/key`, `https://...` is `/vsicurl/https://...`.

    Local paths and `/vsi...` are given back as they are; `file://` is taken off.
    """
    path = str(path)
    scheme, separator, rest = path.partition("://")
    if not separator:
        return path
    if scheme.lower() == "file":
        return rest
    prefix = _FILE_SYSTEMS.get(scheme.lower())
    if prefix is None:
        return path
    return prefix + (rest.replace(" ", "%20") if prefix.startswith("/vsicurl/") else rest)


def is_remote(path: str | Path) -> bool:
    """Whether only GDAL can read it: a store, a URL, or `/vsi...` (also a file in a local archive)."""
    return gdal_path(path).startswith("/vsi")


def file_exists(path: str | Path) -> bool:
    """Whether there is such a file, of any kind.

    A file that cannot be asked for (no credentials, no connection) counts as there: opening it then says what is wrong.
    GDAL remembers for the life of the process what it did not find, for whatever reason.
    """
    if not is_remote(path):
        return Path(gdal_path(path)).exists()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(gdal_path(path)):
                return True
    except RasterioError as error:
        return not says_not_there(error)


def says_not_there(error: BaseException) -> bool:
    """Whether GDAL refused to open a path because there is nothing at it."""
    message = str(error).lower()
    return any(words in message for words in _NOT_THERE)
