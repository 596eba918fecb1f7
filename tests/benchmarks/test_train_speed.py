"""What `eoseg bench train` rests on: the peer computes what our network computes, and operations are counted right."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.train_speed.flops import step_operations
from benchmarks.train_speed.records import scene_format
from benchmarks.train_speed.steps import KINDS, constant_batch, make_learner
from components.training.losses import weighted_cross_entropy

ROOT = Path(__file__).resolve().parents[2]


def test_the_usual_network_computes_ours_and_its_gradients() -> None:
    record_format = scene_format(32)
    image, label = constant_batch(record_format, 2)
    found = []
    for name in ("ours", "usual"):
        model = make_learner(KINDS[name], record_format, 0.125).model
        with tf.GradientTape() as tape:
            outputs = model(image, training=True)
            logits = outputs["logits"] if isinstance(outputs, dict) else outputs
            loss = weighted_cross_entropy(logits, label, np.ones(6, np.float32))
        found.append((model, logits, tape.gradient(loss, model.trainable_variables)))
    (ours, our_logits, our_gradients), (usual, usual_logits, usual_gradients) = found
    np.testing.assert_allclose(our_logits, usual_logits, rtol=1e-3, atol=1e-3)
    for variable, one, other in zip(ours.trainable_variables, our_gradients, usual_gradients, strict=True):
        if variable.name != "bias" or "classifier" in variable.path:  # batch normalisation cancels the others
            np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-3 * np.abs(other).max(), err_msg=variable.path)
    for one, other in zip(ours.non_trainable_variables, usual.non_trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=one.path)


def test_operations_are_those_counted_by_hand() -> None:
    image = keras.Input((8, 4, 3))
    features = keras.layers.Conv2D(16, 3, padding="same")(image)
    features = keras.layers.ReLU()(keras.layers.BatchNormalization()(features))
    features = keras.layers.Conv2D(5, 1, strides=2)(features)
    found = step_operations(keras.Model(image, features))
    first, second = 8 * 4 * 16 * (3 * 3 * 3) * 2, 4 * 2 * 5 * 16 * 2
    assert found.forward == first + second == 27648 + 1280
    assert found.backward == first + 2 * second  # nobody asks for the image's gradient
    assert found.total == found.forward + found.backward


def test_segnet_at_width_1_takes_the_operations_of_the_paper_s_layers() -> None:
    model = make_learner(KINDS["ours"], scene_format(32), 1.0).model
    # Multiplications of VGG-16's thirteen convolutions on 224 x 224 pixels: 15.35e9 (He et al. 2015, table 1: 15.3).
    encoder = 15_346_630_656 / (224 / 32) ** 2
    mirrored = encoder - 9 * 3 * 64 * 32**2 + 9 * 64 * 6 * 32**2
    # The decoder narrows in the last convolution of a stage, where the encoder widens in the first.
    assert step_operations(model).forward == pytest.approx(2 * (encoder + mirrored))


def test_layers_that_are_not_counted_are_refused() -> None:
    image = keras.Input((8, 8, 3))
    with pytest.raises(TypeError, match="Dense"):
        step_operations(keras.Model(image, keras.layers.Dense(2)(image)))


@pytest.mark.slow
def test_the_benchmark_prints_its_figures_as_json() -> None:
    sizes = {"widths": 0.02, "size": 32, "batch": 2, "rounds": 2, "steps": 1, "records": 4}
    tiny = [f"--{name}={value}" for name, value in sizes.items()]
    command = [sys.executable, ROOT / "benchmarks" / "bench_train.py", *tiny, "--kinds", "usual", "ours"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    figures = found["width_0.02"]
    assert found["ratio"] == figures["speedup"]["ours"]["median_of_rounds"] > 0
    assert figures["peak_memory_mb"].keys() == figures["share_of_matmul_rate"].keys() == {"usual", "ours"}
    assert all(0 < share["cpu"] < 1 for share in figures["share_of_matmul_rate"].values())
    assert all(peak > 0 for peak in figures["peak_memory_mb"].values())
    assert figures["step_on_records_over_constant_batch"]["best"] > 0
