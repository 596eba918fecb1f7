"""A map in the making: the folder `MAP.part` with the rows that are finished, from which a run that died goes on.

Every strip of rows is a file of its own, written and synchronised to the disk before the journal names it. The journal
is replaced as a whole, so it never claims rows that are not there, whenever the process is killed.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from components.errors import ConfigError, RasterError
from components.geo.class_geotiff import BLOCK, COMPRESSION

JOURNAL = "journal.json"
_LOCK = "lock"
_FORMAT = 1


def part_of(map_path: Path) -> Path:
    """The folder of a map in the making."""
    return map_path.with_name(f"{map_path.name}.part")


def read_identity(map_path: Path) -> dict[str, str] | None:
    """What a map that a dead run left unfinished is made of; None where there is none to go on with."""
    journal = _read_journal(part_of(map_path))
    return None if journal is None else dict(journal["identity"])


class MapPart:
    """The open folder; made by `open_part`.

    Attributes:
        rows: Rows that are finished; their files are on the disk.
        resumed_rows: Of these, the rows that an earlier run finished.
        counts: `(256,)` int64, the pixels of each class id in them.
        height: Rows of the whole map.
        strip_rows: Rows of a strip; the last one may have fewer.
    """

    strip_rows = BLOCK

    def __init__(self, folder: Path, identity: Mapping[str, str], height: int) -> None:
        self.folder = folder
        self.height = height
        self._identity = dict(identity)
        journal = _read_journal(folder)
        self.rows = self.resumed_rows = 0
        self.counts = np.zeros(256, np.int64)
        if journal is not None:
            self.rows = self.resumed_rows = int(journal["rows"])
            self.counts[:] = journal["counts"]

    def add(self, layers: Mapping[str, NDArray[np.uint8]], counts: NDArray[np.int64]) -> None:
        """Keeps the next strip.

        Args:
            layers: Layer name -> `(bands, rows, width)`; `strip_rows` rows, or what is left at the map's end.
            counts: `(256,)` pixels of each class id in it.

        Raises:
            rasterio.errors.RasterioError, OSError: If it cannot be written.
        """
        rows = 0
        for name, pixels in layers.items():
            rows = pixels.shape[1]
            _write_strip(self._strip(name, self.rows), pixels)
        self.rows += rows
        self.counts += counts
        self._write_journal()

    def strips(self, layer: str) -> dict[int, Path]:
        """First row -> file, of the rows that are finished."""
        return {row: self._strip(layer, row) for row in range(0, self.rows, self.strip_rows)}

    def _strip(self, layer: str, row: int) -> Path:
        return _strip_of(self.folder, layer, row)

    def _write_journal(self) -> None:
        text = json.dumps(
            {"format": _FORMAT, "identity": self._identity, "rows": self.rows, "counts": self.counts.tolist()}, indent=1
        )
        new = self.folder / f"{JOURNAL}.new"
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(self.folder)  # the names of the strips come before the journal that names them
        new.replace(self.folder / JOURNAL)
        _sync_folder(self.folder)


@contextmanager
def open_part(map_path: Path, identity: Mapping[str, str], height: int, *, resume: bool) -> Iterator[MapPart]:
    """Begins a map, or goes on with one.

    The folder is removed when the block ends without an error, or before any row was finished. Only one process at a
    time has it; the lock dies with the process.

    Args:
        map_path: The map to be.
        identity: Everything that decides its pixels, in words.
        height: Its rows.
        resume: Whether to go on with what a dead run left; else that is thrown away.

    Raises:
        RasterError: If another process is writing this map, the folder cannot be written to, or a part of what is left
            was deleted.
        ConfigError: If what is left was begun otherwise.
    """
    folder = part_of(map_path)
    with _locked(folder, map_path):
        journal = _read_journal(folder)
        if resume and journal is not None:
            _refuse_another(map_path, journal["identity"], identity)
            _refuse_gaps(folder, journal)
        else:
            try:
                for file in folder.iterdir():
                    if file.name != _LOCK:
                        file.unlink()
            except OSError as error:
                raise _unwritable(map_path, error) from error
        part = MapPart(folder, identity, height)
        try:
            yield part
        except BaseException:
            if not part.rows:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def _locked(folder: Path, map_path: Path) -> IO[str]:
    """The open file whose lock says that the folder, which is made, is this process's."""
    for is_last in (False, False, False, True):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / _LOCK).open("w")
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not is_last:
                continue  # the process that had it finished, and removed it, between the two lines
            raise _unwritable(map_path, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise _held_by_another(map_path) from error
        except OSError:
            return lock  # a file system without locks
        if _is_still(lock, folder / _LOCK):
            return lock
        lock.close()  # locked too late: the file went with the folder of the process before
    raise _held_by_another(map_path)


def _is_still(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _held_by_another(map_path: Path) -> RasterError:
    return RasterError(
        f"{map_path} is being written by another process (which holds {part_of(map_path)})",
        "one process a map",
        "wait for it, or choose another path",
    )


def _unwritable(map_path: Path, error: OSError) -> RasterError:
    return RasterError(
        f"{map_path} cannot be written: {error}",
        "a folder that can be written to, with room for the map",
        "choose another path, or make room",
    )


def _refuse_another(map_path: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    different = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if different:
        raise ConfigError(
            f"{map_path} was begun otherwise: "
            + "; ".join(f"{key} was {before.get(key, 'none')}, now {now.get(key, 'none')}" for key in different),
            "the same tile, version and options, to go on with",
            "give the same ones, or leave --resume out to begin anew",
        )


def _refuse_gaps(folder: Path, journal: Mapping[str, Any]) -> None:
    """Strips that the journal names and somebody has deleted would be missed only at the very end."""
    rows = range(0, int(journal["rows"]), MapPart.strip_rows)
    layers = journal["identity"].get("files", "classes").split(", ")
    gap = next(
        (path for layer in layers for row in rows if not (path := _strip_of(folder, layer, row)).is_file()), None
    )
    if gap is not None:
        raise RasterError(
            f"{gap} is missing, which {folder / JOURNAL} says is finished",
            "all files of the map that was begun",
            "put it back, or leave --resume out to begin anew",
        )


def _strip_of(folder: Path, layer: str, row: int) -> Path:
    return folder / f"{layer}-{row:07}.tif"


def _read_journal(folder: Path) -> dict[str, Any] | None:
    try:
        journal: Any = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    usable = isinstance(journal, dict) and journal.get("format") == _FORMAT
    return journal if usable else None


def _write_strip(path: Path, pixels: NDArray[np.uint8]) -> None:
    bands, rows, width = pixels.shape
    path.unlink(missing_ok=True)  # GDAL opens what it overwrites, and a run that died may have left half a file
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=rows,
        width=width,
        count=bands,
        dtype="uint8",
        tiled=True,
        blockxsize=BLOCK,
        blockysize=BLOCK,
        interleave="band",
        zlevel=1,  # it is read once
        **COMPRESSION,
    ) as dataset:
        dataset.write(pixels)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    with suppress(OSError):  # some network file systems know files alone
        _sync(path)


def publish(files: Sequence[tuple[Path, Path]]) -> None:
    """Gives finished files their names, in order; across file systems by a copy with a temporary name.

    Raises:
        OSError: If one cannot be written.
    """
    for made, path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sync(made)
        try:
            made.replace(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = path.with_name(f".{path.name}.{os.getpid()}.part")
            try:
                shutil.copyfile(made, beside)
                _sync(beside)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
