"""TileExampleGen: the TFX component that turns tiles into records."""

import json
from typing import Any, List

import apache_beam as beam
from tfx import v1 as tfx
from tfx.components.util import examples_utils
from tfx.dsl.component.experimental.annotations import BeamComponentParameter
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.errors import DataError
from components.file_systems import load_file_system
from components.label_validation.component import LabelReport
from components.records.transforms import FAILURES, WriteRecords
from components.records.write_tile import IngestOptions, StripCounts
from components.tile_source import SPLITS, TileList

COUNTS_FILE = "counts.json"
FAILURES_FILE = "failures.json"


@tfx.dsl.components.component(use_beam=True)
def TileExampleGen(
    examples: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples],
    label_report: tfx.dsl.components.InputArtifact[LabelReport],
    tiles: tfx.dsl.components.Parameter[str],
    fingerprint: tfx.dsl.components.Parameter[str],
    options: tfx.dsl.components.Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Cuts tiles into patches and writes one record a patch.

    Args:
        examples: Gets `Split-train`, `Split-eval` and, where a tile is listed for it, `Split-test`.
        label_report: The validator's report: tiles are read only once it has found no error.
        tiles: `TileList` as JSON.
        fingerprint: Of all the tiles' files; it makes changed files a new step.
        options: `IngestOptions` as JSON.
        beam_pipeline: Given by TFX.

    Raises:
        DataError: If a tile cannot be read, or a split got no patch.
    """
    del label_report, fingerprint
    sources = TileList.model_validate_json(tiles).tiles
    ingest = IngestOptions.model_validate_json(options)
    load_file_system(examples.uri)
    fileio.makedirs(examples.uri)
    counts_file, failures_file = f"{examples.uri}/{COUNTS_FILE}", f"{examples.uri}/{FAILURES_FILE}"
    with beam_pipeline as pipeline:
        written = pipeline | "Tiles" >> beam.Create(sources) | "WriteRecords" >> WriteRecords(ingest, examples.uri)
        for name, file in (("counts", counts_file), (FAILURES, failures_file)):
            _ = (
                written[name]
                | f"Gather {name}" >> beam.combiners.ToList()
                | f"Write {name}" >> beam.Map(_write_sorted, file)
            )
    failures = _read(failures_file)
    if failures:
        listing = "\n".join(f"tile {tile}: {message}" for tile, message in failures)
        raise DataError(f"{len(failures)} tile(s) could not be read:\n{listing}", remedy="repair or leave them out")
    fileio.remove(failures_file)
    splits = [split for split in SPLITS if any(source.split == split for source in sources)]
    counts = _read(counts_file)
    for split in splits:
        members = [row for row in counts if row["split"] == split]
        if not sum(row["written"] for row in members):
            raise DataError(
                f"split {split} got no patch from its {len(members)} strip(s) of tiles",
                f"at least one patch with at most {ingest.patches.max_nodata_share:.0%} nodata and, in train, at "
                f"most {ingest.patches.max_void_share:.0%} void",
                f"list tiles with image and truth under splits.{split}, or raise the shares under `patches`",
            )
    examples.split_names = artifact_utils.encode_split_names(splits)
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)


def _write_sorted(rows: List[Any], path: str) -> None:
    """Writes what the workers gathered, in an order that does not depend on them."""
    plain = [vars(row) if isinstance(row, StripCounts) else row for row in rows]
    load_file_system(path)
    with fileio.open(path, "w") as file:
        file.write(json.dumps(sorted(plain, key=json.dumps), indent=1))


def _read(path: str) -> Any:
    with fileio.open(path) as file:
        return json.loads(file.read())
