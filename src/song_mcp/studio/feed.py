"""The watch: tells of each task and clip that changed in the journal, whoever changed it.

Invariant: what this process writes and what others write is found in the same place, the journal,
so there is one way of telling it; nothing is told twice, and nothing that was there before anyone
listened. While nobody listens, nothing is read.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import anyio

from song_mcp.clock import Clock
from song_mcp.errors import JournalError
from song_mcp.journal import Journal, News
from song_mcp.studio.supervise import going_on

ROUND_S = 1.0
"""How often the journal is read for what other processes wrote; our own is told at once."""


class Listener(Protocol):
    """Somebody who may be told, and knows whether anyone hears it."""

    def is_heard(self) -> bool:
        """Tell whether there is anyone to pass news on to."""
        ...

    async def tell(self, news: News) -> None:
        """Pass the news on, without waiting for whoever gets it."""


class Feed:
    """Reads the changes in the journal in `run`, and tells the one listener there is."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._number: int | None = None
        self._listener: Listener | None = None
        self._turn = anyio.Lock()

    def listen(self, listener: Listener) -> Callable[[], Awaitable[None]]:
        """Tell `listener` from now on; gives what it calls before the first one hears it.

        That call passes over what changed while nobody listened.
        """
        self._listener = listener
        return self.look

    async def run(self) -> None:
        """Look and tell, at once after each write of this process, until cancelled."""
        while True:
            written = self._journal.written
            if self._listener is not None and self._listener.is_heard():
                await self.look()
            await self._clock.wait(written, ROUND_S)

    async def look(self) -> None:
        """Tell what changed since the last look; where the journal cannot be read, the next does.

        Those who pay or look up are told of such a journal: a log every second would help nobody.
        """
        async with self._turn:
            with going_on("watching the journal"), suppress(JournalError):
                await self._tell(await self._news())

    async def _news(self) -> News:
        number = self._number
        news = await self._journal.changes_since(number)
        self._number = news.number
        return news

    async def _tell(self, news: News) -> None:
        has_news = bool(news.changes) or news.is_list_changed
        if has_news and self._listener is not None and self._listener.is_heard():
            await self._listener.tell(news)
