import numpy as np
import pytest

from components.classes import VOID_ID
from components.dataset.augment_options import AugmentOptions
from components.dataset.order import balanced_weights, epoch_order
from components.dataset.patch_dataset import evaluation_batches, training_batches
from components.dataset.record_index import index_records
from components.dataset.statistics import split_statistics

AS_IT_IS = AugmentOptions(flips=False, quarter_turns=False)


@pytest.fixture(scope="module")
def patches(make_patch):
    return [make_patch(i) for i in range(7)]


@pytest.fixture(scope="module")
def split(tmp_path_factory, patches, write_patches, record_format):
    path = write_patches(tmp_path_factory.mktemp("records") / "train", patches)
    return index_records([path]), record_format, split_statistics([path], record_format)


def batches(split, augmentation=AS_IT_IS, *, batch_size=3, seed=5, start_step=0, stop_step=7, sampling="uniform"):
    dataset = training_batches(
        *split, augmentation, batch_size=batch_size, seed=seed, start_step=start_step, stop_step=stop_step,
        sampling=sampling,
    )  # fmt: skip
    return [(image.numpy(), label.numpy()) for image, label in dataset]


def test_every_patch_comes_once_an_epoch_as_it_was_written(split, patches):
    images = np.concatenate([image for image, _ in batches(split)])
    labels = np.concatenate([label for _, label in batches(split)])
    numbers = images[:, 0, 0, 0]
    assert images.dtype == np.uint16
    # 7 steps of 3 are 3 epochs of 7.
    for epoch in range(3):
        np.testing.assert_array_equal(numbers[epoch * 7 : epoch * 7 + 7], epoch_order(7, 5, epoch))
    for image, label, number in zip(images, labels, numbers, strict=True):
        np.testing.assert_array_equal(image, patches[number].image)
        np.testing.assert_array_equal(label, patches[number].label)


@pytest.mark.parametrize("sampling", ["uniform", "class_balanced"])
@pytest.mark.parametrize("start", [1, 4, 6])
def test_a_resumed_run_sees_what_an_unbroken_one_sees(split, start: int, sampling):
    options = AugmentOptions(brightness=0.2, contrast=0.2)
    unbroken = batches(split, options, sampling=sampling)[start:]
    resumed = batches(split, options, start_step=start, sampling=sampling)
    assert len(unbroken) == len(resumed) == 7 - start
    for (image, label), (image_again, label_again) in zip(unbroken, resumed, strict=True):
        np.testing.assert_array_equal(image, image_again)
        np.testing.assert_array_equal(label, label_again)


each_variation = pytest.mark.parametrize(
    "asked",
    [{"rotation": 30.0}, {"scale": 0.5}, {"channel_dropout": 1.0}, {"cutout": 0.25}],
    ids=lambda keys: next(iter(keys)),
)


@each_variation
def test_what_is_asked_of_every_patch_reaches_every_batch(split, asked: dict[str, float]):
    varied = batches(split, AS_IT_IS.model_copy(update=asked))
    (images, labels), (plain_images, plain_labels) = (
        [np.concatenate(part) for part in zip(*seen, strict=True)] for seen in (varied, batches(split))
    )
    assert (images.dtype, labels.dtype) == (plain_images.dtype, plain_labels.dtype)
    assert (images != plain_images).any(axis=(1, 2, 3)).all()
    assert set(np.unique(labels)) <= {0, 1, 2, VOID_ID}
    # Labels move with the pixels, and a hole's are void; a band that is gone costs none.
    assert (labels != plain_labels).any() == ("channel_dropout" not in asked)


@each_variation
def test_a_patch_is_varied_anew_in_each_step_and_alike_with_an_equal_seed(
    tmp_path, make_patch, write_patches, record_format, asked: dict[str, float]
):
    path = write_patches(tmp_path / "train", [make_patch(0)])
    alone = index_records([path]), record_format, split_statistics([path], record_format)
    options = AS_IT_IS.model_copy(update=asked)

    def images(seed: int) -> list[np.ndarray]:
        return [image for image, _ in batches(alone, options, batch_size=8, seed=seed, stop_step=2)]

    (first, second), again, (other, _) = images(5), images(5), images(6)
    assert (first != second).any()
    assert (first != other).any()
    np.testing.assert_array_equal(again, [first, second])


def test_class_balanced_batches_are_drawn_by_the_records_own_fractions(
    tmp_path, make_patch, write_patches, record_format
):
    # One patch of class 1 among five of class 0, and one that is void.
    labels = [0, 0, 1, 0, VOID_ID, 0, 0]
    patches = [make_patch(i, label=np.full((8, 8), class_id, np.uint8)) for i, class_id in enumerate(labels)]
    path = write_patches(tmp_path / "train", patches)
    statistics = split_statistics([path], record_format)
    seen = batches((index_records([path]), record_format, statistics), sampling="class_balanced", stop_step=70)
    numbers = np.concatenate([image[:, 0, 0, 0] for image, _ in seen])
    weights = balanced_weights(statistics.class_fraction)
    np.testing.assert_allclose(weights, [0.1, 0.1, 0.5, 0.1, 0, 0.1, 0.1])
    np.testing.assert_array_equal(numbers, np.concatenate([epoch_order(7, 5, epoch, weights) for epoch in range(30)]))
    # 210 draws, half of them expected to be of class 1: a standard deviation is sqrt(210 / 4) = 7.2 draws.
    assert abs((numbers == 2).sum() - 105) < 4 * 7.2
    assert 4 not in numbers


def test_a_batch_may_be_larger_than_the_split(split):
    (image, _), *rest = batches(split, batch_size=10, stop_step=1)
    assert not rest
    assert len(set(image[:7, 0, 0, 0])) == 7


def test_evaluation_sees_each_record_once_and_fills_up_with_void(split, patches):
    index, record_format, _ = split
    seen = [(i.numpy(), b.numpy()) for i, b in evaluation_batches(index, record_format, 4)]
    images, labels = (np.concatenate(part) for part in zip(*seen, strict=True))
    assert len(labels) == 8
    np.testing.assert_array_equal(images[:7], [patch.image for patch in patches])
    np.testing.assert_array_equal(labels[:7], [patch.label for patch in patches])
    assert (labels[7] == VOID_ID).all()


def test_evaluation_leaves_out_what_a_neighbour_counts(tmp_path, make_patch, write_patches, record_format):
    patch = make_patch(0, fresh_row=3, fresh_col=6)
    index = index_records([write_patches(tmp_path / "eval", [patch])])
    ((_, label),) = evaluation_batches(index, record_format, 1)
    expected = np.full((8, 8), VOID_ID)
    expected[3:, 6:] = patch.label[3:, 6:]
    np.testing.assert_array_equal(label[0], expected)
