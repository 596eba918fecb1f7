"""The life of a model in one story: real programs and commands, under a load that may not see one failed request.

The versions are networks of one fixed layer, whose right answer is arithmetic: class k of version v scores what band
(k + v) mod 3 holds.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from components import contract as wire
from components.classes import ClassTable, LandClass
from components.contract import ModelContract
from components.errors import EosegError
from components.mapping.map_options import MapOptions
from components.publishing.versions import PROVENANCE_FILE, push_version
from components.tile_source import TileSource
from serving.client import SegmentationClient
from serving.conversation import Conversation
from serving.deploy.start_server import free_port
from serving.predict_map import predict_map
from serving.transport import Transport
from serving.versions.audit import read_audit
from serving.versions.registry import registry_of
from serving.versions.server_control import ServerControl
from serving.versions.traffic import label_for
from tests.make_raster import write_raster
from tests.tfx_pipeline.make_metadata import MadeMetadata
from tfx_pipeline.cli.main import main

PATCH, PERCENT, TILES = 16, 40, 16
TABLE = ClassTable(
    classes=tuple(LandClass(name=name, color=(85 * i, 80, 0)) for i, name in enumerate(("water", "forest", "roof")))
)
CONTRACT = ModelContract(patch_size=PATCH, bands=("blue", "green", "red"), dtype="uint8", table=TABLE)


def export(folder: Path, shift: int) -> Path:
    import keras

    from components.training.signatures import export_saved_model

    layer = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras.Sequential([keras.Input((PATCH, PATCH, 3), dtype="uint8"), keras.layers.Rescaling(0.1), layer])
    layer.set_weights([np.eye(3, dtype=np.float32)[:, [(k + shift) % 3 for k in range(3)]][None, None]])
    provenance = {"config_hash": f"config of {shift}", "data_fingerprint": f"records of {shift}"}
    export_saved_model(model, CONTRACT, str(folder), provenance)
    return folder


def right_class_ids(patches: Any, shift: int) -> Any:
    return patches[..., [(k + shift) % 3 for k in range(3)]].argmax(-1).astype(np.uint8)


class Asker:
    """Asks by the label alone, once for each request: nothing is tried again, nothing is remembered."""

    def __init__(self, address: str, number: int, shifts: dict[int, int]) -> None:
        self.failed: list[str] = []
        self.wrong: list[str] = []
        self.versions: Counter[int] = Counter()
        self.stop = threading.Event()
        self._address, self._shifts = address, shifts
        self._rng = np.random.default_rng(number)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        conversation = Conversation(self._address, "eoseg", label="stable")
        with Transport(self._address) as transport:
            while not self.stop.is_set():
                patches = self._rng.permuted(
                    np.broadcast_to(np.array([50, 120, 190], np.uint8), (2, PATCH, PATCH, 3)), axis=-1
                )
                request = conversation.predict_request(patches, wire.CLASS_IDS_BYTES, None)
                try:
                    response = transport.predict(request, 60.0)
                    found = conversation.read_prediction(response, wire.CLASS_IDS_BYTES, 2, CONTRACT)
                except EosegError as error:
                    self.failed.append(str(error))
                    continue
                version = int(response.model_spec.version.value)
                self.versions[version] += 1
                if not np.array_equal(found, right_class_ids(patches, self._shifts[version])):
                    self.wrong.append(f"version {version}")


class MapMaker:
    """Makes maps of one tile without pause by the client that pins a version for each; checks every one."""

    def __init__(self, address: str, tile: Path, out: Path, shifts: dict[int, int]) -> None:
        self.failed: list[str] = []
        self.versions: Counter[int] = Counter()
        self.stop = threading.Event()
        self._address, self._tile, self._out, self._shifts = address, tile, out, shifts
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with rasterio.open(self._tile) as dataset:
            pixels = np.moveaxis(dataset.read(), 0, -1)
        with SegmentationClient(self._address, label="stable") as client:
            while not self.stop.is_set():
                client.repin()
                try:
                    made = predict_map(self._tile, self._out, client, MapOptions(overlap=0))
                except EosegError as error:
                    self.failed.append(str(error))
                    continue
                self.versions[made.version] += 1
                with rasterio.open(self._out) as dataset:
                    if not np.array_equal(dataset.read(1), right_class_ids(pixels, self._shifts[made.version])):
                        self.failed.append(f"the map by version {made.version} is wrong")


@contextmanager
def load(address: str, shifts: dict[int, int], maker: MapMaker) -> Iterator[list[Asker]]:
    askers = [Asker(address, number, shifts) for number in range(3)]
    workers = [*askers, maker]
    for worker in workers:
        worker.thread.start()
    try:
        yield askers
    finally:
        for worker in workers:
            worker.stop.set()
        for worker in workers:
            worker.thread.join()


class Life:
    """The model's folder, its metadata and its commands."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.base = folder / "served"
        self.model = self.base / "eoseg"
        self.address = f"127.0.0.1:{free_port()}"
        self.shifts: dict[int, int] = {}
        self._folder = folder
        self._capsys = capsys
        self._metadata = MadeMetadata(folder / "metadata.sqlite")

    def push(self, shift: int, *tiles: str) -> int:
        """What the end of a run does."""
        model = export(self._folder / f"model {shift}", shift)
        version = push_version(model, self.model, {"data_fingerprint": f"files of {shift}", "pipeline": "life"})
        sources = [TileSource(tile=t, image=f"/data/{t}.tif", label=f"/data/{t}_l.tif", split="train") for t in tiles]
        self._metadata.record(self.model / str(version), sources, run=f"run {shift}", steps=10 * shift)
        self.shifts[version] = shift
        return version

    def versions(self, verb: str, *arguments: object, code: int = 0) -> str:
        """`eoseg versions VERB MODEL ...`; what it says."""
        return self.eoseg("versions", verb, self.model, *arguments, code=code)

    def change(self, verb: str, *arguments: object, code: int = 0) -> str:
        """The same, with the server told."""
        return self.versions(verb, *arguments, "--server", self.address, code=code)

    def predict(self, tiles: Path, maps: Path) -> str:
        return self.eoseg(
            "predict", tiles, f"{maps}/", "--server", self.address, "--registry", self.model, "--stac", f"{maps}/"
        )

    def eoseg(self, *arguments: object, code: int = 0) -> str:
        self._capsys.readouterr()
        found = main([str(argument) for argument in arguments])
        said = self._capsys.readouterr()
        assert found == code, said.err
        return said.out if "--json" in arguments else said.out + said.err

    def states(self) -> dict[int, str]:
        with ServerControl(self.address, "eoseg") as control:
            return {version: state.state for version, state in control.states().items()}

    @contextmanager
    def server(self) -> Iterator[None]:
        command = [sys.executable, "-m", "serving.embedded.main", f"--port={self.address.rpartition(':')[2]}"]
        command += [f"--model_config_file={self.base}/models.config", "--max_num_load_retries=0"]
        command += ["--allow_version_labels_for_unavailable_models=true", "--enable_batching=true"]
        log = self._folder / "server.log"
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                deadline = time.monotonic() + 120
                while "AVAILABLE" not in self._states_or_none():
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
                yield
            finally:
                process.terminate()
                process.wait(60)

    def _states_or_none(self) -> list[str]:
        try:
            return list(self.states().values())
        except EosegError:
            return []


@pytest.mark.slow
def test_a_model_is_promoted_tried_out_broken_rolled_back_and_traced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    life = Life(tmp_path, capsys)
    tiles, rng = tmp_path / "tiles", np.random.default_rng(0)
    for number in range(TILES):
        write_raster(tiles / f"t{number:02}.tif", rng.integers(0, 255, (20, 24, 3), np.uint8))
    shares = {f"t{number:02}": label_for(f"t{number:02}", PERCENT) for number in range(TILES)}
    assert set(shares.values()) == {"stable", "canary"}

    v1 = life.push(1, "a", "b")
    life.versions("promote", v1, "--reason", "the first")
    levels = np.broadcast_to(np.array([50, 120, 190], np.uint8), (200, 150, 3))
    large = write_raster(tmp_path / "large.tif", rng.permuted(levels, axis=-1))
    maker = MapMaker(life.address, large, tmp_path / "large_map.tif", life.shifts)
    with life.server(), load(life.address, life.shifts, maker) as askers:
        v3 = life.push(3, "a", "b", "c")
        time.sleep(1.5)
        assert life.states() == {v1: "AVAILABLE"}, "a pushed version is served when it is promoted, not before"

        life.change("canary", v3, "--percent", PERCENT)
        said = life.predict(tiles, tmp_path / "trial")
        for tile, label in shares.items():
            expected = v3 if label == "canary" else v1
            assert f"{tile}.tif: 20 x 24 pixels by eoseg version {expected}" in said
        assert "class shares" in life.versions("watch", "--least-maps", 4, "--most-slowdown", 100)
        life.change("promote", v3, "--reason", "as good, and more tiles")
        assert f"by eoseg version {v3}" in life.predict(tiles, tmp_path / "after")

        v4 = v3 + 1
        shutil.copytree(life.model / str(v3), tmp_path / "copy")
        graph = tmp_path / "copy" / "saved_model.pb"
        graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
        (tmp_path / "copy").rename(life.model / str(v4))
        assert "is not what was pushed" in life.change("promote", v4, code=2)
        (life.model / str(v4) / PROVENANCE_FILE).unlink()  # now nothing says so but the server
        assert f"version {v4} cannot be loaded" in life.change("promote", v4, code=2)
        assert f"by eoseg version {v3}" in life.predict(tiles, tmp_path / "still")

        life.change("rollback", "--reason", "complaints")
        assert f"by eoseg version {v1}" in life.predict(tiles, tmp_path / "back")
        life.change("retire", v4)
        listed = json.loads(life.change("list", "--json"))
        before = sum((asker.versions for asker in askers), Counter())
        time.sleep(0.5)

    assert [text for asker in askers for text in asker.failed + asker.wrong] + maker.failed == []
    assert set(maker.versions) == {v1, v3}
    versions = sum((asker.versions for asker in askers), Counter())
    assert set(versions) == {v1, v3}
    assert versions[v1] > before[v1], "the load went on to the end"

    states = {row["version"]: (row["state"], row["labels"]) for row in listed["versions"]}
    assert states == {v1: ("served", ["stable"]), v3: ("idle", [])}
    entries, flaws = read_audit(registry_of(life.model))
    assert flaws == []
    assert [(entry.verb, entry.outcome.partition(":")[0]) for entry in entries] == [
        ("promote", "done"),
        ("canary", "done"),
        ("promote", "done"),
        ("promote", "refused"),
        ("promote", "undone"),
        ("rollback", "done"),
        ("retire", "done"),
    ]

    on_trial = next(tile for tile, label in shares.items() if label == "canary")
    for file in (f"{on_trial}.tif", f"{on_trial}.json"):
        traced = json.loads(life.versions("trace", tmp_path / "trial" / file, "--json"))
        assert traced["version"] == v3
        assert traced["map"]["config_hash"] == "config of 3"
        assert traced["map"]["data_fingerprint"] == "records of 3"
        assert [tile["image"] for tile in traced["lineage"]["tiles"]] == ["/data/a.tif", "/data/b.tif", "/data/c.tif"]
        assert traced["lineage"]["parameters"]["Trainer"]["custom_config"]["training"]["steps"] == 30
    shutil.rmtree(life.model / str(v3))
    shutil.copytree(life.model / str(v1), life.model / str(v3))
    assert "the map's config hash is config of 3" in life.versions(
        "trace", tmp_path / "trial" / f"{on_trial}.tif", code=3
    )
