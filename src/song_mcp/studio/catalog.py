"""The catalog: finds clips and tasks by whatever a person calls them, reads and joins their audio.

Nothing here asks a service or costs anything. A name means one clip or is refused, so what is paid
for is never guessed.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import anyio

from song_mcp import messages
from song_mcp.errors import (
    InvalidRequestError,
    LibraryError,
    NotFoundError,
    StorageError,
    UnknownClipError,
    UnknownTaskError,
)
from song_mcp.journal import LAST, Journal, Offer, Pair, Place
from song_mcp.library import Library, Part
from song_mcp.songs import Clip, Task, completed
from song_mcp.studio.chains import LONGEST, Chain, Whole, chain_of, whole_clip
from song_mcp.studio.saver import Saver
from song_mcp.studio.whereabouts import Whereabouts
from song_mcp.text import clean

T = TypeVar("T")

NAME_LIMIT = 1000
"""In characters: more than any title has, and more than most paths of a file have."""


@dataclass(frozen=True)
class Found:
    """The one clip that a name means, its task, and a note for the person on the choice.

    `untold` was made of a clip, and its end was delivered to no client. Before it the name may have
    meant another clip, so a repeated call would be about another clip than the first.
    """

    task: Task
    clip: Clip
    note: str = ""
    untold: Task | None = None


class Catalog:
    """Finds in the `journal` and reads from the `library`; `saver` tells when a clip is saved.

    A clip's name is its id, a short id (the beginning of its id, 6 characters or more, or the short
    id in its file's name), its exact title, its file's name, or `last`. A task's name is its id (a
    service's or ours) in any case or its beginning of 6 characters or more, the id of one of its
    clips, or `last`. Every method may raise JournalError.
    """

    def __init__(
        self, journal: Journal, library: Library, saver: Saver, whereabouts: Whereabouts
    ) -> None:
        """Take the parts; `whereabouts` says where a clip's file is before it is told or read."""
        self.whereabouts = whereabouts
        self._journal = journal
        self._library = library
        self._saver = saver
        self._joining = anyio.Lock()

    # Finding ---------------------------------------------------------------------------

    async def find(self, name: str) -> Found:
        """Return the one clip that `name` means, with a note if the name is `last`.

        Raises UnknownClipError if it means none, and InvalidRequestError if it is empty or means
        several clips or a task.
        """
        name = clean(name, limit=NAME_LIMIT, lines=False)
        if not name:
            raise InvalidRequestError(messages.unknown_clip(name))
        meaning = await self._journal.meaning(name)
        if meaning.task is not None:
            raise InvalidRequestError(messages.task_for_clip(meaning.task))
        if meaning.total > 1:
            raise InvalidRequestError(messages.which_clip(name, meaning.clips, meaning.total))
        if not meaning.clips:
            is_last = name.casefold() == LAST
            text = messages.no_last_clip() if is_last else messages.unknown_clip(name)
            raise UnknownClipError(text)
        ((task, clip),) = await self.whereabouts.of_pairs(meaning.clips[:1])
        note = messages.last_clip(task, clip, meaning.running) if meaning.is_last else ""
        return Found(task, clip, note, meaning.untold)

    async def clip(self, name: str) -> tuple[Task, Clip]:
        """Return the one clip that `name` means, and its task; raises as `find` does."""
        found = await self.find(name)
        return found.task, found.clip

    async def takes(self, name: str) -> list[Pair]:
        """Return what `name` means where nothing is paid: a clip, or the takes of one task.

        The name of a task means its finished clips, and a title that takes of one task share means
        all of them. Raises as `find` does for a name that means nothing, or clips of several tasks.
        """
        meaning = await self._journal.meaning(clean(name, limit=NAME_LIMIT, lines=False))
        task = meaning.task
        is_of_one = len({each.local_id for each, _ in meaning.clips}) == 1
        if task is None and is_of_one and len(meaning.clips) == meaning.total:
            return await self.whereabouts.of_pairs(meaning.clips)
        with suppress(InvalidRequestError):
            task = task or await self.known_task(name)
        if task is not None and not meaning.clips:
            task = await self.whereabouts.of_task(task)
            return [(task, clip) for clip in completed(task.clips)]
        found = await self.find(name)
        return [(found.task, found.clip)]

    async def chain(self, name: str) -> Chain:
        """Return what the song that ends with the clip called `name` is made of.

        Raises as `find` does.
        """
        _, clip = await self.clip(name)
        lineage = await self._journal.lineage(clip.clip_id, LONGEST + 1)
        return chain_of(await self.whereabouts.of_pairs(lineage))

    async def known_task(self, name: str) -> Task | None:
        """Return the task that `name` means, or None; `last` is the newest, whatever its status.

        Raises InvalidRequestError if it means several tasks.
        """
        name = clean(name, limit=NAME_LIMIT, lines=False)
        found = await self._journal.named_tasks(name)
        if len(found) > 1:
            raise InvalidRequestError(messages.which_task(name, found))
        return await self.whereabouts.of_task(found[0]) if found else None

    async def task(self, name: str) -> Task:
        """Return the task that `name` means; raises UnknownTaskError if there is none.

        Raises InvalidRequestError if it means several tasks.
        """
        task = await self.known_task(name)
        if task is None:
            raise UnknownTaskError(messages.unknown_task(name))
        return task

    async def page(self, after: Place | None, limit: int) -> tuple[list[Pair], Place | None]:
        """Return up to `limit` completed clips, newest task first, and the place after them.

        As argument None is the beginning; as result it means that no more clips follow.
        """
        clips, places = await self._journal.page(after, limit + 1)
        shown = await self.whereabouts.of_pairs(clips[:limit])
        return shown, places[limit - 1] if len(clips) > limit else None

    async def clip_names(self, begun: str, limit: int) -> Offer:
        """Return names of the finished clips that somebody who typed `begun` can mean.

        The newest is first. Each name means one clip.
        """
        return await self._journal.clip_names(begun, limit)

    async def task_ids(self, begun: str, limit: int) -> Offer:
        """Return the ids of the tasks that somebody who typed `begun` can mean, newest first."""
        return await self._journal.task_ids(begun, limit)

    async def expected_s(self, task: Task) -> float | None:
        """Return how many seconds such a task usually takes from its submission to its end.

        That is the median of the last 20 completed ones of its kind and model, else of its kind and
        service; None if fewer than three of those are known.
        """
        return await self._journal.expected_s(task)

    # Reading ---------------------------------------------------------------------------

    async def audio(self, name: str) -> tuple[bytes, str]:
        """Return a completed clip's audio bytes and MIME type; waits while it is being saved.

        Raises as `find` does, or LibraryError if there is no audio to read.
        """
        clip, content = await self._read(name, self._library.read)
        return content, clip.mime_type

    async def part(self, name: str, offset: int, size: int) -> Part:
        """Return up to `size` bytes (1 or more) of a clip's audio from `offset` on (0 or more).

        No other bytes of the file are read. Raises as `audio` does, and LibraryError if the file
        ends before `offset`.
        """
        _check_part(offset, size)
        _, part = await self._read(name, lambda clip: self._library.part(clip, offset, size))
        return part

    async def _read(self, name: str, read: Callable[[Clip], Awaitable[T]]) -> tuple[Clip, T]:
        """Return a clip and what `read` returns; once more if its file was moved meanwhile."""
        clip = await self._saved(name)
        try:
            return clip, await read(clip)
        except LibraryError:
            now = await self._saved(name)
            if now.file == clip.file:
                raise
            return now, await read(now)

    async def cover(self, name: str) -> tuple[bytes, str]:
        """Return the bytes and MIME type of a clip's cover in the library.

        Raises as `find` does, or NotFoundError if there is none.
        """
        clip = await self._saved(name)
        picture = await self._library.cover(clip)
        if picture is None:
            raise NotFoundError(messages.no_cover(clip))
        return picture

    async def timed_lyrics(self, name: str) -> tuple[Clip, str]:
        """Return a clip, and its timed lyrics as the content of an LRC file.

        Raises as `find` does, or NotFoundError if it has none.
        """
        task, clip = await self.clip(name)
        timed = self._library.timed_lyrics(task, clip)
        if not timed:
            raise NotFoundError(messages.no_timed_lyrics(clip))
        return clip, timed

    async def check_library(self) -> None:
        """Raise LibraryError, before anything is paid, if no song could be saved."""
        try:
            await self._library.check()
        except StorageError as error:
            raise LibraryError(messages.no_room_for_songs(self._library.folder, error)) from error

    # Joining ---------------------------------------------------------------------------

    async def whole(self, name: str) -> Whole:
        """Return the song that ends with the clip called `name`, its parts joined into one file.

        The file is made once, and nothing is fetched for it. A song of one clip is that clip.
        Raises as `find` does, or LibraryError if parts are not known, not saved or cannot be
        joined.
        """
        chain = await self.chain(name)
        if chain.gap:
            raise LibraryError(messages.no_whole(chain.gap))
        for part in chain.parts:
            if not part.clip.is_settled:
                raise LibraryError(messages.part_not_saved(part.task, part.clip))
        last = chain.parts[-1]
        if len(chain.parts) == 1:
            _check_there(last.task, last.clip)
            return Whole(chain, last.clip)
        try:
            return Whole(chain, await self._joined(last.task, chain))
        except LibraryError:  # it was not joined before, and now parts of it are missing
            for part in chain.parts:
                _check_there(part.task, part.clip)
            raise

    async def _joined(self, task: Task, chain: Chain) -> Clip:
        song = whole_clip(chain)
        parts = [(part.clip, part.until_s) for part in chain.parts]
        async with self._joining:  # one after the other: it takes memory and time of the processor
            saved = await self._library.join(task, song, parts)
        return replace(
            song,
            file=saved.file,
            cover=saved.cover,
            mime_type=saved.mime_type,
            duration_s=saved.duration_s or song.duration_s,
        )

    async def whole_audio(self, whole: Whole) -> bytes:
        """Return all bytes of a joined song; raises LibraryError if its file is gone."""
        return await self._library.read(whole.clip)

    async def whole_part(self, whole: Whole, offset: int, size: int) -> Part:
        """Return some bytes of a joined song as `part` does; raises as `part` does."""
        _check_part(offset, size)
        return await self._library.part(whole.clip, offset, size)

    async def saved(self, task: Task, clip: Clip) -> Clip:
        """Return a clip of `task` when it is no longer being saved; one without a file is tried."""
        if clip.is_settled or not clip.audio_url:
            return clip
        await self._saver.save_now(task, clip)
        _, clip = await self.clip(clip.clip_id)
        return clip

    async def _saved(self, name: str) -> Clip:
        """Return the clip when it is no longer being saved; one without a file is tried once."""
        task, clip = await self.clip(name)
        _check_there(task, clip)
        if clip.is_saved:
            return clip
        await self._saver.save_now(task, clip)
        _, clip = await self.clip(clip.clip_id)
        return clip


def _check_there(task: Task, clip: Clip) -> None:
    """Raise LibraryError if the person deleted a clip's file, or its folder is not there."""
    if why := messages.of_files([replace(task, clips=(clip,))]):
        raise LibraryError(why)


def _check_part(offset: int, size: int) -> None:
    if offset < 0 or size < 1:
        msg = f"A part starts at 0 or later and has a byte or more, not {size} at {offset}."
        raise InvalidRequestError(msg)
