from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.circuit_breaker import CircuitBreaker, CircuitOptions, Pass

OPTIONS = CircuitOptions(
    failures_in_a_row=3, failure_share=0.5, window=10, first_pause_seconds=1, longest_pause_seconds=4
)


class World:
    """A breaker with a clock of its own, its pauses at their longest."""

    def __init__(self, options: CircuitOptions = OPTIONS) -> None:
        self.now = 0.0
        self.breaker = CircuitBreaker(options, lambda: self.now, lambda low, high: high)

    def call(self, ok: bool) -> bool:
        """One call; False if it was not let through."""
        ticket = self.breaker.enter()
        if ticket is None:
            return False
        if ok:
            self.breaker.succeeded(ticket)
        else:
            self.breaker.failed(ticket, "gone")
        return True


@pytest.fixture
def world() -> World:
    return World()


def test_failures_in_a_row_open_it(world: World) -> None:
    assert [world.call(ok) for ok in (False, False, True, False, False, False, True)] == [True] * 6 + [False]
    assert (world.breaker.state, world.breaker.last_failure) == ("open", "gone")


def test_a_share_of_a_full_window_opens_it(world: World) -> None:
    for _ in range(4):
        world.call(True), world.call(False)
    assert world.breaker.state == "closed"  # 4 of 8; the window is of 10
    world.call(True), world.call(False)
    assert world.breaker.state == "open"


def test_it_looks_again_with_one_call_after_the_pause(world: World) -> None:
    for _ in range(3):
        world.call(False)
    assert world.breaker.wait_seconds() == 1
    world.now = 0.99
    assert world.breaker.enter() is None
    world.now = 1.0
    probe = world.breaker.enter()
    assert probe is not None
    assert probe.is_probe
    assert world.breaker.enter() is None, "one at a time"
    assert world.breaker.wait_seconds() > 0
    world.breaker.succeeded(probe)
    assert world.breaker.state == "closed"
    assert world.call(True)


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success(world: World) -> None:
    for _ in range(3):
        world.call(False)
    pauses = []
    for _ in range(4):
        pauses.append(world.breaker.wait_seconds())
        world.now += pauses[-1]
        assert world.call(False)
    assert pauses == [1, 2, 4, 4]
    world.now += 4
    world.call(True)
    for _ in range(3):
        world.call(False)
    assert world.breaker.wait_seconds() == 1


def test_pauses_are_drawn_from_the_upper_half() -> None:
    drawn: list[Any] = []
    breaker = CircuitBreaker(OPTIONS, lambda: 0.0, lambda low, high: drawn.append((low, high)) or low)
    for _ in range(3):
        ticket = breaker.enter()
        assert ticket is not None
        breaker.failed(ticket, "")
    assert drawn == [(0.5, 1)]


def test_late_answers_of_calls_from_before_change_nothing(world: World) -> None:
    early = world.breaker.enter()
    assert early is not None
    for _ in range(3):
        world.call(False)
    world.breaker.succeeded(early)
    assert world.breaker.state == "open"
    world.now = 1
    probe = world.breaker.enter()
    assert probe is not None
    world.breaker.failed(early, "late")
    assert world.breaker.state == "half-open"


def test_a_probe_that_is_cancelled_lets_the_next_one_in(world: World) -> None:
    for _ in range(3):
        world.call(False)
    world.now = 1
    probe = world.breaker.enter()
    assert probe is not None
    world.breaker.abandoned(probe)
    assert world.breaker.wait_seconds() == 0
    assert world.breaker.enter() is not None


def test_a_forced_call_goes_and_its_success_closes(world: World) -> None:
    for _ in range(3):
        world.call(False)
    assert world.breaker.enter() is None
    forced = world.breaker.enter(force=True)
    assert forced is not None
    world.breaker.succeeded(forced)
    assert world.breaker.state == "closed"


@given(st.lists(st.tuples(st.sampled_from(["enter", "ok", "fail", "drop"]), st.floats(0, 3)), max_size=120))
def test_it_always_lets_someone_in_in_the_end(happens: list[tuple[str, float]]) -> None:
    """Whatever happened: once all calls have ended, waiting as long as it says is enough to be let in."""
    world = World()
    out: list[Pass] = []
    for what, seconds in happens:
        world.now += seconds
        if what == "enter":
            ticket = world.breaker.enter()
            out += [ticket] if ticket else []
            if world.breaker.state == "half-open":
                assert sum(t.is_probe and t.era == world.breaker._era for t in out) <= 1
        elif out:
            ticket = out.pop(0)
            if what == "ok":
                world.breaker.succeeded(ticket)
            elif what == "fail":
                world.breaker.failed(ticket, "x")
            else:
                world.breaker.abandoned(ticket)
    for ticket in out:
        world.breaker.abandoned(ticket)
    wait = world.breaker.wait_seconds()
    assert 0 <= wait <= 4
    world.now += wait + 1e-6
    assert world.breaker.enter() is not None
