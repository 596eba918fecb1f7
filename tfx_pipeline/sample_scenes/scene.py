"""One sample scene: image, surface height and classes of a place that never was."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.crs import CRS

from tfx_pipeline.sample_scenes.camera import Camera, average, expose
from tfx_pipeline.sample_scenes.ground_painter import paint_bays, paint_ground, paint_slab
from tfx_pipeline.sample_scenes.layout import Layout, draw_layout
from tfx_pipeline.sample_scenes.noise import fractal_noise
from tfx_pipeline.sample_scenes.options import SceneOptions
from tfx_pipeline.sample_scenes.painting import CLASS_COLORS, Canvas, Painting
from tfx_pipeline.sample_scenes.roof_painter import paint_building
from tfx_pipeline.sample_scenes.small_painter import paint_oddity, paint_vehicle
from tfx_pipeline.sample_scenes.street_painter import paint_streets
from tfx_pipeline.sample_scenes.sunlight import Sun, sunlit
from tfx_pipeline.sample_scenes.tree_painter import paint_hedge, paint_tree

GENERATOR_VERSION = 1
"""Raised whenever equal options would give other bytes: scenes written by another version are written anew."""

CLASS_NAMES = ("impervious surface", "building", "low vegetation", "tree", "car", "clutter")

# Drawn beyond the delivered part on every side, so that houses are cut by its rim and shadows fall in from outside.
_MARGIN_M = 16.0
_CRS = "EPSG:25832"


@dataclass(frozen=True)
class Scene:
    """Rasters of one place, all (height, width) of the options.

    Attributes:
        irrg: uint8 (height, width, 3): near infrared, red, green.
        rgb: uint8 (height, width, 3): red, green, blue.
        surface_height_m: float32 (height, width): ground, roofs and crowns above sea level.
        class_ids: uint8 (height, width), indices into `CLASS_NAMES`.
        transform: From (col, row) to (easting, northing), in metres.
        crs: Of the transform.
    """

    irrg: NDArray[np.uint8]
    rgb: NDArray[np.uint8]
    surface_height_m: NDArray[np.float32]
    class_ids: NDArray[np.uint8]
    transform: Affine
    crs: CRS

    def label_colors(self) -> NDArray[np.uint8]:
        """The classes in ISPRS colours, uint8 (height, width, 3)."""
        return np.array(CLASS_COLORS, np.uint8)[self.class_ids]


def generate_scene(options: SceneOptions) -> Scene:
    """Draws a scene; equal options give equal bytes."""
    layout_random, paint_random, light_random = np.random.default_rng(options.seed).spawn(3)
    factor, distance_m = options.oversampling, options.ground_sample_distance_m
    pixel_m = distance_m / factor
    margin_px = round(_MARGIN_M / distance_m) * factor
    canvas = Canvas(options.height_px * factor + 2 * margin_px, options.width_px * factor + 2 * margin_px, pixel_m)
    inner = (slice(margin_px, canvas.height - margin_px), slice(margin_px, canvas.width - margin_px))
    margin_m = margin_px * pixel_m
    inner_m = (margin_m, margin_m, canvas.height_m - margin_m, canvas.width_m - margin_m)
    layout = draw_layout(layout_random, canvas.height_m, canvas.width_m, inner_m)
    painting = Painting(canvas, paint_random)
    _paint(paint_random, painting, layout)

    sun, camera = Sun.drawn(light_random), Camera.drawn(light_random)
    terrain_m = _terrain(light_random, canvas)
    direct, sky = sunlit(painting, terrain_m, sun)
    photo = expose(light_random, camera, painting.reflectance[:, inner[0], inner[1]], direct[inner], sky[inner], factor)
    # Image matching knows heights to a few centimetres.
    surface = average((painting.height_m + terrain_m)[inner], factor)
    surface = surface + np.float32(0.03) * light_random.standard_normal(surface.shape, dtype=np.float32)
    return Scene(
        irrg=np.ascontiguousarray(photo[:3].transpose(1, 2, 0)),
        rgb=np.ascontiguousarray(photo[1:].transpose(1, 2, 0)),
        surface_height_m=surface,
        class_ids=_most_frequent(painting.class_ids[inner], factor),
        # Spelt out: affine 3 deprecates the * that affine 2 needs.
        transform=Affine(distance_m, 0.0, options.west_m, 0.0, -distance_m, options.north_m),
        crs=CRS.from_string(_CRS),
    )


def _paint(random: np.random.Generator, painting: Painting, layout: Layout) -> None:
    """From the ground up: what is higher hides what is below."""
    things = layout.things
    paint_ground(random, painting, layout)
    paint_streets(random, painting, layout)
    for slab in things.slabs:
        paint_slab(random, painting, slab)
    for row in things.bay_rows:
        paint_bays(painting, row)
    for oddity in things.oddities:
        paint_oddity(random, painting, oddity)
    for hedge in things.hedges:
        paint_hedge(random, painting, hedge)
    for building in things.buildings:
        paint_building(random, painting, building)
    for vehicle in things.vehicles:
        paint_vehicle(random, painting, vehicle)
    for tree in things.trees:
        paint_tree(random, painting, tree)


def _terrain(random: np.random.Generator, canvas: Canvas) -> NDArray[np.float32]:
    """Ground height: a hillside of a few per cent with gentle undulation, float32 (height, width)."""
    tilt = random.normal(0.0, 0.02, 2)
    row = np.arange(canvas.height, dtype=np.float32)[:, None] * np.float32(canvas.pixel_m * tilt[0])
    col = np.arange(canvas.width, dtype=np.float32)[None, :] * np.float32(canvas.pixel_m * tilt[1])
    waves = fractal_noise(random, canvas.shape, 120 / canvas.pixel_m, 30 / canvas.pixel_m, 0.4)
    level: NDArray[np.float32] = np.float32(random.uniform(180, 320)) + row + col + np.float32(0.5) * waves
    return level


def _most_frequent(class_ids: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """The class that covers most of each factor x factor square; the rarer class, later in the order, wins ties."""
    if factor == 1:
        return np.ascontiguousarray(class_ids)
    height, width = class_ids.shape[0] // factor, class_ids.shape[1] // factor
    squares = class_ids.reshape(height, factor, width, factor)
    last = len(CLASS_NAMES) - 1
    counts = np.stack([(squares == class_id).sum(axis=(1, 3), dtype=np.uint8) for class_id in range(last, -1, -1)])
    return np.asarray(last - counts.argmax(axis=0), np.uint8)
