import heapq
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from serving.adaptive_limit import AdaptiveLimit, LimitOptions, Outcome


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def rounds(
    limit: AdaptiveLimit, clock: Clock, number: int, latency: float, outcome: Outcome = Outcome.ANSWERED
) -> None:
    """So many times as many requests as there is room for, all taking the same time."""
    for _ in range(number):
        tickets = []
        while (ticket := limit.try_start()) is not None:
            tickets.append(ticket)
        clock.now += latency
        for ticket in tickets:
            ticket.outcome = outcome
            limit.finish(ticket)


events = st.lists(
    st.tuples(st.sampled_from(["start", "finish"]), st.sampled_from(list(Outcome)), st.floats(0, 100)), max_size=200
)


@given(events, st.integers(1, 40), st.integers(1, 60), st.floats(0.05, 0.95), st.booleans())
def test_the_limit_stays_between_one_and_the_largest_whatever_happens(
    happens: list[tuple[str, Outcome, float]], largest: int, initial: int, back_off: float, adaptive: bool
) -> None:
    clock = Clock()
    limit = AdaptiveLimit(largest, LimitOptions(initial=initial, back_off=back_off, adaptive=adaptive), clock)
    running = []
    for what, outcome, seconds in happens:
        clock.now += seconds
        if what == "start":
            before = limit.in_flight
            ticket = limit.try_start()
            assert (ticket is not None) == (before < limit.limit)
            running += [ticket] if ticket else []
        elif running:
            ticket = running.pop(0)
            ticket.outcome = outcome
            limit.finish(ticket)
        assert limit.in_flight == len(running)
        assert 1 <= limit.limit <= largest
    assert adaptive or limit.limit == largest


def test_it_grows_to_the_largest_while_latency_holds() -> None:
    clock = Clock()
    limit = AdaptiveLimit(16, LimitOptions(initial=2), clock)
    seen = []
    for _ in range(20):
        rounds(limit, clock, 1, latency=0.1)
        seen.append(limit.limit)
    assert seen == sorted(seen)
    assert seen[-1] == 16


def test_refusals_of_one_round_shrink_it_once() -> None:
    clock = Clock()
    limit = AdaptiveLimit(16, LimitOptions(initial=10, back_off=0.5), clock)
    rounds(limit, clock, 1, 0.1, Outcome.REFUSED)
    assert limit.limit == 5
    rounds(limit, clock, 1, 0.1, Outcome.REFUSED)
    assert limit.limit == 2  # 2.5


def test_it_shrinks_to_one_and_no_further_and_grows_again() -> None:
    clock = Clock()
    limit = AdaptiveLimit(8, LimitOptions(), clock)
    rounds(limit, clock, 30, 0.1, Outcome.REFUSED)
    assert limit.limit == 1
    rounds(limit, clock, 60, 0.1)
    assert limit.limit == 8


def test_it_shrinks_when_latency_rises_far_above_the_usual() -> None:
    clock = Clock()
    limit = AdaptiveLimit(16, LimitOptions(initial=16, memory=1000), clock)
    rounds(limit, clock, 10, 0.1)
    assert limit.limit == 16
    rounds(limit, clock, 3, 2.0)
    assert limit.limit < 10


def test_twice_the_usual_latency_is_none_too_slow() -> None:
    clock = Clock()
    limit = AdaptiveLimit(16, LimitOptions(initial=8, tolerance=2.0), clock)
    rounds(limit, clock, 1, 0.1)
    before = limit.limit
    rounds(limit, clock, 5, 0.19)
    assert limit.limit >= before


def test_who_sends_little_learns_nothing() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, LimitOptions(initial=8), clock)
    for _ in range(100):
        ticket = limit.try_start()
        assert ticket is not None
        ticket.outcome = Outcome.ANSWERED
        limit.finish(ticket)
    assert limit.limit == 8


def test_what_says_nothing_of_the_load_changes_nothing() -> None:
    clock = Clock()
    limit = AdaptiveLimit(64, LimitOptions(initial=8), clock)
    rounds(limit, clock, 50, 9.0, Outcome.UNKNOWN)
    assert limit.limit == 8


def served(capacity: int, largest: int, requests: int) -> tuple[int, float, list[int]]:
    """A client that always has work, before a server that answers `capacity` requests at a time in 1 s each and
    refuses the rest at once: refused requests, seconds, and the limit over time."""
    clock, order = Clock(), count()
    limit = AdaptiveLimit(largest, LimitOptions(), clock)
    running: list[tuple[float, int, object]] = []
    busy = refused = answered = 0
    limits = []
    while answered < requests:
        while (ticket := limit.try_start()) is not None:
            ticket.outcome = Outcome.REFUSED if busy >= capacity else Outcome.ANSWERED
            busy += ticket.outcome is Outcome.ANSWERED
            refused += ticket.outcome is Outcome.REFUSED
            # A refusal takes 50 ms with its pause.
            ends = clock.now + (1.0 if ticket.outcome is Outcome.ANSWERED else 0.05)
            heapq.heappush(running, (ends, next(order), ticket))
        clock.now, _, ticket = heapq.heappop(running)
        busy -= ticket.outcome is Outcome.ANSWERED
        answered += ticket.outcome is Outcome.ANSWERED
        limit.finish(ticket)
        limits.append(limit.limit)
    return refused, clock.now, limits


def test_it_finds_what_the_server_holds() -> None:
    refused, seconds, limits = served(capacity=6, largest=32, requests=600)
    assert seconds < 1.6 * 600 / 6  # nearly all of what the server can do: 100 s
    assert refused < 600
    assert max(limits[50:]) <= 12
    assert min(limits[50:]) >= 2


def test_the_same_events_give_the_same_limits() -> None:
    assert served(5, 16, 200) == served(5, 16, 200)
