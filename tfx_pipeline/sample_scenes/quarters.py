"""The built-up uses besides houses: rows of town houses round a yard, halls with car parks, blocks of flats."""

import math

import numpy as np

from tfx_pipeline.sample_scenes.parcels import Parcel
from tfx_pipeline.sample_scenes.plan import Plan
from tfx_pipeline.sample_scenes.plot import Plot
from tfx_pipeline.sample_scenes.roofs import draw_building, flat_building
from tfx_pipeline.sample_scenes.things import BayRow, Frame, Oddity, RoofShape, Slab, Things, Wing
from tfx_pipeline.sample_scenes.traffic import draw_vehicle, fill_bays
from tfx_pipeline.sample_scenes.woods import plant


def settle_town(random: np.random.Generator, plan: Plan, parcel: Parcel, plot: Plot, things: Things) -> None:
    """Row houses along the rim of the block, then the yard behind them."""
    pitch, eaves = random.uniform(0.6, 1.0), random.uniform(6.0, 11.0)
    depth = random.uniform(10.0, 13.0)
    corners = parcel.polygon
    for start, end in zip(corners, (*corners[1:], corners[0]), strict=True):
        length = math.dist(start, end)
        if length < 12:
            continue
        heading = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
        along = 3.0
        while along < length - 6:
            unit = random.uniform(9.0, 17.0)
            middle = along + unit / 2
            along += unit
            if random.random() < 0.07:  # a gateway to the yard
                along += 3.0
                continue
            rim = plan.frame((start[0] + middle * heading[0], start[1] + middle * heading[1]), heading)
            inward = _inward(rim, parcel, plot)
            if inward is None:
                continue
            centre = rim.shifted(0.0, inward + math.copysign(depth / 2 + 0.4, inward))
            if not plot.fits(centre, unit, depth, parcel.number, 0.9):
                continue
            plot.claim(centre, unit, depth)
            height = eaves + random.choice([-2.6, -1.3, 0.0, 0.0, 0.0, 1.4])
            shape: RoofShape = "gable" if random.random() < 0.85 else "flat"
            wing = Wing(centre, unit + 0.3, depth, height, shape, pitch * random.uniform(0.9, 1.1))
            if shape == "flat":
                things.buildings.append(flat_building(random, (wing,)))
                continue
            wings = [wing]
            if random.random() < 0.35:  # a wing into the yard
                reach, wide = random.uniform(5.0, 10.0), random.uniform(5.0, 7.5)
                side = random.choice([-0.5, 0.5]) * (unit - wide)
                back = centre.shifted(side, math.copysign((depth + reach) / 2, inward))
                if plot.fits(back, wide, reach, parcel.number, 0.95):
                    annexe = centre.shifted(side, math.copysign(reach / 2, inward), math.pi / 2)
                    wings.append(Wing(annexe, depth + reach, wide, height - 1.0, "gable", pitch * 0.8))
                    plot.claim(back, wide, reach)
            things.buildings.append(draw_building(random, tuple(wings), solar=random.random() < 0.1))
    _yard(random, parcel, plot, things)


def _inward(rim: Frame, parcel: Parcel, plot: Plot) -> float | None:
    """Signed distance across a frame on the rim of a block to where the parcel begins behind the pavement."""
    for step in range(1, 26):
        for sign in (1.0, -1.0):
            place = rim.shifted(0.0, sign * step * 0.5)
            if plot.owner_at(place.row_m, place.col_m) == parcel.number:
                return sign * step * 0.5
    return None


def _yard(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    area, turn = plot.area_m2(parcel.number), parcel.frame.angle
    pitch = random.uniform(0.4, 0.9)
    for _ in range(int(random.poisson(area / 150))):
        place = plot.spare_place(random, parcel.number)
        if place is None:
            continue
        frame = Frame(*place, turn + random.choice([0.0, math.pi / 2]))
        chance = random.random()
        if chance < 0.45:
            length, width = random.uniform(8.0, 24.0), random.uniform(6.0, 11.0)
            if plot.fits(frame, length + 1, width + 1, parcel.number):
                if random.random() < 0.5:
                    things.buildings.append(flat_building(random, (Wing(frame, length, width, 3.6, "flat", 0.0),)))
                else:
                    wing = Wing(frame, length, width, random.uniform(3.5, 7.0), "gable", pitch)
                    things.buildings.append(draw_building(random, (wing,)))
                plot.claim(frame, length + 1, width + 1)
        elif chance < 0.68:
            _bays(random, frame, parcel.number, plot, things, int(random.integers(3, 9)), 0.65)
        elif chance < 0.78:
            _container(random, frame, parcel.number, plot, things)
        else:
            length, width = random.uniform(5.0, 12.0), random.uniform(4.0, 8.0)
            if plot.fits(frame, length, width, parcel.number, 0.9):
                things.slabs.append(Slab(frame, length, width, "lawn", low_vegetation=True))
    for _ in range(int(random.poisson(area / 150))):
        plant(random, parcel.number, plot, things, float(random.lognormal(math.log(2.8), 0.35)), claim=1.0)


def settle_commerce(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    """A hall as large as the parcel lets it be; car park, containers and a lorry on the rest."""
    frame = parcel.frame
    left, right = (plot.reach_m(frame, way, 0.0, parcel.number) for way in (-1.0, 1.0))
    front, back = (plot.reach_m(frame, 0.0, way, parcel.number) for way in (1.0, -1.0))
    share = random.uniform(0.58, 0.82)
    for shrink in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3):
        length, width = (left + right) * 0.86 * shrink, (front + back) * share * shrink
        back_m = (front - back) / 2 - (1 - share * shrink) * (front + back) * random.uniform(-0.1, 0.4)
        hall = frame.shifted((right - left) / 2, back_m)
        if min(length, width) > 9 and plot.fits(hall, length + 2, width + 2, parcel.number):
            _hall(random, hall, length, width, things)
            plot.claim(hall, length + 4, width + 4)
            break
    for _ in range(14):
        place = plot.spare_place(random, parcel.number)
        if place is not None:
            turned = Frame(*place, frame.angle + random.choice([0.0, 0.0, math.pi / 2]))
            _bays(random, turned, parcel.number, plot, things, int(random.integers(5, 15)), random.uniform(0.4, 0.85))
    for _ in range(int(random.poisson(5.0))):
        place = plot.spare_place(random, parcel.number)
        if place is None:
            continue
        turned = Frame(*place, frame.angle + random.normal(0.0, 0.1))
        if random.random() < 0.7:
            _container(random, turned, parcel.number, plot, things)
        elif plot.fits(turned, 12, 5, parcel.number):
            things.vehicles.append(draw_vehicle(random, turned, "lorry"))
            plot.claim(turned, 12, 5)
    _verges(random, parcel, plot, things)
    for _ in range(int(random.poisson(plot.area_m2(parcel.number) / 260))):
        plant(random, parcel.number, plot, things, random.uniform(1.6, 3.4), claim=1.5)


def _hall(random: np.random.Generator, frame: Frame, length: float, width: float, things: Things) -> None:
    height = random.uniform(5.5, 10.0)
    chance = random.random()
    if chance < 0.28:  # several shallow gables side by side
        aisles = max(1, round(width / random.uniform(14.0, 22.0)))
        aisle = width / aisles
        wings = [
            Wing(frame.shifted(0.0, (i + 0.5) * aisle - width / 2), length, aisle, height, "gable", 0.22)
            for i in range(aisles)
        ]
    else:
        wings = [Wing(frame, length, width, height, "flat", 0.0)]
        if chance > 0.6:  # an office block that stands on it
            office = random.uniform(0.2, 0.4) * length
            place = frame.shifted((length - office) / 2 * random.choice([-1, 1]), 0.0)
            wings.append(Wing(place, office, width, height + random.uniform(2.5, 6.0), "flat", 0.0))
    things.buildings.append(flat_building(random, tuple(wings), hall=True))


def _verges(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    for _ in range(9):
        place = plot.spare_place(random, parcel.number)
        if place is None:
            return
        length, width = random.uniform(8.0, 24.0), random.uniform(2.0, 7.0)
        frame = Frame(*place, parcel.frame.angle + random.choice([0.0, math.pi / 2]))
        if plot.fits(frame, length, width, parcel.number, 0.95):
            material = "lawn" if random.random() < 0.7 else "dry grass"
            things.slabs.append(Slab(frame, length, width, material, low_vegetation=True))


def settle_flats(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    """Slab blocks on a lawn, with paths, bays, a sand pit and grown trees."""
    turn = parcel.frame.angle + (math.pi / 2 if random.random() < 0.5 else 0.0)
    depth, height = random.uniform(10.5, 13.0), random.uniform(8.5, 16.0)
    shape: RoofShape = "flat" if random.random() < 0.5 else "hip"
    pattern = draw_building(random, ())
    for _ in range(30):
        place = plot.spare_place(random, parcel.number)
        if place is None:
            break
        frame = Frame(*place, turn + random.choice([0.0, 0.0, 0.0, math.pi / 2]))
        length = random.uniform(20.0, 46.0)
        if not plot.fits(frame, length + 10, depth + 9, parcel.number, 0.97):
            continue
        plot.claim(frame, length + 9, depth + 8)
        wing = Wing(frame, length, depth, height + random.choice([-2.8, 0.0, 0.0]), shape, 0.5)
        building = flat_building(random, (wing,))
        if shape == "hip":
            building = type(building)((wing,), pattern.cover, pattern.reflectance, int(random.integers(2, 5)))
        things.buildings.append(building)
        path = frame.shifted(0.0, depth / 2 + 2.2)
        things.slabs.append(Slab(path, length + 8, 1.8, "paving"))
        way = path.shifted(random.uniform(-0.4, 0.4) * length, 0.0, math.pi / 2)
        reach = plot.reach_m(path, 0.0, 1.0, parcel.number)
        if reach < 40:
            things.slabs.append(Slab(way.shifted(reach / 2, 0.0), reach, 1.8, "paving"))
    for _ in range(8):
        place = plot.spare_place(random, parcel.number)
        if place is not None:
            bays = int(random.integers(5, 12))
            _bays(random, Frame(*place, turn), parcel.number, plot, things, bays, 0.7, paved=True)
    place = plot.spare_place(random, parcel.number)
    if place is not None and plot.fits(Frame(*place, turn), 8, 6, parcel.number):
        things.oddities.append(Oddity("sand", Frame(*place, turn), 8.0, 6.0))
        plot.claim(Frame(*place, turn), 9, 7)
    for _ in range(int(random.poisson(plot.area_m2(parcel.number) / 72))):
        plant(random, parcel.number, plot, things, float(random.lognormal(math.log(3.2), 0.35)), claim=1.0)


def _bays(
    random: np.random.Generator,
    frame: Frame,
    number: int,
    plot: Plot,
    things: Things,
    bays: int,
    share: float,
    paved: bool = False,
) -> None:
    """A row of bays with the lane before it, where there is room."""
    row = BayRow(frame, bays)
    length, depth = bays * row.bay_m, row.depth_m + 5.5
    if not plot.fits(frame.shifted(0.0, 2.75), length + 1, depth + 0.5, number):
        return
    plot.claim(frame.shifted(0.0, 2.5), length + 1, depth)
    if paved:
        things.slabs.append(Slab(frame.shifted(0.0, 2.75), length + 1.0, depth, "asphalt"))
    fill_bays(random, row, things, share)


def _container(random: np.random.Generator, frame: Frame, number: int, plot: Plot, things: Things) -> None:
    length = 6.1 if random.random() < 0.6 else 12.2
    for i in range(int(random.integers(1, 4))):
        beside = frame.shifted(0.0, 2.8 * i)
        if plot.fits(beside, length, 2.5, number):
            things.oddities.append(Oddity("container", beside, length, 2.45))
            plot.claim(beside, length + 0.5, 2.8)
