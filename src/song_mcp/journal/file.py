"""The journal's SQLite file: opening, locking, transactions, migrations, and what breaks.

Several processes share the file. Every write transaction is `BEGIN IMMEDIATE` inside an
operating-system lock on a file beside it, and a read that meets a writer waits for that lock too.
So a lock error is raised only if another process holds the lock for longer than `LOCK_WAIT_S`. A
process works on the file in one thread at a time, never in the event loop's. A file that cannot be
written can still be read. A damaged file is replaced by a new one with all that can be read of it
(`salvage`), and kept, never deleted. A file of a newer version is neither read nor written; as a
newer process may migrate it at any time, each transaction looks.

`journal_mode=DELETE` and `synchronous=EXTRA`: SQLite before 3.51.3 can corrupt a write-ahead log
that several processes share, and most Pythons link an older one (`docs/architecture.md`).
"""

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path, PurePath
from typing import TypeVar
from urllib.parse import quote

import anyio
import anyio.to_thread
from filelock import FileLock, Timeout

from song_mcp import files, folders
from song_mcp.errors import JournalError
from song_mcp.journal import replacing, salvage
from song_mcp.journal.failpoints import around, reach
from song_mcp.journal.mark import Mark
from song_mcp.journal.schema import MIGRATIONS
from song_mcp.journal.values import Salvage

T = TypeVar("T")

logger = logging.getLogger(__name__)

LOCK_WAIT_S = 30.0
LOCK_POLL_S = 0.001
SYNCHRONOUS = "PRAGMA synchronous=EXTRA"
KEPT = ".damaged-"
DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
LOCKED_ELSEWHERE = "another process holds it"
CANNOT_PARSE = "malformed database schema"
"""How SQLite's message begins if the text of a table, index or trigger cannot be parsed."""
VERSIONS = 1000
"""More than the file will ever have; a greater number is damage."""
NEWER = (
    "The journal was made by a newer song-mcp: update this one, or set SONG_MCP_HOME to another "
    "folder. Nothing was moved."
)
NOT_OURS_TO_WRITE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class DamagedError(sqlite3.DatabaseError):
    """What is in the file cannot be, though SQLite finds no fault with it."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class JournalFile:
    """The file `path`, opened on first use, made if needed. Every method may raise JournalError."""

    def __init__(self, path: Path, unusable: str = "") -> None:
        """Remember where the file is; if `unusable` says why, every use raises JournalError.

        The event `written` is set, and replaced by a new one, at each write of this process.
        """
        self.path = path
        self._unusable = unusable
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._kept: set[str] = set()
        self._is_read_only = False
        self._turn = anyio.Lock()
        self.written = anyio.Event()

    async def write(self, name: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one write transaction: all of it is on disk when this returns, or none.

        `name` is the name of the commit in `failpoints`.
        """
        before, after = around(name)

        def transaction() -> T:
            with self._locked():
                db = self._opened_to_write()
                with _begun(db, "BEGIN IMMEDIATE"):
                    _version(db)  # raises an error if it is newer
                    result = work(db)
                    reach(before)
            reach(after)
            return result

        try:
            return await self._in_thread(transaction)
        finally:  # also if the call was cancelled: the write may be done
            self.written.set()
            self.written = anyio.Event()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one read transaction, so that it sees one state of the file.

        If a writer is in the way, `work` runs again inside the writers' lock: with SQLite's own
        waiting, readers starve for seconds under several writers.
        """

        def transaction() -> T:
            db = self._opened()
            try:
                with _not_waiting(db), _begun(db, "BEGIN"):
                    _version(db)
                    return work(db)
            except sqlite3.OperationalError as error:
                if _code(error) not in LOCKED:
                    raise
            with self._locked_if_writable():
                db = self._opened()
                with _begun(db, "BEGIN"):
                    _version(db)
                    return work(db)

        return await self._in_thread(transaction)

    async def close(self) -> None:
        """Close the file; the next use opens it again."""
        async with self._turn:
            await anyio.to_thread.run_sync(self._let_go)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread, one at a time, to its end even if the caller is cancelled."""
        if self._unusable:
            raise JournalError(f"The journal cannot be used. {self._unusable}.")
        async with self._turn:
            return await anyio.to_thread.run_sync(self._with_readable_errors, work)

    def _with_readable_errors(self, work: Callable[[], T]) -> T:
        try:
            return self._without_damage(work)
        except sqlite3.Error as error:
            reason = LOCKED_ELSEWHERE if _code(error) in LOCKED else str(error)
            raise JournalError(_unusable(self.path, reason)) from error
        except Timeout as error:
            raise JournalError(_unusable(self.path, LOCKED_ELSEWHERE)) from error
        except OSError as error:
            raise JournalError(_unusable(self.path, error.strerror or "unreadable")) from error

    def _without_damage(self, work: Callable[[], T]) -> T:
        for _ in range(2):  # the first damage may be one that another process has mended since
            try:
                return work()
            except sqlite3.DatabaseError as error:
                if _code(error) not in DAMAGE:
                    raise
                if self._is_foreign(error):
                    raise JournalError(NEWER) from error
                self._replace()
        return work()

    def _is_foreign(self, error: sqlite3.DatabaseError) -> bool:
        """Tell whether the error is about something in the schema that this program did not make.

        A newer SQLite may have been given a trigger that this one cannot parse. If all of ours is
        in the schema as we made it, the file is not damaged.
        """
        if not str(error).startswith(CANNOT_PARSE):
            return False
        with closing(_connected(uri_of(self.path, "ro"))) as db:
            db.execute("PRAGMA writable_schema=ON")  # it is listed, however little of it is parsed
            return _schema(db) > _schema_of(_version(db))

    # Opening ---------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        """Return the connection: a new one if another process has set the file aside."""
        if self._connection is not None and self._inode != _inode_of(self.path):
            self._let_go()
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        try:
            return self._open_to_write()
        except OSError as error:
            if error.errno not in NOT_OURS_TO_WRITE or not self.path.exists():
                raise
            return self._open_to_read()

    def _open_to_write(self) -> sqlite3.Connection:
        folders.own(self.path.parent)
        with self._locked():
            os.close(files.patiently(os.open, self.path, os.O_RDWR | os.O_CREAT, 0o600))
            if replacing.finish(self.path):
                Mark(self.path).forget()
            self._remember()
            db = _connected(uri_of(self.path, "rw"))
            with _closed_on_failure(db):
                _version(db)  # before anything that changes the file or parses its schema
                db.execute("PRAGMA journal_mode=DELETE")
                _sync_fully(db)
                _migrate(db)
        self._is_read_only = False
        return db

    def _open_to_read(self) -> sqlite3.Connection:
        """Open a file that cannot be written; an older version is migrated in a copy in memory."""
        self._is_read_only = True
        self._remember()
        db = _connected(uri_of(self.path, "ro"))
        with _closed_on_failure(db):
            _version(db)
            if _version(db) == len(MIGRATIONS):
                return db
            copy = _connected(":memory:")
            with _closed_on_failure(copy), closing(db):
                db.backup(copy)
                _migrate(copy)
        return copy

    def _opened_to_write(self) -> sqlite3.Connection:
        if self._is_read_only:  # that may have changed since
            self._let_go()
        db = self._opened()
        if self._is_read_only:
            raise JournalError(_unusable(self.path, "it can be read but not written"))
        return db

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _replace(self) -> None:
        """Replace a damaged file, which is kept, by a new one with all that can be read of it.

        At each moment there is either file in its place, or one that says so (`replacing`), and
        whoever finds the damage second finds the new one. Fails, and changes nothing, if there is
        no room for both.
        """
        self._let_go()
        if self._is_read_only:
            raise JournalError(_unusable(self.path, "it is damaged, and can only be read here"))
        with self._locked():
            if self._is_replaced() or replacing.finish(self.path):  # another process was quicker
                return
            _finish_transaction(self.path)
            content = self.path.read_bytes()
            kept = self.path.with_name(f"{self.path.name}{KEPT}{time.time_ns()}")
            with _undone_on_failure(self.path, kept):
                replacing.write_whole(kept, content)
                copied = self._copied(content, kept.name)
                _set_journal_aside(self.path, kept)
                is_moved = replacing.move(self.path)
            if not is_moved:
                replacing.write_over(self.path)
            Mark(self.path).forget()
            folders.sync(self.path.parent)
        logger.error("%s It is in %s.", copied.text, self.path.parent)

    def _copied(self, content: bytes, kept_as: str) -> Salvage:
        """Make the new file with all that can be read of a damaged one's content."""
        new = replacing.new_of(self.path)
        for left in (new, _journal_of(new)):  # by a process that was killed
            files.patiently(left.unlink, missing_ok=True)
        replacing.write_whole(new, b"")
        with closing(_connected(uri_of(new, "rw"))) as db:
            _sync_fully(db)
            _migrate(db)
            with _begun(db, "BEGIN IMMEDIATE"):
                return salvage.copy(db, content, kept_as, time.time())

    def _remember(self) -> None:
        """Remember which file is opened, and what had been set aside by then."""
        self._inode = _inode_of(self.path)
        self._kept = _kept(self.path)

    def _is_replaced(self) -> bool:
        """Tell whether the file was replaced since it was opened: by another, or in its place."""
        return _inode_of(self.path) != self._inode or bool(_kept(self.path) - self._kept)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of all writers; a thread that holds it already may enter again."""
        folders.own(self.path.parent)
        with self._lock:
            yield

    @contextmanager
    def _locked_if_writable(self) -> Iterator[None]:
        """Hold the lock of all writers, or none if this process cannot write the file."""
        if self._is_read_only:
            yield
            return
        with self._locked():
            yield

    @property
    def _lock(self) -> FileLock:
        if self._file_lock is None:
            name = self.path.with_name(self.path.name + ".lock")
            self._file_lock = FileLock(
                name, timeout=LOCK_WAIT_S, poll_interval=LOCK_POLL_S, mode=0o600, thread_local=False
            )
        return self._file_lock

    _file_lock: FileLock | None = None


def _connected(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=LOCK_WAIT_S
    )
    db.row_factory = sqlite3.Row
    return db


def uri_of(path: PurePath, mode: str) -> str:
    """Return the address by which SQLite opens a file, which may be on a drive or a share.

    `as_uri` names the server of a share as a host, and SQLite accepts none.
    """
    name = path.as_posix()
    start = "" if name.startswith("/") else "/"
    return f"file://{start}{quote(os.fsencode(name), safe='/:')}?mode={mode}"


def _sync_fully(db: sqlite3.Connection) -> None:
    """Have each commit on the disk itself, with the name of the file that could undo it gone."""
    db.execute(SYNCHRONOUS)
    db.execute("PRAGMA fullfsync=ON")  # of macOS, whose fsync returns before that


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary code of an error, without its extended part."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _version(db: sqlite3.Connection) -> int:
    """Return which of the versions of the file this is; a newer one is refused.

    Raises JournalError, or DamagedError for a number that no version has.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= version < VERSIONS:
        raise DamagedError(f"version {version}")
    if version > len(MIGRATIONS):
        raise JournalError(NEWER)
    return version


def _schema(db: sqlite3.Connection) -> set[tuple[str, ...]]:
    return {tuple(row) for row in db.execute("SELECT type, name, sql FROM sqlite_master")}


def _schema_of(version: int) -> set[tuple[str, ...]]:
    """Return the schema as this program makes it."""
    with closing(_connected(":memory:")) as db:
        _migrate(db, version)
        return _schema(db)


@contextmanager
def _closed_on_failure(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


@contextmanager
def _not_waiting(db: sqlite3.Connection) -> Iterator[None]:
    """Let SQLite raise an error at once, instead of waiting, if another connection is writing."""
    db.execute("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        db.execute(f"PRAGMA busy_timeout = {round(LOCK_WAIT_S * 1000)}")


def _finish_transaction(path: Path) -> None:
    """Undo, as any reader does, what a process was writing when it was killed."""
    with suppress(sqlite3.Error), closing(_connected(uri_of(path, "rw"))) as db:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _journal_of(path: Path) -> Path:
    """Return where SQLite keeps what it needs to undo a transaction."""
    return path.with_name(f"{path.name}-journal")


def _set_journal_aside(path: Path, kept: Path) -> None:
    """Move what SQLite could not undo to the damaged file: it must not get at the new one."""
    if _journal_of(path).exists():
        replacing.copy_aside(_journal_of(path), _journal_of(kept))


@contextmanager
def _undone_on_failure(path: Path, kept: Path) -> Iterator[None]:
    """On an error, remove what was kept of the journal `path`, which is as it was before."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if _journal_of(kept).exists():
                replacing.move_back(_journal_of(kept), _journal_of(path))
            files.patiently(kept.unlink, missing_ok=True)
        raise


def _kept(path: Path) -> set[str]:
    """Return the names of the damaged files that were set aside."""
    return {kept.name for kept in path.parent.glob(f"{path.name}{KEPT}*")}


def _inode_of(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _unusable(path: Path, reason: str) -> str:
    """Say that the file fails, and nothing of payments: it may fail before and after one."""
    return (
        f"The journal {path} cannot be used ({reason}). Check that its folder is writable and the "
        "disk has room, or set SONG_MCP_HOME to another folder."
    )


@contextmanager
def _begun(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    """Run one transaction: committed at the end, rolled back by any exception."""
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _migrate(db: sqlite3.Connection, to: int | None = None) -> None:
    """Bring the file to version `to` or the newest, in one transaction: each syncs the disk."""
    done = _version(db)
    if not (steps := MIGRATIONS[done:to]):
        return
    with _begun(db, "BEGIN IMMEDIATE"):
        for statement in chain.from_iterable(script.split(";\n") for script in steps):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {done + len(steps)}")
