"""One training and its score, in a process of its own: `python -m benchmarks.quality.trial PLAN VARIANT SEED WORKDIR`.

Records are made once for all trainings that take the same, a killed training goes on from its checkpoint, and a result
that is there already is not made again. The last line is the path of the result.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.quality.plan import read_plan
from components.errors import EosegError
from components.evaluation.evaluate_tile import TileEvaluationOptions, evaluate_tile
from components.evaluation.figures import figures
from components.evaluation.saved_model_scorer import SavedModelScorer
from components.geo.labels import LabelDecoder
from components.label_validation.parts import by_tile
from components.options import Options
from components.records.write_tile import IngestOptions, plan_strips, record_file, write_strip
from components.training.run_fn import RESULT_VERSION
from components.training.signatures import export_saved_model
from components.training.train import TrainedNetwork, train
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, find_data_set, places_of
from tfx_pipeline.pipeline import record_format


def main(plan_file: str, variant_name: str, seed: str, workdir: str) -> None:
    """Trains and scores, unless the result is there."""
    plan = read_plan(Path(plan_file))
    variant = plan.variant(variant_name)
    config = plan.config_of(variant, int(seed), workdir)
    data = find_data_set(config, places_of(config))
    folder = Path(workdir)
    decides = [config.data, config.table, config.label_options, config.patches, config.network, config.training]
    trained_as = _digest(data, *decides, RESULT_VERSION)
    scored_as = _digest(data, *decides, config.maps.making(), plan.scored, RESULT_VERSION)
    result = folder / "results" / f"{scored_as}.json"
    if not result.is_file():
        files = write_records(config, data, folder / "records")
        checkpoints = folder / "checkpoints" / trained_as
        resumed = checkpoints.is_dir()
        started = time.process_time()
        trained = train(
            files["train"],
            files["eval"],
            record_format(config, data),
            config.network,
            config.training,
            str(checkpoints),
        )
        cpu_seconds = time.process_time() - started
        confusion = score(config, data, trained, plan.scored)
        found = figures(confusion, config.table.names, config.table.scored_ids)
        outcome = {
            "seed": int(seed),
            "parameters": trained.model.count_params(),
            "training_seconds": round(trained.history[-1].seconds, 1),
            # With the eval split's passes. What a killed process had spent is not known.
            "cpu_seconds": None if resumed else round(cpu_seconds, 1),
            "classes": list(config.table.names),
            "confusion": confusion,
            "figures": {name: None if value != value else round(value, 5) for name, value in found.items()},
            "history": [asdict(epoch) for epoch in trained.history],
            "training": config.training.model_dump(mode="json"),
            "network": config.network.model_dump(mode="json"),
            "patches": config.patches.model_dump(mode="json"),
        }
        result.parent.mkdir(parents=True, exist_ok=True)
        unfinished = result.with_suffix(".part")
        unfinished.write_text(json.dumps(outcome), encoding="utf-8")
        unfinished.replace(result)
    print(result)


def write_records(config: Config, data: DataSet, folder: Path) -> dict[str, list[str]]:
    """The record files of the train and eval splits, written if they are not there."""
    options = IngestOptions(
        table=config.table, bands=config.band_set, labels=config.label_options, patches=config.patches
    )
    labels = LabelDecoder(options.table, options.labels)
    place = folder / _digest(data, options, config.data)
    files: dict[str, list[str]] = {"train": [], "eval": []}
    for tile in data.tiles:
        if tile.split not in files:
            continue
        for strip in plan_strips(tile, options):
            path = record_file(str(place), strip)
            if not Path(path).is_file():
                write_strip(strip, options, labels, str(place))
            files[tile.split].append(path)
    return files


def score(config: Config, data: DataSet, trained: TrainedNetwork, split: str) -> list[list[int]]:
    """The confusion matrix of a split's whole tiles, predicted as maps are: row = truth, column = prediction."""
    labels = LabelDecoder(config.table, config.label_options)
    options = TileEvaluationOptions(maps=config.maps.making(), counting=config.evaluation.counting)
    parts = [tile for tile in data.tiles if tile.split == split]
    with tempfile.TemporaryDirectory() as folder:
        export_saved_model(trained.model, record_format(config, data), folder)
        with SavedModelScorer(folder) as scorer:
            counted = [
                evaluate_tile(
                    of_tile.tiles, scorer.contract, scorer, labels, options, pictures=False
                ).counts.confusion.sum(0)
                for of_tile in by_tile(parts)
            ]
    total: list[list[int]] = sum(counted).tolist()
    return total


def _digest(data: DataSet, *parts: Any) -> str:
    """24 hex digits that the tiles' content and the options go into."""
    texts = [part.model_dump_json() if isinstance(part, Options) else str(part) for part in parts]
    return hashlib.sha256("\n".join([data.fingerprint, *texts]).encode()).hexdigest()[:24]


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except EosegError as error:
        sys.exit(f"eoseg: {error}")
