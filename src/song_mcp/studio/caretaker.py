"""The caretaker: has what is missing of tasks asked for and saved after their end.

A clip that could not be saved is tried again 2, 10 and 60 s, 10 min, 1 h and 6 h after the first
try, which is made at the end of its task or before. Before each of these tries its service is
asked for a fresh link. Whoever looks at a task has its unsaved clips tried at once, but not within
20 s of the last try. Every try is claimed in the journal: all processes together make one, and the
plan survives them. What became due while the machine was suspended is tried once.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from song_mcp.clock import Clock
from song_mcp.errors import SongError
from song_mcp.journal import Journal
from song_mcp.songs import SERVICES, Clip, Task, completed
from song_mcp.studio.poller import Poller
from song_mcp.studio.saver import Saver
from song_mcp.studio.supervise import going_on

CARES_EVERY_S = 20.0
"""How often, in seconds, at least, the journal is read for tries that are due."""
SOONEST_S = 0.05
"""The shortest pause, in seconds, before a try that is due now."""
LOOKS_AT_ONCE = 4
"""For how many tasks fresh links are asked for at the same time."""


def is_incomplete(task: Task) -> bool:
    """Tell whether something of an ended task is missing that its service may have by now.

    That is a clip that is not saved, one of the usual number of clips or drafts of lyrics, or the
    whole of a task that its service did not know.
    """
    service = SERVICES[task.service]
    if task.status != "completed":
        has_unsaved = any(not clip.is_settled for clip in completed(task.clips))
        return task.status == "failed" and (task.is_unknown or has_unsaved)
    if task.kind == "lyrics":
        return task.lyrics is None or task.lyrics.drafts < service.drafts_a_task
    has_all = len(task.clips) >= task.usual_clips and all(each.is_settled for each in task.clips)
    return task.kind != "other" and not has_all


class Caretaker:
    """Makes in `run` what is due by plan, and in `try_now` what somebody asks for."""

    def __init__(
        self, journal: Journal, poller: Poller, saver: Saver, clock: Clock, work: TaskGroup
    ) -> None:
        """Take the parts; looks for fresh links are made in the group `work`.

        The saver asks here for fresh links while it tries.
        """
        self._journal = journal
        self._poller = poller
        self._saver = saver
        self._clock = clock
        self._work = work
        self._limit = anyio.CapacityLimiter(LOOKS_AT_ONCE)
        saver.ask = self._ask

    async def run(self) -> None:
        """Try what is due, again and again, until cancelled."""
        while True:
            tried, idle_s = self._saver.tried, CARES_EVERY_S
            with going_on("trying again to save clips"):
                await self._try_due()
                next_s = await self._saver.next_s()
                idle_s = max(SOONEST_S, min(CARES_EVERY_S, math.inf if next_s is None else next_s))
            await self._clock.wait(tried, idle_s)

    async def try_now(self, task: Task, *, is_insisted: bool) -> None:
        """Start a try for each unsaved clip of a task, unless it is tried or was a moment ago.

        Clips that were given up are tried only if that `is_insisted` on.
        """
        unsaved = [clip for clip in task.clips if clip.audio_url and not clip.is_settled]
        if unsaved:
            self._saver.renew(task)
            await self._saver.start_claimed("asked", task.local_id)
        for clip in unsaved if is_insisted else ():
            await self._saver.start_claimed("asked", task.local_id, clip.clip_id)

    async def _try_due(self) -> None:
        again: dict[str, list[Clip]] = defaultdict(list)
        tasks: dict[str, Task] = {}
        for task, clip in await self._saver.claimed("planned"):
            if clip.save_error:
                tasks[task.local_id] = task
                again[task.local_id].append(clip)
            else:
                self._saver.start(task, clip)
        for local_id, clips in again.items():
            self._work.start_soon(self._try_again, tasks[local_id], clips)

    async def _ask(self, task: Task) -> None:
        async with self._limit:
            await self._poller.look_again(task, is_planned=True)

    async def _try_again(self, task: Task, clips: Sequence[Clip]) -> None:
        """Ask for fresh links, then try to save the clips with what is known of them."""
        with going_on("asking for fresh links"), suppress(SongError):
            await self._ask(task)
            task = await self._journal.find(task.local_id) or task
        for clip in clips:
            self._saver.start(task, task.clip(clip.clip_id) or clip)
