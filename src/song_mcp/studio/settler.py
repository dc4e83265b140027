"""The settler: searches by itself for submissions whose answer was lost, in services' histories.

A search that is due (10 s, 60 s and 10 min after the loss) is claimed in the journal before it is
made. So exactly one of all processes makes it, and a restart goes on with the next one. What it
finds is in the journal before anyone is told. Nothing is ever sent again here.
"""

import logging
import math
from collections.abc import Mapping

import anyio

from song_mcp.clock import Clock
from song_mcp.journal import SEARCHES, Doubt, Journal, Recorded
from song_mcp.providers import Provider, Remembering
from song_mcp.songs import ServiceName
from song_mcp.studio import reconcile
from song_mcp.studio.feed import Feed
from song_mcp.studio.poller import Poller
from song_mcp.studio.reconcile import Found
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

SEARCHES_EVERY_S = 10.0
"""How often, in seconds, at least, the journal is read for searches that are due: no less than the
first one's delay, so that none is made late."""
SOONEST_S = 0.02
"""The shortest pause, in seconds, before a search that is due now."""


class Settler:
    """Searches in `run`, at the services that have a history."""

    def __init__(
        self,
        providers: Mapping[ServiceName, Provider],
        journal: Journal,
        clock: Clock,
        poller: Poller,
        feed: Feed,
    ) -> None:
        """Start with nothing under way; `poller` gets each task that is found."""
        self._providers = [each for each in providers.values() if isinstance(each, Remembering)]
        self._journal = journal
        self._clock = clock
        self._poller = poller
        self._feed = feed

    async def run(self) -> None:
        """Search until cancelled: one loop per service, so that a slow one delays no other."""
        async with anyio.create_task_group() as work:
            for provider in self._providers:
                work.start_soon(self._run_at, provider)

    async def _run_at(self, provider: Remembering) -> None:
        while True:
            idle_s = SEARCHES_EVERY_S
            with going_on(f"searching the history of {provider.service}"):
                idle_s = await self._search_next(provider)
            await self._clock.sleep(idle_s)

    async def _search_next(self, provider: Remembering) -> float:
        """Make the search that is due, if there is one; return the seconds until the next."""
        next_s = await self._next_s(provider)
        if next_s <= 0:
            doubt = await self._journal.claim_search(provider.service, provider.account_tag)
            if doubt is not None:
                await self._search(provider, doubt)
            next_s = await self._next_s(provider)
        return max(min(next_s, SEARCHES_EVERY_S), SOONEST_S)

    async def _next_s(self, provider: Remembering) -> float:
        """Return the seconds until the next search is due; infinite if none is planned."""
        seconds = await self._journal.next_search_s(provider.service, provider.account_tag)
        return math.inf if seconds is None else seconds

    async def _search(self, provider: Remembering, doubt: Doubt) -> None:
        """Make one search, and write and tell what it found."""
        local_id = doubt.task.local_id
        found = await reconcile.search(self._journal, provider, doubt.task, self._clock.now)
        logger.info("the history of %s about %s: %s", provider.service, local_id, found.outcome)
        if found.outcome == "settled":
            ended = Recorded(found.task, ended_now=not found.task.is_open)
            await self._poller.recorded(ended)
            return
        told = found.told if _is_worth_telling(found, doubt) else ""
        is_answered = found.outcome != "unknown"
        await self._journal.end_search(local_id, told, is_answered=is_answered)
        self._feed.wake(local_id)  # the change feed does not count a search that told nothing


def _is_worth_telling(found: Found, doubt: Doubt) -> bool:
    """Tell whether what was found goes into the journal: a list that may lag is no news."""
    is_last = doubt.task.searches + 1 >= SEARCHES
    return found.outcome == "ambiguous" or (found.outcome == "none" and is_last)
