"""Arrays into pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from components.classes import VOID_ID, ClassTable, LandClass
from tfx_pipeline.report import pictures

TABLE = ClassTable(classes=(LandClass(name="a", color=(10, 20, 30)), LandClass(name="b", color=(200, 100, 0))))


def test_the_stretch_spans_the_2nd_to_the_98th_percentile() -> None:
    pixels = np.arange(101, dtype=np.uint16).reshape(1, 101, 1).repeat(4, axis=2) * 10
    stretch = pictures.find_stretch(pixels)
    assert stretch.bands == (0, 1, 2)
    assert stretch.low.tolist() == [20, 20, 20]
    assert stretch.high.tolist() == [980, 980, 980]
    shown = pictures.stretched(pixels, stretch)
    assert shown[0, [0, 2, 50, 98, 100], 0].tolist() == [0, 0, 127, 255, 255]  # 50: (500 - 20) / 960 * 255 = 127.5


def test_one_band_is_shown_in_grey() -> None:
    pixels = np.array([[[0.0], [1.0], [np.nan]]], np.float32)
    shown = pictures.stretched(pixels, pictures.find_stretch(pixels))
    assert shown.shape == (1, 3, 3)
    assert (shown[..., 0] == shown[..., 2]).all()
    assert shown[0, 2].tolist() == [0, 0, 0]


def test_an_even_image_and_one_without_valid_pixels_have_a_stretch() -> None:
    even = np.full((4, 4, 3), 7, np.uint8)
    assert pictures.stretched(even, pictures.find_stretch(even)).max() == 0
    assert pictures.find_stretch(even, np.zeros((4, 4), bool)).low.tolist() == [0, 0, 0]


@given(arrays.arrays(np.uint8, (5, 6, 3)))
def test_an_adapted_stretch_never_blows_up_noise(pixels: np.ndarray) -> None:
    stretch = pictures.Stretch((0, 1, 2), np.zeros(3), np.full(3, 100.0))
    adapted = pictures.adapted(stretch, pixels)
    assert ((adapted.high - adapted.low) >= 100 * pictures.LEAST_RANGE - 1e-9).all()


def test_a_dark_patch_is_brightened_about_its_own_middle() -> None:
    stretch = pictures.Stretch((0, 1, 2), np.zeros(3), np.full(3, 100.0))
    adapted = pictures.adapted(stretch, np.full((4, 4, 3), 10, np.uint8))
    assert adapted.low == pytest.approx([-10] * 3)  # 10 - 0.4 * 100 / 2
    assert adapted.high == pytest.approx([30] * 3)


def test_class_ids_get_their_colours_and_void_is_see_through() -> None:
    ids = np.array([[0, 1], [VOID_ID, 254]], np.uint8)
    shown = np.asarray(pictures.class_picture(ids, TABLE).convert("RGBA"))
    assert shown[0, 0].tolist() == [10, 20, 30, 255]
    assert shown[0, 1].tolist() == [200, 100, 0, 255]
    assert (shown[1, :, 3] < 255).all()


def test_errors_are_red_and_the_rest_is_see_through() -> None:
    truth = np.array([[0, 1], [VOID_ID, 1]], np.uint8)
    predicted = np.array([[0, 0], [0, 1]], np.uint8)
    shown = np.asarray(pictures.error_overlay(truth, predicted, 2).convert("RGBA"))
    red, green, blue, alpha = shown[0, 1]
    assert red > 200
    assert green < 60
    assert blue < 90
    assert alpha == 255
    assert shown[0, 0, 3] == shown[1, 1, 3] == 0  # right
    assert 0 < shown[1, 0, 3] < 255  # void: hatched


def test_confidence_brightens_and_nodata_is_hatched() -> None:
    percent = np.array([[0, 40, 100, 255]], np.uint8)
    shown = np.asarray(pictures.confidence_picture(percent).convert("RGBA")).astype(int)
    brightness = shown[0, :3, :3].sum(axis=-1)
    assert brightness[0] < brightness[1] < brightness[2]
    assert shown[0, :3, 3].tolist() == [255] * 3
    assert shown[0, 3, 3] < 255


def test_palette_pictures_survive_png() -> None:
    import base64
    import io

    from PIL import Image

    ids = np.array([[0, 1, VOID_ID]], np.uint8)
    picture = pictures.class_picture(ids, TABLE)
    data = base64.b64decode(pictures.png_uri(picture).partition(",")[2])
    again = Image.open(io.BytesIO(data)).convert("RGBA")
    assert np.array_equal(np.asarray(again), np.asarray(picture.convert("RGBA")))
