"""What pydantic found wrong in a configuration, in the keys and words of the person who wrote the file.

pydantic names the chosen form of a value as if it were a key (`labels.colors.tolerance`), reports every form that a
value did not fit, and speaks of Python's tuples. Here each mistake is one line with the keys as they stand in the file,
about the form that was meant.
"""

import difflib
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from components.options import Options
from tfx_pipeline.config import Config
from tfx_pipeline.key_reference.keys import WRITTEN_ALSO
from tfx_pipeline.key_reference.type_words import words_of

_OF_ANOTHER_KIND = {"tuple_type", "dict_type", "model_type", "model_attributes_type", "too_long"}
"""Types of pydantic's errors after which the type is said in words."""

_PLAIN_WORDS = (
    (re.compile(r"^Tuple\b"), "List"),
    (re.compile(r"^Dictionary\b"), "Mapping"),
    (re.compile(r" after validation\b"), ""),
)


def explained(errors: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> list[str]:
    """One line for each mistake: the key, what is wrong or expected, what was received.

    Args:
        errors: As `pydantic.ValidationError.errors()` gives them, of `Config`.
        document: What was validated, as it was written.
    """
    places = [(item, _follow(item["loc"], document)) for item in errors]
    lines = [_line(item, place) for item, place in places if not place.is_passed_over and not _follows(item, errors)]
    return list(dict.fromkeys(lines))


@dataclass
class _Place:
    """Where a mistake is.

    Attributes:
        type: What the value there can be.
        limits: On that type.
        given: What stands there in the document.
        names: The keys that lead there, as a user writes them.
        known: The keys of the options object around it.
        is_passed_over: The mistake is of a form that was not meant.
        is_of_no_form: The value is of none of the forms that it could have.
    """

    type: Any
    given: Any
    limits: Sequence[Any] = ()
    names: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    is_passed_over: bool = False
    is_of_no_form: bool = False

    @property
    def key(self) -> str:
        return ".".join(self.names) or "(whole file)"

    @property
    def expected(self) -> str:
        words = WRITTEN_ALSO.get(self.key) or words_of(self.type, self.limits)
        return "give " + re.sub(r"(^|\bor )(?=list|mapping|number|whole)", r"\1a ", words.replace("`", ""))


def _line(item: Mapping[str, Any], place: _Place) -> str:
    key, kind = place.key, item["type"]
    message = item["msg"].removeprefix("Value error, ")
    given = item["input"]
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(item["loc"][-1]), place.known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"  {key}: unknown key; {hint}known here: {', '.join(place.known)}"
    if kind == "missing" and not place.is_of_no_form:
        return f"  {key}: missing"
    if kind == "union_tag_not_found":
        return f"  {key}: say `{item['ctx']['discriminator'].strip(chr(39))}` too (received {given!r})"
    if kind == "union_tag_invalid":
        key, given = f"{key}.{item['ctx']['discriminator'].strip(chr(39))}", item["ctx"]["tag"]
        message = f"Input should be one of {item['ctx']['expected_tags']}"
    elif place.is_of_no_form:
        message, given = place.expected, place.given
    elif kind in _OF_ANOTHER_KIND:
        message = place.expected
    for words, plain in _PLAIN_WORDS:
        message = words.sub(plain, message)
    shown = "" if isinstance(given, dict | BaseModel) else f" (received {given!r})"
    return f"  {key}: {message}{shown}"


def _follows(item: Mapping[str, Any], errors: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is only too short because its entries are wrong, which pydantic reports as well."""
    at = item["loc"]
    return item["type"] == "too_short" and any(
        len(other["loc"]) > len(at) and other["loc"][: len(at)] == at for other in errors
    )


def _follow(location: Sequence[int | str], document: Mapping[str, Any]) -> _Place:
    """The place that pydantic's location means."""
    place, as_written = _Place(Config, document), True
    for part in location:
        forms = _forms(place.type)
        if len(forms) > 1:
            chosen = next((form for form in forms if _is_called(form, str(part))), None)
            # Of forms that a key tells apart pydantic reports one alone.
            if chosen is not None and not _is_tagged(chosen) and not _fits(place.given, chosen):
                place.is_passed_over = any(_fits(place.given, form) for form in forms)
                place.is_of_no_form = not place.is_passed_over
                return place
            place.type, place.limits = _bare(chosen), ()
            continue
        (kind,) = forms
        named: object = part
        if _is_options(kind):
            place.known = list(kind.model_fields)
            info = kind.model_fields.get(part)
            place.type, place.limits = (info.annotation, info.metadata) if info else (Any, ())
        elif get_origin(kind) is tuple:
            parts = get_args(kind)
            if len(parts) == 2 and parts[1] is Ellipsis:
                place.type, place.limits = parts[0], ()
            else:
                # What is missing in a list of two is said of the list.
                if int(part) >= len(parts) or not isinstance(place.given, list) or int(part) >= len(place.given):
                    place.is_of_no_form = True
                    return place
                place.type, place.limits = parts[int(part)], ()
            if isinstance(place.given, dict):  # a mapping that is kept as a list, such as `network.branches`
                named = list(place.given)[int(part)]
                _name(place, named)
                as_written = False
                continue
        elif get_origin(kind) is dict and part != "[key]":
            place.type, place.limits = get_args(kind)[1], ()
        if as_written and part != "[key]":
            _name(place, named)
    return place


def _name(place: _Place, key: Any) -> None:
    """Goes one key deeper into the document."""
    place.names.append(str(key))
    if isinstance(place.given, Mapping):
        place.given = place.given.get(key)
    elif isinstance(place.given, list) and isinstance(key, int) and key < len(place.given):
        place.given = place.given[key]
    else:
        place.given = None


def _forms(annotation: Any) -> list[Any]:
    """What a value can be, but for None."""
    bare = _bare(annotation)
    if get_origin(bare) in (Union, types.UnionType):
        return [form for form in get_args(bare) if form is not type(None)]
    return [bare]


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _is_options(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Options)


def _is_tagged(form: Any) -> bool:
    return _is_options(form) or (get_origin(form) is Annotated and any(isinstance(m, Tag) for m in form.__metadata__))


def _is_called(form: Any, name: str) -> bool:
    """Whether pydantic calls a form so: by its tag, its `kind` or its class, else by its Python type."""
    if get_origin(form) is Annotated:
        tags = [entry.tag for entry in form.__metadata__ if isinstance(entry, Tag)]
        return name in tags if tags else _is_called(_bare(form), name)
    if _is_options(form):
        kind = form.model_fields.get("kind")
        return name == (str(get_args(kind.annotation)[0]) if kind is not None else form.__name__)
    origin = get_origin(form)
    if origin is not None:
        return name.startswith({Literal: "literal[", dict: "dict[", tuple: "tuple["}.get(origin, "?"))
    return name in (form.__name__, f"constrained-{form.__name__}")


def _fits(given: Any, form: Any) -> bool:
    """Whether a value is of the kind of a form, right or wrong: a mapping, a list, a word, a number."""
    form = _bare(form)
    origin = get_origin(form)
    if origin is Literal:
        return any(type(given) is type(choice) for choice in get_args(form))
    if origin is dict or _is_options(form):
        return isinstance(given, Mapping)
    if origin is tuple:
        return isinstance(given, list)
    if form in (int, float):
        return isinstance(given, int | float) and not isinstance(given, bool)
    return isinstance(given, form)
