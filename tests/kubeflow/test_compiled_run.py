"""The compiled pipeline runs: by its own commands, step by step, in processes that have the installed package alone.

Steps share what a cluster's steps share: the object store, by the launcher's copies, and the mounted working folder.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from components.publishing.versions import read_provenance, version_numbers
from tests.kubeflow.installed_image import ROOT, build_wheel, install
from tests.kubeflow.stand_in_cluster import Run, StandInCluster
from tests.kubeflow.tiny_data_set import SIZE_PX, TILES, tiny_config, write_tiles

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

STEPS = 12
LOCAL_RUN = (
    "import sys; from tfx_pipeline.data_set import find_data_set, places_of; "
    "from tfx_pipeline.load_config import load_config; from tfx_pipeline.run_local import run_pipeline; "
    "config = load_config(*sys.argv[1:2], sys.argv[3:], sys.argv[2]); places = places_of(config); "
    "run_pipeline(config, find_data_set(config, places), places)"
)


def command(words: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


class Story:
    """Three runs in the cluster, and a local one with the same settings."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "mounted"
        self.local = folder / "local"
        before, self.tiles = folder / "tiles here", folder / "tiles there"
        before.mkdir()
        write_tiles(before)
        kubeflow = {"image": "any:1", "pipeline_root": "s3://bucket/root", "workdir": str(self.work)}
        config = folder / "tiny.yaml"
        config.write_text(yaml.safe_dump(tiny_config(before, **kubeflow)))
        file = folder / "pipeline.yaml"
        image = install(build_wheel(folder / "build"), folder / "image")
        verb = ["python", "-m", "tfx_pipeline.cli.main", "kubeflow", "compile", str(config), "-o", str(file)]
        command(verb, folder, image)
        before.rename(self.tiles)  # what was compiled here runs where the data are elsewhere
        parameters = {"data_root": str(self.tiles), "training_steps": STEPS}
        cluster = StandInCluster(folder / "store", folder / "scratch", image)
        local = [sys.executable, "-c", LOCAL_RUN, str(config), str(self.local)]
        local += [f"training.steps={STEPS}", f"data.root={json.dumps(str(self.tiles))}"]
        with ThreadPoolExecutor() as pool:
            done = pool.submit(command, local, ROOT)
            self.first: Run = cluster.run(file, parameters)
            done.result()
        self.versions_after_first = self.versions
        self.second: Run = cluster.run(file, parameters)
        self.third: Run = cluster.run(file, {**parameters, "training_steps": STEPS + 1}, until="Evaluator")

    @property
    def served(self) -> Path:
        return self.work / "served" / "eoseg"

    @property
    def versions(self) -> list[int]:
        return version_numbers(self.served)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("cluster"))


def patches(tiles: Path) -> NDArray[Any]:
    import rasterio

    found = []
    for tile in TILES:
        with rasterio.open(tiles / f"{tile} image.tif") as image:
            pixels = np.moveaxis(image.read([3, 2, 1]), 0, -1)  # blue, green, red: the order of the records
        found += [
            pixels[row : row + 32, col : col + 32] for row in range(0, SIZE_PX, 32) for col in range(0, SIZE_PX, 32)
        ]
    return np.stack(found)


def test_it_ends_with_a_version_that_serves_as_the_local_runs_does(story: Story) -> None:
    import tensorflow as tf

    from serving.batching import BatchingOptions
    from serving.client import SegmentationClient
    from serving.deploy.start_server import start_server

    (version,) = story.versions_after_first
    (local_version,) = version_numbers(story.local / "served" / "eoseg")
    local = story.local / "served" / "eoseg" / str(local_version)
    asked = patches(story.tiles)
    expected = tf.saved_model.load(str(local)).signatures["serving_default"](image=tf.constant(asked))["class_ids"]
    with (
        start_server(story.served, "eoseg", BatchingOptions()) as server,
        SegmentationClient(server.address, "eoseg", version) as client,
    ):
        answered = client.predict_class_ids(asked)
    np.testing.assert_array_equal(answered, expected.numpy())
    assert 0 < answered.mean() < 1  # both classes: equal for a reason
    ours, theirs = read_provenance(story.served / str(version)), read_provenance(local)
    assert ours["data_fingerprint"] == theirs["data_fingerprint"]
    assert ours["pipeline"] == theirs["pipeline"]


def test_every_step_ran_once(story: Story) -> None:
    assert not story.first.reused
    assert len(set(story.first.executed)) == len(story.first.executed) == len(story.first.artifacts)


def test_nothing_changed_so_nothing_but_the_looks_at_files_and_memory_runs_again(story: Story) -> None:
    assert set(story.second.executed) == {"FingerprintTiles", "LastStatisticsFind", "LatestBlessedModelFind"}
    assert story.versions == story.versions_after_first


def test_a_new_training_is_compared_with_the_model_that_was_blessed_before(story: Story) -> None:
    (kept,) = (story.work / "latest" / "tfx.Model").iterdir()
    first = story.first.artifacts["Trainer"]["model"]["uri"]
    assert json.loads((kept / "record.json").read_text())["uri"] == first
    ran = {
        "FingerprintTiles",
        "LastStatisticsFind",
        "Trainer",
        "LatestBlessedModelFind",
        "LatestBlessedModelCopy",
        "Evaluator",
    }
    assert set(story.third.executed) == ran
    assert "as baseline model" in story.third.logs["Evaluator"]
    assert "as baseline model" not in story.first.logs["Evaluator"]
    assert story.third.artifacts["Trainer"]["model"]["uri"] != first
