"""The Beam side of the evaluation of whole tiles: tiles in, counts and files out."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils import shared

from components.classes import ClassTable
from components.errors import EosegError
from components.evaluation.counts import EvaluationCounts
from components.evaluation.evaluate_tile import EvaluatedTile, TileEvaluationOptions, evaluate_tile
from components.evaluation.saved_model_scorer import SavedModelScorer
from components.evaluation.tile_products import facts_of, facts_to_json, file_stem, pictures_to_npz
from components.file_systems import load_file_system, write_text
from components.geo.label_options import LabelOptions
from components.geo.labels import LabelDecoder
from components.tile_source import TileList

COUNTS = "counts"
FAILURES = "failures"


class EvaluateTiles(beam.PTransform):
    """PCollection of `TileList` (one a tile: `parts.by_tile`) to the counts of each model, and files of each tile.

    Gives `(model's name, EvaluationCounts)`, one for each model that counted a tile, under the output `counts`, and
    `(tile, message)` of those that failed under `failures`; the caller decides what a failure means.

    Args:
        models: Name -> SavedModel folder. The files are the first model's.
        table: The classes, those of all models.
        labels: The form of the labels.
        options: How to predict and count.
        folder: Gets one JSON and one npz file a tile (`tile_products`).
    """

    def __init__(
        self,
        models: Mapping[str, str],
        table: ClassTable,
        labels: LabelOptions,
        options: TileEvaluationOptions,
        folder: str,
    ) -> None:
        super().__init__()
        self._models = dict(models)
        self._table = table
        self._labels = labels
        self._options = options
        self._folder = folder

    @no_annotations  # Beam warns of a dict, which says nothing of the elements
    def expand(self, tiles: beam.PCollection) -> dict[str, beam.PCollection]:
        """Each tile by itself, by every model; each model is loaded once a worker."""
        evaluated = (
            tiles
            | "Spread" >> beam.Reshuffle()
            | "Evaluate"
            >> beam.ParDo(
                _Evaluate(self._models, self._table, self._labels, self._options, self._folder, shared.Shared())
            ).with_outputs(FAILURES, main=COUNTS)
        )
        counts = evaluated[COUNTS] | "Sum" >> beam.CombinePerKey(EvaluationCounts.sum_of)
        return {COUNTS: counts, FAILURES: evaluated[FAILURES]}


class _Evaluate(beam.DoFn):
    def __init__(
        self,
        models: Mapping[str, str],
        table: ClassTable,
        labels: LabelOptions,
        options: TileEvaluationOptions,
        folder: str,
        handle: shared.Shared,
    ) -> None:
        self._models = dict(models)
        self._table = table
        self._label_options = labels
        self._options = options
        self._folder = folder
        self._handle = handle

    def setup(self) -> None:
        self._labels = LabelDecoder(self._table, self._label_options)
        load_file_system(self._folder)
        # All threads of a worker share the models; they live as long as any of its DoFns.
        self._scorers = self._handle.acquire(partial(_load, self._models, self._options))

    def process(self, parts: TileList) -> Iterator[Any]:
        counts: list[tuple[str, EvaluationCounts]] = []
        try:
            for name, scorer in self._scorers.by_name.items():
                is_first = not counts
                found = evaluate_tile(
                    parts.tiles, scorer.contract, scorer, self._labels, self._options, pictures=is_first
                )
                if is_first:
                    self._write(found)
                counts.append((name, found.counts))
        except EosegError as error:
            yield beam.pvalue.TaggedOutput(FAILURES, (parts.tiles[0].whole_tile, str(error)))
            return
        yield from counts

    def _write(self, found: EvaluatedTile) -> None:
        stem = f"{self._folder}/{file_stem(found.tile)}"
        tf.io.gfile.makedirs(self._folder)
        with tf.io.gfile.GFile(f"{stem}.npz", "wb") as file:
            file.write(pictures_to_npz(found))
        write_text(f"{stem}.json", facts_to_json(facts_of(found)))


class _Scorers:
    """The models of a worker; `Shared` needs an object that can be referred to weakly."""

    def __init__(self, by_name: Mapping[str, SavedModelScorer]) -> None:
        self.by_name = by_name


def _load(models: Mapping[str, str], options: TileEvaluationOptions) -> _Scorers:
    return _Scorers(
        {name: SavedModelScorer(path, options.patches_per_request, options.threads) for name, path in models.items()}
    )
