"""The command of every TFX step in a cluster's container.

    python -m eoseg_kubeflow.run_step --executor_class_path ... --json_serialized_invocation_args '{{$}}' ...

Around TFX's own entry point (`kubeflow_v2_run_executor`) it does what a cluster needs and TFX does not do: artifact
URIs become the local folders that the launcher copies from and to, the run's parameters are filled in, EOSeg's artifact
types are made known, inputs of earlier runs that are not there are left out, and what was found good is remembered.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.errors import EosegError

from .artifact_paths import LAUNCHER_BASE, artifact_uri, artifacts_in, local_path, with_uris
from .latest import remember
from .lookups import title_of
from .run_time import filled

EXIT_BAD_INPUT = 2


def build_parser() -> argparse.ArgumentParser:
    """The arguments that TFX's entry point does not know, and the two that are changed on their way to it."""
    parser = argparse.ArgumentParser(description="Run one step of a compiled pipeline.", allow_abbrev=False)
    parser.add_argument("--json_serialized_invocation_args", required=True, help="the ExecutorInput")
    parser.add_argument("--json_serialized_inputs_spec_args", required=True, help="the ComponentInputsSpec")
    parser.add_argument("--artifact_base", default=LAUNCHER_BASE, help="what the artifacts' folders lie below")
    parser.add_argument(
        "--artifact_type", action="append", default=[], metavar="TITLE=CLASS", help="a type that is not TFX's own"
    )
    parser.add_argument("--optional_input", action="append", default=[], help="an input that may have nothing in it")
    parser.add_argument("--memory", type=Path, help="the folder that good artifacts are remembered in")
    parser.add_argument("--good", help="the input that this step finds good by ending well")
    parser.add_argument("--good_if_blessed", help="the input whose property `blessed` must be 1 for that")
    return parser


def localised(executor_input: dict[str, Any], inputs_spec: dict[str, Any], asked: argparse.Namespace) -> dict[str, Any]:
    """The executor input as TFX's entry point is to get it.

    Args:
        executor_input: From the launcher.
        inputs_spec: The step's inputs, with their types.
        asked: The arguments.
    """
    inputs = with_uris(executor_input.get("inputs", {}), lambda uri: local_path(uri, asked.artifact_base))
    outputs = with_uris(executor_input.get("outputs", {}), lambda uri: local_path(uri, asked.artifact_base))
    for key in asked.optional_input:
        found = inputs.get("artifacts", {}).get(key, {}).get("artifacts", [])
        if not any(_holds_something(artifact["uri"]) for artifact in found):
            inputs.get("artifacts", {}).pop(key, None)
    for key, artifact in artifacts_in(inputs):
        # Not every version of the launcher says an input's type.
        artifact["type"] = inputs_spec["artifacts"][key]["artifactType"]
    inputs["parameterValues"] = filled(inputs.get("parameterValues", {}))
    return {"inputs": inputs, "outputs": outputs}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the step; 0 done, 2 what an `EosegError` says."""
    asked, others = build_parser().parse_known_args(argv)
    received = json.loads(asked.json_serialized_invocation_args)
    inputs_spec = json.loads(asked.json_serialized_inputs_spec_args)
    try:
        executor_input = localised(received, inputs_spec, asked)
        _run(executor_input, inputs_spec, asked.artifact_type, others)
    except EosegError as error:
        print(f"eoseg: error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    _give_uris_back(executor_input["outputs"].get("outputFile", ""), asked.artifact_base)
    if asked.good and asked.memory and _is_blessed(received, asked.good_if_blessed):
        (artifact,) = received["inputs"]["artifacts"][asked.good]["artifacts"]
        folder = Path(local_path(artifact["uri"], asked.artifact_base))
        remember(asked.memory, title_of(inputs_spec["artifacts"][asked.good]["artifactType"]), artifact["uri"], folder)
    return 0


def _run(executor_input: dict[str, Any], inputs_spec: dict[str, Any], types: list[str], others: list[str]) -> None:
    from tfx.orchestration.kubeflow.v2 import compiler_utils
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor as entry_point

    # Where this table does not know a type's title, TFX takes the title for the path of its class.
    compiler_utils.TITLE_TO_CLASS_PATH.update(text.split("=", 1) for text in types)
    texts = {
        "--json_serialized_invocation_args": json.dumps(executor_input),
        "--json_serialized_inputs_spec_args": json.dumps(inputs_spec),
    }
    argv = [sys.argv[0], *others, *(word for pair in texts.items() for word in pair)]
    entry_point.main(entry_point._parse_flags(argv))


def _holds_something(path: str) -> bool:
    folder = Path(path)
    return folder.is_dir() and any(folder.iterdir())


def _give_uris_back(output_file: str, base: str) -> None:
    """Writes URIs into the executor output, in the place of local folders: the cluster's metadata keep them."""
    path = Path(output_file)
    output = with_uris(json.loads(path.read_text(encoding="utf-8")), lambda folder: artifact_uri(folder, base))
    path.write_text(json.dumps(output), encoding="utf-8")


def _is_blessed(executor_input: dict[str, Any], key: str | None) -> bool:
    if key is None:
        return True
    (blessing,) = executor_input["inputs"]["artifacts"][key]["artifacts"]
    return bool(blessing.get("metadata", {}).get("blessed") == 1)


if __name__ == "__main__":
    sys.exit(main())
