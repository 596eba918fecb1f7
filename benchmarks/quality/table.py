"""Results of several seeds as one row: mean and spread."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.evaluation.figures import MEAN_IOU, OVERALL_ACCURACY, class_figure


def summary(variant: str, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One variant: each figure's mean over the seeds and, where there are several, its sample standard deviation.

    Args:
        variant: Its name in this plan; another plan's variant may share its results.
        results: What `benchmarks.quality.trial` wrote, of each seed.
    """
    first = results[0]
    names = [OVERALL_ACCURACY, MEAN_IOU, *(class_figure("iou", name) for name in first["classes"])]
    columns = {name: [result["figures"][name] for result in results] for name in names}
    return {
        "variant": variant,
        "seeds": [result["seed"] for result in results],
        "figures": {name: _mean(values) for name, values in columns.items()},
        "spread": {name: _spread(values) for name, values in columns.items()},
        "parameters": first["parameters"],
        "training_seconds": _mean([result["training_seconds"] for result in results]),
        "cpu_seconds": _mean([result["cpu_seconds"] for result in results]),
    }


def as_markdown(rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> str:
    """The table as documentation shows it."""
    heads = ["variant", "accuracy", "mean IoU", *classes, "parameters", "processor time", "seeds"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        both = [_with_spread(row, OVERALL_ACCURACY), _with_spread(row, MEAN_IOU)]
        each = [_shown(row["figures"][class_figure("iou", name)]) for name in classes]
        spent = "resumed" if row["cpu_seconds"] is None else f"{row['cpu_seconds']:.0f} s"
        cost = [f"{row['parameters'] / 1e6:.2f} M", spent, str(len(row["seeds"]))]
        lines.append("| " + " | ".join([row["variant"], *both, *each, *cost]) + " |")
    return "\n".join(lines)


def curve(results: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The learning curve on the eval split, the mean over the seeds."""
    shortest = min(len(result["history"]) for result in results)
    epochs = [[result["history"][i] for result in results] for i in range(shortest)]
    return [
        {
            "step": epoch[0]["step"],
            "seconds": round(statistics.mean(record["seconds"] for record in epoch), 0),
            **{
                name: round(statistics.mean(record[name] for record in epoch), 4)
                for name in ("loss", "eval_mean_iou", "eval_pixel_accuracy")
                if all(record[name] is not None for record in epoch)
            },
        }
        for epoch in epochs
    ]


def read_results(paths: Sequence[str]) -> list[dict[str, Any]]:
    """The results in files."""
    return [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.mean(known), 4) if known else None


def _spread(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.stdev(known), 4) if len(known) > 1 else None


def _shown(value: float | None) -> str:
    return "absent" if value is None else f"{value:.3f}"


def _with_spread(row: Mapping[str, Any], name: str) -> str:
    spread = row["spread"][name]
    return _shown(row["figures"][name]) + ("" if spread is None else f" ± {spread:.3f}")
