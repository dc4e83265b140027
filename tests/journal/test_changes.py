"""What the journal's triggers count as a change, and for whom."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from song_mcp.journal import Change, Journal, News, NewTask, SaveClaim
from song_mcp.songs import Clip, Lyrics, Report, Task

NEW = NewTask("piapi", "udio", "song", "print", "Quay", "waltz", {"description": "waltz"})
CLIPS = (Clip("c1", title="Quay"), Clip("c2", title="Quay"))
RUNNING = Report("t1", "processing", "processing", clips=CLIPS, charged="yes")
DONE = replace(
    RUNNING,
    status="completed",
    clips=tuple(replace(clip, status="completed", audio_url="https://x.example") for clip in CLIPS),
)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite3", lambda: datetime.now(UTC))
    yield opened
    await opened.close()


async def news(journal: Journal, number: int | None = None) -> News:
    return await journal.changes_since(number)


async def begun(journal: Journal) -> Task:
    task = (await journal.prepare(NEW, join=False)).task
    return (await journal.accept(task.local_id, NEW, "t1", RUNNING)).task


async def test_a_task_is_told_from_before_it_is_paid_under_each_id_it_has(
    journal: Journal,
) -> None:
    start = await news(journal)
    assert start == News(0)
    task = (await journal.prepare(NEW, join=False)).task
    made = await news(journal, start.number)
    assert made.changes == (Change((task.local_id,), ()),)
    await journal.accept(task.local_id, NEW, "t1", RUNNING)
    accepted = await news(journal, made.number)
    assert accepted.changes == (Change((task.local_id, "t1"), ("c1", "c2")),)
    assert not accepted.is_list_changed


@pytest.mark.parametrize(
    "told",
    [
        replace(RUNNING, cost_units=0.1),
        replace(RUNNING, lyrics=Lyrics("", "", (Lyrics("Two", "second"),))),
    ],
)
async def test_units_and_drafts_alone_change_a_task(journal: Journal, told: Report) -> None:
    task = await begun(journal)
    before = await news(journal)
    await journal.record(task.local_id, told)
    assert (await news(journal, before.number)).changes == (
        Change((task.local_id, "t1"), ("c1", "c2")),
    )


async def test_a_clip_that_lands_and_one_that_is_saved_change_the_list(journal: Journal) -> None:
    task = await begun(journal)
    before = await news(journal)
    task = (await journal.record(task.local_id, DONE)).task
    landed = await news(journal, before.number)
    assert landed.is_list_changed
    await journal.save_clip(task.local_id, replace(task.clips[1], file=Path("/music/a.mp3")))
    saved = await news(journal, landed.number)
    assert saved.is_list_changed
    assert saved.changes == (Change((task.local_id, "t1"), ("c2",)),)
    assert await news(journal, saved.number) == News(saved.number)


async def test_what_no_client_sees_is_no_change(journal: Journal) -> None:
    task = await begun(journal)
    await journal.record(task.local_id, DONE)
    before = await news(journal)
    await journal.record(task.local_id, DONE)
    await journal.claim_looks("piapi", "", 60.0, 9, lambda age_s: age_s + 5)
    assert await journal.claim_saves(SaveClaim("", "me", 5))
    await journal.deliver(["t1"])
    assert await news(journal, before.number) == before


async def test_the_same_report_of_an_open_task_again_is_no_change(journal: Journal) -> None:
    task = await begun(journal)
    before = await news(journal)
    await journal.record(task.local_id, RUNNING)
    assert await news(journal, before.number) == before
    await journal.record(task.local_id, replace(RUNNING, progress_percent=40))
    after = await news(journal, before.number)
    assert after.changes == (Change((task.local_id, "t1"), ("c1", "c2")),)


async def test_a_task_that_goes_into_another_is_told_with_its_clips(journal: Journal) -> None:
    doubtful = (await journal.prepare(NEW, join=False)).task
    doubtful = await journal.doubt(doubtful.local_id, NEW, "Lost.")
    found = (await journal.adopt("piapi", "", DONE)).task
    before = await news(journal)
    await journal.merge(doubtful, found)
    told = await news(journal, before.number)
    assert Change((doubtful.local_id, "t1"), ("c1", "c2")) in told.changes
    assert found.local_id in [change.task_ids[0] for change in told.changes]


async def test_many_changes_of_one_task_are_one(journal: Journal) -> None:
    task = await begun(journal)
    before = await news(journal)
    for percent in (10, 20, 30):
        await journal.record(task.local_id, replace(RUNNING, progress_percent=percent))
    assert len((await news(journal, before.number)).changes) == 1


async def test_a_new_journal_in_the_place_of_a_damaged_one_is_told_whole(
    journal: Journal,
) -> None:
    task = await begun(journal)
    told = await news(journal, 1_000_000)
    assert [change.task_ids for change in told.changes] == [(task.local_id, "t1")]
