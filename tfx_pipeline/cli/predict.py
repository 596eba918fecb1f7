"""`eoseg predict`: tiles through a model server to land-cover maps."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from tfx_pipeline.cli.predict_progress import ProgressLine
from tfx_pipeline.cli.predict_traffic import Traffic, add_traffic_arguments

if TYPE_CHECKING:
    from serving.client import SegmentationClient
    from serving.client_options import ClientOptions
    from serving.predict_map import MapOptions, MapResult
    from tfx_pipeline.prediction_jobs import PredictionJob

EXIT_INTERRUPTED = 130


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "predict",
        help="predict the maps of tiles through a model server",
        description="Predict the class of every pixel of tiles through a model server. With one raster as IN, OUT is "
        "the map, a GeoTIFF; with several, a folder or a list, OUT is the folder of maps, which are named as the tiles "
        "are. Maps that are there already, of the same tile, version and options, are left as they are.",
    )
    parser.add_argument(
        "inputs",
        metavar="IN",
        nargs="+",
        help="a raster of the sensor that the model was trained for, a folder of them, a list (.csv, .parquet) or a "
        "STAC item collection (.json); rasters and folders may be in a store (s3://)",
    )
    parser.add_argument("out", metavar="OUT", help="the map, or the folder of maps")
    _add_server(parser.add_argument_group("the model server"))
    _add_tiles(parser.add_argument_group("tiles"))
    _add_map(parser.add_argument_group("the map"))
    outputs = parser.add_argument_group("files beside the map", "Folders where there are several tiles.")
    outputs.add_argument("--confidence", metavar="FILE", help="GeoTIFF: probability of the map's class in percent")
    outputs.add_argument("--scores", metavar="FILE", help="GeoTIFF: probability of every class, times 254")
    outputs.add_argument("--polygons", metavar="FILE", help="GeoPackage or GeoJSON of the classes' areas")
    outputs.add_argument("--min-area", type=float, metavar="M2", help="smaller polygons join their neighbours")
    outputs.add_argument("--min-pixels", type=int, metavar="N", help="the same in pixels")
    outputs.add_argument("--small", choices=("merge", "drop"), help="or are left out (default: merge)")
    outputs.add_argument("--simplify", type=float, metavar="M", help="metres that polygons' borders may move by")
    outputs.add_argument("--simplify-pixels", type=float, metavar="N", help="the same in pixels")
    outputs.add_argument("--areas", metavar="FILE", help="CSV: pixels, square metres and hectares of each class")
    outputs.add_argument("--stac", metavar="FILE", help="JSON: a STAC item of the map and these files")
    outputs.add_argument(
        "--monitor",
        metavar="DIR",
        help="a folder in any case: a small JSON file a map with its bands', classes' and confidence's histograms, for "
        "`eoseg drift`",
    )
    parser.add_argument("--resume", action="store_true", help="go on with what a run that was interrupted left")
    parser.add_argument(
        "--overwrite", action="store_true", help="predict anew what is there, and replace files that are no maps"
    )
    parser.set_defaults(handler=run)


def _add_server(group: Any) -> None:
    group.add_argument("--server", metavar="HOST:PORT", default="127.0.0.1:8500", help="default: %(default)s")
    group.add_argument("--model-name", metavar="NAME", default="eoseg", help="default: %(default)s")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, help="ask this version (default: the newest that serves)")
    which.add_argument("--label", help="ask the version that has this label when the map is begun")
    add_traffic_arguments(group, which)
    group.add_argument("--client", metavar="FILE", help="settings of the client, as `eoseg serve tune` writes them")
    group.add_argument("--concurrency", type=int, help="requests at the same time (default: 4)")
    group.add_argument("--patches-per-request", type=int, help="at most the server's batch size (default: 4)")
    group.add_argument("--ca-file", metavar="PEM", help="encrypt, and trust servers that these authorities signed")
    group.add_argument("--client-cert-file", metavar="PEM", help="for a server that verifies its clients")
    group.add_argument("--client-key-file", metavar="PEM", help="of that certificate")
    group.add_argument("--token-file", metavar="FILE", help="send this token with every call; needs encryption")


def _add_tiles(group: Any) -> None:
    group.add_argument("--bands", metavar="N,N,...", help="numbers of the tile's bands, in the model's order")
    group.add_argument(
        "--raster",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="a further raster that the model's bands are read from (dsm=FILE); once for each. {tile} in FILE is the "
        "tile's name; with an item collection it may be an asset's key",
    )
    group.add_argument("--asset", metavar="KEY", default="image", help="of STAC items' images (default: %(default)s)")


def _add_map(group: Any) -> None:
    group.add_argument(
        "--overlap", type=float, default=0.25, help="share of a patch that its neighbour covers (default: %(default)s)"
    )
    group.add_argument(
        "--blend",
        choices=("hann", "flat", "centre"),
        default="hann",
        help="weights where patches overlap (default: %(default)s)",
    )
    group.add_argument(
        "--augment",
        choices=("none", "flips", "d4"),
        default="none",
        help="average over mirror images: flips takes 4 times as long, d4 (with quarter turns) 8 times",
    )


def run(arguments: argparse.Namespace) -> int:
    """Predicts, shows how far it is, and says what was made.

    Returns:
        0, 2 if some of several tiles could not be predicted, or 130 if interrupted.
    """
    from components.errors import MissingFileError, RasterError
    from tfx_pipeline.cli.predict_options import client_options_of, jobs_of, map_options_of

    client_options, map_options = client_options_of(arguments), map_options_of(arguments)
    traffic = Traffic.of(arguments)
    jobs = jobs_of(arguments)
    failed = 0
    clients = _Clients(arguments, client_options)
    try:
        for job in jobs:
            try:
                if traffic is None or clients.begun_version(job) is not None:
                    _predict(job, clients, map_options, arguments)
                else:
                    _predict_as_told(job, clients, map_options, arguments, traffic)
            except (RasterError, MissingFileError) as error:
                if len(jobs) == 1:
                    raise
                failed += 1
                print(f"eoseg: error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\neoseg: interrupted; the same command with --resume goes on where it stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        clients.close()
    if failed:
        print(f"eoseg: {failed} of {len(jobs)} tiles have no map (see above)", file=sys.stderr)
    return 2 if failed else 0


class _Clients:
    """The client that is asked; one for each label, and for each version that an interrupted map was begun with."""

    def __init__(self, arguments: argparse.Namespace, options: "ClientOptions") -> None:
        self._arguments = arguments
        self._options = options
        self._open: dict[tuple[int | None, str | None], SegmentationClient] = {}

    def begun_version(self, job: "PredictionJob") -> int | None:
        """The version that an interrupted map, which is to be gone on with, was begun with."""
        from serving.map_part import read_identity

        begun = read_identity(job.map_path) if self._arguments.resume else None
        return None if begun is None else int(begun["version"])

    def of(self, job: "PredictionJob") -> "SegmentationClient":
        """The client for a map."""
        version, label = self._arguments.version, self._arguments.label
        if version is None:
            version = self.begun_version(job)
            label = label if version is None else None
        return self.by(version, label)

    def by(self, version: int | None, label: str | None) -> "SegmentationClient":
        """The client of a version, or of the one that has a label."""
        from serving.client import SegmentationClient

        if (version, label) not in self._open:
            asked = self._arguments
            self._open[version, label] = SegmentationClient(
                asked.server, asked.model_name, version=version, label=label, options=self._options
            )
        return self._open[version, label]

    def close(self) -> None:
        """Ends the connections."""
        for client in self._open.values():
            client.close()


def _predict_as_told(
    job: "PredictionJob", clients: _Clients, options: "MapOptions", arguments: argparse.Namespace, traffic: Traffic
) -> None:
    """By the version whose turn the tile is; what the canary cannot do, the stable version does."""
    from components.errors import EosegError
    from serving.versions.registry import CANARY, STABLE

    label = traffic.label_of(job.tile.name)
    failure: EosegError | None = None
    if label == CANARY:
        try:
            _predict(job, clients, options, arguments, traffic, CANARY)
        except EosegError as error:
            failure = error
            print(f"eoseg: the canary did not predict {job.tile.image}: {error.problem}", file=sys.stderr)
        else:
            return
    _predict(job, clients, options, arguments, traffic, STABLE, resume=arguments.resume and failure is None)
    if failure is not None:  # not the tile's fault: it can be predicted
        traffic.failed(job.tile.name, CANARY, failure)


def _predict(
    job: "PredictionJob",
    clients: _Clients,
    options: "MapOptions",
    arguments: argparse.Namespace,
    traffic: Traffic | None = None,
    label: str | None = None,
    *,
    resume: bool | None = None,
) -> None:
    from serving.drift.map_monitor import MapMonitor
    from serving.predict_map import predict_map
    from tfx_pipeline.cli.predict_options import refuse_unread

    client = clients.of(job) if label is None else clients.by(None, label)
    if label is not None:
        client.repin()  # it may be another version's by now
    read = options.band_set(client.contract()).rasters
    refuse_unread(arguments.raster, read)
    # A list may name rasters of the archive that this model has no use for.
    rasters = {name: path for name, path in job.tile.rasters.items() if name in read}
    line = ProgressLine(job.tile.image)
    watched = None if traffic is None else traffic.watch()
    monitor = None if arguments.monitor is None else MapMonitor(arguments.monitor)
    try:
        result = predict_map(
            job.tile.image,
            job.map_path,
            client,
            options.model_copy(update={"rasters": rasters}),
            line,
            outputs=job.outputs,
            resume=arguments.resume if resume is None else resume,
            overwrite=arguments.overwrite,
            date=job.tile.date,
            observe=watched,
            monitor=monitor,
        )
    finally:
        line.end()
    _say(result)
    if traffic is not None and label is not None and watched is not None:
        traffic.made(job.tile.name, label, result, watched)


def _say(result: "MapResult") -> None:
    by = f"{result.model_name} version {result.version}"
    size = f"{result.height} x {result.width} pixels"
    if result.was_there:
        print(f"{result.path}: {size} by {by}, was there already (--overwrite predicts it anew)")
    else:
        made = result.pixels * (1 - result.resumed_rows / result.height) / 1e6
        speed = f"{result.seconds:.1f} s ({made / max(result.seconds, 1e-9):.2f} megapixels a second)"
        before = f", {result.resumed_rows} rows of it before" if result.resumed_rows else ""
        print(f"{result.path}: {size} by {by} in {speed}{before}")
    for name, pixels in result.class_pixels.items():
        print(f"  {name:24} {pixels / result.pixels:7.2%}")
    if result.nodata_pixels:
        print(f"  {'(nodata)':24} {result.nodata_pixels / result.pixels:7.2%}")
    for kind, path in result.outputs.items():
        print(f"  {kind}: {path}")
    for note in result.notes:
        print(f"  note: {note}")
