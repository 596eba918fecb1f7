"""The page that shows why: throughput and latency against the load, and the session calls, as one HTML file."""

import html
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from plotly.subplots import make_subplots

from serving.tuning.measurement import DirectPoint, Measurement
from serving.tuning.tune import Tuning

_COLORS = ("#5b6470", "#2f6fcb", "#d97706", "#168f63", "#8b5cf6", "#dc2626", "#0e7490", "#a16207")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


def tuning_page(tuning: Tuning) -> str:
    """A page that needs no network: the decision in words, the charts, the table."""
    chosen = None if tuning.choice is None else tuning.choice.chosen
    figure = tuning_figure(tuning.rows, tuning.direct, chosen, tuning.budget_ms)
    verdict = tuning.problem if tuning.choice is None else tuning.choice.reason
    facts = "".join(f"<li>{html.escape(name)}: {html.escape(text)}</li>" for name, text in tuning.facts.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Serving, tuned</title><style>'
        "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15rem .6rem;text-align:right}"
        "td:first-child,th:first-child{text-align:left}tr.chosen{background:#fde68a}pre{white-space:pre-wrap}"
        f"</style></head><body><h1>Serving, tuned</h1><pre>{html.escape(verdict)}</pre><ul>{facts}</ul>"
        f"{figure.to_html(full_html=False, include_plotlyjs=True)}{_table(tuning.rows, chosen)}</body></html>\n"
    )


def tuning_figure(
    rows: Sequence[Measurement], direct: Sequence[DirectPoint], chosen: Measurement | None, budget_ms: float
) -> Any:
    """A Plotly figure: patches a second and 95th percentile against patches under way, and the session calls.

    One colour a server setting, one line style and mark a number of patches a request.
    """
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.06,
        subplot_titles=("throughput", "latency, 95th percentile"),
    )
    lines: dict[tuple[str, int], list[Measurement]] = defaultdict(list)
    for row in sorted(rows, key=lambda one: one.concurrency):
        lines[row.server, row.patches_per_request].append(row)
    servers = list(dict.fromkeys(row.server for row in rows))
    sizes = sorted({row.patches_per_request for row in rows})
    for (server, patches), line in sorted(lines.items(), key=lambda item: (servers.index(item[0][0]), item[0][1])):
        place = sizes.index(patches)
        style = {
            "line": {"color": _COLORS[servers.index(server) % len(_COLORS)], "dash": _DASHES[place % len(_DASHES)]},
            "marker": {"symbol": _SYMBOLS[place % len(_SYMBOLS)], "size": 8},
            "mode": "lines+markers",
            "name": f"{html.escape(server)}; {patches} a request",
            "legendgroup": f"{server} {patches}",
            "x": [row.in_flight for row in line],
            "text": [f"{row.concurrency} clients" for row in line],
            "hovertemplate": "%{text}: %{y:.1f}",
        }
        figure.add_scatter(y=[row.patches_per_second for row in line], **style, row=1, col=1)
        figure.add_scatter(y=[row.p95_ms for row in line], **style, showlegend=False, row=2, col=1)
    if direct:
        figure.add_scatter(
            x=[point.batch_size for point in direct],
            y=[point.patches_per_second for point in direct],
            mode="lines+markers",
            name="session calls, no server (batch size)",
            line={"color": "#111827", "width": 3},
            hovertemplate="batch %{x}: %{y:.1f}",
            row=1,
            col=1,
        )
    if chosen is not None:
        mark = {"size": 20, "symbol": "circle-open", "color": "#dc2626", "line": {"width": 3}}
        for place, value in ((1, chosen.patches_per_second), (2, chosen.p95_ms)):
            figure.add_scatter(
                x=[chosen.in_flight],
                y=[value],
                mode="markers",
                marker=mark,
                name="chosen",
                legendgroup="chosen",
                showlegend=place == 1,
                hovertemplate="chosen: %{y:.1f}",
                row=place,
                col=1,
            )
    loads = [row.in_flight for row in rows] + [point.batch_size for point in direct] or [1]
    figure.add_scatter(
        x=[min(loads), max(loads)],
        y=[budget_ms, budget_ms],
        mode="lines",
        name="latency budget",
        line={"color": "#dc2626", "dash": "dot"},
        row=2,
        col=1,
    )
    powers = [1 << power for power in range(max(loads).bit_length() + 1)]
    figure.update_xaxes(type="log", tickvals=powers, ticktext=[str(power) for power in powers])
    figure.update_xaxes(title="patches under way (clients x patches a request)", row=2, col=1)
    figure.update_yaxes(title="patches a second", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title="ms", type="log", row=2, col=1)
    figure.update_layout(height=820, template="plotly_white", margin={"t": 40})
    return figure


def _table(rows: Sequence[Measurement], chosen: Measurement | None) -> str:
    head = "<tr><th>server<th>clients<th>patches<th>patches/s<th>p50 ms<th>p95 ms<th>p99 ms<th>padding<th>rounds</tr>"
    lines = []
    for row in rows:
        padding = "" if row.padding_share is None else f"{row.padding_share:.0%}"
        cells = [row.concurrency, row.patches_per_request, f"{row.patches_per_second:.1f}"]
        cells += [f"{row.p50_ms:.0f}", f"{row.p95_ms:.0f}", f"{row.p99_ms:.0f}", padding, len(row.rounds)]
        mark = ' class="chosen"' if row == chosen else ""
        lines.append(f"<tr{mark}><td>{html.escape(row.server)}" + "".join(f"<td>{cell}" for cell in cells) + "</tr>")
    return f"<table>{head}{''.join(lines)}</table>"
