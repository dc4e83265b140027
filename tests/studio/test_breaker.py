"""When a service is not asked; the clock is an argument and stands still."""

from collections.abc import Callable

import pytest

from song_mcp.errors import BusyError, NoAnswerError, PausedError
from song_mcp.studio.breaker import BREAKS_AFTER, OPEN_S, Breaker
from tests.manual_clock import ManualClock

FAILED = NoAnswerError("It failed.")


def longest(clock: ManualClock, spread: Callable[[float], float] = lambda most: most) -> Breaker:
    """Return a breaker whose random pauses are the longest possible, or what `spread` says."""
    return Breaker("gpt.ge", clock, spread)


def failed(breaker: Breaker, times: int) -> Breaker:
    for _ in range(times):
        breaker.failed(FAILED)
    return breaker


def busy(seconds: float | None) -> BusyError:
    return BusyError("It is busy.", retry_after_s=seconds)


def may_look(breaker: Breaker) -> bool:
    try:
        breaker.check()
    except PausedError:
        return False
    return True


def test_a_service_that_never_failed_is_not_left_alone() -> None:
    breaker = longest(ManualClock())
    assert breaker.left_s == 0
    assert may_look(breaker)


def test_each_failure_doubles_the_longest_pause() -> None:
    lengths = []
    breaker = longest(ManualClock())
    for _ in range(BREAKS_AFTER - 1):
        breaker.failed(FAILED)
        lengths.append(breaker.left_s)
    assert lengths == [4, 8, 16, 32]


@pytest.mark.parametrize("part", [0.0, 0.3, 1.0])
def test_the_jitter_is_full_from_nothing_to_the_longest(part: float) -> None:
    asked: list[float] = []

    def spread(most: float) -> float:
        asked.append(most)
        return most * part

    breaker = failed(longest(ManualClock(), spread), 3)
    assert asked == [4, 8, 16]
    assert breaker.left_s == 16 * part


def test_the_dice_are_thrown_anew_for_each_pause() -> None:
    lengths = {failed(Breaker("gpt.ge", ManualClock()), 1).left_s for _ in range(20)}
    assert len(lengths) > 1
    assert all(0 <= length <= 4 for length in lengths)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 90.0, 120.0])
def test_what_the_service_asks_for_is_kept_to_the_second(seconds: float) -> None:
    breaker = longest(ManualClock())
    breaker.failed(busy(seconds))
    assert breaker.left_s == seconds
    assert may_look(breaker) is (seconds == 0)


def test_busy_without_a_time_is_a_failure_like_any_other() -> None:
    breaker = longest(ManualClock())
    breaker.failed(busy(None))
    assert breaker.left_s == 4
    assert may_look(breaker)


def test_what_the_service_asks_for_is_kept_by_an_open_breaker_too() -> None:
    breaker = failed(longest(ManualClock()), BREAKS_AFTER)
    breaker.failed(busy(120.0))
    assert breaker.left_s == 120
    assert not may_look(breaker)


def test_after_fewer_than_five_failures_a_person_may_still_look() -> None:
    breaker = failed(longest(ManualClock()), BREAKS_AFTER - 1)
    assert breaker.left_s > 0
    assert not breaker.is_broken
    assert may_look(breaker)


def test_after_five_failures_in_a_row_the_breaker_opens() -> None:
    breaker = failed(longest(ManualClock()), BREAKS_AFTER)
    assert breaker.is_broken
    assert OPEN_S <= breaker.left_s <= 2 * OPEN_S
    with pytest.raises(PausedError, match=r"gpt\.ge failed several times in a row"):
        breaker.check()


def test_a_success_between_failures_begins_the_count_anew() -> None:
    breaker = failed(longest(ManualClock()), BREAKS_AFTER - 1)
    breaker.succeeded()
    assert not failed(breaker, BREAKS_AFTER - 1).is_broken


async def test_while_one_look_probes_everything_else_waits() -> None:
    clock = ManualClock()
    breaker = failed(longest(clock), BREAKS_AFTER)
    await clock.run(2 * OPEN_S)
    assert breaker.left_s == 0
    assert may_look(breaker)
    assert not may_look(breaker)
    assert breaker.left_s > 0


async def test_a_probe_that_fails_opens_the_breaker_again() -> None:
    clock = ManualClock()
    breaker = failed(longest(clock), BREAKS_AFTER)
    await clock.run(2 * OPEN_S)
    breaker.probe()
    breaker.failed(FAILED)
    assert breaker.is_broken
    assert breaker.left_s >= OPEN_S


async def test_a_probe_that_succeeds_closes_the_breaker() -> None:
    clock = ManualClock()
    breaker = failed(longest(clock), BREAKS_AFTER)
    await clock.run(2 * OPEN_S)
    breaker.probe()
    breaker.succeeded()
    assert not breaker.is_broken
    assert breaker.left_s == 0
    assert may_look(breaker)


async def test_a_pause_ends_by_the_clock() -> None:
    clock = ManualClock()
    breaker = longest(clock)
    breaker.failed(busy(90.0))
    await clock.run(60)
    assert breaker.left_s == 30
    with pytest.raises(PausedError, match=r"asked for a pause, .* again in 30 s;"):
        breaker.check()
    await clock.run(30)
    assert may_look(breaker)


def test_setting_the_clock_of_the_system_changes_no_pause() -> None:
    clock = ManualClock()
    breaker = failed(longest(clock), 2)
    clock.jumped_s = -7200.0
    assert breaker.left_s == 8
