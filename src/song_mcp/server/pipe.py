"""The pipes to one client: lines in, lines out, also if the client does not read.

No write blocks its thread, and a line is written whole or the write fails. A piece is written when
there is room for it; until then, stdin is watched. Once the client has hung up, a write fails if
nothing could be written for `STUCK_S`. A client that reads, however slowly, gets every line whole.
"""

import errno
import os
import select
from io import TextIOWrapper

import anyio
import anyio.to_thread

STUCK_S = 1.5
"""How long, in seconds, a write may be stuck after the client has hung up."""
STDIN_CHECK_S = 0.1
"""How often a stuck write looks at stdin: the time between two looks, in seconds."""
STDIN_CHECKS = round(STUCK_S / STDIN_CHECK_S)
HUNG_UP = select.POLLHUP | getattr(select, "POLLRDHUP", 0)  # the latter for sockets, on Linux alone


class Pipe:
    """Both pipes, as file descriptors: `stdin` is read and watched, `stdout` written to.

    A line that is still unread in stdin when a write fails was never taken: nothing was paid for
    it, and it is gone when the process ends.
    """

    def __init__(self, stdin: int, stdout: int) -> None:
        file = os.fdopen(stdin, "rb", closefd=False)
        self._lines = anyio.wrap_file(TextIOWrapper(file, "utf-8", errors="replace"))
        self._stdout = stdout
        self._room = select.poll()
        self._room.register(stdout, select.POLLOUT)
        self._watch = select.poll()
        self._watch.register(stdin, select.POLLIN | HUNG_UP)  # macOS tells a hang-up with POLLIN
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
        await anyio.to_thread.run_sync(self._write, line)
        return not self._has_hung_up()

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            self._await_room()
            rest = rest[os.write(self._stdout, rest[: select.PIPE_BUF]) :]  # never waits for room

    def _await_room(self) -> None:
        """Wait until a piece can be written at once; raises ConnectionError if it never can."""
        left = STDIN_CHECKS
        while not self._room.poll(1000 * STDIN_CHECK_S):
            left = left - 1 if self._has_hung_up() else STDIN_CHECKS
            if left == 0:
                raise ConnectionAbortedError(errno.ECONNABORTED, "the client hung up unread")

    def _has_hung_up(self) -> bool:
        return self.is_at_end or any(event & HUNG_UP for _, event in self._watch.poll(0))
