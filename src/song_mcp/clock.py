"""Time, as an argument: everything that waits or reads the time does so through a Clock.

`now` is timezone-aware UTC. `sleep`, `wait` and `now` run at the same speed, so a faster clock (in
tests) changes how long things take and nothing else.
"""

import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import anyio


class Waitable(Protocol):
    """Anything with an awaitable `wait`, such as an anyio Event."""

    def wait(self) -> Awaitable[object]:
        """Return when the thing has happened."""


class Clock:
    """A clock that runs `speed` times as fast as the system's clock (1.0 except in tests)."""

    def __init__(self, speed: float = 1.0) -> None:
        """Start at the current time."""
        self._speed = speed
        self._started = datetime.now(UTC)
        self._origin = time.monotonic()

    def monotonic(self) -> float:
        """Return the seconds since this clock was made; they never decrease."""
        return (time.monotonic() - self._origin) * self._speed

    def now(self) -> datetime:
        """Return the time in UTC; at speed 1 it is that of the system's clock."""
        if self._speed == 1.0:
            return datetime.now(UTC)
        return self._started + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        await anyio.sleep(seconds / self._speed)

    async def wait(self, event: Waitable, seconds: float) -> bool:
        """Wait for `event`, at most so many seconds of this clock; return whether it happened."""
        with anyio.move_on_after(max(0.0, seconds) / self._speed):
            await event.wait()
            return True
        return False
