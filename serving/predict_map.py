"""A whole tile through a model server to a georeferenced class map, in bounded memory."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.classes import VOID_ID
from components.errors import ConfigError, RasterError
from components.geo.bands import IMAGE
from components.geo.image import open_image
from components.mapping.blended_rows import BlendedRows
from components.mapping.map_options import MapOptions
from components.mapping.score_rows import ScoringError, blended_rows
from serving.call_error import CallError
from serving.client import SegmentationClient
from serving.client_scorer import ClientScorer
from serving.drift.map_monitor import MadeMap, MapMonitor
from serving.map_layers import LayerName
from serving.map_outputs import MapOutputs
from serving.map_part import read_identity
from serving.map_polygons import check_polygons_path
from serving.map_products import write_products
from serving.map_provenance import digest, identity_of, prediction_of, tags_of
from serving.map_writer import open_map

__all__ = ["MapOptions", "MapOutputs", "MapProgress", "MapResult", "predict_map"]

_TRIES_OF_A_VERSION = 3


@dataclass(frozen=True)
class MapProgress:
    """How far a map is.

    Attributes:
        rows: That are finished.
        height, width: Of the map.
        resumed_rows: Of `rows`, those of an earlier run.
    """

    rows: int
    height: int
    width: int
    resumed_rows: int


Progress = Callable[[MapProgress], None]
Observe = Callable[[BlendedRows], None]


@dataclass(frozen=True)
class MapResult:
    """What was made.

    Attributes:
        path: The map.
        seconds: How long it took.
        height, width: In pixels.
        class_pixels: Class name -> pixels; empty where the map was there already.
        nodata_pixels: Pixels without a class.
        model_name, version: Who predicted it.
        resumed_rows: Rows that an earlier run had finished.
        was_there: Whether a map of the same tile, version and options was there, and was left as it is.
        outputs: What else was written, by name.
        notes: What a reader of these must know.
    """

    path: Path
    seconds: float
    height: int
    width: int
    class_pixels: dict[str, int]
    nodata_pixels: int
    model_name: str
    version: int
    resumed_rows: int = 0
    was_there: bool = False
    outputs: dict[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def pixels(self) -> int:
        """All pixels of the map."""
        return self.height * self.width


def predict_map(
    tile: str | Path,
    map_path: str | Path,
    client: SegmentationClient,
    options: MapOptions | None = None,
    progress: Progress | None = None,
    *,
    outputs: MapOutputs | None = None,
    resume: bool = False,
    overwrite: bool = True,
    date: str = "",
    observe: Observe | None = None,
    monitor: MapMonitor | None = None,
) -> MapResult:
    """Predicts the class of every pixel of a tile and writes the map.

    One version predicts the whole tile. If it is unloaded on the way because a newer one took its place, the tile is
    begun again with that one, unless the client was told which version to ask, or rows of an earlier run are there.

    Args:
        tile: A raster that GDAL can read.
        map_path: The GeoTIFF to write, a local path; it appears when it is complete.
        client: Asks the server.
        options: Overlap, blending, bands.
        progress: Told after every strip.
        outputs: What else to write.
        resume: Whether to go on with what a run that died has left in `MAP.part`.
        overwrite: Whether a map that is there is predicted anew even if it is of the same tile, version and options,
            and replaced even if it is none of EOSeg's.
        date: When the tile was taken, as ISO 8601; for the tags and the STAC item.
        observe: Given the rows as they are made, to look at; not those of an earlier run.
        monitor: Keeps statistics of the tile and the map, for `eoseg drift`; not of a map that was there already.

    Raises:
        MissingFileError, RasterError: If the tile cannot be read or does not fit the model, or the map not be written.
        ConfigError: If what is left of an earlier run was begun otherwise, or two of the files would be one.
        ServingError: If the server does not answer.
        ScoringError: If it stops answering half-way; its cause is the server's own error.
    """
    job = _Job(str(tile), Path(map_path), options or MapOptions(), outputs or MapOutputs(), overwrite, date)
    _refuse_twins(job)
    _refuse_folders(job)
    if job.outputs.polygons is not None:
        check_polygons_path(job.outputs.polygons)
    tries_left = _TRIES_OF_A_VERSION
    while True:
        tries_left -= 1
        rows_before = read_identity(job.path) is not None and resume
        try:
            return _predict_map(job, client, progress, observe, monitor, resume=resume)
        except (CallError, ScoringError) as error:
            cause = error.__cause__ if isinstance(error, ScoringError) else error
            is_gone = isinstance(cause, CallError) and cause.code == "NOT_FOUND"
            if is_gone and tries_left and not rows_before and client.repin():
                resume = False
                continue
            if isinstance(error, ScoringError):
                raise _interrupted(error, job, is_gone=is_gone) from cause
            if is_gone and rows_before:  # gone before the first question
                raise CallError(error.problem, error.expected, _load_it_again(job), error.code) from error
            raise


@dataclass(frozen=True)
class _Job:
    tile: str
    path: Path
    options: MapOptions
    outputs: MapOutputs
    overwrite: bool
    date: str

    @property
    def rasters(self) -> dict[LayerName, Path]:
        """The raster files to write."""
        paths: dict[LayerName, Path] = {"classes": self.path}
        if self.outputs.confidence is not None:
            paths["confidence"] = self.outputs.confidence
        if self.outputs.scores is not None:
            paths["scores"] = self.outputs.scores
        return paths


def _predict_map(
    job: _Job,
    client: SegmentationClient,
    progress: Progress | None,
    observe: Observe | None,
    monitor: MapMonitor | None,
    *,
    resume: bool,
) -> MapResult:
    started = time.monotonic()
    contract = client.contract()
    with open_image({IMAGE: job.tile, **job.options.rasters}, job.options.band_set(contract)) as opened:
        reader = opened if monitor is None else monitor.begin(opened, contract)
        identity = identity_of(job.tile, job.options, contract, client.model_name, client.version)
        tags = tags_of(identity, job.tile, contract, job.date)
        grid = reader.grid
        counts = None
        resumed_rows = 0
        if job.overwrite or not _is_there(job, identity):
            with open_map(job.rasters, grid, contract.table, tags, identity, resume=resume) as writer:
                resumed_rows = writer.resumed_rows
                if resumed_rows < grid.height:
                    made = blended_rows(reader, contract, ClientScorer(client), job.options, resumed_rows)
                    with closing(made):  # before the tile is, whatever happens: it reads ahead
                        for rows in made:
                            writer.write({layer.name: layer.rows(rows) for layer in writer.layers})
                            if observe is not None:
                                observe(rows)
                            if monitor is not None:
                                monitor.look(rows)
                            if progress is not None:
                                progress(MapProgress(writer.rows, grid.height, grid.width, resumed_rows))
            counts = writer.counts
    notes = write_products(job.path, job.outputs, contract.table, tags, anew=counts is not None)
    result = MapResult(
        path=job.path,
        seconds=time.monotonic() - started,
        height=grid.height,
        width=grid.width,
        class_pixels={} if counts is None else {name: int(counts[i]) for i, name in enumerate(contract.table.names)},
        nodata_pixels=0 if counts is None else int(counts[VOID_ID]),
        model_name=client.model_name,
        version=client.version,
        resumed_rows=resumed_rows,
        was_there=counts is None,
        outputs=job.outputs.named,
        notes=tuple(notes),
    )
    return result if monitor is None else _monitored(result, monitor, job, digest(identity))


def _monitored(result: MapResult, monitor: MapMonitor, job: _Job, prediction: str) -> MapResult:
    """The result with what has become of its statistics."""
    if result.was_there:
        notes = monitor.was_there(result.path, result.version, prediction)
        return replace(result, notes=(*result.notes, *notes))
    notes = monitor.finish(
        MadeMap(
            path=result.path,
            tile=job.tile,
            date=job.date,
            model=result.model_name,
            version=result.version,
            prediction=prediction,
            height=result.height,
            width=result.width,
            seconds=result.seconds,
            resumed_rows=result.resumed_rows,
            class_pixels=result.class_pixels,
            nodata_pixels=result.nodata_pixels,
        )
    )
    outputs = result.outputs if monitor.path is None else {**result.outputs, "monitor": monitor.path}
    return replace(result, outputs=outputs, notes=(*result.notes, *notes))


def _is_there(job: _Job, identity: Mapping[str, str]) -> bool:
    """Whether all raster files are there already, and of the same making."""
    found = {path: prediction_of(path) for path in job.rasters.values()}
    foreign = next((path for path, prediction in found.items() if prediction == ""), None)
    if foreign is not None:
        raise RasterError(
            f"{foreign} is there already, and is no map of EOSeg's",
            "a name that is free, or a map's",
            "choose another path, or replace it with --overwrite",
        )
    return all(prediction == digest(identity) for prediction in found.values())


def _interrupted(error: ScoringError, job: _Job, *, is_gone: bool) -> ScoringError:
    """The scorer's error with what to do about the rest of the tile."""
    left = read_identity(job.path)
    if left is None:
        return error
    if is_gone:
        remedy = _load_it_again(job)
    else:
        remedy = f"{error.remedy}; then go on where it stopped: the same command with --resume"
    return ScoringError(error.problem, error.expected, remedy, error.window, error.tile)


def _load_it_again(job: _Job) -> str:
    left = read_identity(job.path) or {"version": "of before"}
    return (
        f"the version that predicted the rows in {job.path}.part is no longer served: load version "
        f"{left['version']} again and go on with --resume, or leave --resume out to begin anew with another"
    )


def _refuse_folders(job: _Job) -> None:
    """Now, and not when the whole tile has been predicted."""
    folder = next((path for path in (job.path, *job.outputs.named.values()) if path.is_dir()), None)
    if folder is not None:
        raise ConfigError(f"{folder} is a folder", "the name of a file to write", f"name a file in it: {folder}/NAME")


def _refuse_twins(job: _Job) -> None:
    """No file is written twice, and none over what is read."""
    written = [job.path, *job.outputs.named.values()]
    read = {IMAGE: job.tile, **job.options.rasters}
    seen = {Path(path).resolve(): f"the {name} that is read" for name, path in read.items()}
    for path in written:
        place = path.resolve()
        if place in seen:
            raise ConfigError(f"{path} is {seen[place]}", "a file of its own for each output", "choose another path")
        seen[place] = "to be written twice"
