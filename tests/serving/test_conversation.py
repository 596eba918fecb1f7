import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from components.classes import ClassTable
from components.contract import ModelContract
from components.errors import ServingError
from serving.call_error import CallError
from serving.conversation import Conversation, decode_class_ids, decode_scores, join, split, write_image
from serving.predict_messages import VERSION_STATES, message_class


@pytest.fixture
def contract(table: ClassTable) -> ModelContract:
    return ModelContract(patch_size=2, bands=("grey",), dtype="uint8", table=table)


def status(**states: str) -> Any:
    response = message_class("tensorflow.serving.GetModelStatusResponse")()
    for version, state in states.items():
        entry = response.model_version_status.add(version=int(version[1:]), state=VERSION_STATES[state])
        entry.status.error_message = "no such op" if state == "END" else ""
    return response


def test_images_travel_as_raw_bytes() -> None:
    patches = np.arange(2 * 4 * 4 * 3, dtype=np.uint16).reshape(2, 4, 4, 3)
    proto = message_class("tensorflow.TensorProto")()
    write_image(proto, patches)
    assert proto.tensor_content == patches.tobytes()
    assert [dim.size for dim in proto.tensor_shape.dim] == [2, 4, 4, 3]
    assert proto.dtype == 17  # DT_UINT16


def test_the_newest_version_that_is_available_is_taken() -> None:
    asked = Conversation("host:1", "m")
    assert asked.newest_version(status(v1="AVAILABLE", v2="AVAILABLE", v3="LOADING")) == 2


def test_no_available_version_says_in_which_states_they_are() -> None:
    with pytest.raises(ServingError, match=r"host:1 has no version of 'm'.*version 1: END no such op; version 2: LOAD"):
        Conversation("host:1", "m").newest_version(status(v1="END", v2="LOADING"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_what_is_split_is_joined_again(size: int, contract: ModelContract) -> None:
    patches = np.arange(7 * 2 * 2, dtype=np.uint8).reshape(7, 2, 2)
    parts = split(patches, size)
    assert max(map(len, parts)) <= size
    np.testing.assert_array_equal(join(parts, "class_ids_bytes", contract), patches)


def png(pixels: NDArray[np.uint8]) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_answers_that_contradict_the_contract_are_refused(contract: ModelContract) -> None:
    ids = np.array([[0, 1], [2, 0]], np.uint8)
    np.testing.assert_array_equal(decode_class_ids([png(ids)], contract), ids[None])
    with pytest.raises(ServingError, match=r"a PNG of \(3, 3\)"):
        decode_class_ids([png(np.zeros((3, 3), np.uint8))], contract)
    with pytest.raises(ServingError, match="no PNG"):
        decode_class_ids([b"oops"], contract)
    with pytest.raises(ServingError, match="11 bytes a patch"):
        decode_scores([b"0" * 12, b"0" * 11], contract)  # 2 x 2 pixels of 3 classes


def test_an_answer_for_another_number_of_patches_is_refused(contract: ModelContract) -> None:
    response = message_class("tensorflow.serving.PredictResponse")()
    response.outputs["scores_bytes"].string_val.append(b"0" * 12)
    with pytest.raises(ServingError, match="1 patches for 2"):
        Conversation("host:1", "m").read_prediction(response, "scores_bytes", 2, contract)


def test_a_model_that_is_none_of_ours_is_told_so() -> None:
    told = Conversation("host:1", "m").explain(CallError("no signature", code="FAILED_PRECONDITION"))
    assert "does not describe itself" in told.problem
    with pytest.raises(ServingError, match="cannot be read"):
        Conversation("host:1", "m").read_description(message_class("tensorflow.serving.PredictResponse")())


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(CallError("a", "b", "c", code="UNAVAILABLE")))
    assert (error.code, str(error)) == ("UNAVAILABLE", "a\n  expected: b\n  to fix:   c")


def test_a_request_keeps_its_version_when_another_thread_repins() -> None:
    conversation = Conversation("host:1", "m", label="stable")
    assert conversation.repin()
    spec = conversation.predict_request(np.zeros((1, 4, 4, 3), np.uint8), "scores_bytes", 7).model_spec
    assert (spec.version.value, spec.version_label) == (7, "")
