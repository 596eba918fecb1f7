"""A curated schema: read, refused with a reason, its environments matched to splits."""

from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types.standard_artifacts import Schema

from components.data_statistics.component import ImportSchema
from components.data_statistics.curated_schema import SCHEMA_FILE, environment_of, read_schema_file
from components.errors import ConfigError, MissingFileError


@pytest.mark.parametrize(
    ("declared", "split", "expected"),
    [
        ((), "train", None),
        (("TRAINING", "SERVING"), "train", "TRAINING"),
        (("TRAINING", "SERVING"), "eval", None),
        (("training", "train"), "train", "train"),
        (("Testing",), "test", "Testing"),
        (("holdout",), "holdout", "holdout"),
    ],
)
def test_a_split_has_the_environment_named_like_it(declared: tuple[str, ...], split: str, expected: str | None) -> None:
    assert environment_of(split, schema_pb2.Schema(default_environment=declared)) == expected


def test_the_text_is_kept_with_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "my schema.pbtxt"
    path.write_text('# from the sensor\'s manual\nfeature { name: "x" type: FLOAT }\n')
    assert read_schema_file(str(path)) == path.read_text()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no file .*none\.pbtxt(.|\n)*inferred_schema\.pbtxt"):
        read_schema_file(str(tmp_path / "none.pbtxt"))
    with pytest.raises(MissingFileError):
        read_schema_file(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('feature {\n  nam: "x" }', r"no schema: 2:3 .*nam"),
        ("", "describes no feature"),
        (
            'default_environment: "TRAIN" feature { name: "x" not_in_environment: "EVAL" }',
            "x names the environment EVAL",
        ),
    ],
    ids=["misspelt", "empty", "undeclared environment"],
)
def test_what_is_no_schema_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_schema_file(str(path))
    assert str(path) in str(caught.value)


def test_the_imported_schema_is_the_curated_one_to_the_letter(tmp_path: Path) -> None:
    text = '# from the sensor\'s manual\nfeature { name: "x" type: FLOAT float_domain { max: 1 } }\n'
    artifact = Schema()
    artifact.uri = str(tmp_path / "artifact")
    ImportSchema.test_call(schema=artifact, text=text)
    assert [file.name for file in (tmp_path / "artifact").iterdir()] == [SCHEMA_FILE]
    assert (tmp_path / "artifact" / SCHEMA_FILE).read_text() == text
