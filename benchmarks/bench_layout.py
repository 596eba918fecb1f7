"""What the layout of the pixels and round channel counts would give SegNet's convolutions, in one run.

Convolutions of 3 x 3 with both gradients, in turns. `ratio` is the time of a convolution of each of the encoder's five
sizes with channels first (NCHW) over that with channels last, the sum of the best rounds. `padded_over_plain` is the
time of the first convolution (3 bands) and of the last one (6 classes) with their channels filled up to 8 and 16 over
that without. The last line is one JSON object.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the benchmarks are not installed

import tensorflow as tf

from benchmarks.arguments import positive_float, positive_int
from benchmarks.train_speed.measure import ratio, take_turns

CHANNELS = (64, 128, 256, 512, 512)
"""Of the encoder's stages at width 1; each is half as long and wide as the one before."""


def convolution(batch: int, side: int, channels: tuple[int, int], *, first: bool = False) -> Callable[[], object]:
    """A convolution and its gradients by input and kernel.

    Args:
        batch: Patches.
        side: Rows and columns of the features.
        channels: Of the input and the output.
        first: Channels before rows and columns.
    """
    features = tf.random.stateless_normal((batch, side, side, channels[0]), (0, 0))
    features = tf.transpose(features, (0, 3, 1, 2)) if first else features
    kernel = tf.random.stateless_normal((3, 3, *channels), (0, 1))
    layout = "NCHW" if first else "NHWC"

    @tf.function
    def gradients(features: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([features, kernel])
            loss = tf.reduce_sum(tf.nn.conv2d(features, kernel, 1, "SAME", data_format=layout) ** 2)
        return tape.gradient(loss, [features, kernel])

    return lambda: gradients(features, kernel)[1].numpy()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=positive_float, default=0.25)
    parser.add_argument("--size", type=positive_int, default=128, help="of a patch in pixels (default 128)")
    parser.add_argument("--batch", type=positive_int, default=8)
    parser.add_argument("--rounds", type=positive_int, default=9)
    arguments = parser.parse_args()
    stages = [(arguments.size >> i, max(1, int(arguments.width * count))) for i, count in enumerate(CHANNELS)]
    side, width = stages[0]
    works = {
        f"{layout} {i}": convolution(arguments.batch, side, (count, count), first=layout == "first")
        for i, (side, count) in enumerate(stages)
        for layout in ("last", "first")
    }
    ends = {f"input {count}": (count, width) for count in (3, 8, 16)} | {f"output {n}": (width, n) for n in (6, 8, 16)}
    works |= {name: convolution(arguments.batch, side, channels) for name, channels in ends.items()}
    for work in works.values():  # compiles
        work()
    times = take_turns(works, arguments.rounds, dict.fromkeys(works, 2))
    best = {name: min(found.wall) for name, found in times.items()}
    total = {layout: sum(best[f"{layout} {i}"] for i in range(len(stages))) for layout in ("last", "first")}
    pairs = [("input 8", "input 3"), ("input 16", "input 3"), ("output 8", "output 6"), ("output 16", "output 6")]
    report = {
        "ratio": round(total["first"] / total["last"], 2),
        "milliseconds": {name: round(1000 * seconds, 2) for name, seconds in best.items()},
        "padded_over_plain": {one: ratio(times[one], times[other])["best"] for one, other in pairs},
        "width": arguments.width,
        "batch": arguments.batch,
        "load_average": [round(value, 1) for value in os.getloadavg()[:2]],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
