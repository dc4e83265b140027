"""Recovery: finds submissions that no process makes any more.

Only a process whose lock is free counts as dead (`journal.Liveness`). What it was submitting
becomes `in_doubt`, or `rejected` if it costs nothing or the journal proves that nothing was sent.
So does a submission of this process whose answer could not be written. One whose song came with
the answer and is whole in the inbox was accepted. Nothing is ever sent here.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence

from song_mcp.clock import Clock
from song_mcp.inbox import Inbox
from song_mcp.journal import Journal, Liveness, Orphaned, Submitting
from song_mcp.messages import NEVER_SENT, ORPHANED_FREE, orphaned
from song_mcp.songs import ServiceName
from song_mcp.studio.intake import rescued
from song_mcp.studio.submitter import Submitter
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

RECOVERY_EVERY_S = 10.0
"""How often, in seconds, `submitting` rows are checked; the first time at the start."""
OWN_AGE_S = 30.0
"""After how many seconds a row of our own that we are not sending is in doubt."""


class Recovery:
    """Checks in `run`; `submitter` knows what this process is sending."""

    def __init__(
        self,
        journal: Journal,
        liveness: Liveness,
        clock: Clock,
        submitter: Submitter,
        inbox: Inbox,
    ) -> None:
        self._journal = journal
        self._liveness = liveness
        self._clock = clock
        self._submitter = submitter
        self._inbox = inbox

    async def run(self) -> None:
        """Check at once and then every 10 s, until cancelled."""
        while True:
            with going_on("recovering what dead processes left"):
                await self.recover()
            await self._clock.sleep(RECOVERY_EVERY_S)

    async def recover(self) -> None:
        """Check once."""
        found = await self._journal.submitting()
        lost: dict[ServiceName, list[str]] = defaultdict(list)
        for row in await self._lost_among(found):
            if not await self._is_here(row):
                lost[row.service].append(row.local_id)
        for service, local_ids in lost.items():
            why = Orphaned(orphaned(service), NEVER_SENT, ORPHANED_FREE)
            await self._journal.orphan(local_ids, why)
            logger.warning("%d submissions that nobody makes any more were closed", len(local_ids))

    async def _is_here(self, row: Submitting) -> bool:
        """Tell whether the song came before its process died; then it is written as accepted."""
        if not self._inbox.link(row.local_id):
            return False
        task = await self._journal.find(row.local_id)
        return task is not None and await rescued(self._journal, self._inbox, task)

    async def _lost_among(self, found: Sequence[Submitting]) -> list[Submitting]:
        dead = await self._liveness.dead_among(row.owner for row in found)
        return [row for row in found if row.owner in dead or self._is_lost(row)]

    def _is_lost(self, row: Submitting) -> bool:
        """Tell whether the row is ours but we do not send it: its answer could not be written."""
        age_s = self._clock.now().timestamp() - row.created_at
        is_ours = row.owner == self._liveness.token
        return is_ours and age_s > OWN_AGE_S and not self._submitter.is_sending(row.local_id)
