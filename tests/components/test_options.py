"""What every options object refuses by itself."""

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from components.options import NonNegativeFloat32, Options, PositiveFloat32


class Within(Options):
    flag: bool = False


class Example(Options):
    within: Within | int = 0
    pair: tuple[int, float] | None = None
    weights: Literal["none"] | dict[str, float] = "none"
    number: float = 1.0
    either: int | None = None
    flag: bool = False
    flag_or_number: bool | int = 0
    marked: Annotated[int, Field(ge=0)] = 0
    weight: NonNegativeFloat32 = 0.0
    rate: PositiveFloat32 = 1.0


@pytest.mark.parametrize("key", ["number", "either", "marked", "weight"])
@pytest.mark.parametrize("flag", [True, False])
def test_a_flag_is_no_number(key: str, flag: bool) -> None:
    with pytest.raises(ValidationError, match=f"{key} is {str(flag).lower()}; give a number"):
        Example.model_validate({key: flag})


@pytest.mark.parametrize("value", [{"pair": [1, True]}, {"weights": {"roof": True}}, {"weights": {"roof": [False]}}])
def test_nor_is_one_in_a_list_or_a_mapping(value: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="give a number"):
        Example.model_validate(value)


def test_flags_stay_flags() -> None:
    assert Example.model_validate({"within": {"flag": True}}).within == Within(flag=True)
    example = Example.model_validate({"flag": True, "flag_or_number": True})
    assert example.flag is True
    assert example.flag_or_number is True


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0))
def test_what_becomes_infinite_or_nothing_in_float32_is_refused(value: float) -> None:
    sound = value == 0 or 1e-37 <= value <= 3.4e38
    for key in ("weight", "rate"):
        if sound and (value or key == "weight"):
            assert getattr(Example.model_validate({key: value}), key) == value
        else:
            with pytest.raises(ValidationError, match=r"no number in float32|greater than 0"):
                Example.model_validate({key: value})
