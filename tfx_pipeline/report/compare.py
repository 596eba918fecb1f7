"""Two pushed versions side by side, as one HTML page that holds everything it shows."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from components.evaluation.bootstrap import Interval
from components.publishing.model_card_markdown import SUMMARY
from tfx_pipeline.report import page
from tfx_pipeline.report.compare_origin import config_changes, origin_rows
from tfx_pipeline.report.compare_sources import PushedVersion
from tfx_pipeline.report.compare_views import BETTER, WORSE, ComparedFigure, ComparedView, compare_view, row_shares
from tfx_pipeline.report.pictures import css_color
from tfx_pipeline.report.report import write_page

TEMPLATE = "compare.html.j2"
CLASS_COLUMNS = (("iou", "IoU"), ("f1", "F1"), ("precision", "precision"), ("recall", "recall"))
LONGEST_LABEL = 18
"""Letters of a class's name beside a chart: on a phone, a longer one would leave no room for the chart."""
VERSION_COLORS = ("rgb(47,111,203)", "rgb(217,119,6)")
"""Of the first and the second version in charts; their marks differ, too."""
MATRICES = ("a", "b", "difference")


@dataclass(frozen=True)
class MatrixCell:
    """One cell: its text, how strongly it is tinted (0 to 1), and whether green or red."""

    text: str
    heat: float
    is_good: bool


def write_comparison(a: PushedVersion, b: PushedVersion, path: Path) -> Path:
    """Writes the page; it is whole at any moment, or not there.

    Args:
        a: What is compared with.
        b: The version that is judged: differences are b less a.
        path: The HTML file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_page(render_comparison(a, b), path)


def render_comparison(a: PushedVersion, b: PushedVersion) -> str:
    """The page's text. All text from versions is escaped."""
    pairs = (("tiles", "Whole tiles", a.tiles, b.tiles), ("patches", "Patches", a.patches, b.patches))
    views = [view for pair in pairs if (view := compare_view(*pair)) is not None]
    colors = {entry.name: css_color(entry.color) for entry in (*b.table.classes, *a.table.classes)}
    environment = Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # The report's own macros are compiled with this page, so all of its filters must be there.
    environment.filters.update(
        figure=page.figure,
        percent=page.percent,
        count=page.count,
        change=page.change,
        interval=page.interval,
        signed=page.signed,
        area=page.area,
        hectares=hectares,
    )
    return environment.get_template(TEMPLATE).render(
        style=Markup(_file("report.css") + _file("compare.css")),
        script=Markup(_file("report.js")),
        plotly=Markup(get_plotlyjs()),
        a=a,
        b=b,
        views=views,
        summaries={view.key: summary_rows(view) for view in views},
        verdicts={view.key: verdict_counts(view) for view in views},
        classes={view.key: class_rows(view, (*a.table.names, *b.table.names)) for view in views},
        matrices={view.key: matrices(view) for view in views},
        class_names={"a": a.table.names, "b": b.table.names, "difference": a.table.names},
        columns=CLASS_COLUMNS,
        colors=colors,
        areas=area_rows(a, b),
        origin=origin_rows(a, b),
        changes=config_changes(a, b),
        charts={f"iou-{view.key}": iou_chart(view, a, b) for view in views},
        written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def summary_rows(view: ComparedView) -> list[tuple[str, ComparedFigure]]:
    """The figures over all classes that either version has, by their names for people."""
    named = [(title, view.figures[name]) for name, title in SUMMARY if name in view.figures]
    return [(title, row) for title, row in named if _is_known(row.a) or _is_known(row.b)]


def verdict_counts(view: ComparedView) -> dict[str, list[str]]:
    """Which of the headline and IoU figures are better or worse with 95 % confidence, by their names for people."""
    rows = summary_rows(view)
    rows += [(f"IoU of {name[4:]}", figure) for name, figure in view.figures.items() if name.startswith("iou/")]
    return {verdict: [title for title, figure in rows if figure.verdict == verdict] for verdict in (BETTER, WORSE)}


def class_rows(view: ComparedView, names: Sequence[str]) -> list[tuple[str, dict[str, ComparedFigure]]]:
    """The figures of each class that either version has."""
    rows = []
    for name in dict.fromkeys(names):
        found = {key: view.figures.get(f"{key}/{name}") for key, _ in CLASS_COLUMNS}
        known = {key: figure for key, figure in found.items() if figure is not None}
        if len(known) == len(CLASS_COLUMNS):
            rows.append((name, known))
    return rows


def matrices(view: ComparedView) -> dict[str, list[list[MatrixCell]]]:
    """Both confusion matrices as shares of each truth row, and their difference in percentage points."""
    shown = {}
    for key, confusion in (("a", view.a_confusion), ("b", view.b_confusion)):
        if confusion is not None:
            shown[key] = [
                [MatrixCell(page.percent(share), _heat(share), i == j) for j, share in enumerate(row)]
                for i, row in enumerate(row_shares(confusion).tolist())
            ]
    change = view.share_difference
    if change is not None:
        shown["difference"] = _difference_cells(change)
    return shown


def area_rows(
    a: PushedVersion, b: PushedVersion
) -> list[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    """The areas of each class, of both versions; empty where neither has any."""
    of_a, of_b = ((version.areas or {}).get("classes") or {} for version in (a, b))
    return [(name, of_a.get(name), of_b.get(name)) for name in dict.fromkeys([*of_a, *of_b])]


def iou_chart(view: ComparedView, a: PushedVersion, b: PushedVersion) -> dict[str, Any]:
    """IoU of each class with its interval, one mark a version."""
    figure = go.Figure()
    found = {name[4:]: row for name, row in view.figures.items() if name.startswith("iou/")}
    for version, side, color, symbol in zip((a, b), "ab", VERSION_COLORS, ("circle", "diamond"), strict=True):
        intervals = {name: getattr(row, side) for name, row in found.items() if getattr(row, side) is not None}
        known = {name: row for name, row in intervals.items() if not math.isnan(row.value)}
        figure.add_scatter(
            y=[_label(name) for name in known],
            x=[row.value for row in known.values()],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [_length(row.high - row.value) for row in known.values()],
                "arrayminus": [_length(row.value - row.low) for row in known.values()],
            },
            name=html.escape(f"{side.upper()}: {version.title}"),
            mode="markers",
            orientation="h",  # else scattermode moves the marks along the IoU
            marker={"size": 10, "symbol": symbol, "color": color},
            hovertemplate="%{y}: %{x:.3f}",
        )
    figure.update_layout(
        template="none",
        height=110 + 44 * max(1, len(found)),
        margin={"l": 56, "r": 16, "t": 10, "b": 44},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        showlegend=True,
        xaxis={"title": "IoU", "range": [0, 1]},
        yaxis={"autorange": "reversed", "type": "category"},
        scattermode="group",
    )
    chart: dict[str, Any] = figure.to_plotly_json()
    return chart


def hectares(square_metres: float | None) -> str:
    """Four digits; `not known` where it is not."""
    return "not known" if square_metres is None else f"{square_metres / 1e4:,.4g}".replace(",", "\u202f")


def _difference_cells(change: NDArray[np.float64]) -> list[list[MatrixCell]]:
    largest = float(np.nanmax(np.abs(change), initial=0.01, where=~np.isnan(change)))
    return [
        [
            # More of the right class is good, and so is less of a wrong one.
            MatrixCell(_points(share), _heat(abs(share) / largest), (share > 0) == (i == j))
            for j, share in enumerate(row)
        ]
        for i, row in enumerate(change.tolist())
    ]


def _points(share: float) -> str:
    if math.isnan(share):
        return page.ABSENT
    return "±0.0" if round(100 * share, 1) == 0 else f"{100 * share:+.1f}".replace("-", "\u2212")


def _is_known(found: Interval | None) -> bool:
    return found is not None and not math.isnan(found.value)


def _label(name: str) -> str:
    """Plotly reads tags in texts, and shows `&quot;` as it is."""
    shown = name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"
    return html.escape(shown, quote=False)


def _heat(share: float) -> float:
    return 0.0 if math.isnan(share) else share


def _length(length: float) -> float:
    return 0.0 if math.isnan(length) else length


def _file(name: str) -> str:
    return resources.files("tfx_pipeline.report").joinpath(name).read_text(encoding="utf-8")
