"""What the embedded server can be told, under the stock server's flag names."""

from pydantic import Field, NonNegativeInt, model_validator

from components.options import Options
from serving.batching import BatchingOptions


class ServerOptions(Options):
    """The embedded server's options; the flags of the same names set them.

    Raises:
        pydantic.ValidationError: If there is nothing to serve, or values contradict each other.
    """

    port: int = Field(default=8500, ge=0, le=65535)
    """gRPC port; 0 lets the system choose (`EmbeddedServer.start` returns it)."""
    bind_address: str = "127.0.0.1"
    """The stock server binds all interfaces; this one only where it is told to."""
    grpc_socket_path: str = ""
    """A unix socket to listen on as well."""
    rest_api_port: int = Field(default=0, ge=0, le=65535)
    """Port of the REST API; 0 serves none."""
    rest_api_num_threads: NonNegativeInt = 0
    """REST requests that are worked on at the same time; 0 takes as many as `grpc_max_threads`."""
    rest_api_timeout_in_ms: NonNegativeInt = 30_000
    rest_api_enable_cors_support: bool = False
    monitoring_config_file: str = ""
    """A text-format `MonitoringConfig`; Prometheus reads from the REST port."""
    ssl_config_file: str = ""
    """A text-format `SSLConfig`; without it gRPC is not encrypted."""
    model_name: str = "default"
    model_base_path: str = ""
    model_config_file: str = ""
    """A text-format `ModelServerConfig`; takes the place of name and base path."""
    model_config_file_poll_wait_seconds: NonNegativeInt = 0
    """Seconds between two readings of the model config file; 0 reads it once."""
    file_system_poll_wait_seconds: float = 1.0
    """Seconds between two looks for new versions; 0 looks once, below 0 never."""
    max_num_load_retries: NonNegativeInt = 5
    load_retry_interval_micros: int = 60_000_000
    """Between two tries; below 0 does not wait."""
    allow_version_labels_for_unavailable_models: bool = False
    batching: BatchingOptions = BatchingOptions(enabled=False)
    enable_per_model_batching_parameters: bool = False
    """Each version is batched as its own `batching_params.pbtxt` says, and not at all without that file."""
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 1
    """How often each warm-up request is run; below 1 counts as 1."""
    enable_signature_method_name_check: bool = False
    """Hold each signature's `method_name` to the call that uses it; TensorFlow 2 exports only know Predict's."""
    saved_model_tags: str = "serve"
    enable_grpc_healthcheck_service: bool = False
    grpc_max_threads: NonNegativeInt = 0
    """Threads that answer requests; 0 takes four a core, or twice the largest batch where that is more: a request that
    waits in a batch holds its thread. Three times as many requests may wait for a thread; further ones are answered
    RESOURCE_EXHAUSTED."""
    grpc_channel_arguments: str = ""
    """`key=value`, separated by commas, passed to gRPC."""
    tensorflow_session_config_file: str = ""
    """A text-format `ConfigProto` that models run under; the options below win over it."""
    tensorflow_session_parallelism: NonNegativeInt = 0
    tensorflow_intra_op_parallelism: NonNegativeInt = 0
    tensorflow_inter_op_parallelism: NonNegativeInt = 0
    per_process_gpu_memory_fraction: float = Field(default=0.0, ge=0.0, le=1.0)
    drain_seconds: float = Field(default=30.0, ge=0.0)
    """How long running requests may take when the server stops."""

    @model_validator(mode="after")
    def _something_to_serve(self) -> "ServerOptions":
        if not self.model_base_path and not self.model_config_file:
            raise ValueError("nothing to serve: give model_base_path or model_config_file")
        if self.rest_api_port and self.rest_api_port == self.port:
            raise ValueError(f"port and rest_api_port are both {self.port}: they must differ")
        if self.tensorflow_session_parallelism and (
            self.tensorflow_intra_op_parallelism and self.tensorflow_inter_op_parallelism
        ):
            raise ValueError(
                "give tensorflow_session_parallelism, or tensorflow_intra_op_parallelism and "
                "tensorflow_inter_op_parallelism, not all of them"
            )
        if self.model_base_path and "://" not in self.model_base_path and not self.model_base_path.startswith("/"):
            raise ValueError(f"model_base_path '{self.model_base_path}' must be an absolute path or a URI")
        for pair in filter(None, self.grpc_channel_arguments.split(",")):
            if "=" not in pair:
                raise ValueError(f"grpc_channel_arguments has '{pair}', expected key=value")
        return self
