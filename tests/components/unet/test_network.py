import keras
import pytest

from components.encoders.style import LayerStyle
from components.unet.network import unet


def test_each_level_gets_the_encoders_features_of_its_size_before_the_pooling():
    image = keras.Input((64, 64, 3))
    network = keras.Model(image, unet(image, 4, LayerStyle(0.9, "float32", 0), width=1 / 8)["logits"])
    for level, channels in ((4, 64), (3, 32), (2, 16), (1, 8)):
        skip, below = network.get_layer(f"decoder{level}_skip").input
        assert skip is network.get_layer(f"encoder_level{level}_conv2_relu").output
        assert skip.shape == below.shape == (None, 64 // 2 ** (level - 1), 64 // 2 ** (level - 1), channels)
        assert network.get_layer(f"decoder{level}_up").strides == (2, 2)


@pytest.mark.parametrize(
    ("encoder", "ends"),
    [
        ("resnet50", ["conv4_block6_out", "conv3_block4_out", "conv2_block3_out", "conv1_relu"]),
        (
            "mobilenet_v3_large",
            ["expanded_conv_11_add", "expanded_conv_5_add", "expanded_conv_2_add", "expanded_conv_add"],
        ),
    ],
)
def test_an_encoder_gives_the_last_features_of_each_size(encoder: str, ends: list[str]):
    image = keras.Input((64, 64, 3))
    network = keras.Model(image, unet(image, 4, LayerStyle(0.9, "float32", 0), encoder=encoder)["logits"])
    for level, end in zip((5, 4, 3, 2), ends, strict=True):
        skip, below = network.get_layer(f"decoder{level}_skip").input
        assert skip is network.get_layer(f"encoder_{end}").output
        assert skip.shape[1:3] == below.shape[1:3]
    assert network.get_layer("decoder1_up").output.shape[1:3] == (64, 64)
