"""The street network: ground divided again and again by streets, each narrower than the one it branches from."""

import math
from dataclasses import dataclass

import numpy as np

from tfx_pipeline.sample_scenes.plan import Plan, Point, Polygon, area_m2, centre, cut, long_axis


@dataclass(frozen=True)
class Street:
    """A street on the plan: straight between its ends.

    Attributes:
        start, end: Centre line, in plan metres.
        half_width_m: Half the carriageway.
        pavement_m: Width of the pavement on each side.
        rank: 0 for the streets that were cut first.
    """

    start: Point
    end: Point
    half_width_m: float
    pavement_m: float
    rank: int

    @property
    def length_m(self) -> float:
        """Length of the centre line."""
        return math.dist(self.start, self.end)

    @property
    def heading(self) -> Point:
        """Unit vector from start to end."""
        length = max(self.length_m, 1e-9)
        return (self.end[0] - self.start[0]) / length, (self.end[1] - self.start[1]) / length

    def place(self, along_m: float, across_m: float) -> Point:
        """The plan place that far from the start and to the side."""
        u, v = self.heading
        return self.start[0] + along_m * u - across_m * v, self.start[1] + along_m * v + across_m * u

    def gap_m(self, place: Point) -> float:
        """Distance from a plan place to the edge of the carriageway; negative on it."""
        u, v = self.heading
        along = (place[0] - self.start[0]) * u + (place[1] - self.start[1]) * v
        nearest = self.place(min(max(along, 0.0), self.length_m), 0.0)
        return math.dist(place, nearest) - self.half_width_m


@dataclass(frozen=True)
class Network:
    """Streets, and the blocks that they leave, which reach to the centre lines of their streets."""

    streets: tuple[Street, ...]
    blocks: tuple[Polygon, ...]


def draw_network(random: np.random.Generator, plan: Plan, height_m: float, width_m: float) -> Network:
    """Divides the plan of the given ground into blocks.

    Args:
        random: Decides every cut.
        plan: Where the ground lies on the plan.
        height_m: Height of the ground to cover.
        width_m: Width of the ground to cover.
    """
    steps = np.linspace(0.0, 1.0, 9)
    rows, cols = np.meshgrid(steps * height_m, steps * width_m, indexing="ij")
    u, v = plan.to_plan(rows, cols)
    # The uneven margin hides where the town ends: else the first streets would lie symmetrically in each tile.
    low_u, low_v, high_u, high_v = random.uniform(15.0, 70.0, 4)
    whole: Polygon = (
        (float(u.min() - low_u), float(v.min() - low_v)),
        (float(u.min() - low_u), float(v.max() + high_v)),
        (float(u.max() + high_u), float(v.max() + high_v)),
        (float(u.max() + high_u), float(v.min() - low_v)),
    )
    streets: list[Street] = []
    blocks: list[Polygon] = []
    _divide(random, whole, 0, streets, blocks)
    return Network(tuple(streets), tuple(blocks))


def _divide(
    random: np.random.Generator, ground: Polygon, rank: int, streets: list[Street], blocks: list[Polygon]
) -> None:
    direction, length, breadth = long_axis(ground)
    if area_m2(ground) < random.uniform(7000.0, 12500.0) or length < 70.0 or breadth < 30.0:
        blocks.append(ground)
        return
    middle = centre(ground)
    offset = random.uniform(-0.16, 0.16) * length
    turn = random.normal(0.0, 0.22 if rank < 2 else 0.09)
    normal = (
        direction[0] * math.cos(turn) - direction[1] * math.sin(turn),
        direction[0] * math.sin(turn) + direction[1] * math.cos(turn),
    )
    place = (middle[0] + offset * direction[0], middle[1] + offset * direction[1])
    behind, before, ends = cut(ground, place, normal)
    if ends is None:
        blocks.append(ground)
        return
    half_width = {0: random.uniform(4.0, 5.2), 1: random.uniform(3.1, 4.0)}.get(rank, random.uniform(2.4, 3.2))
    pavement = {0: random.uniform(2.2, 3.2), 1: random.uniform(1.6, 2.4)}.get(rank, random.uniform(1.2, 2.0))
    streets.append(Street(ends[0], ends[1], half_width, pavement, rank))
    for part in (behind, before):
        _divide(random, part, rank + 1, streets, blocks)
