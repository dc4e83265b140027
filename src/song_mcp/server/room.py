"""How much may wait for clients that do not read: a number of bytes, for all of them together.

A client that asks for audio and does not read it would fill the memory otherwise. Whatever is large
is read only when there is room for it, and takes that room until it is written, or dropped.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from song_mcp.errors import SongError

MOST_WAITING = 32 * 2**20
"""In bytes; an answer is in memory twice, as a message and as what is written."""
PATIENCE_S = 20.0
"""How long, in seconds, a call waits for room; clients give up after 30 s or more."""


class NoRoomError(SongError):
    """Too much waits to be read."""


class Room:
    """The bytes that may wait to be written."""

    def __init__(self, most: int = MOST_WAITING, patience_s: float = PATIENCE_S) -> None:
        """Let `most` bytes wait, and whoever needs room wait for `patience_s` seconds."""
        self.held = 0.0
        """How many bytes wait now."""
        self._most = most
        self._patience_s = patience_s
        self._freed = anyio.Event()

    async def wait_for(self, size: float) -> None:
        """Return when there is room for `size` bytes; take it before anything is awaited.

        One that is larger than the whole room gets it all. Raises NoRoomError.
        """
        with anyio.move_on_after(self._patience_s):
            while self.held and self.held + size > self._most:
                await self._freed.wait()
            return
        raise NoRoomError(
            "Too much audio waits to be read by this server's clients. Nothing was read; "
            "read what was asked for before, then ask again."
        )

    @contextmanager
    def holding(self, size: float) -> Iterator[None]:
        """Take room while the context lasts; whether there is any is not asked."""
        self.held += size
        try:
            yield
        finally:
            self.held -= size
            self._freed.set()
            self._freed = anyio.Event()
