"""A bundle back into a model's folder: nothing in the archive is believed before it is checked.

What is refused: names that lead out of the folder, in any way of writing it; links and whatever is no plain file; two
members of one name, also where a file system takes them for one; members that the list does not name, and the reverse;
encrypted members; archives that unpack to more than a model ever is; bytes that have another checksum than the list
says. The version is unpacked beside the others and gets its number by one rename, when everything was found right.
"""

import errno
import hashlib
import json
import lzma
import os
import shutil
import stat
import unicodedata
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from components.errors import MissingFileError
from components.publishing.versions import next_version, read_provenance
from serving.versions.audit import read_audit
from serving.versions.bundle import (
    BUNDLE_FORMAT,
    CLASSES_FILE,
    CONFIG_FILE,
    LINEAGE_FILE,
    LIST_FILE,
    VERSION_PREFIX,
    BundledFile,
    BundleList,
    sha256_of,
)
from serving.versions.bundle_options import BundleLimits
from serving.versions.change import Say, finish_interrupted
from serving.versions.integrity import refuse_changed
from serving.versions.lineage import Lineage, write_lineage
from serving.versions.lock import registry_lock
from serving.versions.operations import log_change
from serving.versions.registry import HIGHEST, Registry, is_whole, write_whole
from serving.versions.registry_error import RegistryError

STAGING = "staging"
IMPORTING = "importing.json"
_CHUNK = 1 << 20
_SMALL = 1 << 20
_ENCRYPTED = 0x1
_LONGEST_LIST = 16 << 20
_LONGEST_LINEAGE = 64 << 20
"""Both are read into memory; a lineage of ten thousand tiles has some megabytes."""
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)
_UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)
"""What Python's zipfile says of damaged archives; ValueError of offsets and dates that cannot be."""


def import_bundle(
    registry: Registry,
    path: Path,
    *,
    limits: BundleLimits | None = None,
    number: int | None = None,
    of_model: str | None = None,
    reason: str = "",
    wait_seconds: float = 0.0,
    say: Say = lambda _: None,
) -> int:
    """Brings a version in, whole or not at all.

    Args:
        registry: Of the model.
        path: The archive.
        limits: Of what it unpacks to.
        number: The version's number here; None keeps its own, or takes the next where another version has it.
        of_model: The model's name where the bundle comes from; None if it is the same as here.
        reason: For the audit log.
        wait_seconds: For another change that is at work.
        say: Told what comes of it.

    Returns:
        The version's number. Where the very same version is there already, its number, and nothing is written.

    Raises:
        MissingFileError: If there is no such file.
        RegistryError: If it is refused, or cannot be unpacked; then nothing is changed.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist", "a bundle of `eoseg versions export`", "correct the path")
    if number is not None and not 0 < number <= HIGHEST:
        raise RegistryError(f"--as {number}", f"1 to {HIGHEST}, as model servers count", "choose another number")
    with registry_lock(registry, "versions import", wait_seconds):
        finish_interrupted(registry, say, wait_seconds)
        _finish_log(registry)
        shutil.rmtree(registry.own / STAGING, ignore_errors=True)  # of an import that was killed
        staging = registry.own / STAGING / f"{os.getpid()}"
        try:
            listed = _unpack(path, staging, limits or BundleLimits(), of_model or registry.name)
            version = _number(registry, staging / "version", listed, number)
            if version is None:
                say(f"version {listed.version} is there already, with the very same files")
                return listed.version
            _keep_lineage(registry, staging / LINEAGE_FILE, version)
            begun = registry.own / IMPORTING
            details = {"bundle": path.name, "as_exported": listed.version}
            write_whole(begun, json.dumps({"version": version, "reason": reason, "details": details}))
            (staging / "version").rename(registry.version_folder(version))
            log_change(registry, "import", version, reason, "done", details)
            begun.unlink()
        except OSError as error:
            if error.errno not in _OF_THE_DISK:
                raise _unreadable(path, error) from error
            raise RegistryError(
                f"{path} cannot be unpacked into {staging}: {error.strerror}",
                "a folder that can be written, with room for the version",
                "make room, or correct its permissions",
            ) from error
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error
        finally:
            shutil.rmtree(registry.own / STAGING, ignore_errors=True)
    say(f"version {version} is imported into {registry.version_folder(version)}")
    return version


def _unpack(path: Path, staging: Path, limits: BundleLimits, model: str) -> BundleList:
    with zipfile.ZipFile(path) as archive:
        members = checked_members(archive, path, limits)
        listed = _read_list(archive, path, members)
        if listed.model != model:
            raise RegistryError(
                f"{path} is refused: it is a version of the model '{listed.model}'",
                f"one of '{model}'",
                f"name that model's folder; or, if it is to be served under this name, --of-model {listed.model}",
            )
        named = set(listed.files) | {LIST_FILE}
        for kind, names in (("has", set(members) - named), ("lacks", named - set(members))):
            if names:
                raise _refused(path, f"it {kind} '{min(names)}'", f"exactly the files that {LIST_FILE} names")
        for name, expected in listed.files.items():
            if name not in (LINEAGE_FILE, CONFIG_FILE, CLASSES_FILE) and not name.startswith(VERSION_PREFIX):
                raise _refused(path, f"'{name}' is none of a bundle's files", f"{VERSION_PREFIX}..., {LINEAGE_FILE}")
            _extract(archive, members[name], staging / name, expected, path)
    if not is_whole(staging / "version"):
        raise _refused(path, "it holds no saved_model.pb", "a SavedModel below version/")
    return listed


def checked_members(archive: zipfile.ZipFile, path: Path, limits: BundleLimits) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive by name, when all of them may be unpacked.

    Args:
        archive: Open.
        path: For the error message.
        limits: Of number and size.

    Raises:
        RegistryError: If one may not.
    """
    infos = archive.infolist()
    if len(infos) > limits.most_files:
        raise _refused(path, f"it has {len(infos)} members", f"at most {limits.most_files}")
    members: dict[str, zipfile.ZipInfo] = {}
    seen: dict[str, str] = {}
    folders: set[str] = set()
    total = 0
    for info in infos:
        name = info.filename
        _refuse_name(path, info)
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise _refused(path, f"'{name}' is a link, a folder or a device", "plain files alone")
        if info.flag_bits & _ENCRYPTED:
            raise _refused(path, f"'{name}' is encrypted", "files that can be read")
        same = _folded(name)
        if same in seen:
            raise _refused(path, f"'{seen[same]}' and '{name}' would be one file", "a name of its own for each file")
        seen[same] = name
        folders |= {_folded(str(parent)) for parent in PurePosixPath(name).parents}
        total += info.file_size
        if total > limits.most_bytes:
            raise _refused(path, f"it unpacks to more than {limits.most_bytes:,} bytes", "a model's size, or --most-gb")
        if info.file_size > _SMALL and info.file_size > limits.most_ratio * max(info.compress_size, 1):
            raise _refused(
                path,
                f"'{name}' unpacks from {info.compress_size:,} to {info.file_size:,} bytes",
                f"at most {limits.most_ratio:g} times its packed size",
            )
        members[name] = info
    both = folders & set(seen)
    if both:
        raise _refused(path, f"'{seen[min(both)]}' is a file and a folder", "one of both")
    return members


def _refuse_name(path: Path, info: zipfile.ZipInfo) -> None:
    """Python's zipfile cuts a name at NUL and turns backslashes; the name as it stands in the archive counts."""
    name = info.orig_filename
    parts = name.split("/")
    is_bad = (
        name != info.filename
        or not name
        or len(name) > 512
        or "\\" in name
        or any(ord(character) < 32 or ord(character) == 127 for character in name)
        or ":" in name  # a drive, or a stream beside a file, elsewhere
        or any(part in ("", ".", "..") or len(part.encode("utf-8", "replace")) > 255 for part in parts)
    )
    if is_bad:
        raise _refused(path, f"the member name {name[:200]!r}", "relative names without '..', links and folders")


def _read_list(archive: zipfile.ZipFile, path: Path, members: dict[str, zipfile.ZipInfo]) -> BundleList:
    info = members.get(LIST_FILE)
    if info is None:
        raise _refused(path, f"it has no {LIST_FILE}", "a bundle of `eoseg versions export`")
    if info.file_size > _LONGEST_LIST:
        raise _refused(path, f"{LIST_FILE} has {info.file_size:,} bytes", f"at most {_LONGEST_LIST:,}")
    try:
        with archive.open(info) as source:
            listed = BundleList.model_validate_json(source.read(_LONGEST_LIST + 1))
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            for detail in error.errors(include_input=False, include_url=False)[:3]
        )
        raise _refused(path, f"{LIST_FILE} cannot be understood: {reasons}", "the list of a bundle") from error
    if listed.format != BUNDLE_FORMAT:
        raise _refused(
            path, f"it has the format {listed.format}", f"format {BUNDLE_FORMAT}: this EOSeg is older or newer"
        )
    return listed


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, expected: BundledFile, path: Path) -> None:
    """Never writes more than the list allows, whatever the archive's own numbers say."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with archive.open(info) as source, target.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > expected.size:
                break
            digest.update(chunk)
            sink.write(chunk)
        sink.flush()
        os.fsync(sink.fileno())
    if size != expected.size or digest.hexdigest() != expected.sha256:
        raise _refused(path, f"'{info.filename}' is not the file that was exported", "the checksum in the list")


def _finish_log(registry: Registry) -> None:
    """An import that was killed: if its version got its name, the log gets its line."""
    begun = registry.own / IMPORTING
    if not begun.exists():
        return
    intended = json.loads(begun.read_text(encoding="utf-8"))
    version = int(intended["version"])
    logged = {(entry.verb, entry.version) for entry in read_audit(registry)[0]}
    if version in registry.versions and ("import", version) not in logged:
        outcome = "done: finished after an interruption"
        log_change(registry, "import", version, str(intended["reason"]), outcome, intended["details"])
    begun.unlink()


def _number(registry: Registry, unpacked: Path, listed: BundleList, number: int | None) -> int | None:
    """The unpacked version's number here; None where the very same one is there already."""
    refuse_changed(unpacked)
    wanted = listed.version if number is None else number
    there = registry.version_folder(wanted)
    if there.exists():
        if number is None and _same(there, listed):
            return None
        if number is not None:
            raise RegistryError(
                f"{registry.folder} has a version {number} already", "a number that is free", "leave --as out"
            )
        wanted = next_version(registry.folder)
    return wanted


def _same(folder: Path, listed: BundleList) -> bool:
    names = {VERSION_PREFIX + f.relative_to(folder).as_posix(): f for f in folder.rglob("*") if f.is_file()}
    if set(names) != {name for name in listed.files if name.startswith(VERSION_PREFIX)}:
        return False
    if read_provenance(folder).get("model_digest") != listed.model_digest:
        return False
    return all(sha256_of(file) == listed.files[name].sha256 for name, file in names.items())


def _keep_lineage(registry: Registry, file: Path, version: int) -> None:
    if not file.is_file() or file.stat().st_size > _LONGEST_LINEAGE:
        return
    try:
        lineage = Lineage.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError:  # of another EOSeg: the version serves without it
        return
    write_lineage(registry, version, lineage)


def _folded(name: str) -> str:
    """The same for names that a file system may take for one: case, and Unicode's ways to write a letter."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _unreadable(path: Path, error: Exception) -> RegistryError:
    return RegistryError(f"{path} cannot be unpacked: {error}", "a bundle of `eoseg versions export`", "fetch it again")


def _refused(path: Path, problem: str, expected: str) -> RegistryError:
    return RegistryError(f"{path} is refused: {problem}", expected, "fetch the bundle again from where it was exported")
