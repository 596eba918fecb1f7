"""The rasters a scene is painted on, and the windows through which one object is painted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfx_pipeline.sample_scenes.noise import fractal_noise, smooth_noise
from tfx_pipeline.sample_scenes.spectra import Reflectance
from tfx_pipeline.sample_scenes.things import Frame

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

IMPERVIOUS, BUILDING, LOW_VEGETATION, TREE, CAR, CLUTTER = range(6)
CLASS_COLORS = ((255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0))
"""The ISPRS colours (red, green, blue) in class order."""


@dataclass(frozen=True)
class Canvas:
    """The drawn raster: `height` x `width` pixels of `pixel_m` metres; the ground origin is its upper left corner."""

    height: int
    width: int
    pixel_m: float

    @property
    def height_m(self) -> float:
        """Ground height, in metres."""
        return self.height * self.pixel_m

    @property
    def width_m(self) -> float:
        """Ground width, in metres."""
        return self.width * self.pixel_m

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width


@dataclass(frozen=True)
class Spot:
    """The part of a canvas around one object, with each pixel's local coordinates, in metres."""

    window: tuple[slice, slice]
    along: Floats
    across: Floats

    def inside(self, length_m: float, width_m: float) -> Mask:
        """The pixels of the centred rectangle of that length (along) and width (across)."""
        return (np.abs(self.along) <= length_m / 2) & (np.abs(self.across) <= width_m / 2)


class Painting:
    """A scene being painted: later layers hide earlier ones.

    Attributes:
        reflectance: float32 (4, height, width): near infrared, red, green, blue.
        class_ids: uint8 (height, width).
        height_m: float32 (height, width), above the terrain.
        slope_row, slope_col: float32 (height, width), rise of the surface a metre downward and rightward.
        grain: float32, white noise of about a decimetre, for leaves, gravel, tiles.
        mottle: float32, fractal noise of 0.3 to 5 m, for wear and growth.
        drift: float32, fractal noise of 5 to 40 m, for moisture and traffic.
        leaves: float32, fractal noise of 0.2 to 1 m, for foliage.
        leaves_down, leaves_right: float32, how much `leaves` grows a pixel downward and rightward.
    """

    def __init__(self, canvas: Canvas, random: np.random.Generator) -> None:
        self.canvas = canvas
        shape, metre = canvas.shape, 1 / canvas.pixel_m
        self.reflectance: Floats = np.zeros((4, *shape), np.float32)
        self.class_ids: NDArray[np.uint8] = np.full(shape, LOW_VEGETATION, np.uint8)
        self.height_m: Floats = np.zeros(shape, np.float32)
        self.slope_row: Floats = np.zeros(shape, np.float32)
        self.slope_col: Floats = np.zeros(shape, np.float32)
        # Half white, half a little wider, so that grain is no mere pixel noise at 0.09 m.
        self.grain: Floats = smooth_noise(random, shape, 1.0)
        if metre > 4:
            self.grain = np.float32(0.7) * (self.grain + smooth_noise(random, shape, 0.25 * metre))
        self.mottle: Floats = fractal_noise(random, shape, 5 * metre, 0.3 * metre, 0.75)
        self.leaves: Floats = fractal_noise(random, shape, 1.0 * metre, 0.2 * metre, 0.8)
        self.leaves_down: Floats
        self.leaves_right: Floats
        self.leaves_down, self.leaves_right = np.gradient(self.leaves)
        self.drift: Floats = fractal_noise(random, shape, 40 * metre, 5 * metre, 0.65)

    def spot(self, frame: Frame, length_m: float, width_m: float) -> Spot | None:
        """The window that holds the rectangle of that size centred on `frame`; None off the canvas."""
        sine, cosine = np.sin(frame.angle), np.cos(frame.angle)
        pixel_m = self.canvas.pixel_m
        reach_row = (abs(sine) * length_m + abs(cosine) * width_m) / 2 + pixel_m
        reach_col = (abs(cosine) * length_m + abs(sine) * width_m) / 2 + pixel_m
        top = max(0, int((frame.row_m - reach_row) / pixel_m))
        left = max(0, int((frame.col_m - reach_col) / pixel_m))
        bottom = min(self.canvas.height, int((frame.row_m + reach_row) / pixel_m) + 1)
        right = min(self.canvas.width, int((frame.col_m + reach_col) / pixel_m) + 1)
        if top >= bottom or left >= right:
            return None
        row = ((np.arange(top, bottom) + 0.5) * pixel_m - frame.row_m).astype(np.float32)[:, None]
        col = ((np.arange(left, right) + 0.5) * pixel_m - frame.col_m).astype(np.float32)[None, :]
        along = row * np.float32(sine) + col * np.float32(cosine)
        across = row * np.float32(cosine) - col * np.float32(sine)
        return Spot((slice(top, bottom), slice(left, right)), along, across)

    def lay(self, spot: Spot, mask: Mask, reflectance: Reflectance, class_id: int | None = None) -> None:
        """Paints colour, and class if given, where `mask` says so.

        Args:
            spot: Where.
            mask: bool, the spot's shape.
            reflectance: float32 (4,) or (4, the spot's shape).
            class_id: The class of the painted pixels; None leaves it.
        """
        if reflectance.ndim == 1:
            reflectance = reflectance[:, None, None]
        np.copyto(self.reflectance[:, spot.window[0], spot.window[1]], reflectance, where=mask)
        if class_id is not None:
            self.class_ids[spot.window][mask] = class_id

    def blend(self, spot: Spot, coverage: Floats, reflectance: Reflectance, class_id: int | None = None) -> None:
        """Paints colour by share of the pixel covered, so that lines finer than a pixel stay fine.

        Args:
            spot: Where.
            coverage: float32, the spot's shape, 0 to 1.
            reflectance: float32 (4,).
            class_id: The class of pixels that are covered by half or more; None leaves it.
        """
        window = self.reflectance[:, spot.window[0], spot.window[1]]
        window += coverage * (reflectance[:, None, None] - window)
        if class_id is not None:
            self.class_ids[spot.window][coverage >= 0.5] = class_id

    def raise_to(self, spot: Spot, mask: Mask, height_m: Floats | float) -> None:
        """Sets the height of the masked pixels; the surface is level there unless slopes are set after."""
        np.copyto(self.height_m[spot.window], np.asarray(height_m, np.float32), where=mask)
        np.copyto(self.slope_row[spot.window], np.float32(0), where=mask)
        np.copyto(self.slope_col[spot.window], np.float32(0), where=mask)

    def tilt(
        self, spot: Spot, mask: Mask, frame: Frame, rise_along: Floats | float, rise_across: Floats | float
    ) -> None:
        """Sets the slope of the masked pixels from the rises a metre along and across `frame`."""
        sine, cosine = np.float32(np.sin(frame.angle)), np.float32(np.cos(frame.angle))
        along, across = np.asarray(rise_along, np.float32), np.asarray(rise_across, np.float32)
        np.copyto(self.slope_row[spot.window], along * sine + across * cosine, where=mask)
        np.copyto(self.slope_col[spot.window], along * cosine - across * sine, where=mask)

    def texture(self, spot: Spot, grain: float, mottle: float, drift: float = 0.0) -> Floats:
        """1 plus the weighted noise fields in the spot: what a reflectance is multiplied by."""
        field = np.float32(grain) * self.grain[spot.window] + np.float32(mottle) * self.mottle[spot.window]
        if drift:
            field = field + np.float32(drift) * self.drift[spot.window]
        return np.maximum(field + np.float32(1), np.float32(0.2))
