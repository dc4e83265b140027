"""Files that are written under a hidden name and placed whole under a final one.

A file gets its final name when all of it is on the disk. It is then in the intended folder, and it
replaced nothing. Every step uses the descriptor of the folder, which is opened without following a
symlink, so a symlink that somebody plants later redirects nothing.
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

from song_mcp.errors import StorageError

PARTIAL = ".partial-"
STALE_S = 24 * 3600
"""The age in seconds at which a partial file belongs to no living download."""

NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY
PASSED = FOLDER | getattr(os, "O_PATH", 0)
"""For the parent folders: on Linux, opening them needs no permission to read what is in them."""
NOT_OPEN = -1
"""Instead of a descriptor: the system refuses it, but takes None for the working folder."""


def pinned(folder: Path) -> Path:
    """Return where the folder really is: symlinks that the user has made are followed now."""
    is_dangling = folder.is_symlink() and not folder.exists()
    return folder if is_dangling else folder.resolve()


class AtomicFile:
    """A hidden file in the `pinned` folder, which is placed under a final name or discarded.

    Each step holds the lock, and raises StorageError if it fails. A cancelled caller may leave a
    step running in its thread: that step has ended before `discard`, or does nothing after it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = PARTIAL + secrets.token_hex(8)
        self._lock = threading.Lock()
        self._dir_fd = NOT_OPEN
        self._file: FileIO | None = None
        self._is_discarded = False

    def open(self) -> None:
        """Make the folder if it is missing, and the hidden file in it."""
        with self._lock, explained(self._folder):
            if self._is_discarded:
                return
            self._dir_fd = _opened_folder(self._folder)
            descriptor = os.open(self._name, NEW, 0o644, dir_fd=self._dir_fd)
            self._file = os.fdopen(descriptor, "w+b", buffering=0)
            _sweep(self._dir_fd, os.fstat(descriptor).st_mtime - STALE_S)

    def write(self, chunk: bytes) -> None:
        """Add `chunk` at the end."""
        with self._step() as file:
            _pour(file, chunk)

    def content(self) -> bytes:
        """Return all that was written."""
        with self._step() as file:
            return content_of(file)

    def rewrite(self, content: bytes) -> None:
        """Replace all that was written by `content`."""
        with self._step() as file:
            file.seek(0)
            _pour(file, content)
            file.truncate()

    def place(self, names: Iterable[str], is_same: Callable[[Path], bool]) -> Path:
        """Name the file by the first of `names` that is free, and return its path.

        A file that has the name already is left as it is. If it `is_same`, its path is returned.
        """
        with self._step() as file:
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
            file.close()
            for name in names:
                path = self._folder / name
                if self._take(name, size) or is_same(path):
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
                _unlink(self._name, self._dir_fd)
            if self._dir_fd != NOT_OPEN:
                os.close(self._dir_fd)
            self._file, self._dir_fd = None, NOT_OPEN

    @contextmanager
    def _step(self) -> Iterator[FileIO]:
        with self._lock, explained(self._folder):
            if self._file is None:
                raise StorageError("Saving the clip was cancelled. The clip keeps its link.")
            yield self._file

    def _take(self, name: str, size: int) -> bool:
        """Name the file `name`; return False if something has that name."""
        fd = self._dir_fd
        try:
            os.link(self._name, name, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError:  # no hard links here, or a fault that the next step meets too
            if not self._take_reserved(name):
                return False
        placed = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if not stat.S_ISREG(placed.st_mode) or placed.st_size != size:
            _unlink(name, fd)  # somebody replaced the hidden file
            msg = "Another program replaced the clip's file. The clip keeps its link."
            raise StorageError(msg)
        with suppress(OSError):  # some file systems refuse it
            os.fsync(fd)
        return True

    def _take_reserved(self, name: str) -> bool:
        """Take the name with an empty file first, so that no other file is ever replaced."""
        fd = self._dir_fd
        try:
            os.close(os.open(name, NEW, 0o644, dir_fd=fd))
        except FileExistsError:
            return False
        try:
            os.replace(self._name, name, src_dir_fd=fd, dst_dir_fd=fd)
        except OSError:
            os.unlink(name, dir_fd=fd)
            raise
        return True


def _opened_folder(folder: Path) -> int:
    """Return a descriptor of the folder; it and its parents are made if they are missing.

    Raises OSError if one of them is a symlink.
    """
    *parents, last = folder.parts
    parent = os.open(parents[0] if parents else last, PASSED)
    for name in parents[1:]:
        parent = _entered(parent, name, PASSED)
    return _entered(parent, last if parents else ".", FOLDER)


def _entered(parent: int, name: str, flags: int) -> int:
    """Open the folder `name` in `parent`, and close `parent`; make it if it is missing."""
    try:
        with suppress(FileNotFoundError):
            return os.open(name, flags, dir_fd=parent)
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=parent)
        return os.open(name, flags, dir_fd=parent)
    finally:
        os.close(parent)


def _unlink(name: str, dir_fd: int) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=dir_fd)


def _sweep(dir_fd: int, oldest: float) -> None:
    """Remove the partial files of processes that were killed, older than `oldest`."""
    with os.scandir(dir_fd) as entries:
        for entry in entries:
            if entry.name.startswith(PARTIAL):
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        os.unlink(entry.name, dir_fd=dir_fd)


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
