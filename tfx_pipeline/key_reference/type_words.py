"""A field's type and default in words, as a user writes them in YAML."""

import types
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from components.options import Options

REQUIRED = "required"

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_PLAIN = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}


def type_words(field: FieldInfo) -> str:
    """The type with its range: `number above 0`, `list of text`, or the words to choose from.

    That a key may be `null` is said where that is not its default.
    """
    words = words_of(field.annotation, field.metadata)
    optional = type(None) in get_args(field.annotation)
    return f"{words}, or `null`" if optional and field.default is not None else words


def default_words(field: FieldInfo) -> str:
    """The default as YAML; that of nested options is `see below`, or what differs from their own defaults."""
    if field.is_required():
        return REQUIRED
    default = field.get_default(call_default_factory=True)
    if not isinstance(default, Options):
        return as_yaml(to_jsonable_python(default))
    changed = default.model_dump(mode="json", exclude_defaults=True)
    if len(list(nested_options(field.annotation))) > 1:  # of several forms: which one
        changed = {"kind": default.model_dump()["kind"], **changed}
    return as_yaml(changed) if changed else "see below"


def as_yaml(value: Any) -> str:
    """A value in one line of YAML, between backticks."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


def nested_options(annotation: Any, place: str = "") -> Iterable[tuple[type[Options], str]]:
    """The option classes inside a type, each with where it lies below the key: as it is, in a list (`[]`), by name."""
    if isinstance(annotation, type) and issubclass(annotation, Options):
        yield annotation, place
        return
    below = {tuple: "[]", dict: ".NAME"}.get(get_origin(annotation), "")  # type: ignore[arg-type]
    for part in get_args(annotation):
        yield from nested_options(part, place + below)


def words_of(annotation: Any, limits: Iterable[Any] = (), several: bool = False) -> str:
    """A type in words.

    Args:
        annotation: Of a field, or of what lies in it.
        limits: pydantic's, on it.
        several: In the plural.
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return words_of(parts[0], _limits(parts[1:]), several)
    limits = list(limits)
    if origin in (Union, types.UnionType):
        either = [words_of(part, limits, several) for part in parts if part is not type(None)]
        return ", or ".join(either) if any(" or " in words for words in either) else _alternatives(either)
    if origin is Literal:
        return _alternatives([as_yaml(choice) for choice in parts])
    if origin is tuple:
        count = "" if parts[-1] is Ellipsis else f"{len(parts)} "
        return f"list of {count}{words_of(parts[0], several=True)}{_not_empty(limits)}"
    if origin is dict:
        name = "name" if parts[0] is str else words_of(parts[0])
        return f"mapping of {name} to {words_of(parts[1])}{_not_empty(limits)}"
    if isinstance(annotation, type) and issubclass(annotation, Options):
        return "mappings" if several else "mapping"
    words = _PLAIN[annotation]
    if several and words.endswith("number"):
        words += "s"
    return f"{words}{_not_empty(limits)}{_range(limits)}"


def _limits(metadata: Iterable[Any]) -> list[Any]:
    return [limit for entry in metadata for limit in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]


def _alternatives(words: Sequence[str]) -> str:
    different = list(dict.fromkeys(words))
    return " or ".join(filter(None, [", ".join(different[:-1]), different[-1]]))


def _not_empty(limits: Iterable[Any]) -> str:
    return ", not empty" if any(getattr(limit, "min_length", 0) for limit in limits) else ""


def _range(limits: Iterable[Any]) -> str:
    limits = list(limits)
    ends = {words: getattr(limit, name) for name, words in _BOUNDS.items() for limit in limits if hasattr(limit, name)}
    if set(ends) == {"at least", "at most"}:
        return f", {ends['at least']} to {ends['at most']}"
    return " and".join(f" {words} {end}" for words, end in ends.items())
