"""A version as one file, to be carried elsewhere: a zip archive with a list of its files and their checksums.

    bundle.json       format, model name, version, digest, and size and SHA-256 of every other file
    version/...       the version's folder: SavedModel, `assets.extra` with contract, model card, provenance
    classes.json      the class table, as the contract has it; where the version has one
    config.json       the parameters of every step that made it; where its lineage is known
    lineage.json      where it comes from, up to the tiles, as `eoseg versions show --json` says it; where it is known

The same version gives the same bytes: names are sorted, times are left out.
"""

import hashlib
import json
import os
import stat
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import Field

from components.contract import CONTRACT_FILE
from components.options import Options
from components.publishing.versions import read_provenance
from serving.versions.change import Say
from serving.versions.lineage import Lineage
from serving.versions.registry import HIGHEST, Registry
from serving.versions.registry_error import RegistryError

BUNDLE_FORMAT = 1
LIST_FILE = "bundle.json"
LINEAGE_FILE, CONFIG_FILE, CLASSES_FILE = "lineage.json", "config.json", "classes.json"
VERSION_PREFIX = "version/"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
PACKED_ALREADY = ".data-00000"


class BundledFile(Options):
    """A file of the archive."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class BundleList(Options):
    """The content of `bundle.json`."""

    format: int
    model: str
    version: int = Field(ge=0, le=HIGHEST)
    model_digest: str | None
    """As it was pushed; None of a version that EOSeg has not pushed."""
    files: dict[str, BundledFile]
    """By name in the archive."""


def export_bundle(
    registry: Registry,
    version: int,
    path: Path,
    lineage: Lineage | None = None,
    *,
    overwrite: bool = False,
    say: Say = lambda _: None,
) -> BundleList:
    """Writes a version as a bundle, whole or not at all.

    Args:
        registry: Of the model.
        version: Which.
        path: The archive.
        lineage: Goes into it.
        overwrite: Take the place of a file that is there.
        say: Told of what is missing.

    Raises:
        RegistryError: If the version is not there or was altered, or the archive cannot be written.
    """
    from serving.versions.integrity import refuse_changed

    folder = registry.check_there(version)
    refuse_changed(folder)
    if path.exists() and not overwrite:
        raise RegistryError(f"{path} is there already", "a name that is free", "choose another, or add --overwrite")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        listed = _write(registry, version, folder, part, lineage, say)
        part.replace(path)
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be written: {error.strerror or error}",
            "a file that can be written, with room for the version",
            "choose another path, or make room",
        ) from error
    finally:
        with suppress(OSError):  # a read-only disk says so of files that are not there, too
            part.unlink(missing_ok=True)
    return listed


def _write(registry: Registry, version: int, folder: Path, part: Path, lineage: Lineage | None, say: Say) -> BundleList:
    files: dict[str, BundledFile] = {}
    # Not beyond links: a version's folder holds files alone, and whatever a link leads to is no part of it.
    linked = [found for found in folder.rglob("*") if found.is_symlink()]
    if linked:
        raise RegistryError(f"{linked[0]} is a symbolic link", "a version of plain files", "replace it by the file")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for found in sorted(found for found in folder.rglob("*") if found.is_file()):
            name = VERSION_PREFIX + found.relative_to(folder).as_posix()
            files[name] = _add(archive, name, found)
        table = class_table(folder)
        texts = {} if table is None else {CLASSES_FILE: json.dumps(table, indent=1)}
        if lineage is not None:
            texts[CONFIG_FILE] = json.dumps(lineage.parameters, indent=1)
            texts[LINEAGE_FILE] = lineage.model_dump_json(indent=1)
        else:
            say("its lineage is not known: the bundle has neither lineage nor configuration")
        for name, text in texts.items():
            content = text.encode()
            files[name] = BundledFile(size=len(content), sha256=hashlib.sha256(content).hexdigest())
            archive.writestr(_info(name), content)
        listed = BundleList(
            format=BUNDLE_FORMAT,
            model=registry.name,
            version=version,
            model_digest=_text_or_none(read_provenance(folder).get("model_digest")),
            files=files,
        )
        archive.writestr(_info(LIST_FILE), listed.model_dump_json(indent=1))
    with part.open("rb") as done:
        os.fsync(done.fileno())
    return listed


def class_table(version_folder: Path) -> dict[str, Any] | None:
    """The class table of a version, by the contract beside it; None where there is none that can be read."""
    try:
        document: Any = json.loads((version_folder / "assets.extra" / CONTRACT_FILE).read_text(encoding="utf-8"))
        return dict(document["table"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sha256_of(path: Path) -> str:
    """The checksum of a file, however large."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> BundledFile:
    digest, size = hashlib.sha256(), 0
    info = _info(name)
    if PACKED_ALREADY in name:
        info.compress_type = zipfile.ZIP_STORED
    with path.open("rb") as source, archive.open(info, "w", force_zip64=path.stat().st_size >= 1 << 31) as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return BundledFile(size=size, sha256=digest.hexdigest())


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
