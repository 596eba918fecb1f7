"""Paints streets: carriageways with wear and markings, kerbs, pavements with verges."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfx_pipeline.sample_scenes.ground_painter import line_coverage, paint_stains
from tfx_pipeline.sample_scenes.layout import Layout
from tfx_pipeline.sample_scenes.painting import IMPERVIOUS, LOW_VEGETATION, Floats, Mask, Painting, Spot
from tfx_pipeline.sample_scenes.spectra import spectrum, tinted
from tfx_pipeline.sample_scenes.streets import Street

# How far from a carriageway its pixels are looked for: the widest pavement, and the roundings of corners.
_REACH_M = 9.0
_ROUNDING_M = 5.0
_FAR_M = 1e3


@dataclass(frozen=True)
class StreetField:
    """Where each pixel lies seen from its nearest street; float32 (height, width), in metres.

    Attributes:
        index: int16, the nearest street's number; -1 far from all.
        gap_m: Distance to the edge of the nearest carriageway, negative on it.
        other: int16, the next nearest street's number, or -1.
        other_gap_m: The gap to that one.
        other_line_m: The same as if that street went on beyond its ends, for marks that are straight.
        along_m, across_m: Place from the start and the centre line of the nearest street.
    """

    index: NDArray[np.int16]
    other: NDArray[np.int16]
    gap_m: Floats
    other_gap_m: Floats
    other_line_m: Floats
    along_m: Floats
    across_m: Floats

    def rounded_gap_m(self) -> Floats:
        """The gap with the corners between streets rounded: a polynomial smooth minimum of the two gaps."""
        blend = np.maximum(_ROUNDING_M - np.abs(self.gap_m - self.other_gap_m), 0)
        rounded: Floats = np.minimum(self.gap_m, self.other_gap_m) - blend * blend / np.float32(4 * _ROUNDING_M)
        return rounded


def locate_streets(painting: Painting, layout: Layout) -> StreetField:
    """Finds the two nearest streets of every pixel, piece by piece along each street."""
    canvas, plan = painting.canvas, layout.plan
    row = ((np.arange(canvas.height) + 0.5) * canvas.pixel_m).astype(np.float32)[:, None]
    col = ((np.arange(canvas.width) + 0.5) * canvas.pixel_m).astype(np.float32)[None, :]
    u, v = plan.to_plan(row, col)
    field = StreetField(
        index=np.full(canvas.shape, -1, np.int16),
        other=np.full(canvas.shape, -1, np.int16),
        gap_m=np.full(canvas.shape, _FAR_M, np.float32),
        other_gap_m=np.full(canvas.shape, _FAR_M, np.float32),
        other_line_m=np.full(canvas.shape, _FAR_M, np.float32),
        along_m=np.zeros(canvas.shape, np.float32),
        across_m=np.zeros(canvas.shape, np.float32),
    )
    half = np.array([street.half_width_m for street in layout.network.streets], np.float32)
    for index, street in enumerate(layout.network.streets):
        pieces = max(1, round(street.length_m / 30))
        for piece in range(pieces):
            middle = street.place((piece + 0.5) / pieces * street.length_m, 0.0)
            reach = 2 * (street.half_width_m + _REACH_M)
            spot = painting.spot(plan.frame(middle, street.heading), street.length_m / pieces * 1.2 + reach, reach)
            if spot is not None:
                _locate(field, spot, index, street, half, u[spot.window], v[spot.window])
    return field


def _locate(field: StreetField, spot: Spot, index: int, street: Street, half: Floats, u: Floats, v: Floats) -> None:
    heading_u, heading_v = street.heading
    from_u, from_v = u - np.float32(street.start[0]), v - np.float32(street.start[1])
    along = from_u * np.float32(heading_u) + from_v * np.float32(heading_v)
    across = from_v * np.float32(heading_u) - from_u * np.float32(heading_v)
    beyond = along - np.clip(along, 0, np.float32(street.length_m))
    gap = np.hypot(beyond, across) - np.float32(street.half_width_m)
    best, number = field.gap_m[spot.window], field.index[spot.window]
    other, other_number = field.other_gap_m[spot.window], field.other[spot.window]
    # The pieces of a street overlap; a pixel that is the street's already is not its own neighbour.
    nearer = (gap < best) & (number != index)
    second = ~nearer & (number != index) & (gap < other)
    other[...] = np.where(nearer, best, np.where(second, gap, other))
    line = field.other_line_m[spot.window]
    nearest_line = np.abs(field.across_m[spot.window]) - half[number]
    line[...] = np.where(nearer, nearest_line, np.where(second, np.abs(across) - half[index], line))
    other_number[...] = np.where(nearer, number, np.where(second, index, other_number))
    best[nearer], number[nearer] = gap[nearer], index
    field.along_m[spot.window][nearer] = along[nearer]
    field.across_m[spot.window][nearer] = across[nearer]


def paint_streets(random: np.random.Generator, painting: Painting, layout: Layout) -> None:
    """Paints all streets."""
    streets = layout.network.streets
    if not streets:
        return
    field = locate_streets(painting, layout)
    gap = field.rounded_gap_m()
    kinds = [("asphalt", "worn asphalt", "asphalt", "fresh asphalt")[int(random.integers(4))] for _ in streets]
    colors = np.stack([tinted(random, kind, 0.10, 0.02) for kind in kinds])
    pavements = np.stack(
        [tinted(random, ("paving", "paving", "worn asphalt", "red paving")[int(random.integers(4))]) for _ in streets]
    )
    pavement_m = np.array([street.pavement_m for street in streets], np.float32)
    verge = np.array([street.pavement_m > 1.7 and random.random() < 0.4 for street in streets])
    known = field.index >= 0
    carriageway = known & (gap < 0)
    pavement = known & ~carriageway & (gap < pavement_m[field.index])
    # A junction has the surface of the older street, the one that was cut first.
    shared = (field.other_gap_m < 0) & (field.other >= 0)
    owner = np.where(shared, np.minimum(field.index, field.other), field.index)
    _lay(painting, pavement, pavements, field.index, 0.05, IMPERVIOUS)
    grass = pavement & verge[field.index] & (gap > 0.55 * pavement_m[field.index])
    grass &= painting.grain * 0.05 + gap > 0.55 * pavement_m[field.index]
    _lay(painting, grass, np.stack([tinted(random, "lawn") for _ in streets]), field.index, 0.1, LOW_VEGETATION)
    _lay(painting, carriageway, colors, owner, 0.05, IMPERVIOUS)
    _wear(painting, carriageway, gap, field)
    for street in streets:
        for _ in range(int(random.poisson(street.length_m / 28))):
            across = random.uniform(-0.8, 0.8) * street.half_width_m
            place = street.place(random.uniform(0, street.length_m), across)
            if all(other is street or other.gap_m(place) > 5 for other in streets):
                paint_stains(random, painting, layout.plan.frame(place, street.heading))
    _mark(random, painting, carriageway, field, streets)
    _kerb(painting, known, gap)


def _kerb(painting: Painting, known: Mask, gap: Floats) -> None:
    """A light kerbstone along the edge of the carriageway."""
    width_m = 0.16
    rows, cols = np.nonzero(known & (np.abs(gap - np.float32(0.07)) < width_m / 2 + painting.canvas.pixel_m))
    coverage = line_coverage(np.abs(gap[rows, cols] - np.float32(0.07)), width_m, painting.canvas.pixel_m)
    for band, stone in zip(painting.reflectance, spectrum("kerb"), strict=True):
        band[rows, cols] += coverage * (stone - band[rows, cols])


def _lay(painting: Painting, mask: Mask, colors: Floats, index: NDArray[np.int16], grain: float, class_id: int) -> None:
    """Lays each street's own colour (streets, 4) on its masked pixels."""
    chosen = index[mask]
    texture = np.float32(1) + np.float32(grain) * painting.grain[mask]
    texture += np.float32(0.05) * painting.mottle[mask] + np.float32(0.05) * painting.drift[mask]
    for band in range(4):
        painting.reflectance[band][mask] = colors[chosen, band] * texture
    painting.class_ids[mask] = class_id


def _wear(painting: Painting, carriageway: Mask, gap: Floats, field: StreetField) -> None:
    """Lighter wheel tracks, dark gutters, cracks where the noise passes through zero."""
    rows, cols = np.nonzero(carriageway)
    from_track = np.abs(np.abs(field.across_m[rows, cols]) - np.float32(1.75)) - np.float32(0.75)
    track = np.exp(-np.square(from_track / np.float32(0.35)))
    gutter = np.exp(-np.square(gap[rows, cols] / np.float32(0.35)))
    noise = painting.mottle[rows, cols] + np.float32(0.3) * painting.grain[rows, cols]
    crack = (np.abs(noise) < 0.02) & (painting.drift[rows, cols] > 0.3)
    factor = 1 + np.float32(0.06) * track - np.float32(0.16) * gutter - np.float32(0.12) * crack
    for band in painting.reflectance:
        band[rows, cols] *= factor


def _mark(
    random: np.random.Generator,
    painting: Painting,
    carriageway: Mask,
    field: StreetField,
    streets: tuple[Street, ...],
) -> None:
    """Centre lines, edge lines, stop lines and zebra crossings; none inside the junctions."""
    pixel_m = painting.canvas.pixel_m
    half = np.array([street.half_width_m for street in streets], np.float32)
    centre_line = np.array([street.rank < 2 or random.random() < 0.25 for street in streets])
    zebra = np.array([random.random() < 0.25 for _ in streets])
    rows, cols = np.nonzero(carriageway & (field.other_gap_m > 1.0))
    if not len(rows):
        return
    index, across = field.index[rows, cols], field.across_m[rows, cols]
    along, other, line = (part[rows, cols] for part in (field.along_m, field.other_gap_m, field.other_line_m))
    dashes = (np.mod(along, 9.0) < 4.0) | (other < 14.0)
    coverage = line_coverage(np.abs(across), 0.15, pixel_m) * (centre_line[index] & dashes & (other > 5.0))
    edge = line_coverage(np.abs(np.abs(across) - half[index] + np.float32(0.35)), 0.14, pixel_m)
    coverage = np.maximum(coverage, edge * ((half[index] > 4.2) & (other > 5.0)))
    near = other < 12.0
    crossing = near & (line > 1.6) & (line < 4.6) & zebra[index] & (np.abs(across) < half[index] - 0.4)
    coverage = np.maximum(coverage, crossing & (np.mod(across, 1.0) < 0.5))
    # Only the street that ends at a junction gives way there.
    length = np.array([street.length_m for street in streets], np.float32)[index]
    ending = np.minimum(along, length - along) < 9.0
    own_side = across * np.sign(length / 2 - along) > 0.3
    stop = line_coverage(np.abs(line - np.float32(1.2)), 0.4, pixel_m)
    coverage = np.maximum(coverage, stop * (near & ending & own_side & ~zebra[index] & centre_line[index]))
    worn = np.clip(0.8 - 0.25 * painting.mottle[rows, cols] - 0.1 * painting.grain[rows, cols], 0.15, 1.0)
    coverage = (coverage * worn).astype(np.float32)
    marked = np.flatnonzero(coverage > 0.01)
    rows, cols, coverage = rows[marked], cols[marked], coverage[marked]
    for band, white in zip(painting.reflectance, spectrum("marking"), strict=True):
        band[rows, cols] += coverage * (white - band[rows, cols])
