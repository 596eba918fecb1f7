"""LabelValidator: the TFX component around the checks."""

import json
from typing import Collection, Mapping, Sequence

import apache_beam as beam
import tensorflow as tf
from pydantic import TypeAdapter
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import BeamComponentParameter
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from components.classes import ClassTable
from components.errors import LabelError
from components.file_systems import write_text
from components.geo.bands import BandSet
from components.geo.label_options import LabelOptions
from components.label_validation.anomalies import ANOMALIES_FILE, as_anomalies
from components.label_validation.checks import check_data_set
from components.label_validation.facts import TileFacts
from components.label_validation.facts_files import read_facts
from components.label_validation.findings import Finding, as_text
from components.label_validation.options import ValidationOptions
from components.label_validation.page import Photographer, as_html
from components.label_validation.parts import by_tile
from components.label_validation.report import as_document
from components.label_validation.transforms import MeasureTiles
from components.tile_source import SPLITS, TileList

REPORT_JSON = "label_report.json"
REPORT_TEXT = "label_report.txt"
REPORT_HTML = "label_report.html"
FACTS_FOLDER = "facts"


class LabelReport(Artifact):
    """The validator's findings as JSON, text and HTML, and the facts of every tile."""

    # One word, a dot, one word: the only form that the Kubeflow compiler takes.
    TYPE_NAME = "eoseg.LabelReport"


@tfx.dsl.components.component(use_beam=True)
def LabelValidator(
    report: tfx.dsl.components.OutputArtifact[LabelReport],
    anomalies: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    tiles: tfx.dsl.components.Parameter[str],
    fingerprint: tfx.dsl.components.Parameter[str],
    bands: tfx.dsl.components.Parameter[str],
    table: tfx.dsl.components.Parameter[str],
    labels: tfx.dsl.components.Parameter[str],
    options: tfx.dsl.components.Parameter[str],
    report_copy: tfx.dsl.components.Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Checks every tile's image and label, and all tiles together, before anything is made of them.

    Args:
        report: Where the findings go.
        anomalies: The same as TensorFlow Data Validation's anomalies, one file a split.
        tiles: `TileList` as JSON.
        fingerprint: Of all the tiles' files; it makes changed files a new step.
        bands: `BandSet` as JSON.
        table: `ClassTable` as JSON.
        labels: `LabelOptions` as JSON.
        options: `ValidationOptions` as JSON.
        report_copy: A folder that gets a copy of report and anomalies even where errors stop the run: TFX drops the
            output of a step that fails.
        beam_pipeline: Given by TFX.

    Raises:
        LabelError: If there is a finding of severity error.
    """
    del fingerprint
    sources = TileList.model_validate_json(tiles).tiles
    by_whole_tile = by_tile(sources)
    class_table = ClassTable.model_validate_json(table)
    label_options: LabelOptions = TypeAdapter(LabelOptions).validate_json(labels)
    band_set = BandSet.model_validate_json(bands)
    facts_folder = f"{report.uri}/{FACTS_FOLDER}"
    with beam_pipeline as pipeline:
        _ = (
            pipeline
            | "Tiles" >> beam.Create(by_whole_tile)
            | "MeasureTiles" >> MeasureTiles(band_set, class_table, label_options, facts_folder)
        )
    facts = read_facts(facts_folder)
    missing = {parts.tiles[0].whole_tile for parts in by_whole_tile} - {of_tile.source.tile for of_tile in facts}
    if missing:
        raise LabelError(
            f"{facts_folder} holds no facts of {len(missing)} tile(s), among them {min(missing)}",
            "one file a tile, written by the workers",
            "use a pipeline root that driver and workers share",
        )
    findings = check_data_set(facts, class_table, ValidationOptions.model_validate_json(options))
    photographer = Photographer(facts, band_set, class_table, label_options)
    page = as_html("Data set", findings, len(facts), class_table, photographer)
    splits = [split for split in SPLITS if any(source.split == split for source in sources)]
    for target in (report.uri, report_copy):
        write_report(target, findings, facts, class_table)
        write_text(f"{target}/{REPORT_HTML}", page)
    splits_of = {of_tile.source.tile: of_tile.splits for of_tile in facts}
    for target in (anomalies.uri, f"{report_copy}/anomalies"):
        _write_anomalies(target, findings, splits_of, splits)
    anomalies.split_names = artifact_utils.encode_split_names(splits)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise LabelError(
            f"the labels or images of this data set have {len(errors)} error(s):\n{as_text(errors).rstrip()}",
            remedy=f"see the findings above; the whole report is {report_copy}/{REPORT_TEXT} and, with pictures, "
            f"{report_copy}/{REPORT_HTML}",
        )


def write_report(folder: str, findings: Sequence[Finding], facts: Sequence[TileFacts], table: ClassTable) -> None:
    """Writes the findings and the facts as JSON and as text into `folder`, each file whole or not at all."""
    folder = str(folder)
    document = json.dumps(as_document(findings, facts, table), indent=2)
    for name, text in ((REPORT_JSON, document), (REPORT_TEXT, as_text(findings))):
        part = f"{folder}/.{name}.part"
        write_text(part, text)
        tf.io.gfile.rename(part, f"{folder}/{name}", overwrite=True)


def _write_anomalies(
    folder: str, findings: Sequence[Finding], splits_of: Mapping[str, Collection[str]], splits: Sequence[str]
) -> None:
    for split in splits:
        target = f"{folder}/Split-{split}"
        tf.io.gfile.makedirs(target)
        with tf.io.gfile.GFile(f"{target}/{ANOMALIES_FILE}", "wb") as file:
            file.write(as_anomalies(findings, splits_of, split).SerializeToString(deterministic=True))
