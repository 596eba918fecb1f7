"""`eoseg run` from one end to the other: the pipeline, maps through the model server, the report, the summary."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from components.evaluation.figures import CLASS_FIGURES, class_figure
from components.evaluation.map_evaluator.files import copy_areas
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places, find_data_set, places_of
from tfx_pipeline.metadata_place import prepare_metadata
from tfx_pipeline.outcome import Outcome, read_outcome, write_summary
from tfx_pipeline.run_local import StageTimes, run_pipeline, workdir_lock
from tfx_pipeline.run_record import read_latest_run
from tfx_pipeline.what_changed import Triggers, find_changes, record_push


def run_everything(config: Config, stream: TextIO, if_changed: Triggers | None = None) -> Outcome | None:
    """Runs the whole main job.

    Args:
        config: The configuration.
        stream: Gets the progress lines and the closing table.
        if_changed: Run only if something is new since the last run that pushed; None runs in any case.

    Returns:
        The outcome; not `pushed` where a gate or the serving check refused the model. None where nothing is new.

    Raises:
        EosegError: For bad input; nothing is pushed then.
    """
    started = time.monotonic()
    places = places_of(config)

    def say(text: str) -> None:
        print(text, file=stream, flush=True)

    with workdir_lock(places.workdir):
        say(f"{config.name}: working in {places.workdir}")
        metadata = prepare_metadata(config, places)
        data = find_data_set(config, places, say)
        by_split = {split: sum(tile.split == split for tile in data.tiles) for split in ("train", "eval", "test")}
        say(f"{len(data.tiles)} tiles ({', '.join(f'{count} {split}' for split, count in by_split.items())})")
        given = config
        if if_changed is not None:
            changes = find_changes(config, data, places, if_changed)
            for line in (*changes.notes, *changes.reasons):
                say(line)
            if not changes.reasons:
                say(f"nothing is new since version {changes.newest}: no run")
                return None
            config = changes.config_to_run(config)

        from components.training.strategy import check_device

        check_device(config.training)

        from tfx_pipeline.report.report import write_report

        times = run_pipeline(config, data, places, stream)
        record = read_latest_run(metadata)
        outcome = read_outcome(record)
        split = data.evaluated_split(config)
        maps: dict[str, Path] = {}
        if outcome.pushed:
            before = time.monotonic()
            maps = predict_maps(config, data, places, outcome)
            times.seconds["Maps"] = time.monotonic() - before
            say(f"{'':7} {'predict maps through the model server':40} {times.seconds['Maps']:.1f} s")
        if outcome.map_evaluation is not None:
            copy_areas(outcome.map_evaluation, places.areas)
        before = time.monotonic()
        write_report(config, data, places, record, outcome, maps)
        times.seconds["Report"] = time.monotonic() - before
        say(f"{'':7} {'write the report':40} {times.seconds['Report']:.1f} s")
        times.seconds["Total"] = time.monotonic() - started
        write_summary(places.summary, config, outcome, split, maps, times.seconds)
        if outcome.version is not None:
            record_push(given, data, places, outcome.version)
    say(closing_table(config, places, outcome, split, maps, times))
    return outcome


def predict_maps(config: Config, data: DataSet, places: Places, outcome: Outcome) -> dict[str, Path]:
    """Starts the model server on the served folder and predicts the configured tiles through it."""
    from serving.client import SegmentationClient
    from serving.deploy.start_server import start_server
    from serving.predict_map import predict_map

    maps = {}
    base = places.model_base / config.publish.model_name
    with (
        start_server(base, config.publish.model_name, config.batching) as server,
        SegmentationClient(server.address, config.publish.model_name, outcome.version) as client,
    ):
        for tile, source in data.mapped_tiles(config).items():
            path = places.maps / f"{tile}-v{outcome.version}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            maps[tile] = predict_map(source.image, path, client, config.maps.making(source.rasters)).path
    return maps


def closing_table(
    config: Config, places: Places, outcome: Outcome, split: str, maps: dict[str, Path], times: StageTimes
) -> str:
    """The short table at the end of a run."""
    figures = outcome.evaluation.figures
    width = max(len(name) for name in config.table.names)
    columns = [figure for figure in CLASS_FIGURES if figure != "truth_share"]
    lines = ["", f"figures on split {split} ({figures['pixels']:,.0f} pixels)"]
    lines.append(" ".join([f"  {'class':{width}}", *(f"{column:>9}" for column in columns)]))
    for name in config.table.names:
        values = [figures[class_figure(column, name)] for column in columns]
        lines.append(" ".join([f"  {name:{width}}", *(f"{_shown(value):>9}" for value in values)]))
    lines.append(
        f"  overall accuracy {_shown(figures['overall_accuracy'])}, kappa {_shown(figures['kappa'])}, "
        f"mean IoU {_shown(figures['mean_iou'])}, mean F1 {_shown(figures['mean_f1'])}"
    )
    if outcome.map_evaluation is not None:
        lines += _whole_tiles(outcome.map_evaluation.document)
    lines += [f"  gate {'passed' if gate.passed else 'FAILED'}: {gate.reason}" for gate in outcome.gates]
    lines.append(f"  serving check {'passed' if outcome.served_well else 'FAILED'}: {outcome.serving_reason}")
    lines.append("")
    if outcome.pushed:
        lines.append(f"version  {outcome.version_folder}")
    else:
        lines.append("version  none: the model was refused (see the gates and the serving check above); nothing pushed")
    lines += [f"map      {path}" for path in maps.values()]
    lines.append(f"report   {places.report}")
    lines.append(f"figures  {places.summary}")
    if places.areas.exists():
        lines.append(f"areas    {places.areas}")
    shown = [f"{stage} {'reused' if stage in times.reused else f'{s:.0f} s'}" for stage, s in times.seconds.items()]
    lines.append(f"times    {', '.join(shown)}")
    return "\n".join(lines)


_SHOWN_OF_TILES = ("overall_accuracy", "mean_iou", "mean_f1", "mean_boundary_f1", "expected_calibration_error")


def _whole_tiles(document: Mapping[str, Any]) -> list[str]:
    """The headline figures of whole tiles, of the full and the eroded truth, with their intervals."""
    figures = document["figures"]
    lines = [f"  whole tiles, as production maps them ({sum(map(sum, document['confusion'])):,} pixels)"]
    for name in _SHOWN_OF_TILES:
        values = [f"{name.replace('_', ' '):27} {_with_interval(figures[name])}"]
        if f"eroded/{name}" in figures:
            values.append(f"without boundaries {_with_interval(figures[f'eroded/{name}'])}")
        lines.append("    " + ", ".join(values))
    return lines


def _with_interval(found: Mapping[str, float | None]) -> str:
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        return "absent"
    return f"{value:.3f}" + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def _shown(value: float) -> str:
    return "absent" if value != value else f"{value:.3f}"
