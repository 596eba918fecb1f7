"""The green and brown uses: parks, sports grounds, fields and building sites."""

import math

import numpy as np

from tfx_pipeline.sample_scenes.parcels import Parcel
from tfx_pipeline.sample_scenes.plot import Plot
from tfx_pipeline.sample_scenes.roofs import draw_building, flat_building
from tfx_pipeline.sample_scenes.things import Frame, Oddity, Slab, Things, Wing
from tfx_pipeline.sample_scenes.traffic import draw_vehicle
from tfx_pipeline.sample_scenes.woods import draw_species, plant, plant_at


def settle_park(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    """Meadow with winding paths, a pond, groves and single trees."""
    area, frame = plot.area_m2(parcel.number), parcel.frame
    for _ in range(6):
        place = plot.spare_place(random, parcel.number)
        size = random.uniform(12.0, 22.0)
        if place is not None and plot.fits(Frame(*place, frame.angle), size, size * 0.8, parcel.number, 0.97):
            things.oddities.append(Oddity("pond", Frame(*place, frame.angle), size, size * random.uniform(0.5, 0.9)))
            plot.claim(Frame(*place, frame.angle), size, size * 0.8)
            break
    for _ in range(3):
        _winding_path(random, parcel, plot, things)
    for _ in range(max(1, round(area / 900))):
        _grove(random, parcel, plot, things)
    for _ in range(int(random.poisson(area / 170))):
        plant(random, parcel.number, plot, things, float(random.lognormal(math.log(3.2), 0.35)), claim=1.2)


def _winding_path(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    """A chain of short slabs whose heading drifts; it stops at the street."""
    start = plot.spare_place(random, parcel.number)
    if start is None:
        return
    material = "gravel" if random.random() < 0.7 else "worn asphalt"
    width, heading = random.uniform(1.8, 3.0), random.uniform(0, 2 * math.pi)
    for way in (0.0, math.pi):
        frame, bend = Frame(*start, heading + way), random.normal(0.0, 0.03)
        for _ in range(120):
            if plot.owner_at(frame.row_m, frame.col_m) != parcel.number:
                break
            things.slabs.append(Slab(frame, 2.4, width, material))
            plot.claim(frame, 1.5, width + 1.5)
            bend = min(max(bend + random.normal(0.0, 0.02), -0.12), 0.12)
            frame = frame.shifted(1.5, 0.0, bend)


def _grove(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    middle = plot.spare_place(random, parcel.number)
    if middle is None:
        return
    kinds = [draw_species(random) for _ in range(2)]
    spread = random.uniform(5.0, 11.0)
    for _ in range(int(spread * 2.2)):
        row, col = middle[0] + random.normal(0, spread * 0.6), middle[1] + random.normal(0, spread * 0.6)
        frame = Frame(float(row), float(col), 0.0)
        radius = float(random.lognormal(math.log(2.8), 0.3))
        if plot.fits(frame, radius * 0.9, radius * 0.9, parcel.number, 0.8):
            plot.claim(frame, radius * 1.1, radius * 1.1)
            plant_at(random, (frame.row_m, frame.col_m), things, radius, species=kinds[int(random.integers(2))])


def settle_sport(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    """Tennis courts side by side, a club house, a lawn, trees along the rim."""
    turn = parcel.frame.angle + (math.pi / 2 if random.random() < 0.5 else 0.0)
    courts = 0
    for _ in range(40):
        place = plot.spare_place(random, parcel.number)
        if place is None or courts >= 3:
            break
        frame = Frame(*place, turn)
        side_by_side = int(random.integers(1, 4 - courts))
        if plot.fits(frame, 36.0, 18.0 * side_by_side, parcel.number, 0.99):
            plot.claim(frame, 38.0, 18.0 * side_by_side + 2)
            for i in range(side_by_side):
                court = frame.shifted(0.0, (i - (side_by_side - 1) / 2) * 18.0)
                things.oddities.append(Oddity("tennis", court, 35.0, 17.4))
            courts += side_by_side
    for _ in range(12):
        place = plot.spare_place(random, parcel.number)
        if place is not None and plot.fits(Frame(*place, turn), 18.0, 10.0, parcel.number):
            wing = Wing(Frame(*place, turn), 16.0, 8.0, 3.5, "hip", 0.4)
            things.buildings.append(draw_building(random, (wing,)))
            things.slabs.append(Slab(Frame(*place, turn), 20.0, 12.0, "paving"))
            plot.claim(Frame(*place, turn), 19, 11)
            break
    for _ in range(2):
        _winding_path(random, parcel, plot, things)
    for _ in range(max(1, round(plot.area_m2(parcel.number) / 1500))):
        _grove(random, parcel, plot, things)
    for _ in range(int(random.poisson(plot.area_m2(parcel.number) / 300))):
        plant(random, parcel.number, plot, things, float(random.lognormal(math.log(3.0), 0.3)), claim=1.2)


def settle_waste(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    """A field or a building site: bare and dry ground, heaps, containers, a shell, shrubs."""
    building_site = parcel.cover.rows_m == 0
    turn = parcel.frame.angle
    if building_site:
        for _ in range(10):
            place = plot.spare_place(random, parcel.number)
            frame = Frame(*place, turn) if place is not None else parcel.frame
            length, width = random.uniform(14.0, 30.0), random.uniform(11.0, 16.0)
            if plot.fits(frame, length + 3, width + 3, parcel.number):
                things.buildings.append(flat_building(random, (Wing(frame, length, width, 6.5, "flat", 0.0),)))
                plot.claim(frame, length + 4, width + 4)
                break
        for _ in range(int(random.integers(2, 5))):
            _heap(random, parcel, plot, things)
        for i in range(int(random.integers(2, 6))):
            place = plot.spare_place(random, parcel.number)
            frame = Frame(*place, turn + 0.3 * i) if place is not None else parcel.frame
            if plot.fits(frame, 7, 3.5, parcel.number):
                if random.random() < 0.6:
                    things.oddities.append(Oddity("container", frame, 6.1, 2.45))
                else:
                    things.vehicles.append(draw_vehicle(random, frame, "van"))
                plot.claim(frame, 7, 3.5)
    for _ in range(2):
        _grove(random, parcel, plot, things)
    for _ in range(int(random.poisson(plot.area_m2(parcel.number) / 260))):
        place = plot.spare_place(random, parcel.number)
        if place is not None:
            plant_at(random, place, things, random.uniform(0.6, 1.3), shrub=True)


def _heap(random: np.random.Generator, parcel: Parcel, plot: Plot, things: Things) -> None:
    place = plot.spare_place(random, parcel.number)
    size = random.uniform(5.0, 12.0)
    if place is not None:
        frame = Frame(*place, random.uniform(0, math.pi))
        if plot.fits(frame, size, size * 0.7, parcel.number, 0.9):
            things.oddities.append(Oddity("heap", frame, size, size * random.uniform(0.55, 0.85)))
            plot.claim(frame, size, size * 0.8)
