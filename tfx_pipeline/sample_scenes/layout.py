"""What lies where in a scene, decided before anything is painted."""

import math
from dataclasses import dataclass

import numpy as np

from tfx_pipeline.sample_scenes.houses import settle_house
from tfx_pipeline.sample_scenes.open_ground import settle_park, settle_sport, settle_waste
from tfx_pipeline.sample_scenes.parcels import Parcel, deal_parcels
from tfx_pipeline.sample_scenes.plan import Plan
from tfx_pipeline.sample_scenes.plot import Plot
from tfx_pipeline.sample_scenes.quarters import settle_commerce, settle_flats, settle_town
from tfx_pipeline.sample_scenes.streets import Network, draw_network
from tfx_pipeline.sample_scenes.things import Frame, Hedge, Oddity, Things
from tfx_pipeline.sample_scenes.traffic import draw_vehicle, line_streets

# Ground beyond the canvas that the plan covers, so that blocks at the rim have their true shapes.
_BEYOND_M = 10.0


@dataclass(frozen=True)
class Layout:
    """The vectors of a scene, in ground metres from the canvas' upper left corner."""

    plan: Plan
    network: Network
    parcels: tuple[Parcel, ...]
    things: Things


def draw_layout(
    random: np.random.Generator, height_m: float, width_m: float, inner_m: tuple[float, float, float, float]
) -> Layout:
    """Decides a whole scene.

    Args:
        random: Decides.
        height_m: Height of the canvas on the ground.
        width_m: Width of the canvas on the ground.
        inner_m: (top, left, bottom, right) of the part that is delivered, which must show a car and some clutter if
            it is large enough for them.
    """
    plan = Plan.drawn(random)
    network = draw_network(random, plan, height_m, width_m)
    parcels = deal_parcels(random, plan, network.blocks, (height_m / 2, width_m / 2))
    plot = Plot(plan, network.streets, [parcel.polygon for parcel in parcels], height_m, width_m)
    things = Things()
    line_streets(random, plan, network, things)
    for parcel in parcels:
        # Parcels that the canvas shows less than a shed of are left as they are.
        if plot.area_m2(parcel.number) < 12:
            continue
        if parcel.use == "houses":
            settle_house(random, parcel, plot, things)
            _hedge(random, plan, parcel, plot, things)
        elif parcel.use == "town":
            settle_town(random, plan, parcel, plot, things)
        elif parcel.use == "commerce":
            settle_commerce(random, parcel, plot, things)
        elif parcel.use == "flats":
            settle_flats(random, parcel, plot, things)
        elif parcel.use == "park":
            settle_park(random, parcel, plot, things)
        elif parcel.use == "sport":
            settle_sport(random, parcel, plot, things)
        else:
            settle_waste(random, parcel, plot, things)
    _complete(random, things, inner_m)
    return Layout(plan, network, tuple(parcels), things)


def _hedge(random: np.random.Generator, plan: Plan, parcel: Parcel, plot: Plot, things: Things) -> None:
    """Hedges on some sides of a garden, in straight pieces that follow the bends."""
    height, width = random.uniform(0.9, 1.8), random.uniform(0.7, 1.2)
    corners = parcel.polygon
    for start, end in zip(corners, (*corners[1:], corners[0]), strict=True):
        length = math.dist(start, end)
        if random.random() > 0.4 or length < 3:
            continue
        heading = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
        pieces = max(1, round(length / 4.0))
        for piece in range(pieces):
            t = (piece + 0.5) / pieces * length
            frame = plan.frame((start[0] + t * heading[0], start[1] + t * heading[1]), heading)
            # Not on the street, and not where the drive or the path passes.
            clear = plot.owner_at(frame.row_m, frame.col_m) != 0 and _is_free(plot, frame)
            if clear:
                things.hedges.append(Hedge(frame, length / pieces + 0.4, width, height))


def _is_free(plot: Plot, frame: Frame) -> bool:
    owner = plot.owner_at(frame.row_m, frame.col_m)
    return plot.fits(frame, 1.0, 0.5, owner, 0.5)


def _complete(random: np.random.Generator, things: Things, inner_m: tuple[float, float, float, float]) -> None:
    """Adds a car and a container where chance left the delivered part without one."""
    top, left, bottom, right = inner_m

    def shown(frame: Frame) -> bool:
        return top + 4 < frame.row_m < bottom - 4 and left + 4 < frame.col_m < right - 4

    if bottom - top < 40 or right - left < 40:
        return
    bare = [slab.frame for slab in things.slabs if shown(slab.frame) and not slab.low_vegetation]
    place = bare[int(random.integers(len(bare)))] if bare else Frame((top + bottom) / 2, (left + right) / 2, 0.4)
    if not any(shown(vehicle.frame) for vehicle in things.vehicles):
        things.vehicles.append(draw_vehicle(random, place, "car"))
    if sum(shown(oddity.frame) for oddity in things.oddities) < 2:
        things.oddities.append(Oddity("container", place.shifted(0.0, 4.0), 6.1, 2.45))
