import keras
import pytest

from components.deeplab.network import deeplabv3plus
from components.encoders.style import LayerStyle


@pytest.mark.parametrize(
    ("output_stride", "rates", "dilated"),
    # Paper, section 4: rates 6, 12 and 18 at stride 16, doubled at stride 8. At 32 they span as much of the ground.
    [(8, [12, 24, 36], {"conv4": 2, "conv5": 4}), (16, [6, 12, 18], {"conv5": 2}), (32, [3, 6, 9], {})],
)
def test_rates_follow_the_output_stride(output_stride: int, rates: list[int], dilated: dict[str, int]):
    image = keras.Input((64, 64, 3))
    outputs = deeplabv3plus(image, 4, LayerStyle(0.9, "float32", 0), width=1 / 8, output_stride=output_stride)
    network = keras.Model(image, outputs["logits"])
    atrous = [layer for layer in network.layers if layer.name.startswith("aspp_rate") and hasattr(layer, "kernel")]
    assert [layer.dilation_rate for layer in atrous] == [(rate, rate) for rate in rates]
    assert {layer.kernel_size for layer in atrous} == {(3, 3)}
    assert {layer.input.shape[1:3] for layer in atrous} == {(64 // output_stride, 64 // output_stride)}
    found = {
        layer.name.removeprefix("encoder_")[:5]: layer.dilation_rate[0]
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D) and "encoder" in layer.name and layer.dilation_rate != (1, 1)
    }
    assert found == dilated


def test_the_decoder_joins_the_context_with_features_of_stride_4():
    image = keras.Input((64, 64, 3))
    network = keras.Model(image, deeplabv3plus(image, 4, LayerStyle(0.9, "float32", 0))["logits"])
    context, edges = network.get_layer("decoder").input
    assert (context.shape, edges.shape) == ((None, 16, 16, 256), (None, 16, 16, 48))
    assert network.get_layer("edges").input is network.get_layer("encoder_conv2_block3_out").output
    # A point, three rates and the whole picture, 256 channels each.
    assert [branch.shape for branch in network.get_layer("aspp").input] == [(None, 4, 4, 256)] * 5
