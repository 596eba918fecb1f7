"""Measures one tile: its image and label are read once, strip by strip, and everything the checks need is summed."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.classes import ClassTable
from components.errors import EosegError, LabelError, MissingFileError, RasterError
from components.geo.bands import BandSet
from components.geo.image import ImageReader, open_image
from components.geo.label_options import LabelOptions, VectorLabels
from components.geo.label_reader import LabelReader
from components.geo.labels import LabelDecoder
from components.geo.raster import Grid
from components.geo.window import Window
from components.label_validation import thumbnails
from components.label_validation.band_origins import origins_of
from components.label_validation.facts import PartFacts, Problem, RasterFacts, TileFacts
from components.label_validation.parts import PartSums, frame_of, only_in, whole_tile
from components.label_validation.sampling import PixelSample
from components.label_validation.shift import ShiftProbe
from components.label_validation.tally import Tallier
from components.tile_source import TileSource

STRIP_BYTES = 24_000_000
"""About how much of an image is held at once; a strip is a multiple of `BLOCK_ROWS` rows where that many fit."""
BLOCK_ROWS = 256
METRES_PER_DEGREE = 111_320.0
"""Of latitude; pixel sizes are compared by factors, so the earth may be a ball."""


class TileMeasurer:
    """Measures the tiles of one data set; keeps the label decoder, which is costly to build.

    Args:
        bands: The bands of the data set.
        table: Its classes.
        labels: How its labels are coded.
    """

    def __init__(self, bands: BandSet, table: ClassTable, labels: LabelOptions) -> None:
        self._bands = bands
        self._origins = origins_of(bands)
        self._table = table
        self._resamples = not isinstance(labels, VectorLabels) and labels.resample
        self._decoder = LabelDecoder(table, labels)

    def measure(self, *parts: TileSource) -> TileFacts:
        """What the checks need to know of a tile. Never raises for bad input: `TileFacts.problem` says what is bad.

        Args:
            parts: The tile, or all its ground blocks (`parts.by_tile`): these are read at one go.
        """
        source = whole_tile(parts)
        facts: dict[str, Any] = {"source": source, "parts": tuple(PartFacts(source=part) for part in parts)}
        try:
            with open_image(source.all_rasters, self._bands) as image:
                facts["image"] = _raster_facts(image.grid, image.crs, image.crs_name)
                facts["dtype"] = image.dtype
                facts["resampled"] = tuple(getattr(image, "resampled", ()))
                with self._decoder.open(source, image.grid) as label:
                    fits = True
                    if label.raster is not None:
                        raster = label.raster
                        facts["label"] = _raster_facts(raster.grid, raster.crs, raster.crs_name)
                        facts["crs_differ"] = bool(image.crs and raster.crs and image.crs != raster.crs)
                        facts["label_is_resampled"] = self._resamples
                        fits = self._resamples or (raster.height, raster.width) == (image.height, image.width)
                    self._read(parts, image, label if fits else None, facts)
        except EosegError as error:
            facts["problem"] = _problem_of(error, source)
        return TileFacts(**facts)

    def _read(
        self, parts: Sequence[TileSource], image: ImageReader, label: LabelReader | None, facts: dict[str, Any]
    ) -> None:
        """Reads the tile's parts once and adds what they show to `facts`."""
        whole = Window(0, 0, image.height, image.width)
        areas = [part.area or whole for part in parts]
        frame, size = frame_of(areas), sum(area.height * area.width for area in areas)
        covered = size >= frame.height * frame.width
        count = len(self._table)
        sums = [PartSums(part, area, frame, self._origins, count) for part, area in zip(parts, areas, strict=True)]
        probe = ShiftProbe(frame, count)
        image_digest, label_digest = _digest(frame), _digest(frame)
        small_image, small_label = thumbnails.Thumbnail(frame), thumbnails.Thumbnail(frame)
        for window in _strips(frame, image):
            raster = image.read(window)
            valid = None if raster.valid.all() else raster.valid
            image_digest.update(np.ascontiguousarray(raster.pixels))
            small_image.add(raster.pixels, window.row)
            ids = ignored = None
            if label is not None:
                ids = label.read(window)
                label_digest.update(np.ascontiguousarray(ids))
                ignored = label.read_ignored(window)
                truth = ids if covered else only_in(areas, ids, window)
                small_label.add(ids, window.row)
                probe.add(raster.pixels, valid, truth, window.row)
            for part in sums:
                part.add(window, raster.pixels, valid, ids, ignored, label)
        sample, tallier = PixelSample(frame, self._origins, count), Tallier(count)
        for part in sums:
            sample.include(part.sample)
            tallier.include(part.tallier)
        facts["parts"] = tuple(part.facts(label) for part in sums)
        facts["valid_share"] = sum(part.valid_count for part in sums) / size
        facts["bands"] = sample.bands()
        image_digest.update(image.dtype.encode())
        facts["image_digest"] = image_digest.hexdigest()
        pixels = small_image.pixels()
        if pixels is not None:
            facts["image_thumbnail"] = thumbnails.jpeg_uri(thumbnails.image_picture(pixels))
        if label is None:
            return
        if parts[0].ignore:
            facts["ignored_share"] = sum(part.ignored_count for part in sums) / size
        facts["tally"] = tallier.tally(label.describe)
        facts["classes"] = sample.classes()
        facts["label_digest"] = label_digest.hexdigest()
        facts["shift"] = probe.facts()
        small_ids = small_label.pixels()
        if small_ids is not None:
            facts["label_thumbnail"] = thumbnails.ids_uri(small_ids, self._table)


def _strips(area: Window, image: ImageReader) -> list[Window]:
    """Windows of the area's whole width, top to bottom."""
    row_bytes = area.width * image.band_count * np.dtype(image.dtype).itemsize
    rows = max(1, STRIP_BYTES // row_bytes)
    if rows > BLOCK_ROWS:
        rows -= rows % BLOCK_ROWS
    return [
        Window(row, area.col, min(rows, area.row_stop - row), area.width)
        for row in range(area.row, area.row_stop, rows)
    ]


def _digest(area: Window) -> Any:
    """A running digest that differs between areas of different shape."""
    return hashlib.blake2b(f"{area.height} x {area.width}".encode(), digest_size=16)


def _raster_facts(grid: Grid, crs: Any, crs_name: str) -> RasterFacts:
    transform = grid.georeference.transform
    return RasterFacts(
        height=grid.height,
        width=grid.width,
        crs=crs_name,
        wkt=grid.georeference.crs,
        transform=tuple(transform)[:6],
        pixel_size_m=_pixel_size_m(grid, crs),
    )


def _pixel_size_m(grid: Grid, crs: Any) -> tuple[float, float] | None:
    """(height, width) of the middle pixel in metres: the lengths of the transform's column vectors."""
    if not crs:
        return None
    t = grid.georeference.transform
    if crs.is_geographic:
        _, latitude = t @ (grid.width / 2, grid.height / 2)
        along_x, along_y = METRES_PER_DEGREE * math.cos(math.radians(latitude)), METRES_PER_DEGREE
    else:
        along_x = along_y = float(crs.linear_units_factor[1]) if crs.is_projected else 1.0
    return math.hypot(t.b * along_x, t.e * along_y), math.hypot(t.a * along_x, t.d * along_y)


def _problem_of(error: EosegError, source: TileSource) -> Problem:
    code = {MissingFileError: "missing-file", RasterError: "unreadable", LabelError: "unusable-label"}
    # The longest path first: one may be the beginning of another.
    file = next((f for f in sorted(source.files, key=len, reverse=True) if f in error.problem), "")
    return Problem.model_validate(
        {
            "code": code.get(type(error), "unusable"),
            "file": file,
            "found": error.problem,
            "expected": error.expected,
            "remedy": error.remedy,
        }
    )
