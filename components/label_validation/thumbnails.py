"""Small pictures of imagery and of class ids, as `data:` addresses for a page that needs no other file."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable, encode_colors
from components.geo.window import Window

SIDE = 192
"""Longest side of a thumbnail, in pixels."""
_OUTLINE = (255, 255, 0)
# Patterns, since a class may have any colour, grey and magenta among them.
_VOID = np.array([(235, 235, 235), (150, 150, 150)], np.uint8)
_UNKNOWN = np.array([(255, 0, 255), (130, 0, 130)], np.uint8)


class Thumbnail:
    """Every n-th row and column of a tile, collected strip by strip.

    Args:
        area: The part of the tile that is measured.
    """

    def __init__(self, area: Window) -> None:
        self._step = -(-max(area.height, area.width) // SIDE)
        self._first_row = area.row
        self._strips: list[NDArray[Any]] = []

    def add(self, pixels: NDArray[Any], row: int) -> None:
        """Adds a strip `(height, width, ...)` of the area's whole width that starts at `row`, in tile pixels."""
        offset = self._step // 2
        first = (self._first_row + offset - row) % self._step
        picked = pixels[first :: self._step, min(offset, pixels.shape[1] - 1) :: self._step]
        if picked.size:
            self._strips.append(picked.copy())

    def pixels(self) -> NDArray[Any] | None:
        """`(rows, cols, ...)`, or None where nothing was collected."""
        return np.concatenate(self._strips) if self._strips else None


def image_picture(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """`(height, width, 3)` uint8 of the first three bands (or the first one), from the 2nd to the 98th percentile."""
    bands = [0, 1, 2] if pixels.shape[-1] >= 3 else [0, 0, 0]
    shown = pixels[..., bands].astype(np.float64)
    finite = np.isfinite(shown)
    picture = np.zeros(shown.shape, np.uint8)
    for i in range(3):
        values = shown[..., i][finite[..., i]]
        if values.size:
            low, high = np.percentile(values, (2, 98))
            scaled = (shown[..., i] - low) / max(high - low, 1e-12) * 255
            picture[..., i] = np.nan_to_num(scaled, nan=0, posinf=255, neginf=0).clip(0, 255)
    return picture


def outlined(picture: NDArray[np.uint8], ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with the label's edges drawn on it in yellow."""
    edge = np.zeros(ids.shape, np.bool_)
    edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    edge[1:] |= ids[1:] != ids[:-1]
    drawn = picture.copy()
    drawn[edge] = _OUTLINE
    return drawn


def jpeg_uri(picture: NDArray[np.uint8]) -> str:
    """Imagery `(height, width, 3)` as a `data:` address."""
    return _uri(Image.fromarray(picture), "jpeg", quality=85)


def png_uri(picture: NDArray[np.uint8]) -> str:
    """A picture `(height, width, 3)` as a `data:` address, lossless."""
    return _uri(Image.fromarray(picture), "png")


def ids_uri(ids: NDArray[np.uint8], table: ClassTable) -> str:
    """Class ids `(height, width)` as `ids_picture`, as a `data:` address."""
    return png_uri(ids_picture(ids, table))


def ids_picture(ids: NDArray[np.uint8], table: ClassTable) -> NDArray[np.uint8]:
    """Class ids `(height, width)` as `(height, width, 3)` uint8.

    Classes in their colours, void hatched in grey, what means no class chequered in magenta.
    """
    picture = encode_colors(ids, table)
    rows, cols = np.indices(ids.shape)
    void, unknown = ids == VOID_ID, ids == UNKNOWN_ID
    picture[void] = _VOID[((rows + cols) % 6 < 2).astype(np.intp)[void]]
    picture[unknown] = _UNKNOWN[((rows // 2 + cols // 2) % 2)[unknown]]
    return picture


def _uri(picture: Image.Image, form: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(buffer.getvalue()).decode()}"
