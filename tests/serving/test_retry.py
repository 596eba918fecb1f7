from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.call_error import CallError, call_error, closed_error
from serving.circuit_breaker import CircuitBreaker, CircuitOptions
from serving.retry import CallPolicy, CircuitOpenError, RetryOptions, Tries


class World:
    """A server that answers as `behaves` says at the time, behind retries, in simulated seconds."""

    def __init__(
        self,
        retry: RetryOptions | None = None,
        circuit: CircuitOptions | None = None,
        has_answered: bool = True,
        try_seconds: float = 0.0,
        draw_high: bool = True,
        **options: float,
    ) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.tries_at: list[float] = []
        self.timeouts: list[float] = []
        self.try_seconds = try_seconds

        def uniform(low: float, high: float) -> float:
            return high if draw_high else low

        breaker = CircuitBreaker(circuit, lambda: self.now, uniform) if circuit else None
        retry = retry or RetryOptions()
        self.policy = CallPolicy(
            "host:1", retry, breaker, options.get("timeout", 60), options.get("total"), lambda: self.now, uniform
        )
        self.policy.has_answered = has_answered

    def call(self, behaves: list[str] | float) -> str:
        """Calls a server that fails with these codes and then answers, or is away up to a time."""
        codes = list(behaves) if isinstance(behaves, list) else None
        tries = self.policy.tries()
        while True:
            pause = tries.pause_before()
            if not pause:
                self.tries_at.append(self.now)
                self.timeouts.append(tries.timeout())
                self.now += self.try_seconds
                fails = codes.pop(0) if codes else None
                if codes is None and self.now < behaves:
                    fails = "UNAVAILABLE"
                if fails is None:
                    tries.succeeded()
                    return "answer"
                pause = tries.failed(CallError("no", code=fails))
            self.pauses.append(pause)
            self.now += pause


def test_pauses_double_up_to_the_longest() -> None:
    world = World(RetryOptions(first_pause_seconds=1, longest_pause_seconds=4))
    assert world.call(["UNAVAILABLE"] * 4) == "answer"
    assert world.pauses == [1, 2, 4, 4]


def test_pauses_are_drawn_from_the_upper_half() -> None:
    world = World(RetryOptions(first_pause_seconds=1), draw_high=False)
    world.call(["RESOURCE_EXHAUSTED"])
    assert world.pauses == [0.5]


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "INTERNAL"])
def test_what_will_not_change_is_not_tried_again(code: str) -> None:
    world = World()
    with pytest.raises(CallError) as caught:
        world.call([code, "UNAVAILABLE"])
    assert caught.value.code == code
    assert world.pauses == []


def test_what_a_server_cancels_as_it_stops_is_tried_again_and_what_this_side_closes_is_not() -> None:
    assert World().call(["CANCELLED"]) == "answer"
    assert not closed_error("localhost:8500").is_temporary


def test_a_missed_deadline_is_tried_again_only_if_asked_for() -> None:
    with pytest.raises(CallError):
        World().call(["DEADLINE_EXCEEDED"])
    assert World(RetryOptions(after_deadline=True)).call(["DEADLINE_EXCEEDED"]) == "answer"


def test_attempts_limit_the_tries() -> None:
    world = World(RetryOptions(attempts=3))
    with pytest.raises(CallError):
        world.call(["UNAVAILABLE"] * 9)
    assert len(world.tries_at) == 3


def test_no_try_begins_after_the_budget_and_the_last_one_at_its_end() -> None:
    world = World(RetryOptions(budget_seconds=60, first_pause_seconds=1, longest_pause_seconds=8))
    with pytest.raises(CallError):
        world.call(1e9)
    assert world.tries_at[-1] == 60
    assert world.tries_at == sorted(world.tries_at)


def test_a_server_that_never_answered_is_given_up_early() -> None:
    world = World(RetryOptions(budget_seconds=300, first_contact_seconds=10), has_answered=False)
    with pytest.raises(CallError):
        world.call(1e9)
    assert world.tries_at[-1] == 10


def test_a_refusal_is_an_answer() -> None:
    world = World(has_answered=False)
    with pytest.raises(CallError):
        world.call(["NOT_FOUND"])
    assert world.policy.has_answered


def test_the_total_deadline_cuts_the_last_try() -> None:
    world = World(RetryOptions(longest_pause_seconds=2), total=10, timeout=4, try_seconds=3)
    with pytest.raises(CallError):
        world.call(1e9)
    ends = [at + timeout for at, timeout in zip(world.tries_at, world.timeouts, strict=True)]
    assert world.timeouts[0] == 4
    assert all(end <= 10.01 for end in ends)


def test_an_open_circuit_fails_at_once_only_where_nothing_may_be_waited_for() -> None:
    world = World(RetryOptions(attempts=1), CircuitOptions(failures_in_a_row=2, first_pause_seconds=3))
    for _ in range(2):
        with pytest.raises(CallError, match="no"):
            world.call(["UNAVAILABLE"])
    with pytest.raises(CircuitOpenError, match=r"host:1 is not asked for the next 3\.0 s.*\(no\)") as caught:
        world.call([])
    assert caught.value.code == "UNAVAILABLE"
    assert "try again in 3.0 s" in caught.value.remedy
    world.now = 3
    assert world.call([]) == "answer"


def test_an_open_circuit_makes_a_call_wait() -> None:
    world = World(RetryOptions(), CircuitOptions(failures_in_a_row=1, first_pause_seconds=2, longest_pause_seconds=2))
    tries = world.policy.tries()
    assert tries.pause_before() == 0
    tries.failed(CallError("no", code="UNAVAILABLE"))
    world.tries_at.clear()
    assert world.call([]) == "answer"
    assert world.tries_at == [pytest.approx(2.2)]  # the pause, spread over a tenth


def test_overload_does_not_open_the_circuit() -> None:
    world = World(RetryOptions(), CircuitOptions(failures_in_a_row=1, first_pause_seconds=1))
    assert world.call(["RESOURCE_EXHAUSTED"] * 9) == "answer"
    assert world.policy.circuit is not None
    assert world.policy.circuit.state == "closed"


retries = st.builds(
    RetryOptions,
    first_pause_seconds=st.floats(0.01, 2),
    longest_pause_seconds=st.floats(0.01, 30),
    budget_seconds=st.floats(0.1, 100),
)
circuits = st.builds(
    CircuitOptions,
    failures_in_a_row=st.integers(1, 8),
    window=st.integers(1, 20),
    first_pause_seconds=st.floats(0.05, 50),
    longest_pause_seconds=st.floats(0.05, 200),
)


@given(retries, circuits, st.floats(0, 120), st.booleans())
def test_the_circuit_costs_no_call_that_retries_would_have_saved(
    retry: RetryOptions, circuit: CircuitOptions, back_at: float, draw_high: bool
) -> None:
    """With a server that is away up to `back_at` and stays from then on."""

    def is_saved(world: World) -> bool:
        try:
            return world.call(back_at) == "answer"
        except CallError:
            return False

    alone = World(retry, None, draw_high=draw_high)
    guarded = World(retry, circuit, draw_high=draw_high)
    assert is_saved(guarded) >= is_saved(alone)
    assert max(guarded.tries_at) <= retry.budget_seconds + 1e-6


def test_a_try_that_was_cancelled_lets_the_next_probe_go() -> None:
    world = World(RetryOptions(), CircuitOptions(failures_in_a_row=1, first_pause_seconds=1))
    first = Tries(world.policy)
    first.pause_before()
    first.failed(CallError("no", code="UNAVAILABLE"))
    world.now = 5
    probe, other = Tries(world.policy), Tries(world.policy)
    assert probe.pause_before() == 0
    assert other.pause_before() > 0
    probe.abandon()
    assert other.pause_before() == 0


def test_a_message_that_is_too_large_is_no_temporary_failure() -> None:
    assert not CallError("Received message larger than max", code="RESOURCE_EXHAUSTED").is_temporary
    assert CallError("full", code="RESOURCE_EXHAUSTED").is_temporary


def test_a_certificate_that_is_not_trusted_is_no_temporary_failure() -> None:
    assert not CallError("Ssl handshake failed: CERTIFICATE_VERIFY_FAILED", code="UNAVAILABLE").is_temporary


def refusal(code: str, details: str) -> CallError:
    answer = SimpleNamespace(code=lambda: SimpleNamespace(name=code), details=lambda: details)
    return call_error("host:1", answer)


def test_remedies_fit_what_the_server_said() -> None:
    too_many = refusal("INVALID_ARGUMENT", "Task size 100 is larger than maximum input batch size 32")
    assert "--patches-per-request" in too_many.remedy
    assert "--patches-per-request" not in refusal("INVALID_ARGUMENT", "Input size does not match").remedy
    hung_up = refusal("UNAVAILABLE", "failed to connect to all addresses; last error: UNAVAILABLE: h: Socket closed")
    assert "--ca-file" in hung_up.remedy
    assert hung_up.is_temporary, "a server that is going hangs up, too"
    assert "eoseg serve" in refusal("UNAVAILABLE", "failed to connect: Connection refused").remedy
