"""Looking at a journal's file without writing to it, also while servers use it.

`Journal` makes, migrates and mends its file when it opens it. What only wants to know how the file
is comes here. Nothing is written, not even what an interrupted transaction would need.
"""

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from song_mcp.journal.schema import MIGRATIONS

LOOK_S = 5.0
"""How long the check of the file may take, in seconds."""
STEPS = 10_000
"""How many of SQLite's steps are between two looks at the clock."""
SONGS_CAP = 5000
"""How many of the newest songs are looked at."""

ALL_FILES = "SELECT file FROM clips WHERE file != '' ORDER BY rowid DESC LIMIT ?"
FILES = "SELECT file FROM clips WHERE file != '' AND gone_at IS NULL ORDER BY rowid DESC LIMIT ?"
GONE = "SELECT count(*) FROM clips WHERE gone_at IS NOT NULL"


@dataclass(frozen=True)
class Examined:
    """A journal's file as it is. `fault` says why it cannot be read, "" if it can.

    `unwritable` says why it cannot be written, `damage` what is wrong in it; "" if nothing is. One
    that `was_interrupted` holds a transaction that the next server undoes. `doubts` are the ids of
    tasks in doubt, `files` the saved songs, and `gone` tells how many are known to be deleted.
    `journal_mode` is SQLite's.
    """

    is_there: bool
    fault: str = ""
    unwritable: str = ""
    damage: str = ""
    is_newer: bool = False
    was_interrupted: bool = False
    journal_mode: str = ""
    tasks: int = 0
    doubts: Sequence[str] = ()
    files: Sequence[Path] = ()
    gone: int = 0


def sqlite_version() -> str:
    """Return the version of SQLite that this Python has."""
    return sqlite3.sqlite_version


def examine(path: Path) -> Examined:
    """Look at the journal's file; raises nothing."""
    try:
        if not path.exists():
            return Examined(is_there=False, unwritable=_why_no_file(path.parent))
        unwritable = _why_unwritable(path)
    except OSError as error:
        return Examined(is_there=True, fault=error.strerror or "unreadable")
    interrupted = path.with_name(f"{path.name}-journal").exists()
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=LOOK_S)) as db:
            return _examined(db, unwritable)
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        is_damage = code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
        return Examined(
            is_there=True,
            fault="" if is_damage or interrupted else str(error),
            damage=str(error) if is_damage else "",
            was_interrupted=interrupted and not is_damage,
            unwritable=unwritable,
        )


def _examined(db: sqlite3.Connection, unwritable: str) -> Examined:
    ends_at = time.monotonic() + LOOK_S
    db.set_progress_handler(lambda: time.monotonic() > ends_at, STEPS)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (mode,) = db.execute("PRAGMA journal_mode").fetchone()
    if version > len(MIGRATIONS):
        return Examined(is_there=True, is_newer=True, journal_mode=mode, unwritable=unwritable)
    if not version:  # made, and not filled yet
        return Examined(is_there=True, journal_mode=mode, unwritable=unwritable)
    (tasks,) = db.execute("SELECT count(*) FROM tasks").fetchone()
    doubts = db.execute("SELECT local_id FROM tasks WHERE status = 'in_doubt' ORDER BY created_at")
    columns = {row[1] for row in db.execute("PRAGMA table_info(clips)")}
    missing = 0
    if "gone_at" in columns:  # an older version does not know which files were deleted
        (missing,) = db.execute(GONE).fetchone()
    files = db.execute(FILES if "gone_at" in columns else ALL_FILES, (SONGS_CAP,))
    return Examined(
        is_there=True,
        unwritable=unwritable,
        journal_mode=mode,
        tasks=tasks,
        doubts=[row[0] for row in doubts],
        files=[Path(row[0]) for row in files],
        gone=missing,
        damage=_damage(db),
    )


def _damage(db: sqlite3.Connection) -> str:
    """Return what SQLite finds wrong; "" also if it was not finished in time."""
    try:
        (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return ""
        raise
    return "" if said == "ok" else str(said)


def _why_unwritable(path: Path) -> str:
    """Return why the file or its folder cannot be written; nothing is written to the file."""
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError as error:
        return error.strerror or "not writable"
    return _why_no_file(path.parent)


def _why_no_file(folder: Path) -> str:
    """Return why no file can be made in a folder, or in the first of its parents that is there."""
    while not folder.exists() and folder.parent != folder:
        folder = folder.parent
    try:
        with TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or "not writable"
