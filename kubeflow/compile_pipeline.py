"""Compiles a data set's pipeline to a Kubeflow Pipelines (v2, schema 2.1) YAML file.

Use:

    python kubeflow/compile_pipeline.py mine.yaml -o pipeline.yaml --image registry/eoseg:0.1.0 --root /mnt/pipelines

The tiles' paths are those seen here; they must be the same inside the image's containers (a mounted volume). This
folder is no package: as one it would hide the `kubeflow.*` distributions.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.errors import EosegError
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import find_data_set, places_of
from tfx_pipeline.load_config import load_config


def compile_pipeline(config: Config, output: Path, image: str, root: str) -> None:
    """Writes the YAML file, whole or not at all.

    Args:
        config: The configuration; `publish.model_base` must name a folder that the cluster's steps can write.
        output: The file to write.
        image: The container image with EOSeg installed, by tag or digest.
        root: The pipeline root that the steps share: a mounted folder, `s3://` or `gs://`.

    Raises:
        EosegError: If the tiles cannot be found.
    """
    from tfx import v1 as tfx

    from tfx_pipeline.pipeline import build_pipeline

    places = replace(places_of(config), workdir=Path(root), artifacts=root)
    data = find_data_set(config, places_of(config))
    pipeline = build_pipeline(config, data, places, any_driver=True)
    options = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
        display_name=config.name, default_image=image, use_pipeline_spec_2_1=True
    )
    with tempfile.TemporaryDirectory(dir=output.absolute().parent) as folder:
        runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
            config=options, output_dir=folder, output_filename="pipeline.yaml"
        )
        runner.run(pipeline)
        (Path(folder) / "pipeline.yaml").replace(output)


def main(argv: Sequence[str] | None = None) -> int:
    """Compiles; 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(description="Compile a pipeline for Kubeflow Pipelines.")
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("-o", "--output", type=Path, default=Path("pipeline.yaml"))
    parser.add_argument("--image", required=True, help="container image with EOSeg installed")
    parser.add_argument("--root", required=True, help="pipeline root shared by the steps")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--workdir", help="where sample scenes and digests are kept")
    arguments = parser.parse_args(argv)
    try:
        config = load_config(arguments.config, arguments.overrides, arguments.workdir)
        compile_pipeline(config, arguments.output, arguments.image, arguments.root)
    except EosegError as error:
        print(f"compile_pipeline: error: {error}", file=sys.stderr)
        return 2
    print(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
