"""`eoseg versions list | show | compare | trace | log`: what there is; nothing is changed."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfx_pipeline.cli.versions_arguments import (
    Asked,
    add_model,
    add_servers,
    asked,
    lineages_of,
    say,
    server_options,
    version_of,
)

if TYPE_CHECKING:
    from serving.versions.lineage import Lineage, LineageNode
    from serving.versions.listing import Listing, VersionRow

EXIT_CONTRADICTS = 3


def register(verbs: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verbs."""
    listing = verbs.add_parser("list", help="all versions, and what does not fit together")
    add_model(listing)
    listing.add_argument("--json", action="store_true", help="for programs")
    add_servers(listing)
    listing.set_defaults(handler=run_list)

    show = verbs.add_parser("show", help="one version, with all it was made of up to the tiles")
    add_model(show)
    show.add_argument("version", metavar="V")
    show.add_argument("--json", action="store_true", help="for programs")
    show.add_argument("--graph", metavar="FILE", help="draw the lineage, too (.svg or .png)")
    show.set_defaults(handler=run_show)

    compared = verbs.add_parser("compare", help="two versions side by side (a page: eoseg report --compare)")
    add_model(compared)
    compared.add_argument("a", metavar="A")
    compared.add_argument("b", metavar="B")
    compared.add_argument("--json", action="store_true", help="for programs")
    compared.set_defaults(handler=run_compare)

    trace = verbs.add_parser("trace", help="from a map to the version that made it, and to its tiles")
    add_model(trace)
    trace.add_argument("map", metavar="MAP", help="a map (GeoTIFF), or its STAC item")
    trace.add_argument("--json", action="store_true", help="for programs")
    trace.set_defaults(handler=run_trace)

    log = verbs.add_parser("log", help="every change: who, when, why, what before and after")
    add_model(log)
    log.add_argument("--json", action="store_true", help="for programs")
    log.set_defaults(handler=run_log)


def run_list(arguments: argparse.Namespace) -> int:
    """Prints all versions."""
    from components.errors import EosegError
    from serving.versions.server_control import ServerControl

    model, servers = asked(arguments), server_options(arguments)
    states = {}
    for address in servers.addresses:
        with ServerControl(address, model.registry.name, servers.channel) as control:
            try:
                states[address] = control.states()
            except EosegError as error:  # the others can be told of all the same
                say(error.problem)
    found = _listing(model, states)
    if arguments.json:
        canary = None if found.canary is None else found.canary.model_dump()
        rows = [row.as_json() for row in found.rows]
        print(json.dumps({"versions": rows, "canary": canary, "notes": list(found.notes)}, indent=1))
        return 0
    print(_table(found.rows))
    for note in found.notes:
        print(f"note: {note}")
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Prints one version."""
    model = asked(arguments)
    version = version_of(model.registry, arguments.version)
    row, lineage = _row_and_lineage(model, version)
    if arguments.graph:
        from components.errors import MissingFileError
        from serving.versions.lineage_graph import write_graph

        if lineage is None:
            raise MissingFileError(
                f"the lineage of version {version} is not known",
                "a version that ML Metadata records",
                "give --metadata",
            )
        write_graph(lineage, Path(arguments.graph))
        say(f"wrote {arguments.graph}")
    if arguments.json:
        known = None if lineage is None else lineage.model_dump(mode="json")
        print(json.dumps({**row.as_json(), "lineage": known}, indent=1))
        return 0
    print(_shown(row, lineage))
    return 0


def run_compare(arguments: argparse.Namespace) -> int:
    """Prints two versions side by side."""
    from dataclasses import asdict

    from serving.versions.compare import as_table, compare

    model = asked(arguments)
    a, b = (version_of(model.registry, text) for text in (arguments.a, arguments.b))
    (row_a, of_a), (row_b, of_b) = (_row_and_lineage(model, version) for version in (a, b))
    lines = compare(row_a, row_b, of_a, of_b)
    print(json.dumps([asdict(line) for line in lines], indent=1) if arguments.json else as_table(lines, a, b))
    return 0


def run_trace(arguments: argparse.Namespace) -> int:
    """Prints where a map comes from."""
    from serving.versions.recorded import own_records
    from serving.versions.trace import map_origin

    model = asked(arguments)
    origin = map_origin(Path(arguments.map))
    row, lineage = _row_and_lineage(model, origin.version)
    trained = own_records(model.registry.version_folder(origin.version)).of_training
    wrong = origin.contradictions(
        trained.get("config_hash", "") or (lineage.config_hash if lineage else ""),
        trained.get("data_fingerprint", "") or (lineage.records_fingerprint if lineage else ""),
    )
    if origin.model != model.registry.name:
        wrong.insert(0, f"the map is by the model '{origin.model}', not '{model.registry.name}'")
    if arguments.json:
        known = None if lineage is None else lineage.model_dump(mode="json")
        document = {"map": origin.tags, "contradictions": wrong, **row.as_json(), "lineage": known}
        print(json.dumps(document, indent=1))
    else:
        print(f"map of {origin.tile or 'a tile'} by {origin.model} version {origin.version}")
        for name, value in origin.tags.items():
            print(f"  {name:18} {value}")
        print(_shown(row, lineage))
        for text in wrong:
            print(f"note: {text}")
    return EXIT_CONTRADICTS if wrong else 0


def run_log(arguments: argparse.Namespace) -> int:
    """Prints the audit log."""
    from serving.versions.audit import read_audit

    entries, flaws = read_audit(asked(arguments).registry)
    for entry in entries:
        if arguments.json:
            print(json.dumps(entry.__dict__))
            continue
        before, after = (entry.before.get("labels"), entry.after.get("labels"))
        labels = "" if before == after else f"  {_labels(before)} -> {_labels(after)}"
        reason = f"  ({entry.reason})" if entry.reason else ""
        version = "" if entry.version is None else f" {entry.version}"
        print(f"{entry.time}  {entry.who}  {entry.verb}{version}: {entry.outcome}{labels}{reason}")
    for flaw in flaws:
        say(f"the log was altered: {flaw}")
    return EXIT_CONTRADICTS if flaws else 0


def _listing(model: Asked, states: Any) -> "Listing":
    from serving.versions.listing import list_versions

    lineages, pushed = lineages_of(model)
    return list_versions(model.registry, lineages, pushed, states)


def _row_and_lineage(model: Asked, version: int) -> "tuple[VersionRow, Lineage | None]":
    from serving.versions.listing import list_versions
    from serving.versions.registry_error import RegistryError

    lineages, pushed = lineages_of(model, [version])
    found = list_versions(model.registry, lineages, pushed, {})
    row = next((row for row in found.rows if row.version == version), None)
    if row is None:
        known = ", ".join(str(row.version) for row in found.rows) or "none"
        raise RegistryError(f"nobody knows a version {version}", f"one of {known}", "see `eoseg versions list`")
    return row, lineages.get(version)


def _table(rows: "tuple[VersionRow, ...]") -> str:
    from serving.versions.listing import HEADLINE

    head = ("VERSION", "STATE", "LABELS", "MEAN IOU", "PUSHED", "DATA", "CODE", "SIZE", "KNOWN TO", "SERVERS")
    lines: list[tuple[str, ...]] = [head]
    for row in rows:
        figure = row.figures.get(HEADLINE)
        lines.append(
            (
                str(row.version),
                row.state,
                ", ".join(row.labels),
                "" if figure is None else f"{figure:.3f}",
                row.pushed,
                row.data[:12],
                row.code,
                f"{row.size_bytes / 1e6:.1f} MB" if row.size_bytes else "",
                ", ".join(row.records),
                "; ".join(f"{address} {state}" for address, state in row.servers.items()),
            )
        )
    shown = [column for column in range(len(head)) if any(line[column] for line in lines[1:]) or not rows]
    widths = {column: max(len(line[column]) for line in lines) for column in shown}
    return "\n".join("  ".join(f"{line[column]:{widths[column]}}" for column in shown).rstrip() for line in lines)


def _shown(row: "VersionRow", lineage: "Lineage | None") -> str:
    lines = [f"version {row.version}: {row.state}" + (f", {', '.join(row.labels)}" if row.labels else "")]
    facts = {
        "pushed": row.pushed,
        "data fingerprint": row.data,
        "code": row.code,
        "size": f"{row.size_bytes:,} bytes" if row.size_bytes else "",
        "known to": ", ".join(row.records),
    }
    if lineage is not None:
        facts |= {
            "pipeline": lineage.pipeline,
            "run": lineage.run,
            "config hash": lineage.config_hash,
            "records": lineage.records_fingerprint,
        }
    lines += [f"  {name:18} {value}" for name, value in facts.items() if value]
    if row.figures:
        split = f" on {lineage.evaluated_split}" if lineage is not None and lineage.evaluated_split else ""
        lines.append(f"figures{split}")
        lines += [f"  {name:32} {'absent' if v is None else f'{v:.4f}'}" for name, v in row.figures.items()]
    if lineage is None:
        return "\n".join([*lines, "its lineage is not known: ML Metadata does not have it (--metadata FILE)"])
    lines.append("steps, from the version back")
    names = {node.id: node for node in lineage.nodes}
    for node in lineage.nodes:
        if node.kind != "step":
            continue
        read = [_named(names, source) for source, target in lineage.edges if target == node.id and source in names]
        written = [_named(names, target) for source, target in lineage.edges if source == node.id and target in names]
        lines.append(f"  {node.name:18} {node.made}  {', '.join(read) or 'tiles'} -> {', '.join(written)}")
    for split in ("train", "eval", "test"):
        tiles = lineage.tiles_of(split)
        if tiles:
            lines.append(f"tiles: {split} ({len(tiles)})")
            lines += [f"  {tile.tile:24} {tile.image}" for tile in tiles]
    return "\n".join(lines)


def _named(names: "dict[str, LineageNode]", artifact: str) -> str:
    return f"{names[artifact].type} {artifact[1:]}"


def _labels(labels: "dict[str, int] | None") -> str:
    return ", ".join(f"{name} = {version}" for name, version in sorted((labels or {}).items())) or "no labels"
