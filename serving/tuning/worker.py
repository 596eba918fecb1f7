"""A child process that does jobs one after another: JSON lines in, JSON lines out.

Measuring happens in processes of their own, so that a client's threads never share an interpreter with a server, and
so that TensorFlow's memory is given back.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from components.errors import EosegError, ServingError

Job = dict[str, Any]


class Worker:
    """The parent's end.

    Use::

        with Worker("serving.tuning.load") as worker:
            answer = worker.ask({"address": "127.0.0.1:8500"})

    Args:
        module: A module whose `main` calls `serve_jobs`.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"},
            text=True,
        )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def send(self, job: Job) -> None:
        """Gives a job; `receive` waits for its answer.

        Raises:
            ServingError: If the process is gone.
        """
        stdin = self._process.stdin
        try:
            if stdin is None:
                raise BrokenPipeError
            stdin.write(json.dumps(job) + "\n")
            stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None

    def receive(self) -> Job:
        """The answer to the oldest job that has none yet.

        Raises:
            ServingError: With the job's own error, or if the process ended instead.
        """
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise self._gone()
        answer: Job = json.loads(line)
        if "error" in answer:
            raise ServingError(*answer["error"])
        return answer

    def ask(self, job: Job) -> Job:
        """`send` and `receive`."""
        self.send(job)
        return self.receive()

    def close(self) -> None:
        """Ends the process: its input ends, and so does it."""
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _gone(self) -> ServingError:
        code = self._process.poll()
        return ServingError(
            f"the measuring process ({self._module}) ended with code {code}",
            "a process that measures until it is told to end",
            "see what it wrote on the terminal; too little memory ends processes with code -9",
        )


def serve_jobs(do: Callable[[Job], Job]) -> None:
    """The child's end: answers each line until there are no more.

    Args:
        do: Does one job; an EosegError that it raises becomes the answer.
    """
    # Ctrl-C goes to the whole group of processes; the parent decides, and ends this one by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries that print must not garble an answer
    for line in sys.stdin:
        try:
            answer = do(json.loads(line))
        except EosegError as error:
            answer = {"error": [error.problem, error.expected, error.remedy]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
