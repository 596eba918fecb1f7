"""The pipeline compiles to what Kubeflow Pipelines reads; the script is loaded by its path, it is no package."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

SCRIPT = Path(__file__).resolve().parents[2] / "kubeflow" / "compile_pipeline.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compile_pipeline", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_step_runs_in_the_given_image(script: ModuleType, tmp_path: Path) -> None:
    output = tmp_path / "pipeline.yaml"
    arguments = ["--image", "registry.example/eoseg:7", "--root", "/mnt/root", "--workdir", str(tmp_path / "work")]
    assert script.main(["demo.yaml", "-o", str(output), *arguments, "--set", "sample_scenes.size_px=64"]) == 0
    document = next(yaml.safe_load_all(output.read_text()))
    containers = {
        name: executor["container"]
        for name, executor in document["deploymentSpec"]["executors"].items()
        if "container" in executor
    }
    steps = (
        "LabelValidator",
        "TileExampleGen",
        "StatisticsGen",
        "Trainer",
        "Evaluator",
        "ServingCheck",
        "VersionPusher",
    )
    for step in steps:
        container = containers[f"{step}_executor"]
        assert container["image"] == "registry.example/eoseg:7"
        assert "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor" in container["command"]
    assert document["schemaVersion"] == "2.1.0"
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["pipeline.yaml"]


def test_bad_input_gets_one_message(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["none.yaml", "-o", str(tmp_path / "p.yaml"), "--image", "i", "--root", "r"]) == 2
    assert "there is no configuration file none.yaml" in capsys.readouterr().err
    assert not (tmp_path / "p.yaml").exists()
