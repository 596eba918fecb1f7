import io
from types import SimpleNamespace

import pytest

from components.training import progress
from components.training.history import EpochRecord
from components.training.progress import ProgressLines


class Terminal(io.StringIO):
    """What a person would see on it: each carriage return with an erasure takes the line back."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        return [line.rsplit("\r\x1b[2K", 1)[-1] for line in self.getvalue().split("\n")]


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    monkeypatch.setenv("COLUMNS", "200")
    return now


def steps(lines: ProgressLines, clock: SimpleNamespace, first: int, last: int, seconds: float = 1.0) -> None:
    for step in range(first, last + 1):
        clock.seconds += seconds
        lines.step(step, 1.0 / step)


def record(epoch: int, step: int, **evaluation: object) -> EpochRecord:
    return EpochRecord(epoch, step, 0.25, 1e-3, 8.0, 10.0, **evaluation)


def test_one_line_an_epoch_moves_on_a_terminal(clock):
    terminal = Terminal()
    lines = ProgressLines(100, 0, 10, 4, terminal)
    clock.seconds += 60  # the first step compiles, which says nothing of the others
    steps(lines, clock, 1, 5)
    # 4 steps of 4 patches in 4 seconds; 95 steps are left.
    assert terminal.lines == ["epoch 1/10  step 5/100  loss 0.200  4.0 patches/s  1 min 35 s left"]
    steps(lines, clock, 6, 10)
    lines.epoch(record(1, 10, eval_mean_iou=0.5, eval_pixel_accuracy=0.75))
    done = (
        "epoch 1/10  step 10/100  loss 0.250  eval mean IoU 0.500  pixel accuracy 0.750  8.0 patches/s  1 min 30 s left"
    )
    assert terminal.lines == [done, ""]
    clock.seconds += 9  # spent elsewhere than in the steps of the epoch: it counts for what is left
    lines.epoch(record(1, 10))
    steps(lines, clock, 11, 12, 0.6)
    assert terminal.lines[-1] == (
        "epoch 2/10  step 12/100  loss 0.083  eval mean IoU 0.500  6.7 patches/s  2 min 34 s left"
    )


def test_a_line_that_does_not_fit_is_made_shorter_and_never_wraps(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    lines = ProgressLines(100, 0, 10, 4, terminal)
    steps(lines, clock, 1, 5)
    assert terminal.lines == ["epoch 1/10  step 5/100  loss 0.200  1 min 35 s left"]
    monkeypatch.setenv("COLUMNS", "21")
    steps(lines, clock, 6, 6)
    assert terminal.lines == ["epoch 1/10  step 6/1"]


def test_a_training_that_breaks_off_leaves_the_terminal_at_the_beginning_of_a_line(clock):
    terminal = Terminal()
    lines = ProgressLines(100, 0, 10, 4, terminal)
    lines.close()
    assert terminal.getvalue() == ""
    steps(lines, clock, 1, 2)
    lines.close()
    assert len(terminal.lines) == 2
    assert terminal.lines[1] == ""


def test_a_file_gets_whole_lines_only(clock):
    stream = io.StringIO()
    lines = ProgressLines(20, 10, 10, 4, stream)
    steps(lines, clock, 11, 20)
    lines.epoch(record(2, 20))
    lines.close()
    assert stream.getvalue() == "epoch 2/2  step 20/20  loss 0.250  8.0 patches/s\n"
