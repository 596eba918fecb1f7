"""All keys of a configuration, walked from `tfx_pipeline.config.Config`."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from components.errors import ConfigError
from components.options import Options
from tfx_pipeline.config import Config
from tfx_pipeline.key_reference.meanings import class_meaning, field_meanings
from tfx_pipeline.key_reference.type_words import default_words, nested_options, type_words

WRITTEN_ALSO = {
    "training.loss": "mapping, or one of `cross_entropy`, `focal`, `dice` and `lovasz`",
    "network.branches": "mapping of name to list of text, or list of mappings",
}
"""Types of keys that a user writes in another form than the one they are kept in."""


@dataclass(frozen=True)
class Key:
    """One key of a configuration.

    Attributes:
        path: Dotted; `[]` stands for an entry of a list, `NAME` for a name that the user gives.
        type: In words, with its range.
        default: As YAML between backticks, or `required`, or `see below`.
        meaning: One or several sentences.
    """

    path: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Section:
    """The keys of one option class.

    Attributes:
        path: What leads to them; empty for the whole file.
        form: Which form of several it is, such as `kind: index`; mostly empty.
        about: The class's own words.
        keys: In the order of the class.
    """

    path: str
    form: str
    about: str
    keys: tuple[Key, ...]

    @property
    def title(self) -> str:
        """The path and the form."""
        return f"{self.path} ({self.form})" if self.form else self.path


def all_sections() -> tuple[Section, ...]:
    """Every section, parents before what lies in them, in the order of the option classes."""
    # Once where several forms share it, as `labels.ignore`.
    return tuple({(section.path, section.form): section for section in _sections(Config, "", "")}.values())


def keys_at(path: str) -> tuple[Section, ...]:
    """The sections with the keys at a path and below it; all for the empty path.

    Raises:
        ConfigError: If no key is called so.
    """
    sections = all_sections()
    if not path:
        return sections
    found = tuple(
        Section(section.path, section.form, section.about, keys)
        for section in sections
        for keys in [tuple(key for key in section.keys if _lies_at(key.path, path))]
        if keys
    )
    if not found:
        paths = [key.path for section in sections for key in section.keys]
        close = difflib.get_close_matches(path, paths, n=3)
        raise ConfigError(
            f"no key is called {path}",
            f"{' or '.join(close)}" if close else f"one of {', '.join(Config.model_fields)}",
            "correct the key; `eoseg configs --keys` prints all",
        )
    return found


def _lies_at(path: str, wanted: str) -> bool:
    return path == wanted or path.startswith((f"{wanted}.", f"{wanted}[]"))


def _sections(options: type[Options], path: str, form: str) -> Iterator[Section]:
    meanings = field_meanings(options)
    keys, below = [], []
    for name, field in sorted(options.model_fields.items(), key=lambda item: item[0] != "kind"):
        key = f"{path}.{name}".lstrip(".")
        nested = list(nested_options(field.annotation))
        meaning = meanings.get(name) or " ".join(" ".join(class_meaning(kind) for kind, _ in nested).split())
        keys.append(
            Key(key, WRITTEN_ALSO.get(key) or type_words(field), default_words(field), meaning.partition("\n\n")[0])
        )
        for kind, place in nested:
            below.append((kind, key + place, _form_of(kind) if len(nested) > 1 else ""))
    yield Section(path, form, class_meaning(options), tuple(keys))
    for kind, place, its_form in below:
        yield from _sections(kind, place, its_form)


def _form_of(options: type[Options]) -> str:
    (word,) = options.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
    return f"kind: {word}"
