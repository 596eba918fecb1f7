"""How many requests a server works on, and how many may wait for their turn."""

import os

from serving.embedded.options import ServerOptions

_MOST_FOR_BATCHES = 256
_FEWEST_WAITING = 64


def worker_threads(options: ServerOptions) -> int:
    """Threads that answer gRPC requests.

    The stock server has four a core. A request that waits in a batch holds its thread, so that a batch can only fill up
    where there are more threads than its rows: twice as many let the next batch gather while one runs.
    """
    if options.grpc_max_threads:
        return options.grpc_max_threads
    largest = options.batching.max_batch_size if options.batching.enabled else 0
    return max(4 * (os.cpu_count() or 1), min(_MOST_FOR_BATCHES, 2 * largest))


def waiting_requests(options: ServerOptions) -> int:
    """gRPC requests that may wait for a thread, their messages in memory; more are answered RESOURCE_EXHAUSTED."""
    return max(_FEWEST_WAITING, 3 * worker_threads(options))


def rest_threads(options: ServerOptions) -> int:
    """REST requests that are worked on at the same time."""
    return options.rest_api_num_threads or worker_threads(options)
