"""The tracker: follows open tasks at their services, and knows when to ask whom.

Invariant: at most one look at a task is under way in this process, whoever wants it; a failed
look never changes a task; and every look that succeeds is in the journal before anyone hears of it.

The pace is by age, not exponential: 2, 10 and 20 s after submission (refusals and quick failures
show early), then every 5 s, after five minutes of age every 5 % of the age, at most 30 s. For a
steady pace requests per minute times mean delay is constant, so growing intervals only lose.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from song_mcp.clock import Clock
from song_mcp.errors import SongError
from song_mcp.journal import Journal
from song_mcp.providers.base import Provider
from song_mcp.rows import Recorded
from song_mcp.songs import Report, Service, Task

logger = logging.getLogger(__name__)

FIRST_LOOKS_S = (2.0, 10.0, 20.0)
STEADY_S = 5.0
SLOWING_AFTER_S = 300.0
SLOWEST_S = 30.0
FOLLOWED_FOR_S = 3600.0
SHARED_FOR_S = 2.0
AT_ONCE = 8
BATCH_SIZE = 50

Ended = Callable[[Task], Awaitable[None]]


def next_look_s(age_s: float) -> float:
    """Give the age, in seconds, at which a task of age `age_s` is looked at next."""
    for first in FIRST_LOOKS_S:
        if age_s < first:
            return first
    pace = STEADY_S if age_s < SLOWING_AFTER_S else min(SLOWEST_S, max(STEADY_S, age_s * 0.05))
    return age_s + pace


@dataclass
class _Followed:
    """An open task that is looked at regularly; times are seconds of the clock's own count."""

    task: Task
    submitted_at: float
    next_at: float = 0.0

    def age_s(self, now: float) -> float:
        return max(0.0, now - self.submitted_at)

    def reschedule(self, now: float) -> None:
        self.next_at = self.submitted_at + next_look_s(self.age_s(now))


class _Flight:
    """A look under way: those who want the same one wait for it."""

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.error: SongError | None = None


class Tracker:
    """Follows tasks in the background of `run` and looks at single ones on request."""

    def __init__(
        self, providers: Mapping[Service, Provider], journal: Journal, clock: Clock, on_end: Ended
    ) -> None:
        """Start with no task followed; `on_end` is awaited for each task that a look ended."""
        self._providers = providers
        self._journal = journal
        self._clock = clock
        self._on_end = on_end
        self._followed: dict[str, _Followed] = {}
        self._flights: dict[str, _Flight] = {}
        self._woken: dict[Service, anyio.Event] = {}
        self._changed: dict[str, anyio.Event] = {}
        self._work: TaskGroup | None = None

    async def run(self) -> None:
        """Follow until cancelled: one loop per service, so that a slow one delays no other."""
        async with anyio.create_task_group() as work:
            self._work = work
            for service, provider in self._providers.items():
                work.start_soon(self._follow_service, service, provider, work)
            await anyio.sleep_forever()

    def follow(self, task: Task) -> None:
        """Look at an open task from now on until it ends."""
        if not (task.is_open and task.task_id and task.service in self._providers):
            return
        age_s = max(0.0, (self._clock.now() - task.created_at).total_seconds())
        followed = _Followed(task, self._clock.monotonic() - age_s)
        followed.reschedule(self._clock.monotonic())
        self._followed[task.local_id] = followed
        self._wake(task.service)

    def changed(self, local_id: str) -> anyio.Event:
        """Give an event that is set when something about the task is next written."""
        return self._changed.setdefault(local_id, anyio.Event())

    def announce(self, local_id: str) -> None:
        """Tell those who wait that something about the task was written."""
        event = self._changed.pop(local_id, None)
        if event is not None:
            event.set()

    async def look(self, task: Task) -> None:
        """Look at an open task now, unless a look is under way or under 2 s old.

        The result is in the journal afterwards. Raises what the service's `fetch` raised.
        """
        if self._is_fresh(task) or self._work is None:
            return
        flight = self._flights.get(task.local_id)
        if flight is None:
            flight = self._takeoff(task)
            self._work.start_soon(self._look_at_one, task, self._providers[task.service])
        await flight.landed.wait()
        if flight.error is not None:
            raise flight.error

    # Following -------------------------------------------------------------------------

    async def _follow_service(self, service: Service, provider: Provider, work: TaskGroup) -> None:
        limit = anyio.CapacityLimiter(AT_ONCE)
        while True:
            self._woken[service] = anyio.Event()
            due = self._take_due(service)
            if provider.batches and len(due) > 1:
                work.start_soon(self._look_at_many, due, provider)
            else:
                for task in due:
                    work.start_soon(self._look_in_turn, task, provider, limit)
            await self._clock.wait(self._woken[service], self._idle_s(service))

    def _take_due(self, service: Service) -> list[Task]:
        """Give the tasks that are due, each with its flight begun and its next look planned."""
        now = self._clock.monotonic()
        due = [item for item in self._of(service) if item.next_at <= now][:BATCH_SIZE]
        for item in due:
            item.reschedule(now)
            if item.age_s(now) > FOLLOWED_FOR_S:
                del self._followed[item.task.local_id]
        grounded = [item.task for item in due if item.task.local_id not in self._flights]
        for task in grounded:
            self._takeoff(task)
        return grounded

    def _idle_s(self, service: Service) -> float:
        """How long nothing is due, in seconds; a minute when nothing is followed."""
        times = [item.next_at for item in self._of(service)]
        return max(0.01, min(times) - self._clock.monotonic()) if times else 60.0

    def _of(self, service: Service) -> list[_Followed]:
        return [item for item in self._followed.values() if item.task.service == service]

    async def _look_in_turn(
        self, task: Task, provider: Provider, limit: anyio.CapacityLimiter
    ) -> None:
        async with limit:
            await self._look_at_one(task, provider)

    async def _look_at_one(self, task: Task, provider: Provider) -> None:
        """Fetch, record, land: whatever happens, those who wait for the flight are told."""
        error: SongError | None = None
        try:
            report = await provider.fetch(task.task_id)
            await self._record(task, report)
        except SongError as failure:
            error = failure
            logger.info("look at %s failed: %s", task.public_id, type(failure).__name__)
        finally:
            self._land(task, error)

    async def _look_at_many(self, tasks: list[Task], provider: Provider) -> None:
        error: SongError | None = None
        try:
            reports = await provider.fetch_many([task.task_id for task in tasks])
            for task in tasks:
                if task.task_id in reports:
                    await self._record(task, reports[task.task_id])
        except SongError as failure:
            error = failure
            logger.info("look at %d tasks failed: %s", len(tasks), type(failure).__name__)
        finally:
            for task in tasks:
                self._land(task, error)

    async def _record(self, task: Task, report: Report) -> None:
        await self.took_note(await self._journal.record(task.local_id, report))

    async def took_note(self, recorded: Recorded) -> None:
        """Tell everyone concerned what was just recorded of a task."""
        if recorded.ended_now:
            await self._on_end(recorded.task)
        if not recorded.task.is_open:
            self._followed.pop(recorded.task.local_id, None)
        self.announce(recorded.task.local_id)

    # Flights and times -----------------------------------------------------------------

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

    def _wake(self, service: Service) -> None:
        event = self._woken.get(service)
        if event is not None:
            event.set()
