import keras
import numpy as np
import pytest

from components.encoders.batch_norm import BatchNorm
from components.training.optimizer import build_optimizer
from components.training.options import TrainingOptions
from components.training.schedule import WarmupDecay


def rates(schedule: WarmupDecay, *steps: int) -> list[float]:
    return [float(schedule(step)) for step in steps]


def test_the_rate_rises_and_falls():
    # Warm-up of 4: (step + 1) / 5. After it, half of the cosine is done half-way between step 4 and step 12.
    schedule = WarmupDecay(2.0, steps=12, warmup_steps=4, shape="cosine")
    assert rates(schedule, 0, 1, 3, 4, 8, 12) == pytest.approx([0.4, 0.8, 1.6, 2.0, 1.0, 0.0], abs=1e-6)
    assert rates(WarmupDecay(1.0, 10, shape="polynomial"), 0, 5, 10) == pytest.approx([1.0, 0.5**0.9, 0.0])
    assert rates(WarmupDecay(1.0, 10, shape="constant"), 0, 5, 10) == [1.0, 1.0, 1.0]
    steps = WarmupDecay(0.01, 50, shape="steps", decay_at=(0.5, 0.7, 0.9))
    assert rates(steps, 24, 25, 34, 35, 44, 45, 49) == pytest.approx([1e-2, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])


def test_a_schedule_survives_its_configuration():
    for schedule in (WarmupDecay(0.1, 10, 2, "polynomial"), WarmupDecay(0.1, 10, 2, "steps", (0.3, 0.6), 0.5)):
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


@pytest.mark.parametrize("norm", [keras.layers.BatchNormalization, BatchNorm], ids=["keras", "ours"])
@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("kind", ["decoupled", "l2"])
def test_weight_decay_leaves_normalisations_and_biases_alone(
    norm: type[keras.layers.BatchNormalization], name: str, kind: str
):
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(2, 3, kernel_initializer="ones", bias_initializer="ones"),
            norm(beta_initializer="ones"),
            keras.layers.DepthwiseConv2D(2, depthwise_initializer="ones", bias_initializer="ones"),
        ]
    )
    options = TrainingOptions(
        steps=10, optimizer=name, learning_rate=0.1, weight_decay=0.5, weight_decay_kind=kind, schedule="constant"
    )
    optimizer = build_optimizer(options, 10)
    variables = model.trainable_variables
    optimizer.build(variables)
    for _ in range(2):
        optimizer.apply([np.zeros(v.shape, np.float32) for v in variables], variables)
    shrunk = [bool((v.numpy() < 1).all()) for v in variables]
    as_it_was = [bool((v.numpy() == 1).all()) for v in variables]
    # Kernel and bias, gamma and beta, kernel and bias.
    assert shrunk == [True, False, False, False, True, False]
    assert as_it_was == [not value for value in shrunk]


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("kind", ["decoupled", "l2"])
def test_the_encoder_learns_at_its_own_rate(name: str, kind: str):
    def after(rate: float, factor: float) -> list[np.ndarray]:
        """Kernel and bias of an encoder's and of another layer, three steps on."""
        layers = [keras.layers.Dense(2, kernel_initializer="ones") for _ in range(2)]
        for layer in layers:
            layer.build((None, 3))
        variables = [v for layer in layers for v in layer.trainable_variables]
        options = TrainingOptions(
            steps=10, optimizer=name, learning_rate=rate, weight_decay=0.1, weight_decay_kind=kind,
            schedule="constant", encoder_learning_rate_factor=factor,
        )  # fmt: skip
        optimizer = build_optimizer(options, 10, frozenset(v.path for v in layers[0].trainable_variables))
        optimizer.build(variables)
        rng = np.random.default_rng(0)
        for _ in range(3):
            optimizer.apply([rng.normal(size=v.shape).astype(np.float32) for v in variables], variables)
        return [v.numpy() for v in variables]

    halved, slow, fast, still = after(0.1, 0.5), after(0.05, 1.0), after(0.1, 1.0), after(0.1, 0.0)
    for i in range(4):
        np.testing.assert_allclose(halved[i], slow[i] if i < 2 else fast[i], rtol=1e-6)
    assert (still[0] == 1).all()
    assert (still[2] != 1).any()


def test_sgd_with_the_papers_weight_decay_worked_by_hand():
    # Caffe's rule: v = 0.9 v - rate * (gradient + decay * w); w += v.
    options = TrainingOptions(
        steps=10, optimizer="sgd", learning_rate=0.01, weight_decay=5e-4, weight_decay_kind="l2", schedule="constant"
    )
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    layer.build((None, 1))
    optimizer = build_optimizer(options, 10)
    optimizer.build(layer.trainable_variables)
    weight, velocity = 1.0, 0.0
    for gradient in (0.3, -0.2, 0.5):
        velocity = 0.9 * velocity - 0.01 * (gradient + 5e-4 * weight)
        weight += velocity
        optimizer.apply([np.full((1, 1), gradient, np.float32)], layer.trainable_variables)
    assert float(layer.kernel[0, 0]) == pytest.approx(weight, rel=1e-6)


def test_adams_weight_decay_is_part_of_the_gradient():
    # The first step of Adam is the rate times the gradient's sign, whatever its size; AdamW's shrinks the kernel too.
    kernels = {}
    for name in ("adam", "adamw"):
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        layer.build((None, 1))
        optimizer = build_optimizer(TrainingOptions(optimizer=name, learning_rate=0.1, weight_decay=0.5), 10)
        optimizer.build(layer.trainable_variables)
        optimizer.apply([np.zeros((1, 1), np.float32)], layer.trainable_variables)
        kernels[name] = float(layer.kernel[0, 0])
    assert kernels == {"adam": pytest.approx(1 - 0.1, rel=1e-5), "adamw": pytest.approx(1 - 0.1 * 0.5, rel=1e-5)}


def test_gradients_are_clipped_to_their_global_norm():
    layer = keras.layers.Dense(1, kernel_initializer="zeros")
    layer.build((None, 1))
    options = TrainingOptions(
        steps=10, optimizer="sgd", learning_rate=1.0, weight_decay=0, gradient_clip=1.0, schedule="constant"
    )
    optimizer = build_optimizer(options, 10)
    optimizer.build(layer.trainable_variables)
    # Norm of (3, 4) is 5.
    optimizer.apply([np.full((1, 1), 3, np.float32), np.full(1, 4, np.float32)], layer.trainable_variables)
    assert [float(v.numpy().ravel()[0]) for v in layer.trainable_variables] == pytest.approx([-0.6, -0.8], rel=1e-5)


def test_half_precision_scales_the_loss_and_skips_a_step_that_overflows():
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    layer.build((None, 1))
    options = TrainingOptions(optimizer="sgd", learning_rate=0.1, weight_decay=0, precision="mixed_float16")
    optimizer = build_optimizer(options, 10)
    optimizer.build(layer.trainable_variables)
    scale = float(optimizer.scale_loss(1.0))
    assert scale > 1000
    optimizer.apply([np.full((1, 1), np.inf, np.float32)], layer.trainable_variables)
    assert float(layer.kernel[0, 0]) == 1
    assert float(optimizer.scale_loss(1.0)) == scale / 2
    optimizer.apply([np.full((1, 1), scale / 2, np.float32)], layer.trainable_variables)
    assert float(layer.kernel[0, 0]) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("gradients", "movements"), [((3.0, 4.0), (-0.6, -0.8)), ((0.03, 0.04), (-0.03, -0.04))], ids=["long", "short"]
)
def test_half_precision_clips_gradients_free_of_the_scale(gradients: tuple[float, ...], movements: tuple[float, ...]):
    layer = keras.layers.Dense(1, kernel_initializer="zeros")
    layer.build((None, 1))
    options = TrainingOptions(
        steps=10, optimizer="sgd", learning_rate=1.0, weight_decay=0, gradient_clip=1.0, schedule="constant",
        precision="mixed_float16",
    )  # fmt: skip
    optimizer = build_optimizer(options, 10)
    variables = layer.trainable_variables
    optimizer.build(variables)
    # Their norm is 5, or 0.05; times the scale either is far beyond 1.
    scaled = [float(optimizer.scale_loss(gradient)) for gradient in gradients]
    assert min(scaled) > 100
    optimizer.apply([np.full(v.shape, g, np.float32) for v, g in zip(variables, scaled, strict=True)], variables)
    assert [float(v.numpy().ravel()[0]) for v in variables] == pytest.approx(movements, rel=1e-5)


def test_settings_that_nothing_heeds_are_refused():
    for keys, message in (
        ({"decay_at": [0.2]}, "decay_at belongs to schedule: steps"),
        ({"decay_factor": 0.5, "schedule": "polynomial"}, "decay_factor belongs to schedule: steps"),
        ({"effective_number_beta": 0.9}, "effective_number_beta belongs to class_weights: effective_number"),
        ({"max_class_weight": 3, "class_weights": "none"}, "max_class_weight belongs to class_weights that are comp"),
        ({"steps": 10, "profile_steps": [11, 12]}, "come after the last of 10 steps"),
        ({"augmentation": {"per_band": True}}, "per_band belongs to brightness, contrast and gamma"),
    ):
        with pytest.raises(ValueError, match=message):
            TrainingOptions.model_validate(keys)
    kept = TrainingOptions(schedule="steps", decay_at=(0.2,), decay_factor=0.5, class_weights="none")
    assert TrainingOptions.model_validate(kept.model_dump(mode="json")) == kept


def test_a_warmup_that_never_ends_is_refused():
    with pytest.raises(ValueError, match="warmup_steps 10 leaves nothing of 10 steps"):
        TrainingOptions(steps=10, warmup_steps=10)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.7, 0.3), (0.0, 0.5), (0.5, 1.0)])
def test_shares_that_do_not_rise_are_refused(shares: tuple[float, ...]):
    with pytest.raises(ValueError, match="give rising shares of the training between 0 and 1"):
        TrainingOptions(decay_at=shares)


def test_steps_are_counted_from_epochs():
    assert TrainingOptions(epochs=3, batch_size=4).total_steps(records=10) == 8
    assert TrainingOptions(steps=7).total_steps(records=10) == 7
    assert TrainingOptions(batch_size=4).epoch_steps(records=10) == 3
    assert TrainingOptions(steps_per_epoch=5).epoch_steps(records=10) == 5
