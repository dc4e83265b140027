"""A circuit breaker for one service: no looks for a while after errors, or if it asks for a pause.

Only looks are held back: never a submission that the user asked for, and never an answer from the
journal. One success ends a pause that followed errors.
"""

import random
from collections.abc import Callable
from functools import partial

from song_mcp.clock import Clock
from song_mcp.errors import BusyError, PausedError, ServiceError

FIRST_PAUSE_S = 2.0
"""The longest pause, in seconds, after the first failure is twice this; it doubles each time."""
LONGEST_PAUSE_S = 60.0
BREAKS_AFTER = 5
"""After so many failures in a row only one look at a time is made: the probe."""
OPEN_S = 30.0
"""The seconds between probes, at least."""


class Breaker:
    """The pause of one service; `spread` returns a random number from 0 to its argument."""

    def __init__(
        self, label: str, clock: Clock, spread: Callable[[float], float] | None = None
    ) -> None:
        self._label = label
        self._clock = clock
        self._spread = spread or partial(random.uniform, 0.0)  # jitter need not be secret
        self._failures = 0
        self._until = 0.0
        self._is_asked_for = False

    @property
    def left_s(self) -> float:
        """For how many seconds the service is still not polled; 0 if there is no pause."""
        return max(0.0, self._until - self._clock.monotonic())

    @property
    def is_broken(self) -> bool:
        """Whether so many looks failed in a row that only a probe is made."""
        return self._failures >= BREAKS_AFTER

    def probe(self) -> None:
        """Hold every other look back until the one that is made now has its answer."""
        self._until = self._clock.monotonic() + OPEN_S

    def check(self) -> None:
        """Raise PausedError unless a look that somebody asks for may be made now.

        If the breaker is open, that look is the probe, and no other one is made beside it.
        """
        if self.left_s and (self.is_broken or self._is_asked_for):
            why = "asked for a pause" if self._is_asked_for else "failed several times in a row"
            raise PausedError(
                f"{self._label} {why}, so the task was not checked. Check it again in "
                f"{self.left_s:.0f} s; that costs nothing."
            )
        if self.is_broken:
            self.probe()

    def succeeded(self) -> None:
        """End the pause, as the service answers; a pause that it asked for is kept to its end."""
        self._failures = 0
        if self._is_asked_for and self.left_s:
            return
        self._until = 0.0
        self._is_asked_for = False

    def failed(self, error: ServiceError) -> None:
        """Begin or lengthen the pause: exponential with full jitter, or as long as it asked for."""
        self._failures += 1
        asked_s = error.retry_after_s if isinstance(error, BusyError) else None
        self._is_asked_for = asked_s is not None
        self._until = self._clock.monotonic() + (self._length_s() if asked_s is None else asked_s)

    def _length_s(self) -> float:
        if self.is_broken:
            return OPEN_S + self._spread(OPEN_S)
        return self._spread(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self._failures))
