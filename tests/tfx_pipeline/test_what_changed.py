"""`eoseg run --if-changed`: what calls for a run, and what does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.tile_source import TileSource
from tfx_pipeline.cli.main import main
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places
from tfx_pipeline.what_changed import RECORD, Changes, Triggers, find_changes, record_push

VERSION = 1_700_000_000
DAY = 86400


def config_of(**keys: Any) -> Config:
    return Config.model_validate(
        {
            "name": "tiny",
            "data": {
                "root": "/data", "images": "{tile}.tif", "labels": "{tile}l.tif", "bands": {"red": 1},
                "splits": {"train": ["a"], "eval": ["b"]},
            },
            "classes": [{"name": "roof", "color": [255, 0, 0]}, {"name": "lawn", "color": [0, 255, 0]}],
            **keys,
        }
    )  # fmt: skip


def data_of(fingerprint: str = "f", splits: str = "train eval") -> DataSet:
    tiles = tuple(
        TileSource(tile=name, image=f"/data/{name}.tif", label=f"/data/{name}l.tif", split=split)
        for name, split in zip("ab", splits.split(), strict=True)
    )
    return DataSet(tiles, fingerprint, "uint8")


@pytest.fixture
def pushed(tmp_path: Path) -> Places:
    """After a run that pushed."""
    places = Places(tmp_path, tmp_path / "served")
    (places.model_base / "eoseg" / str(VERSION)).mkdir(parents=True)
    record_push(config_of(), data_of(), places, VERSION)
    return places


def changes(
    places: Places, config: Config | None = None, data: DataSet | None = None, days: float = 0, **triggers: Any
) -> Changes:
    return find_changes(
        config or config_of(), data or data_of(), places, Triggers(**triggers), now=VERSION + days * DAY
    )


def test_without_any_run_there_is_one(tmp_path: Path) -> None:
    found = changes(Places(tmp_path, tmp_path / "served"), max_age_days=1, max_drift=0.2)
    assert len(found.reasons) == 2
    assert found.config_to_run(config_of()) == config_of()


def test_nothing_new_is_no_reason_however_old_the_version(pushed: Places) -> None:
    assert changes(pushed, days=1000).reasons == ()


@pytest.mark.parametrize(
    ("config", "data", "reason"),
    [
        (config_of(), data_of("another"), "tiles"),
        (config_of(), data_of(splits="eval train"), "tiles"),
        (config_of(evaluation={"gates": [{"metric": "kappa", "at_least": 0.5}]}), data_of(), "configuration"),
        (config_of(training={"steps": 7}), data_of(), "configuration"),
    ],
)
def test_what_decides_the_result_calls_for_a_run(pushed: Places, config: Config, data: DataSet, reason: str) -> None:
    found = changes(pushed, config, data)
    assert len(found.reasons) == 1
    assert f"the {reason}" in found.reasons[0]
    assert found.config_to_run(config) == config


def test_where_and_by_what_a_run_works_is_no_reason(pushed: Places) -> None:
    database = {"kind": "mysql", "host": "db", "user": "me"}
    elsewhere = config_of(workdir="/elsewhere", artifacts="s3://bucket/a", metadata=database, beam={"workers": 2})
    assert changes(pushed, elsewhere).reasons == ()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"tiles": 3}'])
def test_a_record_that_cannot_be_read_calls_for_a_run(pushed: Places, text: str) -> None:
    (pushed.workdir / RECORD).write_text(text)
    assert changes(pushed).reasons


def test_other_code_calls_for_a_run(pushed: Places) -> None:
    record = json.loads((pushed.workdir / RECORD).read_text())
    (pushed.workdir / RECORD).write_text(json.dumps({**record, "code": "of another day"}))
    (reason,) = changes(pushed).reasons
    assert reason.startswith("the code")


def test_an_old_version_calls_for_a_training_from_another_seed(pushed: Places) -> None:
    assert changes(pushed, days=30, max_age_days=30).reasons == ()
    found = changes(pushed, days=31, max_age_days=30)
    assert found.reasons == (f"version {VERSION} is 31.0 days old, more than 30",)
    config = config_of(training={"seed": 2**31 - 1})
    again = found.config_to_run(config)
    assert again.training.seed == VERSION - 1  # (2**31 - 1 + VERSION) % 2**31
    assert again == found.config_to_run(config)
    assert again.model_copy(update={"training": config.training}) == config


def test_an_old_version_and_new_tiles_leave_the_seed(pushed: Places) -> None:
    found = changes(pushed, data=data_of("another"), days=31, max_age_days=30)
    assert len(found.reasons) == 2
    assert found.config_to_run(config_of()) == config_of()


@pytest.mark.parametrize(
    ("document", "calls"),
    [
        ({"psi": {"red": 0.3, "classes": 0.1}, "max_psi": 0.3}, True),
        ({"max_psi": 0.3}, True),
        ({"max_psi": 0.2}, False),
        ({"max_psi": 0.3, "max_psi_beyond_chance": 0.1}, False),
        ({"max_psi": 0.3, "version": VERSION, "enough": True}, True),
        ({"max_psi": 0.3, "version": VERSION - 1}, False),
        ({"max_psi": 0.3, "enough": False}, False),
    ],
)
def test_drift_over_the_limit_calls_for_a_run(pushed: Places, document: dict[str, Any], calls: bool) -> None:
    (pushed.workdir / "drift.json").write_text(json.dumps(document))
    found = changes(pushed, max_drift=0.2)
    assert bool(found.reasons) == calls
    assert (found.config_to_run(config_of()) != config_of()) == calls
    assert bool(found.notes) == (not calls and ("version" in document or "enough" in document))
    assert changes(pushed).reasons == ()  # without a limit


def test_missing_figures_of_drift_are_told_and_no_reason(pushed: Places, tmp_path: Path) -> None:
    found = changes(pushed, max_drift=0.2, drift_file=str(tmp_path / "none.json"))
    assert found.reasons == ()
    assert "none.json does not exist" in found.notes[0]


@pytest.mark.parametrize("text", ["", "[0.3]", "{}", '{"max_psi": "high"}', '{"max_psi": true}', '{"max_psi": NaN}'])
def test_figures_of_drift_that_cannot_be_read_are_an_error(pushed: Places, text: str) -> None:
    (pushed.workdir / "drift.json").write_text(text)
    with pytest.raises(ConfigError, match=r"drift\.json holds no figures of drift"):
        changes(pushed, max_drift=0.2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--max-age", "0"], "--max-age without --if-changed"),
        (["--if-changed", "--max-age", "-1"], "max_age_days"),
        (["--if-changed", "--drift", "x.json"], "--drift without --max-drift"),
    ],
)
def test_arguments_that_do_not_fit_together_are_refused(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(config_of().model_dump_json(exclude_unset=True))  # JSON is YAML
    assert main(["run", str(file), "--workdir", str(tmp_path / "w"), *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "w").exists()
