"""A version's model card: who it is for, what it was made of, what it scored and where it fails.

The order and the questions are those of Mitchell et al. 2019, "Model Cards for Model Reporting" (FAT* '19, section 4).
The document is JSON of format `eoseg-model-card`, version 1:

| key | holds |
|---|---|
| `format`, `version`, `created` | `eoseg-model-card`, 1, when it was written (ISO 8601, UTC) |
| `name` | the name that the model is served under |
| `stated` | `ModelCardOptions`: what people said; `not stated` where they did not |
| `model` | classes, void, bands, dtype, patch size, ground sample distance, network, training, and how it went |
| `model.found_by_search` | settings of the training that are not the configuration's: `key`, `configured`, `trained` |
| `provenance` | pipeline, fingerprints of files and records, hashes, code revision, package versions |
| `data` | the evaluated split, and tiles and class pixels of each split |
| `patches` | figures of the patch records with 95 % intervals, confusion matrix; null where there are none |
| `tiles` | the same of whole tiles, with areas; null where there are none |
| `gates` | each gate's verdict; null where none is known |
| `limits` | what the figures say against the model: `code` and a sentence each |
| `config` | the configuration without paths |

A figure that is not defined is null. New keys may come; these stay while `version` is 1.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.contract import ModelContract
from components.errors import PublishingError
from components.publishing.model_card_limits import known_limits
from components.publishing.model_card_markdown import as_markdown
from components.publishing.model_card_options import CardRequest, without_folder
from components.training.trained_settings import replaced_settings

FORMAT = "eoseg-model-card"
VERSION = 1
CARD_JSON = "assets.extra/model_card.json"
CARD_MARKDOWN = "assets.extra/model_card.md"

Document = dict[str, Any]

_OF_TILES = (
    "classes", "scored", "ignored", "counting", "prediction", "bootstrap", "confusion", "eroded_confusion", "figures",
    "blessed_figures", "differences", "not_compared", "areas",
)  # fmt: skip
"""Keys of the evaluation of whole tiles that a card takes over; pictures, slices and windows stay in the report."""

_OF_EPOCH = ("step", "seconds", "loss", "eval_loss", "eval_mean_iou", "eval_pixel_accuracy")
"""Of the last epoch."""


@dataclass(frozen=True)
class CardEvidence:
    """What a run's artifacts say of a model; whatever is not known is None or empty.

    Attributes:
        contract: Of the exported model.
        provenance: What the pipeline remembers beside the model: `data_fingerprint`, `pipeline`.
        code: `kind`, `revision`, `modified` of the code that pushed it.
        packages: Versions of the packages that decide the result.
        patches: As `patch_section` gives.
        tiles: `figures.json` of the evaluation of whole tiles.
        gates: The verdicts as `gates.json` lists them; None where no step judged.
        label_report: The label validator's report.
        history: The trainer's epochs, oldest first.
        settings: The keys `network` and `training` that the trainer trained with; None where it left none.
    """

    contract: ModelContract | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    patches: Mapping[str, Any] | None = None
    tiles: Mapping[str, Any] | None = None
    gates: Sequence[Mapping[str, Any]] | None = None
    label_report: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] | None = None


def model_card(name: str, request: CardRequest, evidence: CardEvidence, created: str) -> Document:
    """The card as a document that `json.dumps` takes.

    Args:
        name: The name that the model is served under.
        request: What people stated, the evaluated split and the configuration.
        evidence: What the run's artifacts say.
        created: ISO 8601.
    """
    tiles = evidence.tiles
    document = {
        "format": FORMAT,
        "version": VERSION,
        "created": created,
        "name": name,
        "stated": request.stated.model_dump(mode="json"),
        "model": _model(request, evidence),
        "provenance": _provenance(request, evidence),
        "data": {"evaluated_split": request.split, "splits": _splits(evidence.label_report)},
        "patches": evidence.patches,
        "tiles": None
        if tiles is None
        else {**{key: tiles.get(key) for key in _OF_TILES}, "by_tile": _mean_iou_by_tile(tiles)},
        "gates": None if evidence.gates is None else [dict(verdict) for verdict in evidence.gates],
        "config": request.config,
    }
    plain: Document = _without_nan(document)
    plain["limits"] = [{"code": limit.code, "text": limit.text} for limit in known_limits(plain)]
    return plain


def config_hash(config: Mapping[str, Any]) -> str:
    """24 hex digits that every key of a configuration goes into."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:24]


def write_model_card(folder: Path, document: Document) -> None:
    """Writes `assets.extra/model_card.json` and `assets.extra/model_card.md` below a version's folder.

    Each file is whole or not there; one that already says the same is left alone.

    Raises:
        PublishingError: If they cannot be written.
    """
    texts = {
        CARD_JSON: json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        CARD_MARKDOWN: as_markdown(document),
    }
    try:
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and path.read_bytes() == text.encode():
                continue
            part = path.with_name(f".{path.name}.{os.getpid()}.part")
            part.write_text(text, encoding="utf-8")
            part.replace(path)
    except OSError as error:
        raise PublishingError(
            f"the model card cannot be written to {folder}: {error}",
            "a folder that this user can write",
            "check its permissions and the disk's free space",
        ) from error


def read_model_card(version_folder: Path) -> Document | None:
    """The card of a pushed version; None for a version without one.

    Raises:
        PublishingError: If the file is there and is no model card of this format.
    """
    path = version_folder / CARD_JSON
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _no_card(path, f"is no JSON: {error}") from error
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (FORMAT, VERSION):
        raise _no_card(path, "is no model card of this format")
    return document


def _no_card(path: Path, problem: str) -> PublishingError:
    return PublishingError(
        f"{path} {problem}", f"a JSON object with format {FORMAT!r}, version {VERSION}", "push the model again"
    )


def _model(request: CardRequest, evidence: CardEvidence) -> Document:
    contract = evidence.contract
    of_format = {} if contract is None else contract.model_dump(mode="json", exclude={"provenance"})
    table = of_format.pop("table", {})
    last = {key: evidence.history[-1].get(key) for key in _OF_EPOCH} if evidence.history else None
    settings = _settings(request, evidence)
    return {
        "classes": list(table.get("classes", ())),
        "void": list(table.get("void", ())),
        "bands": [],
        "band_set": None,
        "dtype": None,
        "patch_size": None,
        "downsample": None,
        **of_format,
        "ground_sample_distance_m": _ground_sample_distances(evidence.label_report),
        "network": settings.get("network"),
        "training": settings.get("training"),
        "found_by_search": [asdict(setting) for setting in replaced_settings(request.config, settings)],
        "trained": None if last is None else {**last, "epochs": len(evidence.history)},
    }


def _settings(request: CardRequest, evidence: CardEvidence) -> Mapping[str, Any]:
    """`network` and `training` as trained; empty where that is not known."""
    if evidence.settings is not None:
        return {**evidence.settings, "network": without_folder(evidence.settings["network"])}
    # A model that was trained before there were such files. After a search the configuration is no answer.
    return {} if request.config.get("tuning") else request.config


def _provenance(request: CardRequest, evidence: CardEvidence) -> Document:
    of_training = {} if evidence.contract is None else evidence.contract.provenance
    return {
        **evidence.provenance,
        "records_fingerprint": of_training.get("data_fingerprint"),
        "training_hash": of_training.get("config_hash"),
        "config_hash": config_hash(request.config) if request.config else None,
        "code": dict(evidence.code),
        "packages": dict(evidence.packages),
    }


def _splits(report: Mapping[str, Any]) -> list[Document]:
    """Tiles (or ground blocks) and label pixels of each split, in the report's full resolution."""
    found: dict[str, Document] = {}
    for row in report.get("tiles", ()):
        split = found.setdefault(row["split"], {"split": row["split"], "tiles": 0, "class_pixels": {}, "void": 0})
        split["tiles"] += 1
        split["void"] += row["void"] + row["off_palette"]
        for name, pixels in row["by_class"].items():
            split["class_pixels"][name] = split["class_pixels"].get(name, 0) + pixels
    order = ("train", "eval", "test")
    return [found[split] for split in order if split in found]


def _ground_sample_distances(report: Mapping[str, Any]) -> list[float] | None:
    """Smallest and largest pixel side on the ground, in metres, over all tiles; None where it is not known."""
    sides = [side for row in report.get("tiles", ()) for side in row.get("pixel_size_m") or ()]
    return [min(sides), max(sides)] if sides else None


def _mean_iou_by_tile(tiles: Mapping[str, Any]) -> dict[str, float | None]:
    slices = tiles.get("slices") or {}
    return {name.removeprefix("tile/"): part["mean_iou"] for name, part in slices.items() if name.startswith("tile/")}


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return value
