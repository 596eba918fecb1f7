"""PredictionService.Predict on one loaded version."""

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2

from serving.embedded.batching_session import Session
from serving.embedded.status import failed_precondition, invalid_argument
from serving.embedded.tensors import decode_tensor, encode_tensor

DEFAULT_SIGNATURE = "serving_default"


def predict(
    signatures: Mapping[str, Any], session: Session, request: Any, version: int, timeout: float | None = None
) -> Any:
    """Answers a request.

    Args:
        signatures: The version's signatures.
        session: Runs the graph.
        request: A `PredictRequest`.
        version: The version that answers.
        timeout: Seconds that the caller still waits, or None.

    Returns:
        A `PredictResponse`, its tensors in typed fields.

    Raises:
        StatusError: With the stock server's codes and texts.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = signatures.get(name)
    if signature is None:
        raise failed_precondition(f'Serving signature key "{name}" not found.')
    feeds = request_feeds(signature, request.inputs)
    aliases = chosen_outputs(signature, request.output_filter)
    results = session.run(feeds, [signature.outputs[alias].name for alias in aliases], timeout)
    response = predict_pb2.PredictResponse()
    fill_model_spec(response.model_spec, request.model_spec.name, version, name)
    for alias, result in zip(aliases, results, strict=True):
        encode_tensor(result, signature.outputs[alias].dtype, response.outputs[alias])
    return response


def request_feeds(signature: Any, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Tensor name -> value, of the request's inputs and the signature's defaults.

    Raises:
        StatusError: INVALID_ARGUMENT if inputs are missing, unknown or malformed.
    """
    sent, wanted = set(inputs), set(signature.inputs)
    defaults = getattr(signature, "defaults", {})
    if len(sent) > len(wanted) or (len(sent) < len(wanted) and not defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(wanted)} len({_braced(sent)}) != "
            f"len({_braced(wanted)}). Sent extra: {_braced(sent - wanted)}. Missing but required: "
            f"{_braced(wanted - sent)}."
        )
    feeds = {}
    for alias in sorted(wanted):
        tensor_name = signature.inputs[alias].name
        # A protobuf map makes an entry of what is merely asked for, hence the tests before each look-up.
        if alias in inputs:
            feeds[tensor_name] = decode_tensor(alias, inputs[alias])
        elif alias in defaults:
            feeds[tensor_name] = decode_tensor(alias, defaults[alias])
        else:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {tensor_name}) not found in request and no default value "
                f"provided. Inputs expected to be in the request {_braced(sent)}, or default input alias set: "
                f"{','.join(sorted(defaults))}"
            )
    return feeds


def chosen_outputs(signature: Any, output_filter: Iterable[str]) -> list[str]:
    """The outputs' names: those of the filter, or all.

    Raises:
        StatusError: INVALID_ARGUMENT if the filter names an unknown output, or one twice.
    """
    chosen: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{_braced(signature.outputs)}."
            )
        if alias in chosen:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        chosen.append(alias)
    return chosen or sorted(signature.outputs)


def fill_model_spec(spec: Any, model_name: str, version: int, signature_name: str = "") -> None:
    """Writes which model, version and signature answered; never a label."""
    spec.name = model_name
    spec.version.value = version
    spec.signature_name = signature_name


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
