"""When a service is left alone: after errors, and when it asks for time.

Invariant: only looks are held back, never a submission that the user asked for, and never an
answer from the journal; one success ends every pause.
"""

import random
from collections.abc import Callable

from song_mcp.clock import Clock
from song_mcp.errors import BusyError, PausedError, ServiceError

FIRST_S = 2.0
LONGEST_S = 60.0
BREAKS_AFTER = 5
OPEN_S = 30.0


class Breaker:
    """The pause of one service; `spread` gives a random number from 0 to its argument."""

    def __init__(
        self, label: str, clock: Clock, spread: Callable[[float], float] | None = None
    ) -> None:
        self._label = label
        self._clock = clock
        self._spread = spread or _any_up_to
        self._failures = 0
        self._until = 0.0
        self._is_asked_for = False

    @property
    def left_s(self) -> float:
        """How long following leaves the service alone, in seconds; 0 where it does not."""
        return max(0.0, self._until - self._clock.monotonic())

    @property
    def is_broken(self) -> bool:
        """Whether so many looks failed in a row that only a single one probes."""
        return self._failures >= BREAKS_AFTER

    def probe(self) -> None:
        """Hold everything else back until the one look that is made now has told."""
        self._until = self._clock.monotonic() + OPEN_S

    def check(self) -> None:
        """Come back where a look that somebody asks for may be made, else raise PausedError.

        After failures in a row that look is the probe, and there is no second one beside it.
        """
        if self.left_s and (self.is_broken or self._is_asked_for):
            why = "asked for time" if self._is_asked_for else "failed several times in a row"
            raise PausedError(
                f"{self._label} {why} and is asked again in {self.left_s:.0f} s. Looking costs "
                "nothing."
            )
        if self.is_broken:
            self.probe()

    def succeeded(self) -> None:
        """End the pause: the service answers; time that it asked for it still gets."""
        self._failures = 0
        if self._is_asked_for and self.left_s:
            return
        self._until = 0.0
        self._is_asked_for = False

    def failed(self, error: ServiceError) -> None:
        """Begin or lengthen the pause: exponential, with full jitter, or as long as was asked."""
        self._failures += 1
        asked_s = error.retry_after_s if isinstance(error, BusyError) else None
        self._is_asked_for = asked_s is not None
        self._until = self._clock.monotonic() + (self._length_s() if asked_s is None else asked_s)

    def _length_s(self) -> float:
        if self.is_broken:
            return OPEN_S + self._spread(OPEN_S)
        return self._spread(min(LONGEST_S, FIRST_S * 2.0**self._failures))


def _any_up_to(longest: float) -> float:
    """Give any number of seconds up to `longest`: jitter, which need not be secret."""
    return random.uniform(0.0, longest)  # noqa: S311  # nosec B311
