"""The Beam side of label validation: tiles in, one report a tile out."""

from collections.abc import Iterator

import apache_beam as beam

from components.classes import ClassTable
from components.geo.bands import BandSet
from components.geo.label_options import LabelOptions
from components.geo.labels import LabelDecoder
from components.label_validation.checks import TileReport, ValidationOptions, check_tile
from components.tile_source import TileSource


class CheckTiles(beam.PTransform):
    """PCollection of `TileSource` to PCollection of `TileReport`."""

    def __init__(self, bands: BandSet, table: ClassTable, labels: LabelOptions, options: ValidationOptions) -> None:
        super().__init__()
        self._bands = bands
        self._table = table
        self._labels = labels
        self._options = options

    def expand(self, tiles: beam.PCollection) -> beam.PCollection:
        """Checks each tile by itself."""
        return (
            tiles
            | "Spread" >> beam.Reshuffle()
            | "Check" >> beam.ParDo(_Check(self._bands, self._table, self._labels, self._options))
        )


class _Check(beam.DoFn):
    def __init__(self, bands: BandSet, table: ClassTable, labels: LabelOptions, options: ValidationOptions) -> None:
        self._bands = bands
        self._table = table
        self._labels = labels
        self._options = options

    def setup(self) -> None:
        self._decoder = LabelDecoder(self._table, self._labels)

    def process(self, source: TileSource) -> Iterator[TileReport]:
        yield check_tile(source, self._bands, self._table, self._decoder, self._options)
