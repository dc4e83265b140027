"""The journal: every task from before it is paid for, and every clip.

Invariant: a task's row is on disk before its request leaves, and its status only moves forward
(`submitting` -> open -> ended), each move guarded by the status it moves from, so late or
repeated news never undoes anything.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from song_mcp import rows
from song_mcp.errors import Charged
from song_mcp.journal_file import JournalFile
from song_mcp.rows import NewTask, Prepared, Recorded
from song_mcp.songs import Clip, Report, Service, Status, Task

OPEN_WITH_ID = (
    "status IN ('submitting', 'pending', 'processing') AND task_id != '' ORDER BY created_at, rowid"
)
UNSAVED = (
    "status = 'completed' AND created_at >= ? AND EXISTS (SELECT 1 FROM clips "
    "WHERE clips.local_id = tasks.local_id AND clips.status = 'completed' "
    "AND clips.file = '' AND clips.audio_url != '') ORDER BY created_at, rowid"
)
WITH_CLIP = (
    "local_id IN (SELECT local_id FROM clips WHERE clip_id = ?) "
    "ORDER BY created_at DESC, rowid DESC LIMIT 1"
)
WITH_COMPLETED_CLIP = (
    "local_id IN (SELECT local_id FROM clips WHERE status = 'completed') "
    "ORDER BY created_at DESC, rowid DESC"
)
MATCHING = "has_words(?, tasks.local_id) ORDER BY created_at DESC, rowid DESC LIMIT ?"


@dataclass(frozen=True)
class Page:
    """Some tasks, newest first, and how many match in all."""

    tasks: tuple[Task, ...]
    total: int


class Journal:
    """The journal in the file `path`. Every method may raise JournalError."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        """Remember where the file is; it is opened, and made, on first use."""
        self.path = path
        self._now = now
        self._file = JournalFile(path, _add_functions)

    # Submitting ------------------------------------------------------------------------

    async def prepare(self, new: NewTask, *, join: bool) -> Prepared:
        """Write a task as `submitting`, or with `join` find an open or doubtful one like it.

        Looking and writing are one transaction, so of several processes with one request one
        writes and the others join.
        """

        def work(db: sqlite3.Connection) -> Prepared:
            earlier = rows.same_request(db, new.fingerprint) if join else None
            if earlier is not None:
                return Prepared(rows.to_task(db, earlier), joined=True)
            local_id = rows.new_local_id()
            rows.insert_new(db, local_id, new, self._stamp())
            return Prepared(_task(db, local_id), joined=False)

        return await self._file.write(work)

    async def accept(self, local_id: str, task_id: str, report: Report | None) -> Recorded:
        """Write that the service took the submission, as `task_id`: charged, unless it says no."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Recorded:
            db.execute(
                "UPDATE tasks SET status = 'pending', task_id = ?, charged = 'yes', error = '' "
                "WHERE local_id = ? AND status IN ('submitting', 'in_doubt')",
                (task_id, local_id),
            )
            return rows.record(db, local_id, report, stamp)

        return await self._file.write(work)

    async def reject(self, local_id: str, error: str) -> Task:
        """Write that the service refused the submission: nothing was charged."""
        return await self._settle(local_id, "rejected", "no", error)

    async def doubt(self, local_id: str, error: str) -> Task:
        """Write that nobody knows whether the service took the submission."""
        return await self._settle(local_id, "in_doubt", "unknown", error)

    async def _settle(self, local_id: str, status: Status, charged: Charged, error: str) -> Task:
        finished_at = self._stamp() if status == "rejected" else None

        def work(db: sqlite3.Connection) -> Task:
            db.execute(
                "UPDATE tasks SET status = ?, charged = ?, error = ?, finished_at = ? "
                "WHERE local_id = ? AND status = 'submitting'",
                (status, charged, error, finished_at, local_id),
            )
            return _task(db, local_id)

        return await self._file.write(work)

    # Following -------------------------------------------------------------------------

    async def record(self, local_id: str, report: Report) -> Recorded:
        """Write what a service said at a look just now; an ended task stays as it ended."""
        stamp = self._stamp()
        return await self._file.write(lambda db: rows.record(db, local_id, report, stamp))

    async def adopt(self, service: Service, report: Report) -> Recorded:
        """Write what a service said of a task that was made elsewhere."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Recorded:
            row = rows.find_row(db, report.task_id, service)
            if row is not None:
                return rows.record(db, row["local_id"], report, stamp)
            local_id = rows.new_local_id()
            rows.insert_foreign(db, local_id, service, report, stamp)
            return rows.record(db, local_id, report, stamp)

        return await self._file.write(work)

    async def open_tasks(self) -> Sequence[Task]:
        """Give the open tasks that have a service's id, oldest first."""
        return await self._file.read(lambda db: rows.tasks_where(db, OPEN_WITH_ID, ()))

    # Keeping ---------------------------------------------------------------------------

    async def keep(self, local_id: str, clip: Clip) -> Task:
        """Write where the library has a clip, or in `save_error` why it has not."""

        def work(db: sqlite3.Connection) -> Task:
            rows.update_kept(db, local_id, clip)
            return _task(db, local_id)

        return await self._file.write(work)

    async def unsaved(self, since: datetime) -> Sequence[Task]:
        """Give the completed tasks made since then of which the library lacks a finished clip."""
        values = (since.timestamp(),)
        return await self._file.read(lambda db: rows.tasks_where(db, UNSAVED, values))

    # Reading ---------------------------------------------------------------------------

    async def find(self, any_id: str, service: Service | None = None) -> Task | None:
        """Give the task with this id, a service's or ours, or None."""

        def work(db: sqlite3.Connection) -> Task | None:
            row = rows.find_row(db, any_id, service)
            return rows.to_task(db, row) if row else None

        return await self._file.read(work)

    async def find_clip(self, clip_id: str) -> tuple[Task, Clip] | None:
        """Give the newest task that made the clip with this id, and the clip, or None."""

        def work(db: sqlite3.Connection) -> tuple[Task, Clip] | None:
            tasks = rows.tasks_where(db, WITH_CLIP, (clip_id,))
            clip = tasks[0].clip(clip_id) if tasks else None
            return (tasks[0], clip) if clip else None

        return await self._file.read(work)

    async def search(self, query: str, limit: int) -> Page:
        """Give up to `limit` tasks, newest first, in which every word of `query` occurs.

        Looked through are title, description, lyrics and ids of the task and its clips.
        """

        def work(db: sqlite3.Connection) -> Page:
            count = db.execute(
                "SELECT count(*) FROM tasks WHERE has_words(?, tasks.local_id)", (query,)
            )
            total = int(count.fetchone()[0])
            return Page(tuple(rows.tasks_where(db, MATCHING, (query, limit))), total)

        return await self._file.read(work)

    async def completed_clips(self) -> Sequence[tuple[Task, Clip]]:
        """Give every completed clip with its task, newest task first, takes in their order."""

        def work(db: sqlite3.Connection) -> Sequence[tuple[Task, Clip]]:
            tasks = rows.tasks_where(db, WITH_COMPLETED_CLIP, ())
            return [(t, clip) for t in tasks for clip in t.clips if clip.status == "completed"]

        return await self._file.read(work)

    async def close(self) -> None:
        """Close the file; the next use opens it again."""
        await self._file.close()

    def _stamp(self) -> float:
        return self._now().timestamp()


def _task(db: sqlite3.Connection, local_id: str) -> Task:
    return rows.to_task(db, rows.task_row(db, local_id))


def _add_functions(db: sqlite3.Connection) -> None:
    db.create_function("has_words", 2, lambda query, key: rows.has_words(db, query, key))
