"""A finished run in miniature: real tiles, records, SavedModel, evaluation of whole tiles and map of 64 pixels."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import rasterio
import tensorflow as tf
from affine import Affine
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import v1 as tfx

from components import contract
from components.classes import VOID_ID, encode_colors
from components.contract import ModelContract
from components.data_statistics.skew import Divergence
from components.data_statistics.verdict import Verdict
from components.evaluation.all_figures import eroded_figure
from components.evaluation.counts import CountingOptions
from components.evaluation.evaluate_tile import TileEvaluationOptions
from components.evaluation.figures import figures
from components.evaluation.gate import GateVerdict
from components.evaluation.gate_options import TILES, Gate
from components.evaluation.map_evaluator.component import MapEvaluation, MapEvaluator
from components.evaluation.map_evaluator.files import read_map_evaluation
from components.evaluation.map_evaluator.options import MapEvaluatorOptions
from components.evaluation.map_evaluator.tile_gates import judge_tiles
from components.evaluation.verdict import Evaluation
from components.evaluation.view_figures import BootstrapOptions
from components.geo.labels import LabelDecoder
from components.geo.raster import Georeference, Grid
from components.label_validation.component import write_report as write_label_report
from components.label_validation.findings import Finding
from components.label_validation.measure_tile import TileMeasurer
from components.records.patch_example import decode_image
from components.records.write_tile import IngestOptions, plan_strips, write_strip
from components.tile_source import TileList, TileSource
from components.training.history import EpochRecord, write_history
from components.training.pictures import AUGMENTED_FILE, write_png
from components.training.trained_settings import write_settings
from serving.map_writer import open_map
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places
from tfx_pipeline.outcome import Outcome
from tfx_pipeline.run_record import OutputArtifact, RunRecord, Step

SIZE = 64
PATCH = 32
BLOCK = 32
NASTY = '<b>bold</b> & "quoted"'
"""A class name that would change the page if it were not escaped."""
SPLITS = {"north": "train", "east <i>": "eval", "south": "test"}
GEOREFERENCE = Georeference(Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000), "EPSG:32632")

CONFUSION = np.array([[60.0, 20.0, 0.0], [10.0, 10.0, 0.0], [0.0, 0.0, 0.0]])
"""Of the patch records, by hand. Accuracy 0.7; IoU 60 / 90 and 10 / 40; the third class is absent."""

ERODED = np.array([[40.0, 0.0, 0.0], [5.0, 5.0, 0.0], [0.0, 0.0, 0.0]])
"""The same without class boundaries. Accuracy 0.9."""


GATES_ON_TILES = (
    Gate(metric="mean_iou", view=TILES, at_least=0.5, max_drop=0.01),
    Gate(metric=f"iou/{NASTY}", view=TILES, slice=f"with/{NASTY}", at_least=0.99),
)


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
    figures_now |= {eroded_figure(name): value for name, value in figures(ERODED, names, scored).items()}
    return Evaluation(
        figures=figures_now,
        confusion=CONFUSION,
        by_tile={"south": figures_now},
        confusion_by_tile={"south": CONFUSION},
        blessed_figures=figures(np.array([[50.0, 30, 0], [10, 10, 0], [0, 0, 0]]), names, scored),
        eroded_confusion=ERODED,
    )


def write_tiles(folder: Path, config: Config) -> tuple[TileSource, ...]:
    """Left half ground, right half the nasty class, a void corner; the red band tells them apart.

    In the tested tile the truth of a square says otherwise: there is something to be wrong about.
    """
    sources = []
    rng = np.random.default_rng(7)
    for i, (tile, split) in enumerate(SPLITS.items()):
        ids = np.zeros((SIZE, SIZE), np.uint8)
        ids[:, SIZE // 2 :] = 1
        image = rng.integers(20, 90, (SIZE, SIZE, 3)).astype(np.uint8)
        image[..., 0] += np.where(ids == 1, 120, 0).astype(np.uint8)
        if split == "test":
            ids[40:52, 36:48] = 0
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
    """Predicts class 1 where red is above a threshold, the surer the farther it is from it."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self._threshold = threshold

    def _scores(self, image: tf.Tensor) -> tf.Tensor:
        of_one = tf.sigmoid((tf.cast(image[..., 0], tf.float32) - self._threshold) / 20)
        scores = tf.stack([1 - of_one, of_one, tf.zeros_like(of_one)], axis=-1)
        return tf.cast(tf.round(scores * 255), tf.uint8)

    @tf.function(input_signature=[tf.TensorSpec([None, PATCH, PATCH, 3], tf.uint8, name=contract.IMAGE)])
    def serve(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = self._scores(image)
        return {contract.SCORES: scores, contract.CLASS_IDS: tf.cast(tf.argmax(scores, -1), tf.uint8)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"image": tf.io.FixedLenFeature([], tf.string)}
        image = decode_image(tf.io.parse_example(examples, spec)["image"], PATCH, 3, "uint8")
        return {"class_ids": tf.cast(tf.argmax(self._scores(image), -1), tf.uint8)}


def export_model(folder: Path, config: Config, threshold: float) -> None:
    model = RedIsClassOne(threshold)
    signatures = {contract.EXAMPLES_SIGNATURE: model.serve_examples, contract.SERVING_SIGNATURE: model.serve}
    tf.saved_model.save(model, str(folder / "Format-Serving"), signatures=signatures)
    promise = ModelContract(patch_size=PATCH, bands=config.band_set.names, dtype="uint8", table=config.table)
    extra = folder / "Format-Serving" / "assets.extra"
    extra.mkdir()
    (extra / contract.CONTRACT_FILE).write_text(promise.model_dump_json())


def evaluate_tiles(folder: Path, model: Path, blessed: Path, sources: tuple[TileSource, ...], config: Config) -> None:
    """The step itself, on the tested tile."""

    def artifact(kind: type, uri: Path) -> Any:
        made = kind()
        made.uri = str(uri)
        return made

    model_kind = tfx.types.standard_artifacts.Model
    options = MapEvaluatorOptions(
        table=config.table,
        tiles=TileEvaluationOptions(counting=CountingOptions(block_px=BLOCK)),
        bootstrap=BootstrapOptions(over="blocks", resamples=200),
    )
    MapEvaluator.test_call(
        evaluation=artifact(MapEvaluation, folder),
        model=artifact(model_kind, model),
        blessed_model=artifact(model_kind, blessed),
        tiles=TileList(tiles=tuple(source for source in sources if source.split == "test")).model_dump_json(),
        fingerprint="f",
        options=options.model_dump_json(),
        beam_pipeline=beam.Pipeline(),
    )


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
        ("Trainer", "model"), ("Trainer", "model_run"), ("MapEvaluator", "evaluation"),
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
    skew = Divergence("skew", "test", "band_mean/red", "JENSEN_SHANNON_DIVERGENCE", 0.125, 0.8, False, 4)
    statistics = Verdict({}, (), (skew,), last_run=False, min_patches=2)
    (uri("AnomalyGate", "verdict") / "anomalies.txt").write_text(statistics.as_text())
    (uri("AnomalyGate", "verdict") / "statistics.json").write_text(statistics.as_json())
    export_model(uri("Trainer", "model"), config, threshold=100)
    export_model(workdir / "blessed", config, threshold=160)
    whole = uri("MapEvaluator", "evaluation")
    evaluate_tiles(whole, uri("Trainer", "model"), workdir / "blessed", sources, config)
    map_evaluation = read_map_evaluation(str(whole))
    epochs = [
        EpochRecord(i, 10 * i, 2.0 / i, 0.01, 20.0, 5.0 * i, 2.5 / i, 0.2 * i, 0.3 * i, {"ground": 0.1 * i})
        for i in (1, 2)
    ]
    write_history(epochs, str(uri("Trainer", "model_run")))
    found = config.training.model_copy(update={"learning_rate": 0.0042})
    write_settings(config.network, found, str(uri("Trainer", "model_run")))
    write_png(np.full((60, 2000, 3), 90, np.uint8), str(uri("Trainer", "model_run") / AUGMENTED_FILE))
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
            *judge_tiles(map_evaluation, GATES_ON_TILES),
        ),
        blessed=True,
        served_well=True,
        serving_reason="agrees on 16 real patches",
        pushed=True,
        version=42,
        version_folder=served / "42",
        map_evaluation=map_evaluation,
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
        map_evaluation=None,
    )
    return replace(run, outcome=outcome, maps={})
