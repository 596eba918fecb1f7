"""Run by `test_strategy.py` as a process of its own: devices are fixed before TensorFlow computes anything.

Arguments: what to do, a folder with `train`, `eval` and `format.json`, the checkpoint folder, the file for the weights,
and the training's options as JSON.
"""

import json
import runpy
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from components.records.record_format import RecordFormat
from components.training import train
from components.training.learner import build_learner
from components.training.options import NetworkOptions, TrainingOptions
from components.training.strategy import distributed, open_strategy
from components.training.total_loss import loss_of_outputs
from components.training.train_step import train_step


def small(*, dtype: str, auxiliary: bool = False, pretrained: bool = True) -> keras.Model:
    start = keras.initializers.HeNormal(1)
    image = keras.Input((4, 4, 2), dtype="float32")
    features = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer=start, dtype=dtype)(image)
    features = keras.layers.BatchNormalization(momentum=0.5, dtype=dtype)(features)
    return keras.Model(image, keras.layers.Conv2D(2, 1, kernel_initializer=start, dtype="float32")(features))


def weights_after_steps(strategy: tf.distribute.Strategy, training: TrainingOptions) -> tuple[list, list]:
    """Of the network and of the average, after steps on batches whose halves are alike."""
    learner = build_learner(small, training, 4, strategy, pretrained=False)
    loss_of = partial(loss_of_outputs, options=training.loss, class_weights=np.ones(2, np.float32))
    step = train_step(learner, loss_of, jit_compile=training.jit_compile)
    rng = np.random.default_rng(0)
    image = np.tile(rng.normal(size=(4, 2, 4, 4, 2)), (1, 2, 1, 1, 1)).astype(np.float32)
    label = np.tile(rng.integers(0, 2, (4, 2, 4, 4)), (1, 2, 1, 1)).astype(np.uint8)
    batches = distributed(strategy, tf.data.Dataset.from_tensor_slices((image, label)), 4)
    iterator = iter(batches)
    losses = [float(step(*next(iterator))) for _ in range(4)]
    return [*losses, *learner.model.get_weights()], learner.plain().get_weights()


def compare_steps(training: TrainingOptions) -> None:
    mirrored = weights_after_steps(open_strategy(training), training)
    one = weights_after_steps(tf.distribute.get_strategy(), training)
    for first, second in zip((*mirrored[0], *mirrored[1]), (*one[0], *one[1]), strict=True):
        np.testing.assert_allclose(first, second, rtol=2e-3, atol=2e-5)


def main(what: str, folder: str, checkpoints: str, weights: str, options: str) -> None:
    if what != "worker":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    training = TrainingOptions(**json.loads(options))
    if what == "steps":
        compare_steps(training)
        for changes in ({"jit_compile": True}, {"precision": "mixed_float16", "optimizer": "sgd"}):
            compare_steps(training.model_copy(update=changes))
        return
    strategy = open_strategy(training)
    train.build_network = runpy.run_path(str(Path(__file__).with_name("conftest.py")))["build_small_network"]
    record_format = RecordFormat.model_validate_json(Path(folder, "format.json").read_text())
    files = ([str(Path(folder, split))] for split in ("train", "eval"))
    trained = train.train(*files, record_format, NetworkOptions(), training, checkpoints, strategy=strategy)
    np.savez(
        weights,
        *trained.model.get_weights(),
        loss=[record.loss for record in trained.history],
        eval_loss=[record.eval_loss for record in trained.history],
        confusion=np.sum([record.eval_confusion for record in trained.history[-1:]]),
        replicas=strategy.num_replicas_in_sync,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
