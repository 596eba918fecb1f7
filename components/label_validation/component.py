"""LabelValidator: the TFX component around the label checks."""

import json
import os
import tempfile
from pathlib import Path
from typing import List

import apache_beam as beam
from pydantic import TypeAdapter
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import BeamComponentParameter
from tfx.types.artifact import Artifact

from components.classes import ClassTable
from components.errors import LabelError
from components.geo.bands import BandSet
from components.geo.label_options import LabelOptions
from components.label_validation.checks import TileReport, ValidationOptions, check_data_set
from components.label_validation.findings import Finding, as_text, most_severe_first
from components.label_validation.transforms import CheckTiles
from components.tile_source import TileList

REPORT_JSON = "label_report.json"
REPORT_TEXT = "label_report.txt"


class LabelReport(Artifact):
    """The validator's findings, as `label_report.json` and `label_report.txt`."""

    # One word, a dot, one word: the only form that the Kubeflow compiler takes.
    TYPE_NAME = "eoseg.LabelReport"


@tfx.dsl.components.component(use_beam=True)
def LabelValidator(
    report: tfx.dsl.components.OutputArtifact[LabelReport],
    tiles: tfx.dsl.components.Parameter[str],
    fingerprint: tfx.dsl.components.Parameter[str],
    bands: tfx.dsl.components.Parameter[str],
    table: tfx.dsl.components.Parameter[str],
    labels: tfx.dsl.components.Parameter[str],
    options: tfx.dsl.components.Parameter[str],
    report_copy: tfx.dsl.components.Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Checks every tile's image and label before anything is made of them.

    Args:
        report: Where the findings go.
        tiles: `TileList` as JSON.
        fingerprint: Of all the tiles' files; it makes changed files a new step.
        bands: `BandSet` as JSON.
        table: `ClassTable` as JSON.
        labels: `LabelOptions` as JSON.
        options: `ValidationOptions` as JSON.
        report_copy: A folder that gets a copy of the report even where errors stop the run: TFX drops the output of
            a step that fails.
        beam_pipeline: Given by TFX.

    Raises:
        LabelError: If there is a finding of severity error.
    """
    del fingerprint
    class_table = ClassTable.model_validate_json(table)
    label_options: LabelOptions = TypeAdapter(LabelOptions).validate_json(labels)
    validation = ValidationOptions.model_validate_json(options)
    with tempfile.TemporaryDirectory() as folder:
        reports_file = Path(folder) / "reports.json"
        with beam_pipeline as pipeline:
            _ = (
                pipeline
                | "Tiles" >> beam.Create(TileList.model_validate_json(tiles).tiles)
                | "CheckTiles" >> CheckTiles(BandSet.model_validate_json(bands), class_table, label_options, validation)
                | "Gather" >> beam.combiners.ToList()
                | "Write" >> beam.Map(_write_reports, str(reports_file))
            )
        reports = _read_reports(reports_file)
    findings = [finding for tile in reports for finding in tile.findings]
    findings += check_data_set(reports, class_table, validation)
    for target in (report.uri, report_copy):
        write_report(Path(target), findings, reports, class_table)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise LabelError(
            f"the labels or images of this data set have {len(errors)} error(s):\n{as_text(errors).rstrip()}",
            remedy=f"see the findings above; the whole report is {Path(report_copy) / REPORT_TEXT}",
        )


def write_report(folder: Path, findings: List[Finding], reports: List[TileReport], table: ClassTable) -> None:
    """Writes the findings and the tallies as JSON and as text into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "findings": [finding.model_dump() for finding in most_severe_first(findings)],
        "tiles": [
            {
                "tile": tile.source.tile,
                "split": tile.source.split,
                "pixels": tile.tally.pixels,
                "by_class": dict(zip(table.names, tile.tally.by_class, strict=True)),
                "void": tile.tally.void,
                "off_palette": tile.tally.unknown,
            }
            for tile in reports
            if tile.tally is not None
        ],
    }
    for name, text in ((REPORT_JSON, json.dumps(document, indent=2)), (REPORT_TEXT, as_text(findings))):
        part = folder / f".{name}.{os.getpid()}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)


def _write_reports(reports: List[TileReport], path: str) -> None:
    import pickle

    Path(path).write_bytes(pickle.dumps(reports))


def _read_reports(path: Path) -> List[TileReport]:
    import pickle

    reports: List[TileReport] = pickle.loads(path.read_bytes())
    return sorted(reports, key=lambda tile: tile.source.tile)
