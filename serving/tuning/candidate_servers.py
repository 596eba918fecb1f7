"""The candidate settings as running servers, side by side: the same program that `eoseg serve` starts."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from serving.batching import BatchingOptions
from serving.deploy.deployment import Deployment
from serving.deploy.server_configs import MonitoringOptions
from serving.deploy.start_server import Kind, ServerProcess, free_port, start_deployment
from serving.served_model import ServedModel
from serving.tuning.measure_servers import Target

_START_SECONDS = 600.0
# Several servers share one GPU; without this the first of them takes all its memory.
_ENVIRONMENT = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}


@contextmanager
def candidate_servers(
    model: ServedModel, settings: Mapping[str, BatchingOptions], kind: Kind = "auto"
) -> Iterator[list[Target]]:
    """Starts a server for each setting and ends them all; servers that wait cost memory but no time.

    Args:
        model: What they serve.
        settings: Name -> batching.
        kind: Which program.

    Raises:
        MissingFileError: If the stock binary is asked for and missing.
        ServingError: If one does not start.
    """

    def start(batching: BatchingOptions) -> tuple[ServerProcess, int]:
        rest_port = free_port()
        deployment = Deployment(
            models=(model,),
            batching=batching,
            monitoring=MonitoringOptions(enable=True),
            port=free_port(),
            rest_port=rest_port,
        )
        # A version that a candidate cannot load is no better a minute later.
        flags = ["--max_num_load_retries=0"]
        return start_deployment(deployment, kind, _START_SECONDS, flags, _ENVIRONMENT), rest_port

    with ExitStack() as running:
        targets, failures = [], []
        with ThreadPoolExecutor(len(settings)) as pool:
            started = {name: pool.submit(start, batching) for name, batching in settings.items()}
            for name, future in started.items():
                if (failure := future.exception()) is not None:
                    failures.append(failure)
                    continue
                server, rest_port = future.result()
                running.enter_context(server)
                targets.append(Target(name, settings[name], server.address, rest_port, server.pid))
        if failures:
            raise failures[0]
        yield targets
