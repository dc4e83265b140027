"""Which processes live: each holds an operating-system lock on a small file of its own.

Invariant: a lock that is free means that its owner is dead, and nothing else does: no clock, no
process number, no silence. A suspended or slow process keeps its lock and is never taken for dead.
"""

import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import anyio.to_thread
from filelock import FileLock


class Liveness:
    """This process's sign of life in `folder`, which all processes on one journal share.

    `token` names the process in the journal. `enter` may raise OSError.
    """

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_hex(8)
        self._folder = folder
        self._lock: FileLock | None = None
        self._turn = threading.Lock()

    def enter(self) -> None:
        """Take the lock, once, before anything is written under the token; from any thread."""
        with self._turn:
            if self._lock is None:
                for folder in (self._folder.parent, self._folder):
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = self._lock_of(self.token)
                lock.acquire(timeout=0)
                self._lock = lock

    def leave(self) -> None:
        """Let the lock go, and its file."""
        with self._turn:
            if self._lock is not None:
                self._file_of(self.token).unlink(missing_ok=True)
                self._lock.release()
                self._lock = None

    def is_dead(self, token: str) -> bool:
        """Tell whether the process of this token has ended, whatever way it did.

        Where that cannot be tried (the folder is read-only), nobody is taken for dead.
        """
        if token == self.token or not self._file_of(token).exists():
            return token != self.token
        try:
            with self._lock_of(token):
                with suppress(OSError):
                    self._file_of(token).unlink(missing_ok=True)
                return True
        except OSError:  # filelock's Timeout is one: the lock is held
            return False

    async def show(self) -> None:
        """`enter`, off the event loop."""
        await anyio.to_thread.run_sync(self.enter)

    async def dead_among(self, tokens: Iterable[str]) -> list[str]:
        """Give those of the tokens whose process has ended."""
        return await anyio.to_thread.run_sync(
            lambda: [token for token in sorted(set(tokens)) if self.is_dead(token)]
        )

    def _file_of(self, token: str) -> Path:
        return self._folder / f"{token}.lock"

    def _lock_of(self, token: str) -> FileLock:
        return FileLock(self._file_of(token), timeout=0, mode=0o600, thread_local=False)
