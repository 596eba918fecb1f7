"""`eoseg predict --registry` and `--canary`: which version a tile is given to, and what is kept of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.versions.change import ServerOptions
from serving.versions.observations import MapObservation, observations_folder, read_observations
from serving.versions.operations import promote_version, set_canary, withdraw_canary
from serving.versions.registry import Registry, registry_of
from serving.versions.traffic import label_for
from tests.make_raster import write_raster
from tests.serving.fake_client import FakeClient, fail_after
from tfx_pipeline.cli.main import main

ALONE = ServerOptions()
TILES = [f"tile_{number}" for number in range(8)]


class Clients:
    """In place of the class `SegmentationClient`: version 1 is stable, version 2 the canary."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.canary: dict[str, Any] = {}
        monkeypatch.setattr("serving.client.SegmentationClient", self)

    def __call__(self, address: str, model_name: str, **asked: Any) -> FakeClient:
        is_canary = asked["label"] == "canary"
        assert asked["version"] is None
        client = FakeClient(version=2, **self.canary) if is_canary else FakeClient(version=1)
        client.close = lambda: None  # type: ignore[attr-defined]
        return client


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    return Clients(monkeypatch)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    for version in ("1", "2"):
        folder = tmp_path / "served" / "eoseg" / version
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"a graph")
    found = registry_of(tmp_path / "served" / "eoseg")
    promote_version(found, 1, ALONE)
    set_canary(found, 2, 50, ALONE)
    return found


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    for name in TILES:
        write_raster(tmp_path / "tiles" / f"{name}.tif", np.full((20, 30, 3), (200, 90, 20), np.uint8))
    return tmp_path / "tiles"


def predict(*arguments: object) -> int:
    return main(["predict", *map(str, arguments)])


def observed(registry: Registry) -> dict[str, list[MapObservation]]:
    found: dict[str, list[MapObservation]] = {}
    for item in read_observations(observations_folder(registry)):
        found.setdefault(item.tile, []).append(item)
    return found


def test_every_tile_is_predicted_by_its_version_and_kept_an_eye_on(
    registry: Registry, tiles: Path, tmp_path: Path, clients: Clients
) -> None:
    assert predict(tiles, f"{tmp_path}/maps/", "--registry", registry.folder) == 0
    found = observed(registry)
    assert set(found) == set(TILES)
    for tile, (item,) in found.items():
        label = label_for(tile, 50)
        assert (item.label, item.version, item.failed) == (label, 2 if label == "canary" else 1, "")
        assert item.class_pixels == {"water": 600, "forest": 0, "roof": 0}
        assert item.confidence == pytest.approx(round(200 / 255 * 100), abs=1)
        assert item.pixels == 600
        assert item.seconds > 0
    assert {label_for(tile, 50) for tile in TILES} == {"stable", "canary"}

    assert predict(tiles, f"{tmp_path}/maps/", "--registry", registry.folder) == 0
    assert observed(registry) == found, "maps that are there already tell nothing new"
    withdraw_canary(registry, ALONE)
    assert predict(tiles, f"{tmp_path}/maps/", "--registry", registry.folder) == 0
    assert {items[-1].version for items in observed(registry).values()} == {1}


def test_what_the_canary_cannot_do_the_stable_version_does_and_it_counts_against_the_canary(
    registry: Registry, tiles: Path, tmp_path: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    clients.canary = {"before": fail_after(0, "INTERNAL")}
    assert predict(tiles, f"{tmp_path}/maps/", "--registry", registry.folder) == 0
    assert len(list((tmp_path / "maps").glob("*.tif"))) == len(TILES)
    said = capsys.readouterr()
    assert "eoseg version 2" not in said.out
    assert "the canary did not predict" in said.err
    for tile, items in observed(registry).items():
        kinds = [(item.label, item.version, bool(item.failed)) for item in items]
        if label_for(tile, 50) == "canary":
            assert sorted(kinds) == [("canary", 2, True), ("stable", 1, False)]
        else:
            assert kinds == [("stable", 1, False)]


def test_a_tile_that_nobody_can_read_counts_against_nobody(
    registry: Registry, tiles: Path, tmp_path: Path, clients: Clients
) -> None:
    for name in TILES:
        (tiles / f"{name}.tif").write_bytes(b"no raster")
    assert predict(tiles, f"{tmp_path}/maps/", "--registry", registry.folder) == 2
    assert not observations_folder(registry).exists()


def test_a_share_can_be_given_where_the_registry_cannot_be_reached(
    tiles: Path, tmp_path: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(tiles, f"{tmp_path}/maps/", "--canary", 100, "--observations", tmp_path / "seen") == 0
    assert "eoseg version 1" not in capsys.readouterr().out
    assert {item.label for item in read_observations(tmp_path / "seen")} == {"canary"}


def test_observations_that_cannot_be_kept_cost_no_map(
    registry: Registry, tiles: Path, tmp_path: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    options = ("--registry", registry.folder, "--observations", tmp_path / "file")
    assert predict(tiles, f"{tmp_path}/maps/", *options) == 0
    assert capsys.readouterr().err.count("the map's observation is not kept") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--canary", "101"], "--canary 101"),
        (["--observations", "seen"], "--observations seen alone"),
        (["--registry", "no/such"], "there is no folder"),
    ],
)
def test_bad_arguments_are_one_message(
    options: list[str], message: str, tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(tiles, f"{tmp_path}/maps/", *options) == 2
    assert message in capsys.readouterr().err


def test_a_registry_without_a_stable_version_is_refused(
    registry: Registry, tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.config_file.unlink()
    assert predict(tiles, f"{tmp_path}/maps/", "--registry", registry.folder) == 2
    assert "no version of 'eoseg' the label stable" in capsys.readouterr().err
