"""What a client asks of a served model, and what the answers mean: requests and responses without a connection."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from components import contract as wire
from components.contract import ModelContract
from components.errors import ConfigError, ServingError
from serving.call_error import CallError
from serving.predict_messages import DATA_TYPES, VERSION_STATES, message_class

_TENSOR_TYPES = {
    "uint8": DATA_TYPES["DT_UINT8"],
    "uint16": DATA_TYPES["DT_UINT16"],
    "int16": DATA_TYPES["DT_INT16"],
    "float32": DATA_TYPES["DT_FLOAT"],
}
_REMEDY = "serve a version that `eoseg run` has pushed, or correct --model-name"


class Conversation:
    """Requests to one version of one model; remembers which version and what its contract is.

    Args:
        address: For error messages.
        model_name: As served.
        version: The version to ask; None takes the newest that is available.
        label: In place of a version: the one that has this label at the first request.

    Attributes:
        version: The version that requests go to; None until it is known.
        contract: What the model wants and gives; None until it is known.

    Raises:
        ConfigError: If version and label are both given.
    """

    def __init__(self, address: str, model_name: str, version: int | None = None, label: str | None = None) -> None:
        if version is not None and label is not None:
            raise ConfigError(f"version {version} and label '{label}' are both given", "one of them", "leave one out")
        self.address = address
        self.model_name = model_name
        self.label = label
        self._asked_version = version
        self.version = version
        self.contract: ModelContract | None = None

    def repin(self) -> bool:
        """Forgets the version, so that the newest, or the label's, is asked for anew; False if a number was given."""
        if self._asked_version is not None:
            return False
        self.version = self.contract = None
        return True

    def status_request(self) -> Any:
        """Asks which versions are there: of all, or of the one that was given."""
        request = message_class("tensorflow.serving.GetModelStatusRequest")()
        request.model_spec.name = self.model_name
        if self._asked_version is not None:
            request.model_spec.version.value = self._asked_version
        return request

    def newest_version(self, status: Any) -> int:
        """The highest version that is available.

        Raises:
            ServingError: If there is none; says in which states they are.
        """
        entries = status.model_version_status
        available = [entry.version for entry in entries if entry.state == VERSION_STATES["AVAILABLE"]]
        if available:
            return int(max(available))
        names = {number: name for name, number in VERSION_STATES.items()}
        states = "; ".join(
            f"version {entry.version}: {names.get(entry.state, entry.state)} {entry.status.error_message}".strip()
            for entry in entries
        )
        raise ServingError(
            f"the model server at {self.address} has no version of '{self.model_name}' that is available"
            + f" ({states})" * bool(states),
            "at least one" if self._asked_version is None else f"version {self._asked_version}",
            "look at the server's log for why its versions failed",
        )

    def describe_request(self) -> Any:
        """Asks for the contract: of the version, or of the label's where the version is not yet known."""
        request = self._request(wire.DESCRIBE_SIGNATURE)
        query = request.inputs[wire.QUERY]
        query.dtype = DATA_TYPES["DT_STRING"]
        query.tensor_shape.dim.add().size = 1
        query.string_val.append(b"contract")
        return request

    def read_description(self, response: Any) -> ModelContract:
        """The contract; remembers it and the version that answered.

        The server echoes the version and never the label, so from here on the label's version is asked by number.

        Raises:
            ServingError: If the answer is none of EOSeg's.
        """
        try:
            contract = ModelContract.model_validate_json(response.outputs[wire.CONTRACT].string_val[0])
        except (IndexError, ValidationError) as error:
            raise ServingError(
                f"model '{self.model_name}' at {self.address} describes itself in a way that cannot be read: {error}",
                "a contract as this EOSeg writes it",
                _REMEDY,
            ) from error
        if self.version is None:
            self.version = int(response.model_spec.version.value)
        self.contract = contract
        return contract

    def explain(self, error: CallError) -> ServingError:
        """What it means that a request for the contract failed."""
        if error.code == "INVALID_ARGUMENT" and self.version is None and "label" in error.problem:
            return ServingError(
                f"model '{self.model_name}' at {self.address} has no label '{self.label}': {error.problem}",
                "a label that the server's model config gives to a version",
                "correct the label, or ask for a version by number",
            )
        if error.code in ("FAILED_PRECONDITION", "INVALID_ARGUMENT"):
            return ServingError(
                f"model '{self.model_name}' at {self.address} does not describe itself: {error.problem}",
                f"EOSeg's signature '{wire.DESCRIBE_SIGNATURE}'",
                _REMEDY,
            )
        return error

    def check(self, patches: NDArray[Any], contract: ModelContract) -> None:
        """Refuses patches that do not fit.

        Raises:
            ServingError: On another shape or dtype.
        """
        wanted = (contract.patch_size, contract.patch_size, len(contract.bands))
        if patches.ndim != 4 or patches.shape[1:] != wanted or patches.dtype != contract.dtype:
            raise ServingError(
                f"patches have shape {patches.shape} and dtype {patches.dtype}",
                f"shape (n, {', '.join(map(str, wanted))}) and dtype {contract.dtype}, as model '{self.model_name}' "
                "wants them",
                "cut and convert the patches as the model's contract says",
            )

    def predict_request(self, patches: NDArray[Any], output: str, version: int | None) -> Any:
        """Asks a version for one output of patches.

        The version is the caller's, not `self.version`, which another thread's `repin` may have taken away meanwhile;
        None leaves the choice to the server: the label's version, or the newest.
        """
        request = self._request(wire.SERVING_SIGNATURE)
        if version is not None:
            request.model_spec.version.value = version
        write_image(request.inputs[wire.IMAGE], patches)
        request.output_filter.append(output)
        return request

    def read_prediction(self, response: Any, output: str, count: int, contract: ModelContract) -> NDArray[np.uint8]:
        """Class ids `(n, patch_size, patch_size)` or scores `(n, patch_size, patch_size, K)`, uint8.

        Raises:
            ServingError: If the answer is not what the contract says.
        """
        strings = response.outputs[output].string_val
        if len(strings) != count:
            raise ServingError(
                f"the model server answered {len(strings)} patches for {count}",
                f"one string of '{output}' a patch",
                "the served model is none of EOSeg's: serve a version that `eoseg run` has pushed",
            )
        if output == wire.CLASS_IDS_BYTES:
            return decode_class_ids(strings, contract)
        return decode_scores(strings, contract)

    def _request(self, signature: str) -> Any:
        request = message_class("tensorflow.serving.PredictRequest")()
        request.model_spec.name = self.model_name
        request.model_spec.signature_name = signature
        if self.version is not None:
            request.model_spec.version.value = self.version
        elif self.label is not None:
            request.model_spec.version_label = self.label
        return request


def split(patches: NDArray[Any], size: int) -> list[NDArray[Any]]:
    """The patches in parts of at most `size`, without copying."""
    return [patches[start : start + size] for start in range(0, len(patches), size)]


def join(parts: Sequence[NDArray[np.uint8]], output: str, contract: ModelContract) -> NDArray[np.uint8]:
    """The answers to all parts in one array; of no parts, an empty one."""
    if parts:
        return np.concatenate(parts)
    shape = [0, contract.patch_size, contract.patch_size]
    return np.empty(shape + [len(contract.table)] * (output == wire.SCORES_BYTES), np.uint8)


def write_image(tensor: Any, patches: NDArray[Any]) -> None:
    """Fills a TensorProto with patches `(n, height, width, bands)`, as raw bytes: value by value takes 100 times as
    long.

    Args:
        tensor: Of any class of that message: this package's, or `tensorflow`'s.
        patches: Of a dtype that contracts have.
    """
    tensor.dtype = _TENSOR_TYPES[patches.dtype.name]
    for size in patches.shape:
        tensor.tensor_shape.dim.add().size = size
    tensor.tensor_content = patches.tobytes()


def decode_class_ids(strings: Sequence[bytes], contract: ModelContract) -> NDArray[np.uint8]:
    """Class ids `(n, patch_size, patch_size)` uint8 of the PNGs that the model sends.

    Raises:
        ServingError: If a string is none, or of another size.
    """
    shape = (contract.patch_size, contract.patch_size)
    class_ids = np.empty((len(strings), *shape), np.uint8)
    for into, string in zip(class_ids, strings, strict=True):
        try:
            with Image.open(io.BytesIO(string)) as image:
                pixels = np.asarray(image, np.uint8)
        except OSError as error:
            raise _contradiction("no PNG", f"a PNG of {shape}") from error
        if pixels.shape != shape:
            raise _contradiction(f"a PNG of {pixels.shape}", f"one of {shape}")
        into[...] = pixels
    return class_ids


def decode_scores(strings: Sequence[bytes], contract: ModelContract) -> NDArray[np.uint8]:
    """Scores `(n, patch_size, patch_size, K)` uint8 of the byte strings that the model sends.

    Raises:
        ServingError: If a string has another length.
    """
    shape = (contract.patch_size, contract.patch_size, len(contract.table))
    size = int(np.prod(shape))
    if any(len(string) != size for string in strings):
        wrong = next(len(string) for string in strings if len(string) != size)
        raise _contradiction(f"scores of {wrong} bytes a patch", f"{size} bytes, for {shape}")
    return np.frombuffer(b"".join(strings), np.uint8).reshape(len(strings), *shape)


def _contradiction(found: str, expected: str) -> ServingError:
    return ServingError(
        f"the model server answered {found}", expected, "the model contradicts its own contract: export it again"
    )
