"""`eoseg versions export | import`."""

import argparse
from pathlib import Path
from typing import Any

from tfx_pipeline.cli.versions_arguments import add_change, add_model, asked, lineages_of, say, version_of


def register(verbs: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verbs."""
    export = verbs.add_parser("export", help="write a version with all that belongs to it into one file")
    add_model(export)
    export.add_argument("version", metavar="V")
    export.add_argument("bundle", metavar="BUNDLE.zip")
    export.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    export.set_defaults(handler=run_export)

    bring = verbs.add_parser("import", help="bring an exported version in, when every checksum is right")
    add_model(bring)
    bring.add_argument("bundle", metavar="BUNDLE.zip")
    bring.add_argument(
        "--as", type=int, dest="number", metavar="N", help="its number here (default: its own, or the next)"
    )
    bring.add_argument(
        "--of-model", metavar="NAME", help="take a bundle of the model NAME, and serve it under this one"
    )
    bring.add_argument("--most-gb", type=float, metavar="GB", help="refuse what unpacks to more (default: 20)")
    add_change(bring, loads=False)
    bring.set_defaults(handler=run_import)


def run_export(arguments: argparse.Namespace) -> int:
    """Writes a bundle."""
    from serving.versions.bundle import export_bundle

    model = asked(arguments)
    version = version_of(model.registry, arguments.version)
    model.registry.check_there(version)
    lineage = lineages_of(model, [version])[0].get(version)
    path = Path(arguments.bundle)
    listed = export_bundle(model.registry, version, path, lineage, overwrite=arguments.overwrite, say=say)
    print(f"{path}: version {version}, {len(listed.files)} files, {path.stat().st_size:,} bytes")
    return 0


def run_import(arguments: argparse.Namespace) -> int:
    """Reads a bundle."""
    from components.errors import ConfigError
    from serving.versions.bundle_options import BundleLimits
    from serving.versions.import_bundle import import_bundle

    limits = BundleLimits()
    if arguments.most_gb is not None:
        if arguments.most_gb <= 0:
            raise ConfigError(f"--most-gb {arguments.most_gb:g}", "above 0", "correct it")
        limits = BundleLimits(most_bytes=int(arguments.most_gb * 1e9))
    number = import_bundle(
        asked(arguments, may_be_new=Path(arguments.bundle).is_file()).registry,
        Path(arguments.bundle),
        limits=limits,
        number=arguments.number,
        of_model=arguments.of_model,
        reason=arguments.reason,
        wait_seconds=arguments.wait,
        say=say,
    )
    print(number)
    return 0
