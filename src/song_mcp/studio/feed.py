"""The feed: tells which tasks and clips changed in the journal, whoever changed them.

What this process writes and what others write is found in the same place, the journal's change
feed, so there is one way of telling it. Nothing is told twice, and nothing that was there before
anyone listened. While nobody listens or waits, nothing is read.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import anyio

from song_mcp.clock import Clock
from song_mcp.errors import JournalError
from song_mcp.journal import Journal, News
from song_mcp.studio.supervise import going_on

OTHERS_S = 1.0
"""How often, in seconds, the journal is read for what other processes wrote. What this process
writes is told at once."""


class Listener(Protocol):
    """Somebody who may be told, and knows whether anyone hears it."""

    def is_heard(self) -> bool:
        """Tell whether there is anyone to pass news on to."""
        ...

    async def tell(self, news: News) -> None:
        """Pass the news on, without waiting for whoever gets it."""


class Waiter:
    """Somebody who waits for changes of one task."""

    def __init__(self) -> None:
        self._changed = anyio.Event()

    def next_change(self) -> anyio.Event:
        """Return the event of the next change; taken before the task is read, it misses none."""
        if self._changed.is_set():
            self._changed = anyio.Event()
        return self._changed

    def wake(self) -> None:
        """Set the event of the next change."""
        self._changed.set()


class Feed:
    """Reads the changes in the journal in `run`; tells the one listener, and all who wait."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._number: int | None = None
        self._listener: Listener | None = None
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)
        self._turn = anyio.Lock()

    def listen(self, listener: Listener) -> Callable[[], Awaitable[None]]:
        """Tell `listener` from now on; returns what it calls before the first one hears it.

        That call passes over what changed while nobody listened.
        """
        self._listener = listener
        return self.look

    @contextmanager
    def waiting(self, local_id: str) -> Iterator[Waiter]:
        """Wake the waiter at each change of the task with this id of ours, while it is used."""
        waiter = Waiter()
        self._waiters[local_id].add(waiter)
        try:
            yield waiter
        finally:
            self._waiters[local_id].discard(waiter)
            if not self._waiters[local_id]:
                del self._waiters[local_id]

    def wake(self, local_id: str) -> None:
        """Wake all who wait for changes of the task with this id of ours."""
        for waiter in self._waiters.get(local_id, ()):
            waiter.wake()

    async def run(self) -> None:
        """Look and tell, at once after each write of this process, until cancelled."""
        while True:
            written = self._journal.written
            if self._waiters or self._is_heard():
                await self.look()
            await self._clock.wait(written, OTHERS_S)

    async def look(self) -> None:
        """Tell what changed since the last look; if the journal cannot be read, the next one does.

        Those who pay or look up are told of such a journal: a log every second would help nobody.
        """
        async with self._turn:
            with going_on("reading the changes"), suppress(JournalError):
                await self._tell(await self._news())

    async def _news(self) -> News:
        is_first = self._number is None
        news = await self._journal.changes_since(self._number)
        self._number = news.number
        changed = list(self._waiters) if is_first else [each.local_id for each in news.changes]
        for local_id in changed:
            self.wake(local_id)
        return news

    async def _tell(self, news: News) -> None:
        has_news = bool(news.changes) or news.is_list_changed
        if has_news and self._listener is not None and self._is_heard():
            await self._listener.tell(news)

    def _is_heard(self) -> bool:
        return self._listener is not None and self._listener.is_heard()
