"""The recovery: looks after submissions that nobody makes any more.

Invariant: only a process whose lock is free is taken for dead (`liveness`); what it was submitting
becomes `in_doubt`, and so does what this process itself lost sight of. Nothing is ever sent here.
"""

import logging
from collections.abc import Callable, Sequence

from song_mcp.clock import Clock
from song_mcp.journal import Journal, Liveness, Submitting
from song_mcp.messages import ORPHANED
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

ROUND_S = 10.0
"""How often the other processes are looked after: at once on start, then so many seconds apart."""
OWN_AGE_S = 30.0
"""How long, in seconds, a row of our own may be there before its sending is known here."""


class Recovery:
    """Makes its rounds in `run`; `is_sending` tells whether this process sends a task."""

    def __init__(
        self,
        journal: Journal,
        liveness: Liveness,
        clock: Clock,
        is_sending: Callable[[str], bool],
    ) -> None:
        self._journal = journal
        self._liveness = liveness
        self._clock = clock
        self._is_sending = is_sending

    async def run(self) -> None:
        """Make a round at once and then every 10 s, until cancelled."""
        while True:
            with going_on("looking after the other processes"):
                await self.look_after()
            await self._clock.sleep(ROUND_S)

    async def look_after(self) -> None:
        """Make one round."""
        found = await self._journal.submitting()
        lost = await self._lost_among(found)
        if lost:
            await self._journal.orphan(lost, ORPHANED)
            logger.warning("%d submissions that nobody makes any more are in doubt", len(lost))

    async def _lost_among(self, found: Sequence[Submitting]) -> list[str]:
        dead = await self._liveness.dead_among(row.owner for row in found)
        return [row.local_id for row in found if row.owner in dead or self._is_lost(row)]

    def _is_lost(self, row: Submitting) -> bool:
        """Whether the row is ours and yet we do not send it: its answer could not be written."""
        age_s = self._clock.now().timestamp() - row.created_at
        is_ours = row.owner == self._liveness.token
        return is_ours and age_s > OWN_AGE_S and not self._is_sending(row.local_id)
