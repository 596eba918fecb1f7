"""Calls with a bounded, adapting concurrency, a circuit breaker and retries: blocking, and in asyncio.

Both do the same: take a slot, ask whether to try, try, give the slot back, wait. What they decide by is shared
(`AdaptiveLimit`, `CallPolicy`); what differs is how one waits. Nothing holds a slot while it pauses.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from serving.adaptive_limit import AdaptiveLimit, Outcome, Ticket
from serving.call_error import CallError, closed_error
from serving.circuit_breaker import CircuitBreaker
from serving.client_options import ClientOptions
from serving.retry import CallPolicy

Answer = TypeVar("Answer")
Send = Callable[[float], Answer]
"""One try; takes its deadline in seconds, raises CallError."""


def policy_of(address: str, options: ClientOptions) -> CallPolicy:
    """What all calls of one client share."""
    circuit = CircuitBreaker(options.circuit) if options.circuit is not None else None
    return CallPolicy(address, options.retry, circuit, options.timeout_seconds, options.total_seconds)


def outcome_of(error: CallError) -> Outcome:
    """What a failed try says about the server's load."""
    is_refusal = error.is_temporary or error.code == "DEADLINE_EXCEEDED"
    return Outcome.REFUSED if is_refusal else Outcome.UNKNOWN


class BlockingCalls:
    """Guarded calls from threads.

    Args:
        policy: Retries and circuit.
        limit: How many at the same time.
    """

    def __init__(self, policy: CallPolicy, limit: AdaptiveLimit) -> None:
        self._policy = policy
        self._limit = limit
        self._slot_is_free = threading.Condition()
        self._closed = threading.Event()

    def call(self, send: Send[Answer]) -> Answer:
        """What `send` returns, when a slot is free, tried again on temporary failures.

        Raises:
            CallError: The last failure; CircuitOpenError if it was not sent; code CANCELLED after `close`.
        """
        tries = self._policy.tries()
        while True:
            slot = self._take()
            try:
                pause = tries.pause_before()
                if not pause:
                    try:
                        answer = send(tries.timeout())
                    except CallError as error:
                        slot.outcome = outcome_of(error)
                        pause = tries.failed(error)
                    else:
                        slot.outcome = Outcome.ANSWERED
                        tries.succeeded()
                        return answer
            finally:
                tries.abandon()
                self._give_back(slot)
            if self._closed.wait(pause):
                raise closed_error(self._policy.address)

    def close(self) -> None:
        """Ends all waiting."""
        self._closed.set()
        with self._slot_is_free:
            self._slot_is_free.notify_all()

    def _take(self) -> Ticket:
        with self._slot_is_free:
            while not self._closed.is_set():
                slot = self._limit.try_start()
                if slot is not None:
                    return slot
                self._slot_is_free.wait()
        raise closed_error(self._policy.address)

    def _give_back(self, slot: Ticket) -> None:
        with self._slot_is_free:
            self._limit.finish(slot)
            self._slot_is_free.notify_all()  # the limit may have grown by more than one


class AsyncCalls:
    """Guarded calls from the tasks of one event loop; arguments as of `BlockingCalls`."""

    def __init__(self, policy: CallPolicy, limit: AdaptiveLimit) -> None:
        self._policy = policy
        self._limit = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = asyncio.Event()

    async def call(self, send: Callable[[float], Awaitable[Answer]]) -> Answer:
        """As `BlockingCalls.call`."""
        tries = self._policy.tries()
        while True:
            slot = await self._take()
            try:
                pause = tries.pause_before()
                if not pause:
                    try:
                        answer = await send(tries.timeout())
                    except CallError as error:
                        slot.outcome = outcome_of(error)
                        pause = tries.failed(error)
                    else:
                        slot.outcome = Outcome.ANSWERED
                        tries.succeeded()
                        return answer
            finally:
                tries.abandon()
                self._limit.finish(slot)
                self._wake()
            try:
                await asyncio.wait_for(self._closed.wait(), pause)
            except asyncio.TimeoutError:
                continue
            raise closed_error(self._policy.address)

    def close(self) -> None:
        """Ends all waiting."""
        self._closed.set()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _take(self) -> Ticket:
        while not self._closed.is_set():
            slot = self._limit.try_start()
            if slot is not None:
                return slot
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if not waiter.cancelled():  # it was woken and cannot use it: the next one may
                    self._wake()
                raise
            finally:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
        raise closed_error(self._policy.address)

    def _wake(self) -> None:
        free = self._limit.limit - self._limit.in_flight
        while free > 0 and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                free -= 1
