"""`eoseg predict --monitor` and `eoseg drift`, from arguments to files and exit codes; the client needs no server."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.drift.reference import EXTRA, REFERENCE_FILE
from serving.drift.map_statistics import read_statistics
from tests.make_raster import write_raster
from tests.serving.drift.make_reference import make_reference, scene
from tests.serving.fake_client import FakeClient, contract_of
from tfx_pipeline.cli.drift import EXIT_DRIFTED, EXIT_TOO_FEW
from tfx_pipeline.cli.main import main


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model base with version 1's reference; two maps of tiles like its training are in `seen`."""

    def client(address: str, model_name: str, **asked: Any) -> FakeClient:
        made = FakeClient(version=asked["version"] or 1)
        made.close = lambda: None  # type: ignore[attr-defined]
        return made

    monkeypatch.setattr("serving.client.SegmentationClient", client)
    for i in range(2):
        write_raster(tmp_path / "tiles" / "2025" / f"{i}.tif", scene(64, 64, i))
    assert main(["predict", f"{tmp_path}/tiles", f"{tmp_path}/maps/", "--monitor", f"{tmp_path}/seen"]) == 0
    maps = [read_statistics(path) for path in sorted((tmp_path / "seen").iterdir())]
    assert [Path(of_map.map).name for of_map in maps] == ["0.tif", "1.tif"]
    found = make_reference(tmp_path, contract_of(), [scene(64, 64, 10 + i) for i in range(5)], maps)
    extra = tmp_path / "models" / "eoseg" / "1" / EXTRA
    extra.mkdir(parents=True)
    (extra / REFERENCE_FILE).write_text(found.model_dump_json())
    return tmp_path / "models"


def drift(base: Path, *arguments: object) -> int:
    given = ["drift", "--monitor", base.parent / "seen", "--model-base", base, *arguments]
    return main([str(argument) for argument in given])


def test_drift_is_told_by_table_json_gauges_and_exit_code(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert drift(base) == 0
    table = capsys.readouterr().out
    assert "eoseg version 1: 2 map(s)" in table
    assert "band/a" in table
    assert drift(base, "--max-psi", 0.1) == EXIT_TOO_FEW
    assert drift(base, "--max-psi", 0.1, "--least-maps", 2) == 0
    brighter = np.minimum(scene(64, 64, 9), 195) + np.uint8([0, 0, 60])
    tile = write_raster(tmp_path / "b.tif", brighter)
    assert main(["predict", str(tile), f"{tmp_path}/b_map.tif", "--monitor", f"{tmp_path}/seen"]) == 0
    assert "monitor: " in capsys.readouterr().out
    limits = ("--max-psi", 0.25, "--least-maps", 3)
    files = ("--json", tmp_path / "d.json", "--prometheus", tmp_path / "d.prom")
    assert drift(base, *limits, *files) == EXIT_DRIFTED
    assert "b_map.tif" in capsys.readouterr().out
    document = json.loads((tmp_path / "d.json").read_text())
    bands = {name: psi for name, psi in document["psi"].items() if name.startswith("band/")}
    assert max(bands, key=lambda name: bands[name]) == "band/c"
    assert document["exceeded"]
    assert "eoseg_drift_max_psi{" in (tmp_path / "d.prom").read_text()
    assert drift(base, "--json", "-", "--worst", 0) == 0
    assert json.loads(capsys.readouterr().out)["max_psi"] == document["max_psi"]
    version = base / "eoseg" / "1"
    assert main(["drift", "--monitor", f"{tmp_path}/seen", "--reference", str(version), "--since", "2020-01-01"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "soon"), "'soon' is no date"),
        (("--since", "2999-01-01"), "no statistics of such maps"),
        (("--version", 2), "no statistics of such maps"),
        (("--least-maps", 0), "--least-maps 0"),
        (("--max-psi", "nan"), "--max-psi nan"),
        (("--model-base", "nowhere"), "there is no folder nowhere"),
        (("--monitor", "nowhere"), "there is no folder nowhere"),
    ],
)
def test_bad_arguments_end_with_one_message(
    base: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...], said: str
) -> None:
    assert drift(base, *arguments) == 2
    assert said in capsys.readouterr().err
