"""What the maps say of drift, as JSON, as a table, and as Prometheus gauges."""

from collections.abc import Sequence
from typing import Any

from serving.drift.compare import Drift, DriftRow

FORMAT = "eoseg-drift"


def as_document(drift: Drift, *, most_psi: float | None = None, least_maps: int = 1, worst: int = 10) -> dict[str, Any]:
    """The drift as JSON; `psi` and `max_psi` are what `eoseg run --if-changed` reads.

    Args:
        drift: What was found.
        most_psi: The limit; None where there is none.
        least_maps: Fewer are too few to judge.
        worst: How many maps to list.
    """
    return {
        "format": FORMAT,
        "format_version": 1,
        "model": drift.model,
        "version": drift.version,
        "maps": drift.maps,
        "enough": drift.maps >= least_maps,
        "pixels": drift.pixels,
        "psi": {row.name: row.psi for row in drift.rows},
        "max_psi": drift.max_psi,
        "max_psi_beyond_chance": drift.max_psi_beyond_chance,
        "limit": most_psi,
        "exceeded": exceeds(drift, most_psi, least_maps),
        "rows": [row_document(row) for row in drift.rows],
        "worst_maps": [
            {"map": one.map, "tile": one.tile, "date": one.date, "name": one.name, "psi": one.psi}
            for one in drift.by_map[:worst]
        ],
        "notes": list(drift.notes),
    }


def row_document(row: DriftRow) -> dict[str, Any]:
    """A row of the table: also what the report shows."""
    return {
        "name": row.name,
        "psi": row.psi,
        "level": row.level,
        "jensen_shannon": row.jensen_shannon,
        "chance": row.chance,
        "beyond_chance": row.beyond_chance,
        "what": row.what,
    }


def exceeds(drift: Drift, most_psi: float | None, least_maps: int) -> bool:
    """Whether enough maps differ by more than a limit, and by more than chance."""
    return most_psi is not None and drift.maps >= least_maps and drift.max_psi_beyond_chance > most_psi


def as_table(drift: Drift, worst: int = 5) -> str:
    """The drift for a terminal: a line a row, then the maps that differ most."""
    width = max(10, *(len(row.name) for row in drift.rows))
    head = f"{'':{width}}  {'PSI':>7}  {'drift':6} {'by chance':>9}  {'JS':>6}  what"
    lines = [f"{drift.model} version {drift.version}: {drift.maps} map(s), {drift.pixels / 1e6:.1f} megapixels", head]
    for row in drift.rows:
        chance = "?" if row.chance is None else f"{row.chance:.3f}"
        word = row.level if row.beyond_chance or row.level == "none" else "chance"
        lines.append(f"{row.name:{width}}  {row.psi:7.3f}  {word:6} {chance:>9}  {row.jensen_shannon:6.3f}  {row.what}")
    if worst:
        lines.append("maps that differ most:")
        lines += [f"  {one.psi:7.3f}  {one.name:{width}}  {one.map}" for one in drift.by_map[:worst]]
    return "\n".join([*lines, *(f"note: {note}" for note in drift.notes)])


def as_prometheus(drift: Drift, seconds: float) -> str:
    """The drift in Prometheus' text format, for the textfile collector of its node exporter.

    Args:
        drift: What was found.
        seconds: Now, since 1970.
    """
    model = f'model="{_escaped(drift.model)}",version="{drift.version}"'
    families: list[tuple[str, str, Sequence[tuple[str, float]]]] = [
        (
            "eoseg_drift_psi",
            "Population stability index of served maps against the training.",
            [(f'{model},name="{_escaped(row.name)}"', row.psi) for row in drift.rows],
        ),
        (
            "eoseg_drift_psi_by_chance",
            "What as many tiles of the training exceed once in twenty times.",
            [(f'{model},name="{_escaped(row.name)}"', row.chance) for row in drift.rows if row.chance is not None],
        ),
        ("eoseg_drift_max_psi", "The largest index.", [(model, drift.max_psi)]),
        (
            "eoseg_drift_max_psi_beyond_chance",
            "The largest index beyond chance.",
            [(model, drift.max_psi_beyond_chance)],
        ),
        ("eoseg_drift_maps", "Maps that were compared.", [(model, drift.maps)]),
        ("eoseg_drift_measured_timestamp_seconds", "When it was measured.", [(model, seconds)]),
    ]
    lines = []
    for name, help_text, samples in families:
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
        lines += [f"{name}{{{labels}}} {value:.10g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
