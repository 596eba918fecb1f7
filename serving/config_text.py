"""Text-format protobuf files of the model server: read, parsed, and their faults named by file, line and column."""

from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import text_format
from pydantic import ValidationError

from components.errors import ConfigError, MissingFileError
from components.options import Options

Validated = TypeVar("Validated", bound=Options)


def read_config_text(path: str | Path, what: str = "a config file of the server") -> str:
    """The text of a config file.

    Args:
        path: The file.
        what: What it should have been, for the error message.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: If it cannot be read as text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingFileError(f"{path} does not exist", what, "correct the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", f"{what}, in UTF-8", "correct the path") from error


def parse_message(text: str, message: Any, source: str, example: str, *, secret: bool = False) -> Any:
    """The protobuf message that a text stands for.

    Args:
        text: In protobuf's text format.
        message: An empty message of the wanted type; it is filled and returned.
        source: What to call the text in an error message, usually the file's path.
        example: A right text, for the error message.
        secret: The text holds a key: the error says where, and quotes nothing.

    Raises:
        ConfigError: With file, line and column, if the text is no such message.
    """
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        place = f"line {line}, column {column}: " if line is not None else ""
        what = "cannot be parsed" if secret else str(error).removeprefix(f"{line}:{column} : ")
        raise ConfigError(
            # The stock server's own words, so that one search finds both.
            f"Invalid protobuf file: '{source}': {place}{what}",
            f"a text-format {message.DESCRIPTOR.full_name} message",
            f"write it as for instance: {example}",
        ) from (None if secret else error)


def validated(kind: type[Validated], source: str, /, **values: Any) -> Validated:
    """Options made from what a file says; a value's text never stands in the error, for it may be a key.

    Raises:
        ConfigError: Naming the file and every value that is wrong.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}".removeprefix(": Value error, ")
            for detail in error.errors(include_input=False)
        )
        raise ConfigError(f"{source}: {reasons}", "values as docs/serving.md lists them", "correct them") from None
