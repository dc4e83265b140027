"""What the operating system offers: the one place that asks.

Each capability is looked for, and no system is asked for its name: Windows lacks some of them, and
the simulated Windows of the tests is Linux without them. The name decides (`IS_WINDOWS`) only if
there is nothing to look for, such as where other programs keep their files.
"""

import os
import select
import signal
import sys

IS_WINDOWS = sys.platform == "win32"
"""False in the simulated Windows too, whose paths and programs are those of Linux."""

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

STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
)
"""The signals that ask a process to end: Ctrl-C, and Ctrl-Break on Windows alone."""


def user_id() -> int | None:
    """Return the number of the user this process acts for; None if users have no numbers."""
    ask = getattr(os, "geteuid", None)
    return None if ask is None else int(ask())
