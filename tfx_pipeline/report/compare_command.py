"""`eoseg report --compare A B`: finds both versions, writes the page, prints where it is."""

import argparse
from pathlib import Path

from components.errors import ConfigError
from tfx_pipeline.report.compare import write_comparison
from tfx_pipeline.report.compare_places import METADATA, SERVED, VersionPlaces, find_version
from tfx_pipeline.report.compare_sources import read_version


def compare(arguments: argparse.Namespace) -> int:
    """Runs the verb.

    Args:
        arguments: `compare`, two names of versions; `config`, `overrides` and `workdir`, each of which may be missing;
            `output`, the page's path, None for one beside the report.

    Raises:
        EosegError: If a version cannot be found or read, or the two are one.
    """
    places, folder = _places(arguments)
    first, second = (find_version(named, places) for named in arguments.compare)
    if first[0].resolve() == second[0].resolve():
        raise ConfigError(
            f"{arguments.compare[0]} and {arguments.compare[1]} are the same version, {first[0]}",
            "two versions",
            "name another one",
        )
    path = Path(arguments.output or folder / f"compare-{first[0].name}-{second[0].name}.html").expanduser()
    print(write_comparison(read_version(*first), read_version(*second), path))
    return 0


def _places(arguments: argparse.Namespace) -> tuple[VersionPlaces, Path]:
    """Where numbers are looked up, and the folder that the page goes to."""
    if arguments.config is not None:
        from tfx_pipeline.cli.config_arguments import config_of
        from tfx_pipeline.data_set import places_of
        from tfx_pipeline.metadata_place import metadata_of

        config = config_of(arguments)
        of_run = places_of(config)
        served = of_run.model_base / config.publish.model_name
        return VersionPlaces(served, metadata_of(config, of_run)), of_run.workdir
    if arguments.workdir is not None:
        workdir = Path(arguments.workdir).expanduser().absolute()
        models = sorted(path for path in (workdir / SERVED).glob("*") if path.is_dir())
        # Of several models, none is meant by a mere number.
        return VersionPlaces(models[0] if len(models) == 1 else None, workdir / METADATA), workdir
    return VersionPlaces(), Path()
