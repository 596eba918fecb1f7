"""One server for the tests of the services, alone and with batching."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.batching import BatchingOptions
from serving.embedded.server import EmbeddedServer
from tests.serving.embedded.make_models import save_half_plus, save_half_plus_two, save_kinds, save_tf2
from tests.serving.embedded.program import Program, write_models_config
from tests.serving.embedded.wire import Wire, wait_until


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("half") / "m"
    for version in (1, 2):
        save_half_plus(base / f"{version:04d}", float(version))
    return base


@pytest.fixture(scope="session", params=["alone", "batched"])
def wire(
    base: Path, start: Callable[..., EmbeddedServer], request: pytest.FixtureRequest, tmp_path_factory: Any
) -> Iterator[Wire]:
    config = tmp_path_factory.mktemp("config") / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "m" base_path: "{base}" model_platform: "tensorflow"'
        " model_version_policy { all {} }"
        ' version_labels { key: "stable" value: 1 } } }'
    )
    server = start(
        base,
        model_config_file=str(config),
        allow_version_labels_for_unavailable_models=True,
        enable_grpc_healthcheck_service=True,
        batching=BatchingOptions(enabled=request.param == "batched", max_batch_size=8, allowed_batch_sizes=(2, 8)),
    )
    stubs = Wire(server.address)
    wait_until(lambda: stubs.states("m") == {1: "AVAILABLE", 2: "AVAILABLE"})
    yield stubs
    stubs.channel.close()
    server.stop()


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The server as a program with all that can be switched on, for tests that leave it as it was.

    It serves `half_plus_two`, `half_plus_three`, `tf2` and `kinds`, all as version 123.
    """
    folder = tmp_path_factory.mktemp("program")
    save_half_plus_two(folder / "half_plus_two" / "00000123")
    save_half_plus_two(folder / "half_plus_three" / "00000123", 3.0)
    save_tf2(folder / "tf2" / "00000123")
    save_kinds(folder / "kinds" / "00000123")
    write_models_config(folder, "half_plus_two", "half_plus_three", "tf2", "kinds")
    (folder / "batching.txt").write_text(
        "max_batch_size { value: 128 } batch_timeout_micros { value: 0 } max_enqueued_batches { value: 1000000 } "
        "num_batch_threads { value: 8 }"
    )
    (folder / "monitoring.txt").write_text(
        'prometheus_config: { enable: true, path: "/monitoring/prometheus/metrics" }'
    )
    started = Program(
        f"--model_config_file={folder}/models.config --model_config_file_poll_wait_seconds=1 "
        f"--monitoring_config_file={folder}/monitoring.txt --enable_batching "
        f"--batching_parameters_file={folder}/batching.txt --grpc_socket_path={folder}/grpc.sock "
        "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb "
        "--file_system_poll_wait_seconds=1 --enable_grpc_healthcheck_service=true",
        folder,
    )
    yield started.wait_until_ready()
    started.stop()
