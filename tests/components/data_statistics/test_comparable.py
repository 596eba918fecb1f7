"""Splits that were sampled differently by design are compared on what the sampling leaves comparable."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from components.data_statistics.component import VERDICT_FILE, VERDICT_JSON
from components.errors import DataError
from components.geo.patches import PatchOptions
from tests.components.data_statistics.make_statistics import BAND, Features, Places, normal, run_gate

SHIPS = "class_fraction/ship"
VOID = "void_share"

HARBOUR, LAND = 20.0, 200.0
"""Band means of dark water with ships, and of the land around."""

RARE = PatchOptions(size=16, min_class_share={"ship": 1 / 16})
SIDE = 16


def grid(patches: int, tile: str = "a") -> Places:
    """Side by side, in one row."""
    return [tile] * patches, [0] * patches, [SIDE * i for i in range(patches)]


def scene(harbour: int, land: int, gain: float = 1.0, seed: int = 0) -> Features:
    """Patches of a harbour with ships on exactly a sixteenth of each, then land without any; no void."""
    band = gain * np.concatenate([normal(HARBOUR, harbour, seed), normal(LAND, land, seed + 1)])
    ships = np.concatenate([np.full(harbour, 1 / 16), np.zeros(land)])
    return {BAND: band, SHIPS: ships, VOID: np.zeros(harbour + land)}


def figures(folder: Path) -> dict:
    return json.loads((folder / "copy" / VERDICT_JSON).read_text())


def skew_of(folder: Path, feature: str) -> dict:
    (found,) = [d for d in figures(folder)["divergences"] if d["kind"] == "skew" and d["feature"] == feature]
    return found


def test_patches_chosen_for_a_rare_class_are_held_against_their_like(tmp_path: Path) -> None:
    # One patch in twenty of the same coast shows ships: training kept these alone.
    splits = {"train": scene(60, 0, seed=5), "eval": scene(20, 380)}
    with pytest.raises(DataError, match=f"feature {BAND}: skew"):
        run_gate(tmp_path / "as if not chosen", splits)
    run_gate(tmp_path, splits, patches=RARE, places={"eval": grid(400)})
    text = (tmp_path / "copy" / VERDICT_FILE).read_text()
    assert text.startswith("no anomalies\n")
    assert (
        "skew of split eval was measured on its 20 of 400 patches that training would keep "
        "(patches.min_class_share: ship 0.0625)" in text
    )
    assert figures(tmp_path)["notes"]
    assert skew_of(tmp_path, BAND)["patches"] == 20


def test_another_sensor_still_stops_a_run_of_chosen_patches(tmp_path: Path) -> None:
    splits = {"train": scene(60, 0, seed=5), "eval": scene(20, 380, gain=16.0)}
    with pytest.raises(DataError) as caught:
        run_gate(tmp_path, splits, patches=RARE, places={"eval": grid(400)})
    message = str(caught.value)
    assert f"split eval, feature {BAND}: skew" in message
    assert "20 patches in the smaller one" in message
    assert "its 20 of 400 patches that training would keep" in message


def test_held_out_patches_of_which_training_would_keep_none_are_not_compared(tmp_path: Path) -> None:
    splits = {"train": scene(60, 0), "eval": scene(0, 400)}
    run_gate(tmp_path, splits, patches=RARE, places={"eval": grid(400)})
    assert "its 0 of 400 patches" in (tmp_path / "copy" / VERDICT_FILE).read_text()
    assert figures(tmp_path)["divergences"] == []


def test_ground_without_truth_is_left_out_as_training_leaves_it_out(tmp_path: Path) -> None:
    # Labels end at the coast: training has no patch of the open sea, eval has all of it, void.
    land, sea = normal(LAND, 40), normal(HARBOUR, 360)
    evaluated = {BAND: np.concatenate([land, sea]), VOID: np.repeat([0.0, 1.0], [40, 360])}
    splits = {"train": {BAND: normal(LAND, 60, seed=5), VOID: np.zeros(60)}, "eval": evaluated}
    run_gate(tmp_path, splits, places={"eval": grid(400)}, patches=PatchOptions(size=SIDE))
    assert "its 40 of 400 patches that training would keep (patches.max_void_share: 0.99)" in (
        (tmp_path / "copy" / VERDICT_FILE).read_text()
    )


def test_records_are_not_read_where_training_has_no_rule_of_its_own(tmp_path: Path) -> None:
    splits = {"train": scene(60, 60), "eval": scene(60, 60, seed=5)}
    run_gate(tmp_path, splits, patches=PatchOptions(size=SIDE))  # there are no records
    assert figures(tmp_path)["notes"] == []


def crops(tiles: dict[str, int], count: int) -> Places:
    """`count` crops of each tile `tile: side`, at random places."""
    rng = np.random.default_rng(0)
    places: list[tuple[str, int, int]] = []
    for tile, side in tiles.items():
        rows: NDArray[np.int64] = rng.integers(0, side - SIDE + 1, (count, 2))
        places += [(tile, row, col) for row, col in rows.tolist()]
    names, rows_, cols = zip(*places, strict=True)
    return list(names), list(rows_), list(cols)


CROPPED = PatchOptions(size=SIDE, random_crops=100)


def test_tiles_weigh_alike_where_random_crops_take_as_many_from_each(tmp_path: Path) -> None:
    # Nine small bright tiles and a large dark one: nine crops of ten are bright, nine grid patches of ten dark.
    small = [f"s{i}" for i in range(9)]
    train = {BAND: np.concatenate([normal(LAND, 900), normal(HARBOUR, 100)])}
    evaluated = {BAND: np.concatenate([normal(LAND, 9 * 4, seed=5), normal(HARBOUR, 400, seed=6)])}
    places = {
        "train": crops({**dict.fromkeys(small, 2 * SIDE), "large": 20 * SIDE}, 100),
        "eval": ([t for t in small for _ in range(4)] + ["large"] * 400, [0] * 436, [0] * 436),
    }
    splits = {"train": train, "eval": evaluated}
    run_gate(tmp_path, splits, patches=CROPPED, places=places)
    assert skew_of(tmp_path, BAND)["value"] < 0.25
    run_gate(tmp_path / "as it is", splits, patches=PatchOptions(size=SIDE))
    assert skew_of(tmp_path / "as it is", BAND)["value"] > 0.4
    assert "with each tile weighing the same" in (tmp_path / "copy" / VERDICT_FILE).read_text()


@pytest.mark.parametrize(("side_patches", "stops"), [(3, False), (4, True)])
def test_crops_count_as_the_ground_that_they_cover(tmp_path: Path, side_patches: int, stops: bool) -> None:
    # 400 crops of a tile of 3 x 3 patches are 9 patches' evidence, of 4 x 4 they are 16: the default of min_patches.
    splits = {"train": {BAND: normal(HARBOUR, 400)}, "eval": {BAND: normal(LAND, 64)}}
    places = {"train": crops({"a": side_patches * SIDE}, 400), "eval": grid(64)}
    if stops:
        with pytest.raises(DataError, match="16 patches in the smaller one"):
            run_gate(tmp_path, splits, patches=CROPPED, places=places)
    else:
        run_gate(tmp_path, splits, patches=CROPPED, places=places)
        assert "of only 9 patches" in (tmp_path / "copy" / VERDICT_FILE).read_text()


def test_another_sensor_still_stops_a_run_on_random_crops(tmp_path: Path) -> None:
    splits = {"train": {BAND: normal(LAND, 100)}, "eval": {BAND: 16 * normal(LAND, 64, seed=1)}}
    places = {"train": crops({"a": 8 * SIDE}, 100), "eval": grid(64)}
    with pytest.raises(DataError, match=f"feature {BAND}: skew"):
        run_gate(tmp_path, splits, patches=CROPPED, places=places)


@pytest.mark.parametrize(("train", "evaluated", "expected"), [(400, 300, 100), (2000, 300, 300)])
def test_overlapping_patches_count_as_those_that_lie_side_by_side(
    tmp_path: Path, train: int, evaluated: int, expected: int
) -> None:
    # Half the size as stride: four patches where one would do.
    splits = {"train": {BAND: normal(LAND, train)}, "eval": {BAND: normal(LAND, evaluated)}}
    run_gate(tmp_path, splits, patches=PatchOptions(size=SIDE, stride=SIDE // 2))
    assert skew_of(tmp_path, BAND)["patches"] == expected
