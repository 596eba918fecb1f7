"""A scene is reproducible, plausible, and no gift to a trivial classifier."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from tfx_pipeline.sample_scenes.options import SceneOptions
from tfx_pipeline.sample_scenes.scene import CLASS_NAMES, Scene, generate_scene

# The smallest tile that must show every class.
SEEDS, SIZE_PX, DISTANCE_M = (1, 2, 3, 4, 5), 384, 0.5
IMPERVIOUS, BUILDING, LOW_VEGETATION, TREE, CAR, CLUTTER = range(6)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [
        generate_scene(
            SceneOptions(seed=seed, height_px=SIZE_PX, width_px=SIZE_PX, ground_sample_distance_m=DISTANCE_M)
        )
        for seed in SEEDS
    ]


def shares(class_ids: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of each class, float64 (6,)."""
    return np.asarray(np.bincount(class_ids.ravel(), minlength=len(CLASS_NAMES)) / class_ids.size)


def ndvi(scene: Scene) -> NDArray[np.float64]:
    near, red = (scene.irrg[..., band].astype(float) for band in (0, 1))
    return np.asarray((near - red) / np.maximum(near + red, 1), np.float64)


def best_threshold_scores(values: NDArray[np.float64], class_ids: NDArray[np.uint8]) -> tuple[float, float]:
    """(overall accuracy, mean IoU over six classes) of the best threshold, each side given its best class."""
    bins = np.digitize(values.ravel(), np.linspace(-1, 1, 201))
    table = np.zeros((202, 6))
    np.add.at(table, (bins, class_ids.ravel()), 1)
    below = table.cumsum(axis=0)
    total = below[-1]
    best_accuracy = best_mean_iou = 0.0
    for low in range(6):
        for high in range(6):
            hits_low, hits_high = below[:, low], total[high] - below[:, high]
            size_low, size_high = below.sum(axis=1), total.sum() - below.sum(axis=1)
            best_accuracy = max(best_accuracy, float((hits_low + hits_high).max() / total.sum()))
            if low != high:
                iou_low = hits_low / (size_low + total[low] - hits_low)
                iou_high = hits_high / (size_high + total[high] - hits_high)
                best_mean_iou = max(best_mean_iou, float((iou_low + iou_high).max() / 6))
    return best_accuracy, best_mean_iou


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    height_px=st.integers(16, 70),
    width_px=st.integers(16, 70),
    distance_m=st.sampled_from([0.09, 0.2, 0.5, 1.0]),
)
def test_equal_options_give_equal_bytes_of_the_promised_shapes(
    seed: int, height_px: int, width_px: int, distance_m: float
) -> None:
    options = SceneOptions(seed=seed, height_px=height_px, width_px=width_px, ground_sample_distance_m=distance_m)
    first, second = generate_scene(options), generate_scene(options)
    for name, dtype, depth in (
        ("irrg", np.uint8, (3,)),
        ("rgb", np.uint8, (3,)),
        ("surface_height_m", np.float32, ()),
        ("class_ids", np.uint8, ()),
    ):
        one, other = getattr(first, name), getattr(second, name)
        assert one.dtype == dtype
        assert one.shape == (height_px, width_px, *depth)
        assert one.tobytes() == other.tobytes()
    assert first.class_ids.max() < len(CLASS_NAMES)
    assert np.isfinite(first.surface_height_m).all()


def test_another_seed_is_another_place() -> None:
    one, other = (generate_scene(SceneOptions(seed=seed, height_px=64, width_px=64)) for seed in (1, 2))
    assert (one.irrg != other.irrg).mean() > 0.9
    assert (one.class_ids != other.class_ids).mean() > 0.3


def test_transform_and_crs_are_in_metres_of_a_projected_system(scenes: list[Scene]) -> None:
    scene, options = scenes[0], SceneOptions()
    assert scene.crs.is_projected
    assert scene.transform[:6] == (DISTANCE_M, 0.0, options.west_m, 0.0, -DISTANCE_M, options.north_m)


def test_image_bands_that_both_images_have_are_the_same(scenes: list[Scene]) -> None:
    for scene in scenes:
        np.testing.assert_array_equal(scene.irrg[..., 1:], scene.rgb[..., :2])


def test_every_class_is_in_every_tile(scenes: list[Scene]) -> None:
    for seed, scene in zip(SEEDS, scenes, strict=True):
        assert shares(scene.class_ids).min() > 0.001, f"seed {seed}: {shares(scene.class_ids)}"


def test_classes_are_as_common_as_in_a_town(scenes: list[Scene]) -> None:
    common = np.mean([shares(scene.class_ids) for scene in scenes], axis=0)
    for class_id, low, high in (
        (IMPERVIOUS, 0.25, 0.37),
        (BUILDING, 0.18, 0.30),
        (LOW_VEGETATION, 0.18, 0.28),
        (TREE, 0.10, 0.25),
        (CAR, 0.008, 0.025),
        (CLUTTER, 0.008, 0.045),
    ):
        assert low < common[class_id] < high, f"{CLASS_NAMES[class_id]}: {common[class_id]:.3f}"


def test_majority_class_scores_low(scenes: list[Scene]) -> None:
    class_ids = np.stack([scene.class_ids for scene in scenes])
    share = shares(class_ids).max()
    assert share < 0.45  # its overall accuracy
    assert share / 6 < 0.08  # its mean IoU: its own IoU is its share, the other five are 0
    assert all(shares(scene.class_ids).max() < 0.5 for scene in scenes)


def test_best_ndvi_threshold_scores_low(scenes: list[Scene]) -> None:
    accuracy, mean_iou = best_threshold_scores(
        np.stack([ndvi(scene) for scene in scenes]), np.stack([scene.class_ids for scene in scenes])
    )
    assert accuracy < 0.65
    assert mean_iou < 0.25  # 2 / 6 would be two classes without a fault


def test_ndvi_tells_not_even_vegetation_for_sure(scenes: list[Scene]) -> None:
    """Dry grass, bare soil and autumn crowns have less than some roofs."""
    values = np.concatenate([ndvi(scene).ravel() for scene in scenes])
    class_ids = np.concatenate([scene.class_ids.ravel() for scene in scenes])
    grown = np.isin(class_ids, (LOW_VEGETATION, TREE))
    best = max(float(((values > threshold) == grown).mean()) for threshold in np.linspace(-0.2, 0.6, 81))
    assert 0.7 < best < 0.93


def test_height_alone_scores_low(scenes: list[Scene]) -> None:
    """Roofs and crowns are equally high, and streets lie on the level of lawns."""
    above = np.stack([scene.surface_height_m - np.median(scene.surface_height_m) for scene in scenes])
    _, mean_iou = best_threshold_scores(np.clip(above / 30, -1, 1), np.stack([scene.class_ids for scene in scenes]))
    assert mean_iou < 0.25


def test_roofs_crowns_and_cars_stand_above_the_street(scenes: list[Scene]) -> None:
    for scene in scenes:
        level = np.median(scene.surface_height_m[scene.class_ids == IMPERVIOUS])
        heights = {
            class_id: float(np.median(scene.surface_height_m[scene.class_ids == class_id]) - level)
            for class_id in (BUILDING, TREE, LOW_VEGETATION)
        }
        assert heights[BUILDING] > 2.5
        assert heights[TREE] > 1.5
        assert abs(heights[LOW_VEGETATION]) < 3


def test_light_and_colour_differ_from_tile_to_tile(scenes: list[Scene]) -> None:
    means = np.array([scene.irrg[scene.class_ids == IMPERVIOUS].mean(axis=0) for scene in scenes])
    assert np.ptp(means.mean(axis=1)) > 8  # exposure, in grey values
    assert np.ptp(means[:, 0] / means[:, 2]) > 0.05  # cast


@pytest.mark.parametrize(
    "wrong",
    [{"seed": -1}, {"height_px": 8}, {"ground_sample_distance_m": 5.0}, {"ground_sample_distance_m": 0.0}, {"gsd": 1}],
)
def test_options_that_make_no_scene_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SceneOptions.model_validate(wrong)
