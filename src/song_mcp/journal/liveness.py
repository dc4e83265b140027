"""Which processes live: each holds an operating-system lock on a small file of its own.

A process counts as dead if its lock is free or its file is gone, and for no other reason: no clock,
process number or time-out decides. A suspended or slow process keeps its lock and counts as alive.
"""

import errno
import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import anyio.to_thread
from filelock import FileLock

from song_mcp import folders

SUFFIX = ".lock"
ENTER_S = 5.0
"""How long, in seconds, taking one's own lock may take: who sweeps holds it for a moment."""
ENTER_POLL_S = 0.001


class Liveness:
    """Shows in `folder`, which all processes on one journal share, that this process lives.

    `token` names the process in the journal. `enter` may raise OSError.
    """

    def __init__(self, folder: Path, unusable: str = "") -> None:
        """Show it in `folder`; if `unusable` says why not, `enter` raises OSError."""
        self.token = secrets.token_hex(8)
        self._unusable = unusable
        self._folder = folder
        self._lock: FileLock | None = None
        self._turn = threading.Lock()

    def enter(self) -> None:
        """Take the lock, if it is not held yet, before anything is written under the token.

        May be called from any thread.
        """
        if self._unusable:
            raise OSError(errno.ENOENT, self._unusable)
        with self._turn:
            if self._lock is None:
                for folder in (self._folder.parent, self._folder):
                    folders.own(folder)
                lock = self._lock_of(self.token)
                lock.acquire(timeout=ENTER_S, poll_interval=ENTER_POLL_S)
                self._lock = lock
                self._sweep()

    def leave(self) -> None:
        """Release the lock and delete its file."""
        with self._turn:
            if self._lock is not None:
                _give_back(self._lock, self._file_of(self.token))
                self._lock = None

    def _sweep(self) -> None:
        """Remove the files of processes that were killed: those whose lock is free.

        Who has made its file and does not hold the lock yet can lose the file to this. It then
        holds the lock of a file without a name, which `FileLock` notices, and makes another one.
        """
        for file in self._folder.glob(f"*{SUFFIX}"):
            self.is_dead(file.name.removesuffix(SUFFIX))

    def is_dead(self, token: str) -> bool:
        """Tell whether the process of this token has ended, in whatever way.

        If the lock cannot be tried (the folder is read-only), the process counts as alive.
        """
        if token == self.token:
            return False
        file = self._file_of(token)
        try:
            if file.exists():
                lock = self._lock_of(token)
                lock.acquire()
                _give_back(lock, file)
        except OSError:  # filelock's Timeout is one: the lock is held
            return False
        return True

    async def show(self) -> None:
        """Do as `enter`, in a thread. May raise OSError."""
        await anyio.to_thread.run_sync(self.enter)

    async def dead_among(self, tokens: Iterable[str]) -> list[str]:
        """Return those of the tokens whose process has ended."""
        return await anyio.to_thread.run_sync(
            lambda: [token for token in sorted(set(tokens)) if self.is_dead(token)]
        )

    def _file_of(self, token: str) -> Path:
        return self._folder / f"{token}{SUFFIX}"

    def _lock_of(self, token: str) -> FileLock:
        return FileLock(self._file_of(token), timeout=0, mode=0o600, thread_local=False)


def _give_back(lock: FileLock, file: Path) -> None:
    """Delete the file of a lock that is held, then release the lock.

    In this order nobody can take the lock of a file that is about to be deleted. Windows deletes no
    file that is open. So there it is tried once more after the release: if another process has
    opened it meanwhile, that is refused as well, and the file stays until the next sweep.
    """
    is_refused = False
    try:
        file.unlink(missing_ok=True)
    except PermissionError:
        is_refused = True
    except OSError:
        pass
    lock.release()
    if is_refused:
        with suppress(OSError):
            file.unlink(missing_ok=True)
