"""What a step's command does around TFX's entry point, each part by itself."""

import json
from pathlib import Path, PurePosixPath

import pytest
from eoseg_kubeflow import fingerprint_tiles, latest
from eoseg_kubeflow.artifact_paths import FOLDERS, artifact_uri, local_path
from eoseg_kubeflow.long_values import LONG, check_length, packed, unpacked
from eoseg_kubeflow.run_step import build_parser, localised
from eoseg_kubeflow.run_time import FINGERPRINT_MARK, ROOT_MARK, filled
from hypothesis import given
from hypothesis import strategies as st

from components.contract import CONTRACT_FILE
from components.errors import ConfigError
from components.records.fingerprint import files_fingerprint

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1)


@given(st.sampled_from(sorted(FOLDERS)), KEYS, st.sampled_from(["/", "/mnt/v", "/mnt/v/"]))
def test_a_uri_has_a_path_and_the_path_has_that_uri(scheme: str, key: str, base: str) -> None:
    uri = f"{scheme}://{key}"
    path = local_path(uri, base)
    assert path.startswith(base)
    assert "://" not in path or "://" in key
    assert artifact_uri(path, base) == uri


def test_paths_are_the_launchers() -> None:
    # As LocalPathForURI of Kubeflow's launcher has them.
    assert local_path("gs://b/k") == "/gcs/b/k"
    assert local_path("s3://b/k") == "/s3/b/k"
    assert local_path("minio://b/k") == "/minio/b/k"
    assert local_path("/mnt/k") == "/mnt/k"


@given(st.text(max_size=50), st.integers(0, 400))
def test_a_packed_text_comes_back(text: str, times: int) -> None:
    long = text * times
    assert unpacked(packed(long)) == long
    assert (packed(long) == long) == (len(long) < LONG)
    assert len(long) < LONG or "{" not in packed(long)


def test_three_thousand_tiles_fit_into_an_argument_and_what_does_not_is_refused() -> None:
    def tiles(count: int) -> str:
        return json.dumps([{"image": f"{ROOT_MARK}/top/tile {n}.tif", "split": "train"} for n in range(count)])

    assert len(tiles(3000)) > 128 * 1024
    check_length("Step", [packed(tiles(3000))])
    with pytest.raises(ConfigError, match="parameters of step Step"):
        check_length("Step", [tiles(3000)])


NAMES = st.text(st.characters(codec="utf-8", min_codepoint=32, exclude_characters='"\\/'), min_size=1)
ROOTS = st.tuples(st.lists(NAMES, min_size=1).map("/".join), st.sampled_from(["/", "s3://"])).map(
    lambda parts: parts[1] + parts[0]
)


@given(ROOTS, st.integers(1, 10_000))
def test_a_run_fills_in_its_folder_its_fingerprint_and_its_training(root: str, steps: int) -> None:
    given_ = {
        "tiles": json.dumps([f"{ROOT_MARK}/a b.tif"]),
        "fingerprint": FINGERPRINT_MARK,
        "number": 3.0,
        "custom_config": json.dumps({"training": {"steps": 1, "epochs": 2, "seed": 4}}),
        "train_args": json.dumps({"num_steps": 1, "splits": ["train"]}),
        "data_root": root,
        "data_fingerprint": "f00",
        "training_steps": float(steps),
    }
    own = filled(given_)
    (path,) = json.loads(own["tiles"])
    assert path.startswith("s3://") == root.startswith("s3://")
    assert PurePosixPath(path) == PurePosixPath(root) / "a b.tif"
    assert (own["fingerprint"], own["number"]) == ("f00", 3.0)
    assert json.loads(own["custom_config"])["training"] == {"steps": steps, "epochs": None, "seed": 4}
    assert json.loads(own["train_args"])["num_steps"] == steps
    assert own.keys() == given_.keys() - {"data_root", "data_fingerprint", "training_steps"}


@given(st.text(), st.sampled_from('"\\\n\0'), st.text())
def test_a_folder_that_would_break_the_parameters_is_refused(before: str, character: str, after: str) -> None:
    root = before + character + after
    with pytest.raises(ConfigError, match="data_root is"):
        filled({"tiles": "[]", "data_root": root})


def test_without_a_number_of_steps_training_is_as_configured() -> None:
    config = json.dumps({"training": {"steps": 1, "epochs": 2}})
    assert filled({"custom_config": config, "training_steps": 0.0}) == {"custom_config": config}
    with pytest.raises(ConfigError, match="training_steps is -1"):
        filled({"custom_config": config, "training_steps": -1.0})


def test_the_fingerprint_is_that_of_the_files_where_they_are_now(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        (tmp_path / name).write_bytes(name.encode())
    executor_input = {
        "inputs": {
            "parameterValues": {
                "files": json.dumps([f"{ROOT_MARK}/a.tif", f"{ROOT_MARK}/b.tif"]),
                "data_root": str(tmp_path),
            }
        },
        "outputs": {"parameters": {"data_fingerprint": {"outputFile": str(tmp_path / "out" / "value")}}},
    }

    def run() -> str:
        memory = ["--memory", str(tmp_path / "memory.json")]
        assert fingerprint_tiles.main(["--executor_input", json.dumps(executor_input), *memory]) == 0
        return (tmp_path / "out" / "value").read_text()

    first = run()
    assert first == files_fingerprint([tmp_path / "a.tif", tmp_path / "b.tif"])
    assert run() == first
    (tmp_path / "b.tif").write_bytes(b"changed")
    assert run() != first
    (tmp_path / "b.tif").unlink()
    assert fingerprint_tiles.main(["--executor_input", json.dumps(executor_input)]) == 2
    executor_input["inputs"]["parameterValues"]["data_root"] = 'a "quoted" folder'
    assert fingerprint_tiles.main(["--executor_input", json.dumps(executor_input)]) == 2


def model(folder: Path, classes: str, weights: str = "w") -> Path:
    assets = folder / "Format-Serving" / "assets.extra"
    assets.mkdir(parents=True)
    contract = {"classes": classes, "provenance": {"config_hash": weights}}
    (assets / CONTRACT_FILE).write_text(json.dumps(contract))
    (folder / "weights").write_text(weights)
    return folder


def test_the_latest_comparable_model_is_found_and_never_the_own_one(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    candidate = model(tmp_path / "candidate", "roof,lawn")

    def found() -> str:
        return latest.find(memory, "tfx.Model", "s3://b/candidate", candidate)

    assert found() == latest.NONE
    latest.remember(memory, "tfx.Model", "s3://b/1", model(tmp_path / "1", "roof,lawn", "one"))
    first = found()
    latest.remember(memory, "tfx.Model", "s3://b/2", model(tmp_path / "2", "roof,lawn,water"))
    assert found() == first  # of other classes
    latest.remember(memory, "tfx.Model", "s3://b/candidate", candidate)
    assert found() == first  # itself
    latest.remember(memory, "tfx.Model", "s3://b/3", model(tmp_path / "3", "roof,lawn", "three"))
    assert found() != first
    latest.copy(memory, "tfx.Model", found(), tmp_path / "here")
    assert (tmp_path / "here" / "weights").read_text() == "three"
    latest.copy(memory, "tfx.Model", latest.NONE, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    assert len(list((memory / "tfx.Model").iterdir())) == latest.KEPT


def test_what_was_half_remembered_is_not_seen(tmp_path: Path) -> None:
    latest.remember(tmp_path, "tfx.Model", "s3://b/1", model(tmp_path / "1", "roof"))
    (kept,) = (tmp_path / "tfx.Model").iterdir()
    (kept / "record.json").unlink()
    assert latest.find(tmp_path, "tfx.Model", "s3://b/2", model(tmp_path / "2", "roof")) == latest.NONE


def test_an_earlier_artifact_that_is_not_there_is_left_out_and_types_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "s3" / "b" / "model" / "Format-Serving").mkdir(parents=True)
    executor_input = {
        "inputs": {
            "artifacts": {
                "model": {"artifacts": [{"uri": "s3://b/model"}]},
                "baseline_model": {"artifacts": [{"uri": "s3://b/none"}]},
            }
        },
        "outputs": {"artifacts": {"blessing": {"artifacts": [{"uri": "s3://b/out"}]}}, "outputFile": "/o"},
    }
    model_type = {"instanceSchema": "title: tfx.Model\n"}
    spec = {"artifacts": {"model": {"artifactType": model_type}, "baseline_model": {"artifactType": model_type}}}
    words = ["--json_serialized_invocation_args", "{}", "--json_serialized_inputs_spec_args", "{}"]
    asked = build_parser().parse_args([*words, "--artifact_base", str(tmp_path), "--optional_input", "baseline_model"])
    changed = localised(executor_input, spec, asked)
    assert changed["inputs"]["artifacts"] == {
        "model": {"artifacts": [{"uri": str(tmp_path / "s3" / "b" / "model"), "type": model_type}]}
    }
    assert changed["outputs"]["artifacts"]["blessing"]["artifacts"][0]["uri"] == str(tmp_path / "s3" / "b" / "out")
    assert executor_input["inputs"]["artifacts"]["model"]["artifacts"][0] == {"uri": "s3://b/model"}  # not changed
