"""Which model a warm start begins with, asked of a real metadata store."""

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto
from tfx.types import standard_artifacts

from components.evaluation.component import ALL_GATES, JUDGED_BY, MODEL, MODEL_BLESSING
from components.training.component import EXAMPLES, BlessedOnOtherRecords


class Store:
    """Trainings, each of some examples to a model, which may be blessed."""

    def __init__(self) -> None:
        connection = proto.ConnectionConfig()
        connection.fake_database.SetInParent()
        self.store = metadata_store.MetadataStore(connection)
        self._artifact = self.store.put_artifact_type(proto.ArtifactType(name="Any"))
        self._execution = self.store.put_execution_type(proto.ExecutionType(name="Trainer"))
        self.models: list[standard_artifacts.Model] = []
        self.blessings: list[standard_artifacts.ModelBlessing] = []

    def examples(self) -> standard_artifacts.Examples:
        examples = standard_artifacts.Examples()
        (examples.id,) = self.store.put_artifacts([proto.Artifact(type_id=self._artifact)])
        return examples

    def train(self, examples: standard_artifacts.Examples, *, judged_by: str = ALL_GATES) -> standard_artifacts.Model:
        model = standard_artifacts.Model()
        (model.id,) = self.store.put_artifacts([proto.Artifact(type_id=self._artifact)])
        (execution,) = self.store.put_executions([proto.Execution(type_id=self._execution)])
        self.store.put_events(
            [
                proto.Event(artifact_id=examples.id, execution_id=execution, type=proto.Event.INPUT),
                proto.Event(artifact_id=model.id, execution_id=execution, type=proto.Event.OUTPUT),
            ]
        )
        self.models.append(model)
        if judged_by:
            blessing = standard_artifacts.ModelBlessing()
            blessing.set_int_custom_property("blessed", 1)
            blessing.set_int_custom_property("current_model_id", model.id)
            blessing.set_string_custom_property(JUDGED_BY, judged_by)
            self.blessings.append(blessing)
        return model

    def start_of(self, examples: standard_artifacts.Examples) -> list[int]:
        """Ids of the models that a training on these examples starts from."""
        channels = {EXAMPLES: [examples], MODEL: list(self.models), MODEL_BLESSING: list(self.blessings)}
        found = BlessedOnOtherRecords().resolve_artifacts(self.store, channels)
        assert found is not None
        assert found[EXAMPLES] == [examples]
        return [model.id for model in found[MODEL]]


def test_a_training_never_starts_from_a_model_of_its_own_records() -> None:
    store = Store()
    first, second = store.examples(), store.examples()
    assert store.start_of(first) == []
    one = store.train(first)
    assert store.start_of(first) == []
    assert store.start_of(second) == [one.id]
    two = store.train(second)
    assert store.start_of(second) == [one.id]  # started again, it is the same training
    assert store.start_of(first) == [two.id]
    assert store.start_of(store.examples()) == [two.id]


def test_only_a_model_that_passed_all_gates_is_a_start() -> None:
    store = Store()
    good = store.train(store.examples())
    store.train(store.examples(), judged_by="")
    store.train(store.examples(), judged_by="Evaluator")
    assert store.start_of(store.examples()) == [good.id]
