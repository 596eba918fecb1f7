"""The template and its companions: what turns the collected views into one self-contained HTML text."""

import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from components.evaluation.bootstrap import Difference, Interval

TEMPLATE = "report.html.j2"
ABSENT = "absent"
AREA_UNITS = {"m²": (1.0, 1), "ha": (10_000.0, 2)}
"""Square metres in each, and the decimals to show."""


def render(context: Mapping[str, Any]) -> str:
    """The page.

    Args:
        context: What the templates name. All text is escaped; only this package's own style and scripts are not.
    """
    environment = Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        figure=figure, percent=percent, count=count, change=change, interval=interval, signed=signed, area=area
    )
    return environment.get_template(TEMPLATE).render(
        style=Markup(_file("report.css")),
        script=Markup(_file("report.js")),
        viewer=Markup(_file("viewer.js")),
        plotly=Markup(get_plotlyjs()),
        **context,
    )


def figure(value: float | None) -> str:
    """`0.612`; `absent` where it is not defined."""
    return ABSENT if value is None or math.isnan(value) else f"{value:.3f}"


def percent(value: float | None, digits: int = 1) -> str:
    """`61.2 %`; `absent` where it is not defined."""
    return ABSENT if value is None or math.isnan(value) else f"{100 * value:.{digits}f} %"


def count(value: float | None) -> str:
    """`1 234 567`, grouped by narrow spaces; `not known` where it is not."""
    return "not known" if value is None or math.isnan(value) else f"{value:,.0f}".replace(",", "\u202f")


def change(value: float, before: float | None) -> str:
    """`+0.012`, `-0.003` or `±0.000` against an earlier figure; empty where there is nothing to compare."""
    if before is None or math.isnan(before) or math.isnan(value):
        return ""
    return signed(value - before)


def signed(difference: float | None) -> str:
    """`+0.012`, `-0.003` or `±0.000`; empty where it is not defined."""
    if difference is None or math.isnan(difference):
        return ""
    rounded = round(difference, 3)
    return "±0.000" if rounded == 0 else f"{rounded:+.3f}".replace("-", "\u2212")


def interval(found: Interval | Difference | None) -> str:
    """`0.541 to 0.603`, with signs where it is one of a difference; empty where there is none."""
    if found is None or math.isnan(found.low):
        return ""
    shown = signed if isinstance(found, Difference) else figure
    return f"{shown(found.low)} to {shown(found.high)}"


def area(square_metres: float | None, unit: str) -> str:
    """`1 234.50` in a unit of `AREA_UNITS`; `absent` where it is not known."""
    if square_metres is None or math.isnan(square_metres):
        return ABSENT
    size, digits = AREA_UNITS[unit]
    return f"{square_metres / size:,.{digits}f}".replace(",", "\u202f")


def area_unit(square_metres: float) -> str:
    """Square metres for less than a hectare in all, else hectares."""
    return "ha" if square_metres >= AREA_UNITS["ha"][0] else "m²"


def _file(name: str) -> str:
    return resources.files("tfx_pipeline.report").joinpath(name).read_text(encoding="utf-8")
