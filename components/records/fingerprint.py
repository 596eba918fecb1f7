"""A fingerprint of the files a step reads by path.

TFX reuses a step's output when its parameters and input artifacts are the same. A step that reads files by path
must therefore take their fingerprint as a parameter, or changed pixels under the same name would go unnoticed.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from components.errors import MissingFileError
from components.geo.paths import gdal_path, is_remote
from components.geo.remote_files import REQUESTS_AT_ONCE, archive_of, content_mark, s3_stream, those_there

CHUNK_BYTES = 1 << 22


def content_digest(path: str | Path) -> str:
    """BLAKE2b of a file's bytes, 32 hexadecimal digits.

    Args:
        path: A local path, or `s3://`.

    Raises:
        MissingFileError: If there is no such file.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with _opened(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError as error:
        raise MissingFileError(
            f"{path} does not exist", "a file", "correct the path or the pattern in the configuration"
        ) from error
    return digest.hexdigest()


def files_fingerprint(paths: Iterable[str | Path], memory: Path | None = None) -> str:
    """One digest over the content of all files, in the order given, with their side files.

    Args:
        paths: The files; a `.msk`, `.aux.xml` or world file beside one counts with it, since GDAL reads it.
            Of a file in a store the ETag stands for the content, which is not read; a file in an archive stands for
            the whole archive.
        memory: A JSON file that remembers digests by path, size and the change times of the inode, so that an
            unchanged archive of many gigabytes is not read again at each run. None reads everything.

    Raises:
        MissingFileError: If a file is not there.
        ConfigError: If a file lies where a change cannot be noticed.
    """
    files = list(dict.fromkeys(archive_of(str(path)) for path in paths))
    remote = [file for file in files if is_remote(file)]
    side = those_there(name for path in remote for name in _side_names(path))
    files, remote = files + side, remote + side
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        marks = dict(zip(remote, pool.map(content_mark, remote), strict=True))
    remembered = _remembered(memory)
    fresh: dict[str, str] = {}
    total = hashlib.blake2b(digest_size=16)
    for path in files:
        if path in marks:
            total.update(f"{path}\0{marks[path]}\n".encode())
            continue
        for file in _with_side_files(Path(gdal_path(path))):
            key = _state(file)
            digest = remembered.get(key) or content_digest(file)
            fresh[key] = digest
            total.update(f"{file}\0{digest}\n".encode())
    if memory is not None and fresh != remembered:
        memory.parent.mkdir(parents=True, exist_ok=True)
        part = memory.with_name(f".{memory.name}.{os.getpid()}.part")
        part.write_text(json.dumps(fresh, indent=0, sort_keys=True))
        part.replace(memory)
    return total.hexdigest()


def _opened(path: str | Path) -> Any:
    if gdal_path(path).startswith("/vsis3/"):
        return s3_stream(str(path))
    return Path(gdal_path(path)).open("rb")


def _remembered(memory: Path | None) -> dict[str, str]:
    if memory is None or not memory.exists():
        return {}
    try:
        remembered: dict[str, str] = json.loads(memory.read_text())
    except ValueError:  # torn by a crash: forgotten, not fatal
        return {}
    return remembered


def _with_side_files(path: Path) -> list[Path]:
    return [path, *(Path(name) for name in _side_names(str(path)) if Path(name).exists())]


def _side_names(path: str) -> list[str]:
    stem = path.removesuffix(Path(path).suffix)
    beside: tuple[str, ...] = (".tfw", ".jgw", ".pgw", ".wld", ".prj")
    if path.lower().endswith(".shp"):
        beside = (".shx", ".dbf", ".prj", ".cpg")
    return [path + ending for ending in (".msk", ".aux.xml", ".ovr")] + [stem + ending for ending in beside]


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return str(path)
    # The change time of the inode cannot be set back, so a rewritten file never looks like the old one.
    return f"{path}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"
