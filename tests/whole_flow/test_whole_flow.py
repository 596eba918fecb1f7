"""The whole main job on tiny scenes, each run in a process of its own, as a user runs it.

One working directory is carried through the module: run, run again, retrain, refuse, change a tile, kill.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml

from components.classes import encode_colors
from components.publishing.versions import version_numbers
from components.publishing.warmup import WARMUP_FILE
from tests.make_raster import write_raster
from tfx_pipeline.load_config import load_config

pytestmark = pytest.mark.slow

CONFIG = {
    "name": "tiny",
    "data": {
        "images": "{tile} image.tif",
        "labels": "{tile} label.tif",
        "bands": {"red": 1, "green": 2, "blue": 3},
        "splits": {"train": ["a", "b"], "eval": ["c"], "test": ["d"]},
    },
    "classes": [{"name": "roof", "color": [255, 0, 0]}, {"name": "lawn", "color": [0, 255, 0]}],
    "patches": {"size": 32, "stride": 32},
    "network": {"width": 0.0625},
    "training": {"steps": 30, "batch_size": 4, "learning_rate": 0.01, "steps_per_epoch": 10, "class_weights": "none"},
    "evaluation": {"gates": [{"metric": "overall_accuracy", "at_least": 0.2}]},
}


def make_tile(folder: Path, tile: str, seed: int) -> None:
    """Bright blocks are roof, dark ones lawn."""
    rng = np.random.default_rng(seed)
    ids = np.kron(rng.integers(0, 2, (6, 6)), np.ones((16, 16))).astype(np.uint8)
    pixels = (np.where(ids == 0, 180, 60)[..., None] + rng.integers(0, 40, (*ids.shape, 3))).astype(np.uint8)
    write_raster(folder / f"{tile} image.tif", pixels)
    write_raster(folder / f"{tile} label.tif", encode_colors(ids, load_config(str(folder / "tiny.yaml")).table))


class Job:
    """One data set and one working directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workdir = folder / "work dir"
        config = {**CONFIG, "data": {**CONFIG["data"], "root": str(folder)}}  # type: ignore[dict-item]
        (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
        for seed, tile in enumerate("abcd"):
            make_tile(folder, tile, seed)

    def command(self, verb: str, *arguments: str) -> list[str]:
        config = [str(self.folder / "tiny.yaml"), "--workdir", str(self.workdir)]
        return [sys.executable, "-m", "tfx_pipeline.cli.main", verb, *config, *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command("run", *arguments), capture_output=True, text=True, timeout=500, check=False)

    @property
    def versions(self) -> list[int]:
        return version_numbers(self.workdir / "served" / "eoseg")

    @property
    def summary(self) -> dict:
        return json.loads((self.workdir / "summary.json").read_text())


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(tmp_path_factory.mktemp("whole flow"))


def reused(output: str) -> list[str]:
    return [line[8:].rsplit("  ", 1)[0].strip() for line in output.splitlines() if line.rstrip().endswith("reused")]


def test_tiles_become_a_served_version_a_map_and_a_report(job: Job) -> None:
    done = job.run()
    assert done.returncode == 0, done.stderr
    (version,) = job.versions
    assert (job.workdir / "served" / "eoseg" / str(version) / "saved_model.pb").is_file()
    assert (job.workdir / "served" / "eoseg" / str(version) / WARMUP_FILE).is_file()
    summary = job.summary
    assert summary["pushed"]
    assert summary["figures"]["pixels"] == 96 * 96  # each ground pixel of tile d once
    (map_path,) = summary["maps"].values()
    with rasterio.open(map_path) as land_cover, rasterio.open(job.folder / "d image.tif") as tile:
        assert (land_cover.height, land_cover.width) == (tile.height, tile.width)
        assert (land_cover.crs, land_cover.transform) == (tile.crs, tile.transform)
        assert land_cover.colormap(1)[1] == (0, 255, 0, 255)
        assert set(np.unique(land_cover.read(1))) <= {0, 1}
    assert (job.workdir / "report.html").stat().st_size > 10_000
    assert "Traceback" not in done.stdout + done.stderr


def test_an_unchanged_run_reuses_every_step(job: Job) -> None:
    versions = job.versions
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert len(reused(done.stdout)) == 10, done.stdout  # all but the resolver, which only looks something up
    assert job.versions == versions


def test_changed_training_keys_rerun_from_training_and_a_worse_model_is_not_pushed(job: Job) -> None:
    versions = job.versions
    done = job.run(
        "--set", "training.steps=1", "--set", "evaluation.gates=[{metric: overall_accuracy, at_least: 0.99}]"
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "cut tiles into records" in reused(done.stdout)
    assert "train the network" not in reused(done.stdout)
    assert "gate FAILED: overall_accuracy" in done.stdout
    assert job.versions == versions


def test_a_tile_whose_pixels_changed_reruns_from_ingest(job: Job) -> None:
    make_tile(job.folder, "a", seed=77)
    done = job.run(
        "--set", "evaluation.gates=[{metric: overall_accuracy, at_least: 0.99}]", "--set", "training.steps=1"
    )
    assert reused(done.stdout) == [], done.stdout


def test_a_killed_training_goes_on_from_its_checkpoint(job: Job) -> None:
    versions = job.versions
    longer = ["--set", "training.steps=400", "--set", "training.checkpoint_every=5"]
    process = subprocess.Popen(
        job.command("run", *longer), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    before = set((job.workdir / "checkpoints").iterdir())
    deadline = time.monotonic() + 300
    try:
        while not any(any(p.iterdir()) for p in set((job.workdir / "checkpoints").iterdir()) - before):
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline, "no checkpoint within five minutes"
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert job.versions == versions
    done = job.run(*longer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "going on from the checkpoint at step" in done.stdout
    assert "cut tiles into records" in reused(done.stdout)
    assert len(job.versions) == len(versions) + 1


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda job: (job.folder / "b label.tif").unlink(), "b label.tif does not exist"),
        (lambda job: (job.folder / "b image.tif").write_bytes(b"II*\0 broken"), "b image.tif cannot be opened"),
        (
            lambda job: write_raster(job.folder / "b label.tif", np.full((95, 96, 3), (255, 0, 0), np.uint8)),
            "the label is 95 x 96 pixels",
        ),
    ],
    ids=["missing label", "broken image", "label one row short"],
)
def test_bad_tiles_end_with_one_message_and_nothing_pushed(job: Job, break_it, message: str) -> None:
    versions = job.versions
    break_it(job)
    done = job.run()
    make_tile(job.folder, "b", seed=1)
    assert done.returncode == 2
    assert message in done.stderr
    assert "to fix:" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert job.versions == versions
