"""Our training step against the usual Keras SegNet's, against matrix multiplication, and with real records.

`speedup`: seconds of a step of the usual Keras SegNet (`tf.nn.max_pool_with_argmax`, `tf.scatter_nd`; no XLA) over
ours, plain and with XLA; weights, data, loss and optimiser are equal. `peak_memory_mb`: above the imports, each in a
process of its own, building included. `share_of_matmul_rate`: operations a second of the step's convolutions, counted
from their shapes, over those of a large matrix product in the step's compute dtype and the same threads.
`step_on_records_over_constant_batch`: seconds of a step on augmented batches from records of a generated scene over
those of a step on a constant batch.

The works take turns. `median_of_rounds` is of ratios within one round, `best` of the best rounds, and `cpu` of the
processor time of all threads, which is the one to read on a busy machine; but it does not see idle cores. The headline
`ratio` is the smallest speedup of plain float32, median of rounds, over the widths. The last line is one JSON object.

What a setting gives, for one width:

    eoseg bench train --widths 0.25 --batch 16
    eoseg bench train --widths 0.25 --threads 1
    eoseg bench train --widths 0.25 --kinds usual ours ours_bfloat16 --parts time
    TF_ENABLE_ONEDNN_OPTS=0 eoseg bench train --widths 0.25 --parts time
    TF_SET_ONEDNN_FPMATH_MODE=BF16 eoseg bench train --widths 0.25 --parts time
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the benchmarks are not installed

from benchmarks.arguments import positive_float, positive_int

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("time", "memory", "input")
KINDS = ("usual", "ours", "ours_xla", "ours_bfloat16", "usual_bfloat16")


def time_figures(width: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """Speedups and shares of one width; for a process of its own."""
    set_threads(arguments.threads)
    from benchmarks.train_speed.flops import step_operations
    from benchmarks.train_speed.measure import matrix_multiplication, ratio, shares, take_turns
    from benchmarks.train_speed.records import scene_format
    from benchmarks.train_speed.steps import KINDS, constant_batch, loss_of, make_learner, make_step

    record_format = scene_format(arguments.size)
    image, label = constant_batch(record_format, arguments.batch)
    works, first, operations = {}, {}, 0.0
    for name in arguments.kinds:
        learner = make_learner(KINDS[name], record_format, width)
        step = make_step(KINDS[name], learner, len(record_format.table))
        works[name] = partial(loss_of, step, image, label)
        started = time.perf_counter()
        works[name]()
        first[name] = round(time.perf_counter() - started, 1)
        operations = float(step_operations(learner.model).total * arguments.batch)
    dtypes = {name: "float32" if KINDS[name].precision == "float32" else "bfloat16" for name in arguments.kinds}
    products = {f"matmul_{dtype}": matrix_multiplication(dtype) for dtype in set(dtypes.values())}
    for product in products.values():
        product()
    times = take_turns({**products, **works}, arguments.rounds, dict.fromkeys(works, arguments.steps))
    return {
        "gigaflop_per_step": round(operations / 1e9, 2),
        "speedup": {name: ratio(times["usual"], times[name]) for name in works if name != "usual" and "usual" in works},
        "share_of_matmul_rate": {
            name: shares(operations, times[name], times[f"matmul_{dtypes[name]}"]) for name in works
        },
        "best_step_seconds": {name: round(min(times[name].wall), 4) for name in works},
        "cpu_seconds_a_step": {name: round(min(times[name].cpu), 4) for name in works},
        "first_step_seconds": first,
        "best_matmul_gigaflops": {
            name: round(2 * 2048**3 / min(times[name].wall) / 1e9, 1) for name in sorted(products)
        },
    }


def input_figures(width: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """A step on real records against one on a constant batch; for a process of its own."""
    set_threads(arguments.threads)
    from benchmarks.train_speed.measure import ratio, take_turns
    from benchmarks.train_speed.records import scene_batches, scene_format, write_scene_records
    from benchmarks.train_speed.steps import KINDS, constant_batch, loss_of, make_learner, make_step

    record_format = scene_format(arguments.size)
    image, label = constant_batch(record_format, arguments.batch)
    step = make_step(KINDS["ours"], make_learner(KINDS["ours"], record_format, width), len(record_format.table))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train"
        write_scene_records(path, record_format, arguments.records)
        batches = iter(scene_batches(path, record_format, arguments.batch))

        def on_records() -> float:
            return loss_of(step, *next(batches))

        works: dict[str, Callable[[], float]] = {
            "records": on_records,
            "constant": partial(loss_of, step, image, label),
        }
        for work in works.values():
            work()
        # What the pipeline has made ready while the other had its turn would flatter a single step.
        times = take_turns(works, arguments.rounds, dict.fromkeys(works, 4 * arguments.steps))
    return {"step_on_records_over_constant_batch": ratio(times["records"], times["constant"])}


def set_threads(threads: int | None) -> None:
    """Of TensorFlow, before it computes; None leaves its own choice, one a core."""
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=positive_float, nargs="+", default=[0.25, 1.0])
    parser.add_argument("--size", type=positive_int, default=128, help="pixels a side of a patch")
    parser.add_argument("--batch", type=positive_int, default=8)
    parser.add_argument("--rounds", type=positive_int, default=5)
    parser.add_argument("--steps", type=positive_int, help="a round; without it 2, or 1 from width 0.5 on")
    parser.add_argument("--records", type=positive_int, default=64)
    parser.add_argument("--threads", type=positive_int, help="of TensorFlow; without it one a core")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS[:4]))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    return parser.parse_args()


def main() -> None:
    """Measures and prints."""
    arguments = parse()
    given_steps = arguments.steps
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Not installed, so the processes need the path, too.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    from benchmarks.train_speed.measure import alone, peak_memory_mb

    load_before = round(os.getloadavg()[0], 1)
    found: dict[str, Any] = {}
    for width in arguments.widths:
        figures: dict[str, Any] = {}
        arguments.steps = given_steps or (2 if width < 0.5 else 1)
        if "time" in arguments.parts:
            figures |= alone(time_figures, width, arguments)
        if "memory" in arguments.parts:
            figures["peak_memory_mb"] = {
                name: alone(peak_memory_mb, name, arguments.size, width, arguments.batch) for name in arguments.kinds
            }
        if "input" in arguments.parts:
            figures |= alone(input_figures, width, arguments)
        found[f"width_{width:g}"] = figures
    speedups = [figures.get("speedup", {}).get("ours", {}).get("median_of_rounds") for figures in found.values()]
    settings = {"patch_px": arguments.size, "batch": arguments.batch, "rounds": arguments.rounds}
    print(
        json.dumps(
            {
                "ratio": min((speedup for speedup in speedups if speedup is not None), default=None),
                **found,
                **settings,
                "load_average": [load_before, round(os.getloadavg()[0], 1)],
            }
        )
    )


if __name__ == "__main__":
    main()
