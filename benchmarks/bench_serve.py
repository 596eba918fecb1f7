"""The model server under load against bare session calls of the same model, in one run.

A slim SegNet, untrained (its time does not depend on its weights), is served twice, without batching and with it, and
called without a server. Rounds take turns; figures are medians over the rounds, ratios are medians of the rounds' own
ratios. The headline `ratio_16` is the better server's patches a second at 16 clients over the best session calls'
(aim: at least 0.85); `on_over_off` at each number of clients is batching's gain (aim: at least 0.95).

Clients run in a process of their own and handle bytes only; `client_cores` says what they take of the processors that
the server runs on. `outputs` compares how an answer travels: numbers, or byte strings (PNG of class ids, raw bytes of
scores), read into arrays by the client. The last line is one JSON object.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the benchmarks are not installed

from benchmarks.arguments import positive_float, positive_int
from serving.batching import BatchingOptions, read_batching_options
from serving.served_model import ServedModel
from serving.tuning.candidate_servers import candidate_servers
from serving.tuning.measure_servers import Target, measure_round
from serving.tuning.measurement import Measurement, Rounds
from serving.tuning.tune import cores
from serving.tuning.worker import Worker

CLASSES = 6
SCORES = "scores_bytes"
OUTPUTS = ("class_ids", "class_ids_bytes", "scores", SCORES)
OUTPUT_CLIENTS = 2
OUTPUT_PATCHES = 4


def export_slim_segnet(folder: Path, width: float, size: int) -> None:
    """An untrained SegNet as `eoseg run` would push it."""
    from components.classes import ClassTable, LandClass
    from components.records.record_format import RecordFormat
    from components.training.networks import build_network
    from components.training.options import NetworkOptions
    from components.training.signatures import export_saved_model

    table = ClassTable(classes=tuple(LandClass(name=f"class {i}", color=(i, i, i)) for i in range(CLASSES)))
    record_format = RecordFormat(patch_size=size, bands=("red", "green", "blue"), dtype="uint8", table=table)
    model = build_network(NetworkOptions(width=width), record_format, [110.0] * 3, [50.0] * 3)
    export_saved_model(model, record_format, str(folder))


def write_requests(direct: Worker, folder: Path, patches: int) -> dict[str, Path]:
    """One request file an output; the clients of the load ask for scores."""
    wanted = {"load": (SCORES, patches), **{output: (output, OUTPUT_PATCHES) for output in OUTPUTS}}
    paths = {name: folder / f"{name}.pb" for name in wanted}
    for name, (output, count) in wanted.items():
        job = {"kind": "request", "path": str(paths[name]), "model_name": "bench", "output": output, "patches": count}
        direct.ask(job)
    return paths


def measure(
    direct: Worker, load: Worker, targets: list[Target], requests: dict[str, Path], arguments: argparse.Namespace
) -> dict[str, Any]:
    """All rounds; what is printed."""
    calls: dict[int, list[float]] = {size: [] for size in arguments.batch_sizes}
    loads = [Rounds(t.name, t.batching, n, arguments.patches) for n in arguments.clients for t in targets]
    by_name = {target.name: target for target in targets}
    off = targets[0]
    outputs = {name: Rounds(name, off.batching, OUTPUT_CLIENTS, OUTPUT_PATCHES) for name in OUTPUTS}
    answer_bytes: dict[str, int] = {}
    for number in range(-1, arguments.rounds):  # the first warms everything up and is thrown away
        if number == 0:
            calls = {size: [] for size in calls}
            loads = [Rounds(r.server, r.batching, r.concurrency, r.patches_per_request) for r in loads]
            outputs = {name: Rounds(name, off.batching, OUTPUT_CLIENTS, OUTPUT_PATCHES) for name in OUTPUTS}
        seconds = arguments.seconds if number >= 0 else min(0.5, arguments.seconds)
        for size, found in calls.items():
            job = {"kind": "time", "output": SCORES, "batch_size": size, "seconds": seconds / 2}
            found.append(size / direct.ask(job)["seconds_per_call"])
        for rounds in loads:
            measure_round(load, by_name[rounds.server], rounds, requests["load"], seconds)
        for name, rounds in outputs.items():
            answer_bytes[name] = measure_round(load, off, rounds, requests[name], seconds, read=name)
    return figures(calls, [rounds.summary() for rounds in loads], outputs, answer_bytes)


def figures(
    calls: dict[int, list[float]], rows: list[Measurement], outputs: dict[str, Rounds], answer_bytes: dict[str, int]
) -> dict[str, Any]:
    """What is printed, from patches a second round by round."""
    best_size = max(calls, key=lambda size: statistics.median(calls[size]))
    best = calls[best_size]
    by_load = {(row.server, row.concurrency): row for row in rows}
    clients = sorted({row.concurrency for row in rows})
    at_most = {row.server: ratio(row.rounds, best) for row in rows if row.concurrency == clients[-1]}
    return {
        f"ratio_{clients[-1]}": round(max(at_most.values()), 3),
        "on_over_off": {n: round(ratio(by_load["on", n].rounds, by_load["off", n].rounds), 3) for n in clients},
        "direct_patches_per_second": {size: round(statistics.median(found), 1) for size, found in calls.items()},
        "direct_best_batch": best_size,
        "servers": {name: {n: row_figures(by_load[name, n], best) for n in clients} for name in at_most},
        "outputs": {name: output_figures(rounds.summary(), answer_bytes[name]) for name, rounds in outputs.items()},
    }


def ratio(rounds: Any, others: Any) -> float:
    """The median of the rounds' own ratios."""
    return statistics.median(one / other for one, other in zip(rounds, others, strict=True))


def row_figures(row: Measurement, direct: list[float]) -> dict[str, Any]:
    """One server at one number of clients."""
    return {
        "requests_per_second": round(row.requests_per_second, 1),
        "patches_per_second": round(row.patches_per_second, 1),
        "ratio_to_direct": round(ratio(row.rounds, direct), 3),
        "p50_ms": round(row.p50_ms, 1),
        "p95_ms": round(row.p95_ms, 1),
        "p99_ms": round(row.p99_ms, 1),
        "padding_share": None if row.padding_share is None else round(row.padding_share, 3),
        "mean_batch": None if row.mean_batch is None else round(row.mean_batch, 2),
        "server_cores": None if row.server_cores is None else round(row.server_cores, 2),
        "client_cores": round(row.client_cores, 3),
        "requests": row.requests,
        "failures": row.failures,
    }


def output_figures(row: Measurement, answer_bytes: int) -> dict[str, Any]:
    """One way of answering: its speed, its size, and the client's processor time for a patch."""
    return {
        "patches_per_second": round(row.patches_per_second, 1),
        "p50_ms": round(row.p50_ms, 1),
        "answer_kilobytes_per_patch": round(answer_bytes / row.patches_per_request / 1e3, 1),
        "client_cpu_ms_per_patch": round(row.client_cores / row.patches_per_second * 1e3, 3),
        "server_cpu_ms_per_patch": (
            None if row.server_cores is None else round(row.server_cores / row.patches_per_second * 1e3, 3)
        ),
    }


def numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(positive_int(number) for number in text.split(",")))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=positive_int, default=128, help="pixels a side of a patch")
    parser.add_argument("--width", type=positive_float, default=0.25, help="of the SegNet, as a share of the paper's")
    parser.add_argument("--patches", type=positive_int, default=1, help="a request")
    parser.add_argument("--clients", type=numbers, default=(1, 4, 16), help="numbers of clients")
    parser.add_argument("--batch-sizes", type=numbers, default=(1, 2, 4, 8, 16, 32), help="of the session calls")
    parser.add_argument("--batching-file", metavar="FILE", help="what `on` is; default: EOSeg's own default")
    parser.add_argument("--server", choices=("auto", "stock", "embedded"), default="auto")
    parser.add_argument("--rounds", type=positive_int, default=5)
    parser.add_argument("--seconds", type=positive_float, default=2.0, help="of each load in a round")
    arguments = parser.parse_args()
    batching = read_batching_options(arguments.batching_file) if arguments.batching_file else BatchingOptions()
    if not batching.enabled:
        parser.error(f"{arguments.batching_file} says off: there would be nothing to compare")
    batching.check_request(max(arguments.patches, OUTPUT_PATCHES))
    settings = {"off": BatchingOptions(enabled=False), "on": batching}
    with tempfile.TemporaryDirectory() as folder:
        version = Path(folder) / "bench" / "1"
        export_slim_segnet(version, arguments.width, arguments.size)
        served = ServedModel(name="bench", base_path=str(version.parent))
        with (
            Worker("serving.tuning.direct") as direct,
            Worker("serving.tuning.load") as load,
            candidate_servers(served, settings, arguments.server) as targets,
        ):
            direct.ask({"kind": "open", "folder": str(version)})
            requests = write_requests(direct, Path(folder), arguments.patches)
            found = measure(direct, load, targets, requests, arguments)
    found |= {
        "batching": batching.model_dump(exclude={"enabled"}),
        "patches_per_request": arguments.patches,
        "patch_px": arguments.size,
        "width": arguments.width,
        "cores": cores(),
        "load_average": round(os.getloadavg()[0], 1),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
