"""What the operating system offers: the one place that asks.

Each capability is looked for, and no system is asked for its name: Windows lacks some of them, and
the simulated Windows of the tests is Linux without them. The name decides (`IS_WINDOWS`) only if
there is nothing to look for, such as where other programs keep their files.
"""

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

IS_WINDOWS = sys.platform == "win32"
"""False in the simulated Windows too, whose paths and programs are those of Linux."""
IS_MACOS: bool = sys.platform == "darwin"

CAN_POLL = hasattr(select, "poll")
"""Whether a pipe can be asked for room, and for a hang-up, without reading or writing."""

CAN_DIR_FD = {os.open, os.stat, os.unlink, os.mkdir, os.link} <= os.supports_dir_fd
"""Whether files can be named relative to an open folder, so that no symlink redirects them."""

HAS_OWNERS = hasattr(os, "geteuid")
"""Whether files have an owner and modes that keep others out. Elsewhere the folder's own rights do,
which it has from the user's profile."""

NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
"""The flag of `os.open` that refuses a symlink; 0 if there is none."""
ONLY_FOLDER: int = getattr(os, "O_DIRECTORY", 0)
"""The flag of `os.open` that refuses all but folders; 0 if there is none, as folders cannot be
opened."""
NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)
"""The flag of `os.open` that waits for no writer of a named pipe; 0 if there is none."""
BINARY: int = getattr(os, "O_BINARY", 0)
"""The flag of `os.open` that leaves line ends as they are; 0 if they always are."""

MOVES_OPEN = HAS_OWNERS
"""Whether a file can be renamed, replaced and deleted while a process has it open: POSIX, which
gives files owners, demands that, and Windows refuses it."""
LONGEST_PATH = None if HAS_OWNERS else 259
"""How many UTF-16 units the path of a file may have, so that every program of the system can open
it; None if no path that we make is too long."""

PIECE: int = getattr(select, "PIPE_BUF", 4096)
"""How many bytes a pipe takes at once if `Watch` says that there is room; elsewhere a small part of
a pipe's buffer."""

STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
)
"""The signals that ask a process to end: Ctrl-C, and Ctrl-Break on Windows alone."""

_ROOM: int = getattr(select, "POLLOUT", 0)
_SAID: int = getattr(select, "POLLIN", 0)  # macOS tells a hang-up with it
_HUNG_UP: int = getattr(select, "POLLHUP", 0) | getattr(select, "POLLRDHUP", 0)
"""The latter for sockets, on Linux alone."""


class Watch:
    """Tells of a pipe or file what can be known without reading or writing, if `CAN_POLL`."""

    def __init__(self, descriptor: int, *, to_write: bool) -> None:
        """Watch one of the standard streams, or what stands for it.

        Raises NotImplementedError if the system has no `poll`.
        """
        if not hasattr(select, "poll"):
            raise NotImplementedError
        self._poll = select.poll()
        self._poll.register(descriptor, _ROOM if to_write else _SAID | _HUNG_UP)

    def has_room(self, wait_s: float | None = None) -> bool:
        """Return whether `PIECE` bytes can be written at once; waits for that, None for ever."""
        return bool(self._poll.poll(None if wait_s is None else 1000 * wait_s))

    def has_hung_up(self) -> bool:
        """Return whether nobody holds the other end any more."""
        return any(event & _HUNG_UP for _, event in self._poll.poll(0))


def user_id() -> int | None:
    """Return the number of the user this process acts for; None if users have no numbers."""
    ask = getattr(os, "geteuid", None)
    return None if ask is None else int(ask())


def to_disk(descriptor: int) -> None:
    """Return when all that was written to a file is on the disk. May raise OSError.

    On macOS, `fsync` returns when the disk has it in memory of its own, which a power cut empties.
    """
    if _full_sync is not None:
        with suppress(OSError):  # a network drive knows no such thing
            _full_sync(descriptor)
            return
    os.fsync(descriptor)


def _found_full_sync() -> Callable[[int], object] | None:
    try:
        control = import_module("fcntl")
    except ImportError:
        return None
    command = getattr(control, "F_FULLFSYNC", None)
    return None if command is None else lambda descriptor: control.fcntl(descriptor, command)


_full_sync = _found_full_sync()
