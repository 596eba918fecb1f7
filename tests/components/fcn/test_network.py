import keras
import numpy as np

from components.encoders.style import LayerStyle
from components.fcn.network import fcn


def test_scores_of_three_strides_are_added_from_the_coarsest_up():
    image = keras.Input((64, 64, 3))
    network = keras.Model(image, fcn(image, 4, LayerStyle(0.9, "float32", 0), width=1 / 8)["logits"])
    scores = [network.get_layer(f"score_{stride}").output for stride in (32, 16, 8)]
    assert [score.shape for score in scores] == [(None, 2, 2, 4), (None, 4, 4, 4), (None, 8, 8, 4)]
    for stride, end in ((8, "conv3_block4_out"), (16, "conv4_block6_out"), (32, "conv5_block3_out")):
        assert network.get_layer(f"score_{stride}").input is network.get_layer(f"encoder_{end}").output
    picture = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
    total, *finer, logits = keras.Model(image, [*scores, network.output])(picture, training=False)
    for score in (*finer, None):
        size = (64, 64) if score is None else score.shape[1:3]
        total = keras.ops.image.resize(total, size, interpolation="bilinear")
        total = total if score is None else total + score
    np.testing.assert_allclose(logits, total, rtol=1e-4, atol=1e-5)
