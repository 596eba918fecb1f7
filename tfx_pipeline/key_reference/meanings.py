"""What option classes say of themselves: the text below each field, and the class's own docstring.

Python keeps no docstrings of attributes, so they are read from the source.
"""

import ast
import inspect
import re
import sys
from collections.abc import Mapping
from functools import cache

from components.options import Options

_WORDS_OF_YAML = {"None": "`null`", "True": "`true`", "False": "`false`"}


def field_meanings(options: type[Options]) -> dict[str, str]:
    """The text below each field, of base classes too; fields without one are left out."""
    found: dict[str, str] = {}
    for owner in reversed(options.__mro__):
        if issubclass(owner, Options) and owner is not Options:
            found.update(_fields_by_class(owner.__module__).get(owner.__name__, {}))
    return found


def class_meaning(options: type[Options]) -> str:
    """The docstring of an option class, without what it raises."""
    return in_words_of_yaml(inspect.cleandoc(options.__doc__ or "").partition("\n\nRaises:")[0])


def in_words_of_yaml(text: str) -> str:
    """A docstring's text with Python's None, True and False as YAML writes them; code between backticks stays."""
    parts = text.split("`")
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"\b(None|True|False)\b", lambda match: _WORDS_OF_YAML[match[1]], parts[i])
    return "`".join(parts)


@cache
def _fields_by_class(module: str) -> Mapping[str, Mapping[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _texts_below_fields(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _texts_below_fields(node: ast.ClassDef) -> dict[str, str]:
    texts = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            texts[field.target.id] = in_words_of_yaml(" ".join(below.value.value.split()))
    return texts
