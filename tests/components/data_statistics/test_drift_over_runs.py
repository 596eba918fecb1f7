"""Runs of a small pipeline, one after the other: which statistics each is compared with, and what is reused."""

import json
import shutil
from pathlib import Path

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

from components.data_statistics.component import (
    PREVIOUS_STATISTICS,
    STATISTICS,
    VERDICT,
    VERDICT_JSON,
    AnomalyGate,
    DataVerdict,
    LastAcceptedStatistics,
)
from components.data_statistics.options import StatisticsOptions
from components.errors import DataError
from components.geo.patches import PatchOptions
from tests.components.data_statistics.stand_in_steps import NormalStatistics

FINISHED, REUSED = metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED


class Runs:
    """One metadata store, as one working directory has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))

    def run(self, mean: float, max_drift: float | None, name: str = "drift") -> None:
        data = NormalStatistics(mean=float(mean))
        last = tfx.dsl.Resolver(
            strategy_class=LastAcceptedStatistics,
            **{
                PREVIOUS_STATISTICS: tfx.dsl.Channel(type=tfx.types.standard_artifacts.ExampleStatistics),
                STATISTICS: data.outputs["statistics"],
                VERDICT: tfx.dsl.Channel(type=DataVerdict),
            },
        ).with_id("LastStatistics")
        gate = AnomalyGate(
            examples=data.outputs["examples"],
            statistics=data.outputs["statistics"],
            schema=data.outputs["schema"],
            anomalies=data.outputs["anomalies"],
            previous_statistics=last.outputs[PREVIOUS_STATISTICS],
            options=StatisticsOptions(max_drift=max_drift).model_dump_json(),
            patches=PatchOptions().model_dump_json(),
            report_copy=str(self.folder / "copy"),
        )
        pipeline = tfx.dsl.Pipeline(
            pipeline_name=name,
            pipeline_root=str(self.folder / "artifacts"),
            components=[data, last, gate],
            enable_cache=True,
            metadata_connection_config=self.metadata,
        )
        tfx.orchestration.LocalDagRunner().run(pipeline)

    @property
    def drift(self) -> list[float]:
        """What the latest gate that was not reused measured."""
        found = json.loads((self.folder / "copy" / VERDICT_JSON).read_text())["divergences"]
        return [divergence["value"] for divergence in found if divergence["kind"] == "drift"]

    @property
    def gates(self) -> list[int]:
        """The state of every gate so far."""
        store = metadata_store.MetadataStore(self.metadata)
        return [execution.last_known_state for execution in store.get_executions() if "AnomalyGate" in execution.type]


@pytest.mark.slow
def test_drift_is_measured_against_the_last_accepted_run(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.run(100, max_drift=0.5)
    assert runs.drift == []  # the first run has nothing to be compared with
    runs.run(100, max_drift=0.5)
    assert runs.gates == [FINISHED, REUSED]

    for _ in range(2):  # a refused run is no measure: running it again does not let it pass
        with pytest.raises(DataError, match="feature band_mean/red: drift"):
            runs.run(300, max_drift=0.5)
        assert runs.drift == pytest.approx([1.0])

    runs.run(300, max_drift=None)  # accepted once
    assert runs.drift == pytest.approx([1.0])
    runs.run(300, max_drift=0.5)  # and from then on
    assert runs.drift == []

    with pytest.raises(DataError, match="drift"):  # the old data again, although once accepted: not the last run's
        runs.run(100, max_drift=0.5)

    runs.run(100, max_drift=0.5, name="another pipeline")  # in the same store
    assert runs.drift == []


@pytest.mark.slow
def test_a_run_goes_on_where_the_last_one_was_removed_from_disk(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.run(100, max_drift=0.5)
    shutil.rmtree(tmp_path / "artifacts" / "NormalStatistics")
    runs.run(300, max_drift=0.5)
    assert runs.drift == []
