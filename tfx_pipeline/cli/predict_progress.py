"""How far a prediction is, on one line that counts up; on a terminal only."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from serving.predict_map import MapProgress


class ProgressLine:
    """Shows a map's progress; give it to `predict_map`.

    Args:
        name: What the line begins with.
        stream: The terminal; standard error by default.
        clock: Gives seconds.
    """

    def __init__(self, name: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._started = clock()
        self._length = 0

    def __call__(self, now: "MapProgress") -> None:
        """Rows of an earlier run count neither for the speed nor for the time left."""
        made = now.rows - now.resumed_rows
        if not self._stream.isatty() or not made:
            return
        speed = made / max(self._clock() - self._started, 1e-9)
        line = (
            f"{self._name}: {now.rows / now.height:4.0%}, {speed * now.width / 1e6:.2f} megapixels/s, "
            f"{_duration((now.height - now.rows) / speed)} left"
        )
        # Padded, so that the rest of a longer line before is wiped out.
        print(f"\r{line:<{self._length}}", end="", file=self._stream, flush=True)
        self._length = len(line)

    def end(self) -> None:
        """Leaves the line, so that what is printed next begins a new one."""
        if self._length:
            print(file=self._stream, flush=True)


def _duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
