"""The feed: tells which tasks and clips changed in the journal, whoever changed them.

What this process writes and what others write is found in the same place, the journal's change
feed. No change is told twice, and none that happened before anyone listened. While nobody listens
or waits, nothing is read.
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

CHANGES_EVERY_S = 1.0
"""How often, in seconds, the journal is read for what other processes wrote. What this process
writes is told at once."""


class Listener(Protocol):
    """Who is told of changes, and knows whether a client wants to know."""

    def is_heard(self) -> bool:
        """Tell whether there is a client to pass news on to."""
        ...

    async def tell(self, news: News) -> None:
        """Pass the news on, without waiting for the clients."""


class Waiter:
    """A call that waits for changes of one task."""

    def __init__(self) -> None:
        self._changed = anyio.Event()

    def next_change(self) -> anyio.Event:
        """Return the event of the next change. Whoever takes it before reading misses none."""
        if self._changed.is_set():
            self._changed = anyio.Event()
        return self._changed

    def wake(self) -> None:
        """Set the event of the next change."""
        self._changed.set()


class Feed:
    """Reads the journal's changes in `run`; tells the one listener and all waiting calls."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._number: int | None = None
        self._listener: Listener | None = None
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)
        self._turn = anyio.Lock()

    def listen(self, listener: Listener) -> Callable[[], Awaitable[None]]:
        """Tell `listener` from now on; return what it must await before its first client.

        That skips what changed while nobody listened.
        """
        self._listener = listener
        return self.look

    @contextmanager
    def waiting(self, local_id: str) -> Iterator[Waiter]:
        """Yield a waiter that is woken at each change of the task with this id of ours."""
        waiter = Waiter()
        self._waiters[local_id].add(waiter)
        try:
            yield waiter
        finally:
            self._waiters[local_id].discard(waiter)
            if not self._waiters[local_id]:
                del self._waiters[local_id]

    def wake(self, local_id: str) -> None:
        """Wake all calls that wait for changes of the task with this id of ours."""
        for waiter in self._waiters.get(local_id, ()):
            waiter.wake()

    async def run(self) -> None:
        """Read and tell, at once after each write of this process, until cancelled."""
        while True:
            written = self._journal.written
            if self._waiters or self._is_heard():
                await self.look()
            await self._clock.wait(written, CHANGES_EVERY_S)

    async def look(self) -> None:
        """Tell what changed since the last time; if the journal cannot be read, do it next time.

        That is not logged, as it would be every second; whoever pays or looks up is told the error.
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
