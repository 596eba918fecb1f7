import keras

from components.encoders.style import LayerStyle
from components.pspnet.network import pspnet


def test_the_pyramid_is_that_of_the_paper():
    image = keras.Input((64, 64, 3))
    outputs = pspnet(image, 4, LayerStyle(0.9, "float32", 0), deep_supervision=True)
    network = keras.Model(image, outputs)
    deepest = network.get_layer("encoder_conv5_block3_out").output
    assert deepest.shape == (None, 8, 8, 2048)  # stride 8
    features, *levels = network.get_layer("pyramid").input
    assert features is deepest
    assert [level.shape for level in levels] == [(None, 8, 8, 512)] * 4
    for bins in (1, 2, 3, 6):
        pooled = network.get_layer(f"pyramid{bins}_mean")
        assert pooled.input is deepest
        assert pooled.output.shape == (None, bins, bins, 2048)
    assert network.get_layer("dropout").rate == 0.1
    assert network.get_layer("auxiliary_conv").input is network.get_layer("encoder_conv4_block6_out").output
