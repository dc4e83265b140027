"""What the holder of a handle is told as time goes by, with services and a clock in memory."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from song_mcp.compose import running
from song_mcp.inbox import Inbox
from song_mcp.journal import Journal
from song_mcp.library import Library
from song_mcp.providers import Provider
from song_mcp.songs import Clip, Report, ServiceName, SongRequest, Task
from song_mcp.studio import Options, Studio
from song_mcp.studio.phase import SAVED_WITHIN_S
from song_mcp.studio.poller import SLOWEST_S
from tests.manual_clock import ManualClock
from tests.memory_services import MemoryServices, spare_the_disk
from tests.models import UDIO

HOUR_S = 3600.0
WALTZ = SongRequest(UDIO, "waltz")


async def never(_url: str, _sink: Callable[[bytes], None], **_: int) -> None:
    """Download for ever."""
    await anyio.sleep_forever()


@dataclass
class World:
    """A journal in `folder`, services in memory, and a clock that stands still."""

    folder: Path
    clock: ManualClock
    services: MemoryServices

    @asynccontextmanager
    async def process(
        self, providers: Mapping[ServiceName, Provider] | None = None
    ) -> AsyncIterator[Studio]:
        """Run a studio, as a process of its own would; its downloads never end."""
        journal = Journal(self.folder / "journal.sqlite3", self.clock.now)

        providers = self.services.providers() if providers is None else providers
        library = Library(self.folder / "library", never, cap_bytes=1)
        options = Options(None, 0.0, 10, 1, library.folder)
        inbox = Inbox(self.folder / "inbox", cap_bytes=1)
        async with running(options, providers, journal, library, inbox, self.clock) as studio:
            yield studio
        await journal.close()

    async def begun(self, by: Studio) -> str:
        """Make a song that its service accepts; returns its handle."""
        task = (await by.begin(WALTZ, another_take=False)).task
        await self.clock.run(5.0)
        return task.local_id

    async def end_with_a_clip(self, task: Task) -> None:
        """Let another process write that the song has ended."""
        clip = Clip("c1", "completed", audio_url="https://media.example/c1.mp3")
        report = Report(task.task_id, "completed", "completed", clips=(clip,))
        other = Journal(self.folder / "journal.sqlite3", self.clock.now)
        await other.record_all({task.local_id: report})
        await other.close()

    async def asked(self, by: Studio, handle: str, seconds: float) -> str:
        """Ask every 5 s for so long; returns the phase in the end."""
        for _ in range(round(seconds / 5)):
            await by.handles.standing(handle)
            await self.clock.run(5.0)
        return (await by.handles.standing(handle)).phase


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    spare_the_disk(monkeypatch)
    clock = ManualClock()
    return World(tmp_path, clock, MemoryServices(clock))


async def test_a_process_that_comes_much_later_learns_the_end_without_being_asked(
    world: World,
) -> None:
    async with world.process() as first:
        handle = await world.begun(first)
    await world.clock.run(5 * HOUR_S)
    async with world.process() as second:
        await world.clock.run(6.0)
        assert (await second.handles.standing(handle)).phase == "ended"


async def test_a_song_that_takes_hours_is_looked_at_for_those_who_ask_and_not_too_often(
    world: World,
) -> None:
    world.services.song_s = 3 * HOUR_S
    async with world.process() as first:
        handle = await world.begun(first)
    await world.clock.run(2 * HOUR_S)
    async with world.process() as second:
        await world.clock.run(60.0)
        before = world.services.looks["piapi"]
        await world.clock.run(300.0)
        assert world.services.looks["piapi"] == before, "nobody asked"
        standing = await second.handles.standing(handle)
        assert "over an hour" in standing.message
        assert await world.asked(second, handle, 300.0) == "left"
        looks = world.services.looks["piapi"] - before
        assert 7 <= looks <= 300 / SLOWEST_S + 1
    await world.clock.run(HOUR_S)
    async with world.process() as third:
        assert await world.asked(third, handle, 60.0) == "ended"


async def test_looks_that_fail_are_not_made_more_often(world: World) -> None:
    world.services.song_s = 3 * HOUR_S
    async with world.process() as first:
        handle = await world.begun(first)
    await world.clock.run(1.1 * HOUR_S)
    async with world.process() as second:
        await world.clock.run(60.0)
        before = world.services.looks["piapi"]
        world.services.look_fault = "half an answer"
        assert await world.asked(second, handle, 300.0) == "left"
        assert world.services.looks["piapi"] - before <= 300 / SLOWEST_S + 1


async def test_without_its_key_a_task_is_told_as_last_known(world: World) -> None:
    async with world.process() as first:
        handle = await world.begun(first)
    async with world.process({}) as keyless:
        standing = await keyless.handles.standing(handle)
        assert standing.phase == "polled"
        assert "PIAPI_API_KEY is not set" in standing.message


async def test_an_end_is_held_back_for_its_audio_but_not_for_ever(world: World) -> None:
    async with world.process() as studio:
        handle = await world.begun(studio)
        await world.end_with_a_clip(await studio.task(handle))
        held = await studio.handles.standing(handle)
        assert (held.phase, held.message) == ("saving", "It is made; its audio is being saved.")
        await world.clock.run(SAVED_WITHIN_S)
        assert (await studio.handles.standing(handle)).phase == "ended"


async def test_a_clock_that_was_set_back_holds_no_end_back(world: World) -> None:
    async with world.process() as studio:
        handle = await world.begun(studio)
        await world.end_with_a_clip(await studio.task(handle))
        world.clock.jumped_s -= HOUR_S
        assert (await studio.handles.standing(handle)).phase == "ended"
