"""The network itself, in this process, as the scorer of a tile's patches: the exported model without a server.

The SavedModel runs in a TensorFlow 1 session, as in the stock server, and of the serving signature's outputs the
session computes the scores alone. Called as a function, the signature computes all of them: every patch would also be
coded as PNG and as bytes.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import ValidationError
from tensorflow.python.saved_model import loader_impl

from components.contract import CONTRACT_FILE, IMAGE, SCORES, SERVING_SIGNATURE, ModelContract
from components.errors import DataError
from components.file_systems import local_copy, read_text

_SERVE_TAG = "serve"
_MOST_WAITING = 3
"""Requests that wait while one runs: the network is never idle while rows are blended and counted."""


def read_contract(saved_model: str) -> ModelContract:
    """The contract in `assets.extra` of a SavedModel's folder, on any file system.

    Raises:
        DataError: If there is none, or it is no contract.
    """
    path = f"{saved_model.rstrip('/')}/assets.extra/{CONTRACT_FILE}"
    text = read_text(path)
    try:
        return ModelContract.model_validate_json(text or "")
    except ValidationError as error:
        raise DataError(
            f"{path} {'is not there' if text is None else 'cannot be read'}",
            "the contract that EOSeg's trainer writes beside a SavedModel",
            "train again with this EOSeg, or name a model that it exported",
        ) from error


class SavedModelScorer:
    """A `components.mapping.score_rows.Scorer` over a SavedModel; thread-safe until it is closed.

    Use it in a `with` block, or close it. Patches are scored in a thread of its own, request by request, while the
    caller goes on; the network uses all cores inside TensorFlow.

    Args:
        saved_model: The SavedModel's folder, on any file system; it is not read again later.
        patches_per_request: The batch.
        threads: Of one operation; 0 leaves it to TensorFlow. In one process the first session decides for all.

    Attributes:
        contract: Of the model.
        patches_per_request, most_waiting: See `Scorer`.

    Raises:
        DataError: If it is no SavedModel of EOSeg's.
    """

    def __init__(self, saved_model: str, patches_per_request: int = 16, threads: int = 0) -> None:
        self.contract = read_contract(saved_model)
        self.patches_per_request = patches_per_request
        self.most_waiting = _MOST_WAITING
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads)
        config.gpu_options.allow_growth = True
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            with local_copy(saved_model) as folder:
                meta_graph = loader_impl.SavedModelLoader(str(folder)).load(self._session, [_SERVE_TAG])
            signature = meta_graph.signature_def[SERVING_SIGNATURE]
            wanted = [signature.outputs[SCORES].name, signature.inputs[IMAGE].name]
            self._run = self._session.make_callable(wanted[0], [wanted[1]])
        except (OSError, KeyError, ValueError, RuntimeError, tf.errors.OpError) as error:
            self._session.close()
            raise DataError(
                f"{saved_model} cannot be loaded: {getattr(error, 'message', error)}",
                f"a SavedModel with the signature {SERVING_SIGNATURE} from '{IMAGE}' to '{SCORES}'",
                "run the training step again",
            ) from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")

    def __enter__(self) -> "SavedModelScorer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
        """Scores `(n, size, size, K)` uint8, probability times 255, of `(n, size, size, bands)` patches."""
        return self._thread.submit(self._run, patches)

    def close(self) -> None:
        """Waits for what runs, drops what waits, and frees the network."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._session.close()
