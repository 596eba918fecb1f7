"""Arrays into small pictures: stretched imagery, class ids in their colours, errors, confidence; and their bytes.

Class ids, errors and confidence become palette PNGs, which are a few kilobytes each; imagery becomes JPEG, because
noisy patches as PNGs would be most of the page.
"""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import sample_colorscale, unlabel_rgb

from components.classes import ClassTable, Color

JPEG_QUALITY = 85
PNG_LEVEL = 6
"""zlib's; level 9 takes five times as long and saves a twentieth."""
HATCH_PERIOD = 6
"""Pixels from one diagonal line of the void hatch to the next."""

LEAST_RANGE = 0.4
"""See `adapted`."""

_HATCH_LINE, _HATCH_GAP, _WRONG, _CLEAR = 254, 255, 253, 252
_WRONG_COLOR: Color = (226, 38, 70)
_HATCH_COLOR: Color = (128, 128, 128)
_LINE_ALPHA, _GAP_ALPHA = 210, 40

_CONFIDENCE_STEP = 5
"""Percent: more shades than these no eye tells apart, and each makes the picture larger."""


@dataclass(frozen=True)
class Stretch:
    """A linear stretch of each display band.

    Attributes:
        bands: Indices (from 0) of the bands shown as red, green and blue.
        low, high: `(3,)`: the band values that become 0 and 255.
    """

    bands: tuple[int, int, int]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def display_bands(band_count: int) -> tuple[int, int, int]:
    """The first three bands; with fewer than three, the first one in grey."""
    return (0, 1, 2) if band_count >= 3 else (0, 0, 0)


def find_stretch(pixels: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Stretch:
    """The stretch from the 2nd to the 98th percentile of each display band.

    Args:
        pixels: `(..., bands)` in the sensor's own numbers.
        valid: `(...)` bool; False is left out. None takes all.
    """
    bands = display_bands(pixels.shape[-1])
    flat = pixels[..., bands].reshape(-1, 3) if valid is None else pixels[valid][:, bands]
    flat = flat[:: max(1, len(flat) // 500_000)].astype(np.float64)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return Stretch(bands, np.zeros(3), np.ones(3))
    low, high = np.percentile(flat, (2, 98), axis=0)
    return Stretch(bands, low, np.where(high > low, high, low + 1))


def adapted(stretch: Stretch, pixels: NDArray[Any]) -> Stretch:
    """A stretch moved towards one patch's own brightness, so that water at dusk is not simply black.

    All bands move alike, which keeps their hue, and no range falls below `LEAST_RANGE` of the stretch's, so that the
    noise of an even surface is not blown up into structure.

    Args:
        stretch: Of all patches together.
        pixels: `(height, width, bands)` of one patch.
    """
    span = stretch.high - stretch.low
    placed = (pixels[..., stretch.bands].astype(np.float64) - stretch.low) / span
    placed = placed[np.isfinite(placed)]
    if not placed.size:
        return stretch
    low, high = np.percentile(placed, (2, 98))
    widened = max(0.0, LEAST_RANGE - (high - low)) / 2
    return Stretch(stretch.bands, stretch.low + (low - widened) * span, stretch.low + (high + widened) * span)


def stretched(pixels: NDArray[Any], stretch: Stretch) -> NDArray[np.uint8]:
    """`(height, width, 3)` uint8 of pixels `(height, width, bands)`; NaN becomes black."""
    chosen = pixels[..., stretch.bands].astype(np.float64)
    scaled = (chosen - stretch.low) / (stretch.high - stretch.low) * 255
    return np.nan_to_num(scaled, nan=0, posinf=255, neginf=0).clip(0, 255).astype(np.uint8)


def class_picture(class_ids: NDArray[np.uint8], table: ClassTable) -> Image.Image:
    """Class ids `(height, width)` in their colours; whatever is no class is hatched and see-through."""
    known = class_ids < len(table)
    indices = np.where(known, class_ids, _hatch(class_ids.shape))
    return _palette_picture(indices, dict(enumerate(table.colors)))


def error_overlay(truth: NDArray[np.uint8], predicted: NDArray[np.uint8], class_count: int) -> Image.Image:
    """Wrong pixels in red, right ones see-through, those without truth hatched: to be laid over the image.

    Args:
        truth, predicted: `(height, width)` class ids.
        class_count: K; truth from K on is void.
    """
    known = truth < class_count
    indices = np.where(known, np.where(truth != predicted, _WRONG, _CLEAR), _hatch(truth.shape)).astype(np.uint8)
    return _palette_picture(indices, {_WRONG: _WRONG_COLOR}, clear=_CLEAR)


def confidence_picture(percent: NDArray[np.uint8]) -> Image.Image:
    """Confidence `(height, width)` in percent, from dark (unsure) to bright (sure); hatched above 100, at nodata."""
    levels = np.minimum(percent, 100) // _CONFIDENCE_STEP
    indices = np.where(percent <= 100, levels, _hatch(percent.shape)).astype(np.uint8)
    return _palette_picture(indices, dict(enumerate(confidence_colors())))


def confidence_colors() -> list[Color]:
    """The colours of 0, 5, ..., 100 % confidence."""
    shares = [percent / 100 for percent in range(0, 101, _CONFIDENCE_STEP)]
    return [_color(label) for label in sample_colorscale("Cividis", shares)]


def png_uri(picture: Image.Image) -> str:
    """A picture as a `data:` address, lossless."""
    return _uri(picture, "png", compress_level=PNG_LEVEL)


def jpeg_uri(pixels: NDArray[np.uint8]) -> str:
    """Imagery `(height, width, 3)` as a `data:` address."""
    return _uri(Image.fromarray(pixels), "jpeg", quality=JPEG_QUALITY)


def css_color(color: Color) -> str:
    """`rgb(60 16 152)`."""
    return f"rgb({color[0]} {color[1]} {color[2]})"


def _hatch(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    rows, cols = np.indices(shape[:2])
    return np.where((rows + cols) % HATCH_PERIOD < 2, _HATCH_LINE, _HATCH_GAP).astype(np.uint8)


def _color(label: str) -> Color:
    red, green, blue = (round(channel) for channel in unlabel_rgb(label))
    return red, green, blue


def _palette_picture(indices: NDArray[np.uint8], colors: dict[int, Color], clear: int | None = None) -> Image.Image:
    palette = np.zeros((256, 3), np.uint8)
    alpha = np.full(256, 255, np.uint8)
    for index, color in {**colors, _HATCH_LINE: _HATCH_COLOR, _HATCH_GAP: _HATCH_COLOR}.items():
        palette[index] = color
    alpha[_HATCH_LINE], alpha[_HATCH_GAP] = _LINE_ALPHA, _GAP_ALPHA
    if clear is not None:
        alpha[clear] = 0
    picture = Image.fromarray(np.ascontiguousarray(indices.astype(np.uint8)))
    picture.putpalette(palette.tobytes())
    picture.info["transparency"] = alpha.tobytes()
    return picture


def _uri(picture: Image.Image, form: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(buffer.getvalue()).decode()}"
