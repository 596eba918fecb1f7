from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.embedded.status import StatusError
from serving.embedded.tensors import decode_tensor, encode_tensor, packed_varints

NUMERIC = [
    types_pb2.DT_FLOAT,
    types_pb2.DT_DOUBLE,
    types_pb2.DT_INT8,
    types_pb2.DT_UINT8,
    types_pb2.DT_INT16,
    types_pb2.DT_UINT16,
    types_pb2.DT_INT32,
    types_pb2.DT_UINT32,
    types_pb2.DT_INT64,
    types_pb2.DT_UINT64,
    types_pb2.DT_BOOL,
    types_pb2.DT_HALF,
    types_pb2.DT_COMPLEX64,
    types_pb2.DT_COMPLEX128,
]


@st.composite
def arrays(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    dtype = draw(st.sampled_from(NUMERIC))
    numpy_dtype = tf.dtypes.as_dtype(dtype).as_numpy_dtype
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    return draw(hnp.arrays(numpy_dtype, shape)), dtype


def slowly_encoded(array: np.ndarray, dtype: int) -> Any:
    """The typed fields as protobuf itself fills them, value by value."""
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    flat = array.ravel()
    if dtype == types_pb2.DT_FLOAT:
        proto.float_val.extend(flat.tolist())
    elif dtype == types_pb2.DT_DOUBLE:
        proto.double_val.extend(flat.tolist())
    elif dtype == types_pb2.DT_COMPLEX64:
        proto.scomplex_val.extend(flat.view(np.float32).tolist())
    elif dtype == types_pb2.DT_COMPLEX128:
        proto.dcomplex_val.extend(flat.view(np.float64).tolist())
    elif dtype == types_pb2.DT_INT64:
        proto.int64_val.extend(flat.tolist())
    elif dtype == types_pb2.DT_UINT32:
        proto.uint32_val.extend(flat.tolist())
    elif dtype == types_pb2.DT_UINT64:
        proto.uint64_val.extend(flat.tolist())
    elif dtype == types_pb2.DT_BOOL:
        proto.bool_val.extend(flat.tolist())
    elif dtype == types_pb2.DT_HALF:
        proto.half_val.extend(flat.view(np.uint16).tolist())
    else:
        proto.int_val.extend(flat.tolist())
    return proto


@given(arrays())
def test_typed_fields_are_those_protobuf_would_write(given_array: tuple[np.ndarray, int]) -> None:
    array, dtype = given_array
    proto = tensor_pb2.TensorProto()
    encode_tensor(array, dtype, proto)
    assert proto.SerializeToString(deterministic=True) == slowly_encoded(array, dtype).SerializeToString(
        deterministic=True
    )
    assert not proto.tensor_content


@given(arrays())
def test_what_is_encoded_is_decoded(given_array: tuple[np.ndarray, int]) -> None:
    array, dtype = given_array
    proto = tensor_pb2.TensorProto()
    encode_tensor(array, dtype, proto)
    np.testing.assert_array_equal(decode_tensor("x", proto), array)
    content = tensor_pb2.TensorProto(dtype=dtype, tensor_content=array.tobytes())
    for size in array.shape:
        content.tensor_shape.dim.add().size = size
    np.testing.assert_array_equal(decode_tensor("x", content), array)


@given(hnp.arrays(object, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0), elements=st.binary(max_size=6)))
def test_strings_come_back(array: np.ndarray) -> None:
    proto = tensor_pb2.TensorProto()
    encode_tensor(array, types_pb2.DT_STRING, proto)
    decoded = decode_tensor("x", proto)
    assert decoded.shape == array.shape
    assert decoded.tolist() == array.tolist()


def test_a_short_field_repeats_its_last_value() -> None:
    proto = tf.make_tensor_proto(0.0, shape=[3])
    proto.float_val[:] = [1.0, 2.0]
    assert decode_tensor("x", proto).tolist() == [1, 2, 2]


@pytest.mark.parametrize("values", [[0, 1, 127, 128, 16383, 16384, 2**31 - 1], [-1, -(2**31)]])
def test_varints_are_seven_bits_a_byte(values: list[int]) -> None:
    proto = tensor_pb2.TensorProto()
    proto.int_val.extend(values)
    payload = proto.SerializeToString()[2:]
    assert packed_varints(np.array(values, np.int32)) == payload


def malformed(**fields: Any) -> Any:
    proto = tensor_pb2.TensorProto(**{key: value for key, value in fields.items() if key != "shape"})
    for size in fields.get("shape", ()):
        proto.tensor_shape.dim.add().size = size
    return proto


@pytest.mark.parametrize(
    "proto",
    [
        malformed(dtype=types_pb2.DT_FLOAT, shape=[2], tensor_content=b"1234"),
        malformed(dtype=types_pb2.DT_INVALID, shape=[1]),
        malformed(dtype=types_pb2.DT_FLOAT, shape=[-1], float_val=[1.0]),
        malformed(dtype=types_pb2.DT_FLOAT, shape=[2**62, 2**62], float_val=[1.0]),
        malformed(dtype=types_pb2.DT_FLOAT, shape=[2**40], float_val=[1.0]),
        malformed(dtype=types_pb2.DT_RESOURCE, shape=[1]),
        malformed(dtype=types_pb2.DT_VARIANT, shape=[1]),
        malformed(dtype=9999, shape=[1]),
        malformed(dtype=types_pb2.DT_STRING, shape=[2**40], string_val=[b"x"]),
    ],
)
def test_malformed_tensors_are_refused_by_name(proto: Any) -> None:
    with pytest.raises(StatusError, match="INVALID_ARGUMENT: tensor parsing error: image"):
        decode_tensor("image", proto)
