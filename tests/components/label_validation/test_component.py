"""The component by its executor function: facts as files, reports, anomalies, and the stop."""

import json
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import v1 as tfx
from tfx.types import artifact_utils

from components.errors import LabelError
from components.geo.label_options import ColorLabels
from components.label_validation.component import (
    FACTS_FOLDER,
    REPORT_HTML,
    REPORT_JSON,
    REPORT_TEXT,
    LabelReport,
    LabelValidator,
)
from components.label_validation.options import ValidationOptions
from components.splits.ground_blocks import BlockOptions
from components.tile_source import TileList
from tests.components.label_validation.scenes import BANDS, SIDE, TABLE, Scenes


def validate(scenes: Scenes, folder: Path) -> object:
    report, anomalies = LabelReport(), tfx.types.standard_artifacts.ExampleAnomalies()
    report.uri, anomalies.uri = str(folder / "report"), str(folder / "anomalies")
    LabelValidator.test_call(
        report=report,
        anomalies=anomalies,
        tiles=TileList(tiles=tuple(scenes.sources)).model_dump_json(),
        fingerprint="f",
        bands=BANDS.model_dump_json(),
        table=TABLE.model_dump_json(),
        labels=ColorLabels().model_dump_json(),
        options=ValidationOptions().model_dump_json(),
        report_copy=str(folder / "copy"),
        beam_pipeline=beam.Pipeline(),
    )
    return anomalies


def anomalies_in(folder: Path, split: str) -> set[str]:
    found = anomalies_pb2.Anomalies.FromString((folder / f"Split-{split}" / "SchemaDiff.pb").read_bytes())
    return set(found.anomaly_info)


def test_a_warning_passes_and_is_reported_in_every_form(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.write_label(4, np.full((SIDE, SIDE), 255, np.uint8))
    anomalies = validate(scenes, tmp_path)
    assert artifact_utils.decode_split_names(anomalies.split_names) == ["train", "eval"]  # type: ignore[attr-defined]
    for folder in (tmp_path / "report", tmp_path / "copy"):
        report = json.loads((folder / REPORT_JSON).read_text())
        assert [f["code"] for f in report["findings"]] == ["void-share"]
        assert "void-share" in (folder / REPORT_TEXT).read_text()
        assert "data:image/" in (folder / REPORT_HTML).read_text()
    for folder in (tmp_path / "anomalies", tmp_path / "copy" / "anomalies"):
        assert anomalies_in(folder, "train") == set()
        assert anomalies_in(folder, "eval") == {"tile 4/void-share"}
    facts = list((tmp_path / "report" / FACTS_FOLDER).iterdir())
    assert len(facts) == 6
    assert {path.suffix for path in facts} == {".json"}


def test_ground_blocks_are_measured_as_one_tile(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.write_label(4, np.full((SIDE, SIDE), 255, np.uint8))
    scenes.cut(BlockOptions(size_px=96, pattern="checkerboard", folds=2, eval=(1,)))
    validate(scenes, tmp_path)
    report = json.loads((tmp_path / "report" / REPORT_JSON).read_text())
    assert [(f["code"], f["tile"]) for f in report["findings"]] == [("void-share", "tile 4")]
    assert {row["tile"] for row in report["tiles"]} == {source.tile for source in scenes.sources}
    assert len(list((tmp_path / "report" / FACTS_FOLDER).iterdir())) == 6
    for split in ("train", "eval"):
        assert anomalies_in(tmp_path / "anomalies", split) == {"tile 4/void-share"}


def test_an_error_stops_the_run_and_leaves_a_copy(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    Path(scenes.sources[0].label).unlink()
    with pytest.raises(LabelError, match=r"missing-file(.|\n)*tile 0 label\.tif"):
        validate(scenes, tmp_path)
    assert "missing-file" in (tmp_path / "copy" / REPORT_TEXT).read_text()
    assert anomalies_in(tmp_path / "copy" / "anomalies", "train") == {"tile 0/missing-file"}
