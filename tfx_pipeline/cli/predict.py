"""`eoseg predict`: a tile through a model server to a land-cover map."""

import argparse
import sys
import time
from typing import Any


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser("predict", help="predict the map of a tile through a model server")
    parser.add_argument("tile", metavar="TILE", help="a raster of the sensor that the model was trained for")
    parser.add_argument("map", metavar="MAP", help="the GeoTIFF to write")
    parser.add_argument("--server", metavar="HOST:PORT", default="127.0.0.1:8500", help="default: %(default)s")
    parser.add_argument("--model-name", metavar="NAME", default="eoseg", help="default: %(default)s")
    parser.add_argument("--version", type=int, help="ask this version (default: the newest that serves)")
    parser.add_argument("--bands", metavar="N,N,...", help="numbers of the tile's bands, in the model's order")
    parser.add_argument(
        "--raster",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="a further raster that the model's bands are read from (dsm=FILE); once for each",
    )
    parser.add_argument(
        "--overlap", type=float, default=0.25, help="share of a patch that its neighbour covers (default: %(default)s)"
    )
    parser.add_argument(
        "--blend", choices=("hann", "flat", "centre"), default="hann", help="weights where patches overlap"
    )
    parser.add_argument("--concurrency", type=int, default=4, help="requests at the same time (default: %(default)s)")
    parser.add_argument(
        "--patches-per-request", type=int, default=4, help="at most the server's batch size (default: %(default)s)"
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Predicts, shows how far it is, and says what was made."""
    from pydantic import ValidationError

    from components.errors import ConfigError
    from serving.client import ClientOptions, SegmentationClient
    from serving.predict_map import MapOptions, predict_map

    try:
        bands = tuple(int(band) for band in arguments.bands.split(",")) if arguments.bands else None
        rasters = dict(raster.split("=", 1) for raster in arguments.raster)
        map_options = MapOptions(overlap=arguments.overlap, blend=arguments.blend, bands=bands, rasters=rasters)
        client_options = ClientOptions(
            concurrency=arguments.concurrency, patches_per_request=arguments.patches_per_request
        )
    except (ValidationError, ValueError) as error:
        details = error.errors() if isinstance(error, ValidationError) else []
        reasons = "; ".join(f"--{d['loc'][0]}".replace("_", "-") + f": {d['msg']}" for d in details)
        raise ConfigError(
            reasons or f"--bands {arguments.bands}, --raster {' '.join(arguments.raster) or 'none'}",
            "values in range; bands as 1,2,3; rasters as NAME=FILE",
            "see eoseg predict --help",
        ) from error
    client = SegmentationClient(
        arguments.server, arguments.model_name, version=arguments.version, options=client_options
    )
    with client:
        result = predict_map(arguments.tile, arguments.map, client, map_options, _Progress(arguments.tile))
    megapixels = result.pixels / 1e6
    print(
        f"{result.path}: {result.height} x {result.width} pixels by {result.model_name} version {result.version} in "
        f"{result.seconds:.1f} s ({megapixels / max(result.seconds, 1e-9):.2f} megapixels a second)"
    )
    for name, pixels in result.class_pixels.items():
        print(f"  {name:24} {pixels / result.pixels:7.2%}")
    if result.nodata_pixels:
        print(f"  {'(nodata)':24} {result.nodata_pixels / result.pixels:7.2%}")
    return 0


class _Progress:
    """One line that counts up, on a terminal only."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.monotonic()
        self._is_terminal = sys.stderr.isatty()

    def __call__(self, done: int, rows: int) -> None:
        if not self._is_terminal or not done:
            return
        seconds = time.monotonic() - self._started
        left = seconds / done * (rows - done)
        end = "\n" if done == rows else ""
        print(f"\r{self._name}: {done / rows:4.0%}, {left:.0f} s left   ", end=end, file=sys.stderr, flush=True)
