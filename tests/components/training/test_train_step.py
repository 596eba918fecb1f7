"""One step on one device; on several: `test_strategy.py`."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf

from components.training.learner import build_learner
from components.training.options import TrainingOptions
from components.training.total_loss import loss_of_outputs
from components.training.train_step import train_step


def build_two_headed(*, dtype: str, auxiliary: bool = False, pretrained: bool = True) -> keras.Model:
    image = keras.Input((4, 4, 2))
    features = keras.layers.Dense(3, name="shared", kernel_initializer=keras.initializers.HeNormal(1))(image)
    outputs = {"logits": keras.layers.Dense(2, name="main")(features)}
    if auxiliary:
        half = keras.layers.AveragePooling2D(2)(features)
        outputs["auxiliary_2"] = keras.layers.Dense(2, name="further")(half)
    return keras.Model(image, outputs if auxiliary else outputs["logits"])


def test_further_outputs_are_learnt_from_with_their_weight_and_are_not_exported():
    rng = np.random.default_rng(0)
    image = tf.constant(rng.normal(size=(3, 4, 4, 2)), tf.float32)
    label = tf.constant(rng.integers(0, 2, (3, 4, 4)), tf.uint8)
    for weight in (0.0, 0.4):
        training = TrainingOptions(steps=5, optimizer="sgd", loss={"cross_entropy": 1, "auxiliary": weight})
        learner = build_learner(build_two_headed, training, 5, tf.distribute.get_strategy(), pretrained=False)
        assert learner.exported.output.shape == (None, 4, 4, 2)
        before = {v.path: v.numpy() for v in learner.model.trainable_variables}
        loss_of = partial(loss_of_outputs, options=training.loss, class_weights=np.ones(2, np.float32))
        outputs = learner.model(image)
        expected = float(loss_of(outputs if isinstance(outputs, dict) else {"logits": outputs}, label))
        assert float(train_step(learner, loss_of, jit_compile=False)(image, label)) == np.float32(expected)
        changed = {
            n for n, v in zip(before, learner.model.trainable_variables, strict=True) if (v.numpy() != before[n]).any()
        }
        assert any("further" in name for name in changed) == (weight > 0)
        assert any("main" in name for name in changed)
        # The exported network shares the variables it keeps.
        logits = learner.model(image)
        logits = logits["logits"] if isinstance(logits, dict) else logits
        np.testing.assert_array_equal(learner.exported(image), logits)
