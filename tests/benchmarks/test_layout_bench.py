"""What `eoseg bench layout` rests on: both layouts compute the same."""

import json
import sys

import numpy as np
import pytest

from benchmarks import bench_layout


def test_both_layouts_give_the_same_gradient() -> None:
    last, first = (bench_layout.convolution(2, 8, (3, 4), first=first)() for first in (False, True))
    assert np.shape(last) == (3, 3, 3, 4)
    np.testing.assert_allclose(first, last, rtol=1e-3, atol=1e-3)


def test_the_report_compares_layouts_and_channels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_layout.py", "--size=32", "--batch=1", "--width=0.125", "--rounds=1"])
    bench_layout.main()
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["ratio"] > 0
    assert len(report["milliseconds"]) == 2 * 5 + 6
    assert set(report["padded_over_plain"]) == {"input 8", "input 16", "output 8", "output 16"}
