"""Holds a signature's `method_name` to the call that uses it, where `--enable_signature_method_name_check` asks for it.

Exports of TensorFlow 2 are all named for Predict, so the check is off by default, as in the stock server.
"""

from collections.abc import Mapping
from typing import Any

from serving.embedded.predict import DEFAULT_SIGNATURE
from serving.embedded.status import Code, StatusError, invalid_argument

PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"
_KINDS = {"Classify": ("classification", CLASSIFY_METHOD), "Regress": ("regression", REGRESS_METHOD)}


def check_method_name(signatures: Mapping[str, Any], request: Any, api: str) -> None:
    """Compares the signature that a request of `api` ("Predict", "Classify", ...) names with what the call needs.

    A signature that is missing is left to the call itself.

    Raises:
        StatusError: With the stock server's codes and texts.
    """
    if api == "MultiInference":
        for task in request.tasks:
            wanted = {CLASSIFY_METHOD: "Classify", REGRESS_METHOD: "Regress"}.get(task.method_name)
            if wanted is not None:
                _check(signatures, task.model_spec.signature_name, wanted)
    else:
        _check(signatures, request.model_spec.signature_name, api)


def _check(signatures: Mapping[str, Any], name: str, api: str) -> None:
    signature = signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        return
    found = signature.method_name
    if api in _KINDS:
        kind, wanted = _KINDS[api]
        if found != wanted:
            raise invalid_argument(f"Expected {kind} signature method_name to be {wanted}. Was: {found}")
    elif found not in (PREDICT_METHOD, CLASSIFY_METHOD, REGRESS_METHOD):
        raise StatusError(
            Code.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{PREDICT_METHOD}, {CLASSIFY_METHOD}, "
            f"{REGRESS_METHOD}}}. Was: {found}",
        )
