"""Traffic and the rules by which a canary is withdrawn."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.versions.audit import read_audit
from serving.versions.canary_state import read_canary, write_canary
from serving.versions.canary_watch import watch_canary
from serving.versions.change import ServerOptions
from serving.versions.observations import (
    MapObservation,
    MeanConfidence,
    append_observation,
    observations_folder,
    read_observations,
)
from serving.versions.operations import promote_version, set_canary
from serving.versions.registry import Registry
from serving.versions.registry_error import RegistryError
from serving.versions.traffic import label_for, place_of
from serving.versions.watch import WatchOptions, judge, stability_index

NAMES = ("water", "forest", "roof")
ALONE = ServerOptions()


@given(tile=st.text(), small=st.floats(0, 100), large=st.floats(0, 100))
def test_a_larger_share_takes_tiles_and_gives_none_back(tile: str, small: float, large: float) -> None:
    small, large = sorted((small, large))
    if label_for(tile, small) == "canary":
        assert label_for(tile, large) == "canary"
    assert label_for(tile, 0) == "stable"
    assert label_for(tile, 100) == "canary"
    assert 0 <= place_of(tile) < 100


@pytest.mark.parametrize("percent", [1, 10, 50])
def test_the_share_is_kept_over_many_tiles(percent: float) -> None:
    count = 20_000
    given_away = sum(label_for(f"tile_{number}", percent) == "canary" for number in range(count))
    deviation = (count * percent / 100 * (1 - percent / 100)) ** 0.5
    assert abs(given_away - count * percent / 100) < 5 * deviation


def test_the_split_is_the_same_for_ever() -> None:
    """Another hash would move tiles between versions in the middle of a canary."""
    assert [f"{place_of(tile):.4f}" for tile in ("a", "tile_01", "T32UPU")] == ["63.3658", "26.0231", "72.0712"]


def observe(
    rng: np.random.Generator,
    count: int,
    label: str,
    version: int,
    *,
    failures: float = 0.0,
    slow: float = 1.0,
    shares: tuple[float, ...] = (1, 1, 1),
    confidence: float = 80.0,
) -> list[MapObservation]:
    """Maps as they come: tiles differ from each other by far more than versions do."""
    found = []
    for number in range(count):
        failed = rng.random() < failures
        pixels = (rng.dirichlet((2, 2, 2)) * np.array(shares) * 1e6).astype(int)
        found.append(
            MapObservation(
                time=f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z",
                model="eoseg",
                label=label,
                version=version,
                tile=f"{label}{number}",
                failed="a reason" if failed else "",
                seconds=0 if failed else float(rng.lognormal(1, 0.4)) * slow,
                pixels=0 if failed else 1_000_000,
                class_pixels={} if failed else dict(zip(NAMES, pixels.tolist(), strict=True)),
                confidence=None if failed else float(np.clip(rng.normal(confidence, 5), 0, 100)),
            )
        )
    return found


def breached(stable: list[MapObservation], canary: list[MapObservation]) -> list[str]:
    return [rule.name for rule in judge(stable, canary, WatchOptions()).breaches]


@pytest.mark.parametrize("seed", range(20))
def test_a_canary_that_does_as_well_stays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert breached(observe(rng, 60, "stable", 1), observe(rng, 20, "canary", 2)) == []


@pytest.mark.parametrize(
    ("worse", "rule"),
    [
        ({"failures": 0.5}, "failed maps"),
        ({"slow": 3.0}, "seconds a megapixel"),
        ({"shares": (0.05, 1, 3)}, "class shares"),
        ({"confidence": 60.0}, "confidence in percent"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_canary_that_does_worse_is_found_out_by_that_rule(worse: dict, rule: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert breached(observe(rng, 80, "stable", 1), observe(rng, 30, "canary", 2, **worse)) == [rule]


def test_one_failed_map_of_many_is_above_the_threshold_and_within_chance() -> None:
    rng = np.random.default_rng(0)
    stable, canary = observe(rng, 40, "stable", 1), observe(rng, 40, "canary", 2)
    canary[0] = canary[0].model_copy(update={"failed": "once"})
    (rule,) = [rule for rule in judge(stable, canary, WatchOptions()).rules if rule.name == "failed maps"]
    assert rule.difference == pytest.approx(1 / 40)
    assert rule.difference > rule.threshold
    assert rule.chance == pytest.approx(0.5, abs=0.1)  # dealt anew, the one failure is as often on either side
    assert not rule.breached


def test_too_few_maps_conclude_nothing() -> None:
    rng = np.random.default_rng(0)
    verdict = judge(observe(rng, 100, "stable", 1), observe(rng, 19, "canary", 2, failures=1.0), WatchOptions())
    assert not verdict.enough
    assert verdict.breaches == []


def test_the_stability_index_is_its_formula_and_nothing_for_the_same_shares() -> None:
    one = np.array([[60.0, 20.0, 20.0], [40.0, 30.0, 30.0]])
    assert stability_index(one, one * 7) == pytest.approx(0.0)
    other = np.array([[25.0, 50.0, 25.0]])
    by_hand = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.5 - 0.25) * np.log(0.5 / 0.25)
    assert stability_index(one, other) == pytest.approx(by_hand)
    assert np.isfinite(stability_index(one, np.array([[1.0, 0.0, 0.0]])))


def test_the_mean_confidence_is_of_the_sampled_pixels_that_have_a_class() -> None:
    sample = MeanConfidence(step=2)
    assert sample.mean is None
    for strip in ([[50, 255]], [[0, 0]], [[100, 60]]):
        if sample.wants_next():
            sample.add(np.array(strip, np.uint8))
    assert sample.mean == pytest.approx((50 + 100 + 60) / 3)


def test_observations_come_back_by_time_without_what_was_cut_off(tmp_path: Path) -> None:
    written = observe(np.random.default_rng(0), 5, "stable", 1)
    for item in reversed(written):
        append_observation(tmp_path, item)
    (file,) = tmp_path.iterdir()
    with file.open("ab") as target:
        target.write(b'{"time": "2026-')
    assert read_observations(tmp_path) == written


def test_a_breach_withdraws_the_canary_and_says_why(registry: Registry) -> None:
    promote_version(registry, 1, ALONE)
    set_canary(registry, 3, 25, ALONE)
    canary = read_canary(registry)
    assert canary is not None
    write_canary(registry, canary.model_copy(update={"since": "2026-01-01T00:00:00Z"}))
    rng = np.random.default_rng(0)
    before_it_began = [
        item.model_copy(update={"time": "2025-12-31T23:59:59Z"}) for item in observe(rng, 50, "canary", 3, failures=1.0)
    ]
    of_another_model = [item.model_copy(update={"model": "x"}) for item in observe(rng, 50, "canary", 3, failures=1.0)]
    good = observe(rng, 40, "stable", 1) + observe(rng, 40, "canary", 3)
    for item in (*before_it_began, *of_another_model, *good):
        append_observation(observations_folder(registry), item)
    assert watch_canary(registry, ALONE, WatchOptions()).breaches == []
    assert read_canary(registry) is not None

    for item in observe(rng, 40, "canary", 3, failures=1.0):
        append_observation(observations_folder(registry), item)
    assert watch_canary(registry, ALONE, WatchOptions(), withdraw=False).breaches
    assert read_canary(registry) is not None
    assert [rule.name for rule in watch_canary(registry, ALONE, WatchOptions()).breaches] == ["failed maps"]
    assert read_canary(registry) is None
    last = read_audit(registry)[0][-1]
    assert (last.verb, last.after["labels"]) == ("end canary", {"stable": 1})
    assert last.reason.startswith("watch: failed maps: stable 0, canary 0.5")
    with pytest.raises(RegistryError, match="no version is on trial"):
        watch_canary(registry, ALONE, WatchOptions())


def test_a_server_that_is_away_does_not_keep_a_bad_canary_on_trial(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.versions.server_control._RETRY_SECONDS", 0.1)
    promote_version(registry, 1, ALONE)
    set_canary(registry, 3, 25, ALONE)
    rng = np.random.default_rng(0)
    for item in observe(rng, 40, "stable", 1) + observe(rng, 40, "canary", 3, failures=1.0):
        append_observation(observations_folder(registry), item.model_copy(update={"time": "2999-01-01T00:00:00Z"}))
    said: list[str] = []
    away = ServerOptions(addresses=("127.0.0.1:1",))
    assert watch_canary(registry, away, WatchOptions(), say=said.append).breaches
    assert read_canary(registry) is None
    assert "127.0.0.1:1" in said[0]
    assert "alone" in said[0]


def test_a_chance_that_no_dealing_anew_can_show_is_refused() -> None:
    """Else no difference would ever be large enough."""
    with pytest.raises(ValidationError, match=r"1000 permutations tell no less than 0.0010"):
        WatchOptions(chance=0.0005)
