from pathlib import Path

import pytest

from components.errors import ConfigError, EosegError
from serving.embedded.flags import parse_flags, usage


def test_the_stock_servers_command_line_is_understood(tmp_path: Path) -> None:
    batching = tmp_path / "batching.txt"
    batching.write_text("max_batch_size { value: 16 } allowed_batch_sizes: 8 allowed_batch_sizes: 16")
    options = parse_flags(
        [
            "--port=9000",
            "--model_name=eoseg",
            "--model_base_path=/models/eoseg",
            "--enable_batching",
            f"--batching_parameters_file={batching}",
            "--file_system_poll_wait_seconds=5",
            "--max_num_load_retries=2",
            "--enable_model_warmup=false",
            "--grpc_channel_arguments=grpc.max_connection_age_ms=1000,a=b",
            "--num_load_threads=4",
        ]
    )
    assert (options.port, options.model_name, options.max_num_load_retries) == (9000, "eoseg", 2)
    assert options.batching.enabled
    assert options.batching.allowed_batch_sizes == (8, 16)
    assert not options.enable_model_warmup


def test_batching_is_off_by_default_and_stock_where_no_file_says_otherwise() -> None:
    assert not parse_flags(["--model_base_path=/m"]).batching.enabled
    assert parse_flags(["--model_base_path=/m", "--enable_batching=true"]).batching.max_batch_size == 1000


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--prot=3"], "unknown argument: --prot=3"),
        (["positional"], "unknown argument: positional"),
        (["--model_base_path=/m", "--port=many"], "--port"),
        (["--model_base_path=/m", "--port"], "no value"),
        (["--port=1"], "nothing to serve"),
        (["--model_base_path=/m", "--batching_parameters_file=x"], "without batching"),
        (["--model_base_path=/m", "--enable_batching=maybe"], "true or false"),
        (["--model_base_path=/m", "--enable_batching", "--batching_parameters_file=/no"], "does not exist"),
        (["--model_base_path=/m", "--grpc_channel_arguments=a"], "expected key=value"),
        (["--model_base_path=/m", "--port=8", "--rest_api_port=8"], "they must differ"),
        (
            ["--model_base_path=/m", *(f"--tensorflow_{x}_parallelism=1" for x in ("session", "intra_op", "inter_op"))],
            "not all of them",
        ),
    ],
)
def test_wrong_flags_are_one_clear_error(flags: list[str], message: str) -> None:
    with pytest.raises(EosegError, match=message) as caught:
        parse_flags(flags)
    assert isinstance(caught.value, (ConfigError, FileNotFoundError))


STOCK_DEFAULTS = [
    "port=8500",
    "grpc_socket_path=",
    "rest_api_port=0",
    "rest_api_num_threads=8",
    "grpc_max_threads=8",
    "rest_api_timeout_in_ms=30000",
    "rest_api_enable_cors_support=false",
    "model_name=default",
    "model_config_file=",
    "model_config_file_poll_wait_seconds=0",
    "file_system_poll_wait_seconds=1",
    "num_load_threads=0",
    "num_unload_threads=0",
    "flush_filesystem_caches=true",
    "enable_model_warmup=true",
    "num_request_iterations_for_warmup=0",
    "saved_model_tags=serve",
    "tensorflow_session_parallelism=0",
    "tensorflow_intra_op_parallelism=0",
    "tensorflow_inter_op_parallelism=0",
    "tensorflow_session_config_file=",
    "per_process_gpu_memory_fraction=0",
    "grpc_channel_arguments=",
    "ssl_config_file=",
    "use_alts_credentials=false",
    "platform_config_file=",
    "xla_cpu_compilation_enabled=false",
    "prefer_tflite_model=false",
    "mixed_precision=",
    "thread_pool_factory_config_file=",
    "enable_signature_method_name_check=false",
    "remove_unused_fields_from_bundle_metagraph=true",
    "enable_profiler=true",
    "enable_batching=false",
    "batching_parameters_file=",
    "enable_per_model_batching_parameters=false",
    "monitoring_config_file=",
    "max_num_load_retries=5",
    "load_retry_interval_micros=60000000",
    "allow_version_labels_for_unavailable_models=false",
    "enable_grpc_healthcheck_service=false",
    "num_tflite_pools=2",
    "num_tflite_interpreters_per_pool=1",
    "skip_initialize_tpu=false",
]


def test_every_flag_of_the_stock_server_is_taken_with_its_default() -> None:
    options = parse_flags(["--model_base_path=/m", *(f"--{flag}" for flag in STOCK_DEFAULTS)])
    changed = {"grpc_max_threads": 8, "rest_api_num_threads": 8, "num_request_iterations_for_warmup": 0}
    assert options == parse_flags(["--model_base_path=/m"]).model_copy(update=changed)


def test_values_may_stand_apart_and_switches_alone() -> None:
    options = parse_flags(["--num_load_threads", "4", "--port", "9", "--enable_batching", "--model_base_path", "/m"])
    assert (options.port, options.model_base_path, options.batching.enabled) == (9, "/m", True)
    assert parse_flags(["--model_base_path=/m", "--load_retry_interval_micros=-1"]).load_retry_interval_micros == -1
    assert parse_flags(["--model_base_path=/m", "--grpc_max_threads=-1"]).grpc_max_threads == 0


@pytest.mark.parametrize("flag", ["--use_alts_credentials", "--platform_config_file=/p"])
def test_what_cannot_be_left_out_unnoticed_is_refused(flag: str) -> None:
    with pytest.raises(ConfigError, match="not supported by the embedded server"):
        parse_flags(["--model_base_path=/m", flag])


def test_what_is_asked_for_in_vain_is_said(caplog: pytest.LogCaptureFixture) -> None:
    parse_flags(["--model_base_path=/m", "--prefer_tflite_model=true", "--enable_profiler=true"])
    (message,) = caplog.messages
    assert "--prefer_tflite_model=true has no effect here" in message


def test_help_names_every_flag() -> None:
    assert "--model_base_path=" in usage()
    assert "--batching_parameters_file=" in usage()
