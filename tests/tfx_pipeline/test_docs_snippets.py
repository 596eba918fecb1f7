"""Every piece of configuration in the documentation is one that EOSeg takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import ConfigError
from tfx_pipeline.config import Config
from tfx_pipeline.data_options import DataOptions
from tfx_pipeline.load_config import load_config, read_yaml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

NAMES = ("building", "road", "ground", "structure", "roof", "lawn", "car")
"""Classes that snippets speak of without listing them."""

MINIMAL: dict[str, Any] = {
    "name": "snippet",
    "data": {
        "images": "{tile}.tif",
        "labels": "{tile}_label.tif",
        "bands": {"red": 1, "green": 2, "blue": 3},
        "splits": {"train": "rest", "eval": ["7"]},
    },
    "classes": [{"name": name, "color": [i + 1, 0, 0]} for i, name in enumerate(NAMES)],
}


def blocks(page: Path) -> list[tuple[int, str]]:
    """(line, text) of each fenced block of YAML."""
    text = page.read_text()
    found = re.finditer(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start()) + 2, match.group(1)) for match in found]


def is_of_kubernetes(document: dict[str, Any]) -> bool:
    return "apiVersion" in document


def completed(snippet: dict[str, Any]) -> dict[str, Any]:
    """The snippet with what it leaves out; keys below `data` may stand alone, as in docs/splits.md."""
    of_data = {key: value for key, value in snippet.items() if key not in Config.model_fields}
    assert set(of_data) <= set(DataOptions.model_fields), f"{sorted(of_data)} are no keys of a configuration"
    data = {**snippet.get("data", {}), **of_data}
    minimal = dict(MINIMAL["data"])
    if {"tiles", "list", "stac"} & set(data):
        minimal = {"bands": minimal["bands"]} | ({"splits": minimal["splits"]} if "tiles" in data else {})
    if "blocks" in data or any("split" in tile for tile in data.get("tiles", [])):
        minimal.pop("splits", None)
    kind = snippet.get("labels", {}).get("kind")
    if kind == "masks" and "labels" not in data:
        minimal["labels"] = {"building": "{tile}_building.tif"}
    if isinstance(data.get("labels"), dict) and kind is None:
        snippet = {**snippet, "labels": {"kind": "masks"}}
    if "{" not in str(data.get("labels", "{")) and kind is None:
        snippet = {**snippet, "labels": {"kind": "vectors", "attribute": "class"}}
    document = {**MINIMAL, **{key: value for key, value in snippet.items() if key in Config.model_fields}}
    return {**document, "data": {**minimal, **data}}


def load(text: str, folder: Path) -> Config:
    """The configuration that a snippet makes."""
    as_written = folder / "snippet.yaml"
    as_written.write_text(text)
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(completed(read_yaml(as_written))))
    return load_config(str(file))


SNIPPETS = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}:{line}")
    for page in PAGES
    for line, text in blocks(page)
    if not is_of_kubernetes(yaml.safe_load(text))
]


@pytest.mark.parametrize("text", SNIPPETS)
def test_a_snippet_loads(text: str, tmp_path: Path) -> None:
    load(text, tmp_path)


def test_snippets_are_found() -> None:
    assert len(SNIPPETS) >= 15
    assert {Path(str(case.id).split(":")[0]).name for case in SNIPPETS} >= {"data.md", "labels.md", "splits.md"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("splits: {train: rest, val: [a]}", "val"),
        ("labels: {kind: index}", "give either `first`"),
        ("patches: {sise: 3}", "unknown key"),
    ],
)
def test_a_wrong_snippet_does_not(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load(text, tmp_path)


def test_a_snippet_of_unknown_keys_or_with_one_key_twice_does_not(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no keys of a configuration"):
        load("splitz: {train: rest}", tmp_path)
    with pytest.raises(ConfigError, match="stands twice"):
        load("labels: {kind: colors}\nlabels: {kind: masks}", tmp_path)


def test_the_schema_in_the_documentation_is_one_of_tensorflow_metadata() -> None:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    page = (ROOT / "docs" / "statistics.md").read_text()
    (text,) = re.findall(r"^```proto\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    schema = text_format.Parse(text, schema_pb2.Schema())
    assert set(schema.default_environment) == {"TRAIN", "EVAL", "TEST"}
