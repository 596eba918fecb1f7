"""Dates as file names and tables write them become ISO 8601."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfx_pipeline.tile_dates import iso_date


@given(st.dates(min_value=date(1900, 1, 1)))
def test_any_day_with_or_without_dashes_is_that_day(day: date) -> None:
    assert iso_date(day.strftime("%Y-%m-%d")) == iso_date(day.strftime("%Y%m%d")) == day.isoformat()


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("", ""),
        ("2020", "2020"),
        ("2020-07", "2020-07"),
        ("20200731T101559", "2020-07-31T10:15:59"),
        ("2020-07-31T10:15:59Z", "2020-07-31T10:15:59+00:00"),
    ],
)
def test_other_ways_to_write_it(text: str, iso: str) -> None:
    assert iso_date(text) == iso


@pytest.mark.parametrize("text", ["31.07.2020", "2020-13", "20201301", "202007", "part 3"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no date|month"):
        iso_date(text)
