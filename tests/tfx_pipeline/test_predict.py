"""`eoseg predict` from its arguments to its files, with a client that needs no server."""

import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from serving.predict_map import MapProgress
from tests.make_raster import gradient, write_raster
from tests.serving.fake_client import FakeClient, fail_after
from tfx_pipeline.cli.main import build_parser, main
from tfx_pipeline.cli.predict_options import client_options_of, jobs_of, map_options_of
from tfx_pipeline.cli.predict_progress import ProgressLine


class Clients:
    """In place of the class `SegmentationClient`: what was asked for, and what answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[dict[str, Any]] = []
        self.made: list[FakeClient] = []
        self.arguments: dict[str, Any] = {}
        monkeypatch.setattr("serving.client.SegmentationClient", self)

    def __call__(self, address: str, model_name: str, **asked: Any) -> FakeClient:
        self.asked.append({"address": address, "model_name": model_name, **asked})
        client = FakeClient(version=asked["version"] or 3, **self.arguments)
        client.close = lambda: None  # type: ignore[attr-defined]
        self.made.append(client)
        return client


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    return Clients(monkeypatch)


def predict(*arguments: object) -> int:
    return main(["predict", *map(str, arguments)])


def test_a_tile_becomes_a_map_with_all_that_goes_with_it(
    tmp_path: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    tile = write_raster(tmp_path / "a.tif", np.kron(gradient(6, 8), np.ones((10, 10, 1), np.uint8)))
    kinds = {"confidence": "c.tif", "scores": "s.tif", "polygons": "p.gpkg", "areas": "a.csv", "stac": "i.json"}
    options = [text for kind, name in kinds.items() for text in (f"--{kind}", tmp_path / "out" / name)]
    assert predict(tile, tmp_path / "map.tif", *options, "--min-pixels", 5, "--augment", "flips") == 0
    assert all((tmp_path / "out" / name).stat().st_size for name in kinds.values())
    assert "60 x 80 pixels by eoseg version 3" in capsys.readouterr().out
    assert predict(tile, tmp_path / "map.tif", *options, "--augment", "flips") == 0
    assert "was there already" in capsys.readouterr().out
    assert clients.made[1].patches == 0
    (tmp_path / "out" / "a.csv").unlink()
    assert predict(tile, tmp_path / "map.tif", *options, "--augment", "flips") == 0
    assert (clients.made[2].patches, (tmp_path / "out" / "a.csv").exists()) == (0, True)


def test_a_folder_goes_on_after_a_tile_that_cannot_be_read(
    tmp_path: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles = tmp_path / "tiles"
    write_raster(tiles / "a.tif", gradient(20, 30))
    write_raster(tiles / "c" / "d.tif", gradient(20, 30))
    (tiles / "b.tif").write_bytes(b"no raster")
    assert predict(tiles, tmp_path / "maps") == 2
    error = capsys.readouterr().err
    assert "b.tif cannot be opened" in error
    assert "1 of 3 tiles have no map" in error
    assert sorted(path.name for path in (tmp_path / "maps").rglob("*.tif")) == ["a.tif", "d.tif"]


def test_a_server_that_goes_away_ends_it_with_the_way_on_and_resume_goes_it(
    tmp_path: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    # Strips are 512 rows high; a row of patches of 16 is 3 patches wide and 12 rows apart: 44 of them finish one.
    tile = write_raster(tmp_path / "a.tif", gradient(600, 30))
    clients.arguments = {"before": fail_after(45 * 3, "UNAVAILABLE")}
    assert predict(tile, tmp_path / "map.tif") == 2
    assert "--resume" in capsys.readouterr().err
    clients.arguments = {}
    # A newer version serves by now; the map was begun by version 3.
    assert predict(tile, tmp_path / "map.tif", "--resume", "--label", "stable") == 0
    assert (clients.asked[1]["version"], clients.asked[1]["label"]) == (3, None)
    assert "512 rows of it before" in capsys.readouterr().out
    with rasterio.open(tmp_path / "map.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), np.maximum(gradient(600, 30), 1).argmax(-1))


def test_an_interruption_from_the_keyboard_says_how_to_go_on(
    tmp_path: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    clients.arguments = {"before": interrupt}
    assert predict(write_raster(tmp_path / "a.tif", gradient(20, 30)), tmp_path / "map.tif") == 130
    assert "--resume" in capsys.readouterr().err


def test_the_clients_settings_come_from_a_file_and_the_command_line(tmp_path: Path, clients: Clients) -> None:
    tile = write_raster(tmp_path / "a.tif", gradient(20, 30))
    (tmp_path / "client.yaml").write_text("concurrency: 12\npatches_per_request: 2\n")
    for name in ("ca.pem", "token"):
        (tmp_path / name).write_text("x")
    predict(
        *(tile, tmp_path / "map.tif", "--client", tmp_path / "client.yaml", "--patches-per-request", 6),
        *("--ca-file", tmp_path / "ca.pem", "--token-file", tmp_path / "token", "--label", "canary"),
    )
    options = clients.asked[0]["options"]
    assert (options.concurrency, options.patches_per_request) == (12, 6)
    assert options.channel.tls.ca_file == tmp_path / "ca.pem"
    assert (clients.asked[0]["label"], clients.asked[0]["version"]) == ("canary", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--overlap", "1.5"], "--overlap 1.5: "),
        (["--bands", "1,b"], "--bands 1,b"),
        (["--raster", "dsm.tif"], "--raster dsm.tif"),
        (["--raster", "dms=dsm.tif"], "no band of the model is read from it"),
        (["--concurrency", "0"], "--concurrency 0: "),
        (["--confidence", "folder.tif"], "folder.tif is a folder"),
        (["--scores", "scores.png"], "scores.png does not end as a GeoTIFF does"),
        (["--min-area", "5"], "--min-area is given without --polygons"),
        (["--polygons", "p.shp"], "'.shp' is not known"),
        (["--token-file", "t"], "error: a token needs TLS"),
        (["--client", "none.yaml"], "none.yaml does not exist"),
    ],
)
def test_bad_arguments_are_one_message(
    tmp_path: Path,
    clients: Clients,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.tif").mkdir()
    assert predict(write_raster(tmp_path / "a.tif", gradient(20, 30)), tmp_path / "map.tif", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "map.tif").exists()


@pytest.mark.parametrize("out", ["maps", "map.jpg"])
def test_a_map_is_not_written_to_a_name_that_programs_would_misread(
    tmp_path: Path, clients: Clients, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    tile = write_raster(tmp_path / "a.tif", gradient(20, 30))
    assert predict(tile, tmp_path / out) == 2
    assert f"name {tmp_path / out}.tif, or {tmp_path / out}/" in capsys.readouterr().err
    assert predict(tile, f"{tmp_path / out}/") == 0
    assert (tmp_path / out / "a.tif").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_line_tells_speed_and_time_left() -> None:
    terminal, now = Terminal(), [0.0]
    line = ProgressLine("a.tif", terminal, lambda: now[0])
    line(MapProgress(100, 1000, 10_000, 100))
    now[0] = 10
    # 100 rows of 10 000 pixels in 10 s, after 100 of an earlier run: 0.1 megapixels a second, 800 rows left.
    line(MapProgress(200, 1000, 10_000, 100))
    assert terminal.getvalue() == "\ra.tif:  20%, 0.10 megapixels/s, 80 s left"
    now[0] = 30
    line(MapProgress(1000, 1000, 10_000, 100))
    line.end()
    assert terminal.getvalue().split("\r")[-1] == "a.tif: 100%, 0.30 megapixels/s, 0 s left \n"


def test_nothing_is_shown_where_nobody_looks() -> None:
    file = io.StringIO()
    line = ProgressLine("a.tif", file)
    line(MapProgress(5, 10, 10, 0))
    line.end()
    assert file.getvalue() == ""


DOCS = (Path(__file__).parents[2] / "docs" / "maps.md").read_text(encoding="utf-8").replace("\\\n", " ")


@pytest.mark.parametrize(
    "command", [line.strip() for line in DOCS.splitlines() if line.startswith("    eoseg predict")]
)
def test_commands_of_the_docs_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_raster(tmp_path / "tile.tif", gradient(20, 30))
    write_raster(tmp_path / "tiles" / "a.tif", gradient(20, 30))
    (tmp_path / "tuning").mkdir()
    for name in ("ca.pem", "token"):
        (tmp_path / name).write_text("x")
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "a", "properties": {"datetime": "2024-01-01T00:00:00Z"},
        "geometry": None, "links": [], "assets": {"visual": {"href": "a.tif"}, "height": {"href": "h.tif"}},
    }  # fmt: skip
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    monkeypatch.setattr("tfx_pipeline.prediction_tiles.list_files", lambda folder: ["a.tif"])
    arguments = build_parser().parse_args(shlex.split(command)[1:])
    client_options_of(arguments)
    map_options_of(arguments)
    assert len(jobs_of(arguments)) == 1
