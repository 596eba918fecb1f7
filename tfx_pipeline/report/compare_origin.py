"""What two versions were made of, side by side: data, configuration, code, input."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tfx_pipeline.report.compare_sources import PushedVersion

NOT_KNOWN = "not known"
NOT_SET = "not set"


@dataclass(frozen=True)
class OriginRow:
    """One fact of both versions, as text."""

    name: str
    a: str
    b: str

    @property
    def verdict(self) -> str:
        """`same`, `differs` or `not known`."""
        if NOT_KNOWN in (self.a, self.b):
            return NOT_KNOWN
        return "same" if self.a == self.b else "differs"


def origin_rows(a: PushedVersion, b: PushedVersion) -> list[OriginRow]:
    """Fingerprints, code, packages and the model's input."""
    of_a, of_b = _facts(a), _facts(b)
    return [OriginRow(name, of_a[name], of_b[name]) for name in of_a]


def config_changes(a: PushedVersion, b: PushedVersion) -> list[OriginRow] | None:
    """The keys of the configurations, as trained, that differ; None where one of them is not known."""
    configs = [_config_as_trained(version) for version in (a, b)]
    if not configs[0] or not configs[1]:
        return None
    one, other = (dict(_flat(config, "")) for config in configs)
    keys = [*one, *(key for key in other if key not in one)]
    return [
        OriginRow(key, one.get(key, NOT_SET), other.get(key, NOT_SET))
        for key in keys
        if one.get(key, NOT_SET) != other.get(key, NOT_SET)
    ]


def _config_as_trained(version: PushedVersion) -> dict[str, Any] | None:
    """A card's configuration with what a search found in place of what it replaced."""
    if version.card is None or not version.card.get("config"):
        return None
    model = version.card.get("model") or {}
    trained = {part: model[part] for part in ("network", "training") if model.get(part)}
    return {**version.card["config"], **trained}


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """`("training.steps", "100")` and so on; a list is one value."""
    if isinstance(value, Mapping) and value:
        for name, entry in value.items():
            yield from _flat(entry, f"{key}.{name}" if key else str(name))
    else:
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _facts(version: PushedVersion) -> dict[str, str]:
    contract, card = version.contract, version.card or {}
    origin: Mapping[str, Any] = {**version.provenance, **(card.get("provenance") or {})}
    code = origin.get("code") or {}
    packages = origin.get("packages") or {}
    splits = (card.get("data") or {}).get("splits") or ()
    distances = (card.get("model") or {}).get("ground_sample_distance_m")
    facts = {
        "Pushed by run": version.run,
        "Pipeline": origin.get("pipeline"),
        "Data fingerprint": origin.get("data_fingerprint"),
        "Training records' fingerprint": contract.provenance.get("data_fingerprint"),
        "Tiles by split": ", ".join(f"{row['split']} {row['tiles']}" for row in splits),
        "Evaluated split": (card.get("data") or {}).get("evaluated_split"),
        "Configuration hash": origin.get("config_hash"),
        "Training hash": contract.provenance.get("config_hash"),
        "Code": f"{code['kind']} {code['revision']}{', changed' if code.get('modified') else ''}" if code else None,
        "Packages": ", ".join(f"{name} {number}" for name, number in packages.items()),
        "Classes": ", ".join(version.table.names),
        "Bands": ", ".join(contract.bands),
        "Numbers": contract.dtype,
        "Patch": f"{contract.patch_size} pixels, downsampled by {contract.downsample}",
        "Ground size of a pixel": " to ".join(dict.fromkeys(f"{side:.3g} m" for side in distances or ())),
        "License": (card.get("stated") or {}).get("license"),
    }
    return {name: str(value) if value else NOT_KNOWN for name, value in facts.items()}
