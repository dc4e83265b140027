"""Folders for the user alone: that of the journal and of the token, and nobody else's."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from song_mcp import system

FOREIGN = "the folder belongs to another user"


def own(folder: Path) -> None:
    """Make a folder for the user alone, with its missing parents, whatever the umask is.

    Raises OSError if that cannot be done, or if the folder belongs to another user: its owner could
    change what is in it, and what this program writes to. If folders have no owners here
    (`system.HAS_OWNERS`), an existing folder keeps the rights that it has.
    """
    _make(folder)
    if system.HAS_OWNERS and folder.stat().st_uid != system.user_id():
        raise OSError(errno.EINVAL, FOREIGN, str(folder))


def sync(folder: Path) -> None:
    """Have the names in a folder on disk, if the system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            system.to_disk(descriptor)
        finally:
            os.close(descriptor)


def _make(folder: Path) -> None:
    if not folder.is_dir():
        if folder.parent != folder:
            _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
