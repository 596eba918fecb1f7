"""Vehicles: what drives on the streets and what is parked at their sides, on drives and in bays."""

import math
from typing import Literal

import numpy as np

from tfx_pipeline.sample_scenes.plan import Plan
from tfx_pipeline.sample_scenes.streets import Network, Street
from tfx_pipeline.sample_scenes.things import BayRow, Frame, Things, Vehicle
from tfx_pipeline.sample_scenes.woods import draw_species, plant_at

# (near infrared, red, green, blue), and how common: new cars of the last decade in Germany, roughly.
_PAINTS = (
    ((0.62, 0.62, 0.62, 0.61), 0.22),
    ((0.42, 0.42, 0.42, 0.42), 0.20),
    ((0.18, 0.18, 0.19, 0.20), 0.18),
    ((0.05, 0.045, 0.045, 0.05), 0.20),
    ((0.12, 0.07, 0.12, 0.26), 0.08),
    ((0.35, 0.34, 0.05, 0.05), 0.06),
    ((0.30, 0.24, 0.20, 0.15), 0.03),
    ((0.25, 0.06, 0.14, 0.09), 0.02),
    ((0.50, 0.48, 0.36, 0.06), 0.01),
)


def draw_vehicle(
    random: np.random.Generator, frame: Frame, body: Literal["car", "van", "lorry"] | None = None
) -> Vehicle:
    """A vehicle of random size and paint at a place, heading along it or backwards."""
    chance = random.random()
    kind = body or ("car" if chance < 0.9 else "van" if chance < 0.985 else "lorry")
    sizes = {"car": (4.3, 1.80, 1.5), "van": (5.4, 2.0, 2.2), "lorry": (8.5, 2.5, 3.2)}
    length, width, height = (value * random.uniform(0.93, 1.09) for value in sizes[kind])
    weights = np.array([weight for _, weight in _PAINTS])
    paint = np.array(_PAINTS[int(random.choice(len(_PAINTS), p=weights / weights.sum()))][0], np.float32)
    paint = (paint * random.uniform(0.8, 1.15)).astype(np.float32)
    turn = random.normal(0.0, 0.03) + (math.pi if random.random() < 0.5 else 0.0)
    return Vehicle(frame.shifted(0.0, 0.0, turn), length, width, height, kind, paint)


def fill_bays(random: np.random.Generator, row: BayRow, things: Things, share: float) -> None:
    """Marks a row of bays and parks vehicles in that share of them."""
    things.bay_rows.append(row)
    for bay in range(row.bays):
        if random.random() < share:
            along = (bay + 0.5 - row.bays / 2) * row.bay_m
            frame = row.frame.shifted(along + random.normal(0, 0.12), random.normal(0, 0.25), math.pi / 2)
            things.vehicles.append(draw_vehicle(random, frame, "car" if random.random() < 0.95 else "van"))


def line_streets(random: np.random.Generator, plan: Plan, network: Network, things: Things) -> None:
    """Parks cars at the kerbs, sends some along the lanes and plants trees on the pavements of some streets."""
    for street in network.streets:
        for side in (-1.0, 1.0):
            if random.random() < 0.7 and street.half_width_m > 2.6:
                _park(random, plan, network, street, side, things)
            if random.random() < 0.45:
                _avenue(random, plan, network, street, side, things)
        for _ in range(int(random.poisson(street.length_m / (70 if street.rank < 2 else 160)))):
            along, side = random.uniform(0, street.length_m), random.choice([-1.0, 1.0])
            place = street.place(along, side * street.half_width_m * 0.42)
            things.vehicles.append(draw_vehicle(random, plan.frame(place, street.heading)))


def _clear_of_others(network: Network, street: Street, along: float, margin_m: float) -> bool:
    place = street.place(along, 0.0)
    return all(other is street or other.gap_m(place) > margin_m for other in network.streets)


def _park(
    random: np.random.Generator, plan: Plan, network: Network, street: Street, side: float, things: Things
) -> None:
    along, share = random.uniform(4.0, 10.0), random.uniform(0.2, 0.7)
    while along < street.length_m - 4:
        if random.random() < share and _clear_of_others(network, street, along, 6.0):
            place = street.place(along, side * (street.half_width_m - 1.05 + random.normal(0, 0.08)))
            things.vehicles.append(draw_vehicle(random, plan.frame(place, street.heading)))
        along += random.uniform(5.4, 7.0)


def _avenue(
    random: np.random.Generator, plan: Plan, network: Network, street: Street, side: float, things: Things
) -> None:
    along, spacing = random.uniform(3.0, 12.0), random.uniform(7.0, 15.0)
    species, radius = draw_species(random), random.uniform(1.6, 3.4)
    while along < street.length_m:
        if random.random() < 0.85 and _clear_of_others(network, street, along, 4.0):
            place = street.place(along, side * (street.half_width_m + street.pavement_m - 0.5))
            plant_at(random, plan.to_ground(*place), things, radius * random.uniform(0.75, 1.2), species=species)
        along += spacing * random.uniform(0.85, 1.2)
