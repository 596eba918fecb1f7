"""Where a model's versions lie, and what the registry writes beside them.

    MODEL_BASE/models.config            which versions are served, and their labels: read by the model servers
    MODEL_BASE/NAME/3/saved_model.pb    a version
    MODEL_BASE/NAME/.registry/          the registry's own; model servers look at children with a number alone

The registry lies in the model's folder so that a version is moved aside, or brought in, by one rename.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from components.publishing.versions import version_numbers
from serving.versions.registry_error import RegistryError

REGISTRY_FOLDER = ".registry"
MODELS_FILE = "models.config"
STABLE, CANARY, PREVIOUS = "stable", "canary", "previous"
"""Labels: what everyone asks for; what a share of the tiles is given to; what `rollback` goes back to at once."""
NEWEST = "newest"
"""Stands for the highest version that is there."""
HIGHEST = 2**63 - 1
"""Model servers keep a version in a signed 64-bit number."""


@dataclass(frozen=True)
class Registry:
    """The versions of one model.

    Attributes:
        folder: `MODEL_BASE/NAME`, absolute.
        name: What requests call the model.
        config_file: The `models.config` of its servers.
        served_path: `folder` as the servers see it, where that differs (in a container); empty where it does not.
    """

    folder: Path
    name: str
    config_file: Path
    served_path: str = ""

    @property
    def own(self) -> Path:
        """The registry's own files."""
        return self.folder / REGISTRY_FOLDER

    @property
    def versions(self) -> list[int]:
        """The versions that are there, ascending."""
        return version_numbers(self.folder)

    def version_folder(self, version: int) -> Path:
        """Of a version that may or may not be there."""
        return self.folder / str(version)

    def check_there(self, version: int) -> Path:
        """The folder of a version.

        Raises:
            RegistryError: If it is not there, or holds no SavedModel.
        """
        folder = self.version_folder(version)
        if not folder.is_dir():
            there = ", ".join(map(str, self.versions)) or "none"
            raise RegistryError(
                f"{self.folder} has no version {version}",
                f"one of the versions that are there: {there}",
                "name one of these, or publish or import the missing one first",
            )
        if not is_whole(folder):
            raise RegistryError(
                f"{folder} holds no saved_model.pb", "a SavedModel", "publish the version again, or retire it"
            )
        return folder

    def named(self, text: str | int, labels: Mapping[str, int]) -> int:
        """The version that a number, a label or `newest` names; it may not be there.

        Args:
            text: The name.
            labels: As they are.

        Raises:
            RegistryError: If it names none.
        """
        if isinstance(text, int) or text.isdecimal():
            return int(text)
        there = self.versions
        if text == NEWEST and there:
            return there[-1]
        if text not in labels:
            raise RegistryError(
                f"'{text}' names no version of {self.folder}",
                f"a number ({', '.join(map(str, there)) or 'there are none'}), "
                f"a label ({', '.join(labels) or 'there are none'}) or {NEWEST}",
                "see `eoseg versions list`",
            )
        return labels[text]


def registry_of(
    model_folder: Path, name: str | None = None, config_file: Path | None = None, served_path: str = ""
) -> Registry:
    """The registry of a model's folder.

    Args:
        model_folder: `MODEL_BASE/NAME`.
        name: What requests call the model; the folder's name where None.
        config_file: In place of `MODEL_BASE/models.config`.
        served_path: The folder as the servers see it, where that differs.

    Raises:
        RegistryError: If there is no such folder.
    """
    folder = model_folder.expanduser().absolute()
    if not folder.is_dir():
        raise RegistryError(
            f"there is no folder {folder}",
            "the model's folder, whose numbered children are its versions",
            "publish a version there with `eoseg run`, or correct the path",
        )
    config = (config_file or folder.parent / MODELS_FILE).expanduser().absolute()
    return Registry(folder, name or folder.name, config, served_path)


def is_whole(version_folder: Path) -> bool:
    """Whether a version's folder holds a SavedModel, as far as its files' names tell."""
    return any((version_folder / marker).is_file() for marker in ("saved_model.pb", "saved_model.pbtxt"))


def write_whole(path: Path, text: str) -> None:
    """Writes a text file under a temporary name, flushes it and renames it.

    Raises:
        RegistryError: If it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # a read-only disk says so of files that are not there, too
            part.unlink(missing_ok=True)
        raise RegistryError(
            f"{path} cannot be written: {error.strerror or error}",
            "a folder that this user can write to, with room",
            "correct its permissions, or make room",
        ) from error
