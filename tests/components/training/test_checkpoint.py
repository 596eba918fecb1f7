import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest

from components.errors import TrainingError
from components.training.best_weights import BestWeights
from components.training.checkpoint import load_checkpoint, save_checkpoint


def variables(*values: float) -> list[keras.Variable]:
    return [keras.Variable(np.full((2, 3), value, np.float32)) for value in values]


def test_there_and_back(tmp_path: Path):
    path = str(tmp_path / "last.npz")
    progress = {"step": 3, "loss": 0.1 + 0.2, "history": [{"a": None}]}
    save_checkpoint(path, variables(1, 2), {"step": 1})
    save_checkpoint(path, variables(3, 4), progress)
    found = variables(0, 0)
    assert load_checkpoint(path, found) == progress
    assert [float(variable[0, 0]) for variable in found] == [3, 4]
    assert [file.name for file in tmp_path.iterdir()] == ["last.npz"]


def test_no_checkpoint_changes_nothing(tmp_path: Path):
    found = variables(5)
    assert load_checkpoint(str(tmp_path / "last.npz"), found) is None
    assert float(found[0][0, 0]) == 5


def test_a_checkpoint_that_does_not_fit_is_refused_and_named(tmp_path: Path):
    path = str(tmp_path / "last.npz")
    save_checkpoint(path, variables(1, 2), {})
    for count in (1, 3):
        with pytest.raises(TrainingError, match=r"last\.npz cannot be used"):
            load_checkpoint(path, variables(*range(count)))
    with pytest.raises(TrainingError, match=r"is \(1,\), the checkpoint has \(2, 3\)"):
        load_checkpoint(path, [keras.Variable(np.zeros(1, np.float32)), *variables(1)])
    Path(path).write_bytes(Path(path).read_bytes()[:100])
    with pytest.raises(TrainingError, match="delete the file"):
        load_checkpoint(path, variables(1, 2))


def test_a_write_that_was_cut_short_is_not_seen(tmp_path: Path):
    path = tmp_path / "last.npz"
    save_checkpoint(str(path), variables(1), {"step": 1})
    (tmp_path / "last.npz.part").write_bytes(b"half a checkpoint")
    assert load_checkpoint(str(path), variables(0)) == {"step": 1}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Stands for a full disk: what is written beyond fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_the_checkpoint_before_and_is_said(tmp_path: Path):
    path = str(tmp_path / "last.npz")
    save_checkpoint(path, variables(1), {"step": 1})
    large = [keras.Variable(np.zeros((300, 300), np.float32))]
    with files_of_at_most(100_000), pytest.raises(TrainingError, match=r"last\.npz cannot be written: .*") as caught:
        save_checkpoint(path, large, {"step": 2})
    assert "make room" in caught.value.remedy
    assert [file.name for file in tmp_path.iterdir()] == ["last.npz"]
    assert load_checkpoint(path, variables(0)) == {"step": 1}


def test_a_bit_that_fell_over_is_found(tmp_path: Path):
    path = tmp_path / "last.npz"
    save_checkpoint(str(path), variables(1), {"step": 1})
    content = bytearray(path.read_bytes())
    content[content.index(np.float32(1).tobytes() * 6)] ^= 1
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="Bad CRC"):
        load_checkpoint(str(path), variables(0))


def test_the_best_weights_leave_nothing_else_behind(tmp_path: Path):
    weights = BestWeights(str(tmp_path), variables(1))
    for step in (3, 6):
        weights.save(step)
    (tmp_path / "best-00000009.npz.part").write_bytes(b"half")
    (tmp_path / "last.npz.part").write_bytes(b"another's")
    weights.keep_only(3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-00000003.npz", "last.npz.part"]
    with pytest.raises(TrainingError, match=r"best-00000006\.npz, the weights of the best epoch, is gone"):
        weights.restore(6)
