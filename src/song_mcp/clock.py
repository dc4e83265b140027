"""Time, as an argument: everything that waits or asks what time it is does so through a Clock.

Invariant: `now` is aware UTC, and `sleep` and `now` run at the same speed, so a clock that runs
faster (tests, a demonstration) changes how long things take and nothing else.
"""

import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import anyio


class Waitable(Protocol):
    """Anything with an awaitable `wait`, such as an anyio Event."""

    def wait(self) -> Awaitable[object]:
        """Give back control when the thing has happened."""


class Clock:
    """Real time, `speed` times as fast as the wall clock says (1.0 but in tests)."""

    def __init__(self, speed: float = 1.0) -> None:
        """Start at the real time of now."""
        self._speed = speed
        self._started = datetime.now(UTC)
        self._origin = time.monotonic()

    def monotonic(self) -> float:
        """Give the seconds since this clock was made; never goes back."""
        return (time.monotonic() - self._origin) * self._speed

    def now(self) -> datetime:
        """Give the time of day in UTC; at speed 1 it follows every change of the system's clock."""
        if self._speed == 1.0:
            return datetime.now(UTC)
        return self._started + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds of this clock."""
        await anyio.sleep(seconds / self._speed)

    async def wait(self, event: Waitable, seconds: float) -> bool:
        """Wait for `event`, at most so many seconds of this clock; tell whether it happened."""
        with anyio.move_on_after(max(0.0, seconds) / self._speed):
            await event.wait()
            return True
        return False
