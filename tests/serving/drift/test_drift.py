"""From a version's training and its maps to what has drifted: with a model server, and by figures alone."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.drift.divergence import LEAST_SHARE, population_stability_index
from components.drift.reference import EXTRA, REFERENCE_FILE, ReferenceStatistics
from components.errors import ConfigError, DataError, MissingFileError
from serving.client import SegmentationClient
from serving.drift.compare import CLASSES, CONFIDENCE, Drift, compare
from serving.drift.document import as_document, as_prometheus, as_table, exceeds
from serving.drift.map_monitor import MapMonitor
from serving.drift.map_statistics import MapStatistics, read_statistics
from serving.drift.of_folder import Chosen, drift_of_folder, moment
from serving.drift.section import drift_section
from serving.predict_map import predict_map
from tests.serving.drift.make_reference import make_reference, scene

Write = Callable[..., Path]


@pytest.fixture
def monitored(client: SegmentationClient, write_tile: Write, tmp_path: Path) -> Callable[..., MapStatistics]:
    """Predicts a tile through the server and gives what was kept of it."""

    def make(pixels: np.ndarray, name: str, folder: str = "seen") -> MapStatistics:
        monitor = MapMonitor(tmp_path / folder)
        predict_map(write_tile(pixels, f"{name}.tif"), tmp_path / "maps" / f"{name}.tif", client, monitor=monitor)
        assert monitor.path is not None
        return read_statistics(monitor.path)

    return make


@pytest.fixture
def reference(
    client: SegmentationClient, monitored: Callable[..., MapStatistics], tmp_path: Path
) -> ReferenceStatistics:
    """Of version 1: trained on six scenes, evaluated on five others."""
    evaluated = [monitored(scene(96, 96, 50 + i), f"evaluated-{i}", "evaluated") for i in range(5)]
    training = [scene(96, 96, 10 + i) for i in range(6)]
    found = make_reference(tmp_path, client.contract(), training, evaluated)
    extra = tmp_path / "served" / "eoseg" / "1" / EXTRA
    extra.mkdir(parents=True)
    (extra / REFERENCE_FILE).write_text(found.model_dump_json())
    return found


def row(drift: Drift, name: str) -> Any:
    return next(row for row in drift.rows if row.name == name)


def test_a_tile_like_the_training_has_not_drifted_and_a_brightened_band_is_named(
    reference: ReferenceStatistics, monitored: Callable[..., MapStatistics], tmp_path: Path
) -> None:
    alike = compare(reference, [monitored(scene(96, 96, 1), "alike")])
    assert [row.name for row in alike.rows] == ["band/blue", "band/green", "band/red", CLASSES, CONFIDENCE]
    assert alike.max_psi < 0.1
    brighter = scene(96, 96, 2)
    brighter[..., 2] += 60  # at most 249
    drifted = monitored(brighter, "brighter")
    drift = compare(reference, [drifted])
    assert row(drift, "band/red").level == "large"
    assert row(drift, "band/red").beyond_chance
    assert (row(drift, "band/blue").level, row(drift, "band/green").level) == ("none", "none")
    # The model takes the brightest band for the class: there is more roof, and it is surer of it.
    assert row(drift, CLASSES).psi > 0.1
    assert row(drift, CLASSES).what.startswith("roof")
    assert row(drift, CONFIDENCE).psi > 0.1
    # Together with the tile that is alike it is half as many pixels, and less.
    both = drift_of_folder(tmp_path / "seen", tmp_path / "served")
    assert both.maps == 2
    assert 0.1 < row(both, "band/red").psi < row(drift, "band/red").psi
    assert [Path(one.map).stem for one in both.by_map] == ["brighter", "alike"]
    assert both.by_map[0].psi == pytest.approx(drift.max_psi)
    assert both == drift_of_folder(tmp_path / "seen", tmp_path / "served" / "eoseg")
    assert both == drift_of_folder(tmp_path / "seen", tmp_path / "served" / "eoseg" / "1")


def figures(**changes: Any) -> MapStatistics:
    """A map's statistics, of one band and two classes."""
    values = {
        "map": "m.tif", "tile": "t.tif", "date": "", "time": "2025-06-01T10:00:00+00:00", "model": "eoseg",
        "version": 1, "prediction": "0" * 16, "height": 10, "width": 10, "seconds": 1.0, "resumed_rows": 0,
        "class_pixels": {"a": 50, "b": 50}, "nodata_pixels": 0, "row_step": 1,
        "bands": ({"name": "grey", "dtype": "uint8", "bins": (10, 20), "counts": (50, 50)},),
        "confidence_row_step": 1, "confidence": (0,) * 299 + (100,), "confidence_sum": 100.0,
    }  # fmt: skip
    return MapStatistics.model_validate(values | changes)


def known(**changes: Any) -> ReferenceStatistics:
    values: dict[str, Any] = {
        "records": 2,
        "counted_records": 2,
        "bands": ({
            "histogram": {"name": "grey", "dtype": "uint8", "bins": (10, 20), "counts": (30, 30)},
            "cuts": (10, 20, 21),
        },),
        "classes": {"names": ("a", "b"), "trained": (1, 1), "mapped": (300, 100)},
        "confidence": {"counts": (0,) * 14 + (5,)},
    }  # fmt: skip
    return ReferenceStatistics.model_validate(values | changes)


def test_the_indices_are_those_of_the_shares() -> None:
    drift = compare(known(), [figures(), figures(class_pixels={"a": 100, "b": 0})])
    assert row(drift, "band/grey").psi == 0
    assert row(drift, CLASSES).psi == 0  # 150 to 50, as 300 to 100
    assert row(drift, CONFIDENCE).psi == 0
    (worst, best) = drift.by_map
    assert (worst.name, best.name) == (CLASSES, CLASSES)
    assert worst.psi == pytest.approx(float(population_stability_index([3, 1], [1, 0])))
    assert best.psi == pytest.approx(float(population_stability_index([3, 1], [1, 1])))


def test_values_that_the_training_never_had_are_drift() -> None:
    bands = ({"name": "grey", "dtype": "uint8", "bins": (255,), "counts": (100,)},)
    drift = compare(known(), [figures(bands=bands)])
    assert row(drift, "band/grey").psi == pytest.approx(
        2 * (LEAST_SHARE - 0.5) * np.log(LEAST_SHARE / 0.5) + (1 - LEAST_SHARE) * np.log(1 / LEAST_SHARE)
    )
    assert row(drift, "band/grey").what == "median 10 -> 255"


def test_what_the_reference_does_not_know_is_left_out_and_said() -> None:
    drift = compare(known(classes={"names": ("a", "b"), "trained": (1, 1)}, confidence=None), [figures(resumed_rows=5)])
    assert [row.name for row in drift.rows] == ["band/grey"]
    assert [note.split(" ")[0] for note in drift.notes] == ["class", "confidence", "1"]
    empty = compare(known(classes={"names": ("a", "b"), "trained": (1, 1), "mapped": (0, 0)}), [figures()])
    assert [row.name for row in empty.rows] == ["band/grey", CONFIDENCE]
    odd = compare(known(confidence={"counts": (1,) * 7}), [figures()])
    assert [row.name for row in odd.rows] == ["band/grey", CLASSES]


def test_maps_of_other_bands_or_classes_are_refused() -> None:
    for changes in (
        {"class_pixels": {"a": 1, "c": 1}},
        {"bands": ({"name": "nir", "dtype": "uint8", "bins": (1,), "counts": (1,)},)},
        {"bands": ({"name": "grey", "dtype": "uint16", "bins": (1,), "counts": (1,)},)},
    ):
        with pytest.raises(DataError, match="of the reference"):
            compare(known(), [figures(**changes)])
    bands = ({"name": "grey", "dtype": "uint8", "bins": (), "counts": ()},)
    nothing = figures(bands=bands, confidence=(0,) * 300, class_pixels={"a": 0, "b": 0})
    with pytest.raises(DataError, match="no pixel"):
        compare(known(), [nothing])
    assert [one.map for one in compare(known(), [nothing, figures()]).by_map] == ["m.tif"]


def test_a_difference_that_tiles_of_the_training_have_too_exceeds_nothing() -> None:
    lakes = ((0, 100, 0, 0), *((0, 0, 100, 0),) * 5)
    grey = known().bands[0].model_copy(update={"tiles": lakes})
    bands = ({"name": "grey", "dtype": "uint8", "bins": (10,), "counts": (100,)},)
    unlike = figures(bands=bands, class_pixels={"a": 75, "b": 25})
    drift = compare(known(bands=(grey,)), [unlike])
    assert row(drift, "band/grey").level == "large"
    assert not row(drift, "band/grey").beyond_chance
    assert not exceeds(drift, 0.25, 1)
    many = compare(known(bands=(grey,)), [unlike] * 40)
    assert row(many, "band/grey").beyond_chance
    assert exceeds(many, 0.25, 1)
    assert not exceeds(many, 0.25, 41)
    assert not exceeds(many, None, 1)


def write(folder: Path, name: str, **changes: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.monitor.json").write_text(figures(**changes).model_dump_json())


def test_the_newest_versions_maps_since_a_date_are_taken(tmp_path: Path) -> None:
    seen, version = tmp_path / "seen", tmp_path / "eoseg" / "2" / EXTRA
    version.mkdir(parents=True)
    (version / REFERENCE_FILE).write_text(known().model_dump_json())
    write(seen, "a", version=1)
    write(seen, "b", version=2, time="2025-06-01T10:00:00+00:00")
    write(seen / "below", "c", version=2, time="2025-07-01T10:00:00Z")
    (seen / ".d.monitor.json").write_text("half a file")
    drift = drift_of_folder(seen, tmp_path)
    assert (drift.version, drift.maps) == (2, 2)
    assert drift.notes == ("1 map(s) of other versions are left out",)
    assert drift_of_folder(seen, tmp_path, Chosen(since=moment("2025-07-01"))).maps == 1
    with pytest.raises(MissingFileError, match=r"eoseg/1/assets.extra/reference_statistics.json"):
        drift_of_folder(seen, tmp_path, Chosen(version=1))
    with pytest.raises(DataError, match=r"since 2030.*3 map"):
        drift_of_folder(seen, tmp_path, Chosen(since=moment("2030-01-01")))
    write(seen, "e", model="another")
    with pytest.raises(ConfigError, match="another, eoseg"):
        drift_of_folder(seen, tmp_path)
    assert drift_of_folder(seen, tmp_path, Chosen(model="eoseg")).maps == 2
    (seen / "f.monitor.json").write_text("{}")
    with pytest.raises(DataError, match=r"f.monitor.json cannot be read: map: Field required \(and \d+ more\)"):
        drift_of_folder(seen, tmp_path)
    with pytest.raises(ConfigError, match="there is no folder"):
        drift_of_folder(tmp_path / "nowhere", tmp_path)


def test_a_page_gets_rows_or_the_reason_why_there_are_none(tmp_path: Path) -> None:
    seen, version = tmp_path / "seen", tmp_path / "eoseg" / "1" / EXTRA
    assert drift_section(seen, tmp_path / "eoseg") is None
    write(seen, "a")
    found = drift_section(seen, tmp_path / "eoseg")
    assert found is not None
    assert (found["rows"], len(found["notes"])) == ([], 1)
    version.mkdir(parents=True)
    (version / REFERENCE_FILE).write_text(known().model_dump_json())
    found = drift_section(seen, tmp_path / "eoseg")
    assert found is not None
    assert [one["name"] for one in found["rows"]] == ["band/grey", CLASSES, CONFIDENCE]


def test_a_date_without_a_zone_is_utc() -> None:
    assert moment("2025-07-01") == moment("2025-07-01T00:00:00Z") == moment("2025-07-01T02:00:00+02:00")
    with pytest.raises(ConfigError, match="'yesterday' is no date"):
        moment("yesterday")


def test_table_json_and_gauges_say_the_same() -> None:
    drift = compare(known(), [figures(model='eo"seg', class_pixels={"a": 50, "b": 50})])
    document = json.loads(json.dumps(as_document(drift, most_psi=0.2, least_maps=1), allow_nan=False))
    assert document["max_psi"] == max(document["psi"].values()) == drift.max_psi
    assert (document["exceeded"], document["enough"]) == (True, True)
    assert document["worst_maps"][0]["name"] == CLASSES
    lines = as_table(drift).splitlines()
    assert re.search(r"^classes +0\.275  large +\? ", lines[3]), lines
    gauges = as_prometheus(drift, 1e9)
    assert f'eoseg_drift_psi{{model="eo\\"seg",version="1",name="classes"}} {drift.max_psi:.10g}\n' in gauges
    samples = [line for line in gauges.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z_]+\{[^{}]+\} [0-9.e+-]+", line) for line in samples)
