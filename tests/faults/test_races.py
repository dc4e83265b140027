"""Sixteen processes at once: one request is paid once, and the daily limit holds over all."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from song_mcp.journal import Journal
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules, Sandbox
from tests.faults.canaries import MINIMAX_KEY
from tests.faults.racing import FREE, PAID, Worker, crew, paid_posts, race, song
from tests.faults.scale import report, scaled
from tests.harvest import echoed
from tests.house import environment
from tests.limits import HANGS_S
from tests.voice import beep
from tests.waiting import a_moment

pytestmark = [pytest.mark.xdist_group("races"), pytest.mark.at_size]  # one crew for all

Json = dict[str, Any]

PROCESSES = 16
LIMIT = 10
AT_ONCE = 100
ENDLESS_S = 36_000.0
"""Songs that never end: nothing is saved, so the processes do little but race."""
SOON_S = 0.1
RICH = Rules(
    clip_seconds=0.5, balance_usd=10_000.0, max_concurrent=100_000, free_per_minute=100_000
)


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
    settings = environment(folder, base_url) | {
        "MINIMAX_API_KEY": MINIMAX_KEY,
        "ACESTEP_BASE_URL": base_url,
        "SONG_MCP_DAILY_LIMIT": str(daily_limit),
    }
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
            wish = song(number, "slow waltz", PAID + FREE)
            comes_with_the_answer = wish["model"].startswith("minimax")
            sandbox.song_seconds = SOON_S if comes_with_the_answer else ENDLESS_S
            order = {"do": "submit", "songs": [wish]}
            answers = [answer for (answer,) in await race(workers, [order] * PROCESSES)]
            assert sorted(answer["joined"] for answer in answers) == [False] + [True] * 15, answers
            assert len({answer["local_id"] for answer in answers}) == 1
            assert paid_posts(sandbox) == 1
        await race(workers, [{"do": "close"}] * PROCESSES)
    assert sum((await statuses(tmp_path)).values()) == rounds
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
        sandbox.song_seconds = SOON_S
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


async def test_what_costs_nothing_passes_the_daily_limit_and_uses_none_of_it(
    workers: list[Worker], tmp_path: Path
) -> None:
    async with services() as (sandbox, base_url):
        sandbox.song_seconds = SOON_S
        await open_studios(workers, tmp_path, base_url, LIMIT)
        answers = await submit_shared_out(workers, "of all kinds,", FREE + PAID)
        is_free = [song(n, "", FREE + PAID)["model"] in FREE for n in range(AT_ONCE)]
        refused = [answer for answer in answers if "error" in answer]
        assert len(refused) == AT_ONCE - sum(is_free) - LIMIT
        with anyio.fail_after(HANGS_S):
            while paid_posts(sandbox) < sum(is_free) + LIMIT:  # an answer may come before its POST
                await a_moment()
        assert paid_posts(sandbox) == sum(is_free) + LIMIT
        await race(workers, [{"do": "close"}] * PROCESSES)
    report(f"free: {sum(is_free)} of {AT_ONCE} at once, all made beside {LIMIT} paid ones")


async def submit_shared_out(
    workers: list[Worker], words: str, models: Sequence[str] = PAID
) -> list[Json]:
    """Submit a hundred different requests at once, shared out among the workers."""
    songs = [song(number, words, models) for number in range(AT_ONCE)]
    orders = [{"do": "submit", "songs": songs[k :: len(workers)]} for k in range(len(workers))]
    return [answer for answers in await race(workers, orders) for answer in answers]
