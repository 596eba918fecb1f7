"""Real TFDV statistics of made-up features, and the artifacts that the steps before AnomalyGate would leave."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_data_validation as tfdv
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import v1 as tfx
from tfx.types import artifact_utils

from components.data_statistics.component import AnomalyGate, DataVerdict
from components.data_statistics.curated_schema import SCHEMA_FILE
from components.data_statistics.options import StatisticsOptions
from components.data_statistics.skew import ANOMALIES_FILE, STATISTICS_FILE, Statistics
from components.geo.patches import PatchOptions

BAND = "band_mean/red"
CLASS = "class_fraction/roof"

Features = Mapping[str, NDArray[np.float64]]

Places = tuple[list[str], list[int], list[int]]
"""Tile, row and column of each patch."""


def statistics_of(features: Features) -> Statistics:
    return tfdv.generate_statistics_from_dataframe(pd.DataFrame(dict(features)))


def normal(mean: float, patches: int = 500, seed: int = 0) -> NDArray[np.float64]:
    """Draws with a standard deviation of 10."""
    return np.random.default_rng(seed).normal(mean, 10, patches)


def artifact(kind: type, uri: Path) -> object:
    made = kind()
    made.uri = str(uri)
    return made


def write_statistics(folder: Path, splits: Mapping[str, Features]) -> object:
    for split, features in splits.items():
        target = folder / f"Split-{split}"
        target.mkdir(parents=True)
        (target / STATISTICS_FILE).write_bytes(statistics_of(features).SerializeToString())
    made = artifact(tfx.types.standard_artifacts.ExampleStatistics, folder)
    made.split_names = artifact_utils.encode_split_names(list(splits))  # type: ignore[attr-defined]
    return made


def write_records(folder: Path, splits: Mapping[str, Features], places: Mapping[str, Places]) -> None:
    """The scalar features of records and where each patch lies, in TileExampleGen's layout."""
    for split, (tiles, rows, cols) in places.items():
        target = folder / f"Split-{split}"
        target.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(target / "data_tfrecord-a-00000-of-00001")) as writer:
            for i, (tile, row, col) in enumerate(zip(tiles, rows, cols, strict=True)):
                example = tf.train.Example()
                feature = example.features.feature
                feature["tile"].bytes_list.value.append(tile.encode())
                feature["row"].int64_list.value.append(row)
                feature["col"].int64_list.value.append(col)
                for name, values in splits[split].items():
                    feature[name].float_list.value.append(values[i])
                writer.write(example.SerializeToString())


def run_gate(
    folder: Path,
    splits: Mapping[str, Features],
    *,
    previous: Mapping[str, Features] | None = None,
    schema: schema_pb2.Schema | None = None,
    options: StatisticsOptions | None = None,
    found: Mapping[str, Mapping[str, str]] | None = None,
    patches: PatchOptions | None = None,
    places: Mapping[str, Places] | None = None,
) -> None:
    """AnomalyGate behind a StatisticsGen, a SchemaGen and an ExampleValidator that left these.

    The verdict goes to `folder/verdict`, the copy of it to `folder/copy`.

    Args:
        folder: An empty folder.
        splits: This run's features by split.
        previous: The last run's.
        schema: None infers one from the training split.
        options: The limits.
        found: What ExampleValidator found: split, feature, words. None runs TFDV as ExampleValidator does.
        patches: How tiles were cut.
        places: Where the patches of a split lie; only such splits have records.
    """
    write_records(folder / "examples", splits, places or {})
    statistics = write_statistics(folder / "statistics", splits)
    schema = schema or tfdv.infer_schema(statistics_of(splits["train"]))
    (folder / "schema").mkdir()
    tfdv.write_schema_text(schema, str(folder / "schema" / SCHEMA_FILE))
    for split, features in splits.items():
        if found is None:
            anomalies = tfdv.validate_statistics(statistics_of(features), schema)
        else:
            anomalies = anomalies_pb2.Anomalies()
            for feature, words in found.get(split, {}).items():
                anomalies.anomaly_info[feature].reason.add(description=words)
        target = folder / "anomalies" / f"Split-{split}"
        target.mkdir(parents=True)
        (target / ANOMALIES_FILE).write_bytes(anomalies.SerializeToString())
    validated = artifact(tfx.types.standard_artifacts.ExampleAnomalies, folder / "anomalies")
    validated.split_names = artifact_utils.encode_split_names(list(splits))  # type: ignore[attr-defined]
    last = {} if previous is None else {"previous_statistics": write_statistics(folder / "previous", previous)}
    AnomalyGate.test_call(
        examples=artifact(tfx.types.standard_artifacts.Examples, folder / "examples"),
        statistics=statistics,
        schema=artifact(tfx.types.standard_artifacts.Schema, folder / "schema"),
        anomalies=validated,
        verdict=artifact(DataVerdict, folder / "verdict"),
        options=(options or StatisticsOptions()).model_dump_json(),
        patches=(patches or PatchOptions()).model_dump_json(),
        report_copy=str(folder / "copy"),
        **last,
    )
