"""The feed: tells which tasks and clips changed in the journal, whoever changed them.

What this process writes and what others write is found in the same place, the journal's change
feed. No change is told twice, and none that happened before anyone listened. While nobody listens
or waits, nothing is read.

That the list of resources changed is told at most once in 2 s, as clients read the whole list each
time. What changes it meanwhile is told when they are over.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import anyio

from song_mcp.clock import Clock
from song_mcp.errors import JournalError
from song_mcp.journal import Journal, News
from song_mcp.studio.supervise import going_on

CHANGES_EVERY_S = 1.0
"""How often, in seconds, the journal is read for what other processes wrote. What this process
writes is told at once."""
LIST_EVERY_S = 2.0
"""How many seconds lie, at least, between two times at which a change of the list is told."""


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
        self._is_list_changed = False
        self._list_told_at: datetime | None = None
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
        if self._listener is None or not self._is_heard():
            self._is_list_changed = False
            return
        self._is_list_changed |= news.is_list_changed
        news = replace(news, is_list_changed=self._is_list_due())
        if news.changes or news.is_list_changed:
            await self._listener.tell(news)

    def _is_list_due(self) -> bool:
        """Tell whether a change of the list is to be told now; it counts as told then."""
        now, told_at = self._clock.now(), self._list_told_at
        is_early = told_at is not None and 0 <= (now - told_at).total_seconds() < LIST_EVERY_S
        if not self._is_list_changed or is_early:
            return False
        self._is_list_changed, self._list_told_at = False, now
        return True

    def _is_heard(self) -> bool:
        return self._listener is not None and self._listener.is_heard()
