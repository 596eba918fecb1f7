"""A SavedModel that one can do in the head: class k scores what band k holds."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from components import contract
from components.contract import ModelContract


def export_band_scores(folder: Path, model_contract: ModelContract, bias: tuple[int, ...] = (0, 0, 0)) -> Path:
    """Exports it as EOSeg's trainer does; `bias` is added to the classes' scores."""
    size, bands = model_contract.patch_size, len(model_contract.bands)
    spec = tf.TensorSpec([None, size, size, bands], model_contract.dtype, name=contract.IMAGE)

    @tf.function(input_signature=[spec], autograph=False)
    def serve(image: Any) -> dict[str, Any]:
        scores = tf.clip_by_value(tf.cast(image, tf.int32) + tf.constant(bias), 0, 255)
        return {contract.SCORES: tf.cast(scores, tf.uint8), contract.CLASS_IDS: tf.argmax(scores, -1)}

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, str(folder), signatures={contract.SERVING_SIGNATURE: serve})
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / contract.CONTRACT_FILE).write_text(model_contract.model_dump_json())
    return folder
