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
        (["--prot=3"], "unknown flag: --prot=3"),
        (["positional"], "unknown flag: positional"),
        (["--model_base_path=/m", "--port=many"], "--port"),
        (["--model_base_path=/m", "--port"], "no value"),
        (["--port=1"], "nothing to serve"),
        (["--model_base_path=/m", "--batching_parameters_file=x"], "without batching"),
        (["--model_base_path=/m", "--enable_batching=maybe"], "true or false"),
        (["--model_base_path=/m", "--enable_batching", "--batching_parameters_file=/no"], "does not exist"),
        (["--model_base_path=/m", "--grpc_channel_arguments=a"], "expected key=value"),
    ],
)
def test_wrong_flags_are_one_clear_error(flags: list[str], message: str) -> None:
    with pytest.raises(EosegError, match=message) as caught:
        parse_flags(flags)
    assert isinstance(caught.value, (ConfigError, FileNotFoundError))


def test_help_names_every_flag() -> None:
    assert "--model_base_path=" in usage()
    assert "--batching_parameters_file=" in usage()
