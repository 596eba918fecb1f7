"""Paints crowns and hedges: heaps of leafy lumps, each with its own height, slope and hue."""

import math

import numpy as np

from tfx_pipeline.sample_scenes.painting import LOW_VEGETATION, TREE, Floats, Painting
from tfx_pipeline.sample_scenes.spectra import spectrum, tinted
from tfx_pipeline.sample_scenes.things import Frame, Hedge, Tree
from tfx_pipeline.sample_scenes.woods import SHRUB_M


def paint_tree(random: np.random.Generator, painting: Painting, tree: Tree) -> None:
    """Paints one crown as the upper envelope of spheres.

    The spheres stand closer and higher in the middle; a conifer's are small and fall off steeply, as a cone's do.
    """
    reach = 2.6 * tree.radius_m
    spot = painting.spot(Frame(tree.row_m, tree.col_m, 0.0), reach, reach)
    if spot is None:
        return
    lumps = _lumps(random, tree, painting.canvas.pixel_m)
    # With angle 0, along is rightward and across is downward. Envelope: the highest of top - r + sqrt(r^2 - d^2).
    places, tops, sizes = lumps[:, :2, None, None], lumps[:, 2, None, None], lumps[:, 3, None, None]
    inside = sizes * sizes - np.square(spot.along - places[:, 0]) - np.square(spot.across - places[:, 1])
    domes = tops - sizes + np.sqrt(np.maximum(inside, 0))
    domes[inside <= 0] = -1
    lump = domes.argmax(axis=0)
    height = domes.max(axis=0)
    right, down, _, size = np.moveaxis(lumps[lump], -1, 0)
    right, down = spot.along - right, spot.across - down
    grain, leaves = painting.grain[spot.window], painting.leaves[spot.window]
    mask = (height > 0.2) & (height > painting.height_m[spot.window])
    ragged = 0.75 if tree.species == "thin crown" else 1.9
    mask &= 0.5 * grain + leaves < ragged
    steep = np.sqrt(np.maximum(size * size - right * right - down * down, np.square(0.45 * size)))
    color = tinted(random, tree.species, 0.14, 0.07)
    hues = np.exp(random.normal(0.0, 0.10, (len(lumps), 1)) + random.normal(0.0, 0.045, (len(lumps), 4)))
    # Gaps between lumps and the skirts of the crown see little sky.
    depth = np.clip((height - (tree.height_m - 1.3 * tree.radius_m)) / (1.3 * tree.radius_m), 0, 1)
    shade = (0.62 + 0.38 * depth) * np.maximum(1 + 0.14 * grain + 0.25 * leaves, 0.25)
    painting.lay(
        spot,
        mask,
        np.asarray(color[:, None, None] * hues.T.astype(np.float32)[:, lump] * shade, np.float32),
        TREE if tree.height_m >= SHRUB_M else LOW_VEGETATION,
    )
    painting.raise_to(spot, mask, height + np.float32(0.16) * leaves)
    # Leaves are not a solid surface: they scatter, and shade less than a sphere would.
    bump_down, bump_right = painting.leaves_down[spot.window], painting.leaves_right[spot.window]
    bump = np.float32(0.13 / painting.canvas.pixel_m)
    painting.tilt(
        spot, mask, Frame(0, 0, 0.0), bump * bump_right - 0.55 * right / steep, bump * bump_down - 0.55 * down / steep
    )


def _lumps(random: np.random.Generator, tree: Tree, pixel_m: float) -> Floats:
    """The spheres of a crown: float32 (lumps, 4) of right, down, top height and radius, in metres."""
    radius = tree.radius_m
    conifer = tree.species == "conifer"
    count = int(10 + 13 * radius) if not conifer else int(12 + 12 * radius)
    # No more lumps than the pixels can show.
    count = max(5, min(count, int(0.06 * (2 * radius / pixel_m) ** 2)))
    angle = random.uniform(0, 2 * math.pi, count)
    # Lopsided outlines: no crown is a disc.
    stretch = 1 + 0.22 * np.cos(angle - random.uniform(0, 6.3)) + 0.12 * np.cos(3 * angle - random.uniform(0, 6.3))
    distance = np.sqrt(random.random(count)) * 0.82
    size = radius * random.uniform(0.16, 0.26, count) if conifer else radius * random.uniform(0.15, 0.40, count)
    drop = 1.0 * distance * (tree.height_m * 0.72) if conifer else 0.85 * radius * distance**2.2
    top = tree.height_m - drop - random.uniform(0, 0.30, count) * radius
    lumps = np.stack(
        [radius * distance * stretch * np.cos(angle), radius * distance * stretch * np.sin(angle), top, size], axis=1
    )
    core = np.array([[0.0, 0.0, tree.height_m * 0.93, radius * (0.4 if conifer else 0.62)]])
    return np.asarray(np.concatenate([lumps, core]), np.float32)


def paint_hedge(random: np.random.Generator, painting: Painting, hedge: Hedge) -> None:
    """Paints one piece of hedge: low vegetation, though it stands as high as a car."""
    spot = painting.spot(hedge.frame, hedge.length_m + 0.5, hedge.width_m + 0.5)
    if spot is None:
        return
    lumpy = 0.15 * painting.mottle[spot.window] + 0.06 * painting.grain[spot.window]
    rim = np.float32(hedge.width_m / 2) + lumpy - np.abs(spot.across)
    height = hedge.height_m * np.clip(1.2 + 0.8 * lumpy, 0.7, 1.3)
    mask = (rim > 0) & (np.abs(spot.along) < hedge.length_m / 2) & (height > painting.height_m[spot.window])
    color = spectrum("hedge")[:, None, None] * painting.texture(spot, 0.2, 0.15, 0.1) * random.uniform(0.95, 1.05)
    painting.lay(spot, mask, np.asarray(color, np.float32), LOW_VEGETATION)
    painting.raise_to(spot, mask, height)
    round_top = -np.sign(spot.across) * np.clip(0.5 - rim, 0, 1)
    painting.tilt(spot, mask, hedge.frame, 0.0, np.asarray(round_top, np.float32))
