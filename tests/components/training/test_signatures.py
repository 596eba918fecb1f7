import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.classes import VOID_ID
from components.contract import ModelContract
from components.evaluation.erosion import erode_boundaries
from components.records.patch_example import encode_patch
from components.training.networks import build_network
from components.training.options import NetworkOptions
from components.training.signatures import export_saved_model, model_contract, raw_bytes


@pytest.fixture(scope="module")
def model(record_format) -> keras.Model:
    model = build_network(NetworkOptions(width=1 / 8), record_format, [100.0, 128.0], [60.0, 12.0], seed=3)
    rng = np.random.default_rng(0)
    # Random shifts and statistics, so that no class wins everywhere and batch normalisation is not the identity.
    model.set_weights([w + rng.uniform(0, 0.2, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def exported(model, record_format, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("exported") / "model"
    export_saved_model(model, record_format, str(folder))
    return str(folder)


class V1Session:
    """The model as TensorFlow Serving runs it: through a session of TensorFlow 1."""

    def __init__(self, folder: str) -> None:
        with tf.Graph().as_default():
            self._session = tf.compat.v1.Session()
            self.signatures = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], folder).signature_def

    def __call__(self, signature: str, value: object) -> dict[str, np.ndarray]:
        definition = self.signatures[signature]
        (given,) = definition.inputs.values()
        return self._session.run({k: v.name for k, v in definition.outputs.items()}, {given.name: value})


@pytest.fixture(scope="module")
def served(exported: str) -> V1Session:
    return V1Session(exported)


@pytest.fixture(scope="module")
def patches(make_patch) -> list:
    return [make_patch(i) for i in range(6)]


@pytest.fixture(scope="module")
def images(patches) -> np.ndarray:
    return np.stack([patch.image for patch in patches])


@pytest.fixture(scope="module")
def records(patches, record_format) -> list[bytes]:
    return [encode_patch(patch, record_format.table.names, record_format.bands) for patch in patches]


def shapes(tensors: dict) -> dict:
    return {
        name: (tf.as_dtype(info.dtype).name, [dim.size for dim in info.tensor_shape.dim])
        for name, info in tensors.items()
    }


def test_the_signatures_are_those_of_the_contract(served: V1Session):
    found = {
        name: (shapes(definition.inputs), shapes(definition.outputs))
        for name, definition in served.signatures.items()
        if not name.startswith("__")
    }
    assert found == {
        "serving_default": (
            {"image": ("uint8", [-1, 32, 32, 2])},
            {
                "class_ids": ("uint8", [-1, 32, 32]),
                "scores": ("uint8", [-1, 32, 32, 3]),
                "class_ids_bytes": ("string", [-1]),
                "scores_bytes": ("string", [-1]),
            },
        ),
        "serve_examples": (
            {"examples": ("string", [-1])},
            {"class_ids": ("uint8", [-1, 32, 32]), "class_ids_bytes": ("string", [-1])},
        ),
        "evaluate": (
            {"examples": ("string", [-1])},
            {"confusion": ("float32", [-1, 9]), "eroded_confusion": ("float32", [-1, 9])},
        ),
        "describe": ({"query": ("string", [-1])}, {"contract": ("string", [-1])}),
    }


def test_the_server_says_what_the_keras_model_says(served, model, images):
    logits = model(images, training=False).numpy()
    answer = served("serving_default", images)
    assert len(np.unique(answer["class_ids"])) > 1
    # The two graphs may add in another order: where two classes are as good as equal, either is right.
    margin = np.diff(np.sort(logits, axis=-1)[..., -2:], axis=-1)[..., 0]
    differs = answer["class_ids"] != logits.argmax(axis=-1)
    assert (margin[differs] < 1e-3).all()
    share = np.exp(logits - logits.max(axis=-1, keepdims=True))
    share /= share.sum(axis=-1, keepdims=True)
    assert np.abs(answer["scores"].astype(int) - np.round(share * 255)).max() <= 1


@pytest.mark.parametrize("batch", [1, 2, 6])
def test_bytes_say_the_same_as_numbers_for_any_batch(served, images, batch: int):
    answer = served("serving_default", images[:batch])
    for i in range(batch):
        assert answer["scores_bytes"][i] == answer["scores"][i].tobytes()
        np.testing.assert_array_equal(tf.io.decode_png(answer["class_ids_bytes"][i])[..., 0], answer["class_ids"][i])
        assert answer["class_ids_bytes"][i].startswith(b"\x89PNG")


def test_a_patch_alone_gets_the_answer_it_gets_in_a_batch(served, images):
    together, alone = served("serving_default", images), served("serving_default", images[4:5])
    assert (alone["class_ids"][0] != together["class_ids"][4]).mean() < 0.01
    assert np.abs(alone["scores"][0].astype(int) - together["scores"][4]).max() <= 1


def test_records_give_the_same_as_images(served, images, records):
    answer, expected = served("serve_examples", records), served("serving_default", images)
    np.testing.assert_array_equal(answer["class_ids"], expected["class_ids"])
    assert list(answer["class_ids_bytes"]) == list(expected["class_ids_bytes"])


def test_evaluate_counts_fresh_pixels_that_are_not_void(served, images, records, patches):
    predicted = served("serving_default", images)["class_ids"]
    expected = np.zeros((len(patches), 3, 3))
    for i, patch in enumerate(patches):
        for row in range(patch.fresh_row, 32):
            for col in range(patch.fresh_col, 32):
                if patch.label[row, col] < 3:
                    expected[i, patch.label[row, col], predicted[i, row, col]] += 1
    assert expected.sum() < 6 * (32 * 32 - 16)  # some patches have a stale part
    np.testing.assert_array_equal(served("evaluate", records)["confusion"], expected.reshape(-1, 9))


def test_evaluate_leaves_boundaries_out_of_the_eroded_matrix(served, patches, record_format):
    # One patch whose own eroded truth drops the right half; of the others, reduced twice, a disc of 3 // 2 pixels.
    ignored = np.zeros((32, 32), bool)
    ignored[:, 16:] = True
    mixed = [replace(patches[0], fresh_row=0, fresh_col=0, ignored=ignored), replace(patches[1], fresh_row=0)]
    records = [encode_patch(patch, record_format.table.names, record_format.bands) for patch in mixed]
    predicted = served("serving_default", np.stack([patch.image for patch in mixed]))["class_ids"]
    expected = np.zeros((2, 3, 3))
    truths = [np.where(ignored, VOID_ID, mixed[0].label), erode_boundaries(mixed[1].label, 1)]
    for i, (truth, patch) in enumerate(zip(truths, mixed, strict=True)):
        counted = (truth < 3) & (np.arange(32) >= patch.fresh_col)
        np.add.at(expected[i], (truth[counted], predicted[i][counted]), 1)
    np.testing.assert_array_equal(served("evaluate", records)["eroded_confusion"], expected.reshape(-1, 9))


def test_the_contract_travels_in_the_model_and_beside_it(served, exported, record_format):
    contract = ModelContract.model_validate_json((Path(exported) / "assets.extra/eoseg_contract.json").read_text())
    assert contract == model_contract(record_format)
    assert (contract.patch_size, contract.downsample, contract.bands) == (32, 2, ("gray", "noise"))
    answers = served("describe", [b"", b"anything"])["contract"]
    assert [ModelContract.model_validate(json.loads(answer)) for answer in answers] == [contract, contract]


def test_it_loads_as_tensorflow_2_too(exported, images, served):
    function = tf.saved_model.load(exported).signatures["serving_default"]
    np.testing.assert_array_equal(
        function(image=tf.constant(images))["class_ids"], served("serving_default", images)["class_ids"]
    )


def test_raw_bytes_are_cut_right_for_every_batch_size():
    values = np.random.default_rng(0).integers(0, 256, (130, 3, 5, 2)).astype(np.uint8)
    for batch in (0, 1, 2, 127, 130):
        assert list(raw_bytes(tf.constant(values[:batch])).numpy()) == [patch.tobytes() for patch in values[:batch]]
