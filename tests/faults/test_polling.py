"""Polling many tasks: four processes ask no more than one would, and learn of ends soon."""

import random
import statistics
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import anyio
import pytest

from song_mcp.journal import Journal, NewTask
from song_mcp.songs import ServiceName, Task
from song_mcp.studio import Poller, Saver
from tests.faults.scale import report, scaled
from tests.manual_clock import ManualClock
from tests.memory_services import MemoryServices, spare_the_disk

SUNO_TASKS = scaled(50, least=15)
UDIO_TASKS = scaled(20, least=6)
ROUNDS = scaled(3)
QUICKEST_S, SLOWEST_S = 40.0, 290.0
"""Songs take one and a half to four minutes; both ends are stretched here."""
SUBMITTED_WITHIN_S = 60.0
LATENCY_S = 0.4
LONGEST_S = 400.0


@dataclass
class Followed:
    """What one run saw: requests by service, and for each task the delay of its news in s."""

    requests: dict[ServiceName, int] = field(default_factory=dict)
    delays_s: list[float] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.requests.values())


@dataclass
class Plan:
    """A task: who submits it, when, and how long it takes, in seconds."""

    service: ServiceName
    starts_s: float
    song_s: float


def plans(seed: int) -> list[Plan]:
    dice = random.Random(seed)  # noqa: S311 - the same songs every time
    services: list[ServiceName] = []
    services += ["gptge"] * SUNO_TASKS
    services += ["piapi"] * UDIO_TASKS
    made = [
        Plan(name, dice.uniform(0, SUBMITTED_WITHIN_S), dice.uniform(QUICKEST_S, SLOWEST_S))
        for name in services
    ]
    return sorted(made, key=lambda plan: plan.starts_s)


async def followed(folder: Path, processes: int, seed: int) -> Followed:
    """Submit the planned tasks, one process after the other, and poll them to their end."""
    clock, seen = ManualClock(), Followed()
    services = MemoryServices(clock, latency_s=LATENCY_S)

    async with AsyncExitStack() as stack:
        folder.mkdir()
        running = [
            await stack.enter_async_context(process(folder, clock, services, seen))
            for _ in range(processes)
        ]
        for number, plan in enumerate(plans(seed)):
            await clock.run(plan.starts_s - clock.elapsed_s)
            await submit(running[number % processes], services, plan, number)
        await clock.until(lambda: len(seen.delays_s) == len(services.made), LONGEST_S)
        seen.requests = dict(services.looks)
    return seen


@dataclass
class Ends:
    """Stands in for the saver: notes how long after the end of each task it is given that."""

    seen: Followed
    clock: ManualClock
    services: MemoryServices

    async def save_due(self, task: Task) -> None:
        ended_at_s = self.services.made[task.task_id].ends_at_s
        self.seen.delays_s.append(self.clock.monotonic() - ended_at_s)


@dataclass
class Process:
    """The poller of one process."""

    journal: Journal
    poller: Poller
    accounts: dict[ServiceName, str]


@asynccontextmanager
async def process(
    folder: Path, clock: ManualClock, services: MemoryServices, seen: Followed
) -> AsyncIterator[Process]:
    journal, providers = Journal(folder / "journal.sqlite3", clock.now), services.providers()
    poller = Poller(providers, journal, clock, cast("Saver", Ends(seen, clock, services)))
    async with anyio.create_task_group() as work:
        work.start_soon(poller.run)
        yield Process(journal, poller, {name: p.account_tag for name, p in providers.items()})
        work.cancel_scope.cancel()
    await journal.close()


async def submit(to: Process, services: MemoryServices, plan: Plan, number: int) -> None:
    """Write a task as submitted and accepted, as the submitter does, and let it be polled."""
    new = NewTask(
        plan.service, "", "song", f"request {number}", "", "", {}, account=to.accounts[plan.service]
    )
    task = (await to.journal.prepare(new, join=True)).task
    made = services.accept(plan.service, song_s=plan.song_s)
    recorded = await to.journal.accept(task.local_id, new, made.task_id, None)
    await to.poller.recorded(recorded)


@pytest.mark.at_size
@pytest.mark.first
async def test_four_processes_ask_as_little_as_one_and_news_is_known_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare_the_disk(monkeypatch)
    alone, together = Followed(), Followed()
    for seed in range(ROUNDS):
        alone = joined(alone, await followed(tmp_path / f"{seed}-1", 1, seed))
        together = joined(together, await followed(tmp_path / f"{seed}-4", 4, seed))
    for name, run in (("one process", alone), ("four processes", together)):
        report(f"{name}: {run.total} looks {run.requests}, news after {figures(run)}")
    report(f"four processes made {together.total / alone.total:.3f} times the looks of one")
    assert together.total <= 1.1 * alone.total
    assert len(together.delays_s) == len(alone.delays_s) == ROUNDS * (SUNO_TASKS + UDIO_TASKS)
    for run in (alone, together):
        assert statistics.median(run.delays_s) <= 5.0
        assert percentile_95(run) <= 10.0


def joined(one: Followed, other: Followed) -> Followed:
    names: tuple[ServiceName, ...] = ("piapi", "gptge")
    requests = {name: one.requests.get(name, 0) + other.requests.get(name, 0) for name in names}
    return Followed(requests, one.delays_s + other.delays_s)


def percentile_95(run: Followed) -> float:
    return statistics.quantiles(run.delays_s, n=20)[-1]


def figures(run: Followed) -> str:
    median, longest = statistics.median(run.delays_s), max(run.delays_s)
    return f"{median:.1f} s (median), {percentile_95(run):.1f} s (p95), {longest:.1f} s (longest)"
