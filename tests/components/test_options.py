"""What every options object refuses by itself."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from components.options import Options


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


@pytest.mark.parametrize("key", ["number", "either", "marked"])
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
