"""What the stock Trainer needs from us as a TFX node: which model a warm start begins with."""

from typing import Dict, List, Optional, Set

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.types import Artifact

from components.evaluation.component import ALL_GATES, JUDGED_BY, MODEL, MODEL_BLESSING

EXAMPLES = "examples"

_INPUTS = (metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.DECLARED_INPUT)
_OUTPUTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)


class BlessedOnOtherRecords(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """The latest blessed model that was not trained on the very records that this run trains on.

    The latest of all would be, as soon as it is blessed, what this run made itself: a run that was killed after that
    and is started again, or one of which nothing changed, would train again from its own result.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: Dict[str, List[Artifact]]
    ) -> Optional[Dict[str, List[Artifact]]]:
        """Channels `model`, `model_blessing` and `examples` in; the first two out, resolved."""
        examples = input_dict.get(EXAMPLES, [])
        models = input_dict.get(MODEL, [])
        same = _trained_on(store, {artifact.id for artifact in examples})
        blessings = input_dict.get(MODEL_BLESSING, [])
        blessed = super().resolve_artifacts(
            store,
            {
                MODEL: [model for model in models if model.id not in same],
                MODEL_BLESSING: [b for b in blessings if b.get_string_custom_property(JUDGED_BY) == ALL_GATES],
            },
        )
        return {EXAMPLES: examples, MODEL: [], MODEL_BLESSING: [], **(blessed or {})}


def _trained_on(store: mlmd.MetadataStore, examples: Set[int]) -> Set[int]:
    """Ids of all artifacts that were made of any of these directly, the models among them."""
    if not examples:
        return set()
    readers = {e.execution_id for e in store.get_events_by_artifact_ids(sorted(examples)) if e.type in _INPUTS}
    if not readers:
        return set()
    events = store.get_events_by_execution_ids(sorted(readers))
    return {event.artifact_id for event in events if event.type in _OUTPUTS}
