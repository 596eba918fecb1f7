"""The model card says what is known, says what is not, and shows people's words as they wrote them."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.classes import ClassTable, LandClass
from components.contract import ModelContract
from components.errors import PublishingError
from components.publishing.model_card import (
    CARD_JSON,
    CARD_MARKDOWN,
    CardEvidence,
    config_hash,
    model_card,
    read_model_card,
    write_model_card,
)
from components.publishing.model_card_markdown import as_markdown
from components.publishing.model_card_options import NOT_STATED, CardRequest, ModelCardOptions
from components.publishing.model_card_text import line

NASTY = 'lawn | <b>"x"</b> *y* `z` [a](b)'
TABLE = ClassTable(
    classes=(
        LandClass(name="roof", color=(255, 0, 0)),
        LandClass(name=NASTY, color=(0, 255, 0)),
        LandClass(name="lava", color=(0, 0, 255), scored=False),
    )
)
CONTRACT = ModelContract(
    patch_size=32, bands=("red", "nir"), dtype="uint16", table=TABLE, provenance={"config_hash": "k3y"}
)
CONFIG = {"network": {"name": "segnet", "width": 0.5}, "training": {"steps": 30}}


def interval(value: float, units: int = 12) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "units": units}


def view(roof: float, lawn: float, units: int = 12, **more: Any) -> dict[str, Any]:
    """Figures in which lava stands nowhere."""
    figures = {"mean_iou": interval((roof + lawn) / 2, units), "truth_share/lava": interval(0.0, units)}
    figures |= {f"iou/{name}": interval(v, units) for name, v in (("roof", roof), (NASTY, lawn), ("lava", math.nan))}
    figures |= {f"truth_share/{name}": interval(0.5, units) for name in ("roof", NASTY)}
    return {"figures": figures, "confusion": [[1, 0, 0], [0, 1, 0], [0, 0, 0]], **more}


def report_row(split: str, roof: int, lawn: int, void: int, side: float) -> dict[str, Any]:
    by_class = {"roof": roof, NASTY: lawn, "lava": 0}
    return {"split": split, "by_class": by_class, "void": void, "off_palette": 0, "pixel_size_m": [side, side]}


def evidence(**changes: Any) -> CardEvidence:
    known: dict[str, Any] = {
        "contract": CONTRACT,
        "provenance": {"data_fingerprint": "f1ng", "pipeline": "tiny"},
        "code": {"kind": "git", "revision": "abc", "modified": True},
        "patches": view(0.7, 0.5),
        "tiles": view(0.8, 0.6, ignored=[], slices={"tile/a": {"mean_iou": 0.9}, "tile/b": {"mean_iou": 0.4}}),
        "gates": [{"metric": "mean_iou", "bound": "at least 0.4", "value": 0.6, "passed": True, "reason": "fine"}],
        "label_report": {"tiles": [report_row("train", 995, 5, 0, 0.5), report_row("test", 50, 40, 10, 0.6)]},
        "history": [{"step": 30, "loss": 0.25, "seconds": 12.0}],
    }
    return CardEvidence(**{**known, **changes})


def card(request: CardRequest | None = None, **changes: Any) -> dict[str, Any]:
    return model_card("net", request or CardRequest(split="test", config=CONFIG), evidence(**changes), "2026-01-02")


def codes(document: dict[str, Any]) -> set[str]:
    return {limit["code"] for limit in document["limits"]}


def test_a_card_survives_json_and_reads_back(tmp_path: Path) -> None:
    document = card()
    write_model_card(tmp_path, document)
    assert read_model_card(tmp_path) == document
    assert document["patches"]["figures"]["iou/lava"]["value"] is None, "an absent figure is null"
    assert document["provenance"]["config_hash"] == config_hash(CONFIG)
    assert document["provenance"]["training_hash"] == "k3y"
    assert sorted(path.name for path in (tmp_path / "assets.extra").iterdir()) == ["model_card.json", "model_card.md"]


def test_a_version_without_a_card_has_none_and_a_damaged_card_is_named(tmp_path: Path) -> None:
    assert read_model_card(tmp_path) is None
    path = tmp_path / CARD_JSON
    path.parent.mkdir()
    for text in ("{", "[]", '{"format": "eoseg-model-card", "version": 99}'):
        path.write_text(text)
        with pytest.raises(PublishingError, match=re.escape(str(path))):
            read_model_card(tmp_path)


def test_what_nobody_stated_is_shown_as_not_stated_and_what_is_not_known_as_not_known() -> None:
    bare = model_card("net", CardRequest(split="eval"), CardEvidence(), "2026-01-02")
    text = as_markdown(bare)
    for title in ("Intended:", "Out of scope:", "License:", "Contact:", "Authors:"):
        assert f"**{title}** {NOT_STATED}" in text
    assert "**Data fingerprint:** not known" in text
    assert "license" not in yaml.safe_load(text.split("---\n")[1])
    assert codes(bare) == {"not-evaluated", "no-ground-size"}


def test_the_limits_follow_from_the_figures() -> None:
    found = codes(card())
    # lava: in no truth and never trained on; the nasty class: 5 of 1000 training pixels; 10 of 100 pixels void.
    assert found == {
        "absent-class",
        "untrained-class",
        "rare-class",
        "void",
        "one-scale",
        "views-apart",
        "uneven-tiles",
    }
    poor = view(0.8, 0.29, ignored=[])
    poor["figures"]["expected_calibration_error"] = interval(0.2)
    worse = card(CardRequest(split="eval"), patches=view(0.8, 0.29, units=3), tiles=poor)
    assert {"low-iou", "few-units", "no-test-split", "miscalibrated"} <= codes(worse)
    assert not {"views-apart", "uneven-tiles"} & codes(worse)
    assert {"one-unit", "no-whole-tiles"} <= codes(card(patches=view(0.7, 0.5, units=1), tiles=None))


@settings(deadline=None)
@given(st.floats(0, 1))
def test_a_class_is_called_badly_found_exactly_below_the_bound(iou: float) -> None:
    document = card(patches=view(0.9, iou), tiles=None)
    assert ("low-iou" in codes(document)) == (iou < 0.3)


def test_the_hubs_header_is_yaml_with_the_figures_and_a_known_or_named_licence() -> None:
    stated = ModelCardOptions(license="CC-BY-4.0")
    header = yaml.safe_load(as_markdown(card(CardRequest(stated=stated, split="test"))).split("---\n")[1])
    assert header["license"] == "cc-by-4.0"
    assert header["pipeline_tag"] == "image-segmentation"
    results = header["model-index"][0]["results"]
    assert [result["metrics"][0]["value"] for result in results] == [0.6, 0.7]
    stated = ModelCardOptions(license="Agency licence: see file")
    header = yaml.safe_load(as_markdown(card(CardRequest(stated=stated, split="test"))).split("---\n")[1])
    assert (header["license"], header["license_name"]) == ("other", "Agency licence: see file")


def rendered(markdown: str) -> Any:
    library = pytest.importorskip("markdown_it", reason="needs a Markdown parser as oracle")
    return library.MarkdownIt("commonmark", {"html": True}).enable("table")


def shown_text(markdown: str) -> tuple[str, set[str]]:
    """What a reader sees of one inline text, and the kinds of its tokens."""
    tokens = rendered(markdown).parseInline(markdown)[0].children
    return "".join(token.content for token in tokens), {token.type for token in tokens}


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    expected = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    seen, kinds = shown_text(line(text))
    assert seen == expected
    assert kinds <= {"text", "text_special"}


@settings(deadline=None)
@given(st.text(alphabet="#-+=1.)> *`|_~", min_size=1, max_size=12))
def test_no_text_begins_a_block(text: str) -> None:
    blocks = {token.type for token in rendered(line(text)).parse(line(text))}
    assert blocks <= {"paragraph_open", "inline", "paragraph_close"}


def test_people_cannot_put_markup_into_the_card() -> None:
    stated = ModelCardOptions(intended_use="# Title\n\n<script>x</script>", limits=("- a\n- b",), authors=(NASTY,))
    markdown = as_markdown(card(CardRequest(stated=stated, split="test"))).split("---\n", 2)[2]
    tokens = rendered(markdown).parse(markdown)
    inline = {child.type for token in tokens if token.children for child in token.children}
    assert not {"html_block"} & {token.type for token in tokens}
    assert not {"html_inline", "link_open", "em_open", "code_inline"} & inline
    assert rendered(markdown).render(markdown).count("<h1>") == 1, "the card's own title is the only one"


SEARCHED = {
    "network": {"name": "segnet", "width": 1.0},
    "training": {"learning_rate": 0.001, "loss": {"cross_entropy": 1.0, "lovasz": 0.0}},
    "tuning": {"trials": 8},
}
FOUND = {
    "network": {"name": "segnet", "width": 0.5},
    "training": {"learning_rate": 0.004, "loss": {"cross_entropy": 0.0, "lovasz": 1.0}},
}


def test_after_a_search_the_card_states_what_was_trained() -> None:
    document = card(CardRequest(split="test", config=SEARCHED), settings=FOUND)
    assert {part: document["model"][part] for part in FOUND} == FOUND
    assert document["model"]["found_by_search"] == [
        {"key": "network.width", "configured": 1.0, "trained": 0.5},
        {"key": "training.learning_rate", "configured": 0.001, "trained": 0.004},
        {"key": "training.loss.cross_entropy", "configured": 1.0, "trained": 0.0},
        {"key": "training.loss.lovasz", "configured": 0.0, "trained": 1.0},
    ]
    assert document["config"] == SEARCHED, "what was asked for stays what it is"
    text = rendered(as_markdown(document)).render(as_markdown(document))
    assert "<strong>Training:</strong> learning_rate 0.004<" in text
    assert "<strong>Loss:</strong> lovasz 1.0<" in text
    assert "network.width 0.5 (configured: 1.0), training.learning_rate 0.004 (configured: 0.001)" in text


def test_without_a_search_the_card_states_the_configuration() -> None:
    document = card(settings={part: SEARCHED[part] for part in FOUND}, request=CardRequest(split="test", config=FOUND))
    assert document["model"]["network"] == SEARCHED["network"], "the trainer has the last word"
    plain = card()
    assert (plain["model"]["network"], plain["model"]["training"]) == (CONFIG["network"], CONFIG["training"])
    assert plain["model"]["found_by_search"] == []
    assert "search" not in as_markdown(plain)


def test_a_searched_model_without_recorded_settings_claims_none() -> None:
    document = card(CardRequest(split="test", config=SEARCHED))
    assert (document["model"]["network"], document["model"]["training"]) == (None, None)
    assert "**Training:** not known" in as_markdown(document)


def test_that_there_was_a_search_is_part_of_the_configuration_in_a_card() -> None:
    assert CardRequest.of(ModelCardOptions(), "test", SEARCHED).config == SEARCHED


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError):
        ModelCardOptions.model_validate({"licence": "MIT"})
    with pytest.raises(ValidationError):
        ModelCardOptions(contact="  ")


def test_no_place_and_no_account_of_the_configuration_goes_into_a_card() -> None:
    config = {
        "name": "tiny",
        "workdir": "/secret/work",
        "metadata": {"kind": "mysql", "user": "secret", "password_env": "SECRET"},
        "data": {
            "root": "/secret/data",
            "images": "/secret/{tile}.tif",
            "bands": {"red": 1},
            "splits": {"test": ["a"]},
        },
        "labels": {"kind": "vectors", "grid_sizes": "/secret/sizes.csv", "attribute": "use"},
        "network": {"pretrained": "/secret/vgg16.h5"},
        "publish": {"model_base": "/secret/served"},
        "unheard_of": "secret",
        "sample_scenes": None,
    }
    request = CardRequest.of(ModelCardOptions(), "test", config)
    assert "secret" not in request.model_dump_json().lower()
    assert request.config == {
        "name": "tiny",
        "data": {"bands": {"red": 1}, "splits": {"test": ["a"]}},
        "labels": {"kind": "vectors", "attribute": "use"},
        "network": {"pretrained": "vgg16.h5"},
    }
    trained = {"network": {"pretrained": "/secret/vgg16.h5"}}
    assert "secret" not in json.dumps(card(request, settings=trained)).lower()
    assert card(request, settings=trained)["model"]["found_by_search"] == [], "a folder is no setting"


def test_a_card_that_says_the_same_is_not_written_again(tmp_path: Path) -> None:
    write_model_card(tmp_path, card())
    before = [(tmp_path / name).stat().st_ino for name in (CARD_JSON, CARD_MARKDOWN)]
    write_model_card(tmp_path, card())
    assert [(tmp_path / name).stat().st_ino for name in (CARD_JSON, CARD_MARKDOWN)] == before
    write_model_card(tmp_path, {**card(), "name": "other"})
    assert json.loads((tmp_path / CARD_JSON).read_text())["name"] == "other"
