"""One SavedModel in a TensorFlow 1 session: the same DirectSession that the stock server runs.

`Session.run` casts dtypes silently and eager signatures word their errors otherwise, so runs go through the C call
beneath `Session.run`.
"""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.saved_model import loader_impl

from serving.embedded.status import Code, StatusError, not_found

SERVE_TAG = "serve"


class SavedModelSession:
    """A loaded SavedModel; thread-safe until it is closed.

    Args:
        path: The version's directory.
        tags: The meta graph's tags.
        config: A `tf.compat.v1.ConfigProto`, or None.

    Attributes:
        signatures: Signature name -> `SignatureDef`, with `__saved_model_init_op`.

    Raises:
        StatusError: If there is no such model, or it cannot be loaded.
    """

    def __init__(self, path: str, tags: Sequence[str] = (SERVE_TAG,), config: Any = None) -> None:
        if not any(tf.io.gfile.exists(f"{path}/{name}") for name in ("saved_model.pb", "saved_model.pbtxt")):
            raise not_found(f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}")
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            meta_graph = loader_impl.SavedModelLoader(str(path)).load(self._session, list(tags))
            self._session._extend_graph()
        except tf.errors.OpError as error:
            self.close()
            raise StatusError(Code(error.error_code), error.message) from error
        except Exception as error:  # a damaged model fails in many ways: parsing, missing functions, wrong tags
            self.close()
            code = Code.NOT_FOUND if isinstance(error, RuntimeError) and "tags" in str(error) else Code.INTERNAL
            raise StatusError(code, f"{type(error).__name__}: {error}") from error
        self.signatures: dict[str, Any] = dict(meta_graph.signature_def.items())
        self._outputs_by_name: dict[str, Any] = {}

    def run(
        self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str], timeout: float | None = None
    ) -> list[NDArray[Any]]:
        """Runs the graph once.

        Args:
            feeds: Tensor name -> value.
            fetches: Tensor names.
            timeout: Seconds after which the run is given up, or None.

        Returns:
            One array a fetch.

        Raises:
            StatusError: With the code and the text of the kernel that failed.
        """
        options = None
        if timeout is not None:
            run_options = tf.compat.v1.RunOptions(timeout_in_ms=max(1, int(timeout * 1000)))
            options = pywrap_tf_session.TF_NewBufferFromString(run_options.SerializeToString())
        try:
            feed_dict = {self._tensor(name): value for name, value in feeds.items()}
            results = self._session._call_tf_sessionrun(
                options, feed_dict, [self._tensor(name) for name in fetches], [], None
            )
        except tf.errors.OpError as error:
            raise StatusError(Code(error.error_code), error.message, quotes_request=True) from error
        finally:
            if options is not None:
                pywrap_tf_session.TF_DeleteBuffer(options)
        return [_as_array(result) for result in results]

    def close(self) -> None:
        """Frees the session and its graph; a Keras graph holds cycles, hence the collection."""
        self._session.close()
        self._outputs_by_name = {}
        gc.collect()

    def _tensor(self, name: str) -> Any:
        output = self._outputs_by_name.get(name)
        if output is None:
            qualified = name if ":" in name else f"{name}:0"
            try:
                output = self._session.graph.get_tensor_by_name(qualified)._as_tf_output()
            except (KeyError, ValueError) as error:
                raise not_found(f"FeedInputs: unable to find feed output {name}") from error
            self._outputs_by_name[name] = output
        return output


def _as_array(result: Any) -> NDArray[Any]:
    if isinstance(result, bytes):  # a scalar string
        scalar = np.empty((), object)
        scalar[()] = result
        return scalar
    return np.asarray(result)


def version_path(base_path: str, child: str) -> str:
    """The directory of a version; object-store URLs stay as they are."""
    return f"{base_path.rstrip('/')}/{child}" if "://" in base_path else str(Path(base_path) / child)
