"""What tuning decided, for server and client."""

from pydantic import Field, PositiveInt, model_validator

from components.options import Options
from serving.batching import BatchingOptions
from serving.tuning.candidates import queue_length
from serving.tuning.choose import Choice


class ClientSettings(Options):
    """The keys of the client's options that tuning decides."""

    concurrency: PositiveInt
    """Requests at the same time."""
    patches_per_request: PositiveInt


class TunedSettings(Options):
    """Server and client that fit each other.

    Raises:
        pydantic.ValidationError: If the server would refuse the client's requests.
    """

    batching: BatchingOptions
    client: ClientSettings
    latency_budget_ms: float = Field(gt=0)
    reason: str

    @model_validator(mode="after")
    def _fit_each_other(self) -> "TunedSettings":
        self.batching.check_request(self.client.patches_per_request)
        return self


def settings_of(choice: Choice, budget_ms: float) -> TunedSettings:
    """The settings of the chosen measurement, with a queue as long as the budget allows."""
    row = choice.chosen
    queue = queue_length(row.batching, row.concurrency, row.patches_per_second, budget_ms)
    return TunedSettings(
        batching=row.batching.model_copy(update={"max_enqueued_batches": queue} if row.batching.enabled else {}),
        client=ClientSettings(concurrency=row.concurrency, patches_per_request=row.patches_per_request),
        latency_budget_ms=budget_ms,
        reason=choice.reason,
    )
