"""The served folder in TensorFlow Serving's layout: `MODEL_BASE/<name>/<version>/saved_model.pb`.

The server polls this folder and loads any child whose name is a number, so a version must appear in one step: it is
staged in a sibling whose name is no number, flushed to disk, and renamed.
"""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

from components.errors import PublishingError
from components.records.fingerprint import content_digest

STAGING_PREFIX = ".staging-"
PROVENANCE_FILE = "assets.extra/eoseg_provenance.json"
VERSION_FILES = "version_files"
"""The folder in the serving check's InfraBlessing whose content is copied into the version: warm-up requests."""


def version_numbers(model_folder: Path) -> list[int]:
    """The versions in a served folder, ascending; empty where the folder is not there."""
    if not model_folder.is_dir():
        return []
    return sorted(int(child.name) for child in model_folder.iterdir() if child.name.isdecimal() and child.is_dir())


def next_version(model_folder: Path) -> int:
    """A number above every version there: the time in seconds, as TFX's own Pusher numbers, unless that is taken."""
    return max([int(time.time()), *(number + 1 for number in version_numbers(model_folder))])


def model_digest(saved_model: Path) -> str:
    """One digest over the names and the bytes of a SavedModel's files."""
    files = sorted(path for path in saved_model.rglob("*") if path.is_file())
    names = "\n".join(str(path.relative_to(saved_model)) for path in files)
    contents = "\n".join(content_digest(path) for path in files)
    return hashlib.blake2b(f"{names}\0{contents}".encode(), digest_size=16).hexdigest()


def read_provenance(version_folder: Path) -> dict[str, object]:
    """What was remembered of a version when it was pushed; empty for a version that EOSeg did not push."""
    path = version_folder / PROVENANCE_FILE
    provenance: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
    return provenance


def push_version(
    saved_model: Path, model_folder: Path, provenance: dict[str, object], extra: Path | None = None
) -> int:
    """Publishes a SavedModel as the next version, whole or not at all.

    Args:
        saved_model: The SavedModel's folder.
        model_folder: `MODEL_BASE/<name>`; made if it is not there.
        provenance: Goes into `assets.extra/eoseg_provenance.json`, with the version's number and the model's digest.
        extra: A folder whose content is copied into the version too (the warm-up requests).

    Returns:
        The version's number. Where the latest version already is this very model (a push that was killed after its
        rename, and is run again), its number, and nothing is written.

    Raises:
        PublishingError: If there is no SavedModel, or the folder cannot be written.
    """
    if not (saved_model / "saved_model.pb").is_file():
        raise PublishingError(
            f"{saved_model} holds no saved_model.pb", "an exported SavedModel", "run the training step again"
        )
    try:
        model_folder.mkdir(parents=True, exist_ok=True)
        for stale in model_folder.glob(f"{STAGING_PREFIX}*"):  # of a push that was killed
            shutil.rmtree(stale)
        digest = model_digest(saved_model)
        versions = version_numbers(model_folder)
        if versions and read_provenance(model_folder / str(versions[-1])).get("model_digest") == digest:
            return versions[-1]
        number = next_version(model_folder)
        staging = model_folder / f"{STAGING_PREFIX}{number}-{os.getpid()}"
        shutil.copytree(saved_model, staging)
        if extra is not None:
            shutil.copytree(extra, staging, dirs_exist_ok=True)
        (staging / PROVENANCE_FILE).parent.mkdir(exist_ok=True)
        (staging / PROVENANCE_FILE).write_text(
            json.dumps({**provenance, "version": number, "model_digest": digest}, indent=2)
        )
        _flush(staging)
        staging.rename(model_folder / str(number))
        _flush_folder(model_folder)
    except OSError as error:
        raise PublishingError(
            f"the version cannot be written to {model_folder}: {error}",
            "a folder that this user can write, with room for the model",
            "check publish.model_base, its permissions and the disk's free space",
        ) from error
    return number


def _flush(folder: Path) -> None:
    """Forces every file below `folder` to disk, so that a power cut after the rename cannot leave empty files."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with (Path(parent) / name).open("rb") as file:
                os.fsync(file.fileno())
        _flush_folder(Path(parent))


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
