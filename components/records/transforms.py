"""The Beam side of ingest: tiles in, record files and counts out."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.typehints.decorators import no_annotations

from components.errors import EosegError
from components.geo.labels import LabelDecoder
from components.records.write_tile import IngestOptions, Strip, plan_strips, write_strip
from components.tile_source import TileSource

FAILURES = "failures"


class WriteRecords(beam.PTransform):
    """Tiles to record files below `folder`; gives `StripCounts`, and failed tiles under the output `failures`.

    A failure is `(tile, message)`; the caller decides what it means. A strip's file appears whole or not at all, so a
    bundle that a runner tries again does no harm.
    """

    def __init__(self, options: IngestOptions, folder: str) -> None:
        super().__init__()
        self._options = options
        self._folder = folder

    @no_annotations  # Beam warns of a dict, which says nothing of the elements
    def expand(self, tiles: beam.PCollection) -> dict[str, beam.PCollection]:
        """PCollection of `TileSource` to `{"counts": ..., "failures": ...}`."""
        planned = tiles | "Plan" >> beam.ParDo(_Plan(self._options)).with_outputs(FAILURES, main="strips")
        written = (
            planned.strips
            | "Spread" >> beam.Reshuffle()
            | "Write" >> beam.ParDo(_Write(self._options, self._folder)).with_outputs(FAILURES, main="counts")
        )
        failures = (planned[FAILURES], written[FAILURES]) | "Failures" >> beam.Flatten()
        return {"counts": written.counts, FAILURES: failures}


class _Plan(beam.DoFn):
    def __init__(self, options: IngestOptions) -> None:
        self._options = options

    def process(self, source: TileSource) -> Iterator[Any]:
        try:
            yield from plan_strips(source, self._options)
        except EosegError as error:
            yield beam.pvalue.TaggedOutput(FAILURES, (source.tile, str(error)))


class _Write(beam.DoFn):
    def __init__(self, options: IngestOptions, folder: str) -> None:
        self._options = options
        self._folder = folder

    def setup(self) -> None:
        self._labels = LabelDecoder(self._options.table, self._options.labels)

    def process(self, strip: Strip) -> Iterator[Any]:
        try:
            yield write_strip(strip, self._options, self._labels, self._folder)
        except EosegError as error:
            yield beam.pvalue.TaggedOutput(FAILURES, (strip.source.tile, str(error)))
