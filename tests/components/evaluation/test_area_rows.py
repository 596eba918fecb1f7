"""Areas of all ground, of tiles and of zones."""

import csv
import io
import math
from collections.abc import Mapping

import pytest

from components.evaluation.area_rows import AreaRow, area_rows, areas_as_csv
from components.evaluation.counts import Unit
from components.evaluation.tile_products import TileFacts
from components.evaluation.view_figures import BootstrapOptions
from tests.components.evaluation.make_counts import make_counts

CLASSES = ("roof", "lawn", "road")
COUNTS = make_counts(
    {
        Unit("a"): [[80, 20, 0], [10, 90, 0], [0, 0, 0]],
        Unit("b"): [[70, 30, 0], [0, 100, 0], [0, 0, 0]],
    }
)


def facts(tile: str, mapped: tuple[float, ...] | None, zones: Mapping[str, tuple[float, ...]]) -> TileFacts:
    return TileFacts(tile, (10, 10), (), (0, 0, 0), mapped, zones, "", ())


def rows_of(*of_tiles: TileFacts) -> dict[tuple[str, str, str], AreaRow]:
    found = area_rows(COUNTS, of_tiles, CLASSES, BootstrapOptions(resamples=200))
    return {(row.kind, row.place, row.class_name): row for row in found}


def test_mapped_areas_are_adjusted_by_the_errors_of_the_whole_split() -> None:
    rows = rows_of(facts("a", (160.0, 240.0, 0.0), {"12/4": (16.0, 0.0, 0.0)}), facts("b", (0.0, 240.0, 0.0), {}))
    # 150 of the 160 pixels mapped as roof are roof; 50 of the 240 mapped as lawn are.
    assert rows["all", "", "roof"].adjusted_m2 == pytest.approx(160 * 150 / 160 + 480 * 50 / 240)
    assert rows["tile", "b", "roof"].adjusted_m2 == pytest.approx(240 * 50 / 240)
    assert rows["zone", "12/4", "roof"].adjusted_m2 == pytest.approx(16 * 150 / 160)
    assert rows["zone", "12/4", "lawn"].adjusted_m2 == pytest.approx(16 * 10 / 160)
    for row in rows.values():
        assert row.low_m2 <= row.adjusted_m2 <= row.high_m2
    for kind, place in {(kind, place) for kind, place, _ in rows}:
        of_place = [row for row in rows.values() if (row.kind, row.place) == (kind, place)]
        assert sum(row.mapped_m2 for row in of_place) == pytest.approx(sum(row.adjusted_m2 for row in of_place))


def test_a_zone_on_two_tiles_is_one_zone() -> None:
    rows = rows_of(
        facts("a", (9.0, 9.0, 0.0), {"z": (1.0, 2.0, 0.0)}), facts("b", (9.0, 9.0, 0.0), {"z": (4.0, 0.0, 0.0)})
    )
    assert [rows["zone", "z", name].mapped_m2 for name in CLASSES] == [5.0, 2.0, 0.0]


def test_without_ground_there_are_no_areas() -> None:
    assert rows_of(facts("a", (9.0, 9.0, 0.0), {}), facts("b", None, {})) == {}


def test_what_is_mapped_as_a_class_that_was_never_compared_has_no_estimate() -> None:
    rows = rows_of(facts("a", (1.0, 1.0, 5.0), {}))
    assert math.isnan(rows["all", "", "roof"].adjusted_m2)
    table = list(csv.DictReader(io.StringIO(areas_as_csv(rows.values()))))
    assert table[0]["adjusted_m2"] == table[0]["adjusted_ha"] == ""
    assert (table[2]["class"], table[2]["mapped_m2"], table[2]["mapped_ha"]) == ("road", "5.00", "0.000500")
