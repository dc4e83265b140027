"""The feed of a journal that two processes share: what it reports, when, and what it leaves."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest

from song_mcp.journal import Journal, News, NewTask
from song_mcp.songs import Report
from song_mcp.studio.feed import CHANGES_EVERY_S, Feed
from tests.manual_clock import ManualClock, quiet

NEW = NewTask("piapi", "udio", "song", "print", "Quay", "waltz", {"description": "waltz"})


@dataclass
class Listener:
    """Records what it is told; `heard` says whether anyone would hear it."""

    heard: bool = True
    told: list[News] = field(default_factory=list)

    def is_heard(self) -> bool:
        return self.heard

    async def tell(self, news: News) -> None:
        self.told.append(news)

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
    feed, listener = Feed(ours, clock), Listener()
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
    feed, listener = Feed(Journal(path, clock.now), clock), Listener(heard=False)
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
