"""TileExampleGen: the TFX component that turns tiles into records."""

import json
from pathlib import Path
from typing import Any, Dict, List

import apache_beam as beam
from tfx import v1 as tfx
from tfx.components.util import examples_utils
from tfx.dsl.component.experimental.annotations import BeamComponentParameter
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.classes import ClassTable
from components.errors import DataError
from components.geo.patches import PatchOptions
from components.label_validation.component import LabelReport
from components.tile_source import SPLITS, TileSource
from components.records.transforms import FAILURES, WriteRecords
from components.records.write_tile import IngestOptions, StripCounts

COUNTS_FILE = "counts.json"
FAILURES_FILE = "failures.json"


@tfx.dsl.components.component(use_beam=True)
def TileExampleGen(  # noqa: N802 (a TFX component is a class to its users)
    examples: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples],
    label_report: tfx.dsl.components.InputArtifact[LabelReport],
    tiles: tfx.dsl.components.Parameter[List[Any]],
    fingerprint: tfx.dsl.components.Parameter[str],
    bands: tfx.dsl.components.Parameter[List[Any]],
    table: tfx.dsl.components.Parameter[Dict[str, Any]],
    patches: tfx.dsl.components.Parameter[Dict[str, Any]],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Cuts tiles into patches and writes one record a patch.

    Args:
        examples: Gets `Split-train`, `Split-eval` and, where a tile is listed for it, `Split-test`.
        label_report: The validator's report: tiles are read only once it has found no error.
        tiles: `TileSource` dicts.
        fingerprint: Of all the tiles' files; it makes changed files a new step.
        bands: `[number, name]` pairs in record order, numbers from 1.
        table: `ClassTable` dict.
        patches: `PatchOptions` dict.
        beam_pipeline: Given by TFX.

    Raises:
        DataError: If a tile cannot be read, or a split got no patch.
    """
    del label_report, fingerprint
    sources = [TileSource.model_validate(tile) for tile in tiles]
    options = IngestOptions(
        table=ClassTable.model_validate(table),
        bands=tuple((int(number), str(name)) for number, name in bands),
        patches=PatchOptions.model_validate(patches),
    )
    folder = Path(examples.uri)
    folder.mkdir(parents=True, exist_ok=True)
    with beam_pipeline as pipeline:
        written = pipeline | "Tiles" >> beam.Create(sources) | "WriteRecords" >> WriteRecords(options, examples.uri)
        for name, file in (("counts", COUNTS_FILE), (FAILURES, FAILURES_FILE)):
            _ = (
                written[name]
                | f"Gather {name}" >> beam.combiners.ToList()
                | f"Write {name}" >> beam.Map(_write_sorted, str(folder / file))
            )
    failures = json.loads((folder / FAILURES_FILE).read_text())
    if failures:
        listing = "\n".join(f"tile {tile}: {message}" for tile, message in failures)
        raise DataError(f"{len(failures)} tile(s) could not be read:\n{listing}", remedy="repair or leave them out")
    (folder / FAILURES_FILE).unlink()
    splits = [split for split in SPLITS if any(source.split == split for source in sources)]
    counts = json.loads((folder / COUNTS_FILE).read_text())
    for split in splits:
        members = [row for row in counts if row["split"] == split]
        if not sum(row["written"] for row in members):
            raise DataError(
                f"split {split} got no patch from its {len(members)} strip(s) of tiles",
                f"at least one patch with at most {options.patches.max_nodata_share:.0%} nodata and, in train, at "
                f"most {options.patches.max_void_share:.0%} void",
                f"list tiles with image and truth under splits.{split}, or raise the shares under `patches`",
            )
    examples.split_names = artifact_utils.encode_split_names(splits)
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)


def _write_sorted(rows: List[Any], path: str) -> None:
    """Writes what the workers gathered, in an order that does not depend on them."""
    plain = [vars(row) if isinstance(row, StripCounts) else row for row in rows]
    Path(path).write_text(json.dumps(sorted(plain, key=json.dumps), indent=1))
