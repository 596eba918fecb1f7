"""`eoseg-model-server`: the embedded model server as a program, with the stock server's flags."""

import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence

from components.errors import EosegError

_STARTED, _NOT_STARTED, _WRONG_FLAGS = 0, 1, 2
_TEXT_FORMAT = re.compile(r"a text-format ([\w.]+) message")


def main() -> None:
    """The process: serves until SIGTERM or SIGINT, then ends with the code of `serve`."""
    code = serve(sys.argv[1:])
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without the interpreter's tidying up: a load that is still running in a thread, or tensorflow-io's S3 client,
    # would abort the process there, and the exit code with it.
    os._exit(code)


def serve(arguments: Sequence[str]) -> int:
    """Serves until SIGTERM or SIGINT, then drains.

    Args:
        arguments: The flags, without the program's name.

    Returns:
        0 after a drained stop, 1 if the server could not start, 2 for wrong flags.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s.%(msecs)03d: %(levelname).1s %(name)s] %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    stop_asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop_asked.set())

    # TensorFlow takes seconds to import: after the signals are in place, and not for --help's sake at module level.
    from serving.embedded.flags import parse_flags, usage

    if "--help" in arguments or "-h" in arguments:
        print(usage())
        return _STARTED
    if "--version" in arguments or "--version=true" in arguments:
        print(_versions())
        return _STARTED
    try:
        options = parse_flags(arguments)
    except EosegError as error:
        _tell(error)
        return _WRONG_FLAGS
    from serving.embedded.server import EmbeddedServer

    server = EmbeddedServer(options)
    failures: list[EosegError] = []

    def start() -> None:
        try:
            server.start()
        except EosegError as error:
            failures.append(error)
            stop_asked.set()
        except BaseException:
            stop_asked.set()
            raise

    # In a thread of its own: a server that waits for its first version still stops when it is told to.
    starter = threading.Thread(target=start, name="start", daemon=True)
    starter.start()
    stop_asked.wait()
    started = bool(server.address)
    server.stop()
    for failure in failures:
        _tell(failure)
    if failures or (not started and not starter.is_alive()):
        return _NOT_STARTED
    return _STARTED


def _tell(error: EosegError) -> None:
    """The stock server's line on the standard output, and the whole of it on the standard error output."""
    failure = error.problem if error.problem.startswith("Failed to start") else _failed_to_start(error.problem)
    print(failure, flush=True)
    cause: BaseException | None = error
    while cause is not None:
        unreadable = _TEXT_FORMAT.fullmatch(cause.expected) if isinstance(cause, EosegError) else None
        if unreadable is not None:  # what protobuf itself prints in the stock server, where tools look for it
            print(f"Error parsing text-format {unreadable.group(1)}", file=sys.stderr)
        cause = cause.__cause__
    print(error, file=sys.stderr)


def _failed_to_start(problem: str) -> str:
    return f"Failed to start server. Error: INVALID_ARGUMENT: {problem}"


def _versions() -> str:
    from importlib import metadata

    import tensorflow as tf

    try:
        own = metadata.version("eoseg")
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        own = "unknown"
    api = metadata.version("tensorflow-serving-api")
    return f"TensorFlow ModelServer: {api}+eoseg.{own}\nTensorFlow Library: {tf.__version__}"


if __name__ == "__main__":
    main()
