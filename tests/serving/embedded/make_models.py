"""Models that one can do in the head, saved as TensorFlow 1 and 2 save them."""

from pathlib import Path
from typing import Any

import tensorflow as tf

PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))


def save_half_plus(path: Path, constant: float) -> None:
    """A TensorFlow 1 model with Predict, Classify and Regress signatures: y = x / 2 + constant."""
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        x = v1.placeholder_with_default(
            tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"], [None, 1], name="x"
        )
        y = tf.identity(x * 0.5 + constant, name="y")
        labels = tf.identity(tf.strings.as_string(y), name="labels")
        save_v1(
            session,
            path,
            {
                "serving_default": ({"x": x}, {"y": y, "z": labels}, PREDICT),
                "regress": ({"inputs": examples}, {"outputs": y}, REGRESS),
                "classify": ({"inputs": examples}, {"scores": y}, CLASSIFY),
                "labelled": ({"inputs": examples}, {"scores": y, "classes": labels}, CLASSIFY),
                "two_inputs": ({"inputs": examples, "x": x}, {"outputs": y}, "any"),
            },
        )


def save_half_plus_two(path: Path, constant: float = 2.0) -> None:
    """A TensorFlow 1 model with variables, an asset and a main op: y = x / 2 + constant, y2 = x / 2 + 3, y3 of x2.

    The signatures and tensor names are those that examples of TensorFlow Serving have always had.
    """
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        half, two, three = (v1.Variable(value, name=name) for value, name in ((0.5, "a"), (constant, "b"), (3.0, "c")))
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        features = {
            "x": tf.io.FixedLenFeature([1], tf.float32),
            "x2": tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0]),
        }
        parsed = tf.io.parse_example(examples, features)
        x, x2 = tf.identity(parsed["x"], name="x"), tf.identity(parsed["x2"], name="x2")
        y, y2 = tf.identity(half * x + two, name="y"), tf.identity(half * x + three, name="y2")
        y3 = tf.identity(half * x2 + three, name="y3")
        asset = path.parent.parent / "asset.txt"
        asset.parent.mkdir(parents=True, exist_ok=True)
        asset.write_text("content")
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, tf.constant(str(asset)))
        session.run(v1.global_variables_initializer())
        save_v1(
            session,
            path,
            {
                "serving_default": ({"x": x}, {"y": y}, PREDICT),
                "regress_x_to_y": ({"inputs": examples}, {"outputs": y}, REGRESS),
                "regress_x_to_y2": ({"inputs": examples}, {"outputs": y2}, REGRESS),
                "regress_x2_to_y3": ({"inputs": x2}, {"outputs": y3}, REGRESS),
                "classify_x_to_y": ({"inputs": examples}, {"scores": y}, CLASSIFY),
            },
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=tf.group(v1.global_variables_initializer()),
        )


def save_kinds(path: Path) -> None:
    """Echoes of several dtypes, and a signature whose input `b` has the default 10: sum = a + b."""
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        signatures: dict[str, Any] = {}
        for dtype in (tf.int64, tf.int32, tf.uint8, tf.bool, tf.float64, tf.string, tf.half, tf.uint64):
            value = v1.placeholder(dtype, [None], name=f"in_{dtype.name}")
            out = tf.identity(value, name=f"out_{dtype.name}")
            key = "text_bytes" if dtype == tf.string else "value"
            signatures[dtype.name] = ({"value": value}, {key: out}, PREDICT)
        a, b = v1.placeholder(tf.float32, [None], name="a"), v1.placeholder(tf.float32, [None], name="b")
        signatures["serving_default"] = ({"a": a, "b": b}, {"sum": tf.identity(a + b, name="sum")}, PREDICT)
        save_v1(session, path, signatures, defaults={"serving_default": {"b": [10.0]}})


def save_tf2(path: Path) -> None:
    """A TensorFlow 2 model: y = 3 * 2 * x, and constants by other signatures."""
    root = tf.train.Checkpoint()
    root.v1, root.v2 = tf.Variable(3.0), tf.Variable(2.0)
    spec = [tf.TensorSpec(None, tf.float32, name="x")]
    root.f = tf.function(lambda x: {"y": root.v1 * root.v2 * x}, input_signature=spec)
    root.g = tf.function(lambda x: {"y": 2.0 + 0.0 * x}, input_signature=spec)
    tf.saved_model.save(root, str(path), signatures={"serving_default": root.f, "custom_signature_key": root.g})


def save_v1(session: Any, path: Path, signatures: dict[str, Any], defaults: Any = None, **options: Any) -> None:
    """Saves a session's graph with signatures: name -> (inputs, outputs, method name)."""
    v1 = tf.compat.v1
    info = v1.saved_model.utils.build_tensor_info
    built = {
        name: v1.saved_model.signature_def_utils.build_signature_def(
            {key: info(tensor) for key, tensor in inputs.items()},
            {key: info(tensor) for key, tensor in outputs.items()},
            method,
        )
        for name, (inputs, outputs, method) in signatures.items()
    }
    for name, values in (defaults or {}).items():
        for key, value in values.items():
            built[name].defaults[key].CopyFrom(tf.make_tensor_proto(value, tf.float32))
    builder = v1.saved_model.builder.SavedModelBuilder(str(path))
    builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=built, **options)
    builder.save()
