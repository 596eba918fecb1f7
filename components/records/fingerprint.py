"""A fingerprint of the files a step reads by path.

TFX reuses a step's output when its parameters and input artifacts are the same. A step that reads files by path
must therefore take their fingerprint as a parameter, or changed pixels under the same name would go unnoticed.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from components.errors import MissingFileError

CHUNK_BYTES = 1 << 22


def content_digest(path: str | Path) -> str:
    """BLAKE2b of a file's bytes, 32 hexadecimal digits.

    Raises:
        MissingFileError: If there is no such file.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with Path(path).open("rb") as file:
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
        memory: A JSON file that remembers digests by path, size and the change times of the inode, so that an
            unchanged archive of many gigabytes is not read again at each run. None reads everything.

    Raises:
        MissingFileError: If a file is not there.
    """
    remembered: dict[str, str] = {}
    if memory is not None and memory.exists():
        try:
            remembered = json.loads(memory.read_text())
        except ValueError:  # torn by a crash: forgotten, not fatal
            remembered = {}
    fresh: dict[str, str] = {}
    total = hashlib.blake2b(digest_size=16)
    for path in paths:
        for file in _with_side_files(Path(path)):
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


def _with_side_files(path: Path) -> list[Path]:
    side = [path.with_name(path.name + ending) for ending in (".msk", ".aux.xml", ".ovr")]
    side += [path.with_suffix(ending) for ending in (".tfw", ".jgw", ".pgw", ".wld", ".prj")]
    return [path, *(file for file in side if file.exists())]


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return str(path)
    # The change time of the inode cannot be set back, so a rewritten file never looks like the old one.
    return f"{path}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"
