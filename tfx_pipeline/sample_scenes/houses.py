"""Detached houses with their gardens: drive, garage, terrace, pool, shed, beds, hedges, trees."""

import math
from typing import Literal

import numpy as np

from tfx_pipeline.sample_scenes.parcels import Parcel
from tfx_pipeline.sample_scenes.plot import Plot
from tfx_pipeline.sample_scenes.roofs import draw_building, flat_building
from tfx_pipeline.sample_scenes.things import Frame, Oddity, Slab, Things, Wing
from tfx_pipeline.sample_scenes.traffic import draw_vehicle
from tfx_pipeline.sample_scenes.woods import plant, plant_at


def settle_house(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    """Builds one house, if the parcel has the room, and lays out its garden."""
    middle = parcel.frame
    if plot.owner_at(middle.row_m, middle.col_m) != parcel.number:
        _garden(random, parcel, plot, things)
        return
    left, right = (plot.reach_m(middle, way, 0.0, parcel.number) for way in (-1.0, 1.0))
    middle = middle.shifted((right - left) / 2, 0.0)
    front, back = (plot.reach_m(middle, 0.0, way, parcel.number) for way in (1.0, -1.0))
    breadth, depth = left + right, front + back
    side = 1.0 if random.random() < 0.5 else -1.0
    setback = random.uniform(2.5, 6.5)
    for shrink in (1.0, 0.9, 0.8, 0.7):
        length_m = shrink * min(random.uniform(12.0, 18.0), max(breadth - 3.2, 6.0))
        width_m = shrink * min(random.uniform(10.0, 13.5), max(depth * 0.65, 6.0))
        # The house keeps to one side, so that a drive fits on the other.
        offset = -side * max(0.0, (breadth - length_m) / 2 - 1.4) * random.uniform(0.5, 1.0)
        house = middle.shifted(offset, front - setback * shrink - width_m / 2, random.normal(0.0, 0.025))
        if plot.fits(house, length_m + 0.8, width_m + 0.8, parcel.number):
            break
    else:
        _garden(random, parcel, plot, things)
        return
    _house(random, house, length_m, width_m, plot, parcel.number, things)
    _drive(random, house, length_m, width_m, side, plot, parcel.number, things)
    _terrace(random, house, length_m, width_m, plot, parcel.number, things)
    path = house.shifted(random.uniform(-0.2, 0.2) * length_m, width_m / 2 + setback / 2, math.pi / 2)
    things.slabs.append(Slab(path, setback + 0.6, random.uniform(1.1, 1.8), _pick(random, "paving", "red paving")))
    plot.claim(path, setback, 1.5)
    _garden(random, parcel, plot, things)


def _pick(random: np.random.Generator, *names: str) -> str:
    return names[int(random.integers(len(names)))]


def _house(
    random: np.random.Generator, frame: Frame, length_m: float, width_m: float, plot: Plot, number: int, things: Things
) -> None:
    eaves_m, pitch = random.uniform(3.2, 6.6), random.uniform(0.55, 1.05)
    kinds: tuple[Literal["gable", "hip", "flat"], ...] = ("gable", "gable", "gable", "hip", "hip", "flat")
    roof = kinds[int(random.integers(len(kinds)))]
    plot.claim(frame, length_m + 0.6, width_m + 0.6)
    turned = roof == "gable" and random.random() < 0.35
    main = (
        Wing(frame.shifted(0, 0, math.pi / 2), width_m, length_m, eaves_m, roof, pitch * 0.85)
        if turned
        else Wing(frame, length_m, width_m, eaves_m, roof, pitch)
    )
    wings = [main]
    if random.random() < 0.4:
        wing_m, reach_m = random.uniform(5.0, 7.0), random.uniform(3.0, 5.0)
        side = _pick(random, "left", "right") == "left"
        along = (1 if side else -1) * (length_m - wing_m) / 2
        annexe = frame.shifted(along, -reach_m / 2, math.pi / 2)
        if plot.fits(frame.shifted(along, -(width_m + reach_m) / 2), wing_m, reach_m, number):
            wings.append(Wing(annexe, width_m + reach_m, wing_m, eaves_m, roof, pitch * 0.9))
            plot.claim(annexe, width_m + reach_m + 0.6, wing_m + 0.6)
    if roof == "flat":
        things.buildings.append(flat_building(random, tuple(wings)))
    else:
        things.buildings.append(draw_building(random, tuple(wings), solar=random.random() < 0.22))


def _drive(
    random: np.random.Generator,
    house: Frame,
    length_m: float,
    width_m: float,
    side: float,
    plot: Plot,
    number: int,
    things: Things,
) -> None:
    width = random.uniform(2.8, 3.6)
    drive = house.shifted(side * (length_m / 2 + width / 2 + 0.2), 0.0)
    to_street = plot.reach_m(drive.shifted(0.0, width_m / 4), 0.0, 1.0, number) + width_m / 4
    start = -random.uniform(-0.1, 0.3) * width_m
    length = to_street - start + 0.8
    if length < 5 or not plot.fits(drive.shifted(0.0, (to_street + start) / 2), width, length - 2.5, number, 0.9):
        return
    slab = drive.shifted(0.0, start + length / 2, math.pi / 2)
    material = _pick(random, "paving", "asphalt", "red paving", "gravel", "worn asphalt", "concrete")
    things.slabs.append(Slab(slab, length, width, material))
    plot.claim(slab, length, width)
    garage = drive.shifted(0.0, start - 3.0, math.pi / 2)
    if random.random() < 0.65 and plot.fits(garage, 6.0, 3.0, number, 0.95):
        things.buildings.append(flat_building(random, (Wing(garage, 6.2, 3.2, 2.6, "flat", 0.0),)))
        plot.claim(garage, 6.4, 3.4)
    if random.random() < 0.55:
        car = slab.shifted(random.uniform(-0.15, 0.3) * (length - 5), random.normal(0.0, 0.15))
        things.vehicles.append(draw_vehicle(random, car, "car"))


def _terrace(
    random: np.random.Generator, house: Frame, length_m: float, width_m: float, plot: Plot, number: int, things: Things
) -> None:
    deep, wide = random.uniform(2.5, 4.5), random.uniform(0.35, 0.75) * length_m
    terrace = house.shifted(random.uniform(-0.15, 0.15) * length_m, -(width_m + deep) / 2)
    if plot.fits(terrace, wide, deep, number, 0.85):
        things.slabs.append(Slab(terrace, wide, deep, _pick(random, "paving", "red paving", "concrete", "gravel")))
        plot.claim(terrace, wide, deep)
    if random.random() < 0.34:
        pool_m = random.uniform(5.5, 9.5)
        turn = _pick(random, "along", "across") == "across"
        pool = house.shifted(
            random.uniform(-0.3, 0.3) * length_m,
            -width_m / 2 - deep - random.uniform(3.5, 7.0),
            math.pi / 2 if turn else 0.0,
        )
        if plot.fits(pool, pool_m + 2, pool_m / 2 + 2, number):
            things.slabs.append(Slab(pool, pool_m + 2.0, pool_m / 2 + 2.0, "concrete"))
            things.oddities.append(Oddity("pool", pool, pool_m, pool_m / 2))
            plot.claim(pool, pool_m + 3, pool_m / 2 + 3)


def _garden(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    area = plot.area_m2(parcel.number)
    turn = parcel.frame.angle
    for chance, length, width, what in (
        (0.45, random.uniform(2.5, 4.2), random.uniform(2.2, 3.0), "shed"),
        (0.35, random.uniform(3.0, 7.0), random.uniform(2.0, 4.0), "bed"),
        (0.20, random.uniform(3.0, 8.0), random.uniform(0.8, 1.4), "bed"),
        (0.12, 3.4, 3.4, "trampoline"),
    ):
        place = plot.spare_place(random, parcel.number)
        if place is None or random.random() > chance * area / 450:
            continue
        frame = Frame(*place, turn + random.normal(0.0, 0.08))
        if not plot.fits(frame, length + 0.6, width + 0.6, parcel.number):
            continue
        plot.claim(frame, length + 0.4, width + 0.4)
        if what == "shed":
            things.buildings.append(
                draw_building(random, (Wing(frame, length, width, 2.1, "gable", 0.35),), chimneys=0)
            )
        elif what == "bed":
            things.slabs.append(
                Slab(frame, length, width, _pick(random, "dark soil", "bare soil"), low_vegetation=True)
            )
        else:
            things.oddities.append(Oddity("trampoline", frame, length, length))
    for _ in range(int(random.poisson(area / 72))):
        plant(random, parcel.number, plot, things, float(random.lognormal(math.log(2.4), 0.45)), claim=0.9)
    for _ in range(int(random.poisson(area / 140))):
        place = plot.spare_place(random, parcel.number)
        if place is not None:
            plant_at(random, place, things, random.uniform(0.45, 1.1), shrub=True)
