"""The poller: asks the services how open tasks stand, and decides when.

A look that is due is claimed in the journal before it is made. So exactly one of all processes on
one journal makes it, and if that process dies another one makes the next look. At most one look at
a task is under way in this process, however many calls want it. A failed look never changes a task,
but for one: if its service has said for two hours, and nothing else, that it does not know a task
which it accepted, the task has failed. The report of every other look is in the journal before
anyone is told.

A task that has ended is polled no more. If something of it is missing, `look_again` asks once more,
which all processes together do at most every 20 s.

A task is looked at with the key that its service has now. If that is not the key that paid, a look
that is long overdue may show whether it is another key of the same account: then the task is
followed with it. If it is not, the answer says nothing about the task or the service, and is tried
again ever more rarely (`Journal.claim_looks`).

The pace depends on the task's age and is not exponential: looks 2, 10 and 20 s after submission
(refusals and quick failures show early), then every 5 s; after five minutes the interval is 5 % of
the age, at most 30 s. At a steady pace, requests per minute times mean delay is constant, so
intervals that grow faster only lose.
"""

import logging
import math
from collections.abc import Mapping, Sequence

import anyio
from anyio.abc import TaskGroup

from song_mcp import messages
from song_mcp.clock import Clock
from song_mcp.errors import BusyError, NotFoundError, ServiceError, SongError, UnknownTaskError
from song_mcp.journal import Journal, Recorded
from song_mcp.providers import Batching, Provider
from song_mcp.songs import SERVICES, Report, ServiceName, Task
from song_mcp.studio.breaker import Breaker
from song_mcp.studio.saver import Saver
from song_mcp.studio.supervise import going_on

logger = logging.getLogger(__name__)

FIRST_LOOKS_S = (2.0, 10.0, 20.0)
STEADY_S = 5.0
SLOWING_AFTER_S = 300.0
SLOWEST_S = 30.0
SHARED_FOR_S = 2.0
LOOKS_AT_ONCE = 8
BATCH_SIZE = 50
SLACK_S = 1.0
"""Looks that are due within so many seconds are made in the same batch."""
LOOKS_EVERY_S = 5.0
"""How often, in seconds, at least, the journal is read for looks that are due."""
LEFT_OUT_S = 60.0
"""The seconds since the last answer about a task after which, if a batch does not have it, it is
asked about by itself."""
SOONEST_S = 0.02
"""The shortest pause, in seconds, before a look that is due now."""


def _has_tasks(service: ServiceName) -> bool:
    """Tell whether a service has tasks that can be looked at."""
    return not SERVICES[service].answers_with_audio


def next_look_s(age_s: float) -> float:
    """Return the age at which the next look at a task of age `age_s` is due, both in seconds."""
    for first in FIRST_LOOKS_S:
        if age_s < first:
            return first
    pace = STEADY_S if age_s < SLOWING_AFTER_S else min(SLOWEST_S, max(STEADY_S, age_s * 0.05))
    return age_s + pace


class _Flight:
    """A look under way; calls that want the same look wait for it."""

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.error: SongError | None = None


class Poller:
    """Polls open tasks in the background of `run`, and looks at single ones on request."""

    def __init__(
        self,
        providers: Mapping[ServiceName, Provider],
        journal: Journal,
        clock: Clock,
        saver: Saver,
    ) -> None:
        """Start with nothing under way; `saver` gets each task that has ended."""
        self._providers = providers
        self._journal = journal
        self._clock = clock
        self._saver = saver
        self._flights: dict[str, _Flight] = {}
        self._woken: dict[ServiceName, anyio.Event] = {}
        self._breakers = {service: Breaker(SERVICES[service].label, clock) for service in providers}
        self._work: TaskGroup | None = None

    async def run(self) -> None:
        """Poll until cancelled: one loop per service, so that a slow one delays no other."""
        async with anyio.create_task_group() as work:
            self._work = work
            for service in filter(_has_tasks, self._providers):
                work.start_soon(self._poll_service, service, work)
            try:
                await anyio.sleep_forever()
            finally:
                self._work = None  # others may still be at work for a moment

    async def recorded(self, recorded: Recorded) -> None:
        """Save what is finished of a task, and poll it if it is open."""
        await self._save(recorded)
        if recorded.task.is_open:
            self.wake(recorded.task.service)

    async def _save(self, recorded: Recorded) -> None:
        """Save what is finished of a task, whether it has ended or not."""
        if recorded.ended_now or not recorded.task.has_nothing_to_save:
            await self._saver.save_due(recorded.task)

    def wake(self, service: ServiceName) -> None:
        """Have the service's loop read now which looks are due, instead of later."""
        event = self._woken.get(service)
        if event is not None:
            event.set()

    async def look(self, task: Task) -> None:
        """Look at an open task now, unless a look is under way or less than 2 s old.

        The report is in the journal afterwards. Raises what the service's `fetch` raised, and
        PausedError while the breaker holds looks back.
        """
        if self._is_fresh(task) or self._work is None:
            return
        flight = self._flights.get(task.local_id)
        if flight is None:
            self._breakers[task.service].check()
            flight = self._takeoff(task)
            self._work.start_soon(self._look_at_one, task)
        await flight.landed.wait()
        if flight.error is not None:
            raise flight.error

    async def look_again(self, task: Task, *, is_planned: bool = False) -> None:
        """Look once more at a task that has ended, unless some process did so in the last 20 s.

        A look that `is_planned` is made in any case. Whatever is better is in the journal
        afterwards. Raises as `look` does; a service without a key, or without tasks, is not asked.
        """
        if self._work is None or task.service not in self._providers:
            return
        if not _has_tasks(task.service):
            return
        is_ours = await self._journal.claim_again(task.local_id) or is_planned
        work, flight = self._work, self._flights.get(task.local_id)
        if flight is None and is_ours and work is not None:
            self._breakers[task.service].check()
            flight = self._takeoff(task)
            work.start_soon(self._look_at_one, task)
        if flight is not None:
            await flight.landed.wait()
            if flight.error is not None:
                raise flight.error

    # Polling ---------------------------------------------------------------------------

    async def _poll_service(self, service: ServiceName, work: TaskGroup) -> None:
        limit = anyio.CapacityLimiter(LOOKS_AT_ONCE)
        while True:
            woken = self._woken[service] = anyio.Event()
            idle_s = LOOKS_EVERY_S
            with going_on(f"polling {service}"):
                next_s = await self._next_look_s(service)
                if next_s <= 0 and not self._breakers[service].left_s:
                    await self._start_due_looks(service, work, limit)
                    next_s = await self._next_look_s(service)
                idle_s = max(min(LOOKS_EVERY_S, next_s), SOONEST_S, self._breakers[service].left_s)
            await self._clock.wait(woken, idle_s)

    async def _next_look_s(self, service: ServiceName) -> float:
        """Return the seconds until the service's next look is due; infinite if none is planned."""
        seconds = await self._journal.next_look_s(service, self._providers[service].account_tag)
        return math.inf if seconds is None else seconds

    async def _start_due_looks(
        self, service: ServiceName, work: TaskGroup, limit: anyio.CapacityLimiter
    ) -> None:
        due = await self._claimed(service)
        for task in due:
            self._takeoff(task)
        provider = self._providers[service]
        ours = [task for task in due if not self._is_of_another(task)]
        if isinstance(provider, Batching) and len(ours) > 1:
            work.start_soon(self._look_at_many, provider, ours)
            due = [task for task in due if task not in ours]
        if len(due) == 1 and self._breakers[service].is_broken:
            work.start_soon(self._look_at_one, due[0])  # the probe, which ends the pause
            return
        for task in due:
            work.start_soon(self._look_in_turn, task, limit)

    async def _claimed(self, service: ServiceName) -> list[Task]:
        """Return the tasks whose looks are due and now ours to make: one if it is a probe."""
        provider, breaker = self._providers[service], self._breakers[service]
        slack_s = SLACK_S if isinstance(provider, Batching) else 0.0
        limit = 1 if breaker.is_broken else BATCH_SIZE
        tasks = await self._journal.claim_looks(
            service, provider.account_tag, slack_s, limit, next_look_s
        )
        if tasks and breaker.is_broken:
            breaker.probe()
        return [task for task in tasks if task.local_id not in self._flights]

    async def _look_in_turn(self, task: Task, limit: anyio.CapacityLimiter) -> None:
        async with limit:
            if self._breakers[task.service].left_s:
                self._land(task, None)  # a pause has begun meanwhile
            else:
                await self._look_at_one(task)

    async def _look_at_one(self, task: Task) -> None:
        """Fetch and record; whatever happens, calls that wait for the flight are told."""
        error: SongError | None = None
        try:
            await self._fetch(task)
        except SongError as failure:
            error = (
                failure
                if self._says_nothing(task, failure)
                else self._failed(task.service, failure)
            )
        except Exception:  # a mistake of our own must not end the server
            logger.exception("a look at %s failed", task.local_id)
        finally:
            self._land(task, error)

    async def _fetch(self, task: Task) -> None:
        """Fetch and record; raises what the service's `fetch` raised.

        That the service does not know an open task is recorded too. If it has said so for long
        enough, that ends the task, and nothing is raised.
        """
        try:
            report = await self._providers[task.service].fetch(task.task_id)
        except UnknownTaskError:
            if self._is_of_another(task) or not task.is_open:
                raise
            why = messages.unknown_for_hours(task.service)
            recorded = await self._journal.record_unknown(task.local_id, why)
            if not recorded.ended_now:
                raise
            self._succeeded(task.service)
        else:
            self._succeeded(task.service)
            await self._record(task.service, {task.local_id: report})

    async def _look_at_many(self, provider: Batching, tasks: Sequence[Task]) -> None:
        service, by_id = tasks[0].service, {task.task_id: task for task in tasks}
        error: SongError | None = None
        reports: Mapping[str, Report] = {}
        try:
            reports = await provider.fetch_many(list(by_id))
            self._succeeded(service)
            known = {by_id[key].local_id: reports[key] for key in reports if key in by_id}
            await self._record(service, known)
        except SongError as failure:
            error = self._failed(service, failure)
        except Exception:  # the same
            logger.exception("a look at %d tasks failed", len(tasks))
        finally:
            for task in tasks:
                self._land(task, error)
        if error is None:
            await self._look_at_left_out([task for task in tasks if task.task_id not in reports])

    async def _look_at_left_out(self, tasks: Sequence[Task]) -> None:
        """Ask about each task by itself that a batch has left out for a while: is it known?"""
        for task in tasks:
            seen_at = task.looked_at or task.created_at
            is_due = (self._clock.now() - seen_at).total_seconds() >= LEFT_OUT_S
            if is_due and task.local_id not in self._flights:
                self._takeoff(task)
                await self._look_at_one(task)

    def _succeeded(self, service: ServiceName) -> None:
        """End the service's pause, and make at once the looks that waited for its end."""
        was_left_alone = self._breakers[service].left_s > 0
        self._breakers[service].succeeded()
        if was_left_alone:
            self.wake(service)

    def _failed(self, service: ServiceName, error: SongError) -> SongError:
        """Lengthen the service's pause if it was the service that failed."""
        if isinstance(error, ServiceError):
            self._breakers[service].failed(error)
        elif isinstance(error, NotFoundError):
            self._succeeded(service)
        logger.info("a look at %s failed: %s", service, type(error).__name__)
        return error

    async def _record(self, service: ServiceName, reports: Mapping[str, Report]) -> None:
        account = self._providers[service].account_tag
        for recorded in await self._journal.record_all(reports, account):
            await self._save(recorded)

    def _says_nothing(self, task: Task, error: SongError) -> bool:
        """Tell whether a failed look says nothing about the service: the task may not be ours.

        Services refuse that in many ways, HTTP 500 among them. That we ask too often is said to us.
        """
        is_refusal = isinstance(error, ServiceError) and not isinstance(error, BusyError)
        return is_refusal and self._is_of_another(task)

    def _is_of_another(self, task: Task) -> bool:
        """Tell whether another account than ours follows a task."""
        return task.followed_by != self._providers[task.service].account_tag

    # Flights -----------------------------------------------------------------------------

    def _takeoff(self, task: Task) -> _Flight:
        flight = self._flights[task.local_id] = _Flight()
        return flight

    def _land(self, task: Task, error: SongError | None) -> None:
        flight = self._flights.pop(task.local_id)
        flight.error = error
        flight.landed.set()

    def _is_fresh(self, task: Task) -> bool:
        if task.looked_at is None:
            return False
        return 0 <= (self._clock.now() - task.looked_at).total_seconds() < SHARED_FOR_S
