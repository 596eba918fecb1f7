"""Every shipped configuration loads; every mistake gets one message with key, value and what was expected."""

from pathlib import Path

import pytest
import yaml

from components.errors import ConfigError, MissingFileError
from tfx_pipeline.load_config import load_config, shipped_configs

SMALL = {
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
