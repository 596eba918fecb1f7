"""`eoseg convert-labels`: labels of any kind as index rasters, or in colours."""

import argparse
from typing import TYPE_CHECKING, Any

from tfx_pipeline.cli.config_arguments import add_config_arguments, config_of

if TYPE_CHECKING:
    from tfx_pipeline.config import Config


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "convert-labels",
        help="write labels as index rasters, or in colours",
        description="Write the labels of all tiles of a configuration, whatever their kind, as GeoTIFFs on the images' "
        "grids: OUT/<tile>.tif. With --in, one label file: OUT is then the file to write.",
    )
    add_config_arguments(parser)
    parser.add_argument("out", metavar="OUT", help="where to: a folder, or with --in a file; made if it is not there")
    parser.add_argument(
        "--to",
        choices=("index", "colors"),
        required=True,
        help="class ids from 0 with a palette, 255 void; or red, green, blue",
    )
    parser.add_argument("--in", metavar="FILE", dest="label", help="one label raster, read as the configuration says")
    parser.add_argument(
        "--unknown-as-void", action="store_true", help="write pixels that mean no class as void; else they are an error"
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Converts, and says what was written.

    Raises:
        ConfigError: On tiles that would become one file, or replace what is read.
        EosegError: As `convert_labels`.
    """
    config = config_of(arguments)
    jobs = _one_file(arguments, config) if arguments.label is not None else _all_tiles(arguments, config)

    from components.geo.convert_labels import convert_labels
    from components.geo.labels import LabelDecoder

    decoder = LabelDecoder(config.table, config.label_options)
    for source, grid, target in jobs:
        with decoder.open(source, grid) as label:
            done = convert_labels(label, target, config.table, arguments.to, unknown_as_void=arguments.unknown_as_void)
        unknown = f", {done.unknown:,} of them unknown" if done.unknown else ""
        print(f"{target}: {sum(done.by_class):,} pixels of classes, {done.void:,} void{unknown}")
    if arguments.to == "index":
        print("read them with  labels: {kind: index, first: 0}")
    return 0


def _one_file(arguments: argparse.Namespace, config: "Config") -> list[Any]:
    """The one job of `--in`: the label on its own grid."""
    from pathlib import Path

    from components.errors import ConfigError
    from components.geo.geotiff import open_raster
    from components.tile_source import TileSource

    if config.labels.kind not in ("colors", "index"):
        raise ConfigError(
            f"--in with labels.kind: {config.labels.kind}",
            "labels of one raster (colors or index)",
            "convert all tiles of the configuration: eoseg convert-labels CONFIG --to index FOLDER",
        )
    with open_raster(arguments.label) as raster:
        grid = raster.grid
    source = TileSource(tile=Path(arguments.label).stem, image=arguments.label, label=arguments.label, split="train")
    _refuse_own_label(source, Path(arguments.out))
    return [(source, grid, Path(arguments.out))]


def _all_tiles(arguments: argparse.Namespace, config: "Config") -> list[Any]:
    """A job for each tile of the configuration; tiles that are split into areas are written as a whole, once."""
    from pathlib import Path

    from components.errors import ConfigError
    from components.geo.image import open_image
    from tfx_pipeline.data_set import find_data_set, places_of

    jobs: dict[Path, Any] = {}
    for source in find_data_set(config, places_of(config), print, fingerprint=False).tiles:
        target = Path(arguments.out) / f"{source.whole_tile.replace('/', '_')}.tif"
        before = jobs.get(target)
        if before is not None and before[0].whole_tile != source.whole_tile:
            raise ConfigError(
                f"the tiles '{before[0].whole_tile}' and '{source.whole_tile}' would both be written to {target}",
                "tile ids that differ in more than a slash",
                "change data.tile_id",
            )
        _refuse_own_label(source, target)
        with open_image(source.all_rasters, config.band_set) as image:
            jobs[target] = (source, image.grid, target)
    return list(jobs.values())


def _refuse_own_label(source: Any, target: Any) -> None:
    from pathlib import Path

    from components.errors import ConfigError

    inputs = {path for path in (source.label, source.image, source.ignore, *source.masks.values()) if path}
    if any(Path(path).resolve() == target.resolve() for path in inputs):
        raise ConfigError(
            f"{target} is one of the files that are read", "another place for what is written", "choose another OUT"
        )
