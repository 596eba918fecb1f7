"""Whether a tile's, a split's or a date's bands lie where the others' do.

Distances are in pooled standard deviations of a band: sqrt((own^2 + others^2) / 2 + between^2), where `own` is the
standard deviation of the pixels inside the tile, `others` its median over the other tiles, and `between` the spread of
the other tiles' means (1.4826 times their median absolute deviation, so that an odd tile among them does little). One
unit is what a pixel of this tile may differ from one of another: a tile that alone holds a lake has a wide `own`.

A tile is compared with the median of the others' means; besides, all its means and deviations together must not be
several times larger or smaller than elsewhere, as they are in other units. A group (split, date) is compared with the
mean of all other tiles (splits: of ground blocks, where tiles are cut into them), and must also differ significantly:
groups of few tiles differ by what happens to lie in them. The difference of two group means has the standard error
sd * sqrt(1/n + 1/m), with sd the tiles' standard deviation within the groups; the difference must be `SIGNIFICANT`
times that.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.label_validation.facts import AreaFacts, TileFacts
from components.label_validation.findings import Finding, finding_of
from components.label_validation.options import ValidationOptions

LEAST_TILES = 3
"""Tiles that something is compared with, at least; of a group, at least two must be its own."""
ROBUST = 1.4826
SIGNIFICANT = 4.0


def check_band_drift(tiles: Sequence[TileFacts], options: ValidationOptions) -> list[Finding]:
    """`band-drift` of tiles, splits and dates; blank tiles are left out.

    A tile that has drifted is left out of the groups: it is found already.
    """
    usable = [facts for facts in tiles if facts.bands and not facts.is_blank]
    if len({len(facts.bands) for facts in usable}) != 1:
        return []
    means, stddevs = _moments(usable)
    findings: list[Finding] = []
    sound = []
    for i, facts in enumerate(usable):
        found = _tile_drift(i, facts, means, stddevs, options) if len(usable) > LEAST_TILES else []
        findings += found
        if not found:
            sound.append(facts)
    parts = [part for facts in sound for part in facts.parts if part.bands and not part.is_blank]
    findings += _group_drift("split", [part.source.split for part in parts], parts, options)
    findings += _group_drift("date", [facts.source.date[:10] for facts in sound], sound, options)
    return findings


def _moments(areas: Sequence[AreaFacts]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and standard deviations, `(areas, bands)`."""
    return (
        np.array([[band.mean for band in facts.bands] for facts in areas]),
        np.array([[band.stddev for band in facts.bands] for facts in areas]),
    )


def _pooled(
    own: NDArray[np.float64], others: NDArray[np.float64], means: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The unit of distance, `(bands,)`: from deviations `(tiles, bands)` of both sides, and the other side's means."""
    squares = (np.median(own**2, axis=0) + np.median(others**2, axis=0)) / 2
    if means is not None:
        squares = squares + (ROBUST * np.median(np.abs(means - np.median(means, axis=0)), axis=0)) ** 2
    unit: NDArray[np.float64] = np.maximum(np.sqrt(squares), 1e-12)
    return unit


def _tile_drift(
    i: int, facts: TileFacts, means: NDArray[np.float64], stddevs: NDArray[np.float64], options: ValidationOptions
) -> list[Finding]:
    others, spreads = np.delete(means, i, axis=0), np.delete(stddevs, i, axis=0)
    centre, spread = np.median(others, axis=0), np.median(spreads, axis=0)
    distances = np.abs(means[i] - centre) / _pooled(stddevs[[i]], spreads, others)
    scale = _common_scale(means[i], stddevs[i], centre, spread)
    if distances.max() <= options.max_band_drift and scale <= options.max_scale_ratio:
        return []
    listing = ", ".join(
        f"{facts.bands[j].name} {means[i, j]:.4g} (elsewhere {centre[j]:.4g})" for j in np.argsort(-distances)
    )
    far = f"up to {distances.max():.1f} standard deviations"
    if scale > options.max_scale_ratio:
        far += f"; means and deviations of all bands differ by a factor of at least {scale:.1f}"
    return [
        finding_of(
            "band-drift",
            facts.source,
            file=facts.source.all_rasters[facts.bands[int(distances.argmax())].rasters[0]],
            found=f"band means far from the other tiles': {listing}; {far}",
            expected=f"at most {options.max_band_drift:g} standard deviations (validation.max_band_drift) and a "
            f"common factor of {options.max_scale_ratio:g} (validation.max_scale_ratio)",
            remedy="check the tile's unit and scaling, its sensor, the order of its bands and undeclared nodata",
        )
    ]


def _common_scale(
    mean: NDArray[np.float64], stddev: NDArray[np.float64], centre: NDArray[np.float64], spread: NDArray[np.float64]
) -> float:
    """The factor by which mean and deviation of every band are larger, or smaller, than elsewhere; at least 1."""
    here, there = np.concatenate([np.abs(mean), stddev]), np.concatenate([np.abs(centre), spread])
    if here.min() <= 0 or there.min() <= 0:
        return 1.0
    ratios = here / there
    return max(float(ratios.min()), float(1 / ratios.max()), 1.0)


def _group_drift(
    kind: str, groups: Sequence[str], tiles: Sequence[AreaFacts], options: ValidationOptions
) -> list[Finding]:
    names = sorted({group for group in groups if group})
    if len(names) < 2:
        return []
    means, stddevs = _moments(tiles)
    are_cut = any(facts.source.whole_tile != facts.source.tile for facts in tiles)
    what = "ground blocks" if are_cut else "tiles"
    member_of = np.array(groups)
    # Two groups are one comparison, not two.
    compared = names[1:] if len(names) == 2 else names
    findings = []
    for name in compared:
        inside = member_of == name
        outside = (member_of != name) & (member_of != "")
        n, m = int(inside.sum()), int(outside.sum())
        if n < 2 or m < 2 or n + m <= LEAST_TILES:
            continue
        difference = means[inside].mean(axis=0) - means[outside].mean(axis=0)
        squares = sum(((means[g] - means[g].mean(axis=0)) ** 2).sum(axis=0) for g in (inside, outside))
        error = np.sqrt(squares / (n + m - 2) * (1 / n + 1 / m))
        distances = np.abs(difference) / _pooled(stddevs[inside], stddevs[outside])
        far = (distances > options.max_group_drift) & (np.abs(difference) > SIGNIFICANT * error)
        if not far.any():
            continue
        listing = ", ".join(
            f"{tiles[0].bands[j].name} {means[inside, j].mean():.4g} (elsewhere {means[outside, j].mean():.4g})"
            for j in np.nonzero(far)[0]
        )
        findings.append(
            finding_of(
                "band-drift",
                None,
                found=f"the {n} {what} of {kind} {name} have other band means than the {m} other {what}: {listing}; up "
                f"to {distances.max():.1f} standard deviations",
                expected=f"at most {options.max_group_drift:g} (validation.max_group_drift)",
                remedy="deal tiles of every sensor, season and date to every split, or bring them to one scale",
            )
        )
    return findings
