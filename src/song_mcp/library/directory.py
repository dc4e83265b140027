"""A folder in which files are made, named and removed, as safely as the system lets us.

If files can be named relative to an open folder, every step uses the descriptor of the folder. It
is opened without following a symlink, so one that somebody plants later redirects nothing. If not
(on Windows), each step names the whole path, and only the rights of the folder and of those above
it keep anybody from putting another folder there in the middle.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from song_mcp import files, system
from song_mcp.library.names import units_of

NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | system.NO_FOLLOW | system.BINARY
FOLDER = os.O_RDONLY | system.NO_FOLLOW | system.ONLY_FOLDER
PASSED = FOLDER | getattr(os, "O_PATH", 0)
"""For the parent folders: on Linux, opening them needs no permission to read what is in them."""


SHORTEST_NAME = 30
"""How much room, in UTF-16 units, a folder's path must leave for the name of a hidden file."""


class Directory(Protocol):
    """An open folder. Each method takes the names of files in it, and may raise OSError."""

    def create(self, name: str) -> int:
        """Make a new file; return its descriptor."""

    def link(self, name: str, to: str) -> None:
        """Give a file another name, which must be free."""

    def replace(self, name: str, by: str) -> None:
        """Put the file `by` in the place of the file `name`."""

    def remove(self, name: str) -> None:
        """Delete a file."""

    def stat(self, name: str) -> os.stat_result:
        """Return what is known of a name; a symlink is not followed."""

    def names(self) -> list[str]:
        """Return the names of all that is there."""

    def sync(self) -> None:
        """Have the names on the disk, if the system can do that."""

    def close(self) -> None:
        """Close the folder."""


def opened(folder: Path) -> Directory:
    """Open a folder; it and its parents are made if they are missing.

    Raises OSError, also if it is a symlink; if files can be named relative to it, also if one of
    its parents is.
    """
    return ByDescriptor(folder) if system.CAN_DIR_FD else ByPath(folder)


class ByDescriptor:
    """A folder whose descriptor every step uses."""

    def __init__(self, folder: Path) -> None:
        """Open the folder."""
        self._fd = _opened_folder(folder)

    def create(self, name: str) -> int:
        """Make a new file; return its descriptor."""
        return os.open(name, NEW, 0o644, dir_fd=self._fd)

    def link(self, name: str, to: str) -> None:
        """Give a file another name, which must be free."""
        os.link(name, to, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)

    def replace(self, name: str, by: str) -> None:
        """Put the file `by` in the place of the file `name`."""
        os.replace(by, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Delete a file."""
        os.unlink(name, dir_fd=self._fd)

    def stat(self, name: str) -> os.stat_result:
        """Return what is known of a name; a symlink is not followed."""
        return os.stat(name, dir_fd=self._fd, follow_symlinks=False)

    def names(self) -> list[str]:
        """Return the names of all that is there."""
        return os.listdir(self._fd)  # noqa: PTH208 - of a descriptor

    def sync(self) -> None:
        """Have the names on the disk, if the file system can do that."""
        with suppress(OSError):
            system.to_disk(self._fd)

    def close(self) -> None:
        """Close the folder."""
        os.close(self._fd)


class ByPath:
    """A folder that every step names by its path."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if it is missing.

        Raises OSError if it is a symlink, or if its path has no room for a name.
        """
        longest = system.LONGEST_PATH
        if longest is not None and units_of(str(folder)) > longest - SHORTEST_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(folder))
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
        self._folder = folder

    def create(self, name: str) -> int:
        """Make a new file; return its descriptor."""
        return os.open(self._folder / name, NEW, 0o644)

    def link(self, name: str, to: str) -> None:
        """Give a file another name, which must be free."""
        os.link(self._folder / name, self._folder / to)

    def replace(self, name: str, by: str) -> None:
        """Put the file `by` in the place of the file `name`."""
        files.patiently(os.replace, self._folder / by, self._folder / name)

    def remove(self, name: str) -> None:
        """Delete a file."""
        files.patiently(os.unlink, self._folder / name)

    def stat(self, name: str) -> os.stat_result:
        """Return what is known of a name; a symlink is not followed."""
        return (self._folder / name).lstat()

    def names(self) -> list[str]:
        """Return the names of all that is there."""
        return [path.name for path in self._folder.iterdir()]

    def sync(self) -> None:
        """Do nothing: folders cannot be synced without a descriptor."""

    def close(self) -> None:
        """Do nothing: nothing is open."""


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
