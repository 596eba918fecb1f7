"""Records to augmented batches against what the slim network consumes, in one run on the same cores.

The headline `ratio` is patches a second of `training_batches` with the default augmentation over patches a second of a
training step on a constant batch (network of the demo's width, 8 patches a step); `ratio_relit` is the same with
brightness and contrast as well, which the default leaves out, and `ratio_of_cpu_time` is that of the CPU seconds a
patch. Input and network are timed in turns and the best round of each counts, since the machine is shared. The records
are read from the operating system's cache.

`stages` says what each stage costs, with brightness and contrast: a pipeline that stops after the stage, less the one
that stops before it, in CPU time a patch (wall time would hide what runs side by side). The pipelines that stop early
give one number a batch; `hand_over` is what giving whole batches to the training loop adds. The last line is one JSON
object.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the benchmarks are not installed

import numpy as np
import tensorflow as tf
from affine import Affine

from benchmarks.arguments import positive_float, positive_int
from components.classes import ClassTable, LandClass
from components.dataset.augment_options import AugmentOptions
from components.dataset.patch_dataset import Stage, staged_batches, training_stages
from components.dataset.record_index import RecordIndex, index_records
from components.dataset.statistics import SplitStatistics, split_statistics
from components.geo.raster import Georeference
from components.records.patch_example import Patch, encode_patch
from components.records.record_file import open_record_file
from components.records.record_format import RecordFormat
from components.training.losses import weighted_cross_entropy
from components.training.networks import build_network
from components.training.optimizer import build_optimizer
from components.training.options import NetworkOptions, TrainingOptions

CLASSES = 6
DEFAULT = AugmentOptions()
RELIT = AugmentOptions(brightness=0.2, contrast=0.2)
ENDLESS = 1 << 40
IN_FLIGHT = 32
"""Batches thrown away before the clock starts: more than any buffer of a pipeline holds."""


def write_records(path: Path, records: int, record_format: RecordFormat) -> None:
    """Patches of class blocks with noise, RGB."""
    size = record_format.patch_size
    place = Georeference(Affine.identity(), "")
    with open_record_file(str(path)) as writer:
        for number in range(records):
            rng = np.random.default_rng(number)
            blocks = rng.integers(0, CLASSES, (size // 16 + 1,) * 2).astype(np.uint8)
            label = np.kron(blocks, np.ones((16, 16), np.uint8))[:size, :size]
            image = (label[..., None] * 30 + rng.integers(0, 64, (size, size, 3))).astype(np.uint8)
            patch = Patch("bench", 0, 0, 0, 0, image, label, np.ones((size, size), bool), place)
            writer.write(encode_patch(patch, record_format.table.names, record_format.bands))


def first_pixels(_step: tf.Tensor, *parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """One number of each part: nothing is handed over, and no stage before it can be optimised away."""
    return tuple(
        tf.strings.length(part)[0] if part.dtype == tf.string else part[(0,) * part.shape.rank] for part in parts
    )


def pipelines(
    index: RecordIndex, record_format: RecordFormat, statistics: SplitStatistics, batch_size: int
) -> dict[str, Iterator[Any]]:
    """Endless pipelines: `default` and `relit` as a training reads them, and one that stops after each stage."""

    def stages(augmentation: AugmentOptions) -> dict[str, Stage]:
        return training_stages(index, record_format, statistics, augmentation, batch_size=batch_size, seed=0)

    relit = stages(RELIT)
    chains = {"default": list(stages(DEFAULT).values()), "relit": list(relit.values())}
    for number, name in enumerate(relit, 1):
        chains[f"after {name}"] = [*list(relit.values())[:number], first_pixels]
    return {name: iter(staged_batches(chain, 0, ENDLESS)) for name, chain in chains.items()}


def make_step(
    record_format: RecordFormat, statistics: SplitStatistics, width: float, batch_size: int
) -> Callable[[], float]:
    """One optimiser step of the slim network on a constant batch."""
    mean, stddev = statistics.band_mean.tolist(), statistics.band_stddev.tolist()
    model = build_network(NetworkOptions(width=width), record_format, mean, stddev)
    optimizer = build_optimizer(TrainingOptions(), 1000)
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    image = tf.constant(rng.integers(0, 256, (batch_size, *model.input_shape[1:])).astype(np.uint8))
    label = tf.constant(rng.integers(0, CLASSES, image.shape[:3]), tf.uint8)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = weighted_cross_entropy(model(image, training=True), label, np.ones(CLASSES, np.float32))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return lambda: float(step())


def timed(work: Callable[[], Any], seconds: float) -> tuple[float, float]:
    """Wall seconds and CPU seconds (of all threads) a call, over at least so many seconds."""
    calls, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        work()
        calls += 1
    return (time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=positive_int, default=256)
    parser.add_argument("--size", type=positive_int, default=256, help="pixels a side of a patch")
    parser.add_argument("--batch", type=positive_int, default=8)
    parser.add_argument("--width", type=positive_float, default=0.25)
    parser.add_argument("--rounds", type=positive_int, default=5)
    parser.add_argument(
        "--seconds", type=positive_float, default=2.0, help="of each in a round; equal, so that noise is fair"
    )
    arguments = parser.parse_args()
    table = ClassTable(classes=tuple(LandClass(name=f"class {i}", color=(i, i, i)) for i in range(CLASSES)))
    record_format = RecordFormat(patch_size=arguments.size, bands=("red", "green", "blue"), dtype="uint8", table=table)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train"
        write_records(path, arguments.records, record_format)
        index, statistics = index_records([str(path)]), split_statistics([str(path)], record_format)
        works = {"network": make_step(record_format, statistics, arguments.width, arguments.batch)}
        for name, iterator in pipelines(index, record_format, statistics, arguments.batch).items():
            works[name] = partial(next, iterator)
        works["network"]()  # traces
        wall = dict.fromkeys(works, float("inf"))
        cpu = dict(wall)
        for _ in range(arguments.rounds):
            for name, work in works.items():
                for _ in range(0 if name == "network" else IN_FLIGHT):
                    work()
                seconds = timed(work, arguments.seconds)
                wall[name], cpu[name] = min(wall[name], seconds[0]), min(cpu[name], seconds[1])
    print(json.dumps(figures(wall, cpu, index, arguments)))


def figures(
    wall: dict[str, float], cpu: dict[str, float], index: RecordIndex, arguments: argparse.Namespace
) -> dict[str, Any]:
    """What is printed, from the seconds a batch of each work."""
    steps = ["after read", "after parse", "after turn", "after relight", "relit"]
    names = ["read", "parse", "turn", "relight", "hand_over"]
    totals = np.maximum.accumulate([cpu[name] for name in steps])  # noise may not make a stage cost less than nothing
    costs = dict(zip(names, np.diff(totals, prepend=0.0), strict=True))
    return {
        "ratio": round(wall["network"] / wall["default"], 1),
        "ratio_relit": round(wall["network"] / wall["relit"], 1),
        "ratio_of_cpu_time": round(cpu["network"] / cpu["default"], 1),
        "input_patches_per_second": round(arguments.batch / wall["default"], 1),
        "relit_patches_per_second": round(arguments.batch / wall["relit"], 1),
        "network_patches_per_second": round(arguments.batch / wall["network"], 1),
        "input_megabytes_per_second": round(arguments.batch / wall["default"] * float(index.length.mean()) / 1e6, 1),
        "stages": {
            name: {"share": round(cost / totals[-1], 3), "cpu_ms_per_patch": round(cost / arguments.batch * 1e3, 4)}
            for name, cost in costs.items()
        },
        "width": arguments.width,
        "patch_px": arguments.size,
        "batch": arguments.batch,
        "records": arguments.records,
    }


if __name__ == "__main__":
    main()
