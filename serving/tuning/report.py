"""The table of a tuning as text and files, and the files that server and client read."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from serving.batching import render_batching
from serving.tuning.measurement import DirectPoint, Measurement
from serving.tuning.plot import tuning_page
from serving.tuning.settings import TunedSettings
from serving.tuning.tune import Tuning

BATCHING_TEXT = "batching_parameters.txt"
BATCHING_YAML = "batching.yaml"
CLIENT_YAML = "client.yaml"


def direct_table(points: Sequence[DirectPoint]) -> str:
    """Session calls as columns of text."""
    lines = ["batch  ms a call  patches/s"]
    for point in points:
        lines.append(f"{point.batch_size:5}  {point.seconds_per_call * 1e3:9.1f}  {point.patches_per_second:9.1f}")
    return "\n".join(lines)


def table(rows: Sequence[Measurement], chosen: Measurement | None, budget_ms: float) -> str:
    """Servers under loads as columns of text; `*` marks the chosen row, `>` one beyond the budget."""
    width = max([len(row.server) for row in rows] + [6])
    lines = [
        f"  {'server':{width}} clients patches  req/s patches/s  p50 ms  p95 ms  p99 ms padding batch rounds failed",
    ]
    for row in rows:
        mark = "*" if row is chosen or row == chosen else ">" if row.p95_ms > budget_ms else " "
        padding = "-" if row.padding_share is None else f"{row.padding_share:.0%}"
        batch = "-" if row.mean_batch is None else f"{row.mean_batch:.1f}"
        lines.append(
            f"{mark} {row.server:{width}} {row.concurrency:7} {row.patches_per_request:7} "
            f"{row.requests_per_second:6.1f} {row.patches_per_second:9.1f} {row.p50_ms:7.0f} {row.p95_ms:7.0f} "
            f"{row.p99_ms:7.0f} {padding:>7} {batch:>5} {len(row.rounds):6} {row.failures:6}"
        )
    return "\n".join(lines)


def write_report(tuning: Tuning, folder: Path) -> list[Path]:
    """Writes the table (CSV, JSON) and the page with the plot, and the settings where there are some.

    `batching.yaml` and `client.yaml` are EOSeg's own; `batching_parameters.txt` is for the stock server, and is there
    only where batching is on: off is the flag's absence.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "measurements.json": json.dumps(_document(tuning), indent=1) + "\n",
        "tuning.html": tuning_page(tuning),
        **settings_texts(tuning.settings),
    }
    for name in (BATCHING_TEXT, BATCHING_YAML, CLIENT_YAML):
        (folder / name).unlink(missing_ok=True)  # of an earlier tuning: files of two tunings must not mix
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    with (folder / "measurements.csv").open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, list(_flat(tuning.rows[0])) if tuning.rows else ["server"])
        writer.writeheader()
        writer.writerows(map(_flat, tuning.rows))
    return [folder / name for name in ("measurements.csv", *texts)]


def settings_texts(settings: TunedSettings | None) -> dict[str, str]:
    """The files of the decision: name -> text."""
    if settings is None:
        return {}
    batching = settings.batching
    keys = batching.model_dump(mode="json", exclude_none=True) if batching.enabled else {"enabled": False}
    why = f"# Written by `eoseg serve tune`, for {settings.latency_budget_ms:g} ms. {settings.reason}\n"
    texts = {
        BATCHING_YAML: why + yaml.safe_dump({"batching": keys}, sort_keys=False),
        CLIENT_YAML: why + yaml.safe_dump(settings.client.model_dump(), sort_keys=False),
    }
    if batching.enabled:
        texts[BATCHING_TEXT] = why + render_batching(batching)
    return texts


def _document(tuning: Tuning) -> dict[str, Any]:
    settings = tuning.settings
    return {
        "facts": tuning.facts,
        "latency_budget_ms": tuning.budget_ms,
        "settings": None if settings is None else settings.model_dump(mode="json"),
        "problem": tuning.problem,
        "direct": [{**point.model_dump(), "patches_per_second": point.patches_per_second} for point in tuning.direct],
        "rows": [{**row.model_dump(mode="json"), "patches_per_second": row.patches_per_second} for row in tuning.rows],
    }


def _flat(row: Measurement) -> dict[str, Any]:
    """One line of the CSV."""
    batching = row.batching
    on = batching.enabled
    return {
        "server": row.server,
        "max_batch_size": batching.max_batch_size if on else "",
        "num_batch_threads": batching.num_batch_threads if on else "",
        "batch_timeout_micros": batching.batch_timeout_micros if on else "",
        "clients": row.concurrency,
        "patches_per_request": row.patches_per_request,
        "requests_per_second": round(row.requests_per_second, 2),
        "patches_per_second": round(row.patches_per_second, 2),
        "p50_ms": round(row.p50_ms, 2),
        "p95_ms": round(row.p95_ms, 2),
        "p99_ms": round(row.p99_ms, 2),
        "padding_share": "" if row.padding_share is None else round(row.padding_share, 4),
        "mean_batch": "" if row.mean_batch is None else round(row.mean_batch, 2),
        "server_cores": "" if row.server_cores is None else round(row.server_cores, 3),
        "client_cores": round(row.client_cores, 3),
        "requests": row.requests,
        "rounds": len(row.rounds),
        "failures": row.failures,
    }
