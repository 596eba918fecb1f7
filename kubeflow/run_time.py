"""What is known only when a run starts: where the tiles are, what is in them, how long to train.

When compiling, marks stand in the steps' parameters for the tiles' folder and for their fingerprint. A run fills them
in: the folder is a parameter of the pipeline, the fingerprint is taken anew by the run's first step. Kubeflow reuses
a step by the values of its parameters, so tiles that changed under the same names are noticed, and those that did not
cost one look at the files.
"""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from components.errors import ConfigError
from components.geo.paths import is_remote

from .ir import Pipeline, Spec, constant, output_parameter
from .long_values import packed, unpacked

DATA_ROOT = "data_root"
TRAINING_STEPS = "training_steps"
FINGERPRINT = "data_fingerprint"
FINGERPRINT_TASK = "FingerprintTiles"

ROOT_MARK = "/eoseg-data-root"
"""Stands for the tiles' folder; looks like a path, so that nothing which joins paths mistakes it."""
FINGERPRINT_MARK = "eoseg-data-fingerprint"

CUSTOM_CONFIG = "custom_config"
TRAIN_ARGS = "train_args"
AS_CONFIGURED = 0


def add_run_time_parameters(
    pipeline: Pipeline, data_root: str | None, steps: int, files: Spec, container: Spec
) -> None:
    """Gives the pipeline its parameters, the fingerprint's step, and each step what it needs of them.

    Args:
        pipeline: As TFX compiled it, from tiles below `ROOT_MARK`.
        data_root: The default of the tiles' folder; None where tiles are named one by one: then it is no parameter.
        steps: The default of the training steps; 0 trains as configured (by epochs).
        files: The tiles' files, as parameters of the fingerprint's step.
        container: The container of a step of ours, without arguments.
    """
    pipeline.add_task(
        FINGERPRINT_TASK,
        {"inputs": {"parameters": {}}},
        {
            "inputDefinitions": {"parameters": {}},
            "outputDefinitions": {"parameters": {FINGERPRINT: {"parameterType": "STRING"}}},
        },
        {"container": container},
    )
    for name, value in files.items():
        pipeline.add_parameter(FINGERPRINT_TASK, name, "STRING", constant(value))
    for task, _ in pipeline.containers():
        known = pipeline.constants(task)
        if data_root is not None and any(ROOT_MARK in value for value in known.values()):
            pipeline.add_parameter(task, DATA_ROOT, "STRING", {"componentInputParameter": DATA_ROOT})
        if any(FINGERPRINT_MARK in value for value in known.values()):
            pipeline.add_parameter(task, FINGERPRINT, "STRING", output_parameter(FINGERPRINT_TASK, FINGERPRINT))
            pipeline.depend(task, FINGERPRINT_TASK)
        if CUSTOM_CONFIG in known:
            source = {"componentInputParameter": TRAINING_STEPS}
            pipeline.add_parameter(task, TRAINING_STEPS, "NUMBER_INTEGER", source)
        for name, value in known.items():
            pipeline.set_constant(task, name, packed(value))
    if data_root is not None:
        pipeline.add_run_time_parameter(DATA_ROOT, "STRING", data_root, "Where the tiles are, as the steps see it.")
    pipeline.add_run_time_parameter(
        TRAINING_STEPS, "NUMBER_INTEGER", steps, "Optimiser steps in all; 0 trains as long as is configured."
    )


def filled(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A step's own parameters, once those of the run are filled in and taken out.

    Args:
        parameters: As the step got them: numbers and texts.

    Raises:
        ConfigError: If a value of the run cannot be used.
    """
    own = {name: unpacked(value) if isinstance(value, str) else value for name, value in parameters.items()}
    root, fingerprint = own.pop(DATA_ROOT, None), own.pop(FINGERPRINT, None)
    steps = int(own.pop(TRAINING_STEPS, AS_CONFIGURED))
    for mark, value in ((ROOT_MARK, root), (FINGERPRINT_MARK, fingerprint)):
        if value is not None:
            text = _checked(str(value))
            own = {name: old.replace(mark, text) if isinstance(old, str) else old for name, old in own.items()}
    if steps < 0:
        raise ConfigError(f"{TRAINING_STEPS} is {steps}", "a number of steps, or 0", "start the run with another one")
    if steps:
        own = _trained_for(own, steps)
    return own


def _checked(value: str) -> str:
    """A text that may stand inside JSON as it is."""
    if json.dumps(value, ensure_ascii=False) != f'"{value}"' or not value:
        raise ConfigError(
            f"{DATA_ROOT} is {value!r}",
            "a path without quotes, backslashes and control characters",
            "start the run with another one",
        )
    return value.rstrip("/") if is_remote(value) else str(PurePosixPath(value))


def _trained_for(parameters: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """A trainer's parameters with another number of steps."""
    changed = dict(parameters)
    if CUSTOM_CONFIG in changed:
        config = json.loads(changed[CUSTOM_CONFIG])
        config["training"] = {**config["training"], "steps": steps, "epochs": None}
        changed[CUSTOM_CONFIG] = json.dumps(config)
    if TRAIN_ARGS in changed:
        arguments = json.loads(changed[TRAIN_ARGS])
        arguments["num_steps"] = steps
        changed[TRAIN_ARGS] = json.dumps(arguments)
    return changed
