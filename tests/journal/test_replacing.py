"""A damaged journal is replaced where no open file can be moved, whenever that is cut off."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from song_mcp import system
from song_mcp.errors import JournalError, UnconfirmedError
from song_mcp.journal import Journal, NewTask, replacing
from song_mcp.journal.file import uri_of
from song_mcp.songs import Clip, Report
from tests.faults.racing import crew
from tests.held_open import refuse_open

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEW = NewTask("piapi", "udio", "song", "print-1", "Quay", "slow waltz", {"lyrics": "Lamps" * 900})
PAGE = 4096
SONGS = 12


def open_journal(path: Path) -> Journal:
    return Journal(path, lambda: NOON)


async def fill(journal: Journal) -> list[str]:
    made = []
    for number in range(SONGS):
        new = NewTask(
            "piapi", "udio", "song", f"print-{number}", f"Quay {number}", "w", NEW.request
        )
        local_id = (await journal.prepare(new, join=False)).task.local_id
        await journal.accept(local_id, new, f"t{number}", None)
        clips = (Clip(f"c{number}", "completed"),)
        await journal.record(local_id, Report(f"t{number}", "completed", "done", clips=clips))
        made.append(local_id)
    return sorted(made)


def damage(path: Path, page: int = 1) -> bytes:
    content = path.read_bytes()
    content = content[: page * PAGE] + b"\xa5" * PAGE + content[(page + 1) * PAGE :]
    path.write_bytes(content)
    return content


async def known(journal: Journal) -> list[str]:
    return sorted(task.local_id for task in (await journal.search("", 1000)).tasks)


def kept(path: Path) -> Path:
    (found,) = path.parent.glob("*.damaged-?????????????????*")
    return found


def is_sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        found: str = db.execute("PRAGMA integrity_check").fetchone()[0]
    return found == "ok"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_open(monkeypatch)


# In its place ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("page", [0, 1])
async def test_a_journal_that_another_program_has_open_is_replaced_in_its_place(
    journal: Journal, page: int
) -> None:
    made = await fill(journal)
    await journal.close()
    damaged = damage(journal.path, page)
    with journal.path.open("rb"):
        before = journal.path.stat().st_ino
        assert await known(journal) == made
        assert journal.path.stat().st_ino == before
    assert kept(journal.path).read_bytes() == damaged
    assert is_sound(journal.path)
    with pytest.raises(UnconfirmedError, match="Nothing was sent or paid"):
        await journal.prepare(NEW, join=True)
    assert await journal.confirm(kept(journal.path).name)
    assert (await journal.prepare(NEW, join=True)).joined
    assert {each.name.partition(".damaged-")[0] for each in journal.path.parent.iterdir()} <= {
        "journal.sqlite3",
        "journal.sqlite3.lock",
    }


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("page", [0, 1])
async def test_processes_that_have_it_open_go_on_with_the_new_journal(
    journal: Journal, page: int
) -> None:
    """They keep pages and the schema, which the new one must not be taken for."""
    made = await fill(journal)
    order = {"do": "use", "path": str(journal.path), "kind": "write", "close": False}
    async with crew(2) as others:
        for number, other in enumerate(others):
            assert "answer" in await other.do(order | {"name": f"Early {number}"})
        count = len(await known(journal))
        damage(journal.path, page)
        before = journal.path.stat().st_ino
        assert len(await known(journal)) == count
        assert journal.path.stat().st_ino == before, "it was replaced in its place"
        for other in others:
            assert "was damaged" in (await other.do(order | {"name": "Lost"}))["error"]
        assert await journal.confirm(kept(journal.path).name)
        for number, other in enumerate(others):
            assert "answer" in await other.do(order | {"name": f"Late {number}"})
            read = await other.do(order | {"kind": "read"})
            assert read["answer"] == str(len(await known(journal)))
    assert set(made) <= set(await known(journal))
    assert len(await known(journal)) == count + 2
    assert is_sound(journal.path)


@pytest.mark.usefixtures("held")
async def test_who_finds_the_damage_second_replaces_nothing(journal: Journal) -> None:
    """The file is the same one as before, so its number does not tell."""
    made = await fill(journal)
    second = open_journal(journal.path)
    assert await known(second) == made
    await journal.close()
    damage(journal.path)
    with journal.path.open("rb"):
        assert await known(journal) == made
    second._file._replace()  # noqa: SLF001 - as if it had met the damage just before
    assert await known(second) == made
    assert len(list(journal.path.parent.glob("*.damaged-*"))) == 1
    await second.close()


@pytest.mark.usefixtures("held")
async def test_a_second_damage_is_mended_by_who_did_not_notice_the_first(journal: Journal) -> None:
    made = await fill(journal)
    second = open_journal(journal.path)
    assert await known(second) == made
    await journal.close()
    for each in (journal, second):
        damage(journal.path)
        with journal.path.open("rb"):
            assert await known(each) == made
    assert len(list(journal.path.parent.glob("*.damaged-*"))) == 2
    await second.close()


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("is_open", [False, True])
def test_what_sqlite_could_not_undo_is_put_aside_and_back(tmp_path: Path, *, is_open: bool) -> None:
    left, aside = tmp_path / "journal.sqlite3-journal", tmp_path / "aside"
    left.write_bytes(b"half a transaction")
    with (left if is_open else Path(os.devnull)).open("rb"):
        replacing.copy_aside(left, aside)
        assert aside.read_bytes() == b"half a transaction"
        assert (left.read_bytes() if left.exists() else b"") == b"", "SQLite undoes nothing with it"
        replacing.move_back(aside, left)
    assert left.read_bytes() == b"half a transaction"
    assert not aside.exists()


# Cut off -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("page", [0, 1])
async def test_whenever_the_process_is_killed_nothing_is_lost(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: int
) -> None:
    """What is in the folder before and after each step is what a killed process leaves."""
    made = await fill(journal)
    await journal.close()
    damaged = damage(journal.path, page)
    left: list[Path] = []

    def leave() -> None:
        left.append(tmp_path / f"left-{len(left)}" / "home")
        shutil.copytree(journal.path.parent, left[-1])

    def followed(step: Callable[..., None]) -> Callable[..., None]:
        def done(*given: object, **named: object) -> None:
            leave()
            step(*given, **named)
            leave()

        return done

    with monkeypatch.context() as patch, journal.path.open("rb"):
        patch.setattr(system, "to_disk", followed(system.to_disk))
        for name in ("unlink", "replace"):
            patch.setattr(os, name, followed(getattr(os, name)))
        assert await known(journal) == made
    begun = 0
    for home in left:
        again = open_journal(home / journal.path.name)
        begun += replacing.is_begun(again.path)
        assert await known(again) == made, home
        assert await again.unconfirmed() is not None
        assert damaged in [each.read_bytes() for each in home.glob("*.damaged-*")], home
        await again.close()
        assert is_sound(again.path)
        assert not replacing.new_of(again.path).exists()
    assert begun >= 3
    assert len(left) > 10


@pytest.mark.usefixtures("held")
async def test_what_was_half_written_is_finished_by_a_process_that_had_it_open(
    journal: Journal,
) -> None:
    made = await fill(journal)
    content = journal.path.read_bytes()
    replacing.new_of(journal.path).write_bytes(content)
    mark = replacing.MARK.ljust(replacing.HEADER_BYTES, b"\0")
    journal.path.write_bytes(mark + content[100 : 2 * PAGE] + b"\xa5" * PAGE)
    assert await known(journal) == made
    assert await journal.unconfirmed() is None
    assert is_sound(journal.path)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("number", range(8))
async def test_a_disk_that_fails_in_the_middle_loses_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    made = await fill(journal)
    await journal.close()
    damaged = damage(journal.path)
    to_disk, calls = system.to_disk, iter(range(100))

    def failing(descriptor: int) -> None:
        if next(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        to_disk(descriptor)

    with journal.path.open("rb"):
        with monkeypatch.context() as patch:
            patch.setattr(system, "to_disk", failing)
            with suppress(JournalError):
                await journal.find("t1")
        copies = [each.read_bytes() for each in journal.path.parent.glob("*.damaged-*")]
        assert damaged in [journal.path.read_bytes(), *copies]
        assert await known(journal) == made
    assert damaged in [each.read_bytes() for each in journal.path.parent.glob("*.damaged-*")]
    assert is_sound(journal.path)


@pytest.mark.usefixtures("held")
async def test_a_journal_that_may_not_be_written_stays_as_it_is(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(journal)
    await journal.close()
    damaged = damage(journal.path, 0)

    def refused(_: Path, __: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(replacing, "_make_room", refused)
        with journal.path.open("rb"), pytest.raises(JournalError, match="Permission denied"):
            await journal.find("t1")
    assert journal.path.read_bytes() == damaged
    assert list(journal.path.parent.glob("*.damaged-*")) == []


# By its address ----------------------------------------------------------------------------------


def test_sqlite_opens_files_on_drives_and_shares() -> None:
    assert uri_of(PurePosixPath("/home/me/a b?.db"), "rw") == "file:///home/me/a%20b%3F.db?mode=rw"
    drive = PureWindowsPath(r"C:\Users\Zoë\song-mcp\journal.sqlite3")
    assert uri_of(drive, "ro") == "file:///C:/Users/Zo%C3%AB/song-mcp/journal.sqlite3?mode=ro"
    share = PureWindowsPath(r"\\server\share\journal.sqlite3")
    assert uri_of(share, "rw") == "file:////server/share/journal.sqlite3?mode=rw"


def test_sqlite_takes_such_an_address_for_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "a b#%?" / "journal.sqlite3"
    path.parent.mkdir()
    path.touch()
    for uri in (uri_of(path, "rw"), uri_of(path, "rw").replace("file://", "file:///", 1)):
        with closing(sqlite3.connect(uri, uri=True)) as db:
            assert Path(db.execute("PRAGMA database_list").fetchone()[2]) == path


async def test_commits_ask_macos_for_the_disk_itself(journal: Journal) -> None:
    await journal.find("t1")
    db = journal._file._connection  # noqa: SLF001 - what it asked of SQLite
    assert db is not None
    assert db.execute("PRAGMA fullfsync").fetchone()[0] == 1
