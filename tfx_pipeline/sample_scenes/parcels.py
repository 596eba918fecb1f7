"""Who uses which ground: every block gets a use, and is split into the parcels that the use needs."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tfx_pipeline.sample_scenes.plan import Plan, Point, Polygon, centre, cut, long_axis
from tfx_pipeline.sample_scenes.spectra import Reflectance, tinted
from tfx_pipeline.sample_scenes.things import Frame

Use = Literal["houses", "town", "commerce", "flats", "park", "sport", "waste"]

# Hands of five, dealt from the middle of the canvas outward, so that a tile of a few blocks already has every class.
_HAND: tuple[tuple[Use, ...], ...] = (
    ("houses",),
    ("houses", "houses", "houses", "flats"),
    ("town",),
    ("commerce", "commerce", "town"),
    ("park", "sport", "waste", "flats"),
)


@dataclass(frozen=True)
class Cover:
    """What grows or lies on a parcel where nothing else does: two materials that noise mixes.

    Attributes:
        first, second: Reflectance, float32 (4,).
        balance: Noise level above which the second shows; 0 mixes half and half, 2 leaves almost only the first.
        softness: Width of the passage from one to the other, in the same unit.
        sealed: The first is impervious surface, not low vegetation.
        second_sealed: The same of the second.
        rows_m: Distance of mowing or crop rows along the parcel's frame; 0 for none.
    """

    first: Reflectance
    second: Reflectance
    balance: float
    softness: float = 0.8
    sealed: bool = False
    second_sealed: bool = False
    rows_m: float = 0.0


@dataclass(frozen=True)
class Parcel:
    """A piece of ground of one owner.

    Attributes:
        number: From 1, as in `Plot.owner`.
        use: What is built on it.
        polygon: Its plan outline, reaching to the middle of its streets.
        frame: Its middle; across points to its street.
        cover: What lies where nothing is built.
    """

    number: int
    use: Use
    polygon: Polygon
    frame: Frame
    cover: Cover


def deal_parcels(random: np.random.Generator, plan: Plan, blocks: tuple[Polygon, ...], middle: Point) -> list[Parcel]:
    """Gives every block a use and splits it into parcels.

    Args:
        random: Decides.
        plan: From the plan to the ground.
        blocks: Outlines on the plan.
        middle: Ground (row, col) of the canvas' middle; the blocks next to it differ most.
    """
    nearest_first = sorted(blocks, key=lambda block: math.dist(plan.to_ground(*centre(block)), middle))
    uses: list[Use] = []
    while len(uses) < len(blocks):
        hand = [options[int(random.integers(len(options)))] for options in _HAND]
        uses += [hand[i] for i in random.permutation(len(hand))]
    parcels: list[Parcel] = []
    for block, use in zip(nearest_first, uses, strict=False):
        for polygon, outward in _split(random, block, use):
            frame = plan.frame(centre(polygon), (outward[1], -outward[0]))
            parcels.append(
                Parcel(len(parcels) + 1, use, polygon, _facing(plan, polygon, outward, frame), _cover(random, use))
            )
    return parcels


def _facing(plan: Plan, polygon: Polygon, outward: Point, frame: Frame) -> Frame:
    """The frame turned by half if its across axis points away from the street."""
    place = centre(polygon)
    row, col = plan.to_ground(place[0] + outward[0], place[1] + outward[1])
    across = (row - frame.row_m) * math.cos(frame.angle) - (col - frame.col_m) * math.sin(frame.angle)
    return frame if across > 0 else Frame(frame.row_m, frame.col_m, frame.angle + math.pi)


def _split(random: np.random.Generator, block: Polygon, use: Use) -> list[tuple[Polygon, Point]]:
    """Parcels of a block, each with the plan direction to its street."""
    direction, length, breadth = long_axis(block)
    normal = (-direction[1], direction[0])
    if use == "commerce":
        return [(part, normal) for part in _slices(block, direction, length, random.uniform(58.0, 90.0), random)]
    if use != "houses":
        return [(block, normal)]
    if breadth < 44.0:
        halves: list[tuple[Polygon, Point]] = [(block, normal)]
    else:
        behind, before, _ = cut(block, centre(block), normal)
        halves = [(behind, (-normal[0], -normal[1])), (before, normal)]
    width_m = random.uniform(15.5, 21.0)
    lots = [(part, out) for half, out in halves if half for part in _slices(half, direction, length, width_m, random)]
    # Deep gardens are built on a second time, behind the first house.
    depth = breadth / len(halves)
    if depth < 42.0:
        return lots
    built_twice: list[tuple[Polygon, Point]] = []
    for lot, out in lots:
        middle = centre(lot)
        behind, before, _ = cut(lot, (middle[0] + 2 * out[0], middle[1] + 2 * out[1]), out)
        built_twice += [(part, out) for part in (behind, before) if part]
    return built_twice


def _slices(
    polygon: Polygon, direction: Point, length: float, width_m: float, random: np.random.Generator
) -> list[Polygon]:
    """Cuts a polygon across `direction` into about equal slices."""
    count = max(1, round(length / width_m))
    reaches = [p[0] * direction[0] + p[1] * direction[1] for p in polygon]
    low, slices, rest = min(reaches), [], polygon
    for i in range(1, count):
        reach = low + (i + random.uniform(-0.12, 0.12)) * length / count
        behind, rest, ends = cut(rest, (direction[0] * reach, direction[1] * reach), direction)
        if ends is not None:
            slices.append(behind)
        elif not rest:
            return [*slices, behind]
    return [*slices, rest]


# Hues of what grows vary more than those of these.
_GREY = ("asphalt", "worn asphalt", "concrete", "gravel", "paving")


def _cover(random: np.random.Generator, use: Use) -> Cover:
    def pick(*names: str) -> Reflectance:
        name = names[int(random.integers(len(names)))]
        return tinted(random, name, 0.12, 0.015 if name in _GREY else 0.05)

    chance = random.random()
    if use == "houses":
        if chance < 0.08:
            return Cover(pick("gravel", "paving"), pick("meadow", "lawn"), 1.0, 0.2, sealed=True)
        if chance < 0.20:
            return Cover(pick("dry grass"), pick("bare soil", "meadow"), 0.5, 1.2)
        rows_m = 1.1 if chance > 0.8 else 0.0
        return Cover(
            pick("lush grass", "lawn", "lawn", "meadow"), pick("dry grass", "meadow", "lawn"), 0.9, 1.2, rows_m=rows_m
        )
    if use == "town":
        second = pick("lawn", "meadow", "dry grass")
        return Cover(
            pick("paving", "asphalt", "worn asphalt", "gravel"), second, random.uniform(0.3, 1.1), 0.2, sealed=True
        )
    if use == "commerce":
        return Cover(
            pick("asphalt", "worn asphalt", "concrete", "worn asphalt"),
            pick("asphalt", "worn asphalt"),
            0.3,
            0.8,
            sealed=True,
            second_sealed=True,
        )
    if use == "flats":
        return Cover(pick("lawn", "meadow", "lush grass"), pick("dry grass", "meadow"), 0.6, 1.0)
    if use == "park":
        return Cover(pick("lush grass", "lawn", "meadow"), pick("meadow", "dry grass"), 0.4, 1.0)
    if use == "sport":
        return Cover(pick("lush grass", "lawn"), pick("meadow", "dry grass"), 1.1, 0.8, rows_m=5.5)
    if chance < 0.35:
        return Cover(
            pick("crop", "stubble"), pick("bare soil", "stubble", "meadow"), 0.9, 0.6, rows_m=random.uniform(1.2, 2.5)
        )
    return Cover(pick("bare soil", "sandy soil", "dark soil"), pick("dry grass", "meadow"), 0.3, 0.7)
