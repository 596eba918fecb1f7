"""What the figures of a model card say against the model, in sentences; nothing is said that no figure shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LOW_IOU = 0.3
"""Below it, a class is wrong more often than right: 0.3 of IoU is an F1 of 2 * 0.3 / 1.3 = 0.46."""
MUCH_VOID = 0.05
"""Share of the evaluated split's label pixels without a class from which on the card says so."""
RARE_SHARE = 0.01
"""Share of the training truth below which a class is called rare."""
FEW_UNITS = 10
"""Tiles or blocks below which a bootstrap interval is too narrow (`components.evaluation.bootstrap`)."""
MISCALIBRATED = 0.1
"""Expected calibration error above which a confidence is not to be read as a probability."""
VIEWS_APART = 0.05
"""Difference of the two views' mean IoU that is worth a word."""
WIDE_SPREAD = 0.2
"""Difference between the best and the worst tile's mean IoU that is worth a word."""


@dataclass(frozen=True)
class Limit:
    """A limit: a code for programs and a sentence for people."""

    code: str
    text: str


def known_limits(card: Mapping[str, Any]) -> list[Limit]:
    """The limits of a model that its card's own figures show.

    Args:
        card: As `components.publishing.model_card.model_card` makes it, absent figures null.
    """
    return [*_of_views(card), *_of_classes(card), *_of_data(card), *_of_intervals(card), *_of_confidence(card)]


def _of_views(card: Mapping[str, Any]) -> Iterator[Limit]:
    patches, tiles = card.get("patches"), card.get("tiles")
    split = card["data"]["evaluated_split"]
    if patches is None and tiles is None:
        yield Limit("not-evaluated", "No evaluation is known: nothing is said about how good this model is.")
        return
    if tiles is None:
        yield Limit(
            "no-whole-tiles",
            "It was scored on patches alone. A map, which blends overlapping patches, may be better or worse.",
        )
    if split != "test":
        yield Limit(
            "no-test-split",
            f"The figures are of the {split} split, which the training looks at as well; no split was kept back.",
        )
    of_patches, of_tiles = _value(patches, "mean_iou"), _value(tiles, "mean_iou")
    if of_patches is not None and of_tiles is not None and abs(of_patches - of_tiles) > VIEWS_APART:
        yield Limit(
            "views-apart",
            f"Patches and whole tiles differ: mean IoU {of_patches:.3f} against {of_tiles:.3f}. What users get is "
            "the second.",
        )
    by_tile = {name: value for name, value in ((tiles or {}).get("by_tile") or {}).items() if value is not None}
    if by_tile:
        worst, best = min(by_tile, key=by_tile.__getitem__), max(by_tile, key=by_tile.__getitem__)
        if by_tile[best] - by_tile[worst] > WIDE_SPREAD:
            yield Limit(
                "uneven-tiles",
                f"Tiles differ: mean IoU is {by_tile[worst]:.3f} on {worst} and {by_tile[best]:.3f} on {best}.",
            )


def _of_classes(card: Mapping[str, Any]) -> Iterator[Limit]:
    split = card["data"]["evaluated_split"]
    training = next((row for row in card["data"]["splits"] if row["split"] == "train"), None)
    known = sum(training["class_pixels"].values()) if training else 0
    ignored = set((card.get("tiles") or {}).get("ignored") or ())
    for entry in card["model"]["classes"]:
        name = entry["name"]
        views = {"patches": card.get("patches"), "whole tiles": card.get("tiles")}
        shares = [
            _value(view, f"truth_share/{name}")
            for label, view in views.items()
            if view is not None and not (label == "whole tiles" and name in ignored)
        ]
        if shares and not any(shares):
            yield Limit(
                "absent-class", f"{name} does not occur in the truth of the {split} split: no figure tells how well "
                "it is found.",
            )  # fmt: skip
        low = {label: _value(view, f"iou/{name}") for label, view in views.items()}
        shown = [f"{value:.3f} on {label}" for label, value in low.items() if value is not None and value < LOW_IOU]
        if shown and any(shares):
            yield Limit("low-iou", f"{name} is found badly: its IoU is {' and '.join(shown)}.")
        if training is None or not known:
            continue
        share = training["class_pixels"].get(name, 0) / known
        if share == 0:
            yield Limit("untrained-class", f"{name} does not occur in the training split: it was never learnt.")
        elif share < RARE_SHARE:
            yield Limit("rare-class", f"{name} is rare in the training split: {100 * share:.2f} % of its pixels.")


def _of_data(card: Mapping[str, Any]) -> Iterator[Limit]:
    split = card["data"]["evaluated_split"]
    evaluated = next((row for row in card["data"]["splits"] if row["split"] == split), None)
    if evaluated is not None:
        pixels = evaluated["void"] + sum(evaluated["class_pixels"].values())
        share = evaluated["void"] / pixels if pixels else 0.0
        if share > MUCH_VOID:
            yield Limit(
                "void",
                f"{100 * share:.1f} % of the {split} split's label pixels have no class; nothing is known of the "
                "model there.",
            )
    distances = card["model"]["ground_sample_distance_m"]
    if distances is None:
        yield Limit("no-ground-size", "The ground size of a pixel is not known: the imagery has no coordinate system.")
    else:
        low, high = distances
        shown = f"{low:.3g} m" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g} m"
        yield Limit("one-scale", f"It knows imagery of {shown} a pixel; at other ground sizes it was not tried.")


def _of_intervals(card: Mapping[str, Any]) -> Iterator[Limit]:
    for label, view in (("patches", card.get("patches")), ("whole tiles", card.get("tiles"))):
        found = ((view or {}).get("figures") or {}).get("mean_iou") or {}
        units = found.get("units")
        if units is None:
            continue
        if units < 2:
            yield Limit("one-unit", f"The figures on {label} come from one tile or block: there is no interval.")
        elif units < FEW_UNITS:
            yield Limit(
                "few-units",
                f"The intervals on {label} come from {units} tiles or blocks and are therefore too narrow.",
            )


def _of_confidence(card: Mapping[str, Any]) -> Iterator[Limit]:
    error = _value(card.get("tiles"), "expected_calibration_error")
    if error is not None and error > MISCALIBRATED:
        yield Limit(
            "miscalibrated",
            f"Confidences are not probabilities: they are off by {100 * error:.1f} percentage points on average.",
        )


def _value(view: Mapping[str, Any] | None, name: str) -> float | None:
    found = ((view or {}).get("figures") or {}).get(name)
    value: float | None = None if found is None else found["value"]
    return value
