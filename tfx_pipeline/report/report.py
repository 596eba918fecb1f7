"""Writes the report of a run: collects each section's view, renders one page, puts it in place whole."""

import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from tfx.utils import path_utils

from components.errors import EosegError
from components.file_systems import local_copy, read_text
from components.publishing.code_revision import code_revision, package_versions
from components.records.record_format import RecordFormat
from components.training.history import HISTORY_FILE, EpochRecord
from components.training.trained_settings import read_settings, replaced_settings
from serving.drift.section import drift_section
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places
from tfx_pipeline.metadata_place import metadata_of
from tfx_pipeline.outcome import Outcome
from tfx_pipeline.pipeline import record_format
from tfx_pipeline.report import area_tables, charts, data_facts, figure_rows, lineage, map_pictures
from tfx_pipeline.report.augmented_picture import augmented_picture
from tfx_pipeline.report.evaluated_tiles import shown_tiles, shown_windows
from tfx_pipeline.report.examples import Examples, find_examples
from tfx_pipeline.report.layers import within_budget
from tfx_pipeline.report.page import AREA_UNITS, area_unit, render
from tfx_pipeline.report.pictures import confidence_colors, css_color
from tfx_pipeline.report.views import all_views
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
    missing: list[str] = []
    chart_data: dict[str, charts.Chart] = {}
    context = {
        "config": config,
        "outcome": outcome,
        "split": data.evaluated_split(config),
        "legend": [(entry.name, css_color(entry.color)) for entry in config.table.classes],
        "confidence_colors": [css_color(color) for color in confidence_colors()],
        **_figures(config, outcome, chart_data),
        **_to_look_at(config, data, places, record, outcome, maps, missing),
        **_training(config, record, chart_data, missing),
        **_data(config, data, places, record, chart_data),
        **_lineage(config, data, places, record, outcome),
        "charts": chart_data,
        "missing": missing,
        "written": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }
    return write_page(render(context), places.report)


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


def _figures(config: Config, outcome: Outcome, chart_data: dict[str, charts.Chart]) -> dict[str, Any]:
    table = config.table
    views = all_views(outcome.evaluation, outcome.map_evaluation, table)
    document = None if outcome.map_evaluation is None else outcome.map_evaluation.document
    found: dict[str, Any] = {
        "views": views,
        "headline": figure_rows.headline_rows(views),
        "classes": {view.key: figure_rows.class_rows(view, table) for view in views},
        "confusion": {view.key: figure_rows.confusion_rows(view, table) for view in views},
        "predicted_totals": {view.key: figure_rows.predicted_totals(view) for view in views},
        "patch_tiles": figure_rows.tile_rows(outcome.evaluation, table),
        "document": document,
        "slices": {},
        "areas": None,
    }
    if document is None:
        return found
    chart_data["reliability"] = charts.reliability(document["reliability"])
    found["slices"] = {
        kind: figure_rows.slice_rows(document["slices"], table, f"{kind}/") for kind in ("tile", "with", "without")
    }
    if document["areas"] is not None:
        rows = area_tables.area_rows(document["areas"], table)
        unit = area_unit(sum(row.mapped for row in rows))
        places = area_tables.places_of(document, table)
        found["areas"] = {"rows": rows, "unit": unit, "places": places, **document["areas"]}
        chart_data["areas"] = charts.areas(rows, AREA_UNITS[unit][0], unit)
    return found


def _to_look_at(
    config: Config,
    data: DataSet,
    places: Places,
    record: RunRecord,
    outcome: Outcome,
    maps: dict[str, Path],
    missing: list[str],
) -> dict[str, Any]:
    split, of_tiles = data.evaluated_split(config), outcome.map_evaluation
    return {
        "examples": _tried("examples", missing, lambda: _examples(record, record_format(config, data), split)),
        "windows": _tried("worst windows", missing, lambda: shown_windows(of_tiles, config.table)) if of_tiles else [],
        "overviews": _tried("tiles", missing, lambda: shown_tiles(of_tiles, config.table)) if of_tiles else [],
        "maps": _tried("maps", missing, lambda: _maps(config, data, places, maps)) or [],
    }


def _training(
    config: Config, record: RunRecord, chart_data: dict[str, charts.Chart], missing: list[str]
) -> dict[str, Any]:
    model_run = _uri(record, "Trainer", "model_run")
    history = read_history(model_run)
    chart_data |= charts.learning_curves(history, config.table)
    augmented = _tried("augmented patches", missing, lambda: augmented_picture(model_run)) if model_run else None
    settings = read_settings(model_run) if model_run else None
    replaced = replaced_settings(config.model_dump(mode="json"), settings) if settings else []
    return {"history": history, "augmented": augmented, "replaced": replaced}


def _data(
    config: Config, data: DataSet, places: Places, record: RunRecord, chart_data: dict[str, charts.Chart]
) -> dict[str, Any]:
    splits = data_facts.split_facts(data, _uri(record, "TileExampleGen", "examples"), places.validation)
    bands, histograms = data_facts.band_facts(_uri(record, "StatisticsGen", "statistics"), list(config.band_set.names))
    if any(split.label_pixels for split in splits):
        chart_data["class_shares"] = charts.class_shares(splits, config.table)
    band_charts = charts.band_histograms(histograms)
    chart_data |= {f"band_{number}": chart for number, chart in enumerate(band_charts.values())}
    return {
        "splits": splits,
        "bands": bands,
        "band_names": list(band_charts),
        "findings": data_facts.label_findings(places.validation),
        "statistics": data_facts.statistics_verdict(_uri(record, "AnomalyGate", "verdict")),
        "served_drift": drift_section(places.monitor, places.model_base / config.publish.model_name),
    }


def _lineage(config: Config, data: DataSet, places: Places, record: RunRecord, outcome: Outcome) -> dict[str, Any]:
    return {
        "fingerprint": data.fingerprint,
        "run": record.name,
        "code": code_revision(),
        "packages": package_versions(),
        "artifacts": lineage.artifact_rows(record, metadata_of(config, places)),
        "config_yaml": lineage.config_yaml(config),
        "previous": lineage.previous_version(outcome),
        "commands": lineage.usage(config, places, outcome),
    }


def _examples(record: RunRecord, format_: RecordFormat, split: str) -> Examples | None:
    examples, model = record.output("TileExampleGen", "examples"), record.output("Trainer", "model")
    if examples is None or model is None:
        return None
    with local_copy(path_utils.serving_model_path(model.uri)) as saved_model:
        return find_examples(f"{examples.uri}/Split-{split}", saved_model, format_)


def _maps(config: Config, data: DataSet, places: Places, maps: dict[str, Path]) -> Sequence[map_pictures.MapPictures]:
    wholes = [tile.model_copy(update={"tile": tile.whole_tile, "area": None}) for tile in data.tiles]
    sources = {tile.tile: tile for tile in wholes}
    most_side_px = map_pictures.overview_side_px(len(maps))
    overviews = {}
    for tile, file in maps.items():
        overview = map_pictures.read_overview(
            sources[tile], file, config.table, config.band_set, config.label_options, most_side_px=most_side_px
        )
        map_pictures.write_map_picture(overview, config.table, map_picture_file(places, tile))
        overviews[tile] = overview
    return within_budget(
        map_pictures.BUDGET_BYTES,
        most_side_px,
        lambda side: [
            map_pictures.map_pictures(tile, maps[tile], overview, config.table, side)
            for tile, overview in overviews.items()
        ],
        lambda shown: shown.layers.weight,
    )


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
