"""What is saved of a damaged journal, whichever page is damaged, and what that means for money."""

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from song_mcp.errors import JournalError, LimitReachedError, UnconfirmedError
from song_mcp.journal import Journal, NewTask, salvage
from song_mcp.journal.pages import Pages
from song_mcp.journal.schema import MIGRATIONS
from song_mcp.journal.values import Salvage
from song_mcp.songs import Clip, Report
from tests.manual_clock import ManualClock

PAGE = 4096
NOW = 2_000_000_000.0
GARBAGE = b"\xa5" * PAGE
SONGS = 40
NEW = NewTask("piapi", "udio", "song", "", "Quay", "slow waltz", {}, {}, "account-1")


def of(number: int) -> NewTask:
    """A wish; every seventh one is so long that SQLite keeps it on pages of its own."""
    lyrics = "Lamps on the quay. " * (400 if number % 7 == 0 else 1)
    new = replace(NEW, fingerprint=f"print-{number}", title=f"Quay {number}")
    return replace(
        new, request={"lyrics": lyrics}, wire={"path": "/x", "body": lyrics, "deadline_s": 9.0}
    )


async def fill(journal: Journal) -> list[str]:
    """Write songs: a third are open, a third are made, and a third are in doubt."""
    made = []
    for number in range(SONGS):
        new = of(number)
        local_id = (await journal.prepare(new, join=False)).task.local_id
        made.append(local_id)
        if number % 3 == 2:
            await journal.doubt(local_id, new, "Nothing came.")
            continue
        await journal.accept(local_id, new, f"t{number}", None)
        if number % 3 == 1:
            clips = tuple(Clip(f"c{number}-{take}", "completed") for take in range(2))
            await journal.record(local_id, Report(f"t{number}", "completed", "done", clips=clips))
            await journal.deliver([local_id])
    return made


def copied(content: bytes) -> tuple[Salvage, list[dict[str, Any]], list[dict[str, Any]]]:
    """What is saved of this content: the account of it, the tasks and the clips."""
    with closing(new_journal()) as db:
        told = salvage.copy(db, content, "journal.sqlite3.damaged-1", NOW)
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert listed(db, "moments") == [], "a balance is compared with no wrong order"
        return told, listed(db, "tasks"), listed(db, "clips")


def new_journal() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    for script in MIGRATIONS:
        db.executescript(script)
    return db


def listed(db: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in db.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid")]  # noqa: S608 - a name of ours


def in_file(path: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return listed(db, table)


def with_garbage_at(content: bytes, page: int) -> bytes:
    return content[: page * PAGE] + GARBAGE + content[(page + 1) * PAGE :]


def essence(row: dict[str, Any]) -> tuple[Any, ...]:
    """What it takes to follow a task, to join it, and to count it."""
    names = ("rowid", "local_id", "service", "task_id", "status", "fingerprint", "account")
    assert row["followed_by"] == row["account"]
    return tuple(row[name] for name in names)


async def test_of_a_journal_without_damage_everything_is_copied(journal: Journal) -> None:
    await fill(journal)
    await journal.close()
    told, tasks, clips = copied(journal.path.read_bytes())
    assert tasks == in_file(journal.path, "tasks")
    assert clips == in_file(journal.path, "clips")
    assert (told.tasks, told.clips, told.partly, told.unread) == (SONGS, len(clips), 0, 0)


async def test_whichever_page_is_damaged_every_task_can_be_followed_joined_and_counted(
    journal: Journal,
) -> None:
    await fill(journal)
    await journal.close()
    content = journal.path.read_bytes()
    before, made = in_file(journal.path, "tasks"), in_file(journal.path, "clips")
    fewer_clips = 0
    for page in range(len(content) // PAGE):
        told, tasks, clips = copied(with_garbage_at(content, page))
        assert [essence(row) for row in tasks] == [essence(row) for row in before], page
        assert all(row["wire"] for row in tasks), "each counts as paid"
        assert [row["created_at"] for row in tasks] == [row["created_at"] for row in before]
        rebuilt = [row for row in tasks if not row["model"]]
        assert all(row["sent_at"] for row in rebuilt), "nobody knows that they were not sent"
        whole = [row for row, was in zip(tasks, before, strict=True) if row == was]
        assert len(whole) >= SONGS - 8, page
        is_whole = (tasks, clips) == (before, made)
        assert told.unread + told.partly >= 1 or is_whole, "what is lost is told"
        assert all(row in made for row in clips)
        fewer_clips += len(clips) < len(made)
    assert fewer_clips < 4, "only the pages that held clips cost clips"


async def test_of_two_copies_of_a_task_the_one_that_was_sent_counts(journal: Journal) -> None:
    local_id = (await journal.prepare(replace(of(1), owner="me"), join=False)).task.local_id
    before = journal.path.read_bytes()
    assert await journal.begin(local_id, "me", 9.0)
    after = journal.path.read_bytes()
    for content in (after + before[PAGE:], before + after[PAGE:]):
        _, tasks, _ = copied(content)
        assert [task["sent_at"] is not None for task in tasks] == [True]


async def test_a_damaged_place_makes_no_song_the_last_one_for_ever(journal: Journal) -> None:
    made = await fill(journal)
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("UPDATE tasks SET place = 1e18 WHERE local_id = ?", (made[0],))
    _, tasks, _ = copied(journal.path.read_bytes())
    assert [task["local_id"] for task in sorted(tasks, key=lambda each: each["place"])] == made


async def test_an_index_with_an_impossible_time_is_not_believed(journal: Journal) -> None:
    local_id = (await journal.prepare(of(1), join=False)).task.local_id
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("UPDATE tasks SET created_at = 1e18")
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'tasks'").fetchone()
    content = journal.path.read_bytes()
    content = content[: (root - 1) * PAGE] + GARBAGE + content[root * PAGE :]
    _, tasks, _ = copied(content)
    assert [(task["local_id"], task["created_at"]) for task in tasks] == [(local_id, NOW)]


async def test_what_was_cut_off_is_missed(journal: Journal) -> None:
    await fill(journal)
    await journal.close()
    content = journal.path.read_bytes()
    told, tasks, _ = copied(content[: len(content) // 2])
    assert told.unread >= len(content) // PAGE // 2
    assert 0 < len(tasks) <= SONGS


async def test_a_file_of_an_older_version_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{MIGRATIONS[0]}; PRAGMA user_version = 1")
        db.execute(
            "INSERT INTO tasks (local_id, service, model, kind, status, created_at) "
            "VALUES ('local-1', 'piapi', 'udio', 'song', 'processing', 5)"
        )
        db.commit()
    told, (task,), _ = copied(path.read_bytes())
    assert (told.tasks, told.partly, told.unread) == (1, 0, 0)
    assert (task["local_id"], task["wire"], task["unfollowed_at"]) == ("local-1", "", None)


def test_an_entry_of_an_index_that_has_lost_its_values_tells_nothing() -> None:
    rows: dict[int, salvage.Row] = {}
    salvage._complete(rows, [(), (5,)])  # noqa: SLF001 - an entry that no whole page has
    assert rows == {}


@given(st.integers(0, 2**32), st.sampled_from([1, 8, 64, 2000]))
def test_no_damage_at_all_makes_copying_fail(seed: int, changes: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - where the damage is
    content = bytearray(a_journal())
    for _ in range(changes):
        content[dice.randrange(len(content))] = dice.randrange(256)
    _, tasks, clips = copied(bytes(content))
    for row in tasks:
        json.loads(row["request"])
    for row in clips:
        json.loads(row["tags"])


@given(st.binary(max_size=3 * PAGE))
def test_garbage_holds_no_record(content: bytes) -> None:
    list(Pages(content).records())


_kept: list[bytes] = []


def a_journal() -> bytes:
    """A small journal, made once."""
    if not _kept:
        with closing(new_journal()) as db:
            for number in range(30):
                db.execute(
                    "INSERT INTO tasks (local_id, service, model, kind, status, request, wire, "
                    "created_at) VALUES (?, 'piapi', 'udio', 'song', 'pending', ?, '{}', ?)",
                    (f"local-{number}", json.dumps({"lyrics": "a" * number * 300}), number),
                )
            db.execute(
                "INSERT INTO clips (local_id, clip_id, position, status) "
                "VALUES ('local-1', 'c1', 0, 'completed')"
            )
            _kept.append(db.serialize())
    return _kept[0]


# In its place ------------------------------------------------------------------------------------


async def damaged(journal: Journal, page: int = 1) -> bytes:
    """Damage a page of the journal, by default one that holds the tree of tasks."""
    await journal.close()
    content = with_garbage_at(journal.path.read_bytes(), page)
    journal.path.write_bytes(content)
    return content


def kept(path: Path) -> Path:
    (found,) = path.parent.glob("*.damaged-*")
    return found


async def test_nothing_is_prepared_sent_or_repeated_until_a_person_confirms(
    journal: Journal,
) -> None:
    made = await fill(journal)
    content = await damaged(journal)
    assert await journal.find(made[0]) is not None, "what is free goes on at once"
    assert kept(journal.path).read_bytes() == content
    name = kept(journal.path).name
    for paid in (
        journal.prepare(of(0), join=True),
        journal.prepare(of(99), join=False),
        journal.begin(made[0], "owner", None),
        journal.submit_again(made[2], "account-1", "owner", None),
    ):
        with pytest.raises(UnconfirmedError, match=f"Nothing was sent or paid.*{name}"):
            await paid
    assert len((await journal.search("", 1000)).tasks) == SONGS
    assert not await journal.confirm("journal.sqlite3")
    assert await journal.confirm(name)
    assert await journal.unconfirmed() is None
    again = await journal.prepare(of(0), join=True)
    assert again.joined
    assert again.task.local_id == made[0]
    with pytest.raises(LimitReachedError, match=f"{SONGS} paid submissions"):
        await journal.prepare(of(99), join=True, daily_limit=SONGS)


async def test_open_tasks_are_looked_at_again_after_damage(
    journal: Journal, clock: ManualClock
) -> None:
    await fill(journal)
    await clock.run(10)
    await damaged(journal)
    due = await journal.claim_looks("piapi", "account-1", 0, 100, lambda age_s: age_s + 5)
    assert [task.task_id for task in due] == [f"t{number}" for number in range(0, SONGS, 3)]


async def test_an_answer_that_comes_after_the_damage_is_written(journal: Journal) -> None:
    await fill(journal)
    new = of(99)
    local_id = (await journal.prepare(new, join=True)).task.local_id
    await damaged(journal)
    recorded = await journal.accept(local_id, new, "t99", None)
    assert (recorded.task.status, recorded.task.task_id) == ("pending", "t99")


async def test_a_file_that_holds_no_journal_is_confirmed_too(journal: Journal) -> None:
    journal.path.parent.mkdir()
    journal.path.write_bytes(b"no journal at all " * 1000)
    copied = await journal.unconfirmed()
    assert copied is not None
    assert (copied.tasks, copied.clips) == (0, 0)
    with pytest.raises(UnconfirmedError):
        await journal.prepare(of(0), join=True)
    assert await journal.confirm(copied.kept_as)
    assert not (await journal.prepare(of(0), join=True)).joined


async def test_a_second_damage_forgets_no_first_one_that_nobody_confirmed(
    journal: Journal,
) -> None:
    await fill(journal)
    await damaged(journal)
    assert await journal.find("t0") is not None
    first = await journal.unconfirmed()
    await damaged(journal)
    assert await journal.find("t0") is not None
    again = await journal.unconfirmed()
    assert first == again
    assert again is not None
    assert await journal.confirm(again.kept_as)
    second = await journal.unconfirmed()
    assert second is not None
    assert second.kept_as != again.kept_as


async def test_without_room_for_the_copy_the_damaged_file_stays_as_it_is(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(journal)
    content = await damaged(journal)

    def full(*_: object) -> Salvage:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(salvage, "copy", full)
        with pytest.raises(JournalError, match="full"):
            await journal.prepare(of(0), join=True)
    assert journal.path.read_bytes() == content
    assert list(journal.path.parent.glob("*.damaged-*")) == []
    assert await journal.find("t0") is not None
    assert await journal.unconfirmed() is not None


async def test_what_sqlite_could_not_undo_stays_with_the_damaged_file(journal: Journal) -> None:
    await fill(journal)
    content = await damaged(journal, 0)
    left = journal.path.with_name(f"{journal.path.name}-journal")
    left.write_bytes(b"half a transaction")
    assert await journal.unconfirmed() is not None
    assert not left.exists() or left.read_bytes() != b"half a transaction"
    assert kept(journal.path).read_bytes() == content


@pytest.fixture(autouse=True)
def _no_journal_left() -> Iterator[None]:
    yield
    _kept.clear()
