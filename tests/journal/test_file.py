"""The journal's file when it is old, read-only, full, damaged or held, and who may see it."""

import errno
import hashlib
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from song_mcp import system
from song_mcp.errors import JournalError, UnconfirmedError
from song_mcp.journal import Journal, News, NewTask, SaveClaim, file
from song_mcp.journal.liveness import Liveness
from song_mcp.journal.schema import (
    AFTER_THE_END,
    CUTS,
    DRAFTS,
    FAILED_LINKS,
    FIRST,
    FOLLOWERS,
    MIGRATIONS,
    MOMENTS,
    PLACES,
    PROMISES,
    RESTORES,
    SALVAGES,
    SEARCHES,
    TAKES,
    UNFOLLOWED,
    WHEREABOUTS,
    WISHES,
)
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Sandbox
from song_mcp.songs import Lyrics, Wishes
from tests.faults.racing import NOBODY, Worker, crew, paid_posts, song
from tests.harvest import echoed
from tests.house import environment
from tests.voice import beep

Json = dict[str, Any]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEW = NewTask("piapi", "udio", "song", "print-1", "Quay", "slow waltz", {"lyrics": "Lamps"})
NOTHING_WAS_PAID = "Nothing was sent or paid"
PAGE = 4096


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = open_journal(tmp_path / "home" / "journal.sqlite3")
    yield opened
    await opened.close()


def open_journal(path: Path) -> Journal:
    return Journal(path, lambda: NOON)


async def write(journal: Journal, title: str) -> str:
    new = replace(NEW, title=title, fingerprint=title)
    return (await journal.prepare(new, join=False)).task.local_id


async def titles(journal: Journal) -> list[str]:
    return sorted(task.title for task in (await journal.search("", 1000)).tasks)


# Migrations ----------------------------------------------------------------------------------


def make_first_version(path: Path) -> None:
    """Make the file as version 1 left it: an open song, and an ended one with a saved clip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{FIRST} PRAGMA user_version = 1;")
        db.executescript(
            """
            INSERT INTO tasks (local_id, service, task_id, model, kind, status, fingerprint, title,
                request, charged, cost_usd, created_at, finished_at)
            VALUES
            ('local-1', 'piapi', 't1', 'udio', 'song', 'completed', 'p1', 'Ended',
                '{"lyrics": "a"}', 'yes', 0.05, 1795340000, 1795340060),
            ('local-2', 'gptge', 't2', 'suno-v5', 'song', 'processing', 'p2', 'Open', '{}',
                'yes', NULL, 1795348000, NULL);
            INSERT INTO clips (local_id, clip_id, position, status, title, file, mime_type)
            VALUES ('local-1', 'c1', 0, 'completed', 'Ended', '/music/a.mp3', 'audio/mpeg');
            """
        )


@contextmanager
def made_before(script: str, path: Path) -> Iterator[sqlite3.Connection]:
    """Make the file as the version before this script left it; yields it, to add to it."""
    make_first_version(path)
    version = MIGRATIONS.index(script)
    with closing(sqlite3.connect(path)) as db:
        for earlier in MIGRATIONS[1:version]:
            for statement in earlier.split(";\n"):
                db.execute(statement)
        yield db
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()


def test_every_migration_has_a_test_from_the_version_before() -> None:
    assert len(MIGRATIONS) == 17, "a new migration needs a test like those below"


async def test_the_first_version_keeps_its_rows_and_gets_the_new_columns(journal: Journal) -> None:
    make_first_version(journal.path)
    ended, still_open = await journal.find("t1"), await journal.find("t2")
    assert ended is not None
    assert (ended.title, ended.charged, ended.cost_usd) == ("Ended", "yes", 0.05)
    assert ended.request == {"lyrics": "a"}
    assert ended.clips[0].file == Path("/music/a.mp3")
    assert still_open is not None
    assert (still_open.status, still_open.balance_usd, still_open.linked_to) == (
        "processing",
        None,
        "",
    )
    assert columns_of(journal.path, "tasks") >= {"owner", "account", "wire", "asked"}
    assert columns_of(journal.path, "clips") >= {"save_tries", "save_after"}
    assert await write(journal, "New")


async def test_what_the_second_version_followed_is_followed_still(journal: Journal) -> None:
    make_first_version(journal.path)
    with closing(sqlite3.connect(journal.path)) as db:
        db.executescript(f"{PROMISES}; PRAGMA user_version = 2;")
        db.execute("UPDATE tasks SET account = 'a', created_at = ?", (NOON.timestamp() - 60,))
        db.commit()
    assert [task.local_id for task in await journal.claim_looks("gptge", "a", 0, 9, float)] == [
        "local-2"
    ]
    still_open = await journal.find("t2")
    assert still_open is not None
    assert still_open.unfollowed_at is None
    await journal.unfollow("local-2")
    assert await journal.next_look_s("gptge", "a") is None


async def test_the_third_version_keeps_its_rows_and_counts_changes_from_now_on(
    journal: Journal,
) -> None:
    make_first_version(journal.path)
    with closing(sqlite3.connect(journal.path)) as db:
        db.executescript(f"{PROMISES}; {UNFOLLOWED}; PRAGMA user_version = 3;")
    assert await titles(journal) == ["Ended", "Open"]
    assert await journal.changes_since(0) == News(0)
    await write(journal, "New")
    assert (await journal.changes_since(0)).number == 1


async def test_what_was_made_before_takes_were_told_is_no_other_take(journal: Journal) -> None:
    with made_before(TAKES, journal.path):
        pass
    new = replace(NEW, fingerprint="p2", another_take=True)
    first = await journal.prepare(new, join=True)
    assert not first.joined
    assert (await journal.prepare(new, join=True)).task == first.task
    assert await titles(journal) == ["Ended", "Open", "Quay"]


async def test_an_older_file_tries_unsaved_clips_as_long_as_it_would_have(journal: Journal) -> None:
    with made_before(AFTER_THE_END, journal.path) as db:
        db.executescript(
            """
            UPDATE tasks SET ended_at = 1795340060 WHERE local_id = 'local-1';
            INSERT INTO clips (local_id, clip_id, position, status, audio_url, save_tries,
                save_after, save_owner, save_error)
            VALUES
            ('local-1', 'new', 1, 'completed', 'https://x/1', 0, 0, '', ''),
            ('local-1', 'tried', 2, 'completed', 'https://x/2', 2, 1795340900, '', 'Gone.'),
            ('local-1', 'held', 3, 'completed', 'https://x/3', 1, 1795340300, 'dead', ''),
            ('local-1', 'over', 4, 'completed', 'https://x/4', 5, 1795340100, '', 'Gone.'),
            ('local-1', 'killer', 5, 'completed', 'https://x/5', 5, 1795340100, '',
                'song-mcp was ended each time while it was saving this clip.');
            """
        )
    claim = SaveClaim("", "me", 5, ["dead"], "Ended too often.")
    claimed = [clip.clip_id for _, clip in await journal.claim_saves(claim)]
    assert claimed == ["new", "tried", "held"]
    asked = replace(claim, due="asked")
    assert [clip.clip_id for _, clip in await journal.claim_saves(asked)] == ["over"]
    (ended,) = (await journal.search("Ended", 9)).tasks
    assert ended.clip("tried") is not None
    assert not ended.is_unknown


async def test_an_older_file_follows_tasks_with_the_account_that_paid(
    journal: Journal,
) -> None:
    with made_before(FOLLOWERS, journal.path) as db:
        db.execute("UPDATE tasks SET account = 'a' WHERE local_id = 'local-2'")
    still_open = await journal.find("t2")
    assert still_open is not None
    assert still_open.followed_by == "a"


async def test_the_version_before_moments_keeps_its_rows_and_orders_moments_from_now_on(
    journal: Journal,
) -> None:
    make_first_version(journal.path)
    with closing(sqlite3.connect(journal.path)) as db:
        before = MIGRATIONS.index(MOMENTS)
        db.executescript(";\n".join([*MIGRATIONS[1:before], f"PRAGMA user_version = {before}"]))
    ended = await journal.find("t1")
    assert ended is not None
    assert (await journal.spent_since(ended, "")).unsure == "not ordered"
    local_id = await write(journal, "New")
    await journal.begin(local_id, "", None)
    await journal.doubt(local_id, NEW, "?")
    with closing(sqlite3.connect(journal.path)) as db:
        found = db.execute("SELECT local_id, what FROM moments ORDER BY number").fetchall()
    assert found == [(local_id, "submitting"), (local_id, "sent"), (local_id, "in_doubt")]


async def test_an_older_files_tasks_are_ordered_as_they_were_written(journal: Journal) -> None:
    with made_before(PLACES, journal.path) as db:
        for number, (print_, title, at) in enumerate(
            [
                ("p3", "Ahead by years", 4102444800),
                ("", "Elsewhere, before all", 1795330000),
                ("", "Elsewhere, after Open", 1795348001),
                ("", "Elsewhere, in 2100", 4102444800),
                ("p4", "Newest", 1795348100),
            ]
        ):
            db.execute(
                "INSERT INTO tasks (local_id, service, model, kind, status, fingerprint, title, "
                "created_at) VALUES (?, 'piapi', '', 'song', 'completed', ?, ?, ?)",
                (f"local-x{number}", print_, title, at),
            )
    assert [task.title for task in (await journal.search("", 9)).tasks] == [
        "Newest",
        "Elsewhere, in 2100",
        "Ahead by years",
        "Elsewhere, after Open",
        "Open",
        "Ended",
        "Elsewhere, before all",
    ]
    await write(journal, "New")
    assert [task.title for task in (await journal.search("", 9)).tasks][:2] == ["New", "Newest"]


async def test_what_an_older_version_that_still_runs_writes_is_newest_and_followed(
    journal: Journal,
) -> None:
    await write(journal, "Old")
    insert = (
        "INSERT OR IGNORE INTO tasks (local_id, service, task_id, account, model, kind, status, "
        "fingerprint, title, created_at) VALUES (?, 'piapi', ?, 'a', 'udio', 'song', ?, ?, ?, ?)"
    )
    noon = NOON.timestamp()
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute(insert, ("local-1", "", "submitting", "p1", "By the older one", noon - 9))
        db.execute(insert, ("local-2", "t2", "pending", "", "Elsewhere, long ago", 1.0))
        db.execute(insert, ("local-3", "t3", "pending", "", "Elsewhere, now", noon - 5))
    await write(journal, "New")
    assert [task.title for task in (await journal.search("", 9)).tasks] == [
        "New",
        "Elsewhere, now",
        "By the older one",
        "Old",
        "Elsewhere, long ago",
    ]
    for local_id in ("local-1", "local-3"):
        task = await journal.find(local_id)
        assert task is not None
        assert task.followed_by == "a"


async def test_the_version_before_salvages_keeps_its_rows_and_has_nothing_to_confirm(
    journal: Journal,
) -> None:
    with made_before(SALVAGES, journal.path):
        pass
    assert await titles(journal) == ["Ended", "Open"]
    assert await journal.unconfirmed() is None
    assert await write(journal, "New")


async def test_the_version_before_drafts_keeps_its_rows_and_lyrics(journal: Journal) -> None:
    with made_before(DRAFTS, journal.path) as db:
        db.execute("UPDATE tasks SET lyrics_title = 'Quay', lyrics_text = 'Lamps'")
    ended = await journal.find("t1")
    assert ended is not None
    assert (ended.lyrics, ended.cost_units) == (Lyrics("Quay", "Lamps"), None)
    assert await titles(journal) == ["Ended", "Open"]
    assert await write(journal, "New")


async def test_a_doubt_of_an_older_version_is_searched_for_once(journal: Journal) -> None:
    with made_before(SEARCHES, journal.path) as db:
        db.execute(
            "UPDATE tasks SET status = 'in_doubt', error = 'Lost.', account = 'a', task_id = '', "
            """wire = '{"path": "/p", "body": {"x": 1}}' WHERE local_id = 'local-2'"""
        )
    doubt = await journal.claim_search("gptge", "a")
    assert doubt is not None
    assert (doubt.task.local_id, doubt.task.lost_at, doubt.wire["body"]) == (
        "local-2",
        None,
        {"x": 1},
    )
    assert doubt.sent_at == doubt.task.created_at
    await journal.end_search("local-2", "Nothing.", is_answered=True)
    searched = await journal.find("local-2")
    assert searched is not None
    assert searched.error == "Lost. Nothing."
    assert await journal.next_search_s("gptge", "a") is None
    assert await write(journal, "New")


async def test_of_an_older_files_tasks_none_counts_as_cut_off(journal: Journal) -> None:
    """It did not keep of which a client was told."""
    with made_before(CUTS, journal.path) as db:
        db.execute(
            "UPDATE tasks SET model = 'udio', kind = 'song', status = 'processing', "
            """created_at = ?, request = '{"description": "waltz"}'""",
            (NOON.timestamp(),),
        )
    near = replace(NEW, request={"description": "slow waltz"})
    assert not (await journal.prepare(near, join=True, is_over=lambda *_: True)).joined
    again = replace(near, fingerprint="other")
    assert (await journal.prepare(again, join=True, is_over=lambda *_: True)).joined
    assert set(await titles(journal)) == {"Quay", "Ended", "Open"}


async def test_the_version_before_restores_keeps_its_rows_and_is_no_copy(journal: Journal) -> None:
    with made_before(RESTORES, journal.path):
        pass
    assert await journal.restored() is None
    assert await titles(journal) == ["Ended", "Open"]
    assert await write(journal, "New")


async def test_the_version_before_wishes_keeps_its_clips_which_repeat_none(
    journal: Journal,
) -> None:
    with made_before(WISHES, journal.path):
        pass
    ended = await journal.find("t1")
    assert ended is not None
    assert ended.clips[0].file == Path("/music/a.mp3")
    assert ended.clips[0].wishes == Wishes()
    assert await write(journal, "New")


async def test_the_version_before_failed_links_keeps_its_clips(journal: Journal) -> None:
    with made_before(FAILED_LINKS, journal.path):
        pass
    ended = await journal.find("t1")
    assert ended is not None
    assert not ended.clips[0].link_failed
    assert await write(journal, "New")


async def test_the_version_before_whereabouts_keeps_its_files_which_nobody_deleted(
    journal: Journal,
) -> None:
    with made_before(WHEREABOUTS, journal.path):
        pass
    ended = await journal.find("t1")
    assert ended is not None
    assert ended.clips[0].file == Path("/music/a.mp3")
    assert ended.clips[0].lyrics_file == Path("/music/a.lrc")
    assert (ended.clips[0].is_gone, ended.clips[0].gone_at) == (False, None)
    assert await journal.volume_of(Path("/music")) is None
    assert await write(journal, "New")


async def test_a_migrated_file_has_the_schema_of_a_new_one(journal: Journal) -> None:
    make_first_version(journal.path)
    await journal.find("t1")
    new = open_journal(journal.path.with_name("new.sqlite3"))
    await new.find("t1")
    await new.close()
    for table in ("tasks", "clips", "changes", "moments", "salvages", "restores", "folders"):
        assert columns_of(journal.path, table) == columns_of(new.path, table)
    assert version_of(journal.path) == version_of(new.path) == len(MIGRATIONS)


async def test_an_open_song_of_the_first_version_is_joined_by_its_request(journal: Journal) -> None:
    make_first_version(journal.path)
    joined = await journal.prepare(replace(NEW, fingerprint="p2"), join=True)
    assert joined.joined
    assert joined.task.local_id == "local-2"


async def test_a_migration_that_fails_leaves_the_version_before(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_first_version(journal.path)
    broken = (*MIGRATIONS[:1], f"{MIGRATIONS[1]};\nALTER TABLE nowhere ADD COLUMN x")
    with monkeypatch.context() as patch:
        patch.setattr(file, "MIGRATIONS", broken)
        with pytest.raises(JournalError, match="cannot be used"):
            await journal.find("t1")
    assert version_of(journal.path) == 1
    assert await titles(journal) == ["Ended", "Open"]


def columns_of(path: Path, table: str) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        return {row[1] for row in db.execute(f"PRAGMA table_info({table})")}


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


# Held ----------------------------------------------------------------------------------------


async def write_late(journal: Journal) -> str:
    return await write(journal, "Late")


@pytest.mark.parametrize("use", [titles, write_late])
async def test_no_caller_sees_that_the_database_is_locked(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, use: Callable[[Journal], Any]
) -> None:
    monkeypatch.setattr(file, "LOCK_WAIT_S", 0.05)
    await write(journal, "Early")
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalError, match="another process holds it") as caught:
            await use(journal)
    assert "locked" not in str(caught.value)
    assert await titles(journal) == ["Early"]


# A process with a studio ----------------------------------------------------------------------


@dataclass
class Place:
    """A process that can open a studio with `settings`, and the services that it pays."""

    worker: Worker
    sandbox: Sandbox
    settings: dict[str, str]

    async def open(self) -> None:
        await self.worker.do({"do": "open", "settings": self.settings})

    async def close(self) -> None:
        await self.worker.do({"do": "close"})

    async def pay(self, number: int) -> Json:
        (answer,) = await self.worker.do({"do": "submit", "songs": [song(number, "harbour")]})
        return dict(answer)

    async def status(self, task_id: str) -> str:
        return str(await self.worker.do({"do": "find", "id": task_id}))


@asynccontextmanager
async def a_place(folder: Path) -> AsyncIterator[Place]:
    app = build_app(36_000.0, press=beep)
    async with running(echoed(app)) as base_url, crew(1) as (worker,):
        yield Place(worker, app.state.sandbox, environment(folder, base_url))


async def test_everything_beside_the_journal_is_the_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with a_place(tmp_path / "new" / "parents") as place:
            await place.open()
            await place.pay(0)
            found = [*(tmp_path / "new").rglob("*"), tmp_path / "new"]
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in found}
    finally:
        os.umask(before)
    folders = {modes[name] for name in ("new", "parents", "home", "processes")}
    assert folders == {0o700}
    assert {modes["journal.sqlite3"], modes["journal.sqlite3.lock"]} == {0o600}
    assert not [name for name, mode in modes.items() if mode & 0o077]


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator can give a folder away")
async def test_a_folder_of_another_user_is_neither_used_nor_changed(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir(mode=0o777)
    os.chown(home, NOBODY, NOBODY)
    async with a_place(open_folder) as place:
        await place.open()
        answer = await place.pay(0)
        assert_nothing_was_paid(answer)
        assert "belongs to another user" in answer["text"]
        assert "belongs to another user" in await place.status("t1")
        assert paid_posts(place.sandbox) == 0
    assert list(home.iterdir()) == []


# Read-only -----------------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user may enter too."""
    folder = Path(tempfile.mkdtemp(prefix="song-mcp-"))
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o700)
    shutil.rmtree(folder)


def no_new_file(home: Path) -> None:
    home.chmod(0o500)


def no_writing_to_the_file(home: Path) -> None:
    (home / "journal.sqlite3").chmod(0o400)


def no_writing_at_all(home: Path) -> None:
    for path in [*home.rglob("*"), home]:
        path.chmod(0o500 if path.is_dir() else 0o400)


READ_ONLY = [no_new_file, no_writing_to_the_file, no_writing_at_all]


async def lock_out(worker: Worker, home: Path, forbid: Callable[[Path], None]) -> None:
    """Make the folder read-only for the worker, which is no administrator afterwards."""
    if os.geteuid() == 0:
        for path in [home, *home.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
    forbid(home)
    await worker.do({"do": "become nobody"})


def leave_an_orphan(home: Path) -> None:
    """Write a task that a dead process was submitting."""
    (home / "processes" / "dead.lock").touch(0o600)
    with closing(sqlite3.connect(home / "journal.sqlite3")) as db:
        db.execute(
            "INSERT INTO tasks (local_id, service, model, kind, status, owner, created_at) "
            "VALUES ('local-orphan', 'piapi', 'udio', 'song', 'submitting', 'dead', 1795340000)"
        )
        db.commit()


@pytest.mark.parametrize("forbid", READ_ONLY)
async def test_a_read_only_journal_is_read_and_nothing_is_paid(
    open_folder: Path, forbid: Callable[[Path], None]
) -> None:
    async with a_place(open_folder) as place:
        await place.open()
        paid = await place.pay(0)
        await place.close()
        leave_an_orphan(open_folder / "home")
        await lock_out(place.worker, open_folder / "home", forbid)
        await place.open()
        assert await place.status(paid["task_id"]) == "pending"
        assert_nothing_was_paid(await place.pay(1))
        assert await place.status(paid["task_id"]) == "pending"
        assert await place.status("local-orphan") == "submitting"
        assert paid_posts(place.sandbox) == 1


async def test_a_folder_that_becomes_read_only_is_read_and_nothing_is_paid(
    open_folder: Path,
) -> None:
    async with a_place(open_folder) as place:
        await place.open()
        paid = await place.pay(0)
        await lock_out(place.worker, open_folder / "home", no_new_file)
        assert_nothing_was_paid(await place.pay(1))
        assert await place.status(paid["task_id"]) == "pending"
        (open_folder / "home").chmod(0o700)
        assert (await place.pay(2))["status"] == "pending"
        assert paid_posts(place.sandbox) == 2


@pytest.mark.parametrize("forbid", READ_ONLY)
async def test_a_read_only_journal_of_the_first_version_is_read(
    open_folder: Path, forbid: Callable[[Path], None]
) -> None:
    path = open_folder / "home" / "journal.sqlite3"
    make_first_version(path)
    order = {"do": "use", "path": str(path), "name": "New", "close": False}
    async with crew(1) as (worker,):
        await lock_out(worker, path.parent, forbid)
        assert (await worker.do(order | {"kind": "read"}))["answer"] == "2"
        assert NOTHING_WAS_PAID in (await worker.do(order | {"kind": "write"}))["error"]
        assert (await worker.do(order | {"kind": "read"}))["answer"] == "2"


async def test_a_journal_on_a_read_only_disk_is_read(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(journal, "Early")
    await journal.close()

    def no_writing(path: Path, flags: int, *_mode: int) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_writing)
        assert await titles(journal) == ["Early"]
        with pytest.raises(JournalError, match=NOTHING_WAS_PAID):
            await write(journal, "Late")
        assert await titles(journal) == ["Early"]
    await write(journal, "Late")
    assert await titles(journal) == ["Early", "Late"]


def test_nobody_is_taken_for_dead_where_that_cannot_be_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.lock").touch()

    def no_opening(*_arguments: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    liveness = Liveness(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_opening)
        assert not liveness.is_dead("other")
    assert liveness.is_dead("other")


def assert_nothing_was_paid(answer: Json) -> None:
    assert answer["error"] == "JournalError"
    assert "nothing was sent or paid" in answer["text"].lower(), answer
    assert "None" not in answer["text"]
    assert "locked" not in answer["text"]


# Full ----------------------------------------------------------------------------------------


async def test_on_a_full_disk_nothing_is_paid_and_what_is_there_is_read(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        await place.open()
        paid = await place.pay(0)
        await place.worker.do({"do": "allow files of", "bytes": 0})
        assert_nothing_was_paid(await place.pay(1))
        assert await place.status(paid["task_id"]) == "pending"
        assert paid_posts(place.sandbox) == 1
        await place.worker.do({"do": "allow files of", "bytes": None})
        assert (await place.pay(1))["status"] == "pending"
        assert paid_posts(place.sandbox) == 2


async def test_a_new_process_on_a_full_disk_reads_and_pays_nothing(tmp_path: Path) -> None:
    async with a_place(tmp_path) as place:
        await place.open()
        paid = await place.pay(0)
        await place.close()
        await place.worker.do({"do": "allow files of", "bytes": 0})
        await place.open()
        assert await place.status(paid["task_id"]) == "pending"
        assert_nothing_was_paid(await place.pay(1))
        assert paid_posts(place.sandbox) == 1


async def test_a_journal_that_may_not_grow_keeps_every_row_it_took(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    order = {"do": "use", "path": str(path), "kind": "write", "close": False}
    answers: list[Json] = []
    async with crew(1) as (worker,):
        await worker.do(order | {"name": "first"})
        await worker.do({"do": "allow files of", "bytes": path.stat().st_size})
        while not answers or "error" not in answers[-1]:
            answers.append(await worker.do(order | {"name": f"{len(answers)} " + "x" * 200}))
        assert NOTHING_WAS_PAID in answers[-1]["error"]
        after = await worker.do(order | {"kind": "read"})
    assert int(after["answer"]) == len(answers)  # the first, and all but the last of these
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


# Newer ---------------------------------------------------------------------------------------

NEWER_SYNTAX = "CREATE TRIGGER later AFTER INSERT ON tasks FOR EACH DAY BEGIN SELECT 1; END"


def of_a_newer_version(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def with_what_only_a_newer_sqlite_can_parse(db: sqlite3.Connection) -> None:
    db.execute("CREATE TRIGGER later AFTER INSERT ON tasks BEGIN SELECT 1; END")
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'later'", (NEWER_SYNTAX,))


def of_a_newer_version_and_sqlite(db: sqlite3.Connection) -> None:
    with_what_only_a_newer_sqlite_can_parse(db)
    of_a_newer_version(db)


NEWER = [
    of_a_newer_version,
    with_what_only_a_newer_sqlite_can_parse,
    of_a_newer_version_and_sqlite,
]


def change(path: Path, how: Callable[[sqlite3.Connection], object]) -> None:
    with closing(sqlite3.connect(path)) as db:
        how(db)
        db.commit()


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
@pytest.mark.parametrize("make_newer", NEWER)
async def test_a_journal_of_a_newer_version_is_neither_changed_nor_paid_from(
    tmp_path: Path, make_newer: Callable[[sqlite3.Connection], None], *, is_open: bool
) -> None:
    path = tmp_path / "home" / "journal.sqlite3"
    async with a_place(tmp_path) as place:
        await place.open()
        await place.pay(0)
        if not is_open:
            await place.close()
        change(path, make_newer)
        before = path.read_bytes()
        if not is_open:
            await place.open()
        answer = await place.pay(1)
        assert answer["error"] == "JournalError"
        assert "made by a newer song-mcp" in answer["text"]
        assert "Nothing was moved. Nothing was sent or paid." in answer["text"]
        assert path.read_bytes() == before
        assert list(path.parent.glob("*.damaged-*")) == []
        assert paid_posts(place.sandbox) == 1


@pytest.mark.parametrize("make_newer", NEWER)
async def test_a_journal_of_a_newer_version_is_not_read(
    journal: Journal, make_newer: Callable[[sqlite3.Connection], None]
) -> None:
    await write(journal, "Early")
    change(journal.path, make_newer)
    for _ in range(2):
        with pytest.raises(JournalError, match="made by a newer song-mcp"):
            await titles(journal)
        await journal.close()


async def test_a_version_that_no_program_will_have_is_damage(journal: Journal) -> None:
    await write(journal, "Early")
    await journal.close()
    change(journal.path, lambda db: db.execute("PRAGMA user_version = -7"))
    assert await titles(journal) == ["Early"]
    assert await journal.unconfirmed() is not None


# Damaged -------------------------------------------------------------------------------------


def with_garbage_for_a_header(content: bytes) -> bytes:
    return b"no journal any more " * 5 + content[100:]


def with_garbage_in_the_middle(content: bytes) -> bytes:
    return content[:PAGE] + b"\xa5" * (len(content) - PAGE)


def cut_off(content: bytes) -> bytes:
    return content[: 2 * PAGE]


DAMAGES = [with_garbage_for_a_header, with_garbage_in_the_middle, cut_off]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_journal_is_kept_whole(
    journal: Journal, damage: Callable[[bytes], bytes]
) -> None:
    await write(journal, "Early")
    await journal.close()
    damaged = damage(journal.path.read_bytes())
    journal.path.write_bytes(damaged)
    with pytest.raises(UnconfirmedError, match="was damaged"):
        await write(journal, "Lost")
    kept = aside(journal.path)
    assert kept.read_bytes() == damaged
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 or not system.HAS_OWNERS
    assert await journal.confirm(kept.name)
    await write(journal, "Late")
    assert set(await titles(journal)) <= {"Early", "Late"}
    assert "Late" in await titles(journal)
    assert aside(journal.path).read_bytes() == damaged


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_process_that_has_the_journal_open_goes_on_with_the_new_one(
    journal: Journal, damage: Callable[[bytes], bytes]
) -> None:
    order = {"do": "use", "path": str(journal.path), "kind": "write", "close": False}
    async with crew(1) as (other,):
        assert "answer" in await other.do(order | {"name": "Early"})
        damaged = damage(journal.path.read_bytes())
        journal.path.write_bytes(damaged)
        with pytest.raises(UnconfirmedError, match="was damaged"):
            await write(journal, "Lost")
        assert "was damaged" in (await other.do(order | {"name": "Lost"}))["error"]
        assert await journal.confirm(aside(journal.path).name)
        assert "answer" in await other.do(order | {"name": "Theirs"})
        await write(journal, "Ours")
        found = await titles(journal)
        assert (await other.do(order | {"kind": "read"}))["answer"] == str(len(found))
    assert set(found) - {"Early"} == {"Ours", "Theirs"}
    assert aside(journal.path).read_bytes() == damaged


async def test_a_damaged_file_put_in_the_place_of_an_open_one_is_kept(
    journal: Journal, tmp_path: Path
) -> None:
    await write(journal, "Early")
    (tmp_path / "other").write_bytes(b"garbage" * PAGE)
    (tmp_path / "other").rename(journal.path)
    assert await titles(journal) == []
    assert await journal.unconfirmed() is not None
    assert aside(journal.path).read_bytes() == b"garbage" * PAGE


async def test_who_finds_the_damage_second_leaves_the_new_journal_where_it_is(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.path.parent.mkdir()
    journal.path.write_bytes(b"garbage" * PAGE)
    second = open_journal(journal.path)
    replace_damaged = second._file._replace  # noqa: SLF001 - the moment between lookup and moving

    def later() -> None:
        journal.path.rename(journal.path.with_name("journal.sqlite3.damaged-1"))
        make_first_version(journal.path)
        replace_damaged()

    monkeypatch.setattr(second._file, "_replace", later)  # noqa: SLF001
    await write(second, "New")
    assert await titles(second) == ["Ended", "New", "Open"]
    assert aside(journal.path).read_bytes() == b"garbage" * PAGE
    await second.close()


def aside(path: Path) -> Path:
    (found,) = path.parent.glob("*.damaged-*")
    return found


# What was released -------------------------------------------------------------------------

RELEASED = (
    "2d7c2435f83d1278", "2f8a2269a9e7efee", "0b51f001fc62cca5", "f15a9ba572b38c87",
    "3a8ed7bbd93b7e13", "436d8cba36d9df41", "40d4c3dd7fb5848f", "fc6d09aad1d1e03d",
    "a7660b7531b7e445", "50985ce045bfdc7f", "a10c65743902ccb9", "9f0e5b7eebc9e3f1",
    "ee8a0e5e9a246931", "a4e086731092e8c4",
)  # fmt: skip
"""The beginnings of the SHA-256 digests of the scripts that users have run, oldest first."""


def test_a_released_migration_is_never_changed() -> None:
    digests = [hashlib.sha256(script.encode()).hexdigest() for script in MIGRATIONS]
    assert [digest[:16] for digest in digests[: len(RELEASED)]] == list(RELEASED)
