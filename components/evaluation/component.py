"""What the stock Evaluator needs from us as a TFX node: which model the candidate is compared with."""

import json
from collections.abc import Mapping
from typing import Any, Dict, List, Optional

import ml_metadata as mlmd
from tfx import v1 as tfx
from tfx.types import Artifact
from tfx.utils import path_utils

from components.contract import CONTRACT_FILE
from components.file_systems import read_text

MODEL = "model"
MODEL_BLESSING = "model_blessing"
CANDIDATE = "candidate"

JUDGED_BY = "judged_by"
"""Property of a blessing: which step gave it."""
ALL_GATES = "ModelGates"
"""The step that judges all gates; the Evaluator's own blessing knows only those that TFMA can express."""


class LatestComparableBlessedModel(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """The latest blessed model other than the candidate itself, if it reads the candidate's records.

    The stock strategy would, once the candidate is blessed, resolve to the candidate: a repeated run would have
    another input than the first and evaluate again. And a model of other classes, bands or patches cannot be evaluated
    on these records at all; it is passed over, and change gates then say that there was nothing to compare with. Nor
    does a blessing count that the Evaluator gave and the gates on whole tiles took back.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: Dict[str, List[Artifact]]
    ) -> Optional[Dict[str, List[Artifact]]]:
        """Channels `model`, `model_blessing` and `candidate` in; the first two out, resolved."""
        candidates = input_dict.get(CANDIDATE, [])
        blessed = super().resolve_artifacts(
            store,
            {
                MODEL: [m for m in input_dict.get(MODEL, []) if _is_comparable(m, candidates)],
                MODEL_BLESSING: [b for b in input_dict.get(MODEL_BLESSING, []) if _is_of_all_gates(b)],
            },
        )
        return {CANDIDATE: candidates, MODEL: [], MODEL_BLESSING: [], **(blessed or {})}


def _is_of_all_gates(blessing: Artifact) -> bool:
    judged_by: str = blessing.get_string_custom_property(JUDGED_BY)
    return judged_by == ALL_GATES


def _is_comparable(model: Artifact, candidates: List[Artifact]) -> bool:
    for candidate in candidates:
        if model.id == candidate.id:
            return False
        ours, theirs = _contract(candidate), _contract(model)
        if ours is None or theirs is None or ours != theirs:
            return False
    return True


def _contract(model: Artifact) -> Optional[Mapping[str, Any]]:
    saved_model = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    text = read_text(f"{saved_model}/assets.extra/{CONTRACT_FILE}")
    if not text:
        return None
    contract: Dict[str, Any] = json.loads(text)
    contract.pop("provenance", None)  # every training has its own
    # Of the table, the classes in their order: colours, void and which ones are scored change no record.
    if "table" in contract:
        contract["table"] = [entry["name"] for entry in contract["table"]["classes"]]
    return contract
