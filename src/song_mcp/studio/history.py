"""Searching a service's history for a submission whose answer was lost. Nothing is sent here.

A task is the lost one by its words: a look at it must show exactly what was sent. Times only limit
which tasks are looked at. The service's clock may differ from ours, and ours may have been set
since, so the list is of a day before and after; the difference of the clocks is taken from the
answer's own date. A task with the same words counts as the lost one only if it was made in the
seconds in which the submission can have arrived. Any other may be it: that is told, not decided.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import anyio

from song_mcp.errors import ServiceError, SongError
from song_mcp.journal import Doubt, Journal
from song_mcp.providers import History, Likeness, Past, Remembering, Submission
from song_mcp.songs import Report

BEFORE = timedelta(seconds=2)
"""How long before it was sent, by our clock, a task may have been made."""
AFTER = timedelta(seconds=60)
"""How long after the loss a task may have been made."""
LONGEST = timedelta(minutes=10)
"""After this time a request is not under way any more, whenever it was noticed that it is lost."""
MARGIN = timedelta(days=1)
"""How far around that time the history is listed."""
SAME_CLOCK = timedelta(hours=1)
"""If the clocks differ by more, the history is listed again, by the service's clock."""
MOST_LOOKS = 20
SEARCH_S = 25.0
"""How long, in seconds, a search may take in all."""

Now = Callable[[], datetime]
Outcome = Literal["found", "several", "possible", "none", "unknown"]


@dataclass(frozen=True)
class Trace:
    """What a history shows of a submission.

    With `found` the `reports` have the one task that it made, and with `several` more than one that
    may be it; with `possible` those that may be it or not. `none` means that the history is there,
    and shows no task that can be it; `unknown` that nothing follows from it.
    """

    outcome: Outcome
    reports: tuple[Report, ...] = ()

    @property
    def ids(self) -> str:
        """The ids of the tasks, for a sentence."""
        return ", ".join(report.task_id for report in self.reports)


UNKNOWN = Trace("unknown")


async def search(journal: Journal, provider: Remembering, doubt: Doubt, now: Now) -> Trace:
    """Search the history of `provider`, whose account must be the doubt's; costs nothing.

    Raises JournalError only. `now` is our clock.
    """
    submission = Submission(doubt.task.service, doubt.wire["path"], doubt.wire["body"])
    lost_at = doubt.task.lost_at or doubt.sent_at + LONGEST
    is_odd = not doubt.sent_at <= lost_at <= doubt.sent_at + LONGEST
    last = doubt.sent_at + LONGEST if is_odd else lost_at
    return await search_between(journal, provider, submission, doubt.sent_at, last, now)


async def search_between(
    journal: Journal,
    provider: Remembering,
    submission: Submission,
    first: datetime,
    last: datetime,
    now: Now,
) -> Trace:
    """Search for what a submission made that left between two times of ours, as `search` does."""
    with anyio.move_on_after(SEARCH_S):
        return await _Search(journal, provider, submission, first, last, now).trace()
    return UNKNOWN


@dataclass(frozen=True)
class _Listed:
    """What the history lists, how far the service's clock is ahead of ours, and what is missing.

    `is_wide` tells whether it is the list of the whole time around, and not of its seconds alone.
    """

    history: History
    ahead: timedelta
    is_wide: bool = True


@dataclass(frozen=True)
class _Search:
    journal: Journal
    provider: Remembering
    submission: Submission
    first: datetime
    last: datetime
    now: Now

    async def trace(self) -> Trace:
        try:
            listed = await self._listed()
        except ServiceError:
            return UNKNOWN
        if listed.history.is_empty:
            return UNKNOWN
        tasks = await self._unknown(listed)
        same, maybe, unseen = [], [], tasks[MOST_LOOKS:]
        for task in tasks[:MOST_LOOKS]:
            likeness, report = await self._compared(task)
            if report is None:
                unseen.append(task)
            elif likeness == "same" and self._is_of_that_time(report.created_at, listed.ahead):
                same.append(report)
            elif likeness != "other":
                maybe.append(report)
        is_near_unseen = any(self._is_of_that_time(t.made_at, listed.ahead) for t in unseen)
        if len(same) == 1 and listed.history.is_whole and not is_near_unseen:
            return Trace("found", tuple(same))
        if same or maybe:
            return Trace("several" if len(same) > 1 else "possible", (*same, *maybe))
        is_all_seen = listed.history.is_whole and listed.is_wide and not unseen
        return Trace("none") if is_all_seen else UNKNOWN

    async def _listed(self) -> _Listed:
        """Return the list of a day around, or of those seconds alone if that one is too long."""
        first, last = self._times(timedelta())
        history = await self._history(first - MARGIN, last + MARGIN)
        ahead = history.now - self.now() if history.now else timedelta()
        if abs(ahead) > SAME_CLOCK:
            first, last = self._times(ahead)
            history = await self._history(first - MARGIN, last + MARGIN)
        if history.is_whole or history.is_empty:
            return _Listed(history, ahead)
        return _Listed(await self._history(*self._times(ahead)), ahead, is_wide=False)

    async def _history(self, since: datetime, until: datetime) -> History:
        return await self.provider.history(since, until, self.submission)

    async def _unknown(self, listed: _Listed) -> list[Past]:
        """Return the listed tasks that were not submitted from here, those of that time first."""
        by_id = {task.task_id: task for task in listed.history.tasks}
        ids = await self.journal.unknown_ids(self.submission.service, list(by_id))
        unknown = [by_id[key] for key in ids]
        return sorted(unknown, key=lambda t: not self._is_of_that_time(t.made_at, listed.ahead))

    async def _compared(self, task: Past) -> tuple[Likeness, Report | None]:
        """Look at a task; no report if that fails. If it tells no time, the list's is taken."""
        try:
            likeness, report = await self.provider.compare(task.task_id, self.submission)
        except SongError:
            return "unclear", None
        return likeness, replace(report, created_at=report.created_at or task.made_at)

    def _is_of_that_time(self, made_at: datetime | None, ahead: timedelta) -> bool:
        first, last = self._times(ahead)
        return made_at is not None and first <= made_at <= last

    def _times(self, ahead: timedelta) -> tuple[datetime, datetime]:
        """Return from when to when the task can have been made, by the service's clock."""
        return self.first - BEFORE + ahead, self.last + AFTER + ahead
