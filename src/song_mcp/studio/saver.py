"""The saver: brings finished clips from where the services have them into the library.

Invariant: a try to save a clip is claimed in the journal before it is made, so of all processes
one makes it; what came of it is in the journal: a file, or the reason why there is none. A clip
that could not be saved is tried again later, a few times.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from song_mcp.clock import Clock
from song_mcp.errors import LibraryError
from song_mcp.journal import Journal, Liveness, SaveClaim
from song_mcp.library.store import Library
from song_mcp.songs import Clip, Task
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

TRIES = 5
AT_ONCE = 4
"""How many clips are saved at the same time: each takes a connection and open files."""
ROUND_S = 20.0
"""How often the journal is read for clips whose next try is due, or that a dead process left."""
EVERY_TASK = ""


class Saver:
    """Saves clips in the task group `work`, and calls `announce` with the task's id of ours."""

    def __init__(
        self,
        journal: Journal,
        library: Library,
        liveness: Liveness,
        clock: Clock,
        work: TaskGroup,
        announce: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._library = library
        self._liveness = liveness
        self._clock = clock
        self._work = work
        self._announce = announce
        self._saving: dict[tuple[str, str], anyio.Event] = {}
        self._limit = anyio.CapacityLimiter(AT_ONCE)

    async def run(self) -> None:
        """Save what is due, again and again, until cancelled."""
        while True:
            await self._start_due_quietly(EVERY_TASK)
            await self._clock.sleep(ROUND_S)

    async def keep(self, task: Task) -> None:
        """Start saving the finished clips of a task whose time it is."""
        if not task.is_kept:
            await self._start_due_quietly(task.local_id)

    async def kept(self, task: Task, clip: Clip) -> None:
        """Come back when the clip is not being saved any more, trying at once where nobody does."""
        await self.keep(task)
        key = (task.local_id, clip.clip_id)
        if key not in self._saving and not clip.is_saved and clip.audio_url:
            self._start(task, clip)
        under_way = self._saving.get(key)
        if under_way is not None:
            await under_way.wait()

    async def _start_due_quietly(self, local_id: str) -> None:
        """Start what is due; where that fails, a later round does."""
        with going_on("saving what is due"):
            await self._start_due(local_id)

    async def _start_due(self, local_id: str) -> None:
        for task, clip in await self._journal.claim_saves(await self._claim(local_id)):
            if (task.local_id, clip.clip_id) not in self._saving:
                self._start(task, clip)

    async def _claim(self, local_id: str) -> SaveClaim:
        await self._liveness.show()
        dead = await self._liveness.dead_among(await self._journal.savers())
        return SaveClaim(local_id, self._liveness.token, TRIES, dead)

    def _start(self, task: Task, clip: Clip) -> None:
        self._saving[task.local_id, clip.clip_id] = anyio.Event()
        self._work.start_soon(self._save, task, clip)

    async def _save(self, task: Task, clip: Clip) -> None:
        try:
            async with self._limit:
                kept = await self._kept(task, clip)
            await self._journal.save_clip(task.local_id, kept)
        except Exception:  # a mistake of our own must not end the server
            logger.exception("clip %s could not be kept", clip.clip_id)
        finally:
            self._saving.pop((task.local_id, clip.clip_id)).set()
            self._announce(task.local_id)

    async def _kept(self, task: Task, clip: Clip) -> Clip:
        try:
            saved = await self._library.save(task, clip)
        except LibraryError as error:
            return replace(clip, save_error=str(error))
        return replace(
            clip,
            file=saved.file,
            cover=saved.cover,
            mime_type=saved.mime_type,
            duration_s=saved.duration_s,
            save_error="",
        )
