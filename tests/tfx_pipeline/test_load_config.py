"""Every shipped configuration loads; every mistake gets one message with key, value and what was expected."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import ConfigError, MissingFileError
from tfx_pipeline.data_set import places_of
from tfx_pipeline.load_config import load_config, shipped_configs

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {
        "images": "{tile}.tif",
        "labels": "{tile}_label.tif",
        "bands": {"red": 1},
        "splits": {"train": "rest", "eval": ["1"]},
    },
    "classes": [{"name": "roof", "color": [255, 0, 0]}, {"name": "lawn", "color": [0, 255, 0]}],
}


def write(folder: Path, **changes: object) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**SMALL, **changes}))
    return str(path)


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_shipped_configurations_load_by_name(name: str) -> None:
    assert load_config(name).name == name.removesuffix(".yaml")


def test_the_vaihingen_split_is_the_one_deepnetsforeo_used() -> None:
    splits = load_config("isprs_vaihingen.yaml").data.splits
    assert splits["train"] == ("1", "3", "5", "7", "11", "13", "15", "17", "21", "23", "26", "28", "30")
    assert splits["eval"] == ("32", "34", "37")


def test_overrides_reach_any_key(tmp_path: Path) -> None:
    config = load_config(
        write(tmp_path), ["training.steps=7", "network.width=0.25", "patches={size: 64}"], workdir="/w"
    )
    assert (config.training.steps, config.network.width, config.patches.size) == (7, 0.25, 64)
    assert config.workdir == "/w"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.stepz=3", r"training\.stepz: unknown key; did you mean steps\?"),
        ("training.steps=many", r"training\.steps: .*integer.* \(received 'many'\)"),
        ("patches.stride=999", r"stride 999 leaves gaps"),
        ("evaluation.gates=[{metric: miou, at_least: 1}]", "unknown metric 'miou'"),
        ("classes=[{name: a, color: [1, 1, 1]}, {name: b, color: [1, 1, 1]}]", r"colour \[1, 1, 1\] stands twice"),
        ("name=", "name"),
        (
            "patches.min_class_share={raod: 0.1}",
            "min_class_share names 'raod', which is no class; classes are roof, lawn",
        ),
        ("labels={kind: colors, tolerence: 3}", r"  labels\.tolerence: unknown key; did you mean tolerance\?"),
        ("labels={kind: index}", r"  labels: give either `first`"),
        ("labels={tolerance: 3}", "labels: say `kind` too"),
        ("labels={kind: colors, ignore: {value: 7}}", r"there is no data\.ignore"),
        ("data.bands={red: [1]}", r"data\.bands\.red: a band is a number, an expression, or a mapping"),
        ("data.bands={red: {numbr: 1}}", r"data\.bands\.red\.numbr: unknown key; did you mean number\?"),
        ("data.splits={train: rest, eval: 5}", "eval is '5'; write a list of tile ids"),
        ("data.splits={train: rest, eval: {a: 1}}", "eval is '{'a': 1}'; write a list of tile ids"),
        ("artifacts=s3://bucket", r"artifacts: write a folder or s3://bucket/prefix \(received 's3://bucket'\)"),
        ("artifacts=az://bucket/runs", "artifacts: write a folder or s3://bucket/prefix"),
        ("training", "--set KEY.KEY=VALUE"),
        ("name.below=1", "not a mapping"),
    ],
)
def test_a_mistake_gets_a_message_that_names_key_and_value(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path), [override])


def test_files_that_are_missing_or_no_yaml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no configuration file"):
        load_config(str(tmp_path / "none.yaml"))
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(str(tmp_path / "bad.yaml"))
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="holds list"):
        load_config(str(tmp_path / "list.yaml"))


def test_a_mistake_in_a_band_is_reported_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path), ["data.bands={vv: {number: 1, despeckle: {size: 4}}}"])
    assert [line for line in str(caught.value).splitlines() if line.startswith("  data")] == [
        "  data.bands.vv.despeckle.size: a window of 4 px has no centre pixel; use an odd size of at least 3 "
        "(received 4)"
    ]


def test_blocks_that_hold_no_patch_are_refused(tmp_path: Path) -> None:
    data = {key: value for key, value in SMALL["data"].items() if key != "splits"}
    path = write(
        tmp_path, data={**data, "blocks": {"size_px": 128, "eval": [0]}}, patches={"size": 64, "downsample": 2}
    )
    assert load_config(path).data.blocks is not None
    with pytest.raises(ConfigError, match=r"a patch is 192 .*size_px 128 holds one.* 192"):
        load_config(path, ["patches.downsample=3"])
    # 128 - 2 * 10 = 108 < 64 * 2
    with pytest.raises(ConfigError, match=r"buffer_px 10 on both sides leaves 108 .*size_px at least 148"):
        load_config(path, ["data.blocks.buffer_px=10"])


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = Path(write(tmp_path))
    path.write_text(path.read_text() + "patches: {size: 64}\npatches: {stride: 32}\n")
    with pytest.raises(ConfigError, match="the key patches stands twice"):
        load_config(str(path))


def test_a_configuration_loads_without_tensorflow(tmp_path: Path) -> None:
    code = f"import sys; from tfx_pipeline.load_config import load_config; load_config({write(tmp_path)!r}); "
    code += "import tfx_pipeline.data_set; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_artifacts_go_where_the_configuration_says(tmp_path: Path) -> None:
    def root(*overrides: str) -> str:
        return places_of(load_config(write(tmp_path), overrides, workdir=str(tmp_path))).pipeline_root

    assert root() == f"{tmp_path}/artifacts"
    assert root("artifacts=s3://bucket/runs/") == "s3://bucket/runs"
    assert root(f"artifacts={tmp_path}/elsewhere") == f"{tmp_path}/elsewhere"
    assert root("artifacts=relative") == str(Path.cwd() / "relative")
