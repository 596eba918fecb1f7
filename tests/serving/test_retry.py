import pytest

from serving.retry import RetryOptions, call_with_retries
from serving.transport import CallError


def failing(codes: list[str]):
    """A call that fails with each code in turn and then answers."""
    left = list(codes)

    def call() -> str:
        if left:
            raise CallError("no", code=left.pop(0))
        return "answer"

    return call


def test_pauses_double_up_to_the_longest() -> None:
    pauses: list[float] = []
    options = RetryOptions(attempts=5, first_pause_seconds=1, longest_pause_seconds=4)
    call = failing(["UNAVAILABLE"] * 4)
    assert call_with_retries(call, options, pauses.append, lambda low, high: high) == "answer"
    assert pauses == [1, 2, 4, 4]


def test_pauses_are_drawn_from_the_upper_half() -> None:
    drawn = []
    call_with_retries(
        failing(["RESOURCE_EXHAUSTED"]),
        RetryOptions(first_pause_seconds=1),
        lambda _: None,
        lambda low, high: drawn.append((low, high)) or high,
    )
    assert drawn == [(0.5, 1)]


def test_what_will_not_change_is_not_tried_again() -> None:
    pauses: list[float] = []
    with pytest.raises(CallError) as caught:
        call_with_retries(failing(["INVALID_ARGUMENT", "UNAVAILABLE"]), RetryOptions(), pauses.append)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert pauses == []


def test_the_last_failure_is_passed_on() -> None:
    with pytest.raises(CallError):
        call_with_retries(failing(["UNAVAILABLE"] * 9), RetryOptions(attempts=3), lambda _: None)


def test_a_message_that_is_too_large_is_no_temporary_failure() -> None:
    assert not CallError("Received message larger than max", code="RESOURCE_EXHAUSTED").is_temporary
    assert CallError("full", code="RESOURCE_EXHAUSTED").is_temporary
