"""A model of three versions, told apart by their answers, and servers that are told what to serve of it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving.embedded.options import ServerOptions as EmbeddedOptions
from serving.embedded.server import EmbeddedServer
from serving.versions.change import ServerOptions
from serving.versions.model_entry import ModelEntry, entry_of, read_config
from serving.versions.registry import Registry, registry_of

ALONE = ServerOptions()
"""No server is told."""


def entry(registry: Registry) -> ModelEntry:
    return entry_of(registry, read_config(registry))


def labels(registry: Registry) -> dict[str, int]:
    return entry(registry).labels


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, export: Callable[..., Path]) -> Path:
    """Versions 1, 2 and 3; version v adds v to its scores."""
    base = tmp_path_factory.mktemp("exported")
    for version in (1, 2, 3):
        export(base / str(version), bias=version)
    return base


@pytest.fixture
def registry(tmp_path: Path, exported: Path) -> Registry:
    """A model's folder with the three versions and nothing else."""
    folder = tmp_path / "served" / "eoseg"
    shutil.copytree(exported, folder)
    return registry_of(folder)


@pytest.fixture
def start_server() -> Iterator[Callable[..., EmbeddedServer]]:
    """Starts an embedded server on `models.config` where there is one, else on the folder, as the stock one is."""
    started: list[EmbeddedServer] = []

    def start(registry: Registry, **options: object) -> EmbeddedServer:
        place: dict[str, object] = {"model_base_path": str(registry.folder), "model_name": registry.name}
        if registry.config_file.exists():
            place = {
                "model_config_file": str(registry.config_file),
                "allow_version_labels_for_unavailable_models": True,
            }
        settings = {
            "port": 0,
            "max_num_load_retries": 0,
            "file_system_poll_wait_seconds": 0.2,
            "drain_seconds": 5.0,
            **place,
            **options,
        }
        server = EmbeddedServer(EmbeddedOptions.model_validate(settings))
        server.start(timeout=60)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def told(*servers: EmbeddedServer, seconds: float = 60.0) -> ServerOptions:
    """The options that name these servers."""
    return ServerOptions(addresses=tuple(server.address for server in servers), load_seconds=seconds)


def truncate(version_folder: Path) -> None:
    """Leaves half of the graph, as a copy that broke off does."""
    graph = version_folder / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
