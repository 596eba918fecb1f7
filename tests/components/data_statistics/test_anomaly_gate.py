"""AnomalyGate: what lets a run go on and what stops it, on real TFDV statistics."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_statistics.component import VERDICT_FILE, VERDICT_JSON
from components.data_statistics.curated_schema import INFERRED_SCHEMA_FILE
from components.data_statistics.options import StatisticsOptions
from components.errors import DataError
from tests.components.data_statistics.make_statistics import BAND, CLASS, Features, normal, run_gate

LIMITS = StatisticsOptions(max_skew=0.5, max_drift=0.5)


def splits(train: float = 100, other: float = 100, patches: int = 500) -> dict[str, Features]:
    return {"train": {BAND: normal(train, patches)}, "eval": {BAND: normal(other, patches, seed=1)}}


def with_class(features: dict[str, Features], *without: str) -> dict[str, Features]:
    """The same splits with a class share beside the band, but for some of them."""
    return {
        split: dict(own) if split in without else {**own, CLASS: np.linspace(0, 1, len(own[BAND]))}
        for split, own in features.items()
    }


def schema_with(environments: str, class_is: str) -> schema_pb2.Schema:
    text = (
        f'{environments} feature {{ name: "{BAND}" type: FLOAT }} feature {{ name: "{CLASS}" type: FLOAT {class_is} }}'
    )
    return text_format.Parse(text, schema_pb2.Schema())


def figures(folder: Path) -> dict:
    return json.loads((folder / VERDICT_JSON).read_text())


def test_sound_statistics_pass_and_the_verdict_says_what_was_measured(tmp_path: Path) -> None:
    run_gate(tmp_path, splits(), options=LIMITS)
    text = (tmp_path / "verdict" / VERDICT_FILE).read_text()
    assert text.startswith("no anomalies\nlargest skew 0.")
    assert "there is no earlier run" in text
    (skew,) = figures(tmp_path / "verdict")["divergences"]
    assert (skew["kind"], skew["split"], skew["feature"], skew["limit"]) == ("skew", "eval", BAND, 0.5)
    assert 0 < skew["value"] < 0.1


def test_bands_that_hardly_overlap_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        run_gate(tmp_path, splits(other=200), options=LIMITS)
    message = str(caught.value)
    assert (
        f"split eval, feature {BAND}: skew: its Jensen-Shannon divergence from the training split is 1.000" in message
    )
    assert "above 0.5 (statistics.max_skew); 500 patches" in message
    assert "raise statistics.max_skew" in message
    assert "max_drift" not in message


def test_a_limit_of_one_stops_nothing(tmp_path: Path) -> None:
    # Disjoint histograms whose divergence TFDV's sums make 1.0000000000000002.
    rng = np.random.default_rng(16)
    disjoint = {"train": {BAND: rng.uniform(0, 1, 133)}, "eval": {BAND: rng.uniform(2, 3, 209)}}
    run_gate(tmp_path, disjoint, options=StatisticsOptions(max_skew=1))
    (skew,) = figures(tmp_path / "verdict")["divergences"]
    assert skew["value"] == 1


def test_a_stopped_run_leaves_its_verdict_and_the_inferred_schema_in_the_copy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path / "copy" / VERDICT_JSON)):
        run_gate(tmp_path, splits(other=200), options=LIMITS)
    assert "skew" in (tmp_path / "copy" / VERDICT_FILE).read_text()
    assert figures(tmp_path / "copy")["stops"]
    inferred = tfdv.load_schema_text(str(tmp_path / "copy" / INFERRED_SCHEMA_FILE))
    assert [feature.name for feature in inferred.feature] == [BAND]


def test_a_curated_schema_is_not_copied_as_an_inferred_one(tmp_path: Path) -> None:
    run_gate(tmp_path, splits(), options=StatisticsOptions(schema_file="mine.pbtxt"))
    assert not (tmp_path / "copy" / INFERRED_SCHEMA_FILE).exists()


def test_a_finding_of_example_validator_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="split eval, feature void_share: values out of range"):
        run_gate(tmp_path, splits(), found={"eval": {"void_share": "values out of range"}})


@pytest.mark.parametrize("environment", ["EVAL", "eval", "Evaluation"])
def test_an_environment_excuses_a_feature_that_its_split_lacks(tmp_path: Path, environment: str) -> None:
    schema = schema_with(
        f'default_environment: "TRAINING" default_environment: "{environment}"',
        f'presence {{ min_fraction: 1 min_count: 1 }} not_in_environment: "{environment}"',
    )
    run_gate(tmp_path, with_class(splits(), "eval"), schema=schema)
    assert figures(tmp_path / "verdict")["environments"] == {"train": "TRAINING", "eval": environment}


def test_an_environment_of_another_split_excuses_nothing(tmp_path: Path) -> None:
    schema = schema_with(
        'default_environment: "TRAIN" default_environment: "EVAL" default_environment: "SERVING"',
        'presence { min_fraction: 1 min_count: 1 } not_in_environment: "SERVING"',
    )
    with pytest.raises(
        DataError, match=rf"split eval \(environment EVAL\), feature {CLASS}: Column is completely miss"
    ):
        run_gate(tmp_path, with_class(splits(), "eval"), schema=schema)


def test_without_environments_a_missing_feature_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"split eval, feature {CLASS}: Column is completely missing"):
        run_gate(tmp_path, with_class(splits(), "eval"))


def test_a_range_in_a_curated_schema_stops_the_run(tmp_path: Path) -> None:
    schema = schema_with('default_environment: "TRAIN"', "float_domain { min: 0 max: 0.9 }")
    with pytest.raises(
        DataError, match=rf"split train \(environment TRAIN\), feature {CLASS}: Unexpectedly high value"
    ):
        run_gate(tmp_path, with_class(splits()), schema=schema, options=StatisticsOptions(schema_file="mine.pbtxt"))


def test_drift_against_the_last_run_stops_the_run_above_max_drift(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        run_gate(tmp_path, splits(200, 200), previous=splits(100, 200), options=LIMITS)
    message = str(caught.value)
    assert "1 anomaly(ies)" in message
    assert f"split train, feature {BAND}: drift: its Jensen-Shannon divergence from the last run is 1.000" in message
    assert "--set statistics.max_drift=null" in message


def test_drift_of_class_shares_counts(tmp_path: Path) -> None:
    before, now = with_class(splits()), with_class(splits())
    now["eval"] = {**now["eval"], CLASS: np.zeros(500)}
    with pytest.raises(DataError, match=f"split eval, feature {CLASS}: drift"):
        run_gate(tmp_path, now, previous=before, options=LIMITS)


def test_without_max_drift_drift_is_measured_and_stops_nothing(tmp_path: Path) -> None:
    run_gate(tmp_path, splits(200, 200), previous=splits(100, 200))
    text = (tmp_path / "verdict" / VERDICT_FILE).read_text()
    assert text.startswith("no anomalies\n")
    assert f"largest drift 1.000 (split train, feature {BAND})" in text


def test_the_same_data_have_no_drift(tmp_path: Path) -> None:
    run_gate(tmp_path, splits(), previous=splits(), options=StatisticsOptions(max_drift=1e-9))
    drift = [d for d in figures(tmp_path / "verdict")["divergences"] if d["kind"] == "drift"]
    assert [(d["split"], d["value"]) for d in drift] == [("train", 0.0), ("eval", 0.0)]


def test_splits_and_features_that_the_last_run_did_not_have_are_not_compared(tmp_path: Path) -> None:
    previous = {"train": {BAND: normal(100)}}
    run_gate(tmp_path, with_class(splits()), previous=previous, options=LIMITS)
    drift = [d for d in figures(tmp_path / "verdict")["divergences"] if d["kind"] == "drift"]
    assert [(d["split"], d["feature"]) for d in drift] == [("train", BAND)]


@pytest.mark.parametrize(("patches", "stops"), [(15, False), (16, True)])
def test_splits_with_few_patches_are_measured_but_stop_nothing(tmp_path: Path, patches: int, stops: bool) -> None:
    few = splits(100, 200, patches)
    if stops:
        with pytest.raises(DataError, match="16 patches in the smaller"):
            run_gate(tmp_path, few)
    else:
        run_gate(tmp_path, few)
        assert "of only 15 patches" in (tmp_path / "verdict" / VERDICT_FILE).read_text()


@pytest.mark.parametrize("kind", ["skew", "drift"])
def test_a_threshold_in_the_schema_comes_before_the_options(tmp_path: Path, kind: str) -> None:
    comparator = f"{kind}_comparator {{ jensen_shannon_divergence {{ threshold: 0.2 }} }}"
    schema = schema_with("", comparator)
    before, now = with_class(splits()), with_class(splits())
    now["eval"] = {**now["eval"], CLASS: np.linspace(0, 1, 500) ** 8}  # mostly near 0
    loose = StatisticsOptions(max_skew=1, max_drift=1)
    with pytest.raises(
        DataError, match=rf"eval, feature {CLASS}: {kind}: .* above 0.2 \(the schema's {kind}_comparator"
    ):
        run_gate(tmp_path, now, previous=before, schema=schema, options=loose)
