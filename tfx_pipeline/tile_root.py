"""The place that relative paths of tiles start from: a folder, a store or an archive."""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from components.errors import MissingFileError
from components.geo.paths import gdal_path, is_remote
from components.geo.remote_files import list_files, missing_files
from tfx_pipeline import tile_fields


def expanded(path: str) -> str:
    """A path with its environment variables and `~` filled in."""
    path = os.path.expandvars(path)
    return path if is_remote(path) else str(Path(gdal_path(path)).expanduser())


class TileRoot:
    """`data.root`, opened.

    Args:
        root: As configured.

    Raises:
        MissingFileError: If it is a local folder that is not there.
    """

    def __init__(self, root: str) -> None:
        self.path = expanded(root)
        self.is_remote = is_remote(self.path)
        if not self.is_remote and not Path(self.path).is_dir():
            raise MissingFileError(
                f"{self.path} is no folder (data.root is '{root}')",
                "the folder that holds the tiles",
                "give it with --set data.root=FOLDER, or set the environment variable that data.root names",
            )

    def __str__(self) -> str:
        return self.path

    def join(self, path: str) -> str:
        """A path of a list or pattern; absolute ones and those of stores stay as they are."""
        return join(self.path, path)

    def matching(self, pattern: str) -> list[tuple[str, dict[str, str]]]:
        """Files that a pattern matches, relative to the root, with the fields, sorted."""
        paths = self._listed if self.is_remote else tile_fields.glob(Path(self.path), pattern)
        return tile_fields.matching(pattern, paths)

    def missing(self, paths: Iterable[str]) -> set[str]:
        """Which of the joined paths are not there; asks a store only about what its listing did not show."""
        known = {self.join(path) for path in self._listed} if "_listed" in self.__dict__ else set()
        return missing_files(path for path in paths if path not in known)

    @cached_property
    def _listed(self) -> list[str]:
        return list_files(self.path)


def join(folder: str, path: str) -> str:
    """A path below a folder, unless it is absolute or names a store itself."""
    if is_remote(path):
        return path
    path = gdal_path(path)  # takes file:// off
    if is_remote(folder) and not path.startswith("/"):
        return f"{folder.rstrip('/')}/{path}"
    return str(Path(folder) / path)
