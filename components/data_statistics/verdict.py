"""The verdict on a run's statistics: what stops it, what was measured, in words and as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_statistics.comparable import Comparable
from components.data_statistics.options import StatisticsOptions
from components.data_statistics.skew import Anomaly, Divergence, Statistics, measure_drift, measure_skew
from components.errors import DataError

SOUND = "no anomalies"


@dataclass(frozen=True)
class Verdict:
    """What the statistics of one run come to.

    Attributes:
        environments: The schema's environment that each split was judged in; None is the whole schema.
        anomalies: What the schema does not allow.
        divergences: Skew and drift, all that was measured.
        last_run: Whether there were the last run's statistics to compare with.
        min_patches: `StatisticsOptions.min_patches`.
        notes: What else to know about the comparison: which patches of a split could be compared with training's.
    """

    environments: Mapping[str, str | None]
    anomalies: tuple[Anomaly, ...]
    divergences: tuple[Divergence, ...]
    last_run: bool
    min_patches: int
    notes: tuple[str, ...] = ()

    @property
    def too_far(self) -> tuple[Divergence, ...]:
        """The divergences above their limit, where there are patches enough to say so."""
        return tuple(d for d in self.divergences if d.is_above and d.patches >= self.min_patches)

    @property
    def stops(self) -> bool:
        """Whether the run must not go on."""
        return bool(self.anomalies or self.too_far)

    def as_text(self) -> str:
        """One line each: every reason to stop, or that there is none; the largest skew and drift; the notes."""
        lines = [_anomaly_line(a, self.environments.get(a.split)) for a in self.anomalies]
        lines += [_divergence_line(d) for d in self.too_far]
        lines = lines or [SOUND]
        for kind in ("skew", "drift"):
            largest = max((d for d in self.divergences if d.kind == kind), key=lambda d: d.value, default=None)
            if largest is not None:
                where = f"split {largest.split}, feature {largest.feature}"
                few = f", of only {largest.patches} patches" if largest.patches < self.min_patches else ""
                lines.append(f"largest {kind} {largest.value:.3f} ({where}{few})")
        lines += self.notes
        if not self.last_run:
            lines.append("no drift measured: there is no earlier run, or the data are those of the last run")
        return "\n".join(lines) + "\n"

    def as_json(self) -> str:
        """All that was found and measured."""
        document = {
            "stops": self.stops,
            "environments": dict(self.environments),
            "anomalies": [asdict(a) for a in self.anomalies],
            "divergences": [
                {**asdict(d), "value": d.value if math.isfinite(d.value) else None, "too_far": d in self.too_far}
                for d in self.divergences
            ],
            "compared_with_last_run": self.last_run,
            "min_patches": self.min_patches,
            "notes": list(self.notes),
        }
        return json.dumps(document, indent=2, allow_nan=False) + "\n"


def judge(
    current: Mapping[str, Statistics],
    held_out: Mapping[str, Comparable],
    previous: Mapping[str, Statistics],
    anomalies: tuple[Anomaly, ...],
    environments: Mapping[str, str | None],
    schema: schema_pb2.Schema,
    options: StatisticsOptions,
) -> Verdict:
    """Measures skew and drift, and puts them beside the anomalies.

    Args:
        current: This run's statistics by split, `train` among them.
        held_out: Of each split but `train`, the patches that can be compared with training's.
        previous: The last run's, by split; empty where there are none.
        anomalies: What the schema does not allow.
        environments: In which environment of the schema each split was judged.
        schema: The schema.
        options: The limits.
    """
    divergences: list[Divergence] = []
    for split, statistics in current.items():
        other = held_out.get(split)
        if other is not None and other.statistics is not None:
            divergences += measure_skew(
                current["train"], other.statistics, split, schema, options.max_skew, other.patches
            )
        if split in previous:
            divergences += measure_drift(statistics, previous[split], split, schema, options.max_drift)
    notes = tuple(other.note for other in held_out.values() if other.note)
    return Verdict(environments, anomalies, tuple(divergences), bool(previous), options.min_patches, notes)


def error_of(verdict: Verdict, report: str, schema: str) -> DataError:
    """The error that stops the run.

    Args:
        verdict: One that stops.
        report: The file with all that was measured.
        schema: The schema that was judged by: a curated file, or where the inferred one was copied to.
    """
    kinds = {divergence.kind for divergence in verdict.too_far}
    remedies = ["check the tiles of that split (sensor, band order, damage)"]
    if verdict.anomalies:
        remedies.append(f"where the data are right, curate the schema (statistics.schema_file; judged by: {schema})")
    if "skew" in kinds:
        remedies.append("where the splits may differ so much, raise statistics.max_skew")
    if "drift" in kinds:
        remedies.append(
            "where the data are meant to have changed, accept them once with --set statistics.max_drift=null: the "
            "next run compares with them"
        )
    if any(divergence.curated for divergence in verdict.too_far):
        remedies.append(f"limits of single features are the comparators in {schema}")
    lines = verdict.as_text().splitlines()[: len(verdict.anomalies) + len(verdict.too_far)]
    listing = "\n".join([*lines, *(verdict.notes if "skew" in kinds else ())])
    return DataError(
        f"the statistics of the records have {len(lines)} anomaly(ies):\n{listing}",
        "features as the schema says, splits whose bands look alike, and data like the last run's",
        "; ".join(remedies) + f"; all figures are in {report}",
    )


def _anomaly_line(anomaly: Anomaly, environment: str | None) -> str:
    where = f" (environment {environment})" if environment else ""
    what = f", feature {anomaly.feature}" if anomaly.feature else ""
    return f"split {anomaly.split}{where}{what}: {anomaly.found}"


def _divergence_line(divergence: Divergence) -> str:
    against = "the training split" if divergence.kind == "skew" else "the last run"
    measure = divergence.measure.replace("_", " ").lower().replace("jensen shannon", "Jensen-Shannon")
    limit = f"the schema's {divergence.kind}_comparator" if divergence.curated else f"statistics.max_{divergence.kind}"
    return (
        f"split {divergence.split}, feature {divergence.feature}: {divergence.kind}: its {measure} from {against} is "
        f"{divergence.value:.3f}, above {divergence.limit:g} ({limit}); {divergence.patches} patches in the smaller one"
    )
