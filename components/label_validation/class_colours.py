"""Whether a class looks in every tile as it does in the others: colours that contradict, and colours that collapse.

Every tile gives each of its classes a mean colour m (one number a band). A class's model is made of the means in the
other tiles: their mean mu, and as its scale s per band the standard deviation between tiles, widened by a quarter of
the standard deviation between pixels of a tile, so that two tiles that agree by chance do not make it narrow.

Contradiction: with D(k) = sqrt(mean over bands of ((m - mu_k) / s_k)^2), a class is far from its own model
(D(own) > `max_class_drift`) and close to that of another class k (D(k) < D(own) / 2, and D(k) < 2).

Agreement: p the classes' shares of the tile's sampled pixels, bars their weighted means, sigma the standard deviation
of the pixels of one class (here: in this tile), sums over classes and bands:

    slope = sum p (m - m_bar)/sigma_here (mu - mu_bar)/sigma  /  sum p ((mu - mu_bar)/sigma)^2

It is the slope of the tile's class colours against the others': 1 where classes differ as they do elsewhere, about 0
where the label has nothing to do with the image (shuffled, or of another tile). A common change of brightness or of
contrast cancels. A tile collapses where its slope is below `min_class_agreement` and far (two robust standard
deviations) below the other tiles' slopes, so that a data set whose colours say little in every tile gives no alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.classes import ClassTable
from components.label_validation.facts import TileFacts
from components.label_validation.findings import Finding, finding_of
from components.label_validation.options import ValidationOptions
from components.label_validation.tile_checks import check_shift

LEAST_PIXELS = 200
"""Sampled pixels of a class in a tile, for its mean to count."""
LEAST_TILES = 3
"""Other tiles that a model is made of."""
LEAST_SEPARATION = 0.05
"""Variance between classes that a tile of this composition has elsewhere, relative to the variance of pixels; with
less, a slope means nothing."""
NEAR = 2.0
"""How near another class's colours must be, in its own standard deviations."""
ROBUST = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""


@dataclass(frozen=True)
class _Colours:
    """Means `(tiles, classes, bands)`, NaN where a class is too small; pixel deviations alike; counts."""

    means: NDArray[np.float64]
    stddevs: NDArray[np.float64]
    counts: NDArray[np.float64]


def check_class_colours(tiles: Sequence[TileFacts], table: ClassTable, options: ValidationOptions) -> list[Finding]:
    """`class-colours-contradict` and `class-colours-collapse` of each tile against all others.

    Tiles without class colours, or with blank images, are left out. A tile that contradicts, or whose label is
    shifted, is not judged for collapse: one cause, one finding.
    """
    usable = [facts for facts in tiles if any(facts.classes) and not facts.is_blank]
    if len(usable) <= LEAST_TILES or len({len(facts.bands) for facts in usable}) != 1:
        return []
    colours = _colours_of(usable, len(table))
    findings: list[Finding] = []
    contradicting = set()
    for i, facts in enumerate(usable):
        found = _contradictions(i, facts, colours, table, options)
        findings += found
        if found:
            contradicting.add(i)
    slopes = np.array([_slope(i, colours) for i in range(len(usable))])
    for i, facts in enumerate(usable):
        if i not in contradicting and not check_shift(facts, options):
            findings += _collapse(i, facts, slopes, options)
    return findings


def _colours_of(tiles: Sequence[TileFacts], class_count: int) -> _Colours:
    bands = len(tiles[0].bands)
    means = np.full((len(tiles), class_count, bands), np.nan)
    stddevs = np.full_like(means, np.nan)
    counts = np.zeros((len(tiles), class_count))
    for i, facts in enumerate(tiles):
        for k, colour in enumerate(facts.classes):
            if colour is not None and colour.pixels >= LEAST_PIXELS:
                means[i, k], stddevs[i, k], counts[i, k] = colour.mean, colour.stddev, colour.pixels
    return _Colours(means, stddevs, counts)


def _model(i: int, colours: _Colours) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of all tiles but `i`: mean colours `(classes, bands)`, their scale, and the variance of pixels `(bands,)`.

    Classes with too few other tiles are NaN.
    """
    others = np.arange(len(colours.means)) != i
    means, stddevs = colours.means[others], colours.stddevs[others]
    known = ~np.isnan(means)
    count = known.sum(axis=0)
    total = np.where(known, means, 0).sum(axis=0)
    mean = np.where(count >= LEAST_TILES, total / np.maximum(count, 1), np.nan)
    between = np.where(known, (means - mean) ** 2, 0).sum(axis=0) / np.maximum(count - 1, 1)
    # The median: pixels of a label that is wrong are a mixture, and would widen everybody's deviations.
    within = np.array(
        [np.median(stddevs[known[:, k, 0], k] ** 2, axis=0) if count[k].any() else count[k] * np.nan
         for k in range(means.shape[1])]
    )  # fmt: skip
    usable = ~np.isnan(mean).any(axis=1)
    pixels = within[usable].mean(axis=0) if usable.any() else np.ones(means.shape[-1])
    scale = np.sqrt(between + within / 16)
    return mean, np.maximum(scale, 1e-9), np.maximum(pixels, 1e-12)


def _contradictions(
    i: int, facts: TileFacts, colours: _Colours, table: ClassTable, options: ValidationOptions
) -> list[Finding]:
    mean, scale, _ = _model(i, colours)
    findings = []
    for k, name in enumerate(table.names):
        colour = colours.means[i, k]
        distances = np.sqrt((((colour - mean) / scale) ** 2).mean(axis=1))
        own = distances[k]
        if np.isnan(own) or own <= options.max_class_drift:
            continue
        distances[k] = np.nan
        if np.isnan(distances).all():
            continue
        like = int(np.nanargmin(distances))
        if distances[like] >= min(NEAR, own / 2):
            continue
        bands = ", ".join(
            f"{band.name} {here:.4g} (elsewhere {there:.4g})"
            for band, here, there in zip(facts.bands, colour, mean[k], strict=True)
        )
        findings.append(
            finding_of(
                "class-colours-contradict",
                facts.source,
                file=facts.source.label_files[0],
                found=f"{name} looks as {table.names[like]} does in the other tiles: {bands}; {own:.1f} standard "
                f"deviations from its own mean, {distances[like]:.1f} from that of {table.names[like]}",
                expected=f"at most {options.max_class_drift:g} from its own (validation.max_class_drift)",
                remedy="check whether classes are swapped in this label, or the image's bands in another order",
                at=_place(facts, k),
            )
        )
    return findings


def _place(facts: TileFacts, class_id: int) -> tuple[int, int] | None:
    colour = facts.classes[class_id]
    return None if colour is None else (colour.row, colour.col)


def _slope(i: int, colours: _Colours) -> float:
    """Slope of a tile's class colours against the other tiles'; NaN where they cannot say."""
    mean, _, variance = _model(i, colours)
    here = colours.means[i]
    usable = ~np.isnan(here).any(axis=1) & ~np.isnan(mean).any(axis=1)
    if np.count_nonzero(usable) < 2:
        return float("nan")
    share = (colours.counts[i, usable] / colours.counts[i, usable].sum())[:, None]
    here, there = here[usable], mean[usable]
    here = here - (share * here).sum(axis=0)
    there = there - (share * there).sum(axis=0)
    separation = float((share * there**2 / variance).sum(axis=0).mean())
    if separation < LEAST_SEPARATION:
        return float("nan")
    own = np.maximum((share * colours.stddevs[i, usable] ** 2).sum(axis=0), 1e-12)
    return float((share * here * there / np.sqrt(own * variance)).sum() / (share * there**2 / variance).sum())


def _collapse(i: int, facts: TileFacts, slopes: NDArray[np.float64], options: ValidationOptions) -> list[Finding]:
    others = np.delete(slopes, i)
    others = others[~np.isnan(others)]
    if np.isnan(slopes[i]) or len(others) < LEAST_TILES or slopes[i] >= options.min_class_agreement:
        return []
    median = float(np.median(others))
    spread = ROBUST * float(np.median(np.abs(others - median))) + 0.1
    if median - slopes[i] < 2 * spread:
        return []
    return [
        finding_of(
            "class-colours-collapse",
            facts.source,
            file=facts.source.label_files[0],
            found=f"the classes' colours do not differ here as they do in the other tiles: slope {slopes[i]:.2f}, "
            f"elsewhere {median:.2f} in the median",
            expected=f"at least {options.min_class_agreement:g} (validation.min_class_agreement)",
            remedy="check whether the label belongs to this image, and lies the right way round",
        )
    ]
