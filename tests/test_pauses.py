"""When a service is left alone; the clock is an argument and stands still."""

from collections.abc import Callable

import pytest

from song_mcp.errors import BusyError, NoAnswerError, PausedError
from song_mcp.pauses import BREAKS_AFTER, OPEN_S, Pause
from tests.manual_clock import ManualClock

FAILED = NoAnswerError("It failed.")


def longest(clock: ManualClock, spread: Callable[[float], float] = lambda most: most) -> Pause:
    """Give a pause whose dice always give the most that is possible, or what `spread` says."""
    return Pause("gpt.ge", clock, spread)


def failed(pause: Pause, times: int) -> Pause:
    for _ in range(times):
        pause.failed(FAILED)
    return pause


def busy(seconds: float | None) -> BusyError:
    return BusyError("It is busy.", retry_after_s=seconds)


def may_look(pause: Pause) -> bool:
    try:
        pause.check()
    except PausedError:
        return False
    return True


def test_a_service_that_never_failed_is_not_left_alone() -> None:
    pause = longest(ManualClock())
    assert pause.left_s == 0
    assert may_look(pause)


def test_each_failure_doubles_the_longest_pause() -> None:
    lengths = []
    pause = longest(ManualClock())
    for _ in range(BREAKS_AFTER - 1):
        pause.failed(FAILED)
        lengths.append(pause.left_s)
    assert lengths == [4, 8, 16, 32]


@pytest.mark.parametrize("part", [0.0, 0.3, 1.0])
def test_the_jitter_is_full_from_nothing_to_the_longest(part: float) -> None:
    asked: list[float] = []

    def spread(most: float) -> float:
        asked.append(most)
        return most * part

    pause = failed(longest(ManualClock(), spread), 3)
    assert asked == [4, 8, 16]
    assert pause.left_s == 16 * part


def test_the_dice_are_thrown_anew_for_each_pause() -> None:
    lengths = {failed(Pause("gpt.ge", ManualClock()), 1).left_s for _ in range(20)}
    assert len(lengths) > 1
    assert all(0 <= length <= 4 for length in lengths)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 90.0, 120.0])
def test_what_the_service_asks_for_is_kept_to_the_second(seconds: float) -> None:
    pause = longest(ManualClock())
    pause.failed(busy(seconds))
    assert pause.left_s == seconds
    assert may_look(pause) is (seconds == 0)


def test_busy_without_a_time_is_a_failure_like_any_other() -> None:
    pause = longest(ManualClock())
    pause.failed(busy(None))
    assert pause.left_s == 4
    assert may_look(pause)


def test_what_the_service_asks_for_is_kept_by_an_open_breaker_too() -> None:
    pause = failed(longest(ManualClock()), BREAKS_AFTER)
    pause.failed(busy(120.0))
    assert pause.left_s == 120
    assert not may_look(pause)


def test_after_fewer_than_five_failures_a_person_may_still_look() -> None:
    pause = failed(longest(ManualClock()), BREAKS_AFTER - 1)
    assert pause.left_s > 0
    assert not pause.is_broken
    assert may_look(pause)


def test_after_five_failures_in_a_row_the_breaker_opens() -> None:
    pause = failed(longest(ManualClock()), BREAKS_AFTER)
    assert pause.is_broken
    assert OPEN_S <= pause.left_s <= 2 * OPEN_S
    with pytest.raises(PausedError, match=r"gpt\.ge failed several times in a row"):
        pause.check()


def test_a_success_between_failures_begins_the_count_anew() -> None:
    pause = failed(longest(ManualClock()), BREAKS_AFTER - 1)
    pause.succeeded()
    assert not failed(pause, BREAKS_AFTER - 1).is_broken


async def test_while_one_look_probes_everything_else_waits() -> None:
    clock = ManualClock()
    pause = failed(longest(clock), BREAKS_AFTER)
    await clock.run(2 * OPEN_S)
    assert pause.left_s == 0
    assert may_look(pause)
    assert not may_look(pause)
    assert pause.left_s > 0


async def test_a_probe_that_fails_opens_the_breaker_again() -> None:
    clock = ManualClock()
    pause = failed(longest(clock), BREAKS_AFTER)
    await clock.run(2 * OPEN_S)
    pause.probe()
    pause.failed(FAILED)
    assert pause.is_broken
    assert pause.left_s >= OPEN_S


async def test_a_probe_that_succeeds_closes_the_breaker() -> None:
    clock = ManualClock()
    pause = failed(longest(clock), BREAKS_AFTER)
    await clock.run(2 * OPEN_S)
    pause.probe()
    pause.succeeded()
    assert not pause.is_broken
    assert pause.left_s == 0
    assert may_look(pause)


async def test_a_pause_ends_by_the_clock() -> None:
    clock = ManualClock()
    pause = longest(clock)
    pause.failed(busy(90.0))
    await clock.run(60)
    assert pause.left_s == 30
    with pytest.raises(PausedError, match=r"asked for time and is asked again in 30 s"):
        pause.check()
    await clock.run(30)
    assert may_look(pause)


def test_setting_the_clock_of_the_system_changes_no_pause() -> None:
    clock = ManualClock()
    pause = failed(longest(clock), 2)
    clock.jumped_s = -7200.0
    assert pause.left_s == 8
