"""The journal: every task from before it is paid for, and every clip.

Invariant: a task's row is on disk before its request leaves, and its status only moves forward
(`submitting` -> open -> ended), each move guarded by the status it moves from, so late or
repeated news never undoes anything.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from anyio import Event
from anyio.from_thread import check_cancelled

from song_mcp.journal import claims, rows
from song_mcp.journal.claims import Pace, SaveClaim, Spending
from song_mcp.journal.file import JournalFile
from song_mcp.journal.rows import NewTask, Prepared, Recorded
from song_mcp.songs import Clip, Report, Service, Task

T = TypeVar("T")

IN_DOUBT = "status = 'in_doubt' ORDER BY created_at DESC, rowid DESC"
RUNNING = "service = ? AND status IN ('pending', 'processing') ORDER BY created_at, rowid LIMIT 10"
MATCHES = (
    "service = :service AND kind = :kind AND asked = :asked AND asked != '' AND wire = '' "
    "AND account = (SELECT account FROM tasks WHERE local_id = :local_id) "
    "AND created_at BETWEEN :sent - 60 AND :sent + 600 ORDER BY created_at LIMIT 2"
)
RIVALS = (
    "SELECT count(*) FROM tasks WHERE status = 'in_doubt' AND local_id != :local_id "
    "AND fingerprint = (SELECT fingerprint FROM tasks WHERE local_id = :local_id)"
)
MATCHING = "has_words(?, tasks.local_id) ORDER BY created_at DESC, rowid DESC LIMIT ?"


@dataclass(frozen=True)
class Page:
    """Some tasks, newest first, and how many match in all."""

    tasks: tuple[Task, ...]
    total: int


@dataclass(frozen=True)
class Submitting:
    """A task that is being submitted: by which process, since when (Unix seconds)."""

    local_id: str
    owner: str
    created_at: float


class Journal:
    """The journal in the file `path`. Every method may raise JournalError."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        """Remember where the file is; it is opened, and made, on first use."""
        self.path = path
        self._now = now
        self._file = JournalFile(path, _add_functions)

    # Submitting ------------------------------------------------------------------------

    async def prepare(
        self, new: NewTask, *, join: bool, daily_limit: int | None = None
    ) -> Prepared:
        """Write a task as `submitting`, or with `join` find one that the request is to join.

        Looking, counting and writing are one transaction, so of several processes with one request
        one writes and the others join, and the limit holds over all of them. Raises
        LimitReachedError where the last 24 hours have used up `daily_limit`.
        """
        now = self._stamp()

        def work(db: sqlite3.Connection) -> Prepared:
            check_cancelled()  # a call that was given up while it waited must not pay later
            earlier = claims.joinable(db, new.fingerprint, new.account, now) if join else None
            if earlier is not None:
                return Prepared(rows.to_task(db, claims.followed_again(db, earlier)), joined=True)
            claims.check_limit(db, daily_limit, now)
            return Prepared(rows.inserted(db, new, now), joined=False)

        return await self._file.write("prepare", work)

    async def begin(self, local_id: str, owner: str, balance_usd: float | None) -> bool:
        """Write that a task is sent now, and what the account holds (US dollars, None: unknown).

        Gives False, and the task must not be sent, where it is not `owner`'s to send any more.
        """
        update = (
            "UPDATE tasks SET sent_at = ?, balance_usd = ? "
            "WHERE local_id = ? AND status = 'submitting' AND owner = ?"
        )
        values = (self._stamp(), balance_usd, local_id, owner)
        changed = await self._file.write("begin", lambda db: db.execute(update, values).rowcount)
        return changed == 1

    async def accept(
        self, local_id: str, new: NewTask, task_id: str, report: Report | None
    ) -> Recorded:
        """Write that the service took the submission, as `task_id`: charged, unless it says no.

        That is a fact whatever became of the row meanwhile: a task that was closed is opened
        again, and one whose journal was set aside is written anew, from `new`.
        """
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Recorded:
            rows.insert_new(db, local_id, new, stamp)
            rows.absorb(db, local_id, new.service, task_id)
            db.execute(
                "UPDATE tasks SET status = 'pending', task_id = ?, charged = 'yes', error = '', "
                "finished_at = NULL WHERE local_id = ? "
                "AND status IN ('submitting', 'in_doubt', 'abandoned')",
                (task_id, local_id),
            )
            return rows.record(db, local_id, report, stamp)

        return await self._file.write("accept", work)

    async def reject(self, local_id: str, new: NewTask, error: str) -> Task:
        """Write that the service refused the submission: nothing was charged."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Task:
            rows.insert_new(db, local_id, new, stamp)
            db.execute(
                "UPDATE tasks SET status = 'rejected', charged = 'no', error = ?, finished_at = ? "
                "WHERE local_id = ? AND status IN ('submitting', 'in_doubt')",
                (error, stamp, local_id),
            )
            return _task(db, local_id)

        return await self._file.write("reject", work)

    async def doubt(self, local_id: str, new: NewTask, error: str) -> Task:
        """Write that nobody knows whether the service took the submission."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Task:
            rows.insert_new(db, local_id, new, stamp)
            rows.doubt(db, local_id, error)
            return _task(db, local_id)

        return await self._file.write("doubt", work)

    async def submitting(self) -> Sequence[Submitting]:
        """Give what is being submitted, by whom, and since when."""
        query = "SELECT local_id, owner, created_at FROM tasks WHERE status = 'submitting'"
        return await self._file.read(lambda db: [Submitting(*row) for row in db.execute(query)])

    async def orphan(self, local_ids: Sequence[str], error: str) -> None:
        """Turn what nobody submits any more to `in_doubt`."""

        def work(db: sqlite3.Connection) -> None:
            for local_id in local_ids:
                rows.doubt(db, local_id, error)

        await self._file.write("orphan", work)

    async def running(self, service: Service) -> Sequence[Task]:
        """Give the tasks that are open at a service, oldest first."""
        return await self._file.read(lambda db: rows.tasks_where(db, RUNNING, (service,)))

    # Settling a doubt ------------------------------------------------------------------

    async def wire(self, local_id: str) -> Mapping[str, Any]:
        """Give the submission that the task was, as JSON values; empty for one made elsewhere."""

        def work(db: sqlite3.Connection) -> Mapping[str, Any]:
            return dict(json.loads(rows.task_row(db, local_id)["wire"] or "{}"))

        return await self._file.read(work)

    async def abandon(self, local_id: str, error: str) -> Task:
        """Close a doubt: whether it was charged stays unknown."""

        def work(db: sqlite3.Connection) -> Task:
            rows.abandon(db, local_id, error, self._stamp())
            return _task(db, local_id)

        return await self._file.write("settle", work)

    async def submit_again(
        self, local_id: str, account: str, owner: str, daily_limit: int | None
    ) -> tuple[Task, NewTask] | None:
        """Close a doubt and write a new task with the same submission, linked to it.

        Gives None, and writes nothing, where the task is not in doubt any more. Raises
        LimitReachedError as `prepare` does.
        """
        now = self._stamp()

        def work(db: sqlite3.Connection) -> tuple[Task, NewTask] | None:
            check_cancelled()
            row = rows.task_row(db, local_id)
            if row["status"] != "in_doubt":
                return None
            claims.check_limit(db, daily_limit, now)
            new = rows.new_again(row, account, owner)
            again = rows.inserted(db, new, now)
            rows.abandon(db, local_id, f"Submitted again as {again.local_id}.", now)
            return again, new

        return await self._file.write("settle", work)

    async def matches(self, task: Task) -> Sequence[Task]:
        """Give up to two tasks made elsewhere that may be what became of a task in doubt."""
        asked = str(task.request.get("lyrics") or task.description)
        names: dict[str, object] = {"service": task.service, "kind": task.kind, "asked": asked}
        values = names | {"sent": task.created_at.timestamp(), "local_id": task.local_id}
        return await self._file.read(lambda db: rows.tasks_where(db, MATCHES, values))

    async def has_rivals(self, task: Task) -> bool:
        """Tell whether another task in doubt asked for the very same."""
        values = {"local_id": task.local_id}
        return await self._file.read(lambda db: bool(db.execute(RIVALS, values).fetchone()[0]))

    async def merge(self, doubtful: Task, found: Task) -> Task:
        """Write that `found`, fetched by its id, is what became of a task in doubt."""

        def work(db: sqlite3.Connection) -> Task:
            rows.merge(db, doubtful.local_id, found.local_id)
            return _task(db, doubtful.local_id)

        return await self._file.write("settle", work)

    async def spending(self) -> Spending:
        """Give what was paid for in the last 24 hours."""
        now = self._stamp()
        return await self._file.read(lambda db: claims.spending(db, now))

    async def in_doubt(self) -> Sequence[Task]:
        """Give the tasks in doubt, newest first."""
        return await self._file.read(lambda db: rows.tasks_where(db, IN_DOUBT, ()))

    async def spent_since(self, task: Task) -> float:
        """Give what other tasks of the same account are known to have cost since `task`, in $."""
        values = (task.service, task.local_id, task.created_at.timestamp())
        query = (
            "SELECT sum(cost_usd) FROM tasks WHERE service = ? AND local_id != ? "
            "AND charged = 'yes' AND created_at >= ?"
        )
        return await self._file.read(lambda db: float(db.execute(query, values).fetchone()[0] or 0))

    # Following -------------------------------------------------------------------------

    async def claim_looks(self, account: str, slack_s: float, limit: int, pace: Pace) -> list[Task]:
        """Give the account's tasks whose look is due, and for nobody else to make."""
        now = self._stamp()
        return await self._file.write(
            "claim", lambda db: claims.claim_looks(db, account, now, slack_s, limit, pace)
        )

    async def next_look_s(self, account: str) -> float | None:
        """Give the seconds until the account's next look is due, or None where nothing is open."""
        now = self._stamp()
        due = await self._file.read(lambda db: claims.next_look_at(db, account, now))
        return None if due is None else due - now

    async def record(self, local_id: str, report: Report) -> Recorded:
        """Write what a service said at a look just now; an ended task stays as it ended."""
        return (await self.record_all({local_id: report}))[0]

    async def record_all(self, reports: Mapping[str, Report]) -> Sequence[Recorded]:
        """Write what a service said of several tasks, by id of ours, in one transaction."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Sequence[Recorded]:
            return [rows.record(db, key, report, stamp) for key, report in reports.items()]

        return await self._file.write("record", work)

    async def adopt(self, service: Service, account: str, report: Report) -> Recorded:
        """Write what a service said of a task that was made elsewhere."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Recorded:
            row = rows.find_row(db, report.task_id, service)
            if row is not None:
                return rows.record(db, row["local_id"], report, stamp)
            local_id = rows.new_local_id()
            rows.insert_foreign(db, local_id, service, account, report, stamp)
            return rows.record(db, local_id, report, stamp)

        return await self._file.write("adopt", work)

    async def unfollow(self, local_id: str) -> None:
        """Write that an open task is looked at no more, unless somebody asks."""
        values = (self._stamp(), local_id)
        await self._file.write("unfollow", lambda db: db.execute(claims.UNFOLLOW, values))

    async def deliver(self, task_ids: Sequence[str]) -> None:
        """Write that the end of these tasks, by any of their ids, reached a client."""
        stamp = self._stamp()
        update = (
            "UPDATE tasks SET delivered_at = ? WHERE ? IN (task_id, local_id) "
            "AND delivered_at IS NULL AND status IN ('completed', 'failed')"
        )
        values = [(stamp, task_id) for task_id in task_ids]
        await self._file.write("deliver", lambda db: db.executemany(update, values))

    # Keeping ---------------------------------------------------------------------------

    async def savers(self) -> Sequence[str]:
        """Give the processes that claimed to save a clip that is not saved yet."""
        return await self._file.read(
            lambda db: [row["save_owner"] for row in db.execute(claims.SAVERS)]
        )

    async def claim_saves(self, claim: SaveClaim) -> Sequence[tuple[Task, Clip]]:
        """Give the finished clips that are to be saved now, by the claiming process alone."""
        now = self._stamp()

        def work(db: sqlite3.Connection) -> Sequence[tuple[Task, Clip]]:
            due = claims.claim_saves(db, claim, now)
            found = [(_task(db, key), clip_id) for key, clip_id in due]
            return [(task, clip) for task, key in found if (clip := task.clip(key))]

        return await self._file.write("claim", work)

    async def keep(self, local_id: str, clip: Clip) -> Task:
        """Write where the library has a clip, or in `save_error` why it has not."""

        def work(db: sqlite3.Connection) -> Task:
            rows.update_kept(db, local_id, clip)
            return _task(db, local_id)

        return await self._file.write("keep", work)

    # Reading ---------------------------------------------------------------------------

    async def find(self, any_id: str, service: Service | None = None) -> Task | None:
        """Give the task with this id, a service's or ours, or None."""

        def work(db: sqlite3.Connection) -> Task | None:
            row = rows.find_row(db, any_id, service)
            return rows.to_task(db, row) if row else None

        return await self._file.read(work)

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Give the answer to a question of `lookup` or `changes`, from one state of the file."""
        return await self._file.read(question)

    @property
    def written(self) -> Event:
        """The event that is set when this process next writes."""
        return self._file.written

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

    async def close(self) -> None:
        """Close the file; the next use opens it again."""
        await self._file.close()

    def _stamp(self) -> float:
        return self._now().timestamp()


def _task(db: sqlite3.Connection, local_id: str) -> Task:
    return rows.to_task(db, rows.task_row(db, local_id))


def _add_functions(db: sqlite3.Connection) -> None:
    db.create_function("has_words", 2, lambda query, key: rows.has_words(db, query, key))
