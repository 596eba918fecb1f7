"""What `eoseg bench losses` rests on: the sorted Lovász-softmax it compares with is the one that ours stands for."""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import bench_losses
from components.training.region_losses import lovasz_softmax


def test_the_sorted_loss_is_ours() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 16, 16, 4)).astype(np.float32)
    label = rng.integers(0, 4, (2, 16, 16)).astype(np.int32)
    found, peer = lovasz_softmax(logits, label, 4), bench_losses.sorted_lovasz(tf.constant(logits), label, 4)
    assert float(found) == pytest.approx(float(peer), rel=1e-4)


def test_the_report_compares_all_losses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--size", "16", "--batch", "1", "--classes", "3", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["bench_losses.py", *arguments])
    bench_losses.main()
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(report["milliseconds"]) == {"cross_entropy", "focal", "dice", "lovasz", "sorted_lovasz"}
    assert report["ratio"] > 0
    assert max(report["gradient_off"].values()) < 0.05
