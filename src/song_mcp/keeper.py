"""The keeper: brings finished clips from where the services have them into the library.

Invariant: a clip is saved at most once at a time in this process, in the background, and what
came of it is in the journal: a file, or the reason why there is none.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from song_mcp.errors import LibraryError, SongError
from song_mcp.journal import Journal
from song_mcp.library import Library
from song_mcp.songs import Clip, Task

logger = logging.getLogger(__name__)


class Keeper:
    """Saves clips in the task group `work`, and calls `announce` with the task's id of ours."""

    def __init__(
        self, journal: Journal, library: Library, work: TaskGroup, announce: Callable[[str], None]
    ) -> None:
        self._journal = journal
        self._library = library
        self._work = work
        self._announce = announce
        self._saving: dict[tuple[str, str], anyio.Event] = {}

    async def keep(self, task: Task) -> None:
        """Start saving the task's finished clips that the library does not hold yet."""
        for clip in task.clips:
            key = (task.local_id, clip.clip_id)
            if _can_be_saved(clip) and key not in self._saving:
                self._saving[key] = anyio.Event()
                self._work.start_soon(self._save, task, clip)

    async def kept(self, task: Task, clip: Clip) -> None:
        """Come back when the clip is not being saved any more, starting that where it is due."""
        await self.keep(task)
        under_way = self._saving.get((task.local_id, clip.clip_id))
        if under_way is not None:
            await under_way.wait()

    def is_busy(self, task: Task) -> bool:
        """Whether a clip of the task is being saved."""
        return any((task.local_id, clip.clip_id) in self._saving for clip in task.clips)

    async def _save(self, task: Task, clip: Clip) -> None:
        try:
            await self._journal.keep(task.local_id, await self._kept(task, clip))
        except SongError:
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


def _can_be_saved(clip: Clip) -> bool:
    return clip.status == "completed" and bool(clip.audio_url) and not clip.is_saved
