"""What a version's own folder says of it: contract, provenance, model card."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.contract import CONTRACT_FILE
from components.errors import EosegError
from components.publishing.model_card import read_model_card
from components.publishing.versions import read_provenance


@dataclass(frozen=True)
class OwnRecords:
    """What is written in a version's folder; empty where it is not.

    Attributes:
        provenance: As it was pushed: `data_fingerprint`, `pipeline`, `model_artifact`, `model_digest`.
        of_training: Of the contract, as maps carry it in their tags: `config_hash`, `data_fingerprint` (of records).
        figures: Of the model card.
        evaluated_split: Of the model card.
        code_revision: Of the model card.
    """

    provenance: dict[str, Any] = field(default_factory=dict)
    of_training: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float | None] = field(default_factory=dict)
    evaluated_split: str = ""
    code_revision: str = ""


def own_records(version_folder: Path) -> OwnRecords:
    """Reads them; a file that cannot be read counts as none, for a broken version must still be listed."""
    provenance: dict[str, Any] = _or_empty(lambda: read_provenance(version_folder))
    contract = version_folder / "assets.extra" / CONTRACT_FILE
    described = _or_empty(lambda: json.loads(contract.read_text(encoding="utf-8")))
    card = _or_empty(lambda: read_model_card(version_folder) or {})
    patches = card.get("patches") or {}
    return OwnRecords(
        provenance=provenance,
        of_training={str(k): str(v) for k, v in (described.get("provenance") or {}).items()},
        figures={str(name): _figure(value) for name, value in (patches.get("figures") or {}).items()},
        evaluated_split=str((card.get("data") or {}).get("evaluated_split") or ""),
        code_revision=revision_text((card.get("provenance") or {}).get("code") or {}),
    )


def revision_text(code: Mapping[str, Any]) -> str:
    """`git 0123456789ab, modified` of a model card's `code`; empty where there is none."""
    revision = str(code.get("revision") or "")
    if not revision:
        return ""
    short = revision[:12] if code.get("kind") == "git" else revision
    return f"{code.get('kind')} {short}" + (", modified" if code.get("modified") else "")


def _figure(value: Any) -> float | None:
    """A card gives each figure with its interval."""
    plain = value.get("value") if isinstance(value, Mapping) else value
    return float(plain) if isinstance(plain, float | int) else None


def _or_empty(read: Any) -> dict[str, Any]:
    try:
        found = read()
    except (OSError, ValueError, EosegError):
        return {}
    return dict(found) if isinstance(found, Mapping) else {}
