"""A mistake in a configuration is told in the keys of the file, about the form that was meant, once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import ConfigError
from tfx_pipeline.load_config import load_config

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {
        "images": "{tile}.tif",
        "labels": "{tile}_label.tif",
        "bands": {"red": 1},
        "splits": {"train": "rest", "eval": ["1"]},
    },
    "classes": [{"name": "roof", "color": [255, 0, 0]}, {"name": "car", "color": [0, 255, 0]}],
}

WEIGHTS = "give median_frequency, effective_number or none, or a mapping of name to number at least 0"


def told(folder: Path, override: str) -> list[str]:
    """The lines about keys."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    with pytest.raises(ConfigError) as caught:
        load_config(str(path), [override])
    return [line.strip() for line in caught.value.problem.splitlines()[1:]]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        # Of several forms the one that was meant.
        (
            "training.class_weights={car: -1}",
            "training.class_weights.car: Input should be greater than or equal to 0 (received -1)",
        ),
        (
            "training.class_weights=median",
            "training.class_weights: Input should be 'median_frequency', 'effective_number' or 'none' "
            "(received 'median')",
        ),
        ("training.class_weights=null", f"training.class_weights: {WEIGHTS} (received None)"),
        ("training.class_weights=[1]", f"training.class_weights: {WEIGHTS} (received [1])"),
        ("data.labels={roof: 3}", "data.labels.roof: Input should be a valid string (received 3)"),
        ("data.labels=3", "data.labels: give text or a mapping of name to text (received 3)"),
        (
            "data.splits={train: rest, eval: [[2]]}",
            "data.splits.eval.0: Input should be a valid string (received [2])",
        ),
        (
            "labels={kind: colors, ignore: {value: dark}}",
            "labels.ignore.value: give a whole number or a list of whole numbers (received 'dark')",
        ),
        (
            "labels={kind: palette}",
            "labels.kind: Input should be one of 'colors', 'index', 'masks', 'vectors' (received 'palette')",
        ),
        (
            "training.loss=3",
            "training.loss: give a mapping, or one of cross_entropy, focal, dice and lovasz (received 3)",
        ),
        # Lists, not tuples.
        ("training.decay_at=0.5", "training.decay_at: give a list of numbers (received 0.5)"),
        (
            "network.classifier_kernels=3",
            "network.classifier_kernels: give a list of 1, 3, 5, 7 or 9, not empty (received 3)",
        ),
        (
            "network.classifier_kernels=[]",
            "network.classifier_kernels: List should have at least 1 item, not 0 (received [])",
        ),
        (
            "network.classifier_kernels=[4]",
            "network.classifier_kernels.0: Input should be 1, 3, 5, 7 or 9 (received 4)",
        ),
        ("tuning={learning_rate: 0.1}", "tuning.learning_rate: give a list of 2 numbers above 0 (received 0.1)"),
        ("tuning={learning_rate: [0.1]}", "tuning.learning_rate: give a list of 2 numbers above 0 (received [0.1])"),
        (
            "training.profile_steps=[1, 2, 3]",
            "training.profile_steps: give a list of 2 whole numbers above 0 (received [1, 2, 3])",
        ),
        (
            "training.profile_steps=[1, x]",
            "training.profile_steps.1: Input should be a valid integer, unable to parse string as an integer "
            "(received 'x')",
        ),
        ("data.bands={}", "data.bands: Mapping should have at least 1 item, not 0"),
        # A mapping that is kept as a list has its own names.
        (
            "network={fusion: fusenet, branches: {optical: red, height: [dsm]}}",
            "network.branches.optical: give a list of text, not empty (received 'red')",
        ),
        (
            "network={fusion: fusenet, branches: {optical: [red], Height: [dsm]}}",
            "network.branches.Height: String should match pattern '^[a-z][a-z0-9]*$' (received 'Height')",
        ),
        (
            "network={branches: [{name: a, bands: 3}]}",
            "network.branches.0.bands: give a list of text, not empty (received 3)",
        ),
        # Deep places.
        ("data.bands={red: {number: 0}}", "data.bands.red.number: Input should be greater than 0 (received 0)"),
        (
            "labels={kind: index, values: {dark: roof}}",
            "labels.values.dark: Input should be a valid integer, unable to parse string as an integer "
            "(received 'dark')",
        ),
        ("classes=[{name: roof}]", "classes.0.color: missing"),
        ("training=3", "training: give a mapping (received 3)"),
    ],
)
def test_a_mistake_is_one_line_about_the_form_that_was_meant(override: str, line: str, tmp_path: Path) -> None:
    assert told(tmp_path, override) == [line]


def test_several_mistakes_are_all_told(tmp_path: Path) -> None:
    assert told(tmp_path, "training={decay_at: 0.5, class_weights: {car: -1, roof: x}, stepz: 3}")[:3] == [
        "training.decay_at: give a list of numbers (received 0.5)",
        "training.class_weights.car: Input should be greater than or equal to 0 (received -1)",
        "training.class_weights.roof: Input should be a valid number, unable to parse string as a number "
        "(received 'x')",
    ]


def test_two_forms_of_one_mistake_are_told_once(tmp_path: Path) -> None:
    assert len(told(tmp_path, "labels={kind: colors, ignore: {value: {a: 1}}}")) == 1
