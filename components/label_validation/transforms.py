"""The Beam side of label validation: tiles in, their facts as files out."""

from collections.abc import Iterator

import apache_beam as beam

from components.classes import ClassTable
from components.geo.bands import BandSet
from components.geo.label_options import LabelOptions
from components.label_validation.facts_files import write_facts
from components.label_validation.measure_tile import TileMeasurer
from components.tile_source import TileList


class MeasureTiles(beam.PTransform):
    """PCollection of `TileList` (one a tile: `parts.by_tile`) to PCollection of paths of facts files below `folder`.

    Facts travel through files, not through the runner: whoever judges them is not part of the Beam job, and on a
    cluster a worker's own folders are not the driver's.
    """

    def __init__(self, bands: BandSet, table: ClassTable, labels: LabelOptions, folder: str) -> None:
        super().__init__()
        self._bands = bands
        self._table = table
        self._labels = labels
        self._folder = folder

    def expand(self, tiles: beam.PCollection) -> beam.PCollection:
        """Measures each tile by itself."""
        return (
            tiles
            | "Spread" >> beam.Reshuffle()
            | "Measure" >> beam.ParDo(_Measure(self._bands, self._table, self._labels, self._folder))
        )


class _Measure(beam.DoFn):
    def __init__(self, bands: BandSet, table: ClassTable, labels: LabelOptions, folder: str) -> None:
        self._bands = bands
        self._table = table
        self._labels = labels
        self._folder = folder

    def setup(self) -> None:
        self._measurer = TileMeasurer(self._bands, self._table, self._labels)

    def process(self, parts: TileList) -> Iterator[str]:
        yield write_facts(self._measurer.measure(*parts.tiles), self._folder)
