"""The class Journal: everything that the rest of the program does with the journal's file.

Each method is one transaction. A task's row is on disk before its request is sent. Its status only
moves forward (`transitions`), so a late or repeated report undoes nothing.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from anyio import Event, to_thread
from anyio.from_thread import check_cancelled

from song_mcp.errors import InvalidRequestError, JournalError
from song_mcp.journal import balance, bills, changes, claims, lookup, rows, search, writes
from song_mcp.journal.file import JournalFile
from song_mcp.journal.mark import Mark
from song_mcp.journal.values import (
    Again,
    Doubt,
    IsOver,
    Looker,
    Meaning,
    News,
    NewTask,
    Offer,
    Orphaned,
    Pace,
    Page,
    Pair,
    Place,
    Prepared,
    Recorded,
    Restore,
    Salvage,
    SaveClaim,
    Spending,
    Spent,
    Submitted,
    Submitting,
)
from song_mcp.songs import Clip, Report, ServiceName, Task

T = TypeVar("T")

SUBMITTING = "SELECT local_id, owner, created_at, service FROM tasks WHERE status = 'submitting'"
DOUBTS = "status = 'in_doubt' ORDER BY place DESC"
RUNNING = "service = ? AND status IN ('pending', 'processing') ORDER BY place, rowid LIMIT 10"
MATCHES = (
    "service = :service AND kind = :kind AND asked = :asked AND asked != '' AND wire = '' "
    "AND account = (SELECT account FROM tasks WHERE local_id = :local_id) "
    "AND created_at BETWEEN :sent - 60 AND :sent + 600 ORDER BY created_at LIMIT 2"
)
NOT_KEPT = (
    "The journal does not have what was sent for this task: an earlier version of song-mcp made "
    "it, or its record was damaged. So it cannot be submitted again. Nothing was sent or paid. "
    "Make a new song instead."
)


@contextmanager
def unpaid() -> Iterator[None]:
    """Add to a JournalError that nothing was sent or paid: what is done inside precedes a payment.

    The file itself says nothing of that, as it may fail after a payment too.
    """
    try:
        yield
    except JournalError as error:
        msg = f"{error} Nothing was sent or paid."
        raise JournalError(msg) from error


class Journal:
    """The journal in the file `path`. Every method may raise JournalError."""

    def __init__(self, path: Path, now: Callable[[], datetime], unusable: str = "") -> None:
        """Remember where the file is; it is opened on first use, and made if needed.

        If `unusable` says why not, it never is.
        """
        self.path = path
        self.unusable = unusable
        self._now = now
        self._file = JournalFile(path, unusable)
        self._mark = Mark(path)

    # Submitting ------------------------------------------------------------------------

    async def prepare(
        self,
        new: NewTask,
        *,
        join: bool,
        daily_limit: int | None = None,
        answered: set[str] | None = None,
        is_over: IsOver = lambda *_: False,
        check: Callable[[], None] = lambda: None,
    ) -> Prepared:
        """Write a task as `submitting`, or with `join` return the one that an equal request joins.

        Searching, counting and writing are one transaction: of several processes with the same
        request one writes and the others join, and the limit holds for all of them together.
        `answered` are tasks, by any of their ids, of which this process is telling clients now: a
        call for another take joins none of them, and its own is added in the same transaction.
        `is_over` tells of calls that were cut off and of which the journal does not know it, and
        `check` raises an error if the call is not to pay any more: both are called in a thread,
        inside the transaction.
        Raises LimitReachedError if the last 24 hours have used up `daily_limit`, UnconfirmedError
        as long as no person has confirmed what a damaged journal was replaced by, and with `join`
        InvalidRequestError if another take is asked for while an equal task is in doubt.
        """
        now = self._stamp()
        takes = set() if answered is None else answered

        def work(db: sqlite3.Connection) -> Prepared:
            check_cancelled()  # a call that was cancelled while it waited must not pay later
            check()
            if not join:
                return Prepared(claims.written(db, new, now, daily_limit), joined=False)
            found = claims.joined_or_written(
                db, new, now, answered=sorted(takes), is_over=is_over, daily_limit=daily_limit
            )
            if new.another_take:
                takes.add(found.task.local_id)
            return found

        with unpaid():
            return await self._file.write("prepare", work)

    async def begin(self, local_id: str, owner: str, balance_usd: float | None) -> bool:
        """Write that a task is sent now, and the account's balance (US dollars, None: unknown).

        Returns False if the task is no longer `owner`'s to send: then it must not be sent. Raises
        UnconfirmedError as `prepare` does.
        """
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> bool:
            claims.check_confirmed(db)  # the journal may have been damaged since it was prepared
            return writes.begin(db, local_id, owner, balance_usd, stamp)

        with unpaid():
            is_ours = await self._file.write("begin", work)
            await self._leave_mark()
        return is_ours

    async def accept(
        self, local_id: str, new: NewTask, task_id: str, report: Report | None
    ) -> Recorded:
        """Write that the service accepted the submission as `task_id`: it counts as charged.

        That holds whatever happened to the row meanwhile. A task that was closed is opened again,
        and one whose journal was set aside is written again, from `new`. If a doubt about it was
        settled with another task, it becomes a task of its own beside that. `report` is what the
        answer says of the task, None if it says nothing; it may say that nothing was charged.
        """
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Recorded:
            writes.insert_new(db, local_id, new, stamp)
            writes.absorb(db, local_id, new.service, task_id)
            accepted_as = writes.accept(db, local_id, new, task_id, stamp)
            return claims.record(db, accepted_as, report, stamp)

        return await self._file.write("accept", work)

    async def reject(self, local_id: str, new: NewTask, error: str) -> Task:
        """Write that the service refused the submission: nothing was charged."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Task:
            writes.insert_new(db, local_id, new, stamp)
            writes.reject(db, local_id, error, stamp)
            return rows.task(db, local_id)

        return await self._file.write("reject", work)

    async def doubt(self, local_id: str, new: NewTask, error: str) -> Task:
        """Write that nobody knows whether the service accepted the submission."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Task:
            writes.insert_new(db, local_id, new, stamp)
            writes.doubt(db, local_id, error, stamp)
            return rows.task(db, local_id)

        return await self._file.write("doubt", work)

    async def submitting(self) -> Sequence[Submitting]:
        """Return the tasks that are being submitted, by which process, and since when."""
        return await self._file.read(
            lambda db: [Submitting(*row) for row in db.execute(SUBMITTING)]
        )

    async def orphan(self, local_ids: Sequence[str], why: Orphaned) -> None:
        """Write what is known of tasks that no process submits any more, with one of the errors.

        They are in doubt, or rejected if nothing of them was sent or they cost nothing.
        """
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> None:
            for local_id in local_ids:
                writes.orphan(db, local_id, why, stamp)

        await self._file.write("orphan", work)

    async def received(self, local_id: str, report: Report) -> Task:
        """Write what the answer to a submission said that came before its sender died.

        A task of which something else is known stays as it is.
        """
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Task:
            writes.receive(db, local_id, report.task_id)
            return claims.record(db, local_id, report, stamp).task

        return await self._file.write("settle", work)

    # Settling a doubt ------------------------------------------------------------------

    async def abandon(self, local_id: str, error: str) -> Task:
        """Close a doubt: whether it was charged stays unknown."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Task:
            writes.abandon(db, local_id, error, stamp)
            return rows.task(db, local_id)

        return await self._file.write("settle", work)

    async def submit_again(
        self, local_id: str, account: str, owner: str, daily_limit: int | None, file: str = ""
    ) -> Again:
        """Close a doubt and write a new task with the same submission, linked to it.

        `file` is where the audio that goes along is now, "" if it is where it was.

        Writes no task if the task is not in doubt any more. Nor does it when it is first to be paid
        from another account than before: then the user must be asked. That this was done is in the
        journal, so the answer may be given to another process or after a restart. Raises
        InvalidRequestError if the submission is not known; else raises as `prepare` does.
        """
        now = self._stamp()

        def work(db: sqlite3.Connection) -> Again:
            check_cancelled()
            row = rows.task_row(db, local_id)
            if row["status"] != "in_doubt":
                return Again()
            new = _new_again(row, account, owner, file)
            if writes.ask_for_account(db, local_id, account):
                return Again(must_ask=True)
            again = claims.written(db, new, now, daily_limit)
            writes.abandon(db, local_id, f"Submitted again as {again.local_id}.", now)
            return Again((again, new))

        with unpaid():
            return await self._file.write("settle", work)

    async def matches(self, task: Task) -> Sequence[Task]:
        """Return up to two tasks made elsewhere that may be the one in doubt."""
        asked = str(task.request.get("lyrics") or task.description)
        names: dict[str, object] = {"service": task.service, "kind": task.kind, "asked": asked}
        values = names | {"sent": task.created_at.timestamp(), "local_id": task.local_id}
        return await self._file.read(lambda db: rows.tasks_where(db, MATCHES, values))

    async def has_rivals(self, task: Task) -> bool:
        """Tell whether another submission of the same request is in flight or in doubt."""
        return await self._file.read(lambda db: claims.has_rivals(db, task.local_id))

    async def merge(self, doubtful: Task, found: Task) -> Task:
        """Write that `found`, fetched by its id, is the task in doubt."""

        def work(db: sqlite3.Connection) -> Task:
            writes.merge(db, doubtful.local_id, found.local_id)
            return rows.task(db, doubtful.local_id)

        return await self._file.write("settle", work)

    # Searching for a submission in doubt ---------------------------------------------------

    async def claim_search(self, service: ServiceName, account: str) -> Doubt | None:
        """Return a submission in doubt to search for now; this process alone is to do it."""
        now, who = self._stamp(), Looker(service, account)
        return await self._file.write("claim", lambda db: claims.claim_search(db, who, now))

    async def next_search_s(self, service: ServiceName, account: str) -> float | None:
        """Return the seconds until the account's next search is due, or None if none is."""
        now, who = self._stamp(), Looker(service, account)
        due = await self._file.read(lambda db: claims.next_search_at(db, who, now))
        return None if due is None else due - now

    async def doubt_of(self, local_id: str) -> Doubt | None:
        """Return what one needs to search for a task, None if it is not in doubt or not known."""
        return await self._file.read(lambda db: rows.to_doubt(db, rows.task_row(db, local_id)))

    async def unknown_ids(self, service: ServiceName, task_ids: Sequence[str]) -> Sequence[str]:
        """Return those of a service's ids that no task has which was submitted here."""
        return await self._file.read(lambda db: claims.unknown_ids(db, service, task_ids))

    async def found(self, local_id: str, report: Report) -> Recorded | None:
        """Write that the task of this report, which the history shows, is the one in doubt.

        Returns None, and writes nothing, if it may be another one; see `claims.found`.
        """
        stamp = self._stamp()
        return await self._file.write(
            "settle", lambda db: claims.found(db, local_id, report, stamp)
        )

    async def end_search(self, local_id: str, told: str, *, is_answered: bool) -> None:
        """Write what a planned search told of a task in doubt, "" for nothing new.

        If the service gave no answer from which anything follows, the last search is repeated.
        """
        now = self._stamp()

        def work(db: sqlite3.Connection) -> None:
            claims.end_search(db, local_id, told, now, is_answered=is_answered)

        await self._file.write("settle", work)

    async def spending(self) -> Spending:
        """Return what was spent in the last 24 hours."""
        now = self._stamp()
        return await self._file.read(lambda db: claims.spending(db, now))

    async def submitted(self) -> Sequence[Submitted]:
        """Return every task with what is known of its price, oldest first."""
        return await self._file.read(bills.submitted)

    async def in_doubt(self) -> Sequence[Task]:
        """Return the tasks in doubt, newest first."""
        return await self._file.read(lambda db: rows.tasks_where(db, DOUBTS))

    async def spent_since(self, task: Task, account: str) -> Spent:
        """Return what other tasks of `account` have cost since the balance of `task` was read."""
        return await self._file.read(lambda db: balance.spent_since(db, task.local_id, account))

    # Polling ---------------------------------------------------------------------------

    async def takes_of(self, local_id: str) -> Sequence[Task]:
        """Return the other takes of the call that began the task with this id of ours."""
        return await self._file.read(lambda db: lookup.takes_of(db, local_id))

    async def running(self, service: ServiceName) -> Sequence[Task]:
        """Return up to ten tasks that a service is working on, oldest first."""
        return await self._file.read(lambda db: rows.tasks_where(db, RUNNING, (service,)))

    async def claim_looks(
        self, service: ServiceName, account: str, slack_s: float, limit: int, pace: Pace
    ) -> list[Task]:
        """Return the tasks that the account is to look at now; this process alone is to do it."""
        now, who = self._stamp(), Looker(service, account)
        return await self._file.write(
            "claim", lambda db: claims.claim_looks(db, who, now, slack_s, limit, pace)
        )

    async def next_look_s(self, service: ServiceName, account: str) -> float | None:
        """Return the seconds until the account's next look is due, or None if none is planned."""
        now, who = self._stamp(), Looker(service, account)
        due = await self._file.read(lambda db: claims.next_look_at(db, who, now))
        return None if due is None else due - now

    async def record(self, local_id: str, report: Report) -> Recorded:
        """Record what a service reported just now; an ended task stays as it ended."""
        return (await self.record_all({local_id: report}))[0]

    async def record_all(
        self, reports: Mapping[str, Report], account: str = ""
    ) -> Sequence[Recorded]:
        """Record reports, by the task's id of ours, in one transaction.

        The `account` that looked follows the tasks from now on; "" leaves them to their own.
        """
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Sequence[Recorded]:
            return [
                claims.record(db, key, report, stamp, account) for key, report in reports.items()
            ]

        return await self._file.write("record", work)

    async def record_unknown(self, local_id: str, error: str) -> Recorded:
        """Record that the service says that it does not know a task which it accepted.

        If that is all it has said for two hours, the task has failed because of `error`.
        """
        stamp = self._stamp()
        return await self._file.write(
            "record", lambda db: claims.record_unknown(db, local_id, error, stamp)
        )

    async def claim_again(self, local_id: str) -> bool:
        """Return whether an ended task may be looked at now; this process alone is to do it."""
        now = self._stamp()
        return await self._file.write(
            "claim", lambda db: writes.ask_again(db, local_id, claims.REST_S, now)
        )

    async def adopt(self, service: ServiceName, account: str, report: Report) -> Recorded:
        """Record the report of a task that was made elsewhere."""
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Recorded:
            row = rows.find_row(db, report.task_id, service)
            known = row["local_id"] if row is not None else None
            local_id = known or writes.insert_foreign(db, service, account, report, stamp)
            return claims.record(db, local_id, report, stamp, account)

        return await self._file.write("adopt", work)

    async def unfollow(self, local_id: str) -> None:
        """Write that an open task is polled no more."""
        stamp = self._stamp()
        await self._file.write("unfollow", lambda db: writes.unfollow(db, local_id, stamp))

    async def deliver(self, ended: Sequence[str], told: Sequence[str] = ()) -> None:
        """Write that a client has the end of the `ended` tasks, and an answer about those `told`.

        Tasks are named by any of their ids. Nothing is written if there is nothing new in that.
        """
        stamp = self._stamp()
        if not ended and not await self._file.read(lambda db: claims.has_untold(db, told)):
            return

        def work(db: sqlite3.Connection) -> None:
            writes.deliver(db, ended, stamp)
            writes.tell(db, told, stamp)

        await self._file.write("deliver", work)

    async def cut_off(
        self, local_ids: Iterable[str], ended: Iterable[str] = (), *, is_untold: bool = False
    ) -> None:
        """Write that a call which began or joined these tasks has lost its answer.

        If its answer counted as delivered, it `is_untold` now, and so is the end of the tasks
        `ended`, by any of their ids.
        """
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> None:
            writes.cut_off(db, local_ids, stamp, is_untold=is_untold)
            writes.take_back(db, ended)

        await self._file.write("deliver", work)

    # Saving ----------------------------------------------------------------------------

    async def savers(self) -> Sequence[str]:
        """Return the processes that claimed to save a clip that is not saved yet."""
        return await self._file.read(
            lambda db: [row["save_owner"] for row in db.execute(claims.SAVERS)]
        )

    async def claim_saves(self, claim: SaveClaim) -> Sequence[Pair]:
        """Return the finished clips to save now; the claiming process alone is to do it."""
        now = self._stamp()

        def work(db: sqlite3.Connection) -> Sequence[Pair]:
            due = claims.claim_saves(db, claim, now)
            found = [(rows.task(db, local_id), clip_id) for local_id, clip_id in due]
            return [(task, clip) for task, key in found if (clip := task.clip(key))]

        return await self._file.write("claim", work)

    async def hand_back_saves(self, owner: str) -> None:
        """Write that `owner` ended in order: what it was saving is due, and was no try of it."""
        now = self._stamp()
        await self._file.write("claim", lambda db: writes.hand_back_saves(db, owner, now))

    async def next_save_s(self, tries: int) -> float | None:
        """Return the seconds until the next try to save a clip is due, or None if none is."""
        due = await self._file.read(lambda db: claims.next_save_at(db, tries))
        return None if due is None else due - self._stamp()

    async def save_clip(self, local_id: str, clip: Clip) -> Task:
        """Write which file holds a clip, or in `save_error` why there is none: the try has ended.

        A failed one is followed by tries 2, 10 and 60 s, 10 min, 1 h and 6 h after the first.
        """
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> Task:
            claims.end_save(db, local_id, clip, stamp)
            return rows.task(db, local_id)

        return await self._file.write("save", work)

    # The person's folder ---------------------------------------------------------------

    async def track(self, moves: Sequence[tuple[str, Path, Clip]]) -> None:
        """Write of clips, with the id of ours of their task, where they were seen before and are.

        A clip `is_gone` that the person deleted. What another process wrote meanwhile stays.
        """
        stamp = self._stamp()

        def work(db: sqlite3.Connection) -> None:
            for local_id, seen, clip in moves:
                if clip.is_gone:
                    writes.miss(db, local_id, clip, stamp)
                else:
                    writes.track(db, local_id, seen, clip)

        await self._file.write("save", work)

    async def get_again(self, local_id: str, clip_ids: Sequence[str]) -> Task:
        """Write that files which the person deleted are to be saved again: a try is due now."""

        def work(db: sqlite3.Connection) -> Task:
            for clip_id in clip_ids:
                writes.get_again(db, local_id, clip_id)
            return rows.task(db, local_id)

        return await self._file.write("save", work)

    async def volume_of(self, folder: Path) -> str | None:
        """Return the volume on which a folder was when a song was seen in it, None if never."""
        return await self._file.read(partial(lookup.volume_of, folder=str(folder)))

    async def clip_keys(self) -> frozenset[str]:
        """Return what is in the tags of the files of all clips."""
        return await self._file.read(
            lambda db: frozenset(entry.digest for entry in lookup.entries(db))
        )

    async def seen_on(self, folder: Path, volume: str) -> None:
        """Write on which volume a folder is in which a song was seen."""
        await self._file.write("save", lambda db: writes.seen_on(db, str(folder), volume))

    # Reading ---------------------------------------------------------------------------

    async def find(self, any_id: str, service: ServiceName | None = None) -> Task | None:
        """Return the newest task with this id (a service's or ours), or None."""

        def work(db: sqlite3.Connection) -> Task | None:
            row = rows.find_row(db, any_id, service)
            return rows.to_task(db, row) if row else None

        return await self._file.read(work)

    async def search(self, query: str, limit: int) -> Page:
        """Return up to `limit` tasks, newest first, in which every word of `query` occurs.

        Title, description, lyrics and ids of the task and its clips are searched.
        """
        words = search.words_of(query)
        if not words:
            return Page(*await self._file.read(partial(search.newest, limit=limit)))
        part = await self._file.read(partial(search.part, words=words, after=None))
        found = [*part.found]
        while part.after is not None:
            part = await self._file.read(partial(search.part, words=words, after=part.after))
            found += part.found
        tasks = await self._file.read(partial(search.named, local_ids=found[:limit]))
        return Page(tuple(tasks), len(found))

    async def meaning(self, name: str) -> Meaning:
        """Return what `name` (cleaned, not empty) can mean if a clip is wanted."""
        return await self._file.read(partial(lookup.meaning, name=name))

    async def lineage(self, clip_id: str, limit: int) -> list[Pair]:
        """Return the clip with this id, then the one that it continues, and so on.

        At most `limit` of them, and each once: the last one continues none, or one that is not
        known here or that is in the list already. None at all if the clip is not known.
        """
        return await self._file.read(partial(lookup.lineage, clip_id=clip_id, limit=limit))

    async def named_tasks(self, name: str) -> list[Task]:
        """Return the tasks that `name` can mean, newest first: an id, a clip's id, or `last`."""
        return await self._file.read(partial(lookup.tasks, name=name))

    async def page(self, after: Place | None, limit: int) -> tuple[list[Pair], list[Place]]:
        """Return up to `limit` completed clips after a place, newest first, and their places."""
        return await self._file.read(partial(lookup.page, after=after, limit=limit))

    async def clip_names(self, begun: str, limit: int) -> Offer:
        """Return names of the finished clips that somebody who typed `begun` can mean."""
        return await self._file.read(partial(lookup.clip_names, begun=begun, limit=limit))

    async def task_ids(self, begun: str, limit: int) -> Offer:
        """Return the ids of the tasks that somebody who typed `begun` can mean."""
        return await self._file.read(partial(lookup.task_ids, begun=begun, limit=limit))

    async def expected_s(self, task: Task) -> float | None:
        """Return how many seconds such a task usually takes, or None if too few are known."""
        return await self._file.read(partial(lookup.expected_s, task=task))

    # Damage ----------------------------------------------------------------------------

    async def unconfirmed(self) -> Salvage | None:
        """Return what was copied out of a damaged journal and no person has confirmed, or None."""
        return await self._file.read(claims.unconfirmed)

    async def confirm(self, kept_as: str) -> bool:
        """Write that a person confirmed what was copied; return whether there is such a copy.

        `kept_as` is the name of the damaged file.
        """
        stamp = self._stamp()
        return await self._file.write("settle", lambda db: writes.confirm(db, kept_as, stamp))

    async def restored(self) -> Restore | None:
        """Return what is known of a journal that is an older copy of itself, None if it is none.

        It is noticed by the mark that the newer one left. One without any task of ours is no copy:
        it was begun anew.
        """
        now, mark = self._stamp(), await to_thread.run_sync(self._mark.read)
        if mark and not await self._file.read(lambda db: claims.has_sent(db, mark)):
            await self._file.write("settle", lambda db: writes.notice(db, mark, now))
            await self._leave_mark()
        return await self._file.read(lambda db: claims.restore(db, now))

    async def _leave_mark(self) -> None:
        """Write beside the file what was sent last; never before that is on disk."""
        sent = await self._file.read(claims.last_sent)
        if sent is None:
            await to_thread.run_sync(self._mark.forget)
        else:
            await to_thread.run_sync(self._mark.write, sent)

    # Changes ---------------------------------------------------------------------------

    @property
    def written(self) -> Event:
        """The event that is set when this process next writes."""
        return self._file.written

    async def changes_since(self, number: int | None) -> News:
        """Return what changed after change `number`; for None the newest number and no changes."""
        return await self._file.read(partial(changes.since, number=number))

    async def close(self) -> None:
        """Close the file; the next use opens it again."""
        await self._file.close()

    def _stamp(self) -> float:
        return self._now().timestamp()


def _new_again(row: sqlite3.Row, account: str, owner: str, file: str) -> NewTask:
    """Return a new task with the same submission as this row, linked to it.

    If audio goes along, that is what `file` holds, unless it is "".
    """
    wire = json.loads(row["wire"] or "{}")
    if not {"path", "body", "deadline_s"} <= wire.keys():
        raise InvalidRequestError(NOT_KEPT)
    if file and wire.get("audio"):
        wire["audio"]["file"] = file
    return NewTask(
        service=row["service"],
        model=row["model"],
        kind=row["kind"],
        fingerprint=row["fingerprint"],
        title=row["title"],
        description=row["description"],
        request=json.loads(row["request"]),
        wire=wire,
        account=account,
        owner=owner,
        linked_to=row["local_id"],
    )
