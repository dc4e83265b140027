"""A clock that stands still until everyone waits for it, and then jumps to the next wake-up time.

So a test plays an hour in moments, and what it sees does not depend on the machine's speed.
"""

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar

import anyio
import anyio.to_thread

from song_mcp.clock import Clock, Waitable

T = TypeVar("T")

START = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
QUIET_ROUNDS = 3
"""After so many turns of the event loop in which nothing else ran, nothing is going on any more."""
SHORTEST_S = 1e-6
"""The shortest wait, in seconds: with less, rounding could keep time where it is for ever."""
THREADS_TURN_S = 0.0002
"""Real seconds between two looks at whether a thread is at work; it may need many of them."""


class ManualClock(Clock):
    """Starts at 10:00 UTC; `run` makes it go. `jumped_s` is added to the time of day alone."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0
        self.jumped_s = 0.0
        self._appointments: list[tuple[float, int, anyio.Event]] = []
        self._numbers = count()

    def monotonic(self) -> float:
        return self.elapsed_s

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed_s + self.jumped_s)

    async def sleep(self, seconds: float) -> None:
        await self._appointment(seconds).wait()

    async def wait(self, event: Waitable, seconds: float) -> bool:
        appointment, happened = self._appointment(seconds), False

        async def watch() -> None:
            nonlocal happened
            await event.wait()
            happened = True
            appointment.set()

        async with anyio.create_task_group() as both:
            both.start_soon(watch)
            await appointment.wait()
            both.cancel_scope.cancel()
        return happened

    async def run(self, seconds: float) -> None:
        """Let so many seconds pass, and wake each sleeper at its time."""
        end = self.elapsed_s + seconds
        await quiet()
        while self._next_s() <= end:
            await self._go_on()
        self.elapsed_s = end

    async def until(self, done: Callable[[], bool], longest_s: float) -> None:
        """Let time pass, from one wake-up to the next, until `done`, at most so long."""
        end = self.elapsed_s + longest_s
        await quiet()
        while not done():
            assert self._next_s() <= end, "it never happened"
            await self._go_on()

    async def result(self, call: Awaitable[T], longest_s: float = 60.0) -> T:
        """Await `call` while time passes; returns what it returns, and raises what it raises."""
        results: list[T] = []
        errors: list[Exception] = []

        async def wait() -> None:
            try:
                results.append(await call)
            except Exception as error:  # noqa: BLE001 - raised again below
                errors.append(error)

        async with anyio.create_task_group() as both:
            both.start_soon(wait)
            await self.until(lambda: bool(results or errors), longest_s)
        for error in errors:
            raise error
        return results[0]

    def _next_s(self) -> float:
        """Return when the next appointment is that somebody still waits for."""
        while self._appointments and self._appointments[0][2].is_set():
            heapq.heappop(self._appointments)
        return self._appointments[0][0] if self._appointments else math.inf

    async def _go_on(self) -> None:
        due, _, event = heapq.heappop(self._appointments)
        self.elapsed_s = max(self.elapsed_s, due)
        event.set()
        await quiet()

    def _appointment(self, seconds: float) -> anyio.Event:
        event = anyio.Event()
        due = self.elapsed_s + max(SHORTEST_S, seconds)
        heapq.heappush(self._appointments, (due, next(self._numbers), event))
        return event


async def quiet() -> None:
    """Return when every task waits for something that only time brings.

    Which callbacks are due, the event loop tells nobody in a public way. Without that, only many
    turns would show that there are none, and most of the time of such a test would go into them.
    Of two callers at once, each would be what goes on for the other.
    """
    limiter = anyio.to_thread.current_default_thread_limiter()
    due: Collection[object] = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # noqa: SLF001
    rounds = 0
    while rounds < QUIET_ROUNDS:
        is_at_work = limiter.borrowed_tokens > 0
        await asyncio.sleep(THREADS_TURN_S if is_at_work else 0)
        rounds = 0 if is_at_work or due else rounds + 1
