"""Which trees grow where."""

import numpy as np

from tfx_pipeline.sample_scenes.plan import Point
from tfx_pipeline.sample_scenes.plot import Plot
from tfx_pipeline.sample_scenes.things import Frame, Things, Tree

_SPECIES = (
    ("broadleaf", 0.30),
    ("bright broadleaf", 0.19),
    ("dark broadleaf", 0.17),
    ("conifer", 0.15),
    ("copper beech", 0.05),
    ("autumn", 0.06),
    ("thin crown", 0.08),
)

# Lower than this is a shrub, which the ISPRS classes count as low vegetation.
SHRUB_M = 2.0


def draw_species(random: np.random.Generator) -> str:
    """A random species, as rare as it is in towns."""
    weights = np.array([weight for _, weight in _SPECIES])
    return _SPECIES[int(random.choice(len(_SPECIES), p=weights / weights.sum()))][0]


def plant(
    random: np.random.Generator,
    number: int,
    plot: Plot,
    things: Things,
    radius_m: float,
    claim: float,
    species: str | None = None,
) -> None:
    """Plants a tree on free ground of a parcel, if there is any.

    Args:
        random: Decides where.
        number: The parcel.
        plot: Where there is room.
        things: Gets the tree.
        radius_m: Of the crown.
        claim: Share of the crown's width that no other trunk may stand in: below 1, crowns grow into each other.
        species: Of the tree; None draws one.
    """
    place = plot.spare_place(random, number)
    if place is None:
        return
    plant_at(random, place, things, radius_m, species=species)
    plot.claim(Frame(*place, 0.0), radius_m * claim, radius_m * claim)


def plant_at(
    random: np.random.Generator,
    place: Point,
    things: Things,
    radius_m: float,
    species: str | None = None,
    shrub: bool = False,
) -> None:
    """Plants a tree or a shrub at a ground place."""
    radius = float(min(max(radius_m, 0.4 if shrub else 1.1), 6.5))
    kind = draw_species(random) if species is None else species
    if shrub:
        height = random.uniform(0.6, 0.95) * SHRUB_M
    elif kind == "conifer":
        radius *= 0.75
        height = 2.5 + radius * random.uniform(2.4, 3.8)
    else:
        height = 1.8 + radius * random.uniform(1.35, 2.1)
    things.trees.append(Tree(*place, radius, float(height), kind))
