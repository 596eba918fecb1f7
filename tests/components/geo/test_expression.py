"""Expressions over bands: what they are worth, and what may not stand in them."""

import keyword
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.geo.bands import Band, BandSet
from components.geo.expression import evaluation_order, parse_expression

BANDS = {
    "red": np.array([[10, 20, 30]], np.uint8),
    "nir": np.array([[30, 20, 0]], np.uint16),
    "height": np.array([[-1.5, 0, 4]], np.float32),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(nir - red) / (nir + red)", [20 / 40, 0, -1]),
        ("nir - red", [20, 0, -30]),  # unsigned bands do not wrap around
        ("2 * red + 1", [21, 41, 61]),
        ("red / 4", [2.5, 5, 7.5]),
        ("-height ** 2", [-2.25, 0, -16]),
        ("red % 7", [3, 6, 2]),
        ("abs(height)", [1.5, 0, 4]),
        ("sqrt(abs(height))", [math.sqrt(1.5), 0, 2]),
        ("log(exp(height))", [-1.5, 0, 4]),
        ("log10(red * 10)", [2, math.log10(200), math.log10(300)]),
        ("min(red, nir)", [10, 20, 0]),
        ("maximum(red, nir)", [30, 20, 30]),
        ("clip(height, -1, 3)", [-1, 0, 3]),
        ("where(nir > red, 1, 0)", [1, 0, 0]),
        ("nir >= red and not height < 0", [0, 1, 0]),
        ("(nir == 0) | (red != 20)", [1, 0, 1]),
    ],
)
def test_the_value_is_what_the_arithmetic_says(text: str, expected: list[float]) -> None:
    result = parse_expression(text, BANDS).evaluate(BANDS)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0], expected, rtol=1e-6, atol=1e-6)


def test_what_is_not_defined_is_not_finite() -> None:
    with_zero = {"a": np.array([0, 1], np.float32), "b": np.array([0, 0], np.float32)}
    assert not np.isfinite(parse_expression("a / b", with_zero).evaluate(with_zero)).any()
    assert not np.isfinite(parse_expression("log(b)", with_zero).evaluate(with_zero)).any()


NUMBERS = st.integers(0, 20).map(str)


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(parts, st.sampled_from(["+", "-", "*"]), parts).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
    return st.one_of(binary, parts.map(lambda p: f"(-{p})"), parts.map(lambda p: f"abs({p})"))


@given(text=st.recursive(st.one_of(NUMBERS, st.sampled_from(["red", "height"])), _joined, max_leaves=8))
@settings(max_examples=60, deadline=None)
def test_whole_numbers_come_out_as_python_computes_them(text: str) -> None:
    """The oracle is Python's own evaluation, in whole numbers small enough for float32 to hold exactly."""
    values: dict[str, NDArray[np.int64]] = {"red": np.array([1, 2, 3]), "height": np.array([-2, 0, 5])}
    expected = np.broadcast_to(eval(text, {"abs": abs}, values), 3)
    if np.abs(expected).max() > 2**20 or not (
        {"red", "height"} & set(text.replace("(", " ").replace(")", " ").split())
    ):
        return
    small = {name: value.astype(np.float32) for name, value in values.items()}
    names = parse_expression(text, small).names
    assert set(names) <= set(small)
    np.testing.assert_array_equal(parse_expression(text, small).evaluate(small), expected)


def test_the_bands_used_are_named_once_in_order_of_use() -> None:
    assert parse_expression("(nir - red) / (nir + red)", BANDS).names == ("nir", "red")


@pytest.mark.parametrize("name", ["where", "abs", "b0", "c0", "real", "a__b", "__import__", "np"])
def test_any_band_name_can_be_used_whatever_it_means_elsewhere(name: str) -> None:
    bands = {name: np.array([4, 9], np.float32), "red": np.array([1, 1], np.float32)}
    assert parse_expression(f"sqrt({name}) + red", bands).evaluate(bands).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nir - blue", r"'blue'.*no band.*red, nir, height"),
        ("sin(red)", r"'sin'.*no function.*abs, sqrt"),
        ("where(red, 1, 0)", r"'red'.*is a number, not true or false"),
        ("(red > 1) + 1", r"'red > 1'.*not a number.*where\(red > 1, 1, 0\)"),
        ("clip(red, 1)", r"clip.*takes 3 argument"),
        ("1 < red < 3", "one comparison at a time"),
        ("red +", "no arithmetic"),
        ("", "no arithmetic"),
        ("3 + 4", "uses no band"),
        ("red.real", "cannot stand in"),
        ("red[0]", "cannot stand in"),
        ("'text'", "cannot stand in"),
        ("True", "cannot stand in"),
        ("red if nir else red", "cannot stand in"),
        ("(lambda: red)()", "cannot stand in"),
        ("__import__('os').system('true')", "cannot stand in"),
        ("min(red, nir, key=abs)", "cannot stand in"),
        ("red * 1e39", "beyond float32"),
        ("red // 2", "cannot stand in"),
        ("+".join(["red"] * 400), "nested too deeply|no arithmetic"),
        ("+".join(f"red*{i}" for i in range(40)), "41 different bands and numbers"),
    ],
)
def test_anything_else_is_refused_with_the_place_and_what_is_known(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_expression(text, BANDS)


def test_derived_bands_come_after_those_that_they_use() -> None:
    known = ["a", "b", "c", "red"]
    expressions = {name: parse_expression(text, known) for name, text in {"a": "b + c", "b": "c", "c": "red"}.items()}
    assert evaluation_order(expressions) == ("c", "b", "a")


def _band_set(**bands: int | str) -> BandSet:
    return BandSet(
        bands=tuple(
            Band(name=name, number=origin) if isinstance(origin, int) else Band(name=name, expression=origin)
            for name, origin in bands.items()
        )
    )


def test_a_band_set_refuses_unknown_names_circles_and_names_that_cannot_stand_in_expressions() -> None:
    with pytest.raises(ValueError, match=r"'nir'.*no band; known are red, ndvi"):
        _band_set(red=1, ndvi="(nir - red)")
    with pytest.raises(ValueError, match=r"a, b are derived from each other in a circle"):
        _band_set(red=1, a="b + red", b="a + red", c="red")
    with pytest.raises(ValueError, match="in a circle"):
        _band_set(red=1, a="a + red")
    with pytest.raises(ValueError, match="'near infrared' cannot stand"):
        _band_set(**{"near infrared": 1, "red": 2, "x": "red"})
    assert keyword.iskeyword("lambda")
    with pytest.raises(ValueError, match="'lambda' cannot stand"):
        _band_set(**{"lambda": 1, "red": 2, "x": "red"})


def test_a_band_set_without_expressions_takes_any_name() -> None:
    assert _band_set(**{"near infrared": 1}).names == ("near infrared",)
