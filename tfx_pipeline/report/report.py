"""Writes the report of a run: collects each section's view, renders one page, puts it in place whole."""

import json
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from tfx.utils import path_utils

from components.errors import EosegError
from components.file_systems import local_copy, read_text
from components.records.record_format import RecordFormat
from components.training.history import HISTORY_FILE, EpochRecord
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places
from tfx_pipeline.outcome import Outcome
from tfx_pipeline.pipeline import record_format
from tfx_pipeline.report import charts, data_facts, figure_rows, lineage
from tfx_pipeline.report.examples import Examples, find_examples
from tfx_pipeline.report.map_pictures import (
    MapPictures,
    map_pictures,
    overview_side_px,
    read_overview,
    write_map_picture,
)
from tfx_pipeline.report.page import render
from tfx_pipeline.report.pictures import css_color
from tfx_pipeline.run_record import RunRecord

T = TypeVar("T")


def write_report(
    config: Config, data: DataSet, places: Places, record: RunRecord, outcome: Outcome, maps: dict[str, Path]
) -> Path:
    """Writes the report of a finished run to `places.report`, and `map_<tile>.png` for each map beside it.

    Args:
        config: The configuration.
        data: Its files.
        places: Where things go.
        record: What the run left in ML Metadata.
        outcome: What came of it.
        maps: Files of the predicted maps, by tile.

    Returns:
        The page's path. It is whole at any moment, or not there.
    """
    table = config.table
    split = data.evaluated_split(config)
    history = read_history(_uri(record, "Trainer", "model_run"))
    splits = data_facts.split_facts(data, _uri(record, "TileExampleGen", "examples"), places.validation)
    bands, histograms = data_facts.band_facts(_uri(record, "StatisticsGen", "statistics"), list(config.band_set.names))
    missing: list[str] = []
    chart_data: dict[str, charts.Chart] = {
        **charts.learning_curves(history, table),
        **({"class_shares": charts.class_shares(splits, table)} if any(s.label_pixels for s in splits) else {}),
    }
    band_charts = charts.band_histograms(histograms)
    chart_data |= {f"band_{number}": chart for number, chart in enumerate(band_charts.values())}
    page = render(
        {
            "config": config,
            "outcome": outcome,
            "split": split,
            "pixels": outcome.evaluation.figures["pixels"],
            "legend": [(entry.name, css_color(entry.color)) for entry in table.classes],
            "headline": figure_rows.headline_figures(outcome.evaluation),
            "classes": figure_rows.class_rows(outcome.evaluation, table),
            "tiles": figure_rows.tile_rows(outcome.evaluation, table),
            "confusion": figure_rows.confusion_rows(outcome.evaluation, table),
            "predicted_totals": figure_rows.predicted_totals(outcome.evaluation),
            "history": history,
            "examples": _tried("examples", missing, lambda: _examples(record, record_format(config, data), split)),
            "maps": _tried("maps", missing, lambda: _maps(config, data, places, maps)) or [],
            "splits": splits,
            "bands": bands,
            "band_names": list(band_charts),
            "findings": data_facts.label_findings(places.validation),
            "anomalies": data_facts.anomaly_verdict(_uri(record, "AnomalyGate", "verdict")),
            "fingerprint": data.fingerprint,
            "run": record.name,
            "code": lineage.code_revision(),
            "packages": lineage.package_versions(),
            "artifacts": lineage.artifact_rows(record),
            "config_yaml": lineage.config_yaml(config),
            "previous": lineage.previous_version(outcome),
            "commands": lineage.usage(config, places, outcome),
            "charts": chart_data,
            "missing": missing,
            "written": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        }
    )
    return write_page(page, places.report)


def write_page(page: str, path: Path) -> Path:
    """Writes under another name and renames: a reader sees the old page or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read_history(model_run: str | None) -> list[EpochRecord]:
    """The epochs that the trainer recorded; empty where there is no file."""
    text = read_text(f"{model_run}/{HISTORY_FILE}") if model_run else None
    return [EpochRecord(**row) for row in json.loads(text)] if text else []


def map_picture_file(places: Places, tile: str) -> Path:
    """Where the picture of a tile beside its map goes."""
    return places.workdir / f"map_{tile.replace('/', '_')}.png"


def _examples(record: RunRecord, format_: RecordFormat, split: str) -> Examples | None:
    examples, model = record.output("TileExampleGen", "examples"), record.output("Trainer", "model")
    if examples is None or model is None:
        return None
    with local_copy(path_utils.serving_model_path(model.uri)) as saved_model:
        return find_examples(f"{examples.uri}/Split-{split}", saved_model, format_)


def _maps(config: Config, data: DataSet, places: Places, maps: dict[str, Path]) -> list[MapPictures]:
    wholes = [tile.model_copy(update={"tile": tile.whole_tile, "area": None}) for tile in data.tiles]
    sources = {tile.tile: tile for tile in wholes}
    found = []
    for tile, file in maps.items():
        source = sources[tile]
        overview = read_overview(
            source,
            file,
            config.table,
            config.band_set,
            config.label_options,
            most_side_px=overview_side_px(len(maps)),
        )
        write_map_picture(overview, config.table, map_picture_file(places, tile))
        found.append(map_pictures(source, file, overview, config.table))
    return found


def _tried(section: str, missing: list[str], view: Callable[[], T]) -> T | None:
    """A view; where its files cannot be read, None, and the page says why.

    A version may be pushed already when the report is written: a damaged picture must not make that run a failure.
    """
    try:
        return view()
    except (EosegError, OSError) as error:
        missing.append(f"{section}: {error}")
        return None


def _uri(record: RunRecord, step: str, key: str) -> str | None:
    artifact: Any = record.output(step, key)
    return artifact.uri if artifact else None
