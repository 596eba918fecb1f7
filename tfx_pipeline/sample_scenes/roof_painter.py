"""Paints buildings: roof planes with their heights and slopes, covers, ridges, chimneys, windows, solar panels."""

import math

import numpy as np

from tfx_pipeline.sample_scenes.ground_painter import line_coverage
from tfx_pipeline.sample_scenes.painting import BUILDING, Floats, Mask, Painting, Spot
from tfx_pipeline.sample_scenes.spectra import Reflectance, spectrum, tinted
from tfx_pipeline.sample_scenes.things import Building, Frame, Wing

_GREEN = ("green roof", "sedum roof")
_SHEET = ("bright metal", "grey sheet", "blue metal", "green copper")
# Tile courses are a third of a metre apart: below this pixel size they show.
_TILES_SHOW_M = 0.15


def paint_building(random: np.random.Generator, painting: Painting, building: Building) -> None:
    """Paints all wings; where two cover a pixel, the higher one shows."""
    for wing in building.wings:
        spot = painting.spot(wing.frame, wing.length_m + 1, wing.width_m + 1)
        if spot is None:
            continue
        height, rise_along, rise_across = roof_height(wing, spot)
        mask = spot.inside(wing.length_m, wing.width_m) & (height > painting.height_m[spot.window])
        painting.lay(spot, mask, _cover(random, painting, spot, building, wing, rise_along), BUILDING)
        painting.raise_to(spot, mask, height)
        painting.tilt(spot, mask, wing.frame, rise_along, rise_across)
        if wing.roof == "flat":
            _parapet(painting, spot, mask, wing, building)
        else:
            _ridge(painting, spot, mask, wing, building.reflectance)
    if building.wings:
        _furnish(random, painting, building)


def roof_height(wing: Wing, spot: Spot) -> tuple[Floats, Floats, Floats]:
    """Height above the ground of a wing's roof, and its rise a metre along and across, for every pixel of a spot.

    gable: eaves + pitch (width / 2 - |across|); hip: the lesser of that and eaves + pitch (length / 2 - |along|);
    shed: eaves + pitch (width / 2 + across).
    """
    level = np.zeros(np.broadcast_shapes(spot.along.shape, spot.across.shape), np.float32)
    pitch = np.float32(wing.pitch)
    from_side = np.float32(wing.width_m / 2) - np.abs(spot.across)
    from_end = np.float32(wing.length_m / 2) - np.abs(spot.along)
    eaves = np.float32(wing.eaves_m)
    if wing.roof == "gable":
        return eaves + pitch * from_side, level, -pitch * np.sign(spot.across)
    if wing.roof == "shed":
        return eaves + pitch * (np.float32(wing.width_m / 2) + spot.across), level, level + pitch
    if wing.roof == "hip":
        end = from_end < from_side
        rise_along = np.where(end, -pitch * np.sign(spot.along), np.float32(0))
        rise_across = np.where(end, np.float32(0), -pitch * np.sign(spot.across))
        return eaves + pitch * np.minimum(from_side, from_end), rise_along, rise_across
    return level + eaves, level, level


def _cover(
    random: np.random.Generator,
    painting: Painting,
    spot: Spot,
    building: Building,
    wing: Wing,
    rise_along: Floats,
) -> Reflectance:
    """Reflectance (4, the spot's shape) of the roof's surface."""
    fine = painting.canvas.pixel_m < _TILES_SHOW_M
    if building.cover in _GREEN:
        level = painting.mottle[spot.window] + 0.6 * painting.drift[spot.window]
        share = np.clip(level * 0.6 + 0.3, 0, 1)
        color = building.reflectance[:, None, None] * (1 - share) + spectrum("dry grass")[:, None, None] * share
        return np.asarray(color * painting.texture(spot, 0.14, 0.12), np.float32)
    texture = painting.texture(spot, 0.05, 0.06, 0.06)
    if wing.roof == "flat" and building.cover not in _SHEET:
        # Puddles and patches, and the seams of the sheets.
        texture -= np.float32(0.12) * (painting.drift[spot.window] + 0.5 * painting.mottle[spot.window] > 0.9)
        seam = np.abs(np.mod(spot.along + np.float32(50), np.float32(5.0)) - np.float32(2.5))
        texture -= np.float32(0.10) * line_coverage(seam, 0.12, painting.canvas.pixel_m)
    elif building.cover in _SHEET:
        seam_m = np.float32(0.6 if fine else 1.3)
        seam = np.abs(np.mod(spot.along + np.float32(50), seam_m) - seam_m / 2)
        texture -= np.float32(0.16) * line_coverage(seam, 0.08, painting.canvas.pixel_m)
    elif fine:
        down = np.where(rise_along != 0, spot.along, spot.across)
        texture += np.float32(0.07) * np.sin(down * np.float32(2 * math.pi / 0.36))
    if wing.roof != "flat":
        # Each plane weathers by itself, and rain streaks run down it.
        planes = random.normal(0.0, 0.05, 4).astype(np.float32)
        plane = (spot.across > 0).astype(np.intp) + 2 * (rise_along != 0)
        texture = texture * (1 + planes[plane])
    return np.asarray(building.reflectance[:, None, None] * texture, np.float32)


def _parapet(painting: Painting, spot: Spot, mask: Mask, wing: Wing, building: Building) -> None:
    rim_m = 0.35 if wing.length_m * wing.width_m > 60 else 0.2
    rim = mask & ~spot.inside(wing.length_m - 2 * rim_m, wing.width_m - 2 * rim_m)
    coping = np.clip(building.reflectance * np.float32(1.25) + np.float32(0.05), 0, 0.8)
    if building.cover in _GREEN:
        coping = spectrum("concrete")
    painting.lay(spot, rim, coping)
    painting.raise_to(spot, rim, wing.eaves_m + (0.35 if rim_m > 0.3 else 0.1))


def _ridge(painting: Painting, spot: Spot, mask: Mask, wing: Wing, reflectance: Reflectance) -> None:
    tile = np.clip(reflectance * np.float32(1.2) + np.float32(0.015), 0, 0.8)
    coverage = line_coverage(np.abs(spot.across), 0.28, painting.canvas.pixel_m)
    if wing.roof == "hip":
        corner = (wing.length_m - wing.width_m) / 2
        across, along = np.abs(spot.across), np.abs(spot.along)
        coverage = np.where(along < corner, coverage, np.float32(0))
        hip = line_coverage(
            np.abs((np.float32(wing.length_m / 2) - along) - (np.float32(wing.width_m / 2) - across)) / math.sqrt(2),
            0.28,
            painting.canvas.pixel_m,
        )
        coverage = np.maximum(coverage, hip)
    painting.blend(spot, np.where(mask, coverage * np.float32(0.7), 0).astype(np.float32), tile)


def _furnish(random: np.random.Generator, painting: Painting, building: Building) -> None:
    """Chimneys, windows, solar panels and, on flat roofs, machines and domes."""
    main = building.wings[0]
    flat = main.roof == "flat"
    for _ in range(building.chimneys):
        frame = main.frame.shifted(
            random.uniform(-0.38, 0.38) * main.length_m, random.uniform(-0.12, 0.12) * main.width_m
        )
        _box(painting, frame, random.uniform(0.6, 1.2), 0.6, 1.1, tinted(random, "old tile", 0.3))
    for _ in range(building.skylights):
        across = random.uniform(-0.4, 0.4) * main.width_m
        frame = main.frame.shifted(random.uniform(-0.42, 0.42) * main.length_m, across)
        if flat and random.random() < 0.45:
            size = random.uniform(1.0, 3.2)
            _box(
                painting,
                frame,
                size,
                size * random.uniform(0.5, 1.0),
                random.uniform(0.7, 1.7),
                tinted(random, "grey sheet", 0.3),
            )
        elif flat:
            _box(painting, frame, 1.6, 1.6, 0.3, spectrum("white membrane") * np.float32(0.9))
        else:
            _panel(painting, frame, 0.8, 1.2, spectrum("glass"))
    if building.solar:
        _solar(random, painting, main)


def _solar(random: np.random.Generator, painting: Painting, main: Wing) -> None:
    if main.roof == "flat":
        rows = int(min(main.width_m, main.length_m) * 0.6 / 2.4)
        for row in range(rows):
            frame = main.frame.shifted(0.0, (row - (rows - 1) / 2) * 2.4)
            _panel(painting, frame, main.length_m * 0.6, 1.5, spectrum("solar"))
        return
    # On the southern side; rows run southward.
    side = math.copysign(1.0, math.cos(main.frame.angle))
    across = side * main.width_m * 0.27
    length, width = main.length_m * random.uniform(0.35, 0.75), main.width_m * 0.3
    _panel(
        painting,
        main.frame.shifted(random.uniform(-0.1, 0.1) * main.length_m, across),
        length,
        width,
        spectrum("solar"),
    )


def _panel(painting: Painting, frame: Frame, length_m: float, width_m: float, reflectance: Reflectance) -> None:
    """Lays a panel on whatever roof is there, its slope kept; light joints every metre on larger ones."""
    spot = painting.spot(frame, length_m, width_m)
    if spot is None:
        return
    mask = spot.inside(length_m, width_m) & (painting.class_ids[spot.window] == BUILDING)
    painting.lay(spot, mask, reflectance)
    if length_m > 2:
        seam = np.abs(np.mod(spot.along + np.float32(40), np.float32(1.0)) - np.float32(0.5))
        joint = line_coverage(seam, 0.05, painting.canvas.pixel_m)
        painting.blend(spot, np.where(mask, joint * np.float32(0.6), 0).astype(np.float32), spectrum("grey sheet"))


def _box(
    painting: Painting, frame: Frame, length_m: float, width_m: float, above_m: float, reflectance: Reflectance
) -> None:
    """Sets a box on the roof."""
    spot = painting.spot(frame, length_m, width_m)
    if spot is None:
        return
    mask = spot.inside(length_m, width_m) & (painting.class_ids[spot.window] == BUILDING)
    if mask.any():
        painting.lay(spot, mask, reflectance)
        painting.raise_to(spot, mask, float(painting.height_m[spot.window][mask].max()) + above_m)
