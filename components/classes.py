"""The land-cover classes of a data set: ids, names, colours, and how colours become ids and back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from components.options import Options

VOID_ID = 255
"""The class id of pixels that count neither in training nor in evaluation; also what nodata becomes."""

MAX_CLASSES = 254
"""Class ids are one byte: 254 is kept for `UNKNOWN_ID` and 255 for `VOID_ID`."""

UNKNOWN_ID = 254
"""What the decoder gives a colour that is not in the table, until a budget has judged it."""

Color = tuple[int, int, int]


class LandClass(Options):
    """One class: its name and its colour (red, green, blue; 0 to 255) in label rasters and in maps."""

    name: str = Field(min_length=1)
    """Names it in figures, reports and maps."""
    color: Color
    """Red, green, blue, 0 to 255, in label rasters and in maps: `[0, 0, 255]`."""
    scored: bool = True
    """False leaves the class out of mean IoU and mean F1 (the ISPRS clutter); its pixels still count as errors."""

    @field_validator("color")
    @classmethod
    def _bytes(cls, color: Color) -> Color:
        if not all(0 <= channel <= 255 for channel in color):
            raise ValueError(f"colour {list(color)} has a channel outside 0 to 255")
        return color


class ClassTable(Options):
    """The classes in id order (the first one is id 0), and the colours that mean void.

    Raises:
        pydantic.ValidationError: On fewer than two or too many classes, a name or a colour that stands twice.
    """

    classes: tuple[LandClass, ...] = Field(min_length=2, max_length=MAX_CLASSES)
    void: tuple[LandClass, ...] = ()

    @model_validator(mode="after")
    def _no_twins(self) -> "ClassTable":
        entries = (*self.classes, *self.void)
        for what, values in (("name", [e.name for e in entries]), ("colour", [e.color for e in entries])):
            for i, value in enumerate(values):
                if value in values[:i]:
                    first = entries[values.index(value)].name  # type: ignore[arg-type]
                    raise ValueError(
                        f"{what} {value if what == 'name' else list(value)} stands twice, "
                        f"for '{first}' and for '{entries[i].name}'; give each class its own {what}"
                    )
        if not any(entry.scored for entry in self.classes):
            raise ValueError("every class has scored: false; leave at least one scored")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in id order."""
        return tuple(entry.name for entry in self.classes)

    @property
    def colors(self) -> tuple[Color, ...]:
        """Class colours in id order."""
        return tuple(entry.color for entry in self.classes)

    @property
    def scored_ids(self) -> tuple[int, ...]:
        """Ids of the classes that mean figures are taken over."""
        return tuple(i for i, entry in enumerate(self.classes) if entry.scored)

    def __len__(self) -> int:
        return len(self.classes)


_PIXELS_AT_ONCE = 32_768
"""Pixels decoded at once: 256 KB of indices."""


class ColorDecoder:
    """Turns colours into class ids through one table look-up a pixel.

    The table has an entry for each of the 2**24 colours (16 MiB), so it is built once and reused: searching the
    palette colour by colour costs several times more on a 36-megapixel tile.

    Args:
        table: The classes; colours of `table.void` decode to `VOID_ID`, colours in neither to `UNKNOWN_ID`.
        tolerance: How far each channel may lie from a listed colour. Within reach of several, the one with the
            smallest largest channel difference counts; if that is a tie between classes, the colour is unknown.
    """

    def __init__(self, table: ClassTable, tolerance: int = 0) -> None:
        self._id_of_color = np.full(1 << 24, UNKNOWN_ID, np.uint8)
        entries = [(class_id, color) for class_id, color in enumerate(table.colors)]
        entries += [(VOID_ID, entry.color) for entry in table.void]
        if tolerance:
            _fill_near(self._id_of_color, entries, tolerance)
            return
        for class_id, color in entries:
            self._id_of_color[_packed(color)] = class_id

    def decode(self, colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Class ids `(height, width)` uint8 of a colour raster `(height, width, 3)` uint8."""
        height, width = colors.shape[:2]
        class_ids = np.empty((height, width), np.uint8)
        # A few rows at a time, through one buffer of the type that NumPy indexes with: it stays in the processor's
        # cache, where buffers of a whole raster would be new pages each time, which the workers' threads wait for.
        rows = max(1, min(height, _PIXELS_AT_ONCE // max(1, width)))
        buffer = np.empty((rows, width), np.intp)
        for start in range(0, height, rows):
            part = colors[start : start + rows]
            packed = buffer[: len(part)]
            packed[...] = part[..., 0]
            packed <<= 8
            packed |= part[..., 1]
            packed <<= 8
            packed |= part[..., 2]
            # No index can be out of range; with "raise" NumPy would go through a copy of the output.
            self._id_of_color.take(packed, out=class_ids[start : start + rows], mode="wrap")
        return class_ids


def encode_colors(class_ids: NDArray[np.uint8], table: ClassTable, void_color: Color = (0, 0, 0)) -> NDArray[np.uint8]:
    """Colours `(height, width, 3)` uint8 of class ids `(height, width)` uint8; the inverse of `ColorDecoder.decode`.

    Ids that are no class, `VOID_ID` among them, get `void_color`.
    """
    palette = np.empty((256, 3), np.uint8)
    palette[:] = void_color
    palette[: len(table)] = table.colors
    return palette[class_ids]


def _fill_near(id_of_color: NDArray[np.uint8], entries: Sequence[tuple[int, Color]], tolerance: int) -> None:
    """Writes the id of the nearest entry into all colours within `tolerance` of it; only those are visited."""
    ids = id_of_color.reshape(256, 256, 256)
    nearest = np.full(ids.shape, 255, np.uint8)
    for class_id, color in entries:
        cube = tuple(slice(max(0, channel - tolerance), channel + tolerance + 1) for channel in color)
        red, green, blue = (
            np.abs(np.arange(256)[part] - channel).astype(np.uint8) for part, channel in zip(cube, color, strict=True)
        )
        distance = np.maximum(np.maximum(red[:, None, None], green[:, None]), blue)
        here, before = ids[cube], nearest[cube]
        here[(distance == before) & (here != class_id)] = UNKNOWN_ID
        nearer = distance < before
        here[nearer] = class_id
        before[nearer] = distance[nearer]


def _packed(color: Sequence[int]) -> int:
    red, green, blue = color
    return (red << 16) | (green << 8) | blue
