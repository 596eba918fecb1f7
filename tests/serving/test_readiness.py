"""When waiting for a server ends, and what it says then."""

import pytest

from components.errors import ServingError
from serving.call_error import CallError, closed_error
from serving.readiness import ReadinessWait, unhealthy


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_last_look_without_an_answer_does_not_hide_the_reason() -> None:
    clock = Clock()
    wait = ReadinessWait("localhost:8500", 2, clock)
    assert wait.pause_after(unhealthy("localhost:8500")) > 0
    clock.now = 2.5
    with pytest.raises(ServingError, match=r"is not ready after 2 s: .* says that it does not serve"):
        wait.pause_after(CallError("no answer", code="DEADLINE_EXCEEDED"))


def test_where_nothing_was_ever_answered_that_is_the_reason() -> None:
    clock = Clock()
    wait = ReadinessWait("localhost:8500", 2, clock)
    clock.now = 2.5
    with pytest.raises(ServingError, match="is not ready after 2 s: no answer"):
        wait.pause_after(CallError("no answer", code="DEADLINE_EXCEEDED"))


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (CallError("refused", code="UNAVAILABLE"), True),
        (CallError("the server stops", code="CANCELLED"), True),
        (CallError("who are you", code="UNAUTHENTICATED"), False),
        (closed_error("localhost:8500"), False),
    ],
)
def test_only_what_may_pass_is_waited_for(error: CallError, waits: bool) -> None:
    wait = ReadinessWait("localhost:8500", 2, Clock())
    if waits:
        assert wait.pause_after(error) > 0
    else:
        with pytest.raises(CallError) as caught:
            wait.pause_after(error)
        assert caught.value is error
