"""Whether a version's files are still those that were pushed."""

import hashlib
from pathlib import Path

from components.contract import CONTRACT_FILE
from components.publishing.versions import PROVENANCE_FILE, read_provenance
from components.records.fingerprint import content_digest
from serving.versions.registry_error import RegistryError

_EXTRA = "assets.extra/"
_ADDED = (
    PROVENANCE_FILE,
    f"{_EXTRA}tf_serving_warmup_requests",
    f"{_EXTRA}model_card",
    f"{_EXTRA}reference_statistics.json",
)
"""What pushing puts into a version beside the export, by the beginnings of the names."""


def exported_digests(version_folder: Path) -> set[str]:
    """`model_digest` of what was exported: over names and bytes of the files, without those that pushing has added.

    Two of them: an export of EOSeg's own has one file in `assets.extra`, whatever is added there in time; a foreign one
    may have others.
    """
    names = sorted(path.relative_to(version_folder) for path in version_folder.rglob("*") if path.is_file())
    own = [name for name in names if not name.as_posix().startswith(_EXTRA) or name.name == CONTRACT_FILE]
    foreign = [name for name in names if not name.as_posix().startswith(_ADDED)]
    digests = {name: content_digest(version_folder / name) for name in {*own, *foreign}}
    return {_digest_of(kept, digests) for kept in (own, foreign)}


def _digest_of(names: list[Path], digests: dict[Path, str]) -> str:
    listed = "\n".join(map(str, names))
    contents = "\n".join(digests[name] for name in names)
    return hashlib.blake2b(f"{listed}\0{contents}".encode(), digest_size=16).hexdigest()


def refuse_changed(version_folder: Path) -> None:
    """Refuses a version whose files are not those that EOSeg has pushed; one that it has not pushed passes.

    Raises:
        RegistryError: If they differ.
    """
    try:
        pushed = dict(read_provenance(version_folder)).get("model_digest")
    except (OSError, ValueError, TypeError) as error:
        raise RegistryError(
            f"{version_folder / PROVENANCE_FILE} cannot be read: {error}",
            "what was written when the version was pushed",
            "publish the version again, or import it from its bundle; retire this one",
        ) from error
    if pushed is None or pushed in exported_digests(version_folder):
        return
    raise RegistryError(
        f"{version_folder} is not what was pushed: its files no longer have the digest {pushed}",
        "the files as they were pushed",
        "publish the version again, or import it from its bundle; retire this one",
    )
