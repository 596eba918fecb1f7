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

# Least share of the delivered ground that clutter covers.
_CLUTTER_SHARE = 0.016


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
    _complete(random, parcels, plot, things, inner_m)
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


def _complete(
    random: np.random.Generator,
    parcels: list[Parcel],
    plot: Plot,
    things: Things,
    inner_m: tuple[float, float, float, float],
) -> None:
    """Adds containers and heaps until clutter covers its share of the delivered part, and a car if there is none."""
    top, left, bottom, right = inner_m
    if bottom - top < 40 or right - left < 40:
        return

    def shown(frame: Frame) -> bool:
        return top + 5 < frame.row_m < bottom - 5 and left + 5 < frame.col_m < right - 5

    missing_m2 = _CLUTTER_SHARE * (bottom - top) * (right - left)
    missing_m2 -= sum(oddity.length_m * oddity.width_m for oddity in things.oddities if shown(oddity.frame))
    inside = (top + 5, left + 5, bottom - 5, right - 5)
    for place in plot.spare_places_within(random, inside, 400):
        if missing_m2 <= 0:
            break
        parcel = parcels[plot.owner_at(*place) - 1]
        container = parcel.cover.sealed and random.random() < 0.6
        size = random.uniform(3.5, 9.0)
        length, width = (6.1, 2.45) if container else (size, size * random.uniform(0.55, 0.85))
        frame = Frame(*place, parcel.frame.angle + random.normal(0.0, 0.05))
        if plot.fits(frame, length + 1, width + 1, parcel.number):
            things.oddities.append(Oddity("container" if container else "heap", frame, length, width))
            plot.claim(frame, length + 1, width + 1)
            missing_m2 -= length * width
    if not any(shown(vehicle.frame) for vehicle in things.vehicles):
        bare = [slab.frame for slab in things.slabs if shown(slab.frame) and not slab.low_vegetation]
        place_of = bare[int(random.integers(len(bare)))] if bare else Frame((top + bottom) / 2, (left + right) / 2, 0.4)
        things.vehicles.append(draw_vehicle(random, place_of, "car"))
