"""What answers the services' requests, whatever carries them: the models, found by specification, and what they do."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from numpy.typing import NDArray
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
)

from serving.deploy.models_config import models_of, read_models_config
from serving.embedded import inference, metrics
from serving.embedded.batch_scheduler import BatchScheduler
from serving.embedded.loaded_version import LoadedVersion
from serving.embedded.method_names import check_method_name
from serving.embedded.options import ServerOptions
from serving.embedded.predict import DEFAULT_SIGNATURE, fill_model_spec, predict
from serving.embedded.status import Code, StatusError, invalid_argument, not_found
from serving.embedded.version_loader import VersionLoader, translated
from serving.embedded.version_manager import VersionManager
from serving.served_model import ServedModel

_SIGNATURE_DEF = "signature_def"


class ModelHost:
    """The served models and the requests on them. Every method raises `StatusError` with the stock server's texts.

    Args:
        options: The server's options.

    Attributes:
        metrics: What Prometheus reads.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self.metrics = metrics.Metrics()
        self._scheduler = BatchScheduler(options.batching.num_batch_threads) if options.batching.enabled else None
        self._manager = VersionManager(
            lambda model, version, path: self._loader.load(model, version, path),
            poll_seconds=options.file_system_poll_wait_seconds,
            max_load_retries=options.max_num_load_retries,
            load_retry_seconds=max(0, options.load_retry_interval_micros) / 1e6,
            labels_for_unavailable=options.allow_version_labels_for_unavailable_models,
        )
        self._reloading = threading.Lock()

    def start(self, timeout: float | None = None) -> None:
        """Loads the configured models; returns when each has a version that serves, at the latest after `timeout` s."""
        self._loader = VersionLoader(self._options, self._scheduler, self.metrics)
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

    def predict(self, request: Any, timeout: float | None = None, entrypoint: str = "GRPC") -> Any:
        """A `PredictResponse`; `timeout` in seconds."""
        return self._measured("Predict", predict, request, timeout, entrypoint)

    def classify(self, request: Any, timeout: float | None = None, entrypoint: str = "GRPC") -> Any:
        """A `ClassificationResponse`; `timeout` in seconds."""
        response = self._measured("Classify", inference.classify, request, timeout, entrypoint)
        self._count_examples(request.model_spec.name, len(response.result.classifications))
        return response

    def regress(self, request: Any, timeout: float | None = None, entrypoint: str = "GRPC") -> Any:
        """A `RegressionResponse`; `timeout` in seconds."""
        response = self._measured("Regress", inference.regress, request, timeout, entrypoint)
        self._count_examples(request.model_spec.name, len(response.result.regressions))
        return response

    def multi_inference(self, request: Any, timeout: float | None = None) -> Any:
        """A `MultiInferenceResponse`; `timeout` in seconds."""
        if not request.tasks:
            raise invalid_argument("Inference request must have at least one task.")
        return self._on_version(inference.multi_inference, request.tasks[0], request, timeout, "MultiInference")

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
        with self._in_use(request.model_spec) as model:
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
            entry.status.SetInParent()  # OK is said, too
            if status.error is not None:
                entry.status.error_code = int(status.error.code)
                entry.status.error_message = status.error.message
        return response

    def reload_config(self, request: Any) -> Any:
        """A `ReloadConfigResponse`; failures stand in its status, as in the stock server."""
        response = model_management_pb2.ReloadConfigResponse()
        try:
            models = translated(lambda: models_of(request.config))
            with self._reloading:
                self._manager.reload(models)
        except StatusError as error:
            response.status.error_code = int(error.code)
            response.status.error_message = error.message
        return response

    def input_infos(self, spec: Any) -> dict[str, Any]:
        """Input name -> `TensorInfo` of the signature that a `ModelSpec` names; the REST API reads JSON by it."""
        with self._in_use(spec) as model:
            name = spec.signature_name or DEFAULT_SIGNATURE
            if name not in model.signatures:
                raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
            infos = dict(model.signatures[name].inputs)
            if not infos:
                raise invalid_argument(f"Failed to get input map for signature: {spec.signature_name or 'DEFAULT'}")
            return infos

    def _measured(
        self, api: str, answer: Callable[..., Any], request: Any, timeout: float | None, entrypoint: str
    ) -> Any:
        name, code, started = request.model_spec.name, Code.INTERNAL, time.monotonic()
        try:
            response = self._on_version(answer, request, request, timeout, api)
            code = Code.OK
            microseconds = (time.monotonic() - started) * 1e6
            self.metrics.observe(metrics.REQUEST_LATENCY, name, api, entrypoint, value=microseconds)
            return response
        except StatusError as error:
            code = error.code
            raise
        finally:
            # Names that callers make up would each be a line of their own for ever.
            self.metrics.increment(metrics.REQUEST_COUNT, name if self._manager.knows(name) else "", code.name)

    def _on_version(
        self, answer: Callable[..., Any], holder: Any, request: Any, timeout: float | None, api: str
    ) -> Any:
        if not holder.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        with self._in_use(holder.model_spec) as model:
            if self._options.enable_signature_method_name_check:
                check_method_name(model.signatures, request, api)
            session = _TimedSession(model, self.metrics, api)
            return answer(model.signatures, session, request, model.version, timeout)

    def _count_examples(self, name: str, count: int) -> None:
        self.metrics.observe(metrics.EXAMPLE_COUNTS, name, value=count)
        self.metrics.increment(metrics.EXAMPLE_TOTAL, name, by=count)

    def _in_use(self, spec: Any) -> AbstractContextManager[LoadedVersion]:
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        return self._manager.in_use(
            spec.name,
            version=spec.version.value if choice == "version" else None,
            label=spec.version_label if choice == "version_label" else None,
        )

    def _configured_models(self) -> tuple[ServedModel, ...]:
        options = self._options
        if options.model_config_file:
            return translated(lambda: read_models_config(options.model_config_file))
        return (ServedModel(name=options.model_name, base_path=options.model_base_path),)


class _TimedSession:
    """A version whose runs are measured."""

    def __init__(self, model: LoadedVersion, values: metrics.Metrics, api: str) -> None:
        self._model = model
        self._metrics = values
        self._api = api

    def run(
        self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str], timeout: float | None = None
    ) -> list[NDArray[Any]]:
        started = time.monotonic()
        results = self._model.run(feeds, fetches, timeout)
        microseconds = (time.monotonic() - started) * 1e6
        self._metrics.observe(metrics.RUNTIME_LATENCY, self._model.name, self._api, "TF1", value=microseconds)
        return results
