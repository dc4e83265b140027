"""Clips come into the library once, by one process, and tell why if they do not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import anyio.abc
import pytest

from song_mcp.errors import JournalError, LibraryError, NotYetError, StorageError
from song_mcp.journal import Journal, Liveness, NewTask, SaveClaim
from song_mcp.library import Library
from song_mcp.messages import SAVING_MISTAKE
from song_mcp.songs import Clip, Report, Task
from song_mcp.studio.caretaker import Caretaker
from song_mcp.studio.poller import Poller
from song_mcp.studio.saver import SAVE_TRIES, SAVES_AT_ONCE, Saver
from tests import recordings
from tests.manual_clock import START, ManualClock
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
    dead: set[str] = field(default_factory=set)
    is_patient: bool = False
    asked: list[str] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)
    under_way: int = 0
    most: int = 0

    async def __call__(self, url: str, sink: Callable[[bytes], None], *, cap_bytes: int) -> None:
        self.asked_at.append(self.clock.monotonic())
        self.asked.append(url)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.held is not None:
                await self.held.wait()
            if self.error is not None:
                raise self.error
            if url in self.dead:
                raise (NotYetError if self.is_patient else LibraryError)("The link is dead.")
        finally:
            self.under_way -= 1
        sink(PICTURE if url.endswith(".png") else SONG)


class Disk(Journal):
    """A journal that cannot be read for savers so many times, or written after a try."""

    failures = 0
    unwritable = 0

    async def save_clip(self, local_id: str, clip: Clip) -> Task:
        self.unwritable -= 1
        if self.unwritable >= 0:
            raise JournalError("The disk is full.")
        return await super().save_clip(local_id, clip)

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
    library: Library

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
    async def another_process(self) -> AsyncIterator[Saver]:
        """Run the saver of a process that begins now and ends in order, whatever it has begun."""
        liveness = Liveness(self.journal.path.parent / "processes")
        async with anyio.create_task_group() as work:
            saver = Saver(self.journal, self.library, liveness, self.clock, work)
            yield saver
            work.cancel_scope.cancel()
        await saver.hand_back()
        liveness.leave()

    @asynccontextmanager
    async def rounds(self, saver: Saver | None = None) -> AsyncIterator[None]:
        """Have the caretaker make its rounds; no service can be asked for a link."""
        saver = saver or self.saver
        async with anyio.create_task_group() as group:
            poller = Poller({}, self.journal, self.clock, saver)
            caretaker = Caretaker(self.journal, poller, saver, self.clock, group)
            group.start_soon(caretaker.run)
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
        yield Shop(journal, clock, web, saver, liveness, work, library)
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
    assert shop.web.asked_at == [0.0, 2.0]


@pytest.mark.parametrize(
    ("errors", "link_failed"),
    [
        ([LibraryError("The link is dead.")], True),
        ([NotYetError("Not there yet.", 1e9)], True),
        ([StorageError("The disk is full.")], False),
        ([ValueError("A mistake.")], False),
    ],
)
async def test_it_is_known_whether_the_link_alone_was_the_reason(
    shop: Shop, errors: list[Exception], *, link_failed: bool
) -> None:
    (shop.web.error,) = errors
    task = await shop.finished("c1")
    await shop.saver.save_due(task)
    await shop.quiet()
    (clip,) = (await shop.now(task)).clips
    assert clip.save_error
    assert clip.link_failed is link_failed


async def test_a_clip_that_fails_is_tried_seven_times_at_the_times_that_are_told(
    shop: Shop,
) -> None:
    shop.web.error = LibraryError("The link is dead.")
    task = await shop.finished("c1")
    await shop.saver.save_due(task)
    told: list[float | None] = []
    async with shop.rounds():
        for seconds in (1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0, 36_000.0):
            await shop.clock.run(seconds - shop.clock.elapsed_s)
            next_at = (await shop.now(task)).clips[0].next_try_at
            told.append((next_at - START).total_seconds() if next_at else None)
    assert shop.web.asked_at == [0.0, 2.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0]
    assert told == [2.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, None]


async def test_what_was_due_while_the_machine_slept_is_tried_at_once_and_once(shop: Shop) -> None:
    shop.web.error = LibraryError("The link is dead.")
    await shop.saver.save_due(await shop.finished("c1"))
    async with shop.rounds():
        await shop.clock.run(1.0)
        shop.clock.elapsed_s += 2 * 3600.0
        await shop.clock.run(60.0)
    assert len(shop.web.asked_at) == 2


async def test_an_earlier_link_that_works_is_used_when_the_newest_does_not(shop: Shop) -> None:
    task = await shop.finished("c1")
    newer = replace(task.clips[0], audio_url="https://x/newer")
    ended = Report("t-c1", "completed", "completed", clips=(newer,))
    await shop.journal.record(task.local_id, ended)
    shop.web.dead.add("https://x/newer")
    task = await shop.now(task)
    await shop.saver.save_due(task)
    await shop.quiet()
    (clip,) = (await shop.now(task)).clips
    assert clip.is_saved
    assert clip.audio_url == "https://x/newer"


async def test_a_fresh_link_is_asked_for_while_a_try_waits_for_its_host(shop: Shop) -> None:
    shop.web.error = NotYetError("HTTP 404.")
    task = await shop.finished("c1")
    asked_at: list[float] = []

    async def ask(_: Task) -> None:
        asked_at.append(shop.clock.monotonic())
        if len(asked_at) == 2:
            shop.web.error = None
            fresh = replace(task.clips[0], audio_url="https://x/fresh")
            ended = Report("t-c1", "completed", "completed", clips=(fresh,))
            await shop.journal.record(task.local_id, ended)

    shop.saver.ask = ask
    await shop.saver.save_due(task)
    await shop.clock.run(60.0)
    assert (await shop.now(task)).clips[0].is_saved
    assert asked_at == [2.0, 10.0]
    assert shop.web.asked == ["https://x/c1"] * 3 + ["https://x/fresh"]


async def test_a_link_that_somebody_else_brings_is_tried_at_once(shop: Shop) -> None:
    shop.web.dead.add("https://x/c1")
    shop.web.is_patient = True
    task = await shop.finished("c1")
    await shop.saver.save_due(task)
    await shop.clock.run(3.0)
    fresh = replace(task, clips=(replace(task.clips[0], audio_url="https://x/fresh"),))
    shop.saver.renew(fresh)
    await shop.quiet()
    assert (await shop.now(task)).clips[0].is_saved
    assert shop.web.asked_at == [0.0, 2.0, 3.0]


async def test_links_that_are_all_dead_are_tried_a_few_times_and_then_left(shop: Shop) -> None:
    shop.web.error = NotYetError("HTTP 404.")
    task = await shop.finished("c1")
    newer = replace(task.clips[0], audio_url="https://x/newer")
    ended = Report("t-c1", "completed", "completed", clips=(newer,))
    await shop.journal.record(task.local_id, ended)
    await shop.saver.save_due(await shop.now(task))
    await shop.clock.run(60.0)
    assert shop.web.asked[:2] == ["https://x/newer", "https://x/c1"]
    assert len(shop.web.asked) <= 6
    (clip,) = (await shop.now(task)).clips
    assert "HTTP 404" in clip.save_error
    assert (clip.audio_url, clip.is_being_saved) == ("https://x/newer", False)


async def test_the_outcome_is_written_when_the_disk_has_room_again(shop: Shop) -> None:
    task = await shop.finished("c1")
    shop.journal.unwritable = 2
    await shop.saver.save_due(task)
    await shop.clock.run(5.0)
    assert not (await shop.now(task)).clips[0].is_saved
    await shop.clock.run(1.0)
    assert (await shop.now(task)).clips[0].is_saved
    assert len(shop.web.asked_at) == 1


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
    await shop.saver.start_claimed("asked", task.local_id)
    await shop.quiet()
    assert shop.web.asked_at == [], "a mere look does not try it"
    await shop.clock.result(shop.saver.save_now(task, clip))
    (clip,) = (await shop.now(task)).clips
    assert clip.is_saved
    assert clip.save_error == ""


async def test_tries_of_processes_that_ended_in_order_do_not_count_and_go_on_at_once(
    shop: Shop,
) -> None:
    """One process for each call: none lives long enough, and each begins what the last one left."""
    shop.web.held = anyio.Event()
    task = await shop.finished("c1", "c2")
    for _ in range(SAVE_TRIES + 2):
        async with shop.another_process() as saver, shop.rounds(saver):
            assert shop.web.under_way == 2
    (clip, _) = (await shop.now(task)).clips
    assert (clip.is_being_saved, clip.save_error) == (False, "")
    shop.web.held.set()
    async with shop.another_process() as saver:
        await saver.start_claimed("asked", task.local_id)
        await shop.quiet()
    assert all(clip.is_saved for clip in (await shop.now(task)).clips)


async def test_who_saves_is_seen_to_live(shop: Shop, tmp_path: Path) -> None:
    shop.web.held = anyio.Event()
    await shop.saver.save_due(await shop.finished("c1"))
    await shop.quiet()
    others = Liveness(tmp_path / "processes")
    assert await shop.journal.savers() == [shop.liveness.token]
    assert not others.is_dead(shop.liveness.token)
    shop.web.held.set()


async def test_sixteen_clips_are_saved_at_a_time_and_all_in_the_end(shop: Shop) -> None:
    assert SAVES_AT_ONCE == 16
    shop.web.held = anyio.Event()
    task = await shop.finished(*"abcdefghijklmnopqr")
    await shop.saver.save_due(task)
    await shop.quiet()
    assert shop.web.under_way == 16
    shop.web.held.set()
    await shop.quiet()
    assert shop.web.most == 16
    assert (await shop.now(task)).has_nothing_to_save
    assert len(shop.web.asked_at) == 18


async def test_hosts_that_are_silent_hold_up_no_other_song(shop: Shop) -> None:
    shop.web.held = anyio.Event()
    await shop.saver.save_due(await shop.finished(*"abcdefgh"))
    await shop.quiet()
    shop.web.held = None
    other = await shop.finished("z")
    await shop.saver.save_due(other)
    await shop.quiet()
    assert (await shop.now(other)).has_nothing_to_save
    assert shop.web.under_way == 8


async def test_links_that_do_not_work_yet_hold_up_no_other_song(shop: Shop) -> None:
    shop.web.error = NotYetError("The audio is not ready yet.")
    await shop.saver.save_due(await shop.finished(*"abcdefghijklmnopqrst"))
    await shop.quiet()
    shop.web.error = None
    other = await shop.finished("z")
    await shop.saver.save_due(other)
    await shop.quiet()
    assert (await shop.now(other)).has_nothing_to_save


async def test_a_mistake_of_our_own_ends_neither_the_saver_nor_those_who_wait(
    shop: Shop,
) -> None:
    shop.web.error = KeyError("of ours")
    task = await shop.finished("c1")
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    (clip,) = (await shop.now(task)).clips
    assert clip.save_error == SAVING_MISTAKE
    shop.web.error = None
    shop.clock.elapsed_s += 20.0
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    assert (await shop.now(task)).clips[0].is_saved


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


async def test_who_asks_for_a_clip_that_failed_has_it_tried_but_not_within_20_s(
    shop: Shop,
) -> None:
    shop.web.error = LibraryError("The link is dead.")
    task = await shop.finished("c1")
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    shop.web.error = None
    failed = await shop.now(task)
    for _ in range(50):
        await shop.clock.result(shop.saver.save_now(failed, failed.clips[0]))
    assert shop.web.asked_at == [0.0]
    shop.clock.elapsed_s += 20.0
    await shop.clock.result(shop.saver.save_now(failed, failed.clips[0]))
    assert (await shop.now(task)).clips[0].file is not None
    assert shop.web.asked_at == [0.0, 20.0]


async def test_who_waits_for_a_clip_that_another_process_saves_waits_for_that(
    shop: Shop, tmp_path: Path
) -> None:
    other = Liveness(tmp_path / "processes")
    other.enter()
    task, ends = await shop.finished("c1"), list[str]()
    await shop.journal.claim_saves(SaveClaim(task.local_id, other.token, 5))

    async def wait() -> None:
        await shop.saver.save_now(task, task.clips[0])
        ends.append("saved")

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await shop.clock.run(30.0)
        ends.append("written")
        await shop.journal.save_clip(task.local_id, replace(task.clips[0], file=tmp_path / "a.mp3"))
        await shop.clock.run(1.0)
    assert (ends, shop.web.asked_at) == (["written", "saved"], [])
    other.leave()


async def test_what_is_saved_or_has_no_audio_is_not_tried(shop: Shop) -> None:
    task = await shop.finished("c1")
    await shop.clock.result(shop.saver.save_now(task, task.clips[0]))
    saved = await shop.now(task)
    await shop.clock.result(shop.saver.save_now(saved, saved.clips[0]))
    silent = await shop.finished("c2", audio=False)
    await shop.clock.result(shop.saver.save_now(silent, silent.clips[0]))
    assert (await shop.now(silent)).clips[0] == replace(silent.clips[0])
    assert len(shop.web.asked_at) == 1
