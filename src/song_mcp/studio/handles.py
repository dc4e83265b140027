"""What clients may do that hold a task's handle: ask how it stands, or have it polled no more.

A handle is the task's id of ours. It is in the journal before anything is sent, and nobody can
guess it; a service's id is no handle. Asking reads the journal and waits for no service. A task
that is polled no more stays so in every process, until the same request is made again.
"""

import re
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass, replace

from anyio.abc import TaskGroup

from song_mcp import messages
from song_mcp.clock import Clock
from song_mcp.errors import SongError, UnknownTaskError
from song_mcp.journal import Journal
from song_mcp.songs import ServiceName, Task
from song_mcp.studio.feed import Feed
from song_mcp.studio.phase import Phase, phase_of
from song_mcp.studio.poller import SLOWEST_S, Poller
from song_mcp.studio.supervise import going_on
from song_mcp.studio.whereabouts import Whereabouts

OVER: frozenset[Phase] = frozenset({"ended", "unfollowed"})
"""The phases in which nothing happens by itself any more."""
HANDLE_FORM = re.compile(r"local-[0-9a-f]{20}")


@dataclass(frozen=True)
class Standing:
    """A task as the journal has it, the phase it is in, and a sentence on that for the client.

    `others` are the other takes of the same call: the phase ends when all of them have ended.
    """

    task: Task
    phase: Phase
    message: str
    others: tuple[Task, ...] = ()


class Handles:
    """Answers clients that hold a handle; looks on their behalf run in the group `work`.

    `services` are those with a key. Every method may raise JournalError, and UnknownTaskError
    if the id is not that of a task in the journal.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts, joined in `compose` alone
        self,
        journal: Journal,
        clock: Clock,
        work: TaskGroup,
        services: Container[ServiceName],
        poller: Poller,
        feed: Feed,
        whereabouts: Whereabouts,
    ) -> None:
        self._whereabouts = whereabouts
        self._journal = journal
        self._clock = clock
        self._work = work
        self._services = services
        self._poller = poller
        self._feed = feed
        self._looked_after: set[str] = set()

    async def standing(self, handle: str) -> Standing:
        """Return how a task stands; if it is too old to be polled, a look is begun as well."""
        task = await self._found(handle)
        takes = await self._journal.takes_of(task.local_id)
        task, *others = await self._whereabouts.of([task, *takes])
        for each in filter(self._is_left_to_us, (task, *others)):
            self._looked_after.add(each.local_id)
            self._work.start_soon(self._look_once, each)
        own = self.standing_of(task)
        standings = [own] if own.phase == "unfollowed" else map(self.standing_of, (task, *others))
        going = next((each for each in standings if each.phase not in OVER), own)
        return replace(own, phase=going.phase, message=going.message, others=tuple(others))

    def standing_of(self, task: Task) -> Standing:
        """Return how this task, as the journal has it, stands."""
        phase = phase_of(task, self._clock.now())
        return Standing(task, phase, self._message(task, phase))

    def _message(self, task: Task, phase: Phase) -> str:
        """Return the sentence on a task in which something still happens; "" for any other."""
        if phase == "unfollowed":
            return messages.unfollowed(task)
        if phase == "searched":
            return messages.SEARCHING
        if not task.is_open:
            return messages.SAVING if phase == "saving" else ""
        if task.service not in self._services:
            return messages.as_last_known(task.service)
        return messages.NO_LONGER_POLLED if phase == "left" else messages.going(task)

    async def check(self, handle: str) -> None:
        """Raise UnknownTaskError unless the handle is that of a task."""
        await self._found(handle)

    async def unfollow(self, handle: str) -> None:
        """Have an open task and its other takes polled no more; an ended one stays as it is."""
        task = await self._found(handle)
        for each in (task, *await self._journal.takes_of(task.local_id)):
            await self._journal.unfollow(each.local_id)
            self._feed.wake(each.local_id)  # the change feed does not count this

    async def _found(self, handle: str) -> Task:
        task = await self._journal.find(handle) if HANDLE_FORM.fullmatch(handle) else None
        if task is None or task.local_id != handle:
            raise UnknownTaskError(messages.NO_HANDLE)
        return task

    # Looking ---------------------------------------------------------------------------

    def _is_left_to_us(self, task: Task) -> bool:
        """Tell whether an open task is too old to be polled, and the last look is not recent."""
        now = self._clock.now()
        if not task.task_id or task.local_id in self._looked_after:
            return False
        seen_s = (now - (task.looked_at or task.created_at)).total_seconds()
        return phase_of(task, now) == "left" and not 0 <= seen_s < SLOWEST_S

    async def _look_once(self, task: Task) -> None:
        """Look at the task, at most once in `SLOWEST_S` however often somebody asks."""
        with going_on(f"looking at {task.local_id} for its holder"), suppress(SongError):
            if task.service in self._services:
                await self._poller.look(task)
        await self._clock.sleep(SLOWEST_S)
        self._looked_after.discard(task.local_id)
