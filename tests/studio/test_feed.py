"""The feed of a journal that two processes share: what it reports, when, and what it leaves."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from song_mcp.journal import Journal, News, NewTask
from song_mcp.songs import Clip, Report
from song_mcp.studio.feed import CHANGES_EVERY_S, LIST_EVERY_S, Feed
from tests.manual_clock import ManualClock, quiet

NEW = NewTask("piapi", "udio", "song", "print", "Quay", "waltz", {"description": "waltz"})


@dataclass
class Listener:
    """Records what it is told, and when; `heard` says whether anyone would hear it."""

    clock: ManualClock
    heard: bool = True
    told: list[News] = field(default_factory=list)
    list_told_at_s: list[float] = field(default_factory=list)

    def is_heard(self) -> bool:
        return self.heard

    async def tell(self, news: News) -> None:
        self.told.append(news)
        if news.is_list_changed:
            self.list_told_at_s.append(self.clock.elapsed_s)

    def tasks(self) -> list[str]:
        return [change.local_id for news in self.told for change in news.changes]


@dataclass
class Desk:
    """A feed that runs, its listener, our journal, and another process's on the same file."""

    feed: Feed
    clock: ManualClock
    listener: Listener
    ours: Journal
    theirs: Journal


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock, path = ManualClock(), tmp_path / "home" / "journal.sqlite3"
    ours, theirs = Journal(path, clock.now), Journal(path, clock.now)
    feed, listener = Feed(ours, clock), Listener(clock)
    feed.listen(listener)
    async with anyio.create_task_group() as group:
        group.start_soon(feed.run)
        await quiet()
        yield Desk(feed, clock, listener, ours, theirs)
        group.cancel_scope.cancel()
    await ours.close()
    await theirs.close()


async def written(journal: Journal, title: str) -> str:
    new = replace(NEW, title=title, fingerprint=title)
    return (await journal.prepare(new, join=False)).task.local_id


async def test_what_this_process_writes_is_told_at_once(desk: Desk) -> None:
    task = await written(desk.ours, "ours")
    await quiet()
    assert desk.listener.tasks() == [task]
    assert desk.clock.elapsed_s == 0


async def test_what_another_process_writes_is_told_within_a_second(desk: Desk) -> None:
    task = await written(desk.theirs, "theirs")
    await quiet()
    assert desk.listener.tasks() == []
    await desk.clock.run(CHANGES_EVERY_S)
    assert desk.listener.tasks() == [task]


async def test_each_change_is_told_once_in_its_order(desk: Desk) -> None:
    tasks = [await written(desk.theirs, title) for title in ("one", "two")]
    tasks.append(await written(desk.ours, "three"))
    await desk.clock.run(5 * CHANGES_EVERY_S)
    assert desk.listener.tasks() == tasks


async def test_while_nobody_listens_nothing_is_read(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "home" / "journal.sqlite3"
    feed, listener = Feed(Journal(path, clock.now), clock), Listener(clock, heard=False)
    feed.listen(listener)
    async with anyio.create_task_group() as group:
        group.start_soon(feed.run)
        await clock.run(60 * CHANGES_EVERY_S)
        group.cancel_scope.cancel()
    assert not path.exists(), "a first read would have made it"


async def test_what_changed_while_nobody_listened_is_passed_over(desk: Desk) -> None:
    desk.listener.heard = False
    await written(desk.theirs, "unheard")
    await desk.clock.run(3 * CHANGES_EVERY_S)
    catch_up = desk.feed.listen(desk.listener)
    await catch_up()
    desk.listener.heard = True
    task = await written(desk.theirs, "heard")
    await desk.clock.run(2 * CHANGES_EVERY_S)
    assert desk.listener.tasks() == [task]


async def test_what_could_not_be_read_is_told_when_it_can(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    home, aside = desk.ours.path.parent, desk.ours.path.parent.with_name("aside")
    task = await written(desk.theirs, "theirs")
    await desk.theirs.close()
    home.rename(aside)
    home.write_text("a file in its place", encoding="utf-8")
    await desk.clock.run(3 * CHANGES_EVERY_S)
    assert desk.listener.tasks() == []
    home.unlink()
    aside.rename(home)
    await desk.clock.run(2 * CHANGES_EVERY_S)
    assert desk.listener.tasks() == [task]
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def finished(journal: Journal, title: str) -> None:
    """Write a task whose one clip joins the list of resources."""
    local_id = await written(journal, title)
    await journal.accept(local_id, NEW, title, None)
    clip = Clip(title, "completed", audio_url=f"https://x/{title}")
    await journal.record(local_id, Report(title, "completed", "completed", clips=(clip,)))


@pytest.mark.parametrize("whose", ["ours", "theirs"])
async def test_changes_of_the_list_are_told_at_once_and_then_once_in_2_s_and_none_is_lost(
    desk: Desk, whose: str
) -> None:
    told_at_s = desk.listener.list_told_at_s
    for number in range(8):
        await finished(getattr(desk, whose), f"clip{number}")
        await desk.clock.run(0.7)
    last_s = desk.clock.elapsed_s - 0.7
    assert told_at_s[0] <= CHANGES_EVERY_S, "what another process writes is seen within a second"
    assert len(desk.listener.tasks()) >= 8, "what a client subscribed to is told as ever"
    await desk.clock.run(60.0)
    assert last_s <= told_at_s[-1] <= last_s + LIST_EVERY_S + CHANGES_EVERY_S
    assert min(later - told for told, later in pairwise(told_at_s)) >= LIST_EVERY_S
    assert len(told_at_s) in {3, 4}


async def test_a_change_of_the_list_that_waits_is_forgotten_when_nobody_listens(
    desk: Desk,
) -> None:
    await finished(desk.ours, "first")
    await quiet()
    await finished(desk.ours, "second")
    await quiet()
    desk.listener.heard = False
    await desk.feed.look()
    desk.listener.heard = True
    await desk.clock.run(60.0)
    assert desk.listener.list_told_at_s == [0.0]


# Who waits ---------------------------------------------------------------------------------


async def test_a_waiter_is_woken_by_every_change_of_its_task_and_by_no_other(desk: Desk) -> None:
    desk.listener.heard = False
    mine, other = await written(desk.ours, "mine"), await written(desk.ours, "other")
    with desk.feed.waiting(mine) as waiter:
        await desk.feed.look()  # the first look of all wakes everybody
        for journal in (desk.ours, desk.theirs):
            change = waiter.next_change()
            await journal.doubt(other, NEW, "no answer")
            await desk.clock.run(2 * CHANGES_EVERY_S)
            assert not change.is_set()
            await journal.record(mine, Report("t1", "pending", "pending"))
        change = waiter.next_change()
        await desk.theirs.reject(mine, NEW, "no credits")
        await desk.clock.run(CHANGES_EVERY_S)
        assert change.is_set()


async def test_what_changed_before_the_first_look_wakes_whoever_waited_by_then(desk: Desk) -> None:
    desk.listener.heard = False
    mine = await written(desk.theirs, "mine")
    with desk.feed.waiting(mine) as waiter:
        change = waiter.next_change()
        await desk.theirs.reject(mine, NEW, "no credits")
        await desk.clock.run(CHANGES_EVERY_S)
        assert change.is_set()


async def test_once_nobody_waits_any_more_nothing_is_read(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "home" / "journal.sqlite3"
    feed = Feed(Journal(path, clock.now), clock)
    async with anyio.create_task_group() as group:
        group.start_soon(feed.run)
        with feed.waiting("local-1"):
            pass
        await clock.run(60 * CHANGES_EVERY_S)
        group.cancel_scope.cancel()
    assert not path.exists(), "a first read would have made it"
