"""Every loss against the formula in NumPy, and none of them sees void."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.classes import UNKNOWN_ID, VOID_ID
from components.training.loss_options import LossOptions
from components.training.losses import focal_loss, weighted_cross_entropy
from components.training.region_losses import LEVELS, lovasz_softmax, soft_dice_loss
from components.training.total_loss import loss_of_logits, loss_of_outputs

CLASSES = 4
WEIGHTS = np.array([0.5, 1.0, 2.0, 7.0], np.float32)
LOSSES: dict[str, Callable[[object, object], object]] = {
    "cross entropy": lambda logits, label: weighted_cross_entropy(logits, label, WEIGHTS),
    "smoothed": lambda logits, label: weighted_cross_entropy(logits, label, WEIGHTS, 0.3),
    "focal": lambda logits, label: focal_loss(logits, label, WEIGHTS, 1.5),
    "dice": lambda logits, label: soft_dice_loss(logits, label, CLASSES),
    "lovasz": lambda logits, label: lovasz_softmax(logits, label, CLASSES),
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = (2 * rng.normal(size=(2, 5, 6, CLASSES))).astype(np.float32)
    label = rng.integers(0, CLASSES, (2, 5, 6)).astype(np.uint8)
    label[rng.random(label.shape) < 0.3] = VOID_ID
    label[1, 0] = UNKNOWN_ID
    return logits, label


def counted(logits: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Soft-max `(pixels, K)` and class `(pixels,)` of the pixels that count, in float64."""
    rows, ids = logits.reshape(-1, CLASSES).astype(np.float64), label.ravel()
    rows = rows[ids < CLASSES]
    share = np.exp(rows - rows.max(axis=1, keepdims=True))
    return share / share.sum(axis=1, keepdims=True), ids[ids < CLASSES]


def oracle(name: str, logits: np.ndarray, label: np.ndarray) -> float:
    share, ids = counted(logits, label)
    of_truth, weight = share[np.arange(len(ids)), ids], WEIGHTS[ids].astype(np.float64)
    if name == "cross entropy":
        return float(np.mean(-weight * np.log(of_truth)))
    if name == "smoothed":
        truth = 0.7 * np.eye(CLASSES)[ids] + 0.3 / CLASSES
        return float(np.mean(-weight * (truth * np.log(share)).sum(axis=1)))
    if name == "focal":
        return float(np.mean(-weight * (1 - of_truth) ** 1.5 * np.log(of_truth)))
    present = np.unique(ids)
    if name == "dice":
        dice = [2 * share[ids == c, c].sum() / (share[:, c].sum() + (ids == c).sum()) for c in present]
        return float(1 - np.mean(dice))
    return float(np.mean([lovasz_extension(np.abs((ids == c) - share[:, c]), ids == c) for c in present]))


def jaccard_loss(wrong: frozenset[int], truth: frozenset[int]) -> float:
    """1 - IoU of the prediction that is wrong at just these pixels."""
    predicted = truth ^ wrong
    return 1 - len(predicted & truth) / len(predicted | truth)


def lovasz_extension(errors: np.ndarray, truth: np.ndarray) -> float:
    """The definition: set after set, from the largest error on, by the Jaccard loss of whole sets."""
    of_class = frozenset(np.flatnonzero(truth).tolist())
    order = np.argsort(-errors, kind="stable").tolist()
    sets = [jaccard_loss(frozenset(order[:i]), of_class) for i in range(len(order) + 1)]
    return sum(errors[pixel] * (sets[i + 1] - sets[i]) for i, pixel in enumerate(order))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_a_loss_equals_its_formula(name: str, seed: int):
    logits, label = sample(seed)
    assert float(LOSSES[name](logits, label)) == pytest.approx(oracle(name, logits, label), rel=2e-5)


@each_loss
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_what_a_network_says_of_void_changes_nothing_and_teaches_nothing(loss, seed: int):
    logits, label = sample(seed)
    void = label >= CLASSES
    other = np.where(void[..., None], np.random.default_rng(seed + 1).normal(size=logits.shape) * 50, logits)
    results = []
    for values in (logits, other.astype(np.float32)):
        variable = tf.constant(values)
        with tf.GradientTape() as tape:
            tape.watch(variable)
            result = loss(variable, label)
        gradient = tape.gradient(result, variable).numpy()
        assert (gradient[void] == 0).all()
        assert (gradient[~void] != 0).any()
        results.append((float(result), gradient))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_ends_where_the_loss_begins(name: str):
    logits, label = sample(4)
    logits = logits.astype(np.float16)
    loss = LOSSES[name](logits, label)
    assert loss.dtype == "float32"
    assert float(loss) == pytest.approx(oracle(name, logits, label), rel=2e-5)


@each_loss
def test_a_batch_of_void_costs_nothing(loss):
    logits = tf.ones((1, 2, 2, CLASSES))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        result = loss(logits, np.full((1, 2, 2), VOID_ID))
    assert float(result) == 0.0
    assert (tape.gradient(result, logits).numpy() == 0).all()


@each_loss
def test_a_loss_compiled_or_not_is_the_same_and_its_gradient_points_to_the_truth(loss):
    logits, label = sample(7)
    compiled = tf.function(loss, jit_compile=True)
    assert float(compiled(tf.constant(logits), tf.constant(label))) == pytest.approx(
        float(loss(logits, label)), rel=1e-5
    )
    variable = tf.Variable(logits)
    first = float(loss(logits, label))
    for _ in range(30):
        with tf.GradientTape() as tape:
            result = loss(variable, label)
        gradient = tape.gradient(result, variable)
        variable.assign_sub(gradient / tf.norm(gradient))
    assert float(loss(variable, label)) < 0.7 * first


@pytest.mark.parametrize("truth", [0b0001, 0b0110, 0b1111])
def test_lovasz_at_a_certain_prediction_is_the_jaccard_loss_of_the_set(truth: int):
    # Two classes; logits of +-40 make every error 0 or 1. All 16 predictions of 4 pixels.
    label = np.array([[[truth >> i & 1 for i in range(4)]]], np.uint8)
    for predicted in itertools.product((0, 1), repeat=4):
        logits = np.where(np.array(predicted)[None, None, :, None] == np.arange(2), 40.0, -40.0).astype(np.float32)
        expected = []
        for class_id in np.unique(label):
            said, true = np.array(predicted) == class_id, label.ravel() == class_id
            expected.append(1 - (said & true).sum() / (said | true).sum())
        assert float(lovasz_softmax(logits, label, 2)) == pytest.approx(np.mean(expected), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.0, 0.002, 0.02, 0.2, 5.0]))
def test_lovasz_of_many_pixels_in_a_level_is_at_most_a_level_below_the_exact_one(seed: int, scale: float):
    rng = np.random.default_rng(seed)
    logits = (scale * rng.normal(size=(1, 12, 15, CLASSES))).astype(np.float32)
    label = rng.choice([0, 0, 1, 3, VOID_ID], size=(1, 12, 15)).astype(np.uint8)
    found, exact = float(lovasz_softmax(logits, label, CLASSES)), oracle("lovasz", logits, label)
    assert exact - 1 / LEVELS < found < exact + 1e-6
    assert found == pytest.approx(exact, rel=1e-3)


def test_lovasz_of_equal_errors_does_not_depend_on_the_order_of_the_pixels():
    label = np.array([0, 0, 1, 1, 1, 2], np.uint8).reshape(1, 1, 6)
    logits = tf.Variable(np.zeros((1, 1, 6, 3), np.float32))
    with tf.GradientTape() as tape:
        loss = lovasz_softmax(logits, label, 3)
    gradient = tape.gradient(loss, logits).numpy()[0, 0]
    np.testing.assert_allclose(gradient[0], gradient[1], rtol=1e-6)
    np.testing.assert_allclose(gradient[2], gradient[4], rtol=1e-6)
    assert float(loss) == pytest.approx(2 / 3, rel=1e-6)  # the class's own pixels err most, and are all missed


def test_even_logits_cost_the_logarithm_of_the_class_count():
    label = np.zeros((1, 3, 3), np.uint8)
    loss = weighted_cross_entropy(np.zeros((1, 3, 3, 5), np.float32), label, np.ones(5))
    assert float(loss) == pytest.approx(np.log(5))
    # Focal by hand: (1 - 1/5) ** 2 * log 5. Dice of class 0, the only one: 2 * 9/5 / (9/5 + 9) = 1/3.
    logits = np.zeros((1, 3, 3, 5), np.float32)
    assert float(focal_loss(logits, label, np.ones(5), 2.0)) == pytest.approx(0.64 * np.log(5))
    assert float(soft_dice_loss(logits, label, 5)) == pytest.approx(2 / 3)


def test_a_focal_loss_without_focus_is_the_cross_entropy():
    logits, label = sample(3)
    assert float(focal_loss(logits, label, WEIGHTS, 0.0)) == pytest.approx(
        float(weighted_cross_entropy(logits, label, WEIGHTS)), rel=1e-6
    )


def test_a_certain_pixel_has_a_finite_slope():
    logits = tf.constant([[[[60.0, -60.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = focal_loss(logits, np.zeros((1, 1, 1), np.uint8), np.ones(2), 0.5)
    assert np.isfinite(tape.gradient(loss, logits)).all()


def test_losses_are_added_with_their_weights():
    logits, label = sample(5)
    options = LossOptions(cross_entropy=1, focal=0.5, dice=2, lovasz=3, label_smoothing=0.3, focal_gamma=1.5)
    parts = {"smoothed": 1, "focal": 0.5, "dice": 2, "lovasz": 3}
    expected = sum(weight * oracle(name, logits, label) for name, weight in parts.items())
    assert float(loss_of_logits(logits, label, options, WEIGHTS)) == pytest.approx(expected, rel=2e-5)


def test_further_outputs_are_held_against_the_label_in_the_middle_of_each_cell():
    logits, label = sample(6)
    quarter, (half, _) = sample(8)[0][:, :3, :3], sample(9)
    label = label[:, :4, :6]
    outputs = {"logits": logits[:, :4, :6], "auxiliary_2": quarter[:, :2, :3], "auxiliary_a": half[:, :4, :6]}
    options = LossOptions(cross_entropy=1, auxiliary=0.3)
    expected = oracle("cross entropy", outputs["logits"], label) + 0.3 * (
        oracle("cross entropy", outputs["auxiliary_2"], label[:, 1::2, 1::2])
        + oracle("cross entropy", outputs["auxiliary_a"], label)
    )
    assert float(loss_of_outputs(outputs, label, options, WEIGHTS)) == pytest.approx(expected, rel=2e-5)
    alone = LossOptions(cross_entropy=1, auxiliary=0)
    assert float(loss_of_outputs(outputs, label, alone, WEIGHTS)) == pytest.approx(
        oracle("cross entropy", outputs["logits"], label), rel=2e-5
    )


def test_a_loss_is_named_or_weighed():
    assert LossOptions.model_validate("lovasz") == LossOptions(lovasz=1)
    for wrong, message in (
        ("tversky", "there is no loss tversky; choose of cross_entropy, focal, dice, lovasz"),
        ({}, "no loss has a weight above 0"),
        ({"dice": 1, "label_smoothing": 0.1}, "label_smoothing belongs to cross_entropy"),
        ({"dice": 1, "focal_gamma": 1}, "focal_gamma belongs to focal"),
    ):
        with pytest.raises(ValueError, match=message):
            LossOptions.model_validate(wrong)


def test_the_lovasz_gradient_keeps_its_digits_in_a_batch_of_millions_of_pixels():
    pixels = 4_000_000
    rng = np.random.default_rng(0)
    label = (rng.random((1, 1, pixels)) < 0.25).astype(np.uint8)
    logits = tf.Variable(rng.normal(size=(1, 1, pixels, 2)).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = lovasz_softmax(logits, label, 2)
    found = np.asarray(tape.gradient(loss, logits)).reshape(pixels, 2).astype(np.float64)
    shown = np.asarray(tf.nn.softmax(logits, axis=-1)).reshape(pixels, 2)  # float32 decides the order
    expected = np.zeros((pixels, 2))
    for of_class in (0, 1):
        truth = (label.ravel() == of_class).astype(np.float64)
        order = np.argsort(-np.abs(truth.astype(np.float32) - shown[:, of_class]), kind="stable")
        inside, union = truth.sum() - np.cumsum(truth[order]), truth.sum() + np.cumsum(1 - truth[order])
        steps = np.diff(1 - inside / union, prepend=0.0)
        slope = np.empty(pixels)
        slope[order] = steps / 2 * np.sign(shown[order, of_class] - truth[order])  # of the mean of two classes
        product = shown[:, 0].astype(np.float64) * shown[:, 1]
        expected[:, of_class] += slope * product
        expected[:, 1 - of_class] -= slope * product
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-3
