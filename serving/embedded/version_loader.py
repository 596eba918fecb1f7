"""Loads one version: its session, its batching, its warm-up."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tensorflow as tf

from components.errors import ConfigError, MissingFileError
from components.file_systems import load_file_system
from serving.batching import BatchingOptions, parse_batching
from serving.embedded import metrics
from serving.embedded.batch_scheduler import BatchScheduler
from serving.embedded.batching_session import BatchingSession
from serving.embedded.loaded_version import LoadedVersion
from serving.embedded.options import ServerOptions
from serving.embedded.saved_model import SavedModelSession
from serving.embedded.session_config import session_config
from serving.embedded.status import StatusError, invalid_argument, not_found
from serving.embedded.warmup import warm_up
from serving.served_model import ServedModel

PER_MODEL_BATCHING_FILE = "batching_params.pbtxt"
Value = TypeVar("Value")


class VersionLoader:
    """Loads versions as a server's options say.

    Args:
        options: The server's options.
        scheduler: The threads that run batches; None where batching is off.
        values: Gets the latencies and batch sizes.

    Raises:
        StatusError: INVALID_ARGUMENT or NOT_FOUND if the session config file cannot be used.
    """

    def __init__(self, options: ServerOptions, scheduler: BatchScheduler | None, values: metrics.Metrics) -> None:
        self._options = options
        self._scheduler = scheduler
        self._metrics = values
        self._tags = [tag.strip() for tag in options.saved_model_tags.split(",")]
        self._config: Any = translated(lambda: session_config(options))

    def load(self, model: ServedModel, version: int, path: str) -> LoadedVersion:
        """One version from its directory, warmed up.

        Raises:
            StatusError: If it cannot be loaded, or a warm-up request fails.
        """
        load_file_system(path)
        batching = self._batching_of(path)
        saved_model = SavedModelSession(path, self._tags, self._config)
        session = None
        if self._scheduler is not None and batching is not None:
            session = BatchingSession(saved_model, self._scheduler, batching, self._record_batch)
        loaded = LoadedVersion(model.name, version, saved_model, session)
        if self._options.enable_model_warmup:
            started = time.monotonic()
            try:
                if warm_up(loaded, path, self._options.num_request_iterations_for_warmup):
                    microseconds = (time.monotonic() - started) * 1e6
                    self._metrics.observe(metrics.WARMUP_LATENCY, path, "OK", value=microseconds)
            except StatusError as error:
                loaded.close()
                raise StatusError(error.code, f"Warmup failed: {error.message}") from error
            except BaseException:  # whatever it is: a version that nobody will unload holds its memory
                loaded.close()
                raise
        return loaded

    def _batching_of(self, path: str) -> BatchingOptions | None:
        """The server's batching parameters, or the version's own where each has its own; None does not batch."""
        if not self._options.enable_per_model_batching_parameters:
            return self._options.batching
        file = f"{path}/{PER_MODEL_BATCHING_FILE}"
        if not tf.io.gfile.exists(file):
            return None
        with tf.io.gfile.GFile(file) as source:
            text = source.read()
        return translated(lambda: parse_batching(text, file))

    def _record_batch(self, sizes: Sequence[int], padded: int, queued: Sequence[float]) -> None:
        values, pool = self._metrics, self._options.batching.thread_pool_name
        values.increment(metrics.WRAPPED_RUNS)
        values.observe(metrics.PROCESSED_BATCH_SIZE, value=padded)
        values.observe(metrics.PADDING_SIZE, value=padded - sum(sizes))
        for size, seconds in zip(sizes, queued, strict=True):
            values.observe(metrics.INPUT_BATCH_SIZE, value=size)
            values.observe(metrics.QUEUING_LATENCY, pool, value=seconds * 1e6)


def translated(read: Callable[[], Value]) -> Value:
    """What `read` gives; EOSeg's own errors become statuses with the stock server's codes.

    Raises:
        StatusError: NOT_FOUND for a missing file, INVALID_ARGUMENT for one that cannot be used.
    """
    try:
        return read()
    except MissingFileError as error:
        raise not_found(error.problem) from error
    except ConfigError as error:
        raise invalid_argument(error.problem) from error
