"""The saver: saves finished clips into the library.

A try to save a clip is claimed in the journal before it is made, so only one of all processes makes
it. Its outcome is in the journal: a file, or the reason why there is none. A clip that could not be
saved is tried again later, a few times.
"""

import logging
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from song_mcp.clock import Clock
from song_mcp.errors import LibraryError
from song_mcp.journal import Journal, Liveness, SaveClaim
from song_mcp.library import Library
from song_mcp.messages import SAVING_GIVEN_UP
from song_mcp.songs import Clip, Task
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

SAVE_TRIES = 5
"""How often the saver tries to save a clip by itself."""
SAVES_AT_ONCE = 4
"""How many clips are saved at the same time: each takes a connection and open files."""
SAVES_EVERY_S = 20.0
"""How often, in seconds, the journal is read for clips whose next try is due."""
EVERY_TASK = ""


class Saver:
    """Saves clips in the task group `work`."""

    def __init__(
        self,
        journal: Journal,
        library: Library,
        liveness: Liveness,
        clock: Clock,
        work: TaskGroup,
    ) -> None:
        self._journal = journal
        self._library = library
        self._liveness = liveness
        self._clock = clock
        self._work = work
        self._saving: dict[tuple[str, str], anyio.Event] = {}
        self._limit = anyio.CapacityLimiter(SAVES_AT_ONCE)

    async def run(self) -> None:
        """Save what is due, again and again, until cancelled."""
        while True:
            await self._start_due(EVERY_TASK)
            await self._clock.sleep(SAVES_EVERY_S)

    async def save_due(self, task: Task) -> None:
        """Start to save those finished clips of a task whose next try is due."""
        if not task.has_nothing_to_save:
            await self._start_due(task.local_id)

    async def save_now(self, task: Task, clip: Clip) -> None:
        """Return when this process is not saving the clip any more; if it was not, try once now."""
        await self.save_due(task)
        key = (task.local_id, clip.clip_id)
        if key not in self._saving and not clip.is_saved and clip.audio_url:
            self._start(task, clip)
        under_way = self._saving.get(key)
        if under_way is not None:
            await under_way.wait()

    async def _start_due(self, local_id: str) -> None:
        """Claim and start what is due; what fails is claimed again later."""
        with going_on("saving what is due"):
            for task, clip in await self._journal.claim_saves(await self._claim(local_id)):
                if (task.local_id, clip.clip_id) not in self._saving:
                    self._start(task, clip)

    async def _claim(self, local_id: str) -> SaveClaim:
        await self._liveness.show()
        dead = await self._liveness.dead_among(await self._journal.savers())
        return SaveClaim(local_id, self._liveness.token, SAVE_TRIES, dead, SAVING_GIVEN_UP)

    def _start(self, task: Task, clip: Clip) -> None:
        self._saving[task.local_id, clip.clip_id] = anyio.Event()
        self._work.start_soon(self._save, task, clip)

    async def _save(self, task: Task, clip: Clip) -> None:
        try:
            async with self._limit:
                saved = await self._saved(task, clip)
            await self._journal.save_clip(task.local_id, saved)
        except Exception:  # a mistake of our own must not end the server
            logger.exception("clip %s could not be saved", clip.clip_id)
        finally:
            self._saving.pop((task.local_id, clip.clip_id)).set()

    async def _saved(self, task: Task, clip: Clip) -> Clip:
        """Return the clip with its file in the library, or with the reason why there is none."""
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
