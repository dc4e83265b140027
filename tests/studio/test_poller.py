"""Polling: how often tasks are looked at, by whom, and what becomes of the replies."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

import anyio
import anyio.abc
import pytest

from song_mcp.errors import (
    BadKeyError,
    NoAnswerError,
    PausedError,
    RefusedError,
    UnknownTaskError,
)
from song_mcp.journal import Journal, NewTask
from song_mcp.providers import Provider
from song_mcp.songs import Report, ServiceName, Task
from song_mcp.studio import Saver
from song_mcp.studio.breaker import BREAKS_AFTER, OPEN_S
from song_mcp.studio.poller import LOOKS_AT_ONCE, Poller, next_look_s
from tests.manual_clock import ManualClock
from tests.memory_services import Fault, MemoryServices, spare_the_disk
from tests.studio.teller import Teller, Then, nothing

HOUR_S = 3600.0
BROKEN_AFTER_S = 150.0
"""In seconds: by then the pauses between five failures, at most 4, 8, 16 and 32 s, are over."""


def looks(until_s: float) -> list[float]:
    ages = [0.0]
    while ages[-1] < until_s:
        ages.append(next_look_s(ages[-1]))
    return ages[1:]


def test_the_first_looks_are_at_2_10_and_20_seconds_then_every_five() -> None:
    assert looks(35) == [2, 10, 20, 25, 30, 35]


def test_after_five_minutes_the_pace_is_a_twentieth_of_the_age() -> None:
    assert next_look_s(295) == 300
    assert next_look_s(300) == 315
    assert next_look_s(400) == 420


def test_the_slowest_pace_is_thirty_seconds() -> None:
    assert next_look_s(3000) == 3030


# One journal, some processes -------------------------------------------------------------------


@dataclass
class Ended:
    """Stands in for the saver: records the tasks that it is given when they end."""

    tasks: list[Task] = field(default_factory=list)

    async def save_due(self, task: Task) -> None:
        self.tasks.append(task)


@dataclass
class Follower:
    """The poller of one process, and the tasks that it saw ending."""

    journal: Journal
    poller: Poller
    accounts: dict[ServiceName, str]
    work: anyio.abc.TaskGroup
    ended: list[Task] = field(default_factory=list)

    def die(self) -> None:
        self.work.cancel_scope.cancel()


@dataclass
class World:
    """A journal in `folder`, services in memory, and a clock that stands still."""

    folder: Path
    clock: ManualClock
    services: MemoryServices

    @asynccontextmanager
    async def follower(
        self, providers: dict[ServiceName, Provider] | None = None
    ) -> AsyncIterator[Follower]:
        journal = Journal(self.folder / "j.sqlite3", self.clock.now)
        providers = providers or self.services.providers()
        ended = Ended()
        poller = Poller(providers, journal, self.clock, cast("Saver", ended))
        accounts = {name: provider.account_tag for name, provider in providers.items()}
        async with anyio.create_task_group() as work:
            work.start_soon(poller.run)
            yield Follower(journal, poller, accounts, work, ended.tasks)
            work.cancel_scope.cancel()
        await journal.close()

    async def submitted(
        self, by: Follower, service: ServiceName = "gptge", *, song_s: float = 100.0
    ) -> Task:
        """Write a task as accepted, as the submitter does."""
        number = len(self.services.made)
        new = NewTask(service, "", "song", f"{number}", "", "", {}, account=by.accounts[service])
        task = (await by.journal.prepare(new, join=True)).task
        made = self.services.accept(service, song_s=song_s)
        recorded = await by.journal.accept(task.local_id, new, made.task_id, None)
        await by.poller.recorded(recorded)
        return recorded.task

    async def known(self, by: Follower, task: Task) -> Task:
        found = await by.journal.find(task.local_id)
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    spare_the_disk(monkeypatch)
    clock = ManualClock()
    return World(tmp_path, clock, MemoryServices(clock, latency_s=0.2))


async def test_of_several_processes_one_makes_the_look_that_is_due(world: World) -> None:
    async with world.follower() as one, world.follower() as two, world.follower() as three:
        task = await world.submitted(one, "piapi", song_s=32.0)
        await world.clock.run(60.0)
        assert world.services.looks == {"piapi": 6}, "at 2, 10, 20, 25, 30 and 35 s"
        assert world.services.most_at_once[task.task_id] == 1
        assert [t.task_id for f in (one, two, three) for t in f.ended] == [task.task_id]


async def test_who_asks_when_the_polling_has_ended_starts_no_look(world: World) -> None:
    async with world.follower() as by:
        poller = Poller(world.services.providers(), by.journal, world.clock, cast("Saver", Ended()))
        task = await world.submitted(by, "piapi")
        async with anyio.create_task_group() as polling:
            polling.start_soon(poller.run)
            await anyio.wait_all_tasks_blocked()
            polling.cancel_scope.cancel()
        await poller.look_again(task, is_planned=True)
        assert not world.services.looks


# A changed key -----------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_a_task_of_the_key_before_is_followed_with_the_new_one(
    world: World, service: ServiceName
) -> None:
    async with world.follower() as before:
        task = await world.submitted(before, service, song_s=100.0)
        await world.clock.run(3.0)
    async with world.follower(world.services.providers(new="2")) as now:
        await world.clock.run(150.0)
        assert [each.task_id for each in now.ended] == [task.task_id]


async def test_the_process_of_the_tasks_own_key_makes_all_its_looks(world: World) -> None:
    async with (
        world.follower() as own,
        world.follower(world.services.providers(new="2")) as other,
    ):
        await world.submitted(own, "piapi", song_s=32.0)
        await world.clock.run(60.0)
        assert world.services.looks == {"piapi": 6}, "at 2, 10, 20, 25, 30 and 35 s"
        assert other.ended == []


@dataclass
class OneAccount(Teller):
    """A service that shows only `seen`, and refuses every other look."""

    seen: str = ""
    refusal: Exception = field(default_factory=lambda: BadKeyError("Not yours."))
    asked: list[str] = field(default_factory=list)
    at_look: Then = nothing

    async def fetch(self, task_id: str) -> Report:
        self.asked.append(task_id)
        await self.at_look()
        if task_id != self.seen:
            raise self.refusal
        return Report(task_id, "processing", "on")


@pytest.mark.parametrize("refusal", [BadKeyError("Not yours."), UnknownTaskError("Nothing.")])
async def test_a_look_that_another_account_is_refused_says_nothing_of_task_or_service(
    world: World, refusal: Exception
) -> None:
    async with world.follower() as before:
        other = await world.submitted(before, "piapi", song_s=10_000.0)
    service = OneAccount(refusal=refusal)
    async with world.follower({"piapi": service}) as now:
        own = await world.submitted(now, "piapi", song_s=10_000.0)
        service.seen = own.task_id
        await world.clock.run(1000.0)
        assert (await world.known(now, other)).status == "pending"
        assert service.asked.count(other.task_id) == 6, "32 s after it was made, 62, 122 ... 962 s"
        planned = len(looks(1000.0)) - 2
        assert service.asked.count(own.task_id) >= planned, "no pause, whatever the others met"


@pytest.mark.parametrize(
    "refusal", [NoAnswerError("HTTP 500.", charged="no"), RefusedError("Not yours.")]
)
async def test_failing_looks_at_tasks_of_another_account_hold_back_no_look_at_own_ones(
    world: World, refusal: Exception
) -> None:
    async with world.follower() as before:
        for _ in range(10):
            await world.submitted(before, "piapi", song_s=10_000.0)
    service = OneAccount(refusal=refusal, at_look=partial(world.clock.sleep, 1.0))
    async with world.follower({"piapi": service}) as now:
        own = await world.submitted(now, "piapi", song_s=10_000.0)
        service.seen = own.task_id
        await world.clock.run(200.0)
        planned = len(looks(200.0)) - 2
        assert service.asked.count(own.task_id) >= planned
        assert len(service.asked) > 20, "the others were looked at"


async def test_the_open_tasks_of_gptge_go_in_one_request(world: World) -> None:
    async with world.follower() as follower:
        tasks = [await world.submitted(follower) for _ in range(30)]
        await world.clock.run(3.0)
        assert world.services.looks == {"gptge": 1}
        assert sorted(world.services.asked_ids[0]) == sorted(task.task_id for task in tasks)
        await world.clock.run(120.0)
        assert {task.status for task in follower.ended} == {"completed"}
        assert len(follower.ended) == 30


async def test_two_looks_that_are_due_within_a_second_go_in_one_request(world: World) -> None:
    async with world.follower() as follower:
        first = await world.submitted(follower)
        await world.clock.run(0.9)
        second = await world.submitted(follower)
        await world.clock.run(0.2)
        await world.submitted(follower)
        await world.clock.run(1.4)
        (asked,) = world.services.asked_ids
        assert sorted(asked) == sorted([first.task_id, second.task_id])


async def test_the_tasks_of_piapi_are_looked_at_one_by_one(world: World) -> None:
    async with world.follower() as follower:
        tasks = [await world.submitted(follower, "piapi") for _ in range(12)]
        await world.clock.run(5.0)
        assert sorted(ids[0] for ids in world.services.asked_ids) == sorted(
            task.task_id for task in tasks
        )


async def test_of_many_looks_that_go_alone_eight_are_under_way_at_once(world: World) -> None:
    world.services.latency_s = 10.0
    async with world.follower() as follower:
        for _ in range(12):
            await world.submitted(follower, "piapi")
        await world.clock.run(5.0)
        assert sum(world.services.under_way.values()) == 8


async def test_one_request_asks_for_fifty_tasks_at_most(world: World) -> None:
    async with world.follower() as follower:
        for _ in range(51):
            await world.submitted(follower)
        await world.clock.run(4.0)
        assert [len(ids) for ids in world.services.asked_ids] == [50, 1]


async def test_what_another_process_left_is_found_within_five_seconds(world: World) -> None:
    async with world.follower() as follower:
        await world.clock.run(0.5)
        account = follower.accounts["piapi"]
        new = NewTask("piapi", "", "song", "p", "", "", {}, account=account)
        task = (await follower.journal.prepare(new, join=False)).task
        made = world.services.accept("piapi")
        await follower.journal.accept(task.local_id, new, made.task_id, None)
        await world.clock.run(4.6)
        assert world.services.looks["piapi"] == 1


async def test_a_look_that_goes_alone_is_not_made_before_its_time(world: World) -> None:
    async with world.follower() as follower:
        first = await world.submitted(follower, "piapi")
        await world.clock.run(0.9)
        await world.submitted(follower, "piapi")
        await world.clock.run(1.5)
        assert world.services.asked_ids == [[first.task_id]]


async def test_what_a_batch_leaves_out_stays_as_it_was_and_is_asked_for_again(
    world: World,
) -> None:
    async with world.follower() as follower:
        lost, kept = [await world.submitted(follower) for _ in range(2)]
        made = world.services.made.pop(lost.task_id)
        await world.clock.run(15.0)
        assert (await world.known(follower, lost)).status == "pending"
        assert (await world.known(follower, kept)).status == "processing"
        world.services.made[lost.task_id] = made
        await world.clock.run(8.0)
        assert (await world.known(follower, lost)).status == "processing"


@pytest.mark.parametrize("fault", ["not reached", "half an answer", "failed", "too many", "page"])
@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_no_error_of_a_look_changes_a_status(
    world: World, fault: Fault, service: ServiceName
) -> None:
    async with world.follower() as follower:
        tasks = [await world.submitted(follower, service) for _ in range(3)]
        await world.clock.run(4.0)
        world.services.look_fault = fault
        await world.clock.run(200.0)
        assert [(await world.known(follower, task)).status for task in tasks] == ["processing"] * 3
        world.services.look_fault = "none"
        await world.clock.run(100.0)
        assert {task.status for task in follower.ended} == {"completed"}


async def test_a_task_is_failed_only_when_the_service_says_so(world: World) -> None:
    async with world.follower() as follower:
        task = await world.submitted(follower, song_s=30.0)
        world.services.made[task.task_id].fails = True
        await world.clock.run(29.0)
        assert (await world.known(follower, task)).status == "processing"
        await world.clock.run(10.0)
        assert (await world.known(follower, task)).status == "failed"


async def test_after_an_hour_a_task_is_followed_no_longer_and_can_still_be_asked_for(
    world: World,
) -> None:
    async with world.follower() as follower:
        task = await world.submitted(follower, "piapi", song_s=HOUR_S + 600.0)
        await world.clock.run(HOUR_S + 60.0)
        made_so_far = world.services.looks["piapi"]
        await world.clock.run(HOUR_S)
        assert world.services.looks["piapi"] == made_so_far
        known = await world.known(follower, task)
        assert known.status == "processing"
        await world.clock.result(follower.poller.look(known))
        assert (await world.known(follower, task)).status == "completed"


@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_a_task_that_nobody_followed_for_hours_gets_one_last_look(
    world: World, service: ServiceName
) -> None:
    async with world.follower() as gone:
        done = await world.submitted(gone, service, song_s=100.0)
        endless = await world.submitted(gone, service, song_s=9 * HOUR_S)
        gone.die()
    await world.clock.run(3 * HOUR_S)
    async with world.follower() as follower:
        await world.clock.run(HOUR_S)
        assert (await world.known(follower, done)).status == "completed"
        assert (await world.known(follower, endless)).status == "processing"
        asked = [ids for ids in world.services.asked_ids if endless.task_id in ids]
        assert len(asked) == 1


async def test_those_who_want_the_same_look_share_one_flight(world: World) -> None:
    world.services.latency_s = 1.0
    async with world.follower() as follower:
        task = await world.submitted(follower, "piapi")
        async with anyio.create_task_group() as waiters:
            for _ in range(20):
                waiters.start_soon(follower.poller.look, task)
            await world.clock.run(1.5)
        assert world.services.looks["piapi"] == 1


async def test_those_who_share_a_flight_that_fails_are_all_told(world: World) -> None:
    world.services.look_fault = "page"
    told: list[str] = []
    async with world.follower() as follower:
        task = await world.submitted(follower, "piapi")

        async def look() -> None:
            with pytest.raises(NoAnswerError):
                await follower.poller.look(task)
            told.append("failed")

        async with anyio.create_task_group() as waiters:
            for _ in range(5):
                waiters.start_soon(look)
    assert told == ["failed"] * 5
    assert world.services.looks["piapi"] == 1


async def test_a_look_of_a_moment_ago_is_not_made_again(world: World) -> None:
    async with world.follower() as follower:
        task = await world.submitted(follower, "piapi")
        await world.clock.run(2.5)
        await follower.poller.look(await world.known(follower, task))
        assert world.services.looks["piapi"] == 1
        await world.clock.run(1.7)  # the look took 0.2 s
        await world.clock.result(follower.poller.look(await world.known(follower, task)))
        assert world.services.looks["piapi"] == 2, "it was two seconds ago"


async def test_a_task_is_adopted_when_the_process_that_submitted_it_is_dead(world: World) -> None:
    async with world.follower() as other:
        async with world.follower() as gone:
            task = await world.submitted(gone, song_s=50.0)
            await world.clock.run(12.0)
            gone.die()
        await world.clock.run(60.0)
        assert [ended.task_id for ended in other.ended] == [task.task_id]


async def test_open_tasks_are_taken_up_again_on_start(world: World) -> None:
    async with world.follower() as gone:
        tasks = [await world.submitted(gone, "piapi", song_s=20.0) for _ in range(5)]
        gone.die()
    await world.clock.run(60.0)
    async with world.follower() as follower:
        await world.clock.run(2.0)
        assert len(follower.ended) == len(tasks)


async def test_a_look_that_died_with_its_process_is_made_by_another(world: World) -> None:
    world.services.look_fault = "hangs"
    async with world.follower() as gone:
        await world.submitted(gone, "piapi", song_s=1.0)
        await world.clock.run(2.5)
        assert world.services.looks == {"piapi": 1}
        gone.die()
    world.services.look_fault = "none"
    async with world.follower() as other:
        await world.clock.run(10.0)
        assert len(other.ended) == 1


# When a service fails --------------------------------------------------------------------------


async def test_retry_after_is_kept_by_following_and_by_those_who_ask(world: World) -> None:
    world.services.look_fault, world.services.retry_after = "too many", "90"
    async with world.follower() as follower:
        task = await world.submitted(follower, "piapi", song_s=20.0)
        await world.clock.run(60.0)
        assert world.services.looks["piapi"] == 1
        with pytest.raises(PausedError, match="asked for a pause"):
            await follower.poller.look(task)
        world.services.look_fault = "none"
        await world.clock.run(40.0)
        assert world.services.looks["piapi"] == 2
        assert len(follower.ended) == 1


async def test_a_service_that_fails_is_probed_by_one_look_at_a_time(world: World) -> None:
    world.services.look_fault = "failed"
    async with world.follower() as follower:
        tasks = [await world.submitted(follower, "piapi") for _ in range(8)]
        await world.clock.run(BROKEN_AFTER_S)
        made_so_far = world.services.looks["piapi"]
        assert made_so_far >= BREAKS_AFTER
        await world.clock.run(600.0)
        probes = world.services.looks["piapi"] - made_so_far
        assert 600.0 / (2 * OPEN_S) - 2 <= probes <= 600.0 / OPEN_S
        assert (await world.known(follower, tasks[0])).status == "pending"


async def test_while_a_probe_is_under_way_there_is_no_second_one(world: World) -> None:
    world.services.look_fault = "failed"
    async with world.follower() as follower:
        for _ in range(8):
            await world.submitted(follower, "piapi")
        await world.clock.run(BROKEN_AFTER_S)
        world.services.look_fault = "hangs"
        made_so_far = world.services.looks["piapi"]
        await world.clock.until(lambda: world.services.looks["piapi"] > made_so_far, 2 * OPEN_S)
        await world.clock.run(OPEN_S - 1.0)
        assert world.services.looks["piapi"] == made_so_far + 1


@dataclass
class Mistaken(Teller):
    """A service whose answers this program cannot read at first, by a mistake of its own."""

    mistakes: int = 1
    looks: int = 0

    async def fetch(self, task_id: str) -> Report:
        self.looks += 1
        if self.looks <= self.mistakes:
            raise KeyError("of ours")
        return Report(task_id, "completed", "completed")


class MistakenBatch(Mistaken):
    """The same, in one request; what nobody asked for is in its answers too."""

    async def fetch_many(self, task_ids: Sequence[str]) -> Mapping[str, Report]:
        found = await self.fetch(task_ids[0])
        return {key: replace(found, task_id=key) for key in [*task_ids, "unknown"]}


@pytest.mark.parametrize("kind", [Mistaken, MistakenBatch])
async def test_a_mistake_of_our_own_ends_no_following(world: World, kind: type[Mistaken]) -> None:
    service = kind("gptge", mistakes=2)
    async with world.follower({"gptge": service}) as follower:
        tasks = [await world.submitted(follower) for _ in range(2)]
        await world.clock.run(3.0)
        assert follower.ended == []
        await world.clock.run(20.0)
        assert {task.local_id for task in follower.ended} == {task.local_id for task in tasks}
        late = await world.submitted(follower)
        service.mistakes = 99
        await follower.poller.look(late)
        assert (await world.known(follower, late)).status == "pending"


async def test_a_burst_of_looks_ends_with_the_first_that_fails(world: World) -> None:
    world.services.look_fault = "failed"
    async with world.follower() as follower:
        for _ in range(40):
            await world.submitted(follower, "piapi")
        await world.clock.run(2.5)
        assert world.services.looks["piapi"] <= LOOKS_AT_ONCE


async def test_the_journal_answers_while_a_service_is_left_alone(world: World) -> None:
    world.services.look_fault = "failed"
    async with world.follower() as follower:
        tasks = [await world.submitted(follower, "piapi") for _ in range(6)]
        await world.clock.run(BROKEN_AFTER_S)
        with pytest.raises(PausedError, match="that costs nothing"):
            await follower.poller.look(tasks[0])
        assert (await world.known(follower, tasks[0])).status == "pending"


async def test_one_success_ends_the_pause_for_every_task_at_once(world: World) -> None:
    world.services.look_fault = "failed"
    async with world.follower() as follower:
        for _ in range(8):
            await world.submitted(follower, "piapi", song_s=20.0)
        await world.clock.run(BROKEN_AFTER_S)
        world.services.look_fault = "none"
        await world.clock.until(lambda: len(follower.ended) > 0, 2 * OPEN_S)
        await world.clock.run(2.0)
        assert len(follower.ended) == 8


async def test_a_service_that_fails_delays_no_other(world: World) -> None:
    async with world.follower() as follower:
        world.services.look_fault = "hangs"
        stuck = await world.submitted(follower, "piapi")
        await world.clock.run(3.0)
        world.services.look_fault = "none"
        quick = await world.submitted(follower, "gptge", song_s=5.0)
        await world.clock.run(15.0)
        assert [task.task_id for task in follower.ended] == [quick.task_id]
        assert (await world.known(follower, stuck)).status == "pending"


# When the clock of the system is set -----------------------------------------------------------


@pytest.mark.parametrize("hours", [-2.0, -0.2, 2.0])
@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_a_clock_that_is_set_neither_stops_following_nor_makes_it_hurry(
    world: World, service: ServiceName, hours: float
) -> None:
    async with world.follower() as follower:
        await world.submitted(follower, service, song_s=100.0)
        await world.clock.run(12.0)
        made_so_far = world.services.looks[service]
        world.clock.jumped_s = hours * HOUR_S
        await world.clock.run(88.0)
        assert world.services.looks[service] - made_so_far <= 88.0 / 5.0 + 3


async def test_a_clock_that_jumps_and_comes_back_leaves_a_young_task_followed(
    world: World,
) -> None:
    async with world.follower() as follower:
        task = await world.submitted(follower, song_s=200.0)
        await world.clock.run(12.0)
        world.clock.jumped_s = 2 * HOUR_S
        await world.clock.run(30.0)
        world.clock.jumped_s = 0.0
        await world.clock.run(200.0)
        assert [ended.task_id for ended in follower.ended] == [task.task_id]
