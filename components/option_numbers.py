"""Numbers of options that are computed with in 32 bits, and are refused where these cannot hold them."""

from typing import Annotated

from pydantic import AfterValidator, Field

FLOAT32_LARGEST, FLOAT32_SMALLEST = 3.4e38, 1e-37


def _in_float32(value: float) -> float:
    if value and not FLOAT32_SMALLEST <= abs(value) <= FLOAT32_LARGEST:
        raise ValueError(
            f"{value:g} is no number in float32, in which this is computed; give 0, or one of a size between "
            f"{FLOAT32_SMALLEST:g} and {FLOAT32_LARGEST:g}"
        )
    return value


InFloat32 = AfterValidator(_in_float32)
"""Of a number that goes into a computation in float32: it must neither become infinite nor vanish there."""
NonNegativeFloat32 = Annotated[float, Field(ge=0), InFloat32]
PositiveFloat32 = Annotated[float, Field(gt=0), InFloat32]

INT32_LARGEST = 2**31 - 1
"""Of numbers that TensorFlow and TFX count in 32 bits."""
