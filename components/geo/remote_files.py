"""Files behind GDAL's virtual file systems as files: which there are, and whether one has changed.

What GDAL reads of an object it reads by itself (`components.geo.paths`). It does not tell Python an object's ETag, so
S3 is asked through pyarrow, and HTTP by a HEAD request, with the endpoint and the credentials of GDAL's own
environment variables.
"""

import os
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from components.errors import ConfigError, MissingFileError
from components.geo.paths import file_exists, gdal_path, is_remote

S3, HTTP = "/vsis3/", "/vsicurl/"
ARCHIVES = ("/vsizip/", "/vsitar/", "/vsigzip/", "/vsi7z/", "/vsirar/")
_STORES = {
    "vsigs": "Google Cloud Storage",
    "vsiaz": "Azure Blob Storage",
    "vsiadls": "Azure Data Lake Storage",
}
"""Those that GDAL reads and that are not asked for ETags here, in words."""

REQUESTS_AT_ONCE = 16
TIMEOUT_S = 60


def list_files(folder: str) -> list[str]:
    """All files below a folder of a store or an archive, relative to it, sorted.

    Raises:
        ConfigError: If the folder is on an HTTP server, which lists nothing.
        MissingFileError: If there is nothing, or nothing that these credentials may list.
    """
    import pyogrio

    base = gdal_path(folder).rstrip("/")
    if base.startswith(HTTP):
        raise ConfigError(
            f"{folder} is on an HTTP server, which does not list its files",
            "a folder, a store (s3://) or an archive for patterns",
            "list the tiles in a file (data.list) or a STAC item collection (data.stac)",
        )
    try:
        found = pyogrio.vsi_listtree(base)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(
            f"{folder} holds no files, or none that may be listed",
            "a bucket and prefix with tiles below",
            "correct data.root, or set the environment variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION "
            "and, for a store of your own, AWS_S3_ENDPOINT",
        ) from error
    return sorted(name.removeprefix(f"{base}/") for name in found if not name.endswith("/"))


def missing_files(paths: Iterable[str]) -> set[str]:
    """Which of the paths, local or remote, are not there; stores are asked for several at once."""
    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        there = list(pool.map(_is_there, paths)) if any(map(is_remote, paths)) else [_is_there(path) for path in paths]
    return {path for path, is_there in zip(paths, there, strict=True) if not is_there}


def those_there(paths: Iterable[str]) -> list[str]:
    """Which of the paths are there; each folder of an S3 store is listed once. Of other file systems none."""
    from pyarrow import fs

    wanted: dict[str, list[str]] = {}
    for path in paths:
        if gdal_path(path).startswith(S3):
            wanted.setdefault(gdal_path(path).removeprefix(S3).rpartition("/")[0], []).append(path)
    there = []
    for folder, candidates in wanted.items():
        store = _s3(folder.partition("/")[0], dict(os.environ))
        listed = {info.path for info in store.get_file_info(fs.FileSelector(folder, allow_not_found=True))}
        there += [path for path in candidates if gdal_path(path).removeprefix(S3) in listed]
    return there


def content_mark(path: str) -> str:
    """A text that changes whenever the content of a remote file does; the content itself is not read.

    S3 and HTTP servers change an object's ETag with its content. A file in a local archive has no mark of its own:
    `archive_of` names the file that has.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: If this file system does not tell.
    """
    place = gdal_path(path)
    if place.startswith(S3):
        return _mark(path, _s3_headers(path))
    if place.startswith(HTTP):
        return _mark(path, _http_headers(path, place.removeprefix(HTTP)))
    raise _unmarked(path)


def refuse_unmarked(path: str) -> None:
    """Refuses a path by its kind alone, before anybody is asked, where `content_mark` could not tell of changes.

    Raises:
        ConfigError: If it is neither local nor in S3, behind HTTP, or in an archive there.
    """
    holder = archive_of(path)
    if is_remote(holder) and not gdal_path(holder).startswith((S3, HTTP)):
        raise _unmarked(path)


def archive_of(path: str) -> str:
    """The file that holds a file: the archive for `/vsizip/a.zip/b.tif` and the like, else the path itself."""
    place = gdal_path(path)
    kind = next((kind for kind in ARCHIVES if place.startswith(kind)), None)
    if kind is None:
        return path
    inner = place.removeprefix(kind)
    if inner.startswith("vsi"):  # one file system in another; GDAL takes it with one slash or two
        inner = f"/{inner}"
    if inner.startswith("{"):  # GDAL's way to say where the archive's name ends
        return archive_of(inner[1:].partition("}")[0])
    parts = inner.split("/")
    ends = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".kmz")
    for i, part in enumerate(parts):
        if part.lower().endswith(ends):
            return archive_of("/".join(parts[: i + 1]))
    return archive_of(inner)


def s3_stream(path: str) -> Any:
    """An object of an S3 store as a binary file to read from beginning to end.

    Raises:
        MissingFileError: If there is no such object.
    """
    bucket_and_key = gdal_path(path).removeprefix(S3)
    try:
        return _s3(bucket_and_key.partition("/")[0], dict(os.environ)).open_input_stream(bucket_and_key)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except OSError as error:
        raise MissingFileError(
            f"{path} cannot be read: {error}",
            "an object that these credentials may read",
            "correct path or credentials",
        ) from error


def _is_there(path: str) -> bool:
    place = gdal_path(path)
    if not place.startswith(S3):
        return file_exists(archive_of(path) if archive_of(path) != path else path)
    bucket_and_key = place.removeprefix(S3)
    store = _s3(bucket_and_key.partition("/")[0], dict(os.environ))
    try:
        return bool(store.get_file_info(bucket_and_key).is_file)
    except OSError:
        return True  # not allowed to ask; opening it says what is wrong


def _s3(bucket: str, environment: Mapping[str, str]) -> Any:
    """pyarrow's S3 client, set up by the environment variables that GDAL reads."""
    from pyarrow import fs

    endpoint = environment.get("AWS_S3_ENDPOINT") or environment.get("AWS_ENDPOINT_URL") or ""
    scheme, separator, host = endpoint.rpartition("://")
    if not separator:
        scheme = "http" if environment.get("AWS_HTTPS", "YES").upper() in ("NO", "FALSE", "OFF", "0") else "https"
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        region = "us-east-1" if endpoint else fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        anonymous=environment.get("AWS_NO_SIGN_REQUEST", "NO").upper() in ("YES", "TRUE", "ON", "1"),
        region=region,
        scheme=scheme,
        endpoint_override=host or None,
    )


def _s3_headers(path: str) -> dict[str, str]:
    with s3_stream(path) as stream:
        return {key.lower(): value.decode() for key, value in stream.metadata().items()}


def _http_headers(path: str, url: str) -> dict[str, str]:
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return {key.lower(): value for key, value in answer.headers.items()}
    except OSError as error:  # HTTPError and URLError are OSErrors
        raise MissingFileError(f"{path} cannot be had: {error}", "a file", "correct the path") from error


def _mark(path: str, headers: Mapping[str, str]) -> str:
    changing = headers.get("etag") or headers.get("last-modified")
    if not changing:
        raise ConfigError(
            f"the server of {path} gives neither ETag nor Last-Modified, so a change would go unnoticed",
            "a server that gives one of them",
            "copy the files",
        )
    return f"{headers.get('content-length', '')} {changing}"


def _unmarked(path: str) -> ConfigError:
    system = gdal_path(archive_of(path)).split("/")[1]
    return ConfigError(
        f"{path} lies in {_STORES.get(system, f'/{system}/')}, where EOSeg cannot tell whether a file has changed: a "
        "later run would take the old one's records for the new one's",
        "a local path, s3://, http(s)://, or a file in an archive of these",
        "mount the store as a folder, copy the files to this machine or to S3, or list them (data.list) by their "
        "https:// addresses",
    )


def _missing(path: str) -> MissingFileError:
    return MissingFileError(f"{path} does not exist", "a file", "correct the path or the pattern in the configuration")
