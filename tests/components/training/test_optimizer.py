import keras
import numpy as np
import pytest

from components.training.optimizer import WarmupDecay, build_optimizer
from components.training.options import TrainingOptions


def rates(schedule: WarmupDecay, *steps: int) -> list[float]:
    return [float(schedule(step)) for step in steps]


def test_the_rate_rises_and_falls():
    # Warm-up of 4: (step + 1) / 5. After it, half of the cosine is done half-way between step 4 and step 12.
    schedule = WarmupDecay(2.0, steps=12, warmup_steps=4, shape="cosine")
    assert rates(schedule, 0, 1, 3, 4, 8, 12) == pytest.approx([0.4, 0.8, 1.6, 2.0, 1.0, 0.0], abs=1e-6)
    assert rates(WarmupDecay(1.0, 10, shape="polynomial"), 0, 5, 10) == pytest.approx([1.0, 0.5**0.9, 0.0])
    assert rates(WarmupDecay(1.0, 10, shape="constant"), 0, 5, 10) == [1.0, 1.0, 1.0]


def test_a_schedule_survives_its_configuration():
    schedule = WarmupDecay(0.1, 10, 2, "polynomial")
    assert rates(WarmupDecay.from_config(schedule.get_config()), 1, 7) == rates(schedule, 1, 7)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weight_decay_shrinks_kernels_only(name: str):
    options = TrainingOptions(steps=10, optimizer=name, learning_rate=0.1, weight_decay=0.5)
    optimizer = build_optimizer(options, 10)
    layer = keras.layers.Conv2D(2, 3, bias_initializer="ones")
    layer.build((None, 4, 4, 1))
    kernel = layer.kernel.numpy()
    optimizer.build(layer.trainable_variables)
    optimizer.apply([np.zeros(v.shape, np.float32) for v in layer.trainable_variables], layer.trainable_variables)
    np.testing.assert_allclose(layer.kernel, kernel * (1 - 0.1 * 0.5), rtol=1e-5)
    np.testing.assert_array_equal(layer.bias, [1, 1])


def test_a_warmup_that_never_ends_is_refused():
    with pytest.raises(ValueError, match="warmup_steps 10 leaves nothing of 10 steps"):
        TrainingOptions(steps=10, warmup_steps=10)


def test_steps_are_counted_from_epochs():
    assert TrainingOptions(epochs=3, batch_size=4).total_steps(records=10) == 8
    assert TrainingOptions(steps=7).total_steps(records=10) == 7
    assert TrainingOptions(batch_size=4).epoch_steps(records=10) == 3
    assert TrainingOptions(steps_per_epoch=5).epoch_steps(records=10) == 5
