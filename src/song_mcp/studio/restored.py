"""Paying from a journal that is an older copy of itself: what it does not know is looked for first.

What was sent after the copy was made may be paid, and the journal cannot join a request to it. So
the open tasks are looked at, and the service's history is searched for exactly what is to be sent.
Where there is no history, or it tells nothing, nothing is paid until a person has agreed.
"""

from contextlib import suppress

from song_mcp import messages
from song_mcp.clock import Clock
from song_mcp.errors import SongError, UnconfirmedError
from song_mcp.journal import Journal, Restore, unpaid
from song_mcp.providers import Provider, Remembering, Submission
from song_mcp.songs import Task
from song_mcp.studio.history import Trace, search_between
from song_mcp.studio.poller import Poller


class Restored:
    """Asks what a restored journal does not know; `poller` looks at open tasks."""

    def __init__(self, journal: Journal, clock: Clock, poller: Poller) -> None:
        self._journal = journal
        self._clock = clock
        self._poller = poller

    async def notice(self) -> Restore | None:
        """Have it noticed if the journal is an older copy; return what is known of that."""
        with unpaid():
            return await self._journal.restored()

    async def earlier(self, provider: Provider, submission: Submission) -> Task | None:
        """Return the task that this submission made and that the journal did not know, or None.

        None too if the journal is no older copy. Raises UnconfirmedError if a person must agree
        first, or if several tasks may be it; and JournalError.
        """
        restore = await self.notice()
        if restore is None:
            return None
        await self._look_at_open_tasks(provider)
        trace = await self._trace(provider, submission, restore)
        if trace.outcome == "none":
            return None
        if trace.outcome == "found":
            account = provider.account_tag
            recorded = await self._journal.adopt(provider.service, account, trace.reports[0])
            await self._poller.recorded(recorded)
            return recorded.task
        maybe = messages.found_possibly(provider.service, trace.ids) if trace.reports else ""
        raise UnconfirmedError(_refusal(restore, maybe))

    async def check(self) -> None:
        """Raise UnconfirmedError if the journal is an older copy: a doubt in it may be settled."""
        restore = await self.notice()
        if restore is not None:
            raise UnconfirmedError(_refusal(restore))

    async def warning(self) -> str:
        """Return what a person must know of a restored journal, "" if there is nothing."""
        restore = await self._journal.restored()
        return restore.text if restore else ""

    async def _look_at_open_tasks(self, provider: Provider) -> None:
        for task in await self._journal.running(provider.service):
            with suppress(SongError):
                await self._poller.look(task)

    async def _trace(self, provider: Provider, submission: Submission, restore: Restore) -> Trace:
        if not isinstance(provider, Remembering):
            return Trace("unknown")
        return await search_between(
            self._journal, provider, submission, restore.since, restore.noticed_at, self._clock.now
        )


def _refusal(restore: Restore, told: str = "") -> str:
    said = ("Nothing was sent or paid by this call.", told, restore.text)
    return " ".join(filter(None, said))
