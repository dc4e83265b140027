"""What those who hold a task's handle ask: how it stands, and to have it followed no more.

Invariant: a handle is the task's id of ours, in the journal before anything was sent, and nobody
can guess it; a service's id is none. Asking reads the journal and waits for no service. What is
followed no more stays so in every process, until the very same request is made again.
"""

import re
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from typing import Literal

from anyio.abc import TaskGroup

from song_mcp import messages
from song_mcp.clock import Clock
from song_mcp.errors import UnknownTaskError
from song_mcp.journal import POLLED_FOR_S, Journal
from song_mcp.songs import Service, Task
from song_mcp.studio.poller import SLOWEST_S
from song_mcp.studio.supervise import going_on

Phase = Literal["working", "ended", "unfollowed"]
"""Whether waiting brings something, the end is there, or nobody waits for it any more."""
Look = Callable[[Task], Awaitable[object]]
"""Looks at an open task at its service; a look that fails changes nothing."""

HANDLE = re.compile(r"local-[0-9a-f]{20}")
SAVED_WITHIN_S = 60.0
"""How long an end is held back for its audio to be saved, in seconds."""


@dataclass(frozen=True)
class Standing:
    """A task as the journal has it, the phase it is in, and a sentence of ours on that."""

    task: Task
    phase: Phase
    message: str


class Handles:
    """Answers those who hold a handle; looks that nobody else makes run in the group `work`.

    `services` are those with a key. Every method may raise JournalError, and UnknownTaskError
    where the id is not that of a task in the journal.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        work: TaskGroup,
        services: Container[Service],
        look: Look,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._work = work
        self._services = services
        self._look = look
        self._looked_after: set[str] = set()

    async def standing(self, handle: str) -> Standing:
        """Give how a task stands; one too old to be followed is looked at meanwhile."""
        task = await self._found(handle)
        phase = self.phase(task)
        if phase == "unfollowed":
            return Standing(task, phase, messages.unfollowed(task))
        if self._is_left_to_us(task):
            self._looked_after.add(task.local_id)
            self._work.start_soon(self._look_once, task)
        return Standing(task, phase, self.message(task))

    def message(self, task: Task) -> str:
        """Give the sentence for a task that goes on or is being saved; "" for one that ended."""
        if not task.is_open:
            return "" if self.phase(task) == "ended" else messages.SAVING
        if task.service not in self._services:
            return messages.as_last_known(task.service)
        is_old = self._age_s(task) > POLLED_FOR_S
        return messages.NOT_FOLLOWED if is_old else messages.going(task)

    def phase(self, task: Task) -> Phase:
        """Give the phase a task is in; its end is there when its audio is kept, or late."""
        if task.unfollowed_at is not None:
            return "unfollowed"
        return "ended" if not task.is_open and not self._is_being_saved(task) else "working"

    async def check(self, handle: str) -> None:
        """Come back where the handle is that of a task."""
        await self._found(handle)

    async def unfollow(self, handle: str) -> None:
        """Have an open task followed no more; one that has ended stays as it is."""
        task = await self._found(handle)
        await self._journal.unfollow(task.local_id)

    async def _found(self, handle: str) -> Task:
        task = await self._journal.find(handle) if HANDLE.fullmatch(handle) else None
        if task is None or task.local_id != handle:
            raise UnknownTaskError(messages.NO_HANDLE)
        return task

    def _is_being_saved(self, task: Task) -> bool:
        if task.is_kept or task.looked_at is None:
            return False
        return 0 <= (self._clock.now() - task.looked_at).total_seconds() < SAVED_WITHIN_S

    def _age_s(self, task: Task) -> float:
        return (self._clock.now() - task.created_at).total_seconds()

    # Looking ---------------------------------------------------------------------------

    def _is_left_to_us(self, task: Task) -> bool:
        """Whether an open task is too old to be followed, and was not looked at of late."""
        if not (task.is_open and task.task_id) or task.local_id in self._looked_after:
            return False
        seen_s = (self._clock.now() - (task.looked_at or task.created_at)).total_seconds()
        return self._age_s(task) > POLLED_FOR_S and not 0 <= seen_s < SLOWEST_S

    async def _look_once(self, task: Task) -> None:
        """Look at the task, and for a while at most this once, however often somebody asks."""
        with going_on(f"looking at {task.local_id} for its holder"):
            await self._look(task)
        await self._clock.sleep(SLOWEST_S)
        self._looked_after.discard(task.local_id)
