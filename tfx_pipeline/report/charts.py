"""Plotly figures as plain dictionaries; the page's script gives them the colours of its light or dark theme."""

import html
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from components.classes import ClassTable, Color
from components.training.history import EpochRecord
from tfx_pipeline.report.area_tables import AreaRow
from tfx_pipeline.report.data_facts import BandHistogram, SplitFacts
from tfx_pipeline.report.pictures import css_color

Chart = dict[str, Any]

SPLIT_COLORS: dict[str, Color] = {"train": (47, 111, 203), "eval": (217, 119, 6), "test": (22, 143, 99)}
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")
"""Lines differ in their marks too: a palette may hold colours that some eyes cannot tell apart."""
_OUTLINE = "rgba(128,128,128,0.7)"


def learning_curves(history: Sequence[EpochRecord], table: ClassTable) -> dict[str, Chart]:
    """Charts `loss`, `scores` and `class_iou` over the optimiser's steps; none where there is no epoch."""
    if not history:
        return {}
    steps = [record.step for record in history]
    blue, orange, green = SPLIT_COLORS["train"], SPLIT_COLORS["eval"], SPLIT_COLORS["test"]
    charts = {
        "loss": _lines(
            steps,
            {
                "training": ([record.loss for record in history], blue),
                "eval split (plain cross entropy)": ([record.eval_loss for record in history], orange),
            },
            "loss",
        )
    }
    if any(record.eval_mean_iou is not None for record in history):
        scores = {
            "mean IoU": ([record.eval_mean_iou for record in history], blue),
            "pixel accuracy": ([record.eval_pixel_accuracy for record in history], green),
        }
        charts["scores"] = _lines(steps, scores, "eval split", unit_range=True)
        by_class = {
            name: ([(record.eval_iou or {}).get(name) for record in history], readable(color))
            for name, color in zip(table.names, table.colors, strict=True)
        }
        charts["class_iou"] = _lines(steps, by_class, "IoU, eval split", unit_range=True)
    return charts


def class_shares(splits: Sequence[SplitFacts], table: ClassTable) -> Chart:
    """One bar a split, its classes and void one after another."""
    figure = go.Figure()
    names = [split.split for split in splits]
    entries = [*zip(table.names, table.colors, strict=True), ("void", (128, 128, 128))]
    for i, (name, color) in enumerate(entries):
        is_void = i == len(table)
        shares = [100 * (split.void_share if is_void else split.class_share(name)) for split in splits]
        figure.add_bar(
            y=names,
            x=shares,
            name=html.escape(name),
            orientation="h",
            marker={
                "color": css(color),
                "line": {"color": _OUTLINE, "width": 1},
                "pattern": {"shape": "/" if is_void else ""},
            },
            hovertemplate="%{y}: %{x:.2f} %",
        )
    figure.update_layout(barmode="stack", xaxis={"title": "share of label pixels, %", "range": [0, 100]})
    figure.update_yaxes(autorange="reversed")
    chart = _plain(figure, height=110 + 60 * len(splits))
    chart["layout"]["legend"]["traceorder"] = "normal"
    return chart


def band_histograms(histograms: Mapping[str, Sequence[BandHistogram]]) -> dict[str, Chart]:
    """For each band, how the patches' means are spread in each split: chart by band name."""
    charts = {}
    for band, by_split in histograms.items():
        figure = go.Figure()
        for histogram in by_split:
            figure.add_scatter(
                x=list(histogram.centres),
                y=[100 * share for share in histogram.shares],
                name=histogram.split,
                mode="lines",
                line={"color": css(SPLIT_COLORS[histogram.split]), "shape": "hvh", "width": 2},
                hovertemplate="%{x:.1f}: %{y:.1f} %",
            )
        figure.update_layout(xaxis={"title": f"patch mean, {html.escape(band)}"}, yaxis={"title": "patches, %"})
        figure.update_yaxes(rangemode="tozero")
        charts[band] = _plain(figure, height=240)
    return charts


def reliability(curve: Mapping[str, Sequence[float | None]]) -> Chart:
    """Accuracy over confidence in bins, beside the diagonal of a model that is as often right as it is sure.

    Args:
        curve: `edges`, `pixels`, `confidence` and `accuracy`, as the evaluation of whole tiles writes them.
    """
    figure = go.Figure()
    edges, pixels = [edge or 0.0 for edge in curve["edges"]], [count or 0.0 for count in curve["pixels"]]
    total = sum(pixels) or 1.0
    figure.add_bar(
        x=[(low + high) / 2 for low, high in pairwise(edges)],
        y=[count / total for count in pixels],
        width=[0.94 * (high - low) for low, high in pairwise(edges)],
        name="share of pixels",
        marker={"color": "rgba(128,128,128,0.35)"},
        hovertemplate="%{y:.3f} of the pixels",
    )
    figure.add_scatter(
        x=[0, 1], y=[0, 1], name="as sure as right", mode="lines",
        line={"color": _OUTLINE, "dash": "dash", "width": 2}, hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=list(curve["confidence"]), y=list(curve["accuracy"]), name="accuracy", mode="lines+markers",
        line={"color": css(SPLIT_COLORS["train"]), "width": 2}, marker={"size": 8},
        hovertemplate="confidence %{x:.3f}, accuracy %{y:.3f}",
    )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "confidence", "range": [0, 1.02]}, yaxis={"title": "accuracy", "range": [0, 1.02]}
    )
    return _plain(figure, height=380)


def areas(rows: Sequence[AreaRow], square_metres: float, unit: str) -> Chart:
    """Each class's mapped area beside the adjusted one, with its 95 % interval.

    Args:
        rows: The classes.
        square_metres: In one unit.
        unit: Its name.
    """
    figure = go.Figure()
    names = [html.escape(row.name) for row in rows]
    figure.add_bar(
        x=names, y=[_finite(row.mapped / square_metres) for row in rows], name="mapped",
        marker={"color": css(SPLIT_COLORS["train"])}, hovertemplate="%{y:.2f} " + unit,
    )  # fmt: skip
    reach = {
        "type": "data",
        "symmetric": False,
        "color": "rgb(128,128,128)",  # seen on white and on black
        "array": [_finite((row.high - row.adjusted) / square_metres) for row in rows],
        "arrayminus": [_finite((row.adjusted - row.low) / square_metres) for row in rows],
    }
    figure.add_bar(
        x=names, y=[_finite(row.adjusted / square_metres) for row in rows], name="adjusted", error_y=reach,
        marker={"color": css(SPLIT_COLORS["eval"])}, hovertemplate="%{y:.2f} " + unit,
    )  # fmt: skip
    figure.update_layout(barmode="group", yaxis={"title": unit, "rangemode": "tozero"})
    return _plain(figure, height=340)


def readable(color: Color) -> Color:
    """The colour, darkened or lightened until a line in it shows on white and on black."""
    luminance = (0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]) / 255
    lowest, highest = 0.30, 0.62
    if luminance > highest:
        red, green, blue = (round(channel * highest / luminance) for channel in color)
    elif luminance < lowest:
        mix = (lowest - luminance) / (1 - luminance)
        red, green, blue = (round(channel + (255 - channel) * mix) for channel in color)
    else:
        return color
    return red, green, blue


def css(color: Color) -> str:
    """`rgb(60,16,152)`: Plotly does not read the form without commas."""
    return css_color(color).replace(" ", ",")


def _lines(
    steps: Sequence[int],
    series: Mapping[str, tuple[Sequence[float | None], Color]],
    title: str,
    *,
    unit_range: bool = False,
) -> Chart:
    figure = go.Figure()
    for i, (name, (values, color)) in enumerate(series.items()):
        if any(value is not None for value in values):
            figure.add_scatter(
                x=list(steps),
                y=list(values),
                name=html.escape(name),
                mode="lines+markers",
                line={"color": css(color), "width": 2},
                marker={"size": 7, "symbol": _SYMBOLS[i % len(_SYMBOLS)]},
                hovertemplate="%{y:.4f}",
            )
    figure.update_layout(hovermode="x unified", xaxis={"title": "step"}, yaxis={"title": title})
    figure.update_yaxes(**({"range": [0, 1]} if unit_range else {"rangemode": "tozero"}))
    return _plain(figure, height=320)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(figure: go.Figure, *, height: int) -> Chart:
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 56, "r": 16, "t": 10, "b": 44},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        showlegend=True,
    )
    chart: Chart = figure.to_plotly_json()
    return chart
