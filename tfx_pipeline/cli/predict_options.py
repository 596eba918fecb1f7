"""What the arguments of `eoseg predict` mean."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from components.errors import ConfigError, MissingFileError
from components.mapping.map_options import MapOptions
from serving.channel import ChannelOptions, ClientTls
from serving.client_options import ClientOptions
from serving.map_polygons import PolygonOptions
from tfx_pipeline.prediction_jobs import SUFFIXES, PredictionJob, plan_predictions

Made = TypeVar("Made")

_POLYGONS = ("min_area", "min_pixels", "small", "simplify", "simplify_pixels")


def map_options_of(arguments: argparse.Namespace) -> MapOptions:
    """Overlap, blending, turns, bands.

    Raises:
        ConfigError: On values out of range.
    """
    try:
        bands = tuple(int(band) for band in arguments.bands.split(",")) if arguments.bands else None
    except ValueError as error:
        raise ConfigError(f"--bands {arguments.bands}", "numbers, as 1,2,3", "see eoseg predict --help") from error
    return _made(
        lambda: MapOptions(overlap=arguments.overlap, blend=arguments.blend, augment=arguments.augment, bands=bands)
    )


def client_options_of(arguments: argparse.Namespace) -> ClientOptions:
    """The settings of `--client`, with what the other arguments say.

    Raises:
        ConfigError: On values out of range, a file that holds no settings, or a token that would travel unencrypted.
        MissingFileError: If there is no such file.
    """
    settings: dict[str, Any] = {}
    if arguments.client is not None:
        settings = _settings(Path(arguments.client))
    for name in ("concurrency", "patches_per_request"):
        if getattr(arguments, name) is not None:
            settings[name] = getattr(arguments, name)
    tls = {name: getattr(arguments, name) for name in ("ca_file", "client_key_file", "client_cert_file")}
    channel = dict(settings.get("channel") or {})
    if any(tls.values()):
        channel["tls"] = _made(lambda: ClientTls.model_validate(tls))
    if arguments.token_file:
        channel["token_file"] = arguments.token_file
    if channel:
        settings["channel"] = _made(lambda: ChannelOptions.model_validate(channel))
    return _made(lambda: ClientOptions.model_validate(settings))


def jobs_of(arguments: argparse.Namespace) -> list[PredictionJob]:
    """A job for each tile.

    Raises:
        ConfigError, MissingFileError: As `plan_predictions`.
    """
    for raster in arguments.raster:
        if "=" not in raster:
            raise ConfigError(f"--raster {raster}", "NAME=FILE, as dsm=dsm.tif", "see eoseg predict --help")
    rasters = dict(raster.split("=", 1) for raster in arguments.raster)
    wanted = {kind: getattr(arguments, kind) for kind in SUFFIXES if getattr(arguments, kind) is not None}
    polygons = {name: getattr(arguments, name) for name in _POLYGONS if getattr(arguments, name) is not None}
    if polygons and "polygons" not in wanted:
        raise ConfigError(
            f"--{next(iter(polygons)).replace('_', '-')} is given without --polygons", "both", "add --polygons FILE"
        )
    options = _made(lambda: PolygonOptions.model_validate(polygons))
    jobs = plan_predictions(arguments.inputs, arguments.out, wanted, rasters, arguments.asset, options)
    for job in jobs:
        for path in (job.map_path, job.outputs.confidence, job.outputs.scores):
            if path is not None and path.suffix.lower() not in (".tif", ".tiff"):
                raise ConfigError(
                    f"{path} does not end as a GeoTIFF does",
                    "a file, as map.tif; or a folder that is there, or ends with /",
                    f"name {path}.tif, or {path}/",
                )
    return jobs


def _settings(path: Path) -> dict[str, Any]:
    try:
        settings: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingFileError(
            f"{path} does not exist", "a file as `eoseg serve tune` writes it", "correct --client"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}", "settings of the client", "correct it") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} holds no settings", "keys as concurrency and patches_per_request", "correct it")
    return settings


def _made(make: Callable[[], Made]) -> Made:
    """What `make` gives, with pydantic's complaints as EOSeg's own."""
    try:
        return make()
    except ValidationError as error:
        reasons = [
            f"--{str(item['loc'][0]).replace('_', '-')}{_shown(item['input'])}: {item['msg']}"
            if item["loc"]
            else item["msg"].removeprefix("Value error, ")
            for item in error.errors()
        ]
        raise ConfigError("; ".join(reasons), "values in range", "see eoseg predict --help") from error


def _shown(value: Any) -> str:
    """Numbers alone: texts may be tokens, and wholes hold them."""
    return f" {value}" if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**6) else ""


def refuse_unread(rasters: Sequence[str], read: Sequence[str]) -> None:
    """Refuses rasters that were given for nothing.

    Args:
        rasters: As given, each `NAME=FILE`.
        read: Names of the rasters that the model's bands are read from.

    Raises:
        ConfigError: If one has another name.
    """
    further = " or ".join(read[1:])
    for raster in rasters:
        if raster.partition("=")[0] not in read:
            raise ConfigError(
                f"--raster {raster}: no band of the model is read from it",
                f"rasters named {further}" if further else "no --raster: the model reads the image alone",
                "correct the name, or leave it out",
            )
