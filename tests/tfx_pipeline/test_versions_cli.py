"""`eoseg versions`: what the folder, ML Metadata and models.config say, told apart; and its messages."""

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.publishing.versions import push_version
from components.tile_source import TileSource
from serving.versions.registry import REGISTRY_FOLDER
from tests.tfx_pipeline.make_metadata import MadeMetadata
from tfx_pipeline.cli.main import build_parser, main
from tfx_pipeline.version_lineage import VersionRecords, open_records

DOCS = (Path(__file__).parents[2] / "docs" / "versions.md").read_text(encoding="utf-8")


def sources(*names: str) -> list[TileSource]:
    splits: Any = ("train", "eval", "test")
    return [
        TileSource(tile=name, image=f"/data/{name}.tif", label=f"/data/{name}_label.tif", split=splits[i % 3])
        for i, name in enumerate(names)
    ]


class World:
    """A served folder with versions `first` and `second`, both recorded, in a working directory."""

    def __init__(self, workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.workdir = workdir
        workdir.mkdir()
        self.model = workdir / "served" / "eoseg"
        self.metadata = MadeMetadata(workdir / "metadata.sqlite")
        self._capsys = capsys
        self.first = self.push(b"one", "a", "b", "c")
        self.second = self.push(b"two", "a", "b", "d", "e")

    def push(self, graph: bytes, *tiles: str) -> int:
        exported = self.workdir / "exported"
        exported.mkdir(exist_ok=True)
        (exported / "saved_model.pb").write_bytes(graph)
        version = push_version(exported, self.model, {"data_fingerprint": f"data of {len(tiles)}", "pipeline": "p"})
        self.metadata.record(self.model / str(version), sources(*tiles), run=f"run of {len(tiles)}", steps=len(tiles))
        return version

    def run(self, verb: str, *arguments: object, code: int = 0) -> str:
        self._capsys.readouterr()
        found = main(["versions", verb, str(self.model), *map(str, arguments)])
        said = self._capsys.readouterr()
        assert found == code, said.err
        return said.out if code == 0 else said.err

    def listed(self) -> dict[int, dict[str, Any]]:
        return {row["version"]: row for row in json.loads(self.run("list", "--json"))["versions"]}

    def notes(self) -> list[str]:
        notes: list[str] = json.loads(self.run("list", "--json"))["notes"]
        return notes


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    return World(tmp_path / "work", capsys)


def test_folder_metadata_and_labels_are_told_apart_and_reconciled(world: World) -> None:
    world.run("promote", world.first)
    by_hand = world.second + 1
    shutil.copytree(world.model / str(world.first), world.model / str(by_hand))
    (world.model / str(by_hand + 1)).mkdir()
    gone = world.push(b"three", "a")
    shutil.rmtree(world.model / str(gone))
    world.metadata.record(world.model / "7", sources("z"), run="refused", pushed=False)
    world.metadata.record(world.workdir / "served" / "another" / "8", sources("z"), run="of another model")

    rows = world.listed()
    assert {v: (row["state"], row["labels"], row["records"]) for v, row in rows.items()} == {
        world.first: ("served", ["stable"], ["folder", "metadata"]),
        world.second: ("idle", [], ["folder", "metadata"]),
        by_hand: ("idle", [], ["folder"]),
        by_hand + 1: ("broken", [], ["folder"]),
        gone: ("missing", [], ["metadata"]),
    }
    assert rows[world.first]["data"] == "data of 3"
    assert rows[world.first]["size_bytes"] == sum(
        path.stat().st_size for path in (world.model / str(world.first)).rglob("*") if path.is_file()
    )
    notes = "\n".join(world.notes())
    assert f"version {by_hand} is in the folder, and ML Metadata does not know it" in notes
    assert f"version {by_hand + 1} has no saved_model.pb" in notes
    assert f"version {gone} was pushed, and its folder is gone" in notes
    assert f"version {world.first} " not in notes

    world.run("retire", world.second)
    assert world.listed()[world.second]["state"] == "retired"
    shutil.rmtree(world.model / str(world.first))
    assert any("label stable" in note and "is gone" in note for note in world.notes())


def test_a_version_is_followed_back_to_its_tiles_and_no_further(world: World) -> None:
    shown = json.loads(world.run("show", world.second, "--json"))["lineage"]
    assert [tile["tile"] for tile in shown["tiles"]] == ["a", "b", "d", "e"]
    assert (shown["run"], shown["pipeline"], shown["data_fingerprint"]) == ("run of 4", "p", "data of 4")
    assert shown["parameters"]["Trainer"] == {"custom_config": {"training": {"steps": 4}}}
    names = {node["id"]: node["name"] for node in shown["nodes"]}
    steps = sorted(node["name"] for node in shown["nodes"] if node["kind"] == "step")
    assert steps == ["Evaluator", "TileExampleGen", "Trainer", "VersionPusher"]
    drawn = {(names[source], names[target]) for source, target in shown["edges"]}
    assert {("examples", "Trainer"), ("Trainer", "model"), ("model", "VersionPusher")} <= drawn
    text = world.run("show", "newest")
    assert "tiles: train (2)" in text
    assert "/data/e.tif" in text


def test_a_run_that_reused_everything_changes_no_lineage(world: World) -> None:
    world.metadata.reuse("a later run")
    records = open_records(world.workdir / "metadata.sqlite")
    from serving.versions.recorded import OwnRecords

    lineage = records.lineage("eoseg", world.first, OwnRecords())
    assert lineage is not None
    assert lineage.run == "run of 3"


def test_in_a_teams_database_the_versions_of_other_pipelines_do_not_count(world: World) -> None:
    world.metadata.record(world.workdir / "theirs" / "eoseg" / "77", sources("z"), run="theirs", pipeline="theirs")
    store = world.metadata.store
    contexts = {context.name: context for context in store.get_contexts_by_type("pipeline")}
    assert set(VersionRecords(store, contexts["theirs"]).pushed("eoseg")) == {77}
    assert set(VersionRecords(store, contexts["made"]).pushed("eoseg")) == {world.first, world.second}
    assert set(VersionRecords(store).pushed("eoseg")) == {77, world.first, world.second}


def test_a_configuration_names_the_model_as_its_folder_does(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    by_folder = world.run("list", "--json")
    assert main(["versions", "list", "demo.yaml", "--workdir", str(world.workdir), "--json"]) == 0
    assert capsys.readouterr().out == by_folder


def test_the_lineage_outlives_the_metadata_and_goes_with_a_bundle(world: World, tmp_path: Path) -> None:
    world.run("export", world.second, tmp_path / "v.zip")
    (world.workdir / "metadata.sqlite").unlink()
    assert "/data/e.tif" in world.run("show", world.second)
    elsewhere = tmp_path / "elsewhere" / "eoseg"
    elsewhere.mkdir(parents=True)
    assert main(["versions", "import", str(elsewhere), str(tmp_path / "v.zip")]) == 0
    world.model = elsewhere
    assert "/data/e.tif" in world.run("show", world.second)
    assert "its lineage is not known" not in world.run("show", world.second)


def test_the_picture_has_every_step_and_tile_group_in_order(world: World, tmp_path: Path) -> None:
    svg, png = tmp_path / "g.svg", tmp_path / "g.png"
    for path in (svg, png):
        world.run("show", world.second, "--graph", path)
    root = ET.fromstring(svg.read_text(encoding="utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    left = {text.text: float(text.get("x", "0")) for text in root.iter(f"{space}text")}
    assert left["2 tiles: train"] < left["TileExampleGen"] < left["Trainer"] < left["Evaluator"] < left["VersionPusher"]
    assert left["VersionPusher"] < left[f"version {world.second}"]
    with Image.open(png) as picture:
        assert picture.size == (round(float(root.get("width", "0"))), round(float(root.get("height", "0"))))
        assert len(picture.getcolors(1 << 16) or []) > 4
    assert "neither .svg nor .png" in world.run("show", world.second, "--graph", tmp_path / "g.gif", code=2)


def test_two_versions_are_compared_by_what_differs(world: World) -> None:
    lines = json.loads(world.run("compare", world.first, world.second, "--json"))
    by_name = {(line["section"], line["name"]): (line["a"], line["b"]) for line in lines}
    assert by_name["tiles", "train: only in one"] == ("", "e")
    assert by_name["tiles", "test: only in one"] == ("c", "d")
    assert by_name["parameters", "Trainer.custom_config.training.steps"] == ("3", "4")
    assert ("parameters", "TileExampleGen.tiles") not in by_name
    assert "training.steps" in world.run("compare", world.first, world.second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "MODEL", "9"], "has no version 9"),
        (["promote", "MODEL", "stable"], "'stable' names no version"),
        (["promote", "MODEL", "newest", "--to", "canary"], "label 'canary' is given by"),
        (["promote", "MODEL", "newest", "--server", "http://x:1"], "is no address of a gRPC server"),
        (["canary", "MODEL", "newest"], "no version is stable yet"),
        (["canary", "MODEL", "newest", "--percent", "0"], "--percent 0"),
        (["canary", "MODEL"], "canary needs a version, or --end"),
        (["canary", "MODEL", "--end"], "no version is on trial"),
        (["rollback", "MODEL"], "no version is stable"),
        (["retire", "MODEL"], "either --keep or versions"),
        (["watch", "MODEL"], "no version is on trial"),
        (["watch", "MODEL", "--chance", "2"], "--chance"),
        (["import", "MODEL", "no.zip"], "no.zip does not exist"),
        (["trace", "MODEL", "no.tif"], "no.tif does not exist"),
        (["show", "MODEL", "12"], "nobody knows a version 12"),
        (["list", "no/such/folder"], "there is no folder"),
        (["list", "no_such.yaml"], "there is no configuration file"),
        (["list", "MODEL", "--metadata", "no.sqlite"], "no.sqlite does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_changes_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "served" / "eoseg"
    for version in ("1", "2"):
        (model / version).mkdir(parents=True)
        (model / version / "saved_model.pb").write_bytes(b"a graph")
    assert main(["versions", *(str(model) if word == "MODEL" else word for word in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("eoseg: error: ")
    assert "to fix:" in error
    assert sorted(path.name for path in model.iterdir() if path.name != REGISTRY_FOLDER) == ["1", "2"]
    # Beside the model only what locks models.config, which there still is none of.
    assert {path.name for path in model.parent.iterdir()} <= {"eoseg", ".models.config.lock"}


def test_a_log_that_was_altered_is_said_and_ends_with_3(world: World) -> None:
    world.run("promote", world.first, "--reason", "good")
    assert "(good)" in world.run("log")
    log = world.model / REGISTRY_FOLDER / "audit.jsonl"
    world.run("promote", world.second)
    log.write_text(log.read_text().replace("good", "bad"))
    assert "the log was altered: line 2" in world.run("log", code=3)


COMMANDS = [line.strip() for line in DOCS.splitlines() if line.startswith("    eoseg ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_docs_are_taken(command: str) -> None:
    import shlex

    build_parser().parse_args(shlex.split(command, comments=True)[1:])


def test_the_docs_show_every_verb() -> None:
    shown = {command.split()[2] for command in COMMANDS if command.startswith("eoseg versions ")}
    verbs = {"list", "show", "compare", "trace", "log", "promote", "canary", "rollback", "retire", "watch"}
    assert shown == verbs | {"export", "import"}
