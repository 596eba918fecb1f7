"""What buildings are covered with: colours that suit the shape of the roof."""

import math

import numpy as np

from tfx_pipeline.sample_scenes.spectra import tinted
from tfx_pipeline.sample_scenes.things import Building, Wing

_PITCHED = (
    ("red tile", 0.30),
    ("orange tile", 0.12),
    ("brown tile", 0.17),
    ("old tile", 0.13),
    ("slate", 0.16),
    ("grey sheet", 0.09),
    ("green copper", 0.03),
)
_FLAT = (
    ("roof gravel", 0.34),
    ("bitumen", 0.22),
    ("grey sheet", 0.13),
    ("white membrane", 0.07),
    ("green roof", 0.12),
    ("sedum roof", 0.12),
)
_HALL = (
    ("bright metal", 0.20),
    ("white membrane", 0.10),
    ("roof gravel", 0.22),
    ("bitumen", 0.14),
    ("grey sheet", 0.16),
    ("blue metal", 0.06),
    ("sedum roof", 0.12),
)


def draw_building(
    random: np.random.Generator, wings: tuple[Wing, ...], *, chimneys: int | None = None, solar: bool = False
) -> Building:
    """A building under a pitched roof."""
    cover = _pick(random, _PITCHED)
    count = int(random.integers(0, 3)) if chimneys is None else chimneys
    skylights = int(random.integers(0, 5)) if count else 0
    if not solar:
        wings = (*wings, *(dormer for wing in wings[:1] for dormer in _dormers(random, wing)))
    return Building(wings, cover, tinted(random, cover, 0.16, 0.05), count, solar, skylights)


def _dormers(random: np.random.Generator, wing: Wing) -> list[Wing]:
    """Small gables across a steep roof, in a row on one or both sides."""
    if wing.roof != "gable" or wing.pitch < 0.6 or wing.width_m < 8 or random.random() < 0.5:
        return []
    count, wide = int(random.integers(1, 4)), random.uniform(1.6, 2.6)
    spacing = wing.length_m / (count + 1)
    if spacing < wide + 0.8:
        return []
    # They stand on the lower half of the slope; their own ridges stay below the main one.
    eaves_m = wing.eaves_m + wing.pitch * wing.width_m * 0.30
    sides = (-1.0, 1.0) if random.random() < 0.6 else (1.0,)
    return [
        Wing(
            wing.frame.shifted((i - (count - 1) / 2) * spacing, side * 0.22 * wing.width_m, math.pi / 2),
            0.34 * wing.width_m,
            wide,
            eaves_m,
            "gable",
            0.35,
        )
        for side in sides
        for i in range(count)
    ]


def flat_building(random: np.random.Generator, wings: tuple[Wing, ...], *, hall: bool = False) -> Building:
    """A building under a flat roof; halls have other covers than houses and garages."""
    cover = _pick(random, _HALL if hall else _FLAT)
    solar = hall and cover not in ("green roof", "sedum roof") and random.random() < 0.3
    area = sum(wing.length_m * wing.width_m for wing in wings)
    return Building(wings, cover, tinted(random, cover, 0.13, 0.03), 0, solar, int(random.poisson(min(area / 160, 14))))


def _pick(random: np.random.Generator, covers: tuple[tuple[str, float], ...]) -> str:
    weights = np.array([weight for _, weight in covers])
    return covers[int(random.choice(len(covers), p=weights / weights.sum()))][0]
