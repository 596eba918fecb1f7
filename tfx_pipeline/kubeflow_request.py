"""What `eoseg kubeflow submit` asks of an endpoint, and what comes back."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunRequest:
    """What is to be run in a cluster, and when.

    Attributes:
        name: Of the run, or of the schedule.
        parameters: Those of the run, beside the compiled defaults.
        pipeline_root: In the place of the compiled one.
        cron: Six fields, seconds first, as the server reads them; makes a schedule.
        every_seconds: The other way to make one.
        at_once: How many runs of a schedule may be under way together.
        wait_seconds: How long to wait for the end; None does not wait.
        token: A bearer token.
        ca_file: A file with the certificate authority of the endpoint.
        poll_seconds: Between two looks at a run.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    pipeline_root: str | None = None
    cron: str | None = None
    every_seconds: int | None = None
    at_once: int = 1
    wait_seconds: float | None = None
    token: str | None = None
    ca_file: str | None = None
    poll_seconds: float = 10.0

    @property
    def is_schedule(self) -> bool:
        """Whether it is more than one run."""
        return self.cron is not None or self.every_seconds is not None


@dataclass(frozen=True)
class SubmittedRun:
    """What the endpoint made of a request.

    Attributes:
        id: Of the run or the schedule.
        link: To its page.
        state: The run's last known state; `SCHEDULED` for a schedule.
        error: What the endpoint says went wrong.
    """

    id: str
    link: str
    state: str
    error: str = ""
