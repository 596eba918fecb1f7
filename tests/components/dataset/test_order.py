import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.dataset.order import balanced_weights, epoch_order
from components.errors import DataError


@st.composite
def labelled_splits(draw: st.DrawFn) -> np.ndarray:
    """Class fractions of 1 to 12 patches without void, over 1 to 5 classes that all occur."""
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    pixels = draw(arrays(np.int64, shape, elements=st.integers(0, 100) | st.just(0)))
    assume((pixels.sum(axis=1) > 0).all() and (pixels.sum(axis=0) > 0).all())
    return pixels / pixels.sum(axis=1, keepdims=True)


def test_the_formula():
    # Totals are 1 + 0.5 + 0 = 1.5 and 0 + 0.25 + 0 = 0.25; the void patch has no class pixel.
    fraction = np.array([[1.0, 0.0], [0.5, 0.25], [0.0, 0.0]], np.float32)
    expected = [(1 / 1.5) / 2, (0.5 / 1.5 + 0.25 / 0.25) / 2, 0]
    np.testing.assert_allclose(balanced_weights(fraction), expected, rtol=1e-12)


def test_patches_of_one_class_each_are_drawn_in_perfect_balance():
    fraction = np.eye(3)[[0] * 90 + [1] * 9 + [2]]
    np.testing.assert_allclose(balanced_weights(fraction) @ fraction, [1 / 3, 1 / 3, 1 / 3])


@given(labelled_splits())
def test_each_class_is_the_reason_of_as_many_draws(fraction):
    # Pick a class, then a patch by its share of that class: the weights are the mean of those K distributions.
    by_class = [column / column.sum() for column in fraction.T]
    np.testing.assert_allclose(balanced_weights(fraction), np.mean(by_class, axis=0), atol=1e-12)


@given(labelled_splits())
def test_the_pixels_drawn_are_no_farther_from_balance_than_the_pixels_there_are(fraction):
    there = fraction.mean(axis=0)
    drawn = balanced_weights(fraction) @ fraction
    balance = 1 / fraction.shape[1]
    assert drawn.sum() == pytest.approx(1)
    assert ((drawn - balance) ** 2 / there).sum() <= ((there - balance) ** 2 / there).sum() + 1e-9


@given(labelled_splits(), st.integers(0, 5))
def test_void_patches_and_absent_classes_have_no_part(fraction, place: int):
    place = min(place, fraction.shape[1])
    wider = np.insert(np.vstack([fraction, np.zeros(fraction.shape[1])]), place, 0.0, axis=1)
    weights = balanced_weights(wider)
    assert weights[-1] == 0
    np.testing.assert_allclose(weights[:-1], balanced_weights(fraction), atol=1e-12)


def test_draws_follow_the_weights_and_never_take_a_void_patch():
    weights = np.array([0.5, 0.0, 0.3, 0.2])
    draws = np.concatenate([epoch_order(4, 7, epoch, weights) for epoch in range(2000)])
    shares = np.bincount(draws, minlength=4) / len(draws)
    assert shares[1] == 0
    # 8000 draws: a standard deviation is at most sqrt(0.25 / 8000) = 0.0056.
    np.testing.assert_allclose(shares, weights, atol=4 * 0.0056)


@pytest.mark.parametrize("weights", [None, np.full(50, 1 / 50)], ids=["uniform", "weighted"])
def test_order_depends_on_seed_and_epoch_alone(weights):
    orders = {(seed, epoch): tuple(epoch_order(50, seed, epoch, weights)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(set(orders.values())) == 4
    assert all(len(order) == 50 for order in orders.values())
    for (seed, epoch), order in reversed(orders.items()):
        assert tuple(epoch_order(50, seed, epoch, weights)) == order


def test_without_weights_every_patch_comes_once():
    assert sorted(epoch_order(50, 3, 1)) == list(range(50))


def test_a_split_without_labels_cannot_be_balanced():
    with pytest.raises(DataError, match="none of the 3 training patches has a pixel of any class") as caught:
        balanced_weights(np.zeros((3, 2), np.float32))
    assert "training.sampling: uniform" in caught.value.remedy
