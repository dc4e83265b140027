"""A clock that was off: `last` is the newest song all the same, and the one that is paid for."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.house import FastClock, House, open_house
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("the order of songs is behind the protocol")


class OffClock(FastClock):
    """A clock that a test sets."""

    def set_on(self, by: timedelta) -> None:
        self._started += by


@pytest.mark.parametrize("hours", [8, 24 * 365 * 70])
async def test_last_is_extended_though_an_older_song_has_a_later_time(
    tmp_path: Path, hours: int
) -> None:
    clock = OffClock()
    async with open_house(tmp_path, clock=clock) as house:
        clock.set_on(timedelta(hours=hours))
        await house.song(description="older")
        clock.set_on(timedelta(hours=-hours))
        newest = await house.song(description="newer")
        await house.ok("extend_song", clip_id="last", description="on", wait_seconds=0)
        continued = house.posts()[-1]["input"]["continue_song_id"]
        assert continued == newest["clips"][0]["clip_id"]
        assert len(house.posts()) == 3


DAY = timedelta(days=1)


def steady(house: House) -> House:
    """Give the services a clock of their own, which nobody sets."""
    clock = FastClock()
    house.sandbox.clock = lambda: clock.now().timestamp()
    return house


@pytest.mark.parametrize("by", [DAY, -DAY], ids=["forward", "back"])
async def test_a_song_under_way_is_delivered_and_paid_once_though_the_clock_is_set(
    tmp_path: Path, by: timedelta
) -> None:
    clock = OffClock()
    async with open_house(tmp_path, clock=clock) as opened:
        house = steady(opened)
        begun = await house.ok("generate_song", description="waltz", wait_seconds=0)
        clock.set_on(by)
        joined = await house.ok("generate_song", description="waltz", wait_seconds=0)
        assert joined["task_id"] == begun["task_id"]
        look = {"task_id": begun["task_id"], "wait_seconds": 0}
        while not (song := await house.ok("get_task", **look))["clips"]:
            await a_moment()
        assert song["charged"] == "yes"
        clock.set_on(-by)
        assert (await house.ok("get_task", task_id="last", wait_seconds=0))["task_id"] == begun[
            "task_id"
        ]
        assert len(house.posts()) == 1


@pytest.mark.parametrize("by", [DAY, -DAY], ids=["forward", "back"])
async def test_a_clock_set_there_and_back_never_gives_more_than_one_day_more(
    tmp_path: Path, by: timedelta
) -> None:
    clock, settings = OffClock(), {"SONG_MCP_DAILY_LIMIT": "2"}
    async with open_house(tmp_path, clock=clock, settings=settings) as opened:
        house = steady(opened)
        for description in ("one", "two"):
            await house.ok("generate_song", description=description, wait_seconds=0)
        assert "limit of 2" in await house.error("generate_song", description="three")
        clock.set_on(by)
        later = await house.call("generate_song", description="four", wait_seconds=0)
        assert bool(later.is_error) == (by < timedelta()), "a day later it is another day"
        clock.set_on(-by)
        assert "limit of 2" in await house.error("generate_song", description="five")
        assert len(house.posts()) == (3 if by > timedelta() else 2)


async def test_an_end_that_nobody_was_told_is_joined_though_the_clock_is_set_back(
    tmp_path: Path,
) -> None:
    clock = OffClock()
    async with open_house(tmp_path, clock=clock) as opened:
        house = steady(opened)
        await house.give_up("generate_song", description="waltz", wait_seconds=55)
        clock.set_on(-DAY)
        again = await house.ok("generate_song", description="waltz")
        assert again["status"] == "completed"
        assert len(house.posts()) == 1
