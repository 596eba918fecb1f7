"""Paints what lies on the ground: lawns and fields parcel by parcel, then slabs, beds and parking bays."""

import math

import numpy as np

from tfx_pipeline.sample_scenes.layout import Layout
from tfx_pipeline.sample_scenes.painting import IMPERVIOUS, LOW_VEGETATION, Floats, Mask, Painting, Spot
from tfx_pipeline.sample_scenes.parcels import Cover
from tfx_pipeline.sample_scenes.plan import centre
from tfx_pipeline.sample_scenes.plot import number_parcels
from tfx_pipeline.sample_scenes.spectra import spectrum, tinted
from tfx_pipeline.sample_scenes.things import BayRow, Frame, Slab


def paint_ground(random: np.random.Generator, painting: Painting, layout: Layout) -> None:
    """Covers the whole canvas with what the parcels are covered with."""
    canvas = painting.canvas
    covers = [parcel.cover for parcel in layout.parcels]
    # Number 0 is no parcel; streets will lie there, so that any cover does.
    covers.insert(0, covers[0])
    numbers = number_parcels(
        layout.plan, [parcel.polygon for parcel in layout.parcels], canvas.shape, canvas.pixel_m, 0.0
    ).astype(np.intp)
    balance, softness = _table(covers, "balance"), _table(covers, "softness")
    sealed = np.array([cover.sealed for cover in covers])
    # Grass and soil mix by the metre; where pavement gives way to grass, it does so in a few large pieces.
    level = np.where(sealed.take(numbers), np.float32(0.25), np.float32(0.75)) * painting.mottle + painting.drift
    share = np.clip((level - balance.take(numbers)) / softness.take(numbers) + np.float32(0.5), 0, 1)
    second_sealed = np.array([cover.second_sealed for cover in covers])
    is_sealed = np.where(share > 0.5, second_sealed.take(numbers), sealed.take(numbers))
    painting.class_ids[...] = np.where(is_sealed, IMPERVIOUS, LOW_VEGETATION).astype(np.uint8)
    # Grass is rough, asphalt is not.
    rough = np.where(is_sealed, np.float32(0.45), np.float32(1.0))
    field = 0.10 * painting.grain + 0.10 * painting.mottle + 0.07 * painting.drift
    texture = np.maximum(1 + rough * field, np.float32(0.25))
    for band in range(4):
        first = np.array([cover.first[band] for cover in covers], np.float32).take(numbers)
        second = np.array([cover.second[band] for cover in covers], np.float32).take(numbers)
        painting.reflectance[band] = (first + share * (second - first)) * texture
    for parcel in layout.parcels:
        if parcel.cover.rows_m > 0:
            reach_m = 2.2 * max(math.dist(corner, centre(parcel.polygon)) for corner in parcel.polygon)
            spot = painting.spot(parcel.frame, reach_m, reach_m)
            if spot is not None:
                _rows(random, painting, spot, np.equal(numbers[spot.window], parcel.number), parcel.cover.rows_m)


def _table(covers: list[Cover], name: str) -> Floats:
    return np.array([getattr(cover, name) for cover in covers], np.float32)


def _rows(random: np.random.Generator, painting: Painting, spot: Spot, mask: Mask, rows_m: float) -> None:
    wave = np.sin(spot.across * np.float32(2 * math.pi / rows_m) + 0.25 * painting.mottle[spot.window])
    # Mown to and fro: near infrared and green change most.
    strength = np.float32(random.uniform(0.05, 0.13)) * np.where(mask, wave, np.float32(0))
    painting.reflectance[:, spot.window[0], spot.window[1]] *= 1 + strength * np.array(
        [1.0, 0.7, 1.0, 0.7], np.float32
    ).reshape(4, 1, 1)


def paint_slab(random: np.random.Generator, painting: Painting, slab: Slab) -> None:
    """Paints one drive, terrace, path, bed or verge."""
    spot = painting.spot(slab.frame, slab.length_m + 1, slab.width_m + 1)
    if spot is None:
        return
    mask = spot.inside(slab.length_m, slab.width_m)
    tint = tinted(random, slab.material, 0.0 if slab.length_m < 3 else 0.12, 0.0 if slab.length_m < 3 else 0.03)
    if slab.low_vegetation:
        ragged = spot.inside(slab.length_m - 0.3, slab.width_m - 0.3) | (mask & (painting.grain[spot.window] > 0))
        texture = painting.texture(spot, 0.10, 0.12, 0.08)
        painting.lay(spot, ragged, tint[:, None, None] * texture, LOW_VEGETATION)
        if "soil" in slab.material:
            _plants(painting, spot, ragged)
        return
    texture = painting.texture(spot, 0.06, 0.07, 0.05)
    painting.lay(spot, mask, tint[:, None, None] * texture, IMPERVIOUS)
    if "paving" in slab.material and slab.length_m > 3:
        joints = np.maximum(_lines(spot.along, 0.5, 0.03, painting), _lines(spot.across, 0.5, 0.03, painting))
        painting.blend(spot, np.where(mask, joints * np.float32(0.5), 0).astype(np.float32), spectrum("asphalt"))


def _plants(painting: Painting, spot: Spot, mask: Mask) -> None:
    """Rows of vegetables or flowers: they make a bed's NDVI anything between soil and lawn."""
    ridge = np.abs(np.mod(spot.across, 0.7) - 0.35) < 0.2
    painting.lay(
        spot,
        mask & ridge & (painting.mottle[spot.window] + 0.5 * painting.grain[spot.window] > 0.2),
        spectrum("crop")[:, None, None] * painting.texture(spot, 0.2, 0.1),
    )


def _lines(place: Floats, period_m: float, width_m: float, painting: Painting) -> Floats:
    """Coverage of thin parallel lines at multiples of a period."""
    distance = np.abs(np.mod(place + np.float32(period_m / 2), np.float32(period_m)) - np.float32(period_m / 2))
    return line_coverage(distance, width_m, painting.canvas.pixel_m)


def line_coverage(distance: Floats, width_m: float, pixel_m: float) -> Floats:
    """Share of a pixel that a line covers whose middle is `distance` metres away: a box filter of one pixel."""
    overlap = (width_m + pixel_m) / 2 - distance
    return np.clip(overlap / pixel_m, 0, min(1.0, width_m / pixel_m)).astype(np.float32)


def paint_bays(painting: Painting, row: BayRow) -> None:
    """Paints the white lines between parking bays."""
    length = row.bays * row.bay_m
    spot = painting.spot(row.frame, length + 1, row.depth_m + 1)
    if spot is None:
        return
    on_row = spot.inside(length + 0.2, row.depth_m)
    lines = _lines(spot.along + np.float32(length / 2), row.bay_m, 0.11, painting)
    wear = np.clip(0.75 - 0.2 * painting.mottle[spot.window], 0.2, 1)
    painting.blend(spot, np.where(on_row, lines * wear, 0).astype(np.float32), spectrum("marking"))


def paint_stains(random: np.random.Generator, painting: Painting, frame: Frame) -> None:
    """A mended patch, darker or lighter than the street."""
    length, width = random.uniform(1.5, 9.0), random.uniform(0.8, 2.6)
    spot = painting.spot(frame, length, width)
    if spot is not None:
        tint = tinted(random, "fresh asphalt" if random.random() < 0.6 else "worn asphalt", 0.2)
        painting.lay(spot, spot.inside(length, width), tint[:, None, None] * painting.texture(spot, 0.05, 0.05))
