"""A schema that a person curates: read and checked at once, and which of its environments a split is judged in."""

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import ConfigError, MissingFileError
from components.file_systems import load_file_system

SCHEMA_FILE = "schema.pbtxt"
INFERRED_SCHEMA_FILE = "inferred_schema.pbtxt"

ENVIRONMENTS = {
    "train": ("TRAIN", "TRAINING"),
    "eval": ("EVAL", "EVALUATION"),
    "test": ("TEST", "TESTING"),
}
"""Names of a split's environment in a schema, upper or lower case, the first that is declared."""


def read_schema_file(path: str) -> str:
    """The text of a curated schema, known to be one.

    The text, not the path, goes to the pipeline: TFX reuses a step by its parameters, and an edited file under the
    same path would go unnoticed.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: If it is no schema; the message names line and column.
    """
    load_file_system(path)
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise MissingFileError(
            f"statistics.schema_file: there is no file {path}",
            "a schema in protobuf text form",
            f"correct the path, or copy {INFERRED_SCHEMA_FILE} from the folder `statistics` of a run's working "
            "directory and curate it",
        )
    try:
        with tf.io.gfile.GFile(path) as file:
            text = str(file.read())
        schema = parse_schema(text)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"statistics.schema_file: {path} is no schema: {error}",
            "a tensorflow.metadata.v0.Schema in protobuf text form",
            "correct that line; docs/statistics.md has an example",
        ) from error
    if not schema.feature:
        raise ConfigError(
            f"statistics.schema_file: {path} describes no feature",
            "at least one `feature { name: ... }`",
            f"start from the {INFERRED_SCHEMA_FILE} of a run",
        )
    declared = set(schema.default_environment)
    for feature in schema.feature:
        unknown = (set(feature.in_environment) | set(feature.not_in_environment)) - declared
        if unknown:
            raise ConfigError(
                f"statistics.schema_file: {path}: feature {feature.name} names the environment "
                f"{', '.join(sorted(unknown))}, which the schema does not declare",
                f"one of {', '.join(sorted(declared)) or 'none: there is no default_environment'}",
                "add a line `default_environment: ...` at the top, or correct the name",
            )
    return text


def parse_schema(text: str) -> schema_pb2.Schema:
    """A schema from its text.

    Raises:
        text_format.ParseError: If it is none.
    """
    return text_format.Parse(text, schema_pb2.Schema())


def environment_of(split: str, schema: schema_pb2.Schema) -> str | None:
    """The environment that a split is judged in: the one named like it; None where the schema declares none."""
    declared = {name.upper(): name for name in reversed(schema.default_environment)}
    names = ENVIRONMENTS.get(split, (split.upper(),))
    return next((declared[name] for name in names if name in declared), None)
