"""A finished run in miniature: real tiles, records, SavedModel and map of 64 pixels, and hand-made figures."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tensorflow as tf
from affine import Affine
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.classes import VOID_ID, encode_colors
from components.evaluation.figures import figures
from components.evaluation.gate import GateVerdict
from components.evaluation.verdict import Evaluation
from components.geo.labels import LabelDecoder
from components.geo.raster import Georeference, Grid
from components.label_validation.component import write_report as write_label_report
from components.label_validation.findings import Finding
from components.label_validation.measure_tile import TileMeasurer
from components.records.patch_example import decode_image
from components.records.write_tile import IngestOptions, plan_strips, write_strip
from components.tile_source import TileSource
from components.training.history import EpochRecord, write_history
from serving.map_writer import open_map
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places
from tfx_pipeline.outcome import Outcome
from tfx_pipeline.run_record import OutputArtifact, RunRecord, Step

SIZE = 64
PATCH = 32
NASTY = '<b>bold</b> & "quoted"'
"""A class name that would change the page if it were not escaped."""
SPLITS = {"north": "train", "east <i>": "eval", "south": "test"}
GEOREFERENCE = Georeference(Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000), "EPSG:32632")

CONFUSION = np.array([[60.0, 20.0, 0.0], [10.0, 10.0, 0.0], [0.0, 0.0, 0.0]])
"""Accuracy 0.7; IoU 60 / 90 and 10 / 40; the third class is absent."""


@dataclass(frozen=True)
class FakeRun:
    """All arguments of `write_report`."""

    config: Config
    data: DataSet
    places: Places
    record: RunRecord
    outcome: Outcome
    maps: dict[str, Path]


def make_config(workdir: Path) -> Config:
    return Config.model_validate(
        {
            "name": "tiny",
            "workdir": str(workdir),
            "data": {
                "root": str(workdir),
                "tiles": [
                    {"tile": tile, "image": f"{i}.tif", "label": f"{i}-label.tif", "split": split}
                    for i, (tile, split) in enumerate(SPLITS.items())
                ],
                "bands": {"red": 1, "green": 2, "blue": 3},
            },
            "classes": [
                {"name": "ground", "color": [255, 255, 255]},
                {"name": NASTY, "color": [0, 0, 255]},
                {"name": "lava", "color": [255, 0, 0], "scored": False},
            ],
            "void": [{"name": "unlabelled", "color": [0, 0, 0]}],
            "patches": {"size": PATCH},
        }
    )


def make_evaluation(config: Config) -> Evaluation:
    names, scored = config.table.names, config.table.scored_ids
    figures_now = figures(CONFUSION, names, scored)
    return Evaluation(
        figures=figures_now,
        confusion=CONFUSION,
        by_tile={"south": figures_now},
        confusion_by_tile={"south": CONFUSION},
        blessed_figures=figures(np.array([[50.0, 30, 0], [10, 10, 0], [0, 0, 0]]), names, scored),
    )


def write_tiles(folder: Path, config: Config) -> tuple[TileSource, ...]:
    """Left half ground, right half the nasty class, a void corner; the red band tells them apart."""
    sources = []
    rng = np.random.default_rng(7)
    for i, (tile, split) in enumerate(SPLITS.items()):
        ids = np.zeros((SIZE, SIZE), np.uint8)
        ids[:, SIZE // 2 :] = 1
        image = rng.integers(20, 90, (SIZE, SIZE, 3)).astype(np.uint8)
        image[..., 0] += np.where(ids == 1, 120, 0).astype(np.uint8)
        ids[:8, :8] = VOID_ID
        paths = folder / f"{i}.tif", folder / f"{i}-label.tif"
        for path, pixels in zip(paths, (image, encode_colors(ids, config.table)), strict=True):
            with rasterio.open(
                path, "w", driver="GTiff", height=SIZE, width=SIZE, count=3, dtype="uint8",
                crs=GEOREFERENCE.crs, transform=GEOREFERENCE.transform,
            ) as target:  # fmt: skip
                target.write(pixels.transpose(2, 0, 1))
        sources.append(
            TileSource.model_validate({"tile": tile, "image": str(paths[0]), "label": str(paths[1]), "split": split})
        )
    return tuple(sources)


def write_records(folder: Path, sources: tuple[TileSource, ...], config: Config) -> None:
    options = IngestOptions(table=config.table, bands=config.band_set, patches=config.patches)
    decoder = LabelDecoder(config.table)
    counts = [write_strip(s, options, decoder, folder) for source in sources for s in plan_strips(source, options)]
    (folder / "counts.json").write_text(json.dumps([vars(row) for row in counts]))


class RedIsClassOne(tf.Module):
    """Predicts class 1 wherever red is above 100, which is right on these tiles."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"image": tf.io.FixedLenFeature([], tf.string)}
        image = decode_image(tf.io.parse_example(examples, spec)["image"], PATCH, 3, "uint8")
        return {"class_ids": tf.cast(image[..., 0] > 100, tf.uint8)}


def write_statistics(folder: Path) -> None:
    for split, mean in (("train", 60.0), ("eval", 70.0), ("test", 80.0)):
        statistics = statistics_pb2.DatasetFeatureStatisticsList()
        dataset = statistics.datasets.add()
        for name, value in (("band_mean/red", mean), ("band_stddev/red", 12.5)):
            feature = dataset.features.add()
            feature.path.step.append(name)
            feature.num_stats.mean = value
            feature.num_stats.min, feature.num_stats.max = value - 1, value + 1
            histogram = feature.num_stats.histograms.add()
            for low, count in ((mean - 1, 3.0), (mean, 1.0)):
                histogram.buckets.add(low_value=low, high_value=low + 1, sample_count=count)
        target = folder / f"Split-{split}" / "FeatureStats.pb"
        target.parent.mkdir(parents=True)
        target.write_bytes(statistics.SerializeToString())


def make_record(root: Path) -> RunRecord:
    steps: dict[str, Step] = {}
    outputs = (
        ("TileExampleGen", "examples"), ("StatisticsGen", "statistics"), ("AnomalyGate", "verdict"),
        ("Trainer", "model"), ("Trainer", "model_run"),
    )  # fmt: skip
    for number, (step, key) in enumerate(outputs, 1):
        before = steps[step].outputs if step in steps else {}
        artifact = OutputArtifact(number, str(root / step / key), {}, 1_700_000_000_000)
        steps[step] = Step({**before, key: artifact}, reused=step == "TileExampleGen")
    return RunRecord("2026-01-02T03:04:05", steps)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    workdir = tmp_path_factory.mktemp("run")
    config = make_config(workdir)
    places = Places(workdir, workdir / "served")
    record = make_record(Path(places.pipeline_root))

    def uri(step: str, key: str) -> Path:
        artifact = record.output(step, key)
        assert artifact is not None
        folder = Path(artifact.uri)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    sources = write_tiles(workdir, config)
    write_records(uri("TileExampleGen", "examples"), sources, config)
    write_statistics(uri("StatisticsGen", "statistics"))
    (uri("AnomalyGate", "verdict") / "anomalies.txt").write_text("no anomalies\n")
    model = RedIsClassOne()
    saved_model = uri("Trainer", "model") / "Format-Serving"
    tf.saved_model.save(model, str(saved_model), signatures={"serve_examples": model.serve_examples})
    epochs = [
        EpochRecord(i, 10 * i, 2.0 / i, 0.01, 20.0, 5.0 * i, 2.5 / i, 0.2 * i, 0.3 * i, {"ground": 0.1 * i})
        for i in (1, 2)
    ]
    write_history(epochs, str(uri("Trainer", "model_run")))
    measurer = TileMeasurer(config.band_set, config.table, config.labels)
    facts = [measurer.measure(source) for source in sources]
    warning = Finding(
        code="void-share", severity="warning", tile="east <i>", file="", found="much <script>void</script>",
        expected="less", remedy="label it",
    )  # fmt: skip
    write_label_report(str(places.validation), [warning], facts, config.table)
    served = places.model_base / "eoseg"
    for version in ("41", "42"):
        (served / version).mkdir(parents=True)
    map_file = places.maps / "south-v42.tif"
    with open_map({"classes": map_file}, Grid(SIZE, SIZE, GEOREFERENCE), config.table, {}) as target:
        target.write({"classes": np.zeros((1, SIZE, SIZE), np.uint8)})
    outcome = Outcome(
        evaluation=make_evaluation(config),
        gates=(
            GateVerdict("mean_iou", "at least 0.4", 11 / 24, True, "mean_iou is 0.4583 and reaches 0.4"),
            GateVerdict("iou/lava", "at least 0.1", float("nan"), False, "iou/lava is absent and does not reach 0.1"),
        ),
        blessed=True,
        served_well=True,
        serving_reason="agrees on 16 real patches",
        pushed=True,
        version=42,
        version_folder=served / "42",
    )
    data = DataSet(sources, "f1ngerpr1nt", "uint8")
    return FakeRun(config, data, places, record, outcome, {"south": map_file})


@pytest.fixture
def refused(run: FakeRun) -> FakeRun:
    outcome = replace(
        run.outcome,
        evaluation=replace(run.outcome.evaluation, blessed_figures=None),
        blessed=False,
        pushed=False,
        version=None,
        version_folder=None,
    )
    return replace(run, outcome=outcome, maps={})
