"""Steps on files that work on every system.

Windows renames, replaces and deletes no file that a process has open, and programs that guard
against malware open each new file for a moment. So such a step is tried again there, for less than
a second.
"""

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from song_mcp import system

P = ParamSpec("P")
T = TypeVar("T")

PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.4)
"""The pauses between the tries of a step, in seconds."""
READ = os.O_RDONLY | system.NO_FOLLOW | system.NO_WAIT | system.BINARY


def patiently(step: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do a step, again for a moment if another program may have the file open.

    Blocks its thread meanwhile. Raises what the last try raises.
    """
    for pause_s in () if system.MOVES_OPEN else PAUSES_S:
        try:
            return step(*given, **named)
        except PermissionError:
            time.sleep(pause_s)
    return step(*given, **named)


def remove(path: Path) -> None:
    """Delete a file, if it is there and the system lets us."""
    with suppress(OSError):
        patiently(path.unlink, missing_ok=True)


def open_plain(path: Path) -> int:
    """Open a regular file for reading; return its descriptor.

    Raises OSError for anything else, a symlink too. If the system cannot refuse symlinks, the name
    is looked at before: then only the folder's rights keep anybody from putting one there
    meanwhile.
    """
    if not system.NO_FOLLOW and not stat.S_ISREG(path.lstat().st_mode):
        raise _not_there(path)
    descriptor = os.open(path, READ)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_there(path)
    return descriptor


def _not_there(path: Path) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
