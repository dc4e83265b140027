"""Where the files of clips are: what the person did in the folder is noticed and written down.

Whoever shows or reads a clip asks here first. A file that was renamed or moved is followed, in
every process, as the journal knows it from then on. One that was deleted is told, and saved again
only when somebody asks for that: see `get_again`. If the folder itself is not there, nothing is
changed. `library.whereabouts` says how a file is found.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from song_mcp.errors import JournalError
from song_mcp.journal import Journal, Pair
from song_mcp.library import Library, Seen
from song_mcp.songs import Clip, Task


class Whereabouts:
    """Looks into the `library` for the files that the `journal` names."""

    def __init__(self, journal: Journal, library: Library) -> None:
        self._journal = journal
        self._library = library
        self._volume: str | None = None
        self._is_volume_read = False

    async def of(self, tasks: Sequence[Task]) -> list[Task]:
        """Return tasks with the files of their clips as they are now; writes what is new of that.

        If the journal cannot be read or written, or the drive does not answer, as far as is known.
        """
        pairs = [(task, clip) for task in tasks for clip in task.clips if _has_or_had_file(clip)]
        if not pairs:
            return list(tasks)
        with suppress(JournalError):
            seen = await self._seen(pairs)
            if seen is not None:
                await self._write(pairs, seen)
                return _with(tasks, pairs, seen.clips)
        return list(tasks)

    async def of_task(self, task: Task) -> Task:
        """Return one task as `of` does."""
        return (await self.of([task]))[0]

    async def of_pairs(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Return clips and their tasks as `of` returns tasks."""
        tasks = {task.local_id: task for task, _ in pairs}
        now = {task.local_id: task for task in await self.of(list(tasks.values()))}
        return [
            (now[task.local_id], now[task.local_id].clip(clip.clip_id) or clip)
            for task, clip in pairs
        ]

    async def get_again(self, task: Task, name: str) -> Task:
        """Have the deleted files of a task saved again: of the clip called `name`, else all."""
        gone = [clip for clip in task.clips if clip.is_gone]
        named = [clip for clip in gone if name in {clip.clip_id, clip.public_id}]
        if not gone:
            return task
        ids = [clip.clip_id for clip in named or gone]
        return await self.of_task(await self._journal.get_again(task.local_id, ids))

    async def _seen(self, pairs: Sequence[Pair]) -> Seen | None:
        if not self._is_volume_read:
            self._volume = await self._journal.volume_of(self._library.folder)
            self._is_volume_read = True
        seen = await self._look(pairs, ())
        if seen is not None and seen.is_strange:
            return await self._look(pairs, await self._journal.clip_keys())
        return seen

    async def _look(self, pairs: Sequence[Pair], keys: Collection[str]) -> Seen | None:
        return await self._library.look(pairs, self._volume, keys)

    async def _write(self, pairs: Sequence[Pair], seen: Seen) -> None:
        moves = [
            (task.local_id, was, clip)
            for (task, before), clip in zip(pairs, seen.clips, strict=True)
            if (was := before.file or before.gone_file) and _files(clip) != _files(before)
        ]
        with suppress(JournalError):
            if moves:
                await self._journal.track(moves)
            if seen.volume and seen.volume != self._volume:
                self._volume = seen.volume
                await self._journal.seen_on(self._library.folder, seen.volume)


def _has_or_had_file(clip: Clip) -> bool:
    return clip.file is not None or clip.gone_file is not None


def _files(clip: Clip) -> tuple[object, ...]:
    return clip.file, clip.gone_file, clip.cover, clip.lyrics_file


def _with(tasks: Sequence[Task], pairs: Sequence[Pair], clips: Sequence[Clip]) -> list[Task]:
    """Return the tasks with these clips in place of those of the pairs."""
    now = {
        (task.local_id, clip.clip_id): clip for (task, _), clip in zip(pairs, clips, strict=True)
    }
    return [
        replace(
            task,
            clips=tuple(now.get((task.local_id, each.clip_id), each) for each in task.clips),
        )
        for task in tasks
    ]
