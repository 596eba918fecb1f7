"""Session calls without a server: what the model itself can do, as a process (`serving.tuning.worker`).

The same DirectSession that the stock server runs, called from one thread with whole batches.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from components.contract import IMAGE, SCORES_BYTES, SERVING_SIGNATURE
from components.errors import ServingError
from serving.tuning.worker import Job, serve_jobs

_SERVE_TAG = "serve"
_EVEN = 16
"""Pixels a side of the even squares that the images are made of: byte strings shrink as they do on real tiles."""


class DirectModel:
    """A version's serving signature in a session.

    Args:
        folder: The version's folder.

    Attributes:
        input_shape: `(height, width, bands)`.
        outputs: Names of the signature's outputs.
        has_gpu: Whether TensorFlow sees a GPU.

    Raises:
        ServingError: If it is no SavedModel with EOSeg's image input.
    """

    def __init__(self, folder: str) -> None:
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # the loader of the stock server's sessions is "deprecated"
        gpus = tf.config.list_physical_devices("GPU")
        self.has_gpu = bool(gpus)
        config = tf.compat.v1.ConfigProto()
        config.gpu_options.allow_growth = True  # servers share the GPU with it
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            with self._session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, [_SERVE_TAG], folder)
            self._signature = meta_graph.signature_def[SERVING_SIGNATURE]
            info = self._signature.inputs[IMAGE]
            shape = [int(dim.size) for dim in info.tensor_shape.dim][1:]
            if len(shape) != 3 or min(shape) < 1:
                raise ValueError(f"input '{IMAGE}' has shape {shape}")
        except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
            raise ServingError(
                f"{folder} cannot be measured: {error}",
                f"a SavedModel whose signature '{SERVING_SIGNATURE}' takes '{IMAGE}' [batch, height, width, bands]",
                "name a version that `eoseg run` has pushed",
            ) from error
        self.input_shape = (shape[0], shape[1], shape[2])
        self.dtype = tf.dtypes.as_dtype(info.dtype)
        self.outputs = sorted(self._signature.outputs)
        self._calls: dict[str, Any] = {}

    def images(self, count: int) -> Any:
        """Patches `(count, height, width, bands)` in the model's dtype: even squares of random values."""
        height, width, bands = self.input_shape
        rng = np.random.default_rng(0)
        squares = rng.integers(0, 256, (count, -(-height // _EVEN), -(-width // _EVEN), bands))
        pixels = squares.repeat(_EVEN, axis=1).repeat(_EVEN, axis=2)[:, :height, :width]
        return np.ascontiguousarray(pixels.astype(self.dtype.as_numpy_dtype))

    def seconds_per_call(self, output: str, batch_size: int, seconds: float) -> list[float]:
        """Seconds of each of the calls that fit into `seconds`, at least two; the first call of a size, which
        prepares, is not among them.
        """
        call = self._call(output)
        images = self.images(batch_size)
        call(images)
        found: list[float] = []
        until = time.perf_counter() + seconds
        while len(found) < 2 or time.perf_counter() < until:
            began = time.perf_counter()
            call(images)
            found.append(time.perf_counter() - began)
        return found

    def write_request(self, path: Path, model_name: str, output: str, patches: int) -> None:
        """Writes a serialised PredictRequest of so many patches."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = model_name
        request.model_spec.signature_name = SERVING_SIGNATURE
        request.inputs[IMAGE].CopyFrom(tf.make_tensor_proto(self.images(patches)))
        request.output_filter.append(output)
        path.write_bytes(request.SerializeToString())

    def _call(self, output: str) -> Any:
        if output not in self._calls:
            self._calls[output] = self._session.make_callable(
                self._signature.outputs[output].name, [self._signature.inputs[IMAGE].name]
            )
        return self._calls[output]


def default_output(outputs: list[str]) -> str:
    """The output that EOSeg's client asks for when it makes maps; of another model, its first."""
    return SCORES_BYTES if SCORES_BYTES in outputs else outputs[0]


class DirectJobs:
    """The jobs of the process, around one model."""

    def __init__(self) -> None:
        self._model: DirectModel | None = None

    def __call__(self, job: Job) -> Job:
        """Does one job: `open` first, then `time` and `request`.

        Raises:
            ServingError: As `DirectModel`, or if there is no such job.
        """
        kind = job["kind"]
        if kind == "open":
            self._model = DirectModel(job["folder"])
            from components.publishing.warmup import largest_warmup_request

            return {
                "outputs": self._model.outputs,
                "input_shape": self._model.input_shape,
                "has_gpu": self._model.has_gpu,
                "largest_warmup": largest_warmup_request(job["folder"]),
            }
        if self._model is None:
            raise ServingError(f"job '{kind}' before 'open'", "a model")
        if kind == "time":
            found = self._model.seconds_per_call(job["output"], job["batch_size"], job["seconds"])
            return {"seconds_per_call": statistics.median(found), "calls": len(found)}
        if kind == "request":
            self._model.write_request(Path(job["path"]), job["model_name"], job["output"], job["patches"])
            return {}
        raise ServingError(f"there is no job '{kind}'", "open, time or request")


def main() -> None:
    """Serves jobs until the input ends."""
    serve_jobs(DirectJobs())


if __name__ == "__main__":
    main()
