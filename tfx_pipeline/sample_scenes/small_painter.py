"""Paints vehicles and clutter."""

import math

import numpy as np

from tfx_pipeline.sample_scenes.ground_painter import line_coverage
from tfx_pipeline.sample_scenes.painting import CAR, CLUTTER, Painting
from tfx_pipeline.sample_scenes.spectra import spectrum, tinted
from tfx_pipeline.sample_scenes.things import Oddity, Vehicle


def paint_vehicle(random: np.random.Generator, painting: Painting, vehicle: Vehicle) -> None:
    """Paints one vehicle: bonnet, windscreens, roof; a lorry's box."""
    length, width = vehicle.length_m, vehicle.width_m
    spot = painting.spot(vehicle.frame, length + 0.5, width + 0.5)
    if spot is None:
        return
    along, across = spot.along / np.float32(length / 2), spot.across / np.float32(width / 2)
    body = along**6 + across**6 < 1  # rounded corners
    painting.lay(spot, body, vehicle.reflectance, CAR)
    low = 0.62 * vehicle.height_m if vehicle.body == "car" else vehicle.height_m
    painting.raise_to(spot, body, low)
    if vehicle.body == "lorry":
        painting.lay(spot, body & (along > 0.45), tinted(random, "blue metal", 0.4, 0.2))
        painting.lay(spot, body & (np.abs(along - 0.48) < 0.03), spectrum("fresh asphalt"))
        return
    cabin_start, cabin_end = (-0.78, 0.42) if vehicle.body == "car" else (-0.92, 0.68)
    cabin = body & (along > cabin_start) & (along < cabin_end) & (np.abs(across) < 0.86)
    painting.raise_to(spot, cabin, vehicle.height_m)
    glass = spectrum("glass") * np.float32(0.4)
    windscreen = cabin & (along > cabin_end - 0.24)
    rear = cabin & (along < cabin_start + 0.15)
    sides = cabin & (np.abs(across) > 0.72)
    painting.lay(spot, windscreen | rear | sides, glass)
    painting.tilt(spot, windscreen, vehicle.frame, -0.8, 0.0)
    painting.tilt(spot, rear, vehicle.frame, 0.8, 0.0)
    # The sky shines in bonnet and roof.
    gleam = body & ~cabin & (np.abs(across - np.float32(0.3)) < 0.2)
    painting.lay(spot, gleam, np.clip(vehicle.reflectance * np.float32(1.15) + np.float32(0.03), 0, 0.9))


def paint_oddity(random: np.random.Generator, painting: Painting, oddity: Oddity) -> None:
    """Paints one piece of clutter."""
    length, width = oddity.length_m, oddity.width_m
    spot = painting.spot(oddity.frame, length * 1.3 + 1, width * 1.3 + 1)
    if spot is None:
        return
    whole = spot.inside(length, width)
    grain = painting.grain[spot.window]
    if oddity.kind == "pool":
        rim = spot.inside(length + 0.6, width + 0.6)
        painting.lay(spot, rim, tinted(random, "concrete"))
        depth = np.clip(1.05 - 0.35 * spot.along / np.float32(length), 0.6, 1.4)
        ripples = depth * (1 + 0.05 * grain)
        painting.lay(
            spot, whole, np.asarray(tinted(random, "pool water")[:, None, None] * ripples, np.float32), CLUTTER
        )
    elif oddity.kind == "pond":
        # mottle and drift are smooth enough to bend the shore
        shore = (2 * spot.along / length) ** 2 + (2 * spot.across / width) ** 2 + 0.30 * painting.drift[spot.window]
        reeds = shore + 0.12 * painting.mottle[spot.window] < 1.25
        painting.lay(
            spot, reeds, spectrum("meadow")[:, None, None] * painting.texture(spot, 0.15, 0.1) * np.float32(0.7)
        )
        water = tinted(random, "pond water", 0.25, 0.1)[:, None, None] * painting.texture(spot, 0.02, 0.03, 0.1)
        painting.lay(spot, shore < 1, water, CLUTTER)
    elif oddity.kind == "tennis":
        _tennis(random, painting, oddity)
    elif oddity.kind == "container":
        _container(random, painting, oddity)
    elif oddity.kind == "heap":
        _heap(random, painting, oddity)
    elif oddity.kind == "trampoline":
        disc = spot.along**2 + spot.across**2
        painting.lay(spot, disc < (length / 2) ** 2, spectrum("blue metal"), CLUTTER)
        painting.lay(spot, disc < (length / 2 - 0.35) ** 2, spectrum("fresh asphalt") * np.float32(0.6))
        painting.raise_to(spot, disc < (length / 2) ** 2, 0.8)
    else:
        sand = whole & (np.abs(spot.along / length) ** 3 + np.abs(spot.across / width) ** 3 < 0.14)
        painting.lay(spot, sand, spectrum("play sand")[:, None, None] * painting.texture(spot, 0.06, 0.05), CLUTTER)


def _tennis(random: np.random.Generator, painting: Painting, oddity: Oddity) -> None:
    """A court of 23.77 m x 10.97 m in its run-off, with a net."""
    spot = painting.spot(oddity.frame, oddity.length_m, oddity.width_m)
    if spot is None:
        return
    ground = ("red clay", "red clay", "red clay", "green hard court", "blue hard court")[int(random.integers(5))]
    surface = tinted(random, ground)[:, None, None] * painting.texture(spot, 0.04, 0.04, 0.04)
    painting.lay(spot, spot.inside(oddity.length_m, oddity.width_m), surface, CLUTTER)
    along, across = np.abs(spot.along), np.abs(spot.across)
    pixel_m = painting.canvas.pixel_m
    for distance, within in (
        (along - 11.885, across < 5.485),
        (across - 5.485, along < 11.885),
        (across - 4.115, along < 11.885),
        (along - 6.4, across < 4.115),
        (across, along < 6.4),
    ):
        line = line_coverage(np.abs(distance), 0.1, pixel_m)
        painting.blend(spot, np.where(within, line, 0).astype(np.float32), spectrum("marking"))
    net = line_coverage(along, 0.12, pixel_m) * (across < 6.4)
    painting.blend(spot, np.asarray(net * 0.8, np.float32), spectrum("fresh asphalt"))


def _container(random: np.random.Generator, painting: Painting, oddity: Oddity) -> None:
    spot = painting.spot(oddity.frame, oddity.length_m, oddity.width_m)
    if spot is None:
        return
    paints = ("blue metal", "red tile", "grey sheet", "brown tile", "white membrane", "orange tile", "green copper")
    mask = spot.inside(oddity.length_m, oddity.width_m)
    ribs = 1 + 0.08 * np.sin(spot.along * np.float32(2 * math.pi / 0.5))
    paint = tinted(random, paints[int(random.integers(len(paints)))], 0.2, 0.1)
    painting.lay(spot, mask, np.asarray(paint[:, None, None] * ribs, np.float32), CLUTTER)
    painting.raise_to(spot, mask, 2.6)


def _heap(random: np.random.Generator, painting: Painting, oddity: Oddity) -> None:
    """Earth, gravel or rubble: a rough cone."""
    length, width = oddity.length_m, oddity.width_m
    spot = painting.spot(oddity.frame, length * 1.3, width * 1.3)
    if spot is None:
        return
    material = ("rubble", "bare soil", "gravel", "sandy soil")[int(random.integers(4))]
    distance = np.hypot(2 * spot.along / length, 2 * spot.across / width) + 0.08 * painting.mottle[spot.window]
    mask = distance < 1
    color = tinted(random, material, 0.15)[:, None, None] * painting.texture(spot, 0.14, 0.12)
    painting.lay(spot, mask, color, CLUTTER)
    top = 0.28 * width
    height = top * (1 - distance) + 0.25 * painting.mottle[spot.window] * (1 - distance)
    painting.raise_to(spot, mask, np.asarray(np.maximum(height, 0.05), np.float32))
    flank = np.float32(top) / np.maximum(np.hypot(spot.along, spot.across), np.float32(0.3))
    rough = 0.35 * painting.mottle[spot.window]
    painting.tilt(
        spot, mask, oddity.frame, -flank * spot.along * 2 / length + rough, -flank * spot.across * 2 / width + rough
    )
