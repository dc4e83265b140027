"""The wire to one client: lines in, lines out, and what becomes of a client that reads nothing.

Invariant: no thread is caught in a write, and what waits to be written is bounded. A piece is
written when there is room for it; as long as there is none, stdin is watched, and once the client
has hung up, a write without headway for `LAST_WORDS_S` fails. A client that reads, however slowly,
gets every answer whole.
"""

import errno
import os
import select
from io import StringIO, TextIOWrapper

import anyio
import anyio.to_thread

from song_mcp.server.delivery import Deliveries

LAST_WORDS_S = 1.5
"""How long, in seconds, a write may be stuck after the client has hung up."""
GLANCE_S = 0.1
"""How often a stuck write looks at stdin."""
GLANCES = round(LAST_WORDS_S / GLANCE_S)
QUIET_S = 0.5
"""How long, in seconds, the next answer is waited for after the end of stdin."""
READ_AHEAD = 1000
"""How many requests may be without an answer while a line waits for the client to read it."""
ANSWER = '{"jsonrpc":"2.0","id":'
"""The start of every line that answers a request."""
HUNG_UP = select.POLLHUP | getattr(select, "POLLRDHUP", 0)  # the latter for sockets, on Linux alone


class Pipe:
    """Both ends of the wire, as file descriptors: `stdin` is watched, `stdout` written to.

    A request that the client left unread in stdin when its wire failed was never taken: nothing
    was paid for it, and it ends with the process.
    """

    def __init__(self, stdin: int, stdout: int, deliveries: Deliveries) -> None:
        self._stdout = stdout
        self._deliveries = deliveries
        self._room = select.poll()
        self._room.register(stdout, select.POLLOUT)
        self._watch = select.poll()
        self._watch.register(stdin, select.POLLIN | HUNG_UP)  # macOS tells a hang-up with POLLIN
        self._wrote = anyio.Event()
        self._is_writing = False
        self._unanswered = 0
        self._is_at_end = False

    async def may_read(self) -> None:
        """Come back when a further line may be read: not while too many answers are unread."""
        while self._is_writing and self._unanswered >= READ_AHEAD:
            await self._wrote.wait()

    async def was_read(self, line: str) -> None:
        """Take note of a line from the client; an empty one is the end of stdin.

        At the end, come back when every request has its answer, or none came for `QUIET_S`:
        serving ends then, and the calls that still wait for something with it.
        """
        self._is_at_end = not line
        if '"id"' in line and '"method"' in line:
            self._unanswered += 1
        while self._is_at_end and self._unanswered and await self._goes_on():
            pass

    async def _goes_on(self) -> bool:
        """Whether a line is being written, or one was within `QUIET_S`."""
        with anyio.move_on_after(QUIET_S):
            await self._wrote.wait()
            return True
        return self._is_writing

    async def write(self, line: str) -> None:
        """Write a line to the client, and see to it that what it carries counts as delivered.

        After the client hung up it does not: nobody knows whether that is still read.
        Raises ConnectionError where the client has gone, or has hung up and reads no more.
        """
        self._is_writing = True
        try:
            await anyio.to_thread.run_sync(self._write, line.encode())
        finally:
            self._is_writing = False
            self._wrote.set()
            self._wrote = anyio.Event()
        if line.startswith(ANSWER) and self._unanswered:
            self._unanswered -= 1
        if not self._has_hung_up():
            self._deliveries.wrote(line)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            self._await_room()
            rest = rest[os.write(self._stdout, rest[: select.PIPE_BUF]) :]  # never waits for room

    def _await_room(self) -> None:
        """Wait until a piece can be written at once; raises ConnectionError where it never can."""
        left = GLANCES
        while not self._room.poll(1000 * GLANCE_S):
            left = left - 1 if self._has_hung_up() else GLANCES
            if left == 0:
                raise ConnectionAbortedError(errno.ECONNABORTED, "the client hung up unread")

    def _has_hung_up(self) -> bool:
        return self._is_at_end or any(event & HUNG_UP for _, event in self._watch.poll(0))


class Stdin(anyio.AsyncFile[str]):
    """The lines from the client, for the SDK to read."""

    def __init__(self, file: TextIOWrapper, wire: Pipe) -> None:
        super().__init__(file)
        self._wire = wire

    async def readline(self) -> str:
        """Give the next line, or "" at the end."""
        await self._wire.may_read()
        line = await super().readline()
        await self._wire.was_read(line)
        return line


class Stdout(anyio.AsyncFile[str]):
    """The lines to the client, for the SDK to write: each is sent when it is flushed."""

    def __init__(self, wire: Pipe) -> None:
        super().__init__(StringIO())  # nothing goes there: a line in the making is kept here
        self._wire = wire
        self._line = ""

    async def write(self, line: str) -> int:
        """Take a line."""
        self._line += line
        return len(line)

    async def flush(self) -> None:
        """Send what was taken; raises ConnectionError where nobody is there to read it."""
        line, self._line = self._line, ""
        await self._wire.write(line)
