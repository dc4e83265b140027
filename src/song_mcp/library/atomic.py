"""Files that are written under a hidden name and placed whole under a final one.

A file gets its final name when all of it is on the disk. It is then in the intended folder, and it
replaced nothing. `directory` says how far a symlink that somebody plants later can redirect a step.
"""

import errno
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import IO

from song_mcp import system
from song_mcp.errors import StorageError
from song_mcp.library.directory import Directory, opened

PARTIAL = ".partial-"
STALE_S = 24 * 3600
"""The age in seconds at which a partial file belongs to no living download."""


def pinned(folder: Path) -> Path:
    """Return where the folder really is: symlinks that the user has made are followed now.

    What the system refuses to look at, such as too long a name, is returned as it is.
    """
    try:
        is_dangling = folder.is_symlink() and not folder.exists()
        return folder if is_dangling else folder.resolve()
    except OSError:
        return folder


class AtomicFile:
    """A hidden file in the `pinned` folder, which is placed under a final name or discarded.

    Each step holds the lock, and raises StorageError if it fails. A cancelled caller may leave a
    step running in its thread: that step has ended before `discard`, or does nothing after it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = PARTIAL + secrets.token_hex(8)
        self._lock = threading.Lock()
        self._directory: Directory | None = None
        self._file: FileIO | None = None
        self._is_discarded = False

    def open(self) -> None:
        """Make the folder if it is missing, and the hidden file in it."""
        with self._lock, explained(self._folder):
            if self._is_discarded:
                return
            self._directory = opened(self._folder)
            descriptor = self._directory.create(self._name)
            self._file = os.fdopen(descriptor, "w+b", buffering=0)
            _sweep(self._directory, os.fstat(descriptor).st_mtime - STALE_S)

    def write(self, chunk: bytes) -> None:
        """Add `chunk` at the end."""
        with self._step() as (_, file):
            _pour(file, chunk)

    def content(self) -> bytes:
        """Return all that was written."""
        with self._step() as (_, file):
            return content_of(file)

    def rewrite(self, content: bytes) -> None:
        """Replace all that was written by `content`."""
        with self._step() as (_, file):
            file.seek(0)
            _pour(file, content)
            file.truncate()

    def place(self, names: Iterable[str], is_same: Callable[[Path], bool]) -> Path:
        """Name the file by the first of `names` that is free, and return its path.

        A file that has the name already is left as it is. If it `is_same`, its path is returned.
        """
        with self._step() as (directory, file):
            system.to_disk(file.fileno())
            size = os.fstat(file.fileno()).st_size
            file.close()
            for name in names:
                path = self._folder / name
                if self._take(directory, name, size) or is_same(path):
                    return path
        msg = f"Every name for the clip is taken in the library folder {str(self._folder)!r}."
        raise StorageError(f"{msg} Move those files away. The clip keeps its link.")

    def discard(self) -> None:
        """Remove the hidden file and close everything; never raises."""
        with self._lock:
            self._is_discarded = True
            if self._file is not None:
                with suppress(OSError):
                    self._file.close()
            if self._directory is not None:
                if self._file is not None:
                    _remove(self._directory, self._name)
                self._directory.close()
            self._file = self._directory = None

    @contextmanager
    def _step(self) -> Iterator[tuple[Directory, FileIO]]:
        with self._lock, explained(self._folder):
            if self._directory is None or self._file is None:
                raise StorageError("Saving the clip was cancelled. The clip keeps its link.")
            yield self._directory, self._file

    def _take(self, directory: Directory, name: str, size: int) -> bool:
        """Name the file `name`; return False if something has that name."""
        try:
            directory.link(self._name, name)
        except FileExistsError:
            return False
        except OSError:  # no hard links here, or a fault that the next step meets too
            if not self._take_reserved(directory, name):
                return False
        placed = directory.stat(name)
        if not stat.S_ISREG(placed.st_mode) or placed.st_size != size:
            _remove(directory, name)  # somebody replaced the hidden file
            msg = "Another program replaced the clip's file. The clip keeps its link."
            raise StorageError(msg)
        directory.sync()
        return True

    def _take_reserved(self, directory: Directory, name: str) -> bool:
        """Take the name with an empty file first, so that no other file is ever replaced."""
        try:
            os.close(directory.create(name))
        except FileExistsError:
            return False
        try:
            directory.replace(name, self._name)
        except OSError:
            directory.remove(name)
            raise
        return True


def _remove(directory: Directory, name: str) -> None:
    with suppress(OSError):
        directory.remove(name)


def _sweep(directory: Directory, oldest: float) -> None:
    """Remove the partial files of processes that were killed, older than `oldest`."""
    for name in directory.names():
        if name.startswith(PARTIAL):
            with suppress(OSError):
                if directory.stat(name).st_mtime < oldest:
                    directory.remove(name)


def content_of(file: IO[bytes]) -> bytes:
    """Return all that is in the file."""
    file.seek(0)
    return file.read()


def _pour(file: IO[bytes], content: bytes) -> None:
    """Write everything now, without a buffer: a full disk raises here and not when closing."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


# Errors ------------------------------------------------------------------------------------

FULL = ("has no room left", "Free some space")
CLOSED = ("cannot be written", "Allow writing to it, or choose another")
NO_FOLDER = ("is no folder", "Choose another")
FAULTS = {
    errno.ENOSPC: FULL,
    getattr(errno, "EDQUOT", errno.ENOSPC): FULL,
    errno.EACCES: CLOSED,
    errno.EPERM: CLOSED,
    errno.EROFS: CLOSED,
    errno.EEXIST: NO_FOLDER,
    errno.ELOOP: NO_FOLDER,
    errno.ENOENT: ("is gone", "Make it again, or choose another"),
    errno.ENAMETOOLONG: ("has too long a path", "Choose one with a shorter path"),
    errno.ENOTDIR: NO_FOLDER,
}


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn an error of the system into a StorageError that says what to do."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        what, advice = FAULTS.get(number or 0, ("cannot be used", "Check it, or choose another"))
        text = f"The library folder {str(folder)!r} {what}. {advice}; get_task then saves the clip."
        raise StorageError(f"{text} The clip keeps its link.") from error
