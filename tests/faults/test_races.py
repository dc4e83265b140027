"""Sixteen processes at once: one request is paid once, and the daily limit holds over all."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from song_mcp.journal import Journal
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules, Sandbox
from tests.faults.racing import Worker, crew, paid_posts, race, song
from tests.faults.scale import report, scaled
from tests.harvest import echoed
from tests.house import environment
from tests.voice import beep

pytestmark = [pytest.mark.xdist_group("races"), pytest.mark.at_size]  # one crew for all

Json = dict[str, Any]

PROCESSES = 16
LIMIT = 10
AT_ONCE = 100
ENDLESS_S = 36_000.0
"""Songs that never end: nothing is saved, so the processes do little but race."""
RICH = Rules(clip_seconds=0.5, balance_usd=10_000.0, max_concurrent=100_000)


@pytest.fixture(scope="module")
async def workers() -> AsyncIterator[list[Worker]]:
    async with crew(PROCESSES) as started:
        yield started


@asynccontextmanager
async def services() -> AsyncIterator[tuple[Sandbox, str]]:
    app = build_app(ENDLESS_S, rules=RICH, press=beep)
    async with running(echoed(app)) as base_url:
        yield app.state.sandbox, base_url


async def open_studios(
    workers: list[Worker], folder: Path, base_url: str, daily_limit: int
) -> None:
    """Let every worker open a studio on one journal, all at the same moment."""
    settings = environment(folder, base_url) | {"SONG_MCP_DAILY_LIMIT": str(daily_limit)}
    await race(workers, [{"do": "open", "settings": settings}] * len(workers))


async def statuses(folder: Path) -> Counter[str]:
    """How many tasks the journal has, by status."""
    journal = Journal(folder / "home" / "journal.sqlite3", lambda: datetime.now(UTC))
    page = await journal.search("", 10_000)
    await journal.close()
    return Counter(task.status for task in page.tasks)


async def test_one_request_from_sixteen_processes_at_once_is_paid_once(
    workers: list[Worker], tmp_path: Path
) -> None:
    rounds = scaled(100)
    async with services() as (sandbox, base_url):
        await open_studios(workers, tmp_path, base_url, 10 * rounds)
        for number in range(rounds):
            sandbox.requests.clear()
            order = {"do": "submit", "songs": [song(number, "slow waltz")]}
            answers = [answer for (answer,) in await race(workers, [order] * PROCESSES)]
            assert sorted(answer["joined"] for answer in answers) == [False] + [True] * 15, answers
            assert len({answer["local_id"] for answer in answers}) == 1
            assert paid_posts(sandbox) == 1
        await race(workers, [{"do": "close"}] * PROCESSES)
    assert await statuses(tmp_path) == {"pending": rounds}
    assert len(sandbox.accepted) == rounds
    report(
        f"same request: {rounds} rounds of {PROCESSES} processes, "
        f"{len(sandbox.accepted)} POSTs, {rounds * (PROCESSES - 1)} joined"
    )


async def test_a_hundred_requests_at_once_never_exceed_the_daily_limit(
    workers: list[Worker], tmp_path: Path
) -> None:
    rounds, most = scaled(20), 0
    async with services() as (sandbox, base_url):
        for number in range(rounds):
            folder = tmp_path / str(number)
            sandbox.requests.clear()
            await open_studios(workers, folder, base_url, LIMIT)
            answers = await submit_shared_out(workers, f"round {number}, take")
            assert len(answers) == AT_ONCE
            refused = [answer["text"] for answer in answers if "error" in answer]
            assert len(refused) == AT_ONCE - LIMIT
            assert all("reach the limit of 10" in text for text in refused), refused
            assert paid_posts(sandbox) == LIMIT
            assert sum((await statuses(folder)).values()) == LIMIT
            most = max(most, paid_posts(sandbox))
        await race(workers, [{"do": "close"}] * PROCESSES)
    report(
        f"daily limit {LIMIT}: {rounds} rounds of {AT_ONCE} requests from {PROCESSES} processes, "
        f"at most {most} POSTs in a round, {len(sandbox.accepted)} in all"
    )


async def submit_shared_out(workers: list[Worker], words: str) -> list[Json]:
    """Submit a hundred different requests at once, shared out among the workers."""
    songs = [song(number, words) for number in range(AT_ONCE)]
    orders = [{"do": "submit", "songs": songs[k :: len(workers)]} for k in range(len(workers))]
    return [answer for answers in await race(workers, orders) for answer in answers]
