"""Starts a training from the weights of an exported model instead of random ones.

The SavedModel holds the network's variables in the network's own order (`components.training.signatures`), without
names; so they fit a network exactly if there are as many of them and each has the shape of the network's. The input
normalisation is no variable: it is always that of the new training records.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import ValidationError

from components.contract import CONTRACT_FILE, ModelContract
from components.errors import TrainingError
from components.records.record_format import RecordFormat
from components.training.learner import Learner
from components.training.networks import served_network
from components.training.signatures import EXTRA_ASSETS

_KEY = "network_variables/{}/.ATTRIBUTES/VARIABLE_VALUE"
"""Of `ServedModel.network_variables` in the SavedModel's checkpoint."""


@dataclass(frozen=True)
class BaseModel:
    """What a training may start from.

    Attributes:
        folder: The SavedModel's.
        weights: All variables in the network's order.
        unfit: Why its records are of another kind; empty where they are of the same.
    """

    folder: str
    weights: tuple[NDArray[np.generic], ...]
    unfit: str = ""

    @property
    def digest(self) -> str:
        """Of the weights, 64 hex digits: part of what decides a training's result."""
        digest = hashlib.sha256(self.unfit.encode())
        for weight in self.weights:
            digest.update(f"{weight.dtype} {weight.shape}".encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
        return digest.hexdigest()


def read_base_model(folder: str, record_format: RecordFormat) -> BaseModel:
    """Reads the weights of an exported model.

    Args:
        folder: Of a SavedModel that `export_saved_model` wrote, on any file system that `tf.io.gfile` knows.
        record_format: Of the records to train on.

    Raises:
        TrainingError: If it cannot be read.
    """
    try:
        reader = tf.train.load_checkpoint(f"{folder}/variables/variables")
        count = 0
        while reader.has_tensor(_KEY.format(count)):
            count += 1
        weights = tuple(np.asarray(reader.get_tensor(_KEY.format(number))) for number in range(count))
        with tf.io.gfile.GFile(f"{folder}/{EXTRA_ASSETS}/{CONTRACT_FILE}", "r") as file:
            contract = ModelContract.model_validate_json(file.read())
    except (tf.errors.OpError, ValueError, RuntimeError, ValidationError) as error:
        raise TrainingError(
            f"the model {folder}, which training.warm_start starts from, cannot be read: {error}",
            "a model that EOSeg exported",
            "restore it, or set training.warm_start: none",
        ) from error
    return BaseModel(folder, weights, _why_unfit(contract, record_format))


def start_from(learner: Learner, base: BaseModel) -> str:
    """Gives a learner the weights of a model, where they fit.

    Args:
        learner: Untrained.
        base: The model.

    Returns:
        What was done, for the progress lines: a network that differs is no error, or a changed configuration could not
        be trained any more.
    """
    network = served_network(learner.model).variables
    unfit = base.unfit or _why_other_network([tuple(variable.shape) for variable in network], base)
    if unfit:
        return f"no warm start: {base.folder} {unfit}; starts from the network's own initial weights"
    started = [network, *([learner.average.model.variables] if learner.average else [])]
    with learner.strategy.scope():
        for variables in started:
            for variable, weight in zip(variables, base.weights, strict=True):
                # Whole numbers are states of random generators.
                if np.issubdtype(weight.dtype, np.floating):
                    variable.assign(weight)
    return f"warm start: from the weights of {base.folder}"


def _why_unfit(contract: ModelContract, record_format: RecordFormat) -> str:
    if contract.bands != record_format.bands:
        return f"was trained on the bands {', '.join(contract.bands)}, not {', '.join(record_format.bands)}"
    if contract.table.names != record_format.table.names:
        return f"has the classes {', '.join(contract.table.names)}, not {', '.join(record_format.table.names)}"
    return ""


def _why_other_network(shapes: list[tuple[int, ...]], base: BaseModel) -> str:
    theirs = [weight.shape for weight in base.weights]
    if len(theirs) != len(shapes):
        return f"has another network, of {len(theirs)} variables, not {len(shapes)}"
    for number, (ours, other) in enumerate(zip(shapes, theirs, strict=True)):
        if ours != other:
            return f"has another network: its variable {number} has the shape {other}, not {ours}"
    return ""
