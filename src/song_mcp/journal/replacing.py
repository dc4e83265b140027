"""Putting a new file in the place of the journal, though other processes have the journal open.

If open files can be moved, the new one is renamed: at each moment either file is there, whole.
Windows refuses that. Then the bytes of the new file are written over those of the old one:

1. a mark over the header: from now on nobody takes the file for a journal. SQLite looks at the
   header when a transaction begins, also in processes that had the file open before;
2. all that is behind the header;
3. the header. Each is on the disk before the next begins.

As long as the mark stands, the new file is whole beside it, and whoever uses the journal next goes
on from there (`finish`). The caller holds the lock of all writers.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from io import FileIO
from pathlib import Path

from song_mcp import files, system

MARK = b"song-mcp is replacing this journal by the file beside it.\n"
HEADER_BYTES = 100
"""The length of the header of a file of SQLite; the mark is not longer."""
COUNTER, SCHEMA, COUNTED_AT = slice(24, 28), slice(40, 44), slice(92, 96)
"""Where the header has the number of changes, that of the schema, and the former once more."""
WAIT_S = 5.0
"""How long to wait for readers to end, in seconds."""


def new_of(path: Path) -> Path:
    """Return where the file is made that will replace the journal."""
    return path.with_name(f"{path.name}.new")


def move(path: Path) -> bool:
    """Rename the new file to the journal's name; if that is refused, make room and return False.

    May raise OSError; then the journal has what it had.
    """
    try:
        files.patiently(new_of(path).replace, path)
    except PermissionError:
        _make_room(path, new_of(path).stat().st_size)
        return False
    return True


def write_over(path: Path) -> None:
    """Write the new file over the journal. After an OSError, `finish` goes on."""
    content = _renewed(new_of(path).read_bytes())
    with _alone(path), path.open("r+b", buffering=0) as file:
        _write_at(file, 0, MARK.ljust(HEADER_BYTES, b"\0"))
        _write_at(file, HEADER_BYTES, content[HEADER_BYTES:])
        file.truncate(len(content))
        _write_at(file, 0, content[:HEADER_BYTES])
    files.remove(new_of(path))


def finish(path: Path) -> bool:
    """Go on with what a process began that was killed; tell whether there was any.

    May raise OSError; then it can be tried again.
    """
    if not is_begun(path):
        files.remove(new_of(path))  # it was not begun, or it was finished
        return False
    if not new_of(path).exists():
        return False
    write_over(path)
    return True


def is_begun(path: Path) -> bool:
    """Tell whether the journal has the mark."""
    try:
        with path.open("rb") as file:
            return file.read(len(MARK)) == MARK
    except FileNotFoundError:
        return False


def copy_aside(path: Path, to: Path) -> None:
    """Rename a file, or copy and empty it if that is refused: it may be open elsewhere."""
    try:
        files.patiently(path.replace, to)
    except PermissionError:
        write_whole(to, path.read_bytes())
        with path.open("r+b", buffering=0) as file:
            file.truncate(0)
            system.to_disk(file.fileno())


def move_back(aside: Path, path: Path) -> None:
    """Undo `copy_aside`. May raise OSError; then both files stay."""
    if path.exists():  # it was copied, and emptied
        path.write_bytes(aside.read_bytes())
        files.patiently(aside.unlink)
    else:
        files.patiently(aside.replace, path)


def write_whole(path: Path, content: bytes) -> None:
    """Write a new file, for the user alone, so that it is on disk on return."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.BINARY
    with os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0) as file:
        _write_at(file, 0, content)


def _renewed(content: bytes) -> bytes:
    """Return a journal's bytes with numbers by which no process takes what it remembers for it.

    Processes that have the file open keep pages and the schema as long as these numbers stay.
    """
    header = bytearray(content[:HEADER_BYTES])
    header[COUNTER] = header[COUNTED_AT] = secrets.randbits(31).to_bytes(4, "big")
    header[SCHEMA] = secrets.randbits(31).to_bytes(4, "big")
    return bytes(header) + content[HEADER_BYTES:]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep readers out, if the damage lets SQLite do that: they hold no lock of ours.

    If it does not, one that has begun to read may meet both files, and finds damage or ends.
    """
    with closing(sqlite3.connect(path, isolation_level=None, timeout=WAIT_S)) as db:
        with suppress(sqlite3.Error):
            db.execute("BEGIN EXCLUSIVE")
        yield


def _make_room(path: Path, size: int) -> None:
    """Make the file as long as it will be, so that a full disk raises OSError before the mark."""
    with path.open("r+b", buffering=0) as file:
        length = file.seek(0, os.SEEK_END)
        if length < size:
            _write_at(file, length, bytes(size - length))


def _write_at(file: FileIO, offset: int, content: bytes) -> None:
    """Write this, so that it is on disk on return."""
    file.seek(offset)
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
    system.to_disk(file.fileno())
