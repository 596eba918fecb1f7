from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.errors import ConfigError, MissingFileError
from serving.deploy.models_config import parse_models_config, read_models_config, render_models_config
from serving.served_model import ServedModel, VersionPolicy

policies = st.one_of(
    st.builds(VersionPolicy, num_versions=st.integers(1, 9)),
    st.just(VersionPolicy(kind="all")),
    st.builds(VersionPolicy, kind=st.just("specific"), versions=st.lists(st.integers(0, 2**62), min_size=1).map(tuple)),
)
models = st.builds(
    ServedModel,
    name=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8),
    base_path=st.sampled_from(["/models/eoseg", "s3://bucket/models"]),
    policy=policies,
    labels=st.dictionaries(st.sampled_from(["stable", "canary"]), st.integers(0, 99)),
)


@given(st.lists(models, unique_by=lambda model: model.name, max_size=4))
def test_text_comes_back_as_it_was_written(given_models: list[ServedModel]) -> None:
    assert parse_models_config(render_models_config(given_models) or "model_config_list {}") == tuple(given_models)


def test_a_config_as_the_documentation_shows_it() -> None:
    (model,) = parse_models_config(
        'model_config_list { config { name: "a" base_path: "/m/a" model_platform: "tensorflow"'
        " model_version_policy { specific { versions: 42 versions: 43 } }"
        ' version_labels { key: "canary" value: 43 } } }'
    )
    assert model.policy.aspired([1, 42, 99]) == {42}
    assert model.labels == {"canary": 43}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_config_list {\n  config {\n    nam: 3", "Invalid protobuf file: 'the models config': line 3, column 5"),
        ("", "Invalid ServerModelConfig"),
        ('model_config_list { config { name: "a" base_path: "relative" } }', "absolute path or URI"),
        (
            'model_config_list { config { name: "a" base_path: "/a" } config { name: "a" base_path: "/b" } }',
            "Illegal to list model a multiple times",
        ),
        ('model_config_list { config { name: "a" base_path: "/a" model_platform: "caffe" } }', "platform caffe"),
    ],
)
def test_a_config_that_cannot_be_served_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_models_config(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"models\.config does not exist"):
        read_models_config(tmp_path / "models.config")


@pytest.mark.parametrize("values", [{"kind": "specific"}, {"kind": "all", "versions": (1,)}, {"num_versions": 0}])
def test_contradicting_policies_are_refused(values: dict) -> None:
    with pytest.raises(ValidationError):
        VersionPolicy(**values)


@given(st.sets(st.integers(0, 100)), st.integers(1, 5))
def test_the_latest_policy_wants_the_highest(found: set[int], count: int) -> None:
    assert VersionPolicy(num_versions=count).aspired(found) == set(sorted(found)[-count:])
