"""The journal: written before anything is sent, never undone, read by other processes."""

import sqlite3
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from song_mcp.errors import JournalError, UnconfirmedError
from song_mcp.journal import Journal, NewTask, SaveClaim, search
from song_mcp.songs import Clip, Lyrics, Report

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEW = NewTask("piapi", "udio", "song", "print-1", "Quay", "slow waltz", {"lyrics": "Lamps"})
CLIP = Clip("c1", "completed", service_title="Theirs", duration_s=9.5, audio_url="https://x/a.mp3")
SAVED = replace(CLIP, file=Path("/music/a.mp3"), mime_type="audio/mpeg")
DONE = Report("t1", "completed", "completed", clips=(CLIP,), charged="yes", cost_usd=0.05)


class Wall:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def journal(tmp_path: Path, wall: Wall) -> AsyncIterator[Journal]:
    opened = Journal(tmp_path / "home" / "journal.sqlite3", wall)
    yield opened
    await opened.close()


async def accepted(journal: Journal, new: NewTask = NEW, task_id: str = "t1") -> str:
    prepared = await journal.prepare(new, join=False)
    await journal.accept(prepared.task.local_id, new, task_id, None)
    return prepared.task.local_id


async def test_a_task_is_on_disk_before_it_is_submitted(journal: Journal) -> None:
    prepared = await journal.prepare(NEW, join=True)
    with sqlite3.connect(journal.path) as other:
        rows = other.execute("SELECT local_id, status, charged FROM tasks").fetchall()
    other.close()
    assert rows == [(prepared.task.local_id, "submitting", "unknown")]


async def test_file_and_folder_are_the_users_alone(journal: Journal) -> None:
    await journal.prepare(NEW, join=True)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


async def test_an_equal_request_joins_the_open_task(journal: Journal) -> None:
    first = await journal.prepare(NEW, join=True)
    again = await journal.prepare(NEW, join=True)
    assert again.joined
    assert again.task.local_id == first.task.local_id


async def test_an_equal_request_joins_a_task_in_doubt(journal: Journal) -> None:
    first = await journal.prepare(NEW, join=True)
    await journal.doubt(first.task.local_id, NEW, "no answer")
    assert (await journal.prepare(NEW, join=True)).joined


async def test_a_refused_or_ended_request_is_not_joined(journal: Journal) -> None:
    first = await journal.prepare(NEW, join=True)
    await journal.reject(first.task.local_id, NEW, "no credits")
    second = await journal.prepare(NEW, join=True)
    assert not second.joined
    await journal.accept(second.task.local_id, NEW, "t1", DONE)
    await journal.deliver(["t1"])
    assert not (await journal.prepare(NEW, join=True)).joined


async def test_another_take_does_not_join(journal: Journal) -> None:
    await journal.prepare(NEW, join=True)
    assert not (await journal.prepare(NEW, join=False)).joined


async def test_another_request_does_not_join(journal: Journal) -> None:
    await journal.prepare(NEW, join=True)
    assert not (await journal.prepare(replace(NEW, fingerprint="print-2"), join=True)).joined


async def test_sixteen_at_once_write_one_task(tmp_path: Path, wall: Wall) -> None:
    journals = [Journal(tmp_path / "journal.sqlite3", wall) for _ in range(16)]
    joined: list[bool] = []

    async def prepare(journal: Journal) -> None:
        joined.append((await journal.prepare(NEW, join=True)).joined)

    async with anyio.create_task_group() as group:
        for journal in journals:
            group.start_soon(prepare, journal)
    assert sorted(joined) == [False] + [True] * 15
    for journal in journals:
        await journal.close()


async def test_an_accepted_task_is_charged_and_found_under_both_ids(journal: Journal) -> None:
    local_id = await accepted(journal)
    for any_id in (local_id, "t1"):
        task = await journal.find(any_id)
        assert task is not None
        assert (task.status, task.charged, task.public_id) == ("pending", "yes", "t1")


async def test_a_rejected_task_was_not_charged(journal: Journal) -> None:
    prepared = await journal.prepare(NEW, join=True)
    task = await journal.reject(prepared.task.local_id, NEW, "no credits")
    assert (task.status, task.charged, task.error) == ("rejected", "no", "no credits")
    assert task.finished_at == NOON


async def test_late_news_never_undoes_an_accepted_task(journal: Journal) -> None:
    local_id = await accepted(journal)
    assert (await journal.reject(local_id, NEW, "late")).status == "pending"
    assert (await journal.doubt(local_id, NEW, "late")).status == "pending"


async def test_a_report_ends_a_task_once(journal: Journal) -> None:
    local_id = await accepted(journal)
    assert (await journal.record(local_id, DONE)).ended_now
    again = await journal.record(local_id, replace(DONE, status="failed", error="late"))
    assert not again.ended_now
    assert (again.task.status, again.task.error) == ("completed", "")


async def test_the_users_title_wins_and_the_services_is_kept(journal: Journal) -> None:
    local_id = await accepted(journal)
    task = (await journal.record(local_id, DONE)).task
    assert (task.clips[0].title, task.clips[0].service_title) == ("Quay", "Theirs")


async def test_without_a_title_the_services_own_is_the_title(journal: Journal) -> None:
    local_id = await accepted(journal, replace(NEW, title=""))
    assert (await journal.record(local_id, DONE)).task.clips[0].title == "Theirs"


async def test_a_report_that_does_not_know_the_price_leaves_what_is_known(journal: Journal) -> None:
    local_id = await accepted(journal)
    await journal.record(local_id, Report("t1", "processing", "x", charged="yes", cost_usd=0.05))
    task = (await journal.record(local_id, Report("t1", "completed", "y"))).task
    assert (task.charged, task.cost_usd) == ("yes", 0.05)


async def test_a_later_report_keeps_where_a_clip_was_saved(journal: Journal) -> None:
    local_id = await accepted(journal)
    part = replace(DONE, status="processing")
    await journal.record(local_id, part)
    await journal.save_clip(local_id, SAVED)
    task = (await journal.record(local_id, DONE)).task
    assert task.clips[0].file == Path("/music/a.mp3")


async def test_a_task_made_elsewhere_is_adopted_once(journal: Journal) -> None:
    made = replace(DONE, created_at=NOON - timedelta(days=1), model="chirp-v3")
    first = await journal.adopt("gptge", "acct", made)
    again = await journal.adopt("gptge", "acct", made)
    assert first.task.local_id == again.task.local_id
    assert first.task.created_at == NOON - timedelta(days=1)
    assert (first.task.model, first.task.charged) == ("chirp-v3", "yes")


async def test_what_one_process_wrote_another_finds(tmp_path: Path, wall: Wall) -> None:
    path = tmp_path / "journal.sqlite3"
    first, second = Journal(path, wall), Journal(path, wall)
    local_id = await accepted(first)
    lyrics = Report("t1", "completed", "SUCCESS", lyrics=Lyrics("Trams", "At noon"))
    written = (await first.record(local_id, lyrics)).task
    assert await second.find("t1") == written
    await first.close()
    await second.close()


async def test_search_finds_every_word_in_any_field_newest_first(
    journal: Journal, wall: Wall
) -> None:
    local_id = await accepted(journal)
    await journal.record(local_id, DONE)
    wall.now += timedelta(minutes=1)
    await accepted(journal, replace(NEW, title="ΛΑΪΚΌ", fingerprint="2"), "t2")
    everything = await journal.search("", 10)
    assert [task.task_id for task in everything.tasks] == ["t2", "t1"]
    assert [t.task_id for t in (await journal.search("WALTZ quay", 10)).tasks] == ["t1"]
    assert [t.task_id for t in (await journal.search("λαϊκό", 10)).tasks] == ["t2"]
    assert [t.task_id for t in (await journal.search("theirs", 10)).tasks] == ["t1"]
    assert (await journal.search("lamps", 1)).total == 2
    assert (await journal.search("100%", 10)).total == 0


async def test_a_search_of_many_tasks_finds_and_counts_all_of_them(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "AT_ONCE", 3)
    for number in range(7):
        await journal.prepare(replace(NEW, title=("even", "odd")[number % 2]), join=False)
    found = await journal.search("ODD waltz odd", 2)
    assert [task.title for task in found.tasks] == ["odd", "odd"]
    assert found.total == 3
    assert (await journal.search("waltz", 50)).total == 7
    assert (await journal.search("harbour", 50)).total == 0


async def test_who_writes_does_not_wait_for_the_end_of_a_search(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        await journal.prepare(replace(NEW, title=f"{number}"), join=False)
    monkeypatch.setattr(search, "AT_ONCE", 2)
    ended: list[str] = []

    async def look() -> None:
        await journal.search("waltz", 9)
        ended.append("search")

    async def pay() -> None:
        await journal.prepare(NEW, join=False)
        ended.append("payment")

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        group.start_soon(pay)
    assert ended == ["payment", "search"]


async def test_a_damaged_file_is_set_aside_and_never_deleted(tmp_path: Path, wall: Wall) -> None:
    path = tmp_path / "journal.sqlite3"
    damaged = b"not a database, but long enough to be read as one" * 100
    path.write_bytes(damaged)
    journal = Journal(path, wall)
    with pytest.raises(UnconfirmedError, match="damaged"):
        await journal.prepare(NEW, join=True)
    (aside,) = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes() == damaged
    assert await journal.confirm(aside.name)
    assert not (await journal.prepare(NEW, join=True)).joined
    await journal.close()


async def test_a_folder_that_cannot_be_made_is_a_readable_error(tmp_path: Path, wall: Wall) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    journal = Journal(tmp_path / "file" / "journal.sqlite3", wall)
    with pytest.raises(JournalError, match="writable"):
        await journal.find("x")


async def finished(journal: Journal) -> str:
    local_id = await accepted(journal)
    await journal.record(local_id, DONE)
    return local_id


async def test_a_clip_is_claimed_by_one_saver_and_tried_again_later_a_few_times(
    journal: Journal, wall: Wall
) -> None:
    local_id = await finished(journal)
    mine, other = SaveClaim(local_id, "me", tries=3), SaveClaim("", "other", tries=3)
    assert len(await journal.claim_saves(mine)) == 1
    assert await journal.claim_saves(other) == []
    tries = 1
    for _ in range(60):
        wall.now += timedelta(minutes=1)
        tries += len(await journal.claim_saves(other))
    assert tries == 3


async def test_what_a_dead_saver_left_is_due_at_once_and_what_is_saved_never(
    journal: Journal,
) -> None:
    local_id = await finished(journal)
    await journal.claim_saves(SaveClaim("", "dead", tries=3))
    assert await journal.savers() == ["dead"]
    heir = SaveClaim("", "heir", tries=3, dead=["dead"])
    assert len(await journal.claim_saves(heir)) == 1
    assert await journal.claim_saves(heir) == []
    await journal.save_clip(local_id, SAVED)
    assert await journal.savers() == []


async def test_a_settled_doubt_is_followed_even_where_its_following_was_stopped(
    journal: Journal,
) -> None:
    doubtful = (await journal.prepare(NEW, join=False)).task
    await journal.unfollow(doubtful.local_id)
    await journal.doubt(doubtful.local_id, NEW, "no answer")
    running = replace(DONE, status="processing", provider_status="processing", clips=())
    found = (await journal.adopt("piapi", "", running)).task
    merged = await journal.merge(doubtful, found)
    assert (merged.status, merged.task_id) == ("processing", "t1")
    assert merged.unfollowed_at is None
