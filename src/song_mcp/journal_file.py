"""The journal's SQLite file: opening, locking, transactions and migrations.

Invariant: several processes share the file, and none of them ever meets a lock error: every
write transaction is `BEGIN IMMEDIATE` inside an operating-system lock on a file beside it, and
a process works on it in one thread at a time, never in the event loop's.

`journal_mode=DELETE` and `synchronous=EXTRA`: SQLite before 3.51.3 can corrupt a write-ahead log
that several processes share, and most Pythons link an older one (`docs/architecture.md`).
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
from filelock import FileLock, Timeout

from song_mcp.errors import JournalError

T = TypeVar("T")

LOCK_WAIT_S = 20.0
LOCK_POLL_S = 0.005

SCHEMA = """
CREATE TABLE tasks (
    local_id TEXT PRIMARY KEY,
    service TEXT NOT NULL,
    task_id TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    fingerprint TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    request TEXT NOT NULL DEFAULT '{}',
    provider_status TEXT NOT NULL DEFAULT '',
    progress_percent INTEGER,
    lyrics_title TEXT NOT NULL DEFAULT '',
    lyrics_text TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    charged TEXT NOT NULL DEFAULT 'unknown',
    cost_usd REAL,
    created_at REAL NOT NULL,
    finished_at REAL,
    looked_at REAL
);
CREATE INDEX tasks_by_id ON tasks (task_id, service);
CREATE INDEX tasks_by_age ON tasks (created_at);
CREATE INDEX tasks_by_request ON tasks (fingerprint, status);
CREATE TABLE clips (
    local_id TEXT NOT NULL REFERENCES tasks (local_id),
    clip_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    status TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    service_title TEXT NOT NULL DEFAULT '',
    duration_s REAL,
    audio_url TEXT NOT NULL DEFAULT '',
    image_url TEXT NOT NULL DEFAULT '',
    video_url TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]',
    lyrics TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    made_with TEXT NOT NULL DEFAULT '',
    file TEXT NOT NULL DEFAULT '',
    cover TEXT NOT NULL DEFAULT '',
    mime_type TEXT NOT NULL DEFAULT '',
    save_error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (local_id, clip_id)
);
CREATE INDEX clips_by_id ON clips (clip_id);
"""
MIGRATIONS: tuple[str, ...] = (SCHEMA,)
"""One script per version of the file, applied once each in order; `user_version` counts them."""


class JournalFile:
    """The file `path`, opened and made on first use. Every method may raise JournalError."""

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], None]) -> None:
        """Remember where the file is; `prepare` gets each fresh connection (to add functions)."""
        self.path = path
        self._prepare = prepare
        self._connection: sqlite3.Connection | None = None
        self._turn = anyio.Lock()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one write transaction: all of it is on disk when this returns, or none."""

        def transaction() -> T:
            db = self._opened()
            with self._locked(), _begun(db, "BEGIN IMMEDIATE"):
                return work(db)

        return await self._in_thread(transaction)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one read transaction, so that it sees one state of the file."""

        def transaction() -> T:
            db = self._opened()
            with _begun(db, "BEGIN"):
                return work(db)

        return await self._in_thread(transaction)

    async def close(self) -> None:
        """Close the file; the next use opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await anyio.to_thread.run_sync(connection.close)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread, one at a time, to its end even when the caller is cancelled."""
        async with self._turn:
            return await anyio.to_thread.run_sync(_with_readable_errors, work, self.path)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            db = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=LOCK_WAIT_S
            )
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode=DELETE")
            db.execute("PRAGMA synchronous=EXTRA")
            _migrate(db)
        self._prepare(db)
        return db

    def _locked(self) -> FileLock:
        lock = self.path.with_name(self.path.name + ".lock")
        return FileLock(lock, timeout=LOCK_WAIT_S, poll_interval=LOCK_POLL_S, mode=0o600)


def _with_readable_errors(work: Callable[[], T], path: Path) -> T:
    try:
        return work()
    except (sqlite3.Error, OSError, Timeout) as error:
        reason = "another process holds it" if isinstance(error, Timeout) else str(error)
        msg = (
            f"The journal {path} cannot be used ({reason}). Check that its folder is writable and "
            "the disk has room, or set SONG_MCP_HOME to another folder."
        )
        raise JournalError(msg) from error


@contextmanager
def _begun(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    """Hold one transaction: committed at the end, undone by any exception."""
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the file to the newest version, each step in a transaction of its own."""
    done = db.execute("PRAGMA user_version").fetchone()[0]
    for version, script in enumerate(MIGRATIONS[done:], start=done + 1):
        with _begun(db, "BEGIN IMMEDIATE"):
            for statement in script.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {version}")
