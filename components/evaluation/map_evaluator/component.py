"""MapEvaluator: the TFX component around the evaluation of whole tiles."""

import json
from typing import Any, Dict, List, Optional, Tuple

import apache_beam as beam
import tensorflow as tf
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import BeamComponentParameter
from tfx.dsl.io import fileio
from tfx.types.artifact import Artifact
from tfx.utils import path_utils

from components.contract import ModelContract
from components.errors import DataError
from components.evaluation.area_rows import area_rows, areas_as_csv
from components.evaluation.counts import EvaluationCounts
from components.evaluation.counts_file import to_npz
from components.evaluation.gate import NO_BLESSED_MODEL
from components.evaluation.map_evaluator.document import as_document
from components.evaluation.map_evaluator.files import (
    AREAS_FILE,
    BLESSED,
    CANDIDATE,
    FIGURES_FILE,
    TILES_FOLDER,
    counts_file,
    read_counts,
)
from components.evaluation.map_evaluator.options import MapEvaluatorOptions
from components.evaluation.saved_model_scorer import read_contract
from components.evaluation.tile_products import TileFacts, facts_from_json
from components.evaluation.transforms import COUNTS, FAILURES, EvaluateTiles
from components.evaluation.view_figures import view_figures
from components.file_systems import load_file_system, read_text, write_text
from components.label_validation.parts import by_tile
from components.tile_source import TileList

FAILURES_FILE = "failures.json"


class MapEvaluation(Artifact):
    """`figures.json`, `candidate_counts.npz`, `blessed_counts.npz` where compared, and a JSON and an npz a tile."""

    # One word, a dot, one word: the only form that the Kubeflow compiler takes.
    TYPE_NAME = "eoseg.MapEvaluation"


@tfx.dsl.components.component(use_beam=True)
def MapEvaluator(
    evaluation: tfx.dsl.components.OutputArtifact[MapEvaluation],
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    tiles: tfx.dsl.components.Parameter[str],
    fingerprint: tfx.dsl.components.Parameter[str],
    options: tfx.dsl.components.Parameter[str],
    blessed_model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model] = None,
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Predicts whole tiles as production does, and counts them. It knows no gate: those may change without it.

    Args:
        evaluation: Gets the figures, the counts and what there is to look at.
        model: The candidate.
        tiles: `TileList` of the evaluated split as JSON.
        fingerprint: Of all the tiles' files; it makes changed files a new step.
        options: `MapEvaluatorOptions` as JSON.
        blessed_model: The latest blessed model, evaluated on the same tiles.
        beam_pipeline: Given by TFX.

    Raises:
        DataError: If a tile cannot be evaluated, or there is none.
    """
    del fingerprint
    asked = MapEvaluatorOptions.model_validate_json(options)
    parts = by_tile(TileList.model_validate_json(tiles).tiles)
    if not parts:
        raise DataError("there is no tile to evaluate", "a tile in the evaluated split", "list one under data.splits")
    models, not_compared = _models(model, blessed_model, asked)
    load_file_system(evaluation.uri)
    fileio.makedirs(evaluation.uri)
    folder = f"{evaluation.uri}/{TILES_FOLDER}"
    with beam_pipeline as pipeline:
        found = (
            pipeline
            | "Tiles" >> beam.Create(parts)
            | "EvaluateTiles" >> EvaluateTiles(models, asked.table, asked.labels, asked.of_tiles, folder)
        )
        _ = found[COUNTS] | "Write counts" >> beam.Map(_write_counts, evaluation.uri)
        _ = (
            found[FAILURES]
            | "Gather failures" >> beam.combiners.ToList()
            | "Write failures" >> beam.Map(_write_failures, f"{evaluation.uri}/{FAILURES_FILE}")
        )
    _raise_failures(f"{evaluation.uri}/{FAILURES_FILE}")
    counts = {name: read_counts(evaluation.uri, name) for name in models}
    candidate, blessed = counts[CANDIDATE], counts.get(BLESSED)
    figures = view_figures(candidate, blessed, asked.scored_classes, (), asked.bootstrap, not_compared)
    facts = _read_facts(folder, len(parts))
    areas = area_rows(candidate, facts, asked.table.names, asked.bootstrap)
    document = as_document(candidate, blessed, figures, facts, areas, asked)
    write_text(f"{evaluation.uri}/{AREAS_FILE}", areas_as_csv(areas))
    write_text(f"{evaluation.uri}/{FIGURES_FILE}", json.dumps(document, indent=1, allow_nan=False))


def why_not_compared(candidate: ModelContract, blessed: ModelContract) -> str:
    """Why two models cannot be compared on the same tiles, in words; empty where they can."""
    if candidate.table.names != blessed.table.names:
        return f"the latest blessed model has other classes ({', '.join(blessed.table.names)}) and is not compared"
    if (candidate.bands, candidate.dtype, candidate.band_set) != (blessed.bands, blessed.dtype, blessed.band_set):
        return f"the latest blessed model has other bands ({', '.join(blessed.bands)}) and is not compared"
    return ""


def _models(model: Artifact, blessed: Optional[Artifact], asked: MapEvaluatorOptions) -> Tuple[Dict[str, str], str]:
    """The SavedModels by name, and why there is no blessed one among them."""
    models = {CANDIDATE: _saved_model(model)}
    contract = read_contract(models[CANDIDATE])
    if contract.table.names != asked.table.names:
        raise DataError(
            f"the model knows the classes {', '.join(contract.table.names)}",
            f"those of the labels: {', '.join(asked.table.names)}",
            "train a model of these classes",
        )
    if blessed is None:
        return models, NO_BLESSED_MODEL
    reason = why_not_compared(contract, read_contract(_saved_model(blessed)))
    if not reason:
        models[BLESSED] = _saved_model(blessed)
    return models, reason


def _saved_model(model: Artifact) -> str:
    path: str = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    return path


def _write_counts(named: Tuple[str, EvaluationCounts], folder: str) -> None:
    name, counts = named
    load_file_system(folder)
    with tf.io.gfile.GFile(counts_file(folder, name), "wb") as file:
        file.write(to_npz(counts))


def _write_failures(failures: List[Any], path: str) -> None:
    write_text(path, json.dumps(sorted(failures)))


def _raise_failures(path: str) -> None:
    failures = json.loads(read_text(path) or "[]")
    if failures:
        listing = "\n".join(f"tile {tile}: {message}" for tile, message in failures)
        raise DataError(f"{len(failures)} tile(s) could not be evaluated:\n{listing}", remedy="repair them")
    fileio.remove(path)


def _read_facts(folder: str, how_many: int) -> List[TileFacts]:
    paths = sorted(tf.io.gfile.glob(f"{folder}/*.json"))
    facts = [facts_from_json(read_text(path) or "", path) for path in paths]
    if len(facts) != how_many:
        raise DataError(
            f"{folder} holds the files of {len(facts)} tile(s)",
            f"those of all {how_many}, written by the workers",
            "use a pipeline root that driver and workers share",
        )
    return sorted(facts, key=lambda of_tile: of_tile.tile)
