"""What answers the services' requests, whatever carries them: the models, found by specification, and what they do."""

import os
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
)

from components.errors import ConfigError, MissingFileError
from serving.batching import BatchingOptions
from serving.deploy.models_config import models_of, read_models_config
from serving.embedded import inference
from serving.embedded.batch_scheduler import BatchScheduler
from serving.embedded.batching_session import BatchingSession
from serving.embedded.loaded_version import LoadedVersion
from serving.embedded.options import ServerOptions
from serving.embedded.predict import fill_model_spec, predict
from serving.embedded.saved_model import SavedModelSession
from serving.embedded.status import StatusError, invalid_argument, not_found
from serving.embedded.version_manager import VersionManager
from serving.embedded.warmup import warm_up
from serving.served_model import ServedModel

_SIGNATURE_DEF = "signature_def"


class ModelHost:
    """The served models and the requests on them. Every method raises `StatusError` with the stock server's texts.

    Args:
        options: The server's options.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._scheduler = BatchScheduler(options.batching.num_batch_threads) if options.batching.enabled else None
        self._manager = VersionManager(
            self._load,
            poll_seconds=options.file_system_poll_wait_seconds,
            max_load_retries=options.max_num_load_retries,
            load_retry_seconds=options.load_retry_interval_micros / 1e6,
            labels_for_unavailable=options.allow_version_labels_for_unavailable_models,
        )
        self._reloading = threading.Lock()

    def start(self, timeout: float | None = None) -> None:
        """Loads the configured models; returns when each has a version that serves, at the latest after `timeout` s."""
        models = self._configured_models()
        self._manager.start(models)
        self._manager.wait_until_available([model.name for model in models], timeout)

    def stop(self) -> None:
        """Unloads all models."""
        self._manager.stop()
        if self._scheduler is not None:
            self._scheduler.close()

    def reread_config_file(self) -> None:
        """Serves what the model config file lists now."""
        with self._reloading:
            self._manager.reload(self._configured_models())

    def predict(self, request: Any, timeout: float | None = None) -> Any:
        """A `PredictResponse`; `timeout` in seconds."""
        return self._on_version(predict, request, request, timeout)

    def classify(self, request: Any, timeout: float | None = None) -> Any:
        """A `ClassificationResponse`; `timeout` in seconds."""
        return self._on_version(inference.classify, request, request, timeout)

    def regress(self, request: Any, timeout: float | None = None) -> Any:
        """A `RegressionResponse`; `timeout` in seconds."""
        return self._on_version(inference.regress, request, request, timeout)

    def multi_inference(self, request: Any, timeout: float | None = None) -> Any:
        """A `MultiInferenceResponse`; `timeout` in seconds."""
        if not request.tasks:
            raise invalid_argument("Inference request must have at least one task.")
        return self._on_version(inference.multi_inference, request.tasks[0], request, timeout)

    def model_metadata(self, request: Any) -> Any:
        """A `GetModelMetadataResponse` with the signatures."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != _SIGNATURE_DEF:
                raise invalid_argument(f"Metadata field {name} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._find(request.model_spec).in_use() as model:
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in model.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
            response.metadata[_SIGNATURE_DEF].Pack(signatures)
            fill_model_spec(response.model_spec, request.model_spec.name, model.version)
        return response

    def model_status(self, request: Any) -> Any:
        """A `GetModelStatusResponse`: one version, or all ever known, the highest first."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        known = self._manager.statuses(spec.name)
        if spec.WhichOneof("version_choice") == "version":
            wanted = spec.version.value
            known = [status for status in known if status.version == wanted]
            if not known:
                raise not_found(f"Could not find version {wanted} of model {spec.name}")
        if not known:
            raise not_found(f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for status in known:
            entry = response.model_version_status.add(version=status.version)
            entry.state = get_model_status_pb2.ModelVersionStatus.State.Value(status.state)
            if status.error is not None:
                entry.status.error_code = int(status.error.code)
                entry.status.error_message = status.error.message
        return response

    def reload_config(self, request: Any) -> Any:
        """A `ReloadConfigResponse`; failures stand in its status, as in the stock server."""
        response = model_management_pb2.ReloadConfigResponse()
        try:
            models = _translated(lambda: models_of(request.config, "the request"))
            with self._reloading:
                self._manager.reload(models)
        except StatusError as error:
            response.status.error_code = int(error.code)
            response.status.error_message = error.message
        return response

    def _on_version(self, answer: Callable[..., Any], holder: Any, request: Any, timeout: float | None) -> Any:
        if not holder.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        with self._find(holder.model_spec).in_use() as model:
            return answer(model.signatures, model, request, model.version, timeout)

    def _find(self, spec: Any) -> LoadedVersion:
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        return self._manager.find(
            spec.name,
            version=spec.version.value if choice == "version" else None,
            label=spec.version_label if choice == "version_label" else None,
        )

    def _configured_models(self) -> tuple[ServedModel, ...]:
        options = self._options
        if options.model_config_file:
            return _translated(lambda: read_models_config(options.model_config_file))
        return (ServedModel(name=options.model_name, base_path=options.model_base_path),)

    def _load(self, model: ServedModel, version: int, path: str) -> LoadedVersion:
        tags = [tag.strip() for tag in self._options.saved_model_tags.split(",")]
        saved_model = SavedModelSession(path, tags, session_config(self._options))
        batching = None
        if self._scheduler is not None:
            batching = BatchingSession(saved_model, self._scheduler, self._options.batching)
        loaded = LoadedVersion(model.name, version, saved_model, batching)
        if self._options.enable_model_warmup:
            try:
                warm_up(loaded, path)
            except StatusError as error:
                loaded.close()
                raise StatusError(error.code, f"Warmup failed: {error.message}") from error
            except BaseException:
                loaded.close()
                raise
        return loaded


def _translated(read: Callable[[], tuple[ServedModel, ...]]) -> tuple[ServedModel, ...]:
    try:
        return read()
    except MissingFileError as error:
        raise not_found(error.problem) from error
    except ConfigError as error:
        raise invalid_argument(error.problem) from error


def session_config(options: ServerOptions) -> Any:
    """The `ConfigProto` that models are run under."""
    config = tf.compat.v1.ConfigProto()
    config.intra_op_parallelism_threads = (
        options.tensorflow_intra_op_parallelism or options.tensorflow_session_parallelism
    )
    config.inter_op_parallelism_threads = (
        options.tensorflow_inter_op_parallelism or options.tensorflow_session_parallelism
    )
    config.gpu_options.per_process_gpu_memory_fraction = options.per_process_gpu_memory_fraction
    config.gpu_options.allow_growth = not options.per_process_gpu_memory_fraction
    return config


def worker_threads(options: ServerOptions) -> int:
    """How many threads answer requests."""
    if options.grpc_max_threads:
        return options.grpc_max_threads
    cores = os.cpu_count() or 1
    batching: BatchingOptions = options.batching
    return max(4 * cores, min(256, 2 * batching.max_batch_size) if batching.enabled else 0)
