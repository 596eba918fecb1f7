"""Where a training computes: on one device, on all of a machine, or on several machines."""

import contextlib
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.errors import ConfigError, TrainingError
from components.training.options import TrainingOptions

_log = logging.getLogger(__name__)


def check_device(options: TrainingOptions) -> None:
    """Refuses a training that asks for a GPU where there is none.

    Raises:
        ConfigError: It says what TensorFlow sees.
    """
    if options.device == "gpu" and not tf.config.list_physical_devices("GPU"):
        built = "" if tf.test.is_built_with_cuda() else "; this TensorFlow is built without CUDA"
        raise ConfigError(
            f"training.device is gpu, but TensorFlow {tf.__version__} sees none{built}",
            "a GPU that the driver (nvidia-smi) and TensorFlow's CUDA libraries both know",
            "install tensorflow[and-cuda] and the driver, check CUDA_VISIBLE_DEVICES, or set training.device: auto",
        )


def open_strategy(options: TrainingOptions) -> tf.distribute.Strategy:
    """The strategy of a training. Memory of GPUs is taken as it is needed, not all at once.

    With several machines, call it before TensorFlow computes anything: it waits for the other workers of TF_CONFIG.

    Raises:
        ConfigError: If there is no GPU where one is asked for, no TF_CONFIG where workers are, or the batch cannot be
            split evenly.
        TrainingError: If TensorFlow has computed already, so that no cluster can be joined.
    """
    check_device(options)
    _grow_memory()
    if options.device == "cpu":
        _hide_gpus()
    strategy = _strategy(options)
    replicas = strategy.num_replicas_in_sync
    if options.batch_size % replicas:
        near = max(1, round(options.batch_size / replicas)) * replicas
        raise ConfigError(
            f"training.batch_size is {options.batch_size}, on {replicas} devices",
            f"a multiple of {replicas}: each device gets an equal part of the batch",
            f"set training.batch_size to {near}",
        )
    return strategy


def placed(strategy: tf.distribute.Strategy, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` on the device of a strategy of one device; of any other strategy as it is.

    Such a strategy places variables alone: operations would run on the first GPU that TensorFlow can see.
    """
    if not isinstance(strategy, tf.distribute.OneDeviceStrategy):
        return function
    device = strategy.extended.worker_devices[0]

    def run(*args: Any) -> Any:
        with tf.device(device):
            return function(*args)

    return run


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files; of several workers only the first does."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.cluster_spec():
        return True
    kinds = resolver.cluster_spec().as_dict()
    return resolver.task_type == "chief" or ("chief" not in kinds and resolver.task_id == 0)


def distributed(
    strategy: tf.distribute.Strategy, batches: tf.data.Dataset, batch_size: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Batches cut into one part for each device, in their order.

    Args:
        strategy: From `open_strategy`.
        batches: Data set of tuples of tensors `(batch_size, ...)`; the same on every worker.
        batch_size: Patches a batch, over all devices.
    """
    if strategy.num_replicas_in_sync == 1:
        return batches

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync
        here = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * here

        def parts(*batch: tf.Tensor) -> tf.data.Dataset:
            cut = [tf.reshape(t, [replicas, batch_size // replicas, *t.shape[1:]]) for t in batch]
            return tf.data.Dataset.from_tensor_slices(tuple(t[first : first + here] for t in cut))

        return batches.flat_map(parts).prefetch(2 * here)

    return strategy.distribute_datasets_from_function(of_worker)


def summed_over_replicas(
    strategy: tf.distribute.Strategy, function: Callable[..., tuple[tf.Tensor, ...]]
) -> Callable[..., tuple[tf.Tensor, ...]]:
    """`function` run on each replica's part of its arguments, and each of its results summed."""
    if strategy.num_replicas_in_sync == 1:
        return placed(strategy, function)

    def run(*args: Any) -> tuple[tf.Tensor, ...]:
        results = strategy.run(function, args=args)
        return tuple(strategy.reduce(tf.distribute.ReduceOp.SUM, result, axis=None) for result in results)

    return run


def _strategy(options: TrainingOptions) -> tf.distribute.Strategy:
    kind = options.strategy
    gpus = [] if options.device == "cpu" else tf.config.list_physical_devices("GPU")
    if kind == "multi_worker" or (kind == "auto" and worker_count() > 1):
        return _multi_worker()
    if kind == "mirrored" or (kind == "auto" and len(gpus) > 1):
        devices = tf.config.list_logical_devices("GPU" if gpus else "CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if options.device == "cpu" and tf.config.get_visible_devices("GPU"):
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    return tf.distribute.get_strategy()


def _hide_gpus() -> None:
    """Of a GPU that can be seen TensorFlow makes use, wherever the variables are."""
    with contextlib.suppress(RuntimeError):  # something has computed in this process already
        tf.config.set_visible_devices([], "GPU")


def worker_count() -> int:
    """How many workers TF_CONFIG names; 0 without one.

    Raises:
        ConfigError: If it is no JSON, or names no lists of addresses.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        cluster = json.loads(text or "{}").get("cluster", {})
        if any(isinstance(addresses, str) for addresses in cluster.values()):
            raise TypeError("an address is given where a list of them is wanted")
        return sum(len(cluster.get(kind, ())) for kind in ("chief", "worker"))
    except (json.JSONDecodeError, AttributeError, TypeError) as error:
        raise _wrong_tf_config(error) from error


def _wrong_tf_config(error: Exception) -> ConfigError:
    return ConfigError(
        f"the environment variable TF_CONFIG cannot be used ({error}): {os.environ.get('TF_CONFIG', '')[:200]}",
        'JSON such as {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}',
        "correct it, or unset it to train on this machine alone",
    )


def _multi_worker() -> tf.distribute.Strategy:
    if worker_count() == 0:
        raise ConfigError(
            "training.strategy is multi_worker, but TF_CONFIG names no worker",
            "the environment variable TF_CONFIG with the cluster and this process's task, on every machine",
            "set it (Kubeflow's training operator does), or set training.strategy: auto",
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except ValueError as error:  # no task, or one that the cluster has not
        raise _wrong_tf_config(error) from error
    except RuntimeError as error:
        raise TrainingError(
            f"this process cannot join the cluster of TF_CONFIG: {error}",
            "a process in which TensorFlow has computed nothing yet",
            "call components.training.strategy.open_strategy first of all, and give its result to train",
        ) from error


def _grow_memory() -> None:
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            if not tf.config.experimental.get_memory_growth(gpu):
                _log.warning("TensorFlow uses %s already, and has taken all of its memory", gpu.name)
            return
