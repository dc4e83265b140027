"""The pipes to one client: lines in, lines out, also if the client does not read.

No write keeps the process from ending, and a line is written whole or the write fails. Once the
client has hung up, a write fails if nothing could be written for `STUCK_S`. A client that reads,
however slowly, gets every line whole.

If pipes can be watched, a piece is written when there is room for it, and until then stdin is
watched. On Windows they cannot be. Each line is written in a thread of its own there, which may
wait for ever and ends with the process, and a client has hung up when stdin was read to its end.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from io import TextIOWrapper
from typing import Protocol

import anyio
import anyio.to_thread

from song_mcp import system

STUCK_S = 1.5
"""How long, in seconds, a write may be stuck after the client has hung up."""
STDIN_CHECK_S = 0.1
"""How often a stuck write looks at stdin: the time between two looks, in seconds."""
STDIN_CHECKS = round(STUCK_S / STDIN_CHECK_S)


class Pipe:
    """Both pipes, as file descriptors: `stdin` is read and watched, `stdout` written to.

    A line that is still unread in stdin when a write fails was never taken: nothing was paid for
    it, and it is gone when the process ends.
    """

    def __init__(self, stdin: int, stdout: int) -> None:
        file = os.fdopen(stdin, "rb", closefd=False)
        self._lines = anyio.wrap_file(TextIOWrapper(file, "utf-8", errors="replace"))
        self._watch = system.Watch(stdin, to_write=False) if system.CAN_POLL else None
        has_hung_up = self._has_hung_up
        self._out: _Out = (
            _Watched(stdout, has_hung_up) if system.CAN_POLL else _Unwatched(stdout, has_hung_up)
        )
        self.is_at_end = False
        """Whether stdin has been read to its end."""

    async def read(self) -> str:
        """Return the next line, or "" at the end of stdin."""
        line = await self._lines.readline()
        self.is_at_end = not line
        return line

    async def write(self, line: bytes) -> bool:
        """Write a line; return False if the client has hung up, so that it may not read the line.

        Raises ConnectionError if the client has gone, or has hung up and reads no more.
        """
        await self._out.write(line)
        return not self._has_hung_up()

    def _has_hung_up(self) -> bool:
        return self.is_at_end or (self._watch is not None and self._watch.has_hung_up())


class _Out(Protocol):
    """Writes lines to the client."""

    async def write(self, line: bytes) -> None:
        """Write a line whole; raises ConnectionError as `Pipe.write` does."""


class _Patience:
    """How long a piece may go on being stuck: it is asked every `STDIN_CHECK_S`."""

    def __init__(self, has_hung_up: Callable[[], bool]) -> None:
        self._has_hung_up = has_hung_up
        self._left = STDIN_CHECKS

    def spend(self) -> None:
        """Raise ConnectionError if the client hung up and nothing was written for `STUCK_S`."""
        self._left = self._left - 1 if self._has_hung_up() else STDIN_CHECKS
        if self._left == 0:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the client hung up unread")


class _Watched:
    """Writes no piece that would have to wait for room."""

    def __init__(self, stdout: int, has_hung_up: Callable[[], bool]) -> None:
        self._stdout = stdout
        self._has_hung_up = has_hung_up
        self._room = system.Watch(stdout, to_write=True)

    async def write(self, line: bytes) -> None:
        """Write a line in a worker thread, which never waits for the client alone."""
        await anyio.to_thread.run_sync(self._write, line)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            patience = _Patience(self._has_hung_up)
            while not self._room.has_room(STDIN_CHECK_S):
                patience.spend()
            rest = rest[os.write(self._stdout, rest[: system.PIECE]) :]


class _Unwatched:
    """Writes each line in a thread of its own, which the process does not wait for at its end."""

    def __init__(self, stdout: int, has_hung_up: Callable[[], bool]) -> None:
        self._stdout = stdout
        self._has_hung_up = has_hung_up
        self._written = 0

    async def write(self, line: bytes) -> None:
        """Let a line be written, and wait for that as long as the client may read it."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()
        threading.Thread(target=self._run, args=(line, done), daemon=True).start()
        writing = asyncio.wrap_future(done)
        try:
            await self._end_of(writing)
        finally:
            writing.cancel()  # nobody hears of its end any more
        writing.result()

    async def _end_of(self, writing: asyncio.Future[None]) -> None:
        """Return at the end; raises ConnectionError if the client hung up and reads no more."""
        patience, before = _Patience(self._has_hung_up), self._written
        while not (await asyncio.wait({writing}, timeout=STDIN_CHECK_S))[0]:
            if self._written != before:
                patience, before = _Patience(self._has_hung_up), self._written
            patience.spend()

    def _run(self, line: bytes, done: Future[None]) -> None:
        try:
            self._write(line)
        except OSError as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            written = os.write(self._stdout, rest[: system.PIECE])
            self._written += written
            rest = rest[written:]
