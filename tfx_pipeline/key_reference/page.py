"""The reference of keys for reading: a page of Markdown, and plain text for a terminal."""

import re
import textwrap
from collections.abc import Iterable

from tfx_pipeline.key_reference.keys import Key, Section, all_sections

_WIDTH = 100

PAGES = {
    "data": "data.md",
    "data.stac": "sources.md",
    "data.blocks": "splits.md",
    "data.bands.NAME": "formats.md",
    "classes[]": "labels.md",
    "labels": "labels.md",
    "validation": "validation.md",
    "statistics": "statistics.md",
    "patches": "data.md",
    "network": "networks.md",
    "training": "training.md",
    "tuning": "training.md",
    "evaluation": "evaluation.md",
    "publish": "versions.md",
    "publish.card": "model-card.md",
    "batching": "serving.md",
    "maps": "maps.md",
    "beam": "beam-runners.md",
    "metadata": "metadata.md",
    "kubeflow": "kubeflow.md",
}
"""Where more is said of a section, with examples."""

_INTRODUCTION = """\
# All keys of a configuration

A configuration is one YAML file. [data.md](data.md) is the place to start; this page lists every key. `eoseg configs
--keys training` prints the same of one section, `eoseg configs isprs_vaihingen.yaml` a whole file. The least that can
be trained on:

```yaml
name: mine
data:
  root: tiles
  images: "{tile}.tif"
  labels: "{tile}_label.png"
  bands: {red: 1, green: 2, blue: 3}
  splits: {train: rest, eval: ["7"]}
classes:
  - {name: building, color: [0, 0, 255]}
  - {name: ground, color: [255, 255, 255]}
```

Keys are written here with a point between the levels: `training.batch_size` is

    training:
      batch_size: 8

in the file, and `--set training.batch_size=8` on the command line. `[]` stands for an entry of a list, `NAME` for a
name that you choose. Only `name`, `data` and `classes` must be there; a **required** key below another one is required
where that one is given. A default that says "see below" is that of the keys below. `null` is YAML's word for no value.
A key that is not listed is refused.

This page is made by the program (`tests/tfx_pipeline/test_key_reference.py` says how): change the option classes, not
this file.
"""


def as_markdown() -> str:
    """The whole page."""
    sections = all_sections()
    contents = [f"[`{section.title}`](#{_anchor(section)})" for section in sections if _is_top(section)]
    parts = [_INTRODUCTION, "Sections: " + " · ".join(contents) + "\n"]
    return "\n".join([*parts, *(_section(section, sections) for section in sections)])


def as_text(sections: Iterable[Section]) -> str:
    """The keys for a terminal: two lines or more each."""
    return "\n".join(_entry(key) for section in sections for key in section.keys)


def _entry(key: Key) -> str:
    default = key.default if key.default == "required" else f"default {key.default.strip('`')}"
    head = f"{key.path}: {key.type.replace('`', '')}; {default}"
    return "\n".join([head, *textwrap.wrap(key.meaning, _WIDTH, initial_indent="    ", subsequent_indent="    ")])


def _is_top(section: Section) -> bool:
    return bool(section.path) and "." not in section.path


def _section(section: Section, sections: Iterable[Section]) -> str:
    lines = [_heading(section), ""]
    if section.about and section.path:
        lines += [section.about, ""]
    if section.path in PAGES:
        lines += [f"More: [{PAGES[section.path]}]({PAGES[section.path]}).", ""]
    lines += ["| key | type | default | means |", "|---|---|---|---|"]
    lines += [_row(key, sections) for key in section.keys]
    return "\n".join([*lines, ""])


def _heading(section: Section) -> str:
    level = "##" if not section.path or _is_top(section) else "###"
    return f"{level} `{section.title}`" if section.path else f"{level} The file"


def _row(key: Key, sections: Iterable[Section]) -> str:
    places = {f"{key.path}{place}" for place in ("", "[]", ".NAME")}
    below = next((section for section in sections if section.path in places), None)
    default = "**required**" if key.default == "required" else key.default
    type_ = key.type if below is None else f"{key.type} ([keys](#{_anchor(below)}))"
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in (f"`{key.path}`", type_, default, key.meaning)) + " |"


def _anchor(section: Section) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^a-z0-9_ -]", "", _heading(section).lstrip("# ").lower()).replace(" ", "-")
