"""The template and its companions: what turns the collected views into one self-contained HTML text."""

import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

TEMPLATE = "report.html.j2"
ABSENT = "absent"


def render(context: Mapping[str, Any]) -> str:
    """The page.

    Args:
        context: What the templates name. All text is escaped; only this package's own style and scripts are not.
    """
    environment = Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(figure=figure, percent=percent, count=count, change=change)
    return environment.get_template(TEMPLATE).render(
        style=Markup(_file("report.css")),
        script=Markup(_file("report.js")),
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
    difference = round(value - before, 3)
    return "±0.000" if difference == 0 else f"{difference:+.3f}".replace("-", "\u2212")


def _file(name: str) -> str:
    return resources.files("tfx_pipeline.report").joinpath(name).read_text(encoding="utf-8")
