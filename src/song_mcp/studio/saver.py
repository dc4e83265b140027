"""The saver: saves finished clips into the library.

A try to save a clip is claimed in the journal before it is made, so only one of all processes makes
it. Its outcome is in the journal: a file, or the reason why there is none. When the next try is
made, the caretaker decides.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import anyio
from anyio.abc import TaskGroup

from song_mcp.clock import Clock
from song_mcp.errors import JournalError, LibraryError, SongError, StorageError
from song_mcp.journal import Journal, Liveness, Pair, SaveClaim, SavesDue
from song_mcp.library import Library, Saved
from song_mcp.messages import SAVING_GIVEN_UP, SAVING_MISTAKE
from song_mcp.songs import Clip, Task
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

SAVE_TRIES = 5
"""At how many tries one after the other processes may die until a clip is given up."""
SAVES_AT_ONCE = 16
"""How many clips are saved at the same time: each takes a connection and open files.

They are many, so that some hosts that are slow or silent hold up no other song.
"""
LOOKS_EVERY_S = 1.0
"""How often, in seconds, the journal is read for the end of another process's try."""
WRITTEN_AGAIN_S = (1.0, 5.0, 30.0, 120.0)
"""After how many seconds each an outcome is written again if the journal could not be written."""
ASKED_EVERY_S = 8.0
"""How often, in seconds, a fresh link is asked for within a try: about 2, 10 and 18 s after its
beginning, as the library's pauses are."""
EVERY_TASK = ""
EVERY_CLIP = ""


class Saver:
    """Saves clips in the task group `work`; calls `ended` with the task's id after each try."""

    def __init__(
        self,
        journal: Journal,
        library: Library,
        liveness: Liveness,
        clock: Clock,
        work: TaskGroup,
        ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._journal = journal
        self._library = library
        self._liveness = liveness
        self._clock = clock
        self._work = work
        self._ended = ended
        self._saving: dict[tuple[str, str], _Links] = {}
        self._limit = anyio.CapacityLimiter(SAVES_AT_ONCE)
        self._has_claimed = False
        self.tried = anyio.Event()
        """The event that is set when a try of this process ends."""
        self.ask: Callable[[Task], Awaitable[None]] = _asks_nobody
        """Has the service of a task asked for fresh links, and written what it says."""

    async def save_due(self, task: Task) -> None:
        """Start to save those finished clips of a task that nobody has tried yet."""
        if not task.has_nothing_to_save:
            await self.start_claimed("new", task.local_id)

    async def start_claimed(self, due: SavesDue, local_id: str, clip_id: str = EVERY_CLIP) -> None:
        """Claim and start what is due; what fails is claimed again later."""
        with going_on("saving what is due"):
            for task, clip in await self.claimed(due, local_id, clip_id):
                self.start(task, clip)

    async def save_now(self, task: Task, clip: Clip) -> None:
        """Return when nobody saves the clip; if nobody did and none did just now, try once now.

        That is done for a clip that was given up as well.
        """
        key = (task.local_id, clip.clip_id)
        while True:
            await self.start_claimed("asked", *key)
            if key in self._saving:
                await self._saving[key].ended.wait()
                return
            found = await self._journal.find(task.local_id)
            now = found.clip(clip.clip_id) if found else None
            if now is None or not now.is_being_saved:
                return
            await self._clock.sleep(LOOKS_EVERY_S)

    async def claimed(
        self, due: SavesDue, local_id: str = EVERY_TASK, clip_id: str = EVERY_CLIP
    ) -> Sequence[Pair]:
        """Return the clips to save now; who called is to `start` each of them."""
        await self._liveness.show()
        self._has_claimed = True
        dead = await self._liveness.dead_among(await self._journal.savers())
        owner = self._liveness.token
        claim = SaveClaim(local_id, owner, SAVE_TRIES, dead, SAVING_GIVEN_UP, due, clip_id)
        found = await self._journal.claim_saves(claim)
        return [(task, clip) for task, clip in found if _key(task, clip) not in self._saving]

    async def next_s(self) -> float | None:
        """Return the seconds until the next try is due by plan, or None if none is planned."""
        return await self._journal.next_save_s(SAVE_TRIES)

    def start(self, task: Task, clip: Clip) -> None:
        """Start to save a clip that was claimed."""
        self._saving[_key(task, clip)] = _Links(clip)
        self._work.start_soon(self._save, task, clip)

    def renew(self, task: Task) -> None:
        """Have the tries under way for a task use the links that are new, at once."""
        for clip in task.clips:
            links = self._saving.get(_key(task, clip))
            if links is not None:
                links.take(clip)

    async def hand_back(self) -> None:
        """Leave what this process claimed and did not end to others, who may begin it at once.

        Called when no try of this process is under way any more, and it makes none again.
        """
        if self._has_claimed:
            with anyio.CancelScope(shield=True), going_on("handing back what is not saved"):
                await self._journal.hand_back_saves(self._liveness.token)

    async def _save(self, task: Task, clip: Clip) -> None:
        try:
            async with self._limit:
                saved = await self._saved(task, clip)
            await self._write(task, saved)
        except Exception:  # a mistake of our own must not end the server
            logger.exception("what became of clip %s could not be written", clip.clip_id)
        finally:
            self._saving.pop(_key(task, clip)).ended.set()
            tried, self.tried = self.tried, anyio.Event()
            tried.set()
            self._ended(task.local_id)

    async def _write(self, task: Task, clip: Clip) -> None:
        """Write the outcome, also if the journal cannot be written for some time."""
        for again_s in WRITTEN_AGAIN_S:
            try:
                await self._journal.save_clip(task.local_id, clip)
            except JournalError:
                await self._clock.sleep(again_s)
            else:
                return
        await self._journal.save_clip(task.local_id, clip)

    async def _saved(self, task: Task, clip: Clip) -> Clip:
        """Return the clip with its file in the library, or with the reason why there is none.

        If the newest link does not work, a fresh one is asked for, and the earlier ones are tried.
        """
        links = self._saving[_key(task, clip)]
        next_link = partial(self._next_link, task, clip, links)
        reasons: list[str] = []
        link_failed = True
        while url := links.untried():
            try:
                saved = await self._library.save(task, replace(clip, audio_url=url), next_link)
                return _with_file(clip, saved)
            except LibraryError as error:
                reasons.append(str(error))
                link_failed = link_failed and not isinstance(error, StorageError)
            except Exception:  # a mistake of our own must not end the server
                logger.exception("clip %s could not be saved", clip.clip_id)
                reasons.append(SAVING_MISTAKE)
                link_failed = False
        return replace(clip, save_error=reasons[0], link_failed=link_failed)

    async def _next_link(self, task: Task, clip: Clip, links: "_Links", pause_s: float) -> str:
        """Return the link to try next: another one, or after a pause a fresh or the same one."""
        if url := links.untried():
            return url
        async with self._place_given_up():
            if not await self._clock.wait(links.renewed, pause_s):
                await self._refresh(task, clip, links)
        links.renewed = anyio.Event()
        return links.untried() or links.newest

    @asynccontextmanager
    async def _place_given_up(self) -> AsyncIterator[None]:
        """Let other clips be saved meanwhile: a link that does not work yet holds up no song."""
        self._limit.release()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._limit.acquire()

    async def _refresh(self, task: Task, clip: Clip, links: "_Links") -> None:
        """Take the links that the journal has by now, after asking for fresh ones at times."""
        with suppress(SongError):
            if links.may_ask(self._clock.monotonic()):
                await self.ask(task)
            found = await self._journal.find(task.local_id)
            links.take((found.clip(clip.clip_id) if found else None) or clip)


class _Links:
    """The links of a clip while this process tries to save it; `ended` when that is over."""

    def __init__(self, clip: Clip) -> None:
        self.ended = anyio.Event()
        self.renewed = anyio.Event()
        self._known = [clip.audio_url, *clip.earlier_urls]
        self._tried: set[str] = set()
        self._asked_at_s: float | None = None

    @property
    def newest(self) -> str:
        """The newest link."""
        return self._known[0]

    def untried(self) -> str:
        """Return the newest link that was not tried, which counts as tried then; "" if none."""
        found = next((url for url in self._known if url not in self._tried), "")
        self._tried.add(found)
        return found

    def take(self, clip: Clip) -> None:
        """Take over the clip's links if the newest is another one."""
        if clip.audio_url and clip.audio_url != self.newest:
            self._known = [clip.audio_url, *(url for url in self._known if url != clip.audio_url)]
            self.renewed.set()

    def may_ask(self, now_s: float) -> bool:
        """Tell whether the service was not asked in the last 8 s of this try; then it is now."""
        is_due = self._asked_at_s is None or now_s - self._asked_at_s >= ASKED_EVERY_S
        self._asked_at_s = now_s if is_due else self._asked_at_s
        return is_due


async def _asks_nobody(_: Task) -> None:
    """Ask for no fresh links: nobody has said how."""


def _key(task: Task, clip: Clip) -> tuple[str, str]:
    return task.local_id, clip.clip_id


def _with_file(clip: Clip, saved: Saved) -> Clip:
    return replace(
        clip,
        file=saved.file,
        cover=saved.cover,
        mime_type=saved.mime_type,
        digest=saved.digest,
        duration_s=saved.duration_s,
        save_error="",
    )
