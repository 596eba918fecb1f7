"""The reference of keys says what the option classes say. Where one of them changed, one line writes the page anew:

EOSEG_RENEW_GOLDEN=1 .venv/bin/python -m pytest tests/tfx_pipeline/test_key_reference.py
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, PositiveInt, ValidationError

from components.errors import ConfigError
from components.options import Options
from tfx_pipeline.cli.main import main
from tfx_pipeline.config import Config
from tfx_pipeline.key_reference.keys import WRITTEN_ALSO, Key, all_sections, keys_at
from tfx_pipeline.key_reference.meanings import field_meanings, in_words_of_yaml
from tfx_pipeline.key_reference.page import PAGES, as_markdown
from tfx_pipeline.key_reference.type_words import default_words, type_words

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "configuration.md"


class Base(Options):
    """A base."""

    inherited: int = 1
    """From the base."""


class Below(Options):
    """What lies below."""

    depth: int = 3
    """How deep."""


class Sample(Base):
    """A class with every kind of field."""

    word: Literal["a", "b"] = "a"
    """Two
    lines: None."""
    bare: bool = True
    share: float = Field(default=0.5, ge=0, le=1)
    open_share: float = Field(default=0.5, ge=0, lt=1)
    odd_order: int = Field(default=1, lt=9, ge=1)
    count: PositiveInt | None = None
    size: int | None = 512
    pair: tuple[PositiveInt, PositiveInt] = (1, 2)
    names: tuple[str, ...] = Field(default=(), min_length=1)
    by_name: dict[str, float] = Field(default_factory=dict)
    either: Literal["none", "all"] | dict[str, Annotated[float, Field(ge=0)]] = "none"
    needed: str
    below: Below = Below()
    deeper: Below = Below(depth=9)


def key(path: str) -> Key:
    (found,) = [key for section in all_sections() for key in section.keys if key.path == path]
    return found


def test_the_page_is_what_the_option_classes_give() -> None:
    text = as_markdown()
    if os.environ.get("EOSEG_RENEW_GOLDEN"):
        PAGE.write_text(text, encoding="utf-8")
    ours, theirs = text.splitlines(), PAGE.read_text(encoding="utf-8").splitlines()
    different = next((pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), None)
    assert ours == theirs, f"an option changed: see this test's first lines for how to renew the page; {different}"


def test_every_row_of_a_table_is_one_line() -> None:
    assert [line for line in as_markdown().splitlines() if line.startswith("|") != line.endswith("|")] == []


def test_every_key_has_type_default_and_meaning() -> None:
    empty = [
        entry.path
        for section in all_sections()
        for entry in section.keys
        if not (entry.type.strip() and entry.default.strip("` ") and entry.meaning.strip())
    ]
    assert not empty, "these keys need a text below their field"


def test_every_field_that_can_be_set_is_listed() -> None:
    # Not by the walk that is tested: by what pydantic says are the keys.
    def names(schema: Any) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(names, schema))
        if not isinstance(schema, dict):
            return set()
        return set(schema.get("properties", ())) | names(list(schema.values()))

    listed = {re.sub(r"\[\]|\.NAME$", "", entry.path).split(".")[-1] for s in all_sections() for entry in s.keys}
    assert names(Config.model_json_schema()) == listed


def test_forms_that_are_written_down_are_of_keys_that_there_are() -> None:
    assert set(WRITTEN_ALSO) <= {entry.path for section in all_sections() for entry in section.keys}


def test_pages_that_sections_point_to_are_there() -> None:
    assert {page for page in PAGES.values() if not (DOCS / page).is_file()} == set()
    assert set(PAGES) <= {section.path for section in all_sections()}


def test_links_within_the_page_lead_to_a_heading() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = [heading.lower() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    anchors = [re.sub(r"[^a-z0-9_ -]", "", heading).replace(" ", "-") for heading in headings]
    assert set(re.findall(r"\(#([^)]*)\)", text)) <= set(anchors)
    assert len(set(anchors)) == len(anchors)


def test_meanings_are_the_texts_below_the_fields_of_bases_too() -> None:
    assert field_meanings(Sample) == {"inherited": "From the base.", "word": "Two lines: `null`."}


def test_python_words_become_those_of_yaml_outside_of_code() -> None:
    assert in_words_of_yaml("None or True, not `None`; False; Nonesuch") == (
        "`null` or `true`, not `None`; `false`; Nonesuch"
    )


@pytest.mark.parametrize(
    ("field", "words", "default"),
    [
        ("word", "`a` or `b`", "`a`"),
        ("bare", "`true` or `false`", "`true`"),
        ("share", "number, 0 to 1", "`0.5`"),
        ("open_share", "number at least 0 and below 1", "`0.5`"),
        ("odd_order", "whole number at least 1 and below 9", "`1`"),
        ("count", "whole number above 0", "`null`"),
        ("size", "whole number, or `null`", "`512`"),
        ("pair", "list of 2 whole numbers above 0", "`[1, 2]`"),
        ("names", "list of text, not empty", "`[]`"),
        ("by_name", "mapping of name to number", "`{}`"),
        ("either", "`none` or `all`, or mapping of name to number at least 0", "`none`"),
        ("needed", "text", "required"),
        ("below", "mapping", "see below"),
        ("deeper", "mapping", "`{depth: 9}`"),
    ],
)
def test_a_type_is_said_in_words_and_a_default_in_yaml(field: str, words: str, default: str) -> None:
    info = Sample.model_fields[field]
    assert (type_words(info), default_words(info)) == (words, default)


def test_paths_show_lists_names_and_forms() -> None:
    assert key("classes[].color").type == "list of 3 whole numbers"
    assert key("data.bands.NAME.number").default == "`null`"
    assert key("labels").default == "`{kind: colors}`"
    assert "labels (kind: index)" in [section.title for section in all_sections()]


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "dice", "lovasz", {"dice": 1}])
def test_the_loss_is_taken_in_the_forms_that_the_page_names(loss: str | dict[str, int]) -> None:
    assert isinstance(loss, dict) or loss in key("training.loss").type
    Config.model_fields["training"].annotation.model_validate({"loss": loss})  # type: ignore[union-attr]
    with pytest.raises(ValidationError):
        Config.model_fields["training"].annotation.model_validate({"loss": f"{loss}x"})  # type: ignore[union-attr]


def test_keys_of_one_section_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "--keys", "training.loss"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("training.loss: mapping, or one of cross_entropy,")
    assert "training.loss.dice: number at least 0; default 0.0" in lines
    assert "    Weight of the soft Dice loss." in lines
    assert not any(line.startswith(("training.steps", "tuning")) for line in lines)


def test_without_a_section_all_keys_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "--keys"]) == 0
    out = capsys.readouterr().out
    assert {line.split(":")[0] for line in out.splitlines() if line[0] != " "} == {
        entry.path for section in all_sections() for entry in section.keys
    }


def test_an_unknown_key_is_answered_with_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "--keys", "training.batchsize"]) == 2
    assert "training.batch_size" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no key is called train"):
        keys_at("train")  # not `training`


def test_keys_are_listed_without_tensorflow() -> None:
    code = "import sys; from tfx_pipeline.cli.main import main; main(['configs', '--keys']); "
    code += "print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
