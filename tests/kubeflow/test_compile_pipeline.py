"""The compiled file: what Kubeflow Pipelines reads, and what of the options is in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from eoseg_kubeflow.compile_pipeline import as_yaml, compiled
from eoseg_kubeflow.run_time import FINGERPRINT_MARK, FINGERPRINT_TASK, ROOT_MARK, filled
from google.protobuf import json_format
from kfp.components import load_component_from_text
from kfp.pipeline_spec import pipeline_spec_pb2

from components.errors import ConfigError
from tests.kubeflow.stand_in_cluster import waves
from tests.kubeflow.tiny_data_set import TILES, tiny_config, write_tiles
from tfx_pipeline.cli.main import main
from tfx_pipeline.load_config import load_config

FILES = [f"{tile} {kind}.tif" for tile in TILES for kind in ("image", "label")]


@pytest.fixture
def spec(compiled_documents: list[dict[str, Any]]) -> dict[str, Any]:
    return compiled_documents[0]


@pytest.fixture
def kubernetes(compiled_documents: list[dict[str, Any]]) -> dict[str, Any]:
    return compiled_documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def containers(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for label, executor in spec["deploymentSpec"]["executors"].items():
        yield label.removesuffix("_executor"), executor["container"]  # and nothing but containers


def test_kfp_loads_it(compiled_documents: list[dict[str, Any]]) -> None:
    json_format.ParseDict(compiled_documents[0], pipeline_spec_pb2.PipelineSpec())  # refuses unknown keys
    json_format.ParseDict(compiled_documents[1], pipeline_spec_pb2.PlatformSpec())
    loaded = load_component_from_text(as_yaml(compiled_documents))
    assert loaded.name == "tiny"
    assert compiled_documents[0]["schemaVersion"] == "2.1.0"
    assert set(loaded.component_spec.inputs) == {"data_root", "training_steps"}


def test_a_cluster_can_start_every_step(spec: dict[str, Any]) -> None:
    images = {container["image"] for _, container in containers(spec)}
    assert images == {"registry.example/eoseg:7"}
    modules = {container["command"][2] for _, container in containers(spec)}
    assert modules == {f"eoseg_kubeflow.{name}" for name in ("run_step", "latest", "fingerprint_tiles")}
    order = list(waves(spec["root"]["dag"]["tasks"]))
    assert order[0] == [FINGERPRINT_TASK]
    assert order[-1] == ["VersionPusher"]
    assert spec["defaultPipelineRoot"] == "s3://bucket/pipelines"


def test_nothing_looks_like_a_placeholder_that_is_none(spec: dict[str, Any]) -> None:
    # Argo fills in {{...}} wherever it stands; the launcher's own {{$}} is all that may be there.
    assert "{{" not in json.dumps(spec).replace('"{{$}}"', "")


def test_steps_wait_only_for_steps_that_there_are(spec: dict[str, Any]) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    outputs = {name: spec["components"][name]["outputDefinitions"] for name in tasks}
    for task in tasks.values():
        assert set(task.get("dependentTasks", [])) <= tasks.keys()
        for source in task["inputs"].get("artifacts", {}).values():
            origin = source["taskOutputArtifact"]
            assert origin["outputArtifactKey"] in outputs[origin["producerTask"]]["artifacts"]
            assert origin["producerTask"] in task["dependentTasks"]


def test_paths_and_fingerprint_are_left_to_the_run(spec: dict[str, Any], tmp_path: Path) -> None:
    tasks = spec["root"]["dag"]["tasks"]
    readers = {}
    for name, task in tasks.items():
        texts = [
            str(v["runtimeValue"]["constant"])
            for v in task["inputs"].get("parameters", {}).values()
            if "runtimeValue" in v
        ]
        if any(ROOT_MARK in text for text in texts):
            readers[name] = task
            assert "data_root" in task["inputs"]["parameters"]
        assert any(FINGERPRINT_MARK in text for text in texts) == (
            "data_fingerprint" in task["inputs"].get("parameters", {})
        )
    assert readers.keys() == {FINGERPRINT_TASK, "LabelValidator", "TileExampleGen", "MapEvaluator"}
    constants = {
        key: value["runtimeValue"]["constant"]
        for key, value in readers["TileExampleGen"]["inputs"]["parameters"].items()
        if "runtimeValue" in value
    }
    own = filled({**constants, "data_root": "/data", "data_fingerprint": "f00"})
    paths = {path for tile in json.loads(own["tiles"])["tiles"] for path in (tile["image"], tile["label"])}
    assert paths == {f"/data/{name}" for name in FILES}
    assert own["fingerprint"] == "f00"
    assert own.keys() == constants.keys()


def test_what_is_read_by_path_is_reused_by_fingerprint_and_the_look_at_the_files_never(spec: dict[str, Any]) -> None:
    cached = {
        name for name, task in spec["root"]["dag"]["tasks"].items() if task.get("cachingOptions", {}).get("enableCache")
    }
    assert set(spec["root"]["dag"]["tasks"]) - cached == {
        FINGERPRINT_TASK,
        "LastStatisticsFind",
        "LatestBlessedModelFind",
    }


def test_steps_get_what_the_options_ask_for(spec: dict[str, Any], kubernetes: dict[str, Any]) -> None:
    resources = {name: container["resources"] for name, container in containers(spec)}
    assert resources["StatisticsGen"] == {"cpuRequest": 1.0, "memoryRequest": 4 * 1.073741824}  # Gi to G
    trainer = resources["Trainer"]
    assert (trainer["cpuRequest"], trainer["memoryRequest"], trainer["memoryLimit"]) == (0.5, *(2 * [16 * 1.073741824]))
    assert trainer["accelerator"] == {"type": "nvidia.com/gpu", "count": "2"}
    assert kubernetes["Trainer_executor"]["nodeSelector"] == {"labels": {"gpu.example/model": "h200"}}
    assert kubernetes["Trainer_executor"]["tolerations"][0]["key"] == "nvidia.com/gpu"
    for name, container in containers(spec):
        asked = kubernetes[f"{name}_executor"]
        assert asked["pvcMount"] == [{"constant": "eoseg-work", "mountPath": "/mnt/eoseg"}]
        assert asked["secretAsEnv"][0]["secretName"] == "s3-key"
        assert {one["envVar"] for one in asked["secretAsEnv"][0]["keyToEnv"]} == {
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        }
        assert container["env"] == [{"name": "AWS_REGION", "value": "eu-central-1"}]
        assert ("accelerator" in container["resources"]) == (name == "Trainer")


def test_the_verb_lays_flags_over_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiles(tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny_config(tmp_path, image="other:1")))
    output = tmp_path / "out" / "p.yaml"
    command = ["kubeflow", "compile", str(tmp_path / "tiny.yaml"), "--workdir", str(tmp_path / "w"), "-o", str(output)]
    digest = f"registry.example/eoseg@sha256:{'0' * 64}"
    flags = [
        "--image",
        digest,
        "--pipeline-root",
        "/mnt/v/root",
        "--volume",
        "claim=/mnt/v",
        "--no-cache",
        "--gpu",
        "1",
    ]
    flags += ["--resources", "Trainer:cpu=4,memory=8Gi", "--set", "training.steps=7"]
    assert main([*command, *flags]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert [file.name for file in output.parent.iterdir()] == ["p.yaml"]
    spec, platform = yaml.safe_load_all(output.read_text())
    assert {container["image"] for _, container in containers(spec)} == {digest}
    assert "defaultPipelineRoot" not in spec  # the launcher knows stores only; the bytes go to the volume
    for name, container in containers(spec):
        if container["command"][2] != "eoseg_kubeflow.fingerprint_tiles":
            assert container["args"][container["args"].index("--artifact_base") + 1] == "/mnt/v/root", name
    assert not any("cachingOptions" in task for task in spec["root"]["dag"]["tasks"].values())
    assert spec["root"]["inputDefinitions"]["parameters"]["training_steps"]["defaultValue"] == 7
    assert spec["root"]["inputDefinitions"]["parameters"]["data_root"]["defaultValue"] == str(tmp_path)
    assert platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["Trainer_executor"]["pvcMount"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Tiny_1"}, "small letters, digits and hyphens"),
        ({"kubeflow": {"workdir": "/w"}}, "no container image is named"),
        ({"kubeflow": {"image": "i:1"}}, "share no folder"),
        ({"kubeflow": {"image": "i", "workdir": "/w", "resources": {"Trainr": {"cpu": "1"}}}}, "'Trainr', which is no"),
    ],
)  # fmt: skip
def test_what_no_cluster_could_run_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write_tiles(tmp_path)
    config = {**tiny_config(tmp_path, image="i:1", workdir="/w"), **change}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=re.escape(message)):
        compiled(load_config(str(tmp_path / "tiny.yaml"), workdir=str(tmp_path / "work")))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image", "two words"),
        ("pipeline_root", "ftp://somewhere"),
        ("resources", {"Trainer": {"memory": "8 gigs"}}),
        ("volumes", [{"claim": "a", "mount_path": "relative"}]),
        ("secrets", [{"name": "s", "keys": {}}]),
        ("workdir", "relative"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(tmp_path: Path, key: str, value: Any) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny_config(tmp_path, **{key: value})))
    with pytest.raises(ConfigError, match=f"kubeflow.{key}"):
        load_config(str(tmp_path / "tiny.yaml"))


def test_bad_input_gets_one_message_and_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kubeflow", "compile", "none.yaml", "-o", str(tmp_path / "p.yaml")]) == 2
    assert "there is no configuration file none.yaml" in capsys.readouterr().err
    assert not (tmp_path / "p.yaml").exists()


@pytest.mark.parametrize("output", ["folder", "file/p.yaml"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_compiled(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a file")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny_config(tmp_path)))  # of tiles that are not there
    assert main(["kubeflow", "compile", str(tmp_path / "tiny.yaml"), "-o", str(tmp_path / output)]) == 2
    assert f"{tmp_path / output} cannot be written" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "tiny.yaml"]
