"""Layers of one piece of ground, and what a page of them weighs."""

import base64
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.classes import VOID_ID, ClassTable, LandClass
from tfx_pipeline.report.layers import LEAST_SIDE_PX, Ground, Layers, layers_of, within_budget

TABLE = ClassTable(classes=(LandClass(name="a", color=(10, 20, 30)), LandClass(name="b", color=(200, 100, 0))))


def opened(layers: Layers) -> dict[str, np.ndarray]:
    return {
        key: np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))
        for key, uri in layers.uris
    }


def ground(height: int, width: int) -> Ground:
    ids = np.zeros((height, width), np.uint8)
    ids[:, width // 2 :] = 1
    return Ground(np.full((height, width, 3), 90, np.uint8), ids, ids, np.full((height, width), 80, np.uint8))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60))
def test_all_layers_have_one_size_within_the_bound(height: int, width: int, most: int) -> None:
    layers = layers_of(ground(height, width), TABLE, most)
    shapes = {picture.shape[:2] for picture in opened(layers).values()}
    assert shapes == {(layers.height, layers.width)}
    assert max(layers.height, layers.width) <= max(most, 1)
    if max(height, width) <= most:
        assert (layers.height, layers.width) == (height, width)


def test_shrunk_layers_stay_registered() -> None:
    layers = opened(layers_of(ground(40, 80), TABLE, 20))
    assert layers["prediction"].shape[:2] == (10, 20)
    for name in ("truth", "prediction"):
        assert (layers[name][:, :10, :3] == TABLE.colors[0]).all()
        assert (layers[name][:, 10:, :3] == TABLE.colors[1]).all()


def test_class_ids_are_picked_and_never_mixed() -> None:
    rng = np.random.default_rng(3)
    ids = rng.integers(0, 2, (64, 64)).astype(np.uint8)
    shown = opened(layers_of(Ground(np.zeros((64, 64, 3), np.uint8), ids), TABLE, 17))["prediction"]
    colors = {tuple(color) for color in shown[..., :3].reshape(-1, 3).tolist()}
    assert colors == set(TABLE.colors)


def test_without_truth_there_are_no_errors_to_show() -> None:
    bare = Ground(np.zeros((4, 4, 3), np.uint8), np.full((4, 4), VOID_ID, np.uint8))
    assert [key for key, _ in layers_of(bare, TABLE, 4).uris] == ["image", "prediction"]


@given(st.integers(1, 10**7), st.integers(LEAST_SIDE_PX, 2000), st.integers(1, 60), st.floats(0.01, 4))
def test_the_budget_is_kept_or_pictures_are_as_small_as_may_be(budget: int, side: int, many: int, rate: float) -> None:
    tried = []

    def encode(side_px: int) -> list[int]:
        tried.append(side_px)
        return [round(rate * side_px * side_px)] * many

    made = within_budget(budget, side, encode, lambda weight: weight)
    assert sum(made) <= budget or tried[-1] == LEAST_SIDE_PX
    assert tried[0] == side
    assert tried == sorted(tried, reverse=True)
    assert len(tried) <= 4


def test_what_fits_is_not_shrunk() -> None:
    assert within_budget(100, 512, lambda side: [side // 512], lambda weight: weight) == [1]
    assert within_budget(0, 512, lambda side: [], lambda weight: weight) == []
