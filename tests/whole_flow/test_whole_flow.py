"""The whole main job on tiny scenes, each run in a process of its own, as a user runs it.

One working directory is carried through the module: run, run again, retrain, refuse, change a tile, kill.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from components.classes import encode_colors
from components.drift.reference import read_reference
from components.evaluation.saved_model_scorer import read_contract
from components.publishing.versions import version_numbers
from components.publishing.warmup import WARMUP_FILE
from serving.client import SegmentationClient
from serving.client_options import ClientOptions
from serving.deploy.start_server import free_port
from serving.retry import RetryOptions
from tests.make_raster import ORIGIN, write_raster
from tests.whole_flow.label_asker import LabelAsker
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
    "evaluation": {
        "gates": [
            {"metric": "overall_accuracy", "at_least": 0.2},
            {"metric": "kappa", "view": "tiles", "at_least": -0.9},
        ]
    },
}


def make_tile(folder: Path, tile: str, seed: int) -> None:
    """Bright blocks are roof, dark ones lawn."""
    rng = np.random.default_rng(seed)
    ids = np.kron(rng.integers(0, 2, (6, 6)), np.ones((16, 16))).astype(np.uint8)
    pixels = (np.where(ids == 0, 180, 60)[..., None] + rng.integers(0, 40, (*ids.shape, 3))).astype(np.uint8)
    write_raster(folder / f"{tile} image.tif", pixels, transform=place(tile))
    label = encode_colors(ids, load_config(str(folder / "tiny.yaml")).table)
    write_raster(folder / f"{tile} label.tif", label, transform=place(tile))


def place(tile: str) -> Affine:
    """Each tile on ground of its own."""
    return ORIGIN @ Affine.translation(200 * "abcd".index(tile), 0)


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

    def run_killed_at(
        self, module: str, function: str, *arguments: str, calls: int = 1
    ) -> subprocess.CompletedProcess[str]:
        """A run that `kill -9` ends at a call of a function, before the function does anything."""
        script = (
            f"import os, signal, sys\nimport {module} as place\nfrom tfx_pipeline.cli.main import main\n"
            f"real, left = place.{function}, [{calls}]\n"
            "def deadly(*args, **kwargs):\n"
            "    left[0] -= 1\n"
            "    if left[0] == 0:\n"
            "        sys.stdout.flush()\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "    return real(*args, **kwargs)\n"
            f"place.{function} = deadly\n"
            "main(sys.argv[1:])\n"
        )
        command = [sys.executable, "-c", script, *self.command("run", *arguments)[3:]]
        return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)

    @property
    def served(self) -> Path:
        return self.workdir / "served" / "eoseg"

    @property
    def versions(self) -> list[int]:
        return version_numbers(self.served)

    def eoseg(self, *arguments: object, code: int = 0) -> str:
        """Any command; what it prints."""
        command = [sys.executable, "-m", "tfx_pipeline.cli.main", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def eoseg_versions(self, verb: str, *arguments: object, code: int = 0) -> str:
        config = self.folder / "tiny.yaml"
        return self.eoseg("versions", verb, config, *arguments, "--workdir", self.workdir, code=code)

    @contextmanager
    def model_server(self) -> Iterator[str]:
        """EOSeg's model server on what was promoted; its address."""
        address = f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "serving.embedded.main", f"--port={address.rpartition(':')[2]}"]
        command += [f"--model_config_file={self.served.parent}/models.config"]
        command += ["--allow_version_labels_for_unavailable_models=true", "--enable_batching=true"]
        options = ClientOptions(retry=RetryOptions(first_contact_seconds=120))
        log = self.folder / "server.log"
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                with SegmentationClient(address, options=options) as client:
                    client.contract()
                yield address
            finally:
                process.terminate()
                process.wait(60)

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


def test_a_version_is_traced_to_its_tiles_and_carries_its_card(job: Job) -> None:
    done = job.eoseg_versions("show", "newest", "--json")
    found = json.dumps(json.loads(done))
    for tile in "abcd":
        assert f"{tile} image.tif" in found
    version = job.workdir / "served" / "eoseg" / str(job.versions[-1])
    card = json.loads((version / "assets.extra" / "model_card.json").read_text())
    assert card["format"] == "eoseg-model-card"
    reference = read_reference(version)
    assert reference.records > 0
    assert reference.classes.mapped is not None
    assert "roof" in (version / "assets.extra" / "model_card.md").read_text()


def test_an_unchanged_run_reuses_every_step(job: Job) -> None:
    versions = job.versions
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert len(reused(done.stdout)) == 12, done.stdout  # all but the resolvers, which only look something up
    assert job.versions == versions


COMPARING = [
    "--set", "evaluation.gates=[{metric: mean_iou, max_drop: 0.005}, "
    "{metric: mean_iou, view: tiles, confidently_better: true}, {metric: iou/*, view: tiles, max_drop: 0.02}]",
    "--set", "evaluation.counting={block_px: 32}",
    "--set", "evaluation.bootstrap={over: blocks}",
]  # fmt: skip


def test_a_model_lives_refused_promoted_broken_rolled_back_and_traced_without_a_failed_request(
    job: Job,
) -> None:
    assert job.run().returncode == 0  # where this test runs alone; else all of it is reused
    v1 = job.versions[-1]
    job.eoseg_versions("promote", v1, "--reason", "the first")
    contract = read_contract(str(job.served / str(v1)))
    with job.model_server() as address, LabelAsker(address, contract, "stable") as asker:
        worse = job.run("--set", "training.steps=1", *COMPARING)
        assert worse.returncode == 3, worse.stdout + worse.stderr
        assert "cut tiles into records" in reused(worse.stdout)
        assert "train the network" not in reused(worse.stdout)
        assert re.search(r"gate FAILED: mean_iou is 0\.\d+ and falls below 0\.\d+\n", worse.stdout)
        assert re.search(
            r"gate FAILED: mean_iou of whole tiles .* not confidently better than the blessed", worse.stdout
        )
        assert job.versions == [v1]

        better = job.run("--set", "training.steps=120", *COMPARING)
        assert better.returncode == 0, better.stdout + better.stderr
        assert "gate FAILED" not in better.stdout
        assert re.search(
            r"mean_iou of whole tiles is 0\.\d+ and is confidently better than the blessed model's: "
            r"it differs by \+0\.\d+, 95 % interval \+0\.\d+ to \+0\.\d+ over 9 units",
            better.stdout,
        )
        whole = job.summary["whole_tiles"]
        assert whole["blessed_figures"]["mean_iou"] < whole["figures"]["mean_iou"]["low"]
        _, v3 = job.versions

        server = ("--server", address)
        job.eoseg_versions("canary", v3, "--percent", 100, *server)
        made = job.folder / "made"
        job.eoseg("predict", job.folder / "d image.tif", made / "trial.tif", *server, "--registry", job.served)
        job.eoseg_versions("promote", v3, *server)

        v4 = v3 + 1
        shutil.copytree(job.served / str(v3), job.folder / "broken")
        (job.folder / "broken" / "saved_model.pb").write_bytes(b"half a graph")
        (job.folder / "broken").rename(job.served / str(v4))
        job.eoseg_versions("promote", v4, *server, code=2)
        job.eoseg("predict", job.folder / "d image.tif", made / "still.tif", *server, "--label", "stable")
        job.eoseg_versions("rollback", "--reason", "complaints", *server)
        job.eoseg("predict", job.folder / "d image.tif", made / "back.tif", *server, "--label", "stable")
        job.eoseg_versions("retire", v4, *server)
    assert asker.flaws == []
    assert set(asker.versions) == {v1, v3}
    for name, version in (("trial", v3), ("still", v3), ("back", v1)):
        traced = json.loads(job.eoseg_versions("trace", made / f"{name}.tif", "--json"))
        assert traced["version"] == version
        images = {Path(tile["image"]).name for tile in traced["lineage"]["tiles"]}
        assert images == {f"{tile} image.tif" for tile in "abcd"}
    assert job.versions == [v1, v3]


def test_a_changed_tile_reruns_from_ingest_even_after_a_kill_in_the_middle_of_ingest(job: Job) -> None:
    versions = job.versions
    make_tile(job.folder, "a", seed=77)
    refused = ["--set", "evaluation.gates=[{metric: overall_accuracy, at_least: 0.99}]", "--set", "training.steps=1"]
    killed = job.run_killed_at("components.records.write_tile", "encode_patch", *refused)
    assert killed.returncode == -signal.SIGKILL
    assert "validate images and labels" in killed.stdout
    done = job.run(*refused)
    assert done.returncode == 3, done.stdout + done.stderr
    # what the killed run had finished is reused, ingest and all behind it is done anew
    assert reused(done.stdout) == ["validate images and labels"], done.stdout
    assert job.versions == versions


def test_a_run_killed_in_training_and_again_in_pushing_goes_on_and_pushes_once(job: Job) -> None:
    versions = job.versions
    longer = ["--set", "training.steps=60", "--set", "training.checkpoint_every=5"]
    killed = job.run_killed_at("components.training.train", "save_checkpoint", *longer, calls=3)
    assert killed.returncode == -signal.SIGKILL
    assert "cut tiles into records" in reused(killed.stdout)

    killed = job.run_killed_at("components.publishing.versions", "_flush", *longer)
    assert killed.returncode == -signal.SIGKILL
    assert "going on from the checkpoint at step 10 of 60" in killed.stdout
    assert job.versions == versions, "a part of a version is visible"

    done = job.run(*longer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train the network" in reused(done.stdout)
    assert len(job.versions) == len(versions) + 1
    # Beside the versions stands the folder of `eoseg versions` alone.
    there = {child.name for child in job.served.iterdir()} - {".registry"}
    assert there == set(map(str, job.versions)), "staging was left behind"


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda job: (job.folder / "b label.tif").unlink(), "b label.tif does not exist"),
        (lambda job: (job.folder / "b image.tif").write_bytes(b"II*\0 broken"), "b image.tif cannot be opened"),
        (
            lambda job: write_raster(
                job.folder / "b label.tif", np.full((95, 96, 3), (255, 0, 0), np.uint8), transform=place("b")
            ),
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
