"""Clips come into the library once, by one process, and tell why if they do not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import anyio.abc
import pytest

from song_mcp.errors import JournalError, LibraryError
from song_mcp.journal import Journal, Liveness, NewTask, SaveClaim
from song_mcp.library import Library
from song_mcp.songs import Clip, Report, Task
from song_mcp.studio.saver import SAVE_TRIES, SAVES_AT_ONCE, Saver
from tests import recordings
from tests.manual_clock import ManualClock
from tests.memory_services import spare_the_disk

SONG = recordings.mp3(2)
PICTURE = recordings.PNG
NEW = NewTask("piapi", "udio", "song", "p", "Quay", "waltz", {})
DAY_S = 24 * 3600.0


@dataclass
class Web:
    """What is behind every link, or the error that it is met with; and until when one waits."""

    clock: ManualClock
    error: Exception | None = None
    held: anyio.Event | None = None
    asked_at: list[float] = field(default_factory=list)
    under_way: int = 0
    most: int = 0

    async def __call__(self, url: str, sink: Callable[[bytes], None], *, cap_bytes: int) -> None:
        self.asked_at.append(self.clock.monotonic())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.held is not None:
                await self.held.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.under_way -= 1
        sink(PICTURE if url.endswith(".png") else SONG)


class Disk(Journal):
    """A journal that cannot be read for savers so many times."""

    failures = 0

    async def savers(self) -> list[str]:
        self.failures -= 1
        if self.failures >= 0:
            raise JournalError("The disk is full.")
        return list(await super().savers())


@dataclass
class Shop:
    """A saver at work, and what it downloads from."""

    journal: Disk
    clock: ManualClock
    web: Web
    saver: Saver
    liveness: Liveness
    work: anyio.abc.TaskGroup

    async def finished(self, *names: str, audio: bool = True, image_url: str = "") -> Task:
        """Have a task that ended with these clips."""
        task = (await self.journal.prepare(NEW, join=False)).task
        await self.journal.accept(task.local_id, NEW, f"t-{names[0]}", None)
        url = "https://x/" if audio else ""
        clips = tuple(
            Clip(name, "completed", audio_url=url and url + name, image_url=image_url)
            for name in names
        )
        ended = Report(f"t-{names[0]}", "completed", "completed", clips=clips)
        return (await self.journal.record(task.local_id, ended)).task

    async def now(self, task: Task) -> Task:
        found = await self.journal.find(task.local_id)
        assert found is not None
        return found

    async def quiet(self) -> None:
        await self.clock.run(0.0)

    @asynccontextmanager
    async def rounds(self) -> AsyncIterator[None]:
        """Have the saver make its rounds."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.saver.run)
            await self.quiet()
            yield
            group.cancel_scope.cancel()


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    spare_the_disk(monkeypatch)
    clock = ManualClock()
    web, journal = Web(clock), Disk(tmp_path / "j.sqlite3", clock.now)
    liveness = Liveness(tmp_path / "processes")
    async with anyio.create_task_group() as work:
        library = Library(tmp_path / "music", web, cap_bytes=1_000_000, clock=clock)
        saver = Saver(journal, library, liveness, clock, work)
        yield Shop(journal, clock, web, saver, liveness, work)
        work.cancel_scope.cancel()
    liveness.leave()
    await journal.close()


async def test_a_finished_clip_is_saved_and_told(shop: Shop) -> None:
    task = await shop.finished("c1")
    await shop.saver.save_due(task)
    await shop.quiet()
    (clip,) = (await shop.now(task)).clips
    assert clip.file is not None
    assert clip.file.read_bytes()[-500:] == SONG[-500:]
    assert (clip.mime_type, clip.save_error) == ("audio/mpeg", "")
    assert clip.duration_s == pytest.approx(2.0, abs=0.2)


async def test_the_picture_of_a_clip_is_saved_beside_it(shop: Shop) -> None:
    task = await shop.finished("c1", image_url="https://x/c1.png")
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    (saved,) = (await shop.now(task)).clips
    assert saved.file is not None
    assert saved.cover == saved.file.with_suffix(".png")
    assert saved.cover.read_bytes() == PICTURE


async def test_why_a_clip_is_not_saved_is_told_until_it_is(shop: Shop) -> None:
    shop.web.error = LibraryError("The link is dead.")
    task = await shop.finished("c1")
    await shop.saver.save_due(task)
    await shop.quiet()
    (clip,) = (await shop.now(task)).clips
    assert (clip.file, clip.save_error) == (None, "The link is dead.")
    shop.web.error = None
    async with shop.rounds():
        await shop.clock.run(60.0)
    (clip,) = (await shop.now(task)).clips
    assert clip.file is not None
    assert clip.save_error == ""
    assert shop.web.asked_at == [0.0, 20.0], "rounds are made every 20 s"


async def test_what_failed_or_is_saved_is_not_tried_because_somebody_asks(shop: Shop) -> None:
    shop.web.error = LibraryError("The link is dead.")
    task = await shop.finished("c1")
    await shop.saver.save_due(task)
    await shop.quiet()
    shop.clock.elapsed_s += 3600.0
    await shop.saver.save_due(await shop.now(task))
    await shop.quiet()
    assert len(shop.web.asked_at) == 1


async def test_clips_of_a_dead_process_are_taken_over_and_of_a_living_one_not(
    shop: Shop, tmp_path: Path
) -> None:
    other = Liveness(tmp_path / "processes")
    other.enter()
    theirs = await shop.finished("theirs")
    await shop.journal.claim_saves(SaveClaim(theirs.local_id, other.token, 5))
    lost = await shop.finished("lost")
    await shop.journal.claim_saves(SaveClaim(lost.local_id, "dead", 5))
    async with shop.rounds():
        assert [
            task.has_nothing_to_save for task in (await shop.now(theirs), await shop.now(lost))
        ] == [*(False, True)]
    other.leave()


async def test_tries_of_killed_processes_count_and_then_the_clip_says_how_to_get_it(
    shop: Shop,
) -> None:
    task = await shop.finished("c1")
    for number in range(SAVE_TRIES):
        dead = [f"killed {number - 1}"]
        await shop.journal.claim_saves(SaveClaim("", f"killed {number}", SAVE_TRIES, dead))
    async with shop.rounds():
        shop.clock.elapsed_s += DAY_S
        await shop.clock.run(20.0)
    assert shop.web.asked_at == []
    (clip,) = (await shop.now(task)).clips
    assert "play_song" in clip.save_error
    await shop.clock.result(shop.saver.save_now(task, clip))
    (clip,) = (await shop.now(task)).clips
    assert clip.is_saved
    assert clip.save_error == ""


async def test_who_saves_is_seen_to_live(shop: Shop, tmp_path: Path) -> None:
    shop.web.held = anyio.Event()
    await shop.saver.save_due(await shop.finished("c1"))
    await shop.quiet()
    others = Liveness(tmp_path / "processes")
    assert await shop.journal.savers() == [shop.liveness.token]
    assert not others.is_dead(shop.liveness.token)
    shop.web.held.set()


async def test_four_clips_are_saved_at_a_time_and_all_in_the_end(shop: Shop) -> None:
    assert SAVES_AT_ONCE == 4
    shop.web.held = anyio.Event()
    task = await shop.finished(*"abcdef")
    await shop.saver.save_due(task)
    await shop.quiet()
    assert shop.web.under_way == 4
    shop.web.held.set()
    await shop.quiet()
    assert shop.web.most == 4
    assert (await shop.now(task)).has_nothing_to_save
    assert len(shop.web.asked_at) == 6


async def test_a_mistake_of_our_own_ends_neither_the_saver_nor_those_who_wait(
    shop: Shop,
) -> None:
    shop.web.error = KeyError("of ours")
    task = await shop.finished("c1")
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    shop.web.error = None
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    assert (await shop.now(task)).has_nothing_to_save


async def test_a_round_that_fails_is_followed_by_the_next(shop: Shop) -> None:
    task = await shop.finished("c1")
    shop.journal.failures = 1
    async with shop.rounds():
        assert not (await shop.now(task)).has_nothing_to_save
        await shop.clock.run(19.0)
        assert not (await shop.now(task)).has_nothing_to_save
        await shop.clock.run(1.0)
        assert (await shop.now(task)).has_nothing_to_save


# Waiting for one clip -----------------------------------------------------------------------


async def test_who_waits_for_a_clip_waits_until_it_is_saved(shop: Shop) -> None:
    task = await shop.finished("c1")
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    assert (await shop.now(task)).has_nothing_to_save


async def test_who_waits_for_a_clip_that_is_being_saved_starts_no_second_try(shop: Shop) -> None:
    shop.web.held = anyio.Event()
    task, order = await shop.finished("c1"), list[str]()
    await shop.saver.save_due(task)
    await shop.quiet()

    async def wait() -> None:
        await shop.saver.save_now(task, task.clips[0])
        order.append("saved")

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await shop.quiet()
        order.append("let go")
        shop.web.held.set()
    assert order == ["let go", "saved"]
    assert len(shop.web.asked_at) == 1


async def test_who_asks_for_a_clip_that_failed_has_it_tried_at_once(shop: Shop) -> None:
    shop.web.error = LibraryError("The link is dead.")
    task = await shop.finished("c1")
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    shop.web.error = None
    failed = await shop.now(task)
    await shop.clock.result(shop.saver.save_now(failed, failed.clips[0]))
    assert (await shop.now(task)).clips[0].file is not None
    assert shop.web.asked_at == [0.0, 0.0]


async def test_what_is_saved_or_has_no_audio_is_not_tried(shop: Shop) -> None:
    task = await shop.finished("c1")
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    saved = await shop.now(task)
    await shop.clock.result(shop.saver.save_now(saved, saved.clips[0]))
    silent = await shop.finished("c2", audio=False)
    await shop.clock.result(shop.saver.save_now(silent, silent.clips[0]))
    assert (await shop.now(silent)).clips[0] == replace(silent.clips[0])
    assert len(shop.web.asked_at) == 1
