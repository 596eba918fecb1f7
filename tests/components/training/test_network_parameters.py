"""Parameters of the networks at width 1, against the papers and well-known implementations."""

from collections.abc import Callable
from typing import Any

import keras
import pytest

from components.deeplab.network import deeplabv3plus
from components.encoders.style import LayerStyle
from components.fcn.network import fcn
from components.pspnet.network import pspnet
from components.segnet.network import SegNetDesign, segnet
from components.unet.network import unet

RESNET50 = 23_587_712 - 53_120  # less the moving statistics: 2 for each of the 26,560 normalised channels
BRANCHES = (("optical", (0, 1, 2)), ("height", (3, 4, 5)))


def trainable(
    network: Callable[..., dict[str, Any]], *args: Any, bands: int = 3, classes: int = 6, **kwargs: Any
) -> int:
    image = keras.Input((64, 64, bands))
    outputs = network(image, classes, LayerStyle(0.9, "float32", 0), *args, **kwargs)
    model = keras.Model(image, outputs["logits"])
    return sum(variable.shape.num_elements() for variable in (v.value for v in model.trainable_variables))


def norm(kernel: int, channels: int, filters: int) -> int:
    """Of a convolution without bias and its batch normalisation."""
    return kernel * kernel * channels * filters + 2 * filters


def test_unet():
    levels = (64, 128, 256, 512, 1024)
    down = sum(norm(3, before, now) + norm(3, now, now) for before, now in zip((3, *levels), levels, strict=False))
    up = sum(4 * 2 * n * n + n + norm(3, 2 * n, n) + norm(3, n, n) for n in levels[-2::-1])
    assert trainable(unet, classes=2) == down + up + 64 * 2 + 2 == 31_037_698
    # The paper's, with biases (5,888) in the place of normalisations (11,776), is the classic 31.03 M:
    assert 31_037_698 - 5_888 == 31_031_810


def test_fcn():
    scores = 6 * (2048 + 1024 + 512) + 3 * 6
    assert trainable(fcn) == RESNET50 + scores == 23_556_114


def test_pspnet():
    pyramid = 4 * norm(1, 2048, 512)
    head = norm(3, 2048 + 4 * 512, 512) + 512 * 6 + 6
    assert trainable(pspnet) == RESNET50 + pyramid + head


def test_deeplabv3plus():
    pyramid = 2 * norm(1, 2048, 256) + 3 * norm(3, 2048, 256) + norm(1, 5 * 256, 256)
    decoder = norm(1, 256, 48) + norm(3, 256 + 48, 256) + norm(3, 256, 256) + 256 * 6 + 6
    assert trainable(deeplabv3plus) == RESNET50 + pyramid + decoder


@pytest.mark.parametrize(
    ("design", "bands", "expected"),
    [
        (SegNetDesign(), 3, 29_446_470),
        # Two more kernels on 64 channels: 25 and 49 pixels, 6 classes, and their biases.
        (SegNetDesign(classifier_kernels=(3, 5, 7)), 3, 29_446_470 + (25 + 49) * 64 * 6 + 12),
        # 3 x 3 kernels on what the decoder has at 1/2, 1/4 and 1/8.
        (SegNetDesign(deep_supervision=True), 3, 29_446_470 + 9 * (64 + 128 + 256) * 6 + 18),
        # A second encoder: 14,710,464 in kernels, 4,224 channels with bias, scale and shift.
        (SegNetDesign(fusion="fusenet", branches=BRANCHES), 6, 29_446_470 + 14_710_464 + 3 * 4_224),
        # A third, whose first convolution sees 128 channels in the place of 3.
        (
            SegNetDesign(fusion="vfusenet", branches=BRANCHES),
            6,
            29_446_470 + 2 * (14_710_464 + 3 * 4_224) + 9 * 125 * 64,
        ),
        # Two networks, and convolutions from 128 channels to 64, 64 and 6.
        (
            SegNetDesign(fusion="residual_correction", branches=BRANCHES),
            6,
            2 * 29_446_470 + norm(3, 128, 64) + norm(3, 64, 64) + 9 * 64 * 6 + 6,
        ),
    ],
)
def test_segnet(design: SegNetDesign, bands: int, expected: int):
    assert trainable(segnet, design, bands=bands) == expected
