"""What came of a run, in one object: figures, verdicts, version, maps, times."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.evaluation.gate import GateVerdict
from components.evaluation.gate_verdicts import read_verdicts, verdicts_as_document
from components.evaluation.map_evaluator.files import MapEvaluationFiles, read_map_evaluation
from components.evaluation.verdict import Evaluation, read_evaluation
from tfx_pipeline.config import Config
from tfx_pipeline.run_record import RunRecord


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        evaluation: Figures and confusion matrices of the evaluated split.
        gates: Each gate's verdict.
        blessed: Whether the model passed all gates.
        served_well: Whether the serving check blessed it, with its reason.
        pushed: Whether the model is a version in the served folder.
        version: Its number, None where nothing was pushed.
        version_folder: Its folder.
        map_evaluation: Of whole tiles; None for a run of before that was a step.
    """

    evaluation: Evaluation
    gates: tuple[GateVerdict, ...]
    blessed: bool
    served_well: bool
    serving_reason: str
    pushed: bool
    version: int | None
    version_folder: Path | None
    map_evaluation: MapEvaluationFiles | None = None


def read_outcome(record: RunRecord) -> Outcome:
    """Reads the outcome of a run that got to its end."""
    evaluation_artifact = record.output("Evaluator", "evaluation")
    blessing = record.output("ModelGates", "blessing")
    infra = record.output("ServingCheck", "infra_blessing")
    pushed = record.output("VersionPusher", "pushed_model")
    if evaluation_artifact is None or blessing is None or infra is None or pushed is None:
        raise ValueError(f"run {record.name} did not get to its end: it has the steps {sorted(record.steps)}")
    evaluation = read_evaluation(evaluation_artifact.uri)
    of_tiles = record.output("MapEvaluator", "evaluation")
    is_pushed = pushed.properties.get("pushed") == 1
    return Outcome(
        evaluation=evaluation,
        gates=tuple(read_verdicts(blessing.uri)),
        blessed=blessing.properties.get("blessed") == 1,
        served_well=infra.properties.get("blessed") == 1,
        serving_reason=str(infra.properties.get("reason", "")),
        pushed=is_pushed,
        version=int(pushed.properties["pushed_version"]) if is_pushed else None,
        version_folder=Path(pushed.properties["pushed_destination"]) if is_pushed else None,
        map_evaluation=None if of_tiles is None else read_map_evaluation(of_tiles.uri),
    )


def write_summary(
    path: Path, config: Config, outcome: Outcome, split: str, maps: dict[str, Path], seconds: dict[str, float]
) -> None:
    """Writes the figures of a run as JSON (NaN as null), whole or not at all."""
    document = {
        "name": config.name,
        "evaluated_split": split,
        "figures": {k: _finite(v) for k, v in outcome.evaluation.figures.items()},
        "by_tile": {tile: {k: _finite(v) for k, v in row.items()} for tile, row in outcome.evaluation.by_tile.items()},
        "confusion": outcome.evaluation.confusion.astype(int).tolist(),
        "classes": list(config.table.names),
        "gates": verdicts_as_document(outcome.gates),
        "whole_tiles": None if outcome.map_evaluation is None else _of_whole_tiles(outcome.map_evaluation.document),
        "blessed": outcome.blessed,
        "served_well": outcome.served_well,
        "serving_check": outcome.serving_reason,
        "pushed": outcome.pushed,
        "version": outcome.version,
        "version_folder": str(outcome.version_folder) if outcome.version_folder else None,
        "maps": {tile: str(file) for tile, file in maps.items()},
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
    }
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(document, indent=2, allow_nan=False))
    part.replace(path)


def _of_whole_tiles(document: Mapping[str, Any]) -> dict[str, Any]:
    """Figures with their intervals, and the matrices."""
    return {key: document[key] for key in ("figures", "confusion", "eroded_confusion", "blessed_figures", "bootstrap")}


def _finite(value: float) -> float | None:
    return None if value != value else round(value, 6)
