"""A model card as Markdown: Hugging Face's YAML header, then the sections of Mitchell et al. 2019.

Names and sentences that come from people are escaped: Markdown or HTML in them is shown, not interpreted.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from components.publishing.model_card_options import NOT_STATED
from components.publishing.model_card_text import NOT_KNOWN, bullets, facts, line, paragraph, table
from components.training.loss_options import TERMS

ABSENT = "absent"

_HUB_LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")

SUMMARY = (
    ("overall_accuracy", "Overall accuracy"),
    ("average_accuracy", "Average accuracy"),
    ("kappa", "Cohen's kappa"),
    ("mcc", "Matthews correlation"),
    ("mean_iou", "Mean IoU"),
    ("mean_f1", "Mean F1"),
    ("frequency_weighted_iou", "Frequency-weighted IoU"),
    ("eroded/mean_f1", "Mean F1, eroded boundaries"),
    ("mean_boundary_f1", "Mean boundary F1"),
    ("expected_calibration_error", "Expected calibration error (less is better)"),
)
_BY_CLASS = (("iou", "IoU"), ("f1", "F1"), ("precision", "Precision"), ("recall", "Recall"))


def as_markdown(card: Mapping[str, Any]) -> str:
    """The card as a Markdown file.

    Args:
        card: As `components.publishing.model_card.model_card` makes it.
    """
    sections = (
        ("Model details", _details(card)),
        ("Intended use", _use(card)),
        ("Factors", _factors(card)),
        ("Metrics", _metrics(card)),
        ("Evaluation data", _evaluation_data(card)),
        ("Training data", _training_data(card)),
        ("Quantitative analyses", _analyses(card)),
        ("Ethical considerations", iter([paragraph(card["stated"]["ethical_considerations"])])),
        ("Caveats and recommendations", _caveats(card)),
    )
    body = [f"# Model card: {line(card['name'])}"]
    for title, blocks in sections:
        body += [f"## {title}", *(block for block in blocks if block)]
    return f"---\n{_header(card)}---\n\n" + "\n\n".join(body) + "\n"


def _header(card: Mapping[str, Any]) -> str:
    """https://huggingface.co/docs/hub/model-cards, section model card metadata."""
    stated = card["stated"]["license"]
    license_id = stated.lower()
    header: dict[str, Any] = {}
    if stated != NOT_STATED:
        known = _HUB_LICENSE.fullmatch(license_id)
        header |= {"license": license_id} if known else {"license": "other", "license_name": stated}
    header |= {
        "library_name": "tf-keras",
        "pipeline_tag": "image-segmentation",
        "tags": ["earth-observation", "remote-sensing", "land-cover", "semantic-segmentation"],
    }
    results = [_result(card, view, label) for view, label in (("patches", "patches"), ("tiles", "whole tiles"))]
    if any(results):
        header["model-index"] = [{"name": card["name"], "results": [result for result in results if result]}]
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True)


def _result(card: Mapping[str, Any], view: str, label: str) -> dict[str, Any] | None:
    figures = (card[view] or {}).get("figures") or {}
    wanted = [(key, title) for key, title in SUMMARY if figures.get(key) and figures[key]["value"] is not None]
    if not wanted:
        return None
    pipeline = card["provenance"].get("pipeline") or card["name"]
    split = card["data"]["evaluated_split"]
    return {
        "task": {"type": "image-segmentation"},
        "dataset": {"name": f"{pipeline}, {label}", "type": pipeline, "split": split},
        "metrics": [
            {"type": key.replace("/", "_"), "name": title, "value": round(figures[key]["value"], 6)}
            for key, title in wanted
        ],
    }


def _details(card: Mapping[str, Any]) -> Iterator[str]:
    stated, model, origin = card["stated"], card["model"], card["provenance"]
    network, training, trained, code = model["network"], model["training"], model["trained"], origin.get("code") or {}
    yield facts(
        {
            "Name": card["name"],
            "Card written": card["created"],
            "Authors": ", ".join(stated["authors"]) or NOT_STATED,
            "License": stated["license"],
            "Contact": stated["contact"],
            "Kind": "semantic segmentation of Earth-observation imagery: one class for each pixel",
            "Network": _settings(network),
            "Training": _settings(training),
            "Loss": _loss(training),
            **({"Found by a search": _found(model["found_by_search"])} if model["found_by_search"] else {}),
            "Trained": None
            if trained is None
            else f"{trained['step']} steps in {trained['epochs']} epochs, {trained['seconds']:.0f} s; last loss "
            f"{_figure(trained['loss'])}",
            "Input": _input(model),
            "Pipeline": origin.get("pipeline"),
            "Data fingerprint": origin.get("data_fingerprint"),
            "Records fingerprint": origin.get("records_fingerprint"),
            "Configuration hash": origin.get("config_hash"),
            "Code": f"{code['kind']} {code['revision']}{', with uncommitted changes' if code.get('modified') else ''}"
            if code
            else None,
            "Packages": ", ".join(f"{name} {version}" for name, version in (origin.get("packages") or {}).items()),
        }
    )


def _input(model: Mapping[str, Any]) -> str | None:
    if model["patch_size"] is None:
        return None
    bands = ", ".join(model["bands"])
    scale = (
        "" if model["downsample"] == 1 else f", each pixel the mean of {model['downsample']} x {model['downsample']}"
    )
    return f"bands {bands} as {model['dtype']}, patches of {model['patch_size']} x {model['patch_size']} pixels{scale}"


def _use(card: Mapping[str, Any]) -> Iterator[str]:
    yield f"**Intended:** {paragraph(card['stated']['intended_use'])}"
    yield f"**Out of scope:** {paragraph(card['stated']['out_of_scope'])}"


def _factors(card: Mapping[str, Any]) -> Iterator[str]:
    model = card["model"]
    distances = model["ground_sample_distance_m"]
    ground = NOT_KNOWN if distances is None else " to ".join(dict.fromkeys(f"{side:.3g}" for side in distances)) + " m"
    yield facts(
        {
            "Classes": ", ".join(
                entry["name"] + ("" if entry["scored"] else " (not scored)") for entry in model["classes"]
            ),
            "Bands": ", ".join(model["bands"]),
            "Ground size of a pixel": ground,
        }
    )
    by_tile = (card["tiles"] or {}).get("by_tile") or {}
    known = {tile: value for tile, value in by_tile.items() if value is not None}
    if len(known) > 1:
        worst, best = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
        yield (
            f"Over the {len(known)} evaluated tiles, mean IoU runs from {known[worst]:.3f} ({line(worst)}) to "
            f"{known[best]:.3f} ({line(best)})."
        )


def _metrics(card: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "All figures come from one summed confusion matrix; a figure that is not defined is absent, not 0 or 1. IoU is "
        "intersection over union. Two views: patches, each scored by itself, and whole tiles, mapped as in production. "
        "In brackets: 95 % intervals by bootstrap over tiles or blocks."
    )
    gates = card["gates"]
    if gates is None:
        yield "No verdict of a gate is known."
    elif not gates:
        yield "No gate was configured: any model with a figure at all would have been pushed."
    else:
        yield "Gates that it had to pass:"
        yield table(
            ("Figure", "View", "Bound", "Value", "Verdict"),
            [
                (
                    gate["metric"] + (f" in {gate['slice']}" if gate.get("slice") else ""),
                    gate.get("view", "patches"),
                    gate["bound"],
                    _figure(gate["value"]),
                    "passed" if gate["passed"] else "failed",
                )
                for gate in gates
            ],
        )


def _evaluation_data(card: Mapping[str, Any]) -> Iterator[str]:
    split = card["data"]["evaluated_split"]
    yield f"The {line(split)} split, parted from the others by place on the ground."
    yield _split_table(card, [row for row in card["data"]["splits"] if row["split"] == split])


def _training_data(card: Mapping[str, Any]) -> Iterator[str]:
    split = card["data"]["evaluated_split"]
    yield _split_table(card, [row for row in card["data"]["splits"] if row["split"] != split])


def _split_table(card: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "Its class shares are not known."
    names = [entry["name"] for entry in card["model"]["classes"]] or list(rows[0]["class_pixels"])
    lines = []
    for row in rows:
        pixels = row["void"] + sum(row["class_pixels"].values())
        shares = [_percent(row["class_pixels"].get(name, 0), pixels) for name in names]
        lines.append((row["split"], row["tiles"], f"{pixels:,}", *shares, _percent(row["void"], pixels)))
    return table(("Split", "Tiles", "Label pixels", *names, "void"), lines)


def _analyses(card: Mapping[str, Any]) -> Iterator[str]:
    for key, title in (("patches", "Patches"), ("tiles", "Whole tiles")):
        view = card[key]
        if view is None:
            yield f"### {title}"
            yield "Not evaluated."
            continue
        figures = view["figures"]
        yield f"### {title}"
        yield table(("Figure", "Value"), [(name, _with_interval(figures[k])) for k, name in SUMMARY if figures.get(k)])
        columns = [(k, name) for k, name in _BY_CLASS]
        yield table(
            ("Class", *(name for _, name in columns), "Share of truth"),
            [
                (
                    entry["name"],
                    *(_with_interval(figures.get(f"{k}/{entry['name']}")) for k, _ in columns),
                    _share((figures.get(f"truth_share/{entry['name']}") or {}).get("value")),
                )
                for entry in card["model"]["classes"]
            ],
        )
    areas = (card["tiles"] or {}).get("areas")
    if areas:
        yield "### Areas"
        yield table(
            ("Class", "Mapped, ha", "Adjusted, ha", "95 % interval, ha"),
            [
                (name, _hectares(row["mapped_square_metres"]), _hectares(row["adjusted_square_metres"]),
                 f"{_hectares(row['low'])} to {_hectares(row['high'])}" if row["low"] is not None else "none")
                for name, row in areas["classes"].items()
            ],
        )  # fmt: skip
        yield line(f"Of the evaluated tiles. {areas['note']}")


def _caveats(card: Mapping[str, Any]) -> Iterator[str]:
    yield bullets("From the figures:", [limit["text"] for limit in card["limits"]])
    yield bullets("Stated:", card["stated"]["limits"]) or f"Stated: {NOT_STATED}."


def _settings(options: Mapping[str, Any] | None) -> str | None:
    if not options:
        return None
    plain = {key: value for key, value in options.items() if not isinstance(value, (dict, list)) and value is not None}
    return ", ".join(f"{key} {value}" for key, value in plain.items())


def _loss(training: Mapping[str, Any] | None) -> str | None:
    loss = (training or {}).get("loss") or {}
    return ", ".join(f"{term} {loss[term]}" for term in TERMS if loss.get(term))


def _found(settings: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{row['key']} {row['trained']} (configured: {row['configured']})" for row in settings)


def _figure(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.4f}"


def _with_interval(found: Mapping[str, Any] | None) -> str:
    if not found or found["value"] is None:
        return ABSENT
    low, high = found.get("low"), found.get("high")
    return f"{found['value']:.3f}" + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def _percent(part: int, whole: int) -> str:
    return _share(part / whole if whole else None)


def _share(value: float | None) -> str:
    return ABSENT if value is None else f"{100 * value:.2f} %"


def _hectares(square_metres: float | None) -> str:
    return NOT_KNOWN if square_metres is None else f"{square_metres / 1e4:,.4g}"
