"""What is on the disk: journal, songs, space, log file."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from song_mcp.doctor.finding import Finding, note, ok, wrong
from song_mcp.journal import Examined, examine, sqlite_version
from song_mcp.settings import Settings

LEAST_FREE = 256 * 2**20
"""How many bytes must be free: a song may have 64 MiB, and the journal needs twice its size."""
MIB = 2**20
SHOWN = 3
HOME, LIBRARY = "SONG_MCP_HOME", "SONG_MCP_LIBRARY"


def examined(settings: Settings) -> Iterator[Finding]:
    """Yield what is to be said of the journal, the songs, the space and the log file."""
    if not settings.said_of(HOME):
        found = examine(settings.journal_path)
        yield from _journal(settings.journal_path, found)
        yield from _songs(settings.library_path, found)
        yield _space("journal's disk", settings.home)
    yield ok("SQLite", _of_sqlite())
    if not settings.said_of(LIBRARY):
        yield _library(settings.library_path)
        yield _space("songs' disk", settings.library_path)
    yield _log(settings)


def _journal(path: Path, found: Examined) -> Iterator[Finding]:
    if found.fault:
        yield wrong("journal", f"{path} cannot be read: {found.fault}.", _writable(path.parent))
    elif found.is_newer:
        yield wrong(
            "journal",
            f"{path} was made by a newer song-mcp, so this one leaves it alone.",
            "Upgrade song-mcp: the command stands above.",
        )
    elif found.damage:
        yield wrong(
            "journal",
            f"{path} is damaged ({found.damage}).",
            "Restart the client: song-mcp saves what can be read. Then ask it for check_account.",
        )
    elif found.unwritable:
        what = path if found.is_there else path.parent
        yield wrong("journal", f"{what} cannot be written: {found.unwritable}.", _writable(what))
    elif not found.is_there:
        yield ok("journal", f"There is none yet; it will be {path}.")
    elif found.was_interrupted:
        yield note(
            "journal",
            f"{path} is being written, or a server was killed while it wrote.",
            "Nothing is lost: the next start of song-mcp puts it right.",
        )
    else:
        yield ok("journal", f"{path}: {found.tasks} tasks, readable, writable and whole.")
    if found.journal_mode.lower() == "wal":
        yield wrong(
            "journal",
            "Another program has set the journal to a write-ahead log, which several servers may "
            "damage.",
            "Close all clients, and start one again: song-mcp sets it back.",
        )


def _songs(library: Path, found: Examined) -> Iterator[Finding]:
    if found.doubts:
        named = ", ".join(found.doubts[:SHOWN])
        yield wrong(
            "doubts",
            f"{len(found.doubts)} tasks may have been charged, and nobody knows: {named}.",
            f"song-mcp settle {found.doubts[0]} check",
        )
    else:
        yield ok("doubts", "No task is in doubt.")
    missing = [each for each in found.files if not each.exists()]
    if missing and not library.exists():
        yield wrong(
            "songs",
            f"The folder {library} is not there, nor are its songs.",
            f"Connect its drive, or set {LIBRARY} to where it is now.",
        )
    elif missing:
        yield note(
            "songs",
            f"{len(missing)} of {len(found.files)} songs are not where they were saved, such as "
            f"{missing[0].name}. Those that were moved are looked for when they are wanted.",
            "To get a deleted one again, ask your assistant for it; that costs nothing.",
        )
    elif found.files:
        yield ok("songs", f"{len(found.files)} saved songs are where they belong.")
    if found.gone:
        yield ok("songs", f"{found.gone} songs were deleted by you, and stay so.")


def _library(folder: Path) -> Finding:
    there = _nearest(folder)
    if not there.is_dir():
        return wrong("library", f"{there} is a file, not a folder.", f"Set {LIBRARY} to a folder.")
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        return wrong("library", f"{there} cannot be written: {error.strerror}.", _writable(there))
    later = "" if there == folder else " It is made with the first song."
    return ok("library", f"{folder}.{later}")


def _space(what: str, folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(_nearest(folder)).free
    except OSError as error:
        return note(what, f"How much is free is not known: {error.strerror}.")
    if free < LEAST_FREE:
        return wrong(
            what, f"Only {free // MIB} MiB are free.", f"Make room on the disk of {folder}."
        )
    return ok(what, f"{free / 2**30:.1f} GiB are free.")


def _log(settings: Settings) -> Finding:
    path = settings.log_path
    if path is None:
        why = f"{HOME} is wrong" if settings.said_of(HOME) else "SONG_MCP_LOG is off"
        return note("log", f"No log file is kept: {why}.", "To keep one, set SONG_MCP_LOG to info.")
    if path.exists() and not os.access(path, os.W_OK):
        return wrong("log", f"{path} cannot be written.", _writable(path))
    state = "" if path.exists() else " There is none yet: no client has started this song-mcp."
    return ok("log", f"{path} (SONG_MCP_LOG={settings.log}).{state}")


def _of_sqlite() -> str:
    """Say which SQLite this is: all are good enough, as there is no write-ahead log."""
    return f"{sqlite_version()}. Any will do: the journal is kept without a write-ahead log."


def _writable(path: Path) -> str:
    return f"Let your user write {path}, or set {HOME} and {LIBRARY} to folders of yours."


def _nearest(folder: Path) -> Path:
    """Return a folder, or the first of its parents that is there."""
    while not folder.exists() and folder.parent != folder:
        folder = folder.parent
    return folder
