"""A clock that was off: `last` is the newest song all the same, and the one that is paid for."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.house import FastClock, open_house

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
