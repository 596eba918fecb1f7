"""What is known of a pushed version: from the run that pushed it, and where that is gone, from its model card."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from components.classes import ClassTable
from components.contract import CONTRACT_FILE, ModelContract
from components.errors import EosegError, MissingFileError
from components.evaluation.all_figures import ScoredClasses, all_intervals
from components.evaluation.bootstrap import Interval
from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit
from components.evaluation.figures import figure_names
from components.evaluation.gate_verdicts import read_verdicts, verdicts_as_document
from components.evaluation.map_evaluator.files import CANDIDATE, read_counts, read_map_evaluation
from components.evaluation.verdict import read_evaluation
from components.publishing.model_card import read_model_card
from components.publishing.versions import read_provenance
from tfx_pipeline.report.compare_runs import PushingRun

T = TypeVar("T")
Document = Mapping[str, Any]


@dataclass(frozen=True)
class ViewEvidence:
    """One version in one view.

    Attributes:
        figures: With their intervals; NaN where absent.
        confusion: `(K, K)` counts, row = truth.
        classes: As they were scored.
        counts: By tile or block, for intervals of differences; None where only the card is left.
        over: What the intervals draw from: `tiles` or `blocks`.
        seed, resamples: Of the bootstrap.
    """

    figures: Mapping[str, Interval]
    confusion: NDArray[np.int64]
    classes: ScoredClasses
    counts: EvaluationCounts | None = None
    over: str = "tiles"
    seed: int = 0
    resamples: int = 2000


@dataclass(frozen=True)
class PushedVersion:
    """One of the two versions.

    Attributes:
        title: `version 42`.
        folder: Where it lies.
        run: TFX's id of the run that pushed it; None where that is not known.
        table: The classes.
        contract: Of the model.
        provenance: As it was pushed with.
        card: Its model card; None where it has none.
        patches, tiles: The two views; None where nothing is known.
        gates: The verdicts; None where they are not known.
        areas: By class, in square metres, as `figures.json` has them; None where there are none.
        missing: What could not be had, in sentences.
    """

    title: str
    folder: Path
    run: str | None
    table: ClassTable
    contract: ModelContract
    provenance: Document
    card: Document | None
    patches: ViewEvidence | None
    tiles: ViewEvidence | None
    gates: Sequence[Document] | None
    areas: Document | None
    missing: tuple[str, ...]


def read_version(folder: Path, run: PushingRun | None) -> PushedVersion:
    """Reads a version.

    Args:
        folder: `MODEL_BASE/<name>/<version>`.
        run: The run that pushed it; None where ML Metadata does not know.

    Raises:
        MissingFileError: If the folder holds no version that EOSeg pushed.
        PublishingError: If its model card is damaged.
    """
    path = folder / "assets.extra" / CONTRACT_FILE
    if not path.is_file():
        raise MissingFileError(
            f"{path} does not exist", "a version that EOSeg pushed", "name the folder of a pushed version"
        )
    contract = ModelContract.model_validate_json(path.read_text(encoding="utf-8"))
    table, card = contract.table, read_model_card(folder)
    missing: list[str] = []
    if run is None:
        missing.append("the run that pushed it is not in ML Metadata; what is shown is from its model card")
    if card is None:
        missing.append("it has no model card: its configuration and the code that made it are not known")
    uris = {} if run is None else run.uris

    def tried(what: str, step: str, key: str, read: Callable[[str], T]) -> T | None:
        uri = uris.get((step, key))
        if uri is None:
            if run is not None:
                missing.append(f"its run has no {what}")
            return None
        try:
            return read(uri)
        except (EosegError, OSError) as error:
            missing.append(f"its {what} cannot be read ({str(error).splitlines()[0]})")
            return None

    patches = tried("evaluation of patches", "Evaluator", "evaluation", lambda uri: _patches(uri, table))
    document = tried("evaluation of whole tiles", "MapEvaluator", "evaluation", lambda uri: _figures(uri))
    tiles = None
    if document is not None:
        counts = tried("counts of whole tiles", "MapEvaluator", "evaluation", _counts)
        tiles = _of_document(document, table, counts)
    gates = tried("gates' verdicts", "ModelGates", "blessing", lambda uri: verdicts_as_document(read_verdicts(uri)))
    of_card = card or {}
    return PushedVersion(
        title=f"version {folder.name}",
        folder=folder,
        run=None if run is None else run.name,
        table=table,
        contract=contract,
        provenance=read_provenance(folder),
        card=card,
        patches=patches or _of_document(of_card.get("patches"), table),
        tiles=tiles or _of_document(of_card.get("tiles"), table),
        gates=of_card.get("gates") if gates is None else gates,
        areas=(document or of_card.get("tiles") or {}).get("areas"),
        missing=tuple(missing),
    )


def _patches(uri: str, table: ClassTable) -> ViewEvidence:
    """Each tile as one unit of counts, of which only the confusion matrix is filled."""
    evaluation = read_evaluation(uri)
    by_tile = evaluation.confusion_by_tile or {"": evaluation.confusion}
    options = CountingOptions(block_px=None)
    names = sorted(by_tile)
    empty = EvaluationCounts.none(len(table), options).arrays
    arrays = {name: np.zeros((len(names), *array.shape[1:]), np.int64) for name, array in empty.items()}
    arrays["confusion"] = np.stack([by_tile[name] for name in names]).astype(np.int64)
    counts = EvaluationCounts(len(table), options, tuple(Unit(name) for name in names), **arrays)
    classes = ScoredClasses(table.names, table.scored_ids)
    known = set(figure_names(table.names))
    intervals = {name: found for name, found in all_intervals(counts, classes).items() if name in known}
    return ViewEvidence(intervals, evaluation.confusion.astype(np.int64), classes, counts)


def _figures(uri: str) -> Document:
    return read_map_evaluation(uri).document


def _counts(uri: str) -> EvaluationCounts:
    return read_counts(uri, CANDIDATE)


def _of_document(
    document: Document | None, table: ClassTable, counts: EvaluationCounts | None = None
) -> ViewEvidence | None:
    """A view as `figures.json` or a model card tells it."""
    if document is None:
        return None
    names = table.names
    ignored = tuple(names.index(name) for name in document.get("ignored") or ())
    drawn = document.get("bootstrap") or {}
    return ViewEvidence(
        figures={name: Interval(**_with_nan(found)) for name, found in document["figures"].items()},
        confusion=np.asarray(document["confusion"], np.int64),
        classes=ScoredClasses(names, table.scored_ids, ignored),
        counts=counts,
        over=drawn.get("over", "tiles"),
        seed=drawn.get("seed", 0),
        resamples=drawn.get("resamples", 2000),
    )


def _with_nan(row: Document) -> dict[str, Any]:
    """JSON's null is an absent figure."""
    return {key: math.nan if value is None else value for key, value in row.items()}
