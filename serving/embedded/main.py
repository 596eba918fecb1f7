"""`eoseg-model-server`: the embedded model server as a program, with the stock server's flags."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from components.errors import EosegError


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT, then drains.

    Args:
        argv: Arguments without the program's name; None takes those of the process.

    Returns:
        0 after a drained stop, 1 if the server could not start, 2 for wrong flags.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(name)s] %(message)s"
    )
    stop_asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop_asked.set())

    # TensorFlow takes seconds to import: after the signals are in place, and not for --help's sake at module level.
    from serving.embedded.flags import parse_flags, usage
    from serving.embedded.server import EmbeddedServer

    if "--help" in arguments or "-h" in arguments:
        print(usage())
        return 0
    try:
        options = parse_flags(arguments)
    except EosegError as error:
        print(error, file=sys.stderr)
        return 2
    server = EmbeddedServer(options)
    failures: list[EosegError] = []

    def start() -> None:
        try:
            server.start()
        except EosegError as error:
            failures.append(error)
            stop_asked.set()
        else:
            logging.getLogger(__name__).info("Running gRPC ModelServer at %s ...", server.address)

    # In a thread of its own: a server that waits for its first version still stops when it is told to.
    threading.Thread(target=start, name="start", daemon=True).start()
    stop_asked.wait()
    server.stop()
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
