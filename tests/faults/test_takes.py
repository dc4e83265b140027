"""Servers killed while they make several takes: the repeated call pays for the missing ones alone.

A server dies at the n-th time that it reaches a step, so before, between or after the takes.
"""

import signal
from contextlib import suppress
from itertools import product
from pathlib import Path

import anyio
import pytest

from song_mcp.journal.failpoints import Failpoint
from tests.faults.fault_service import FaultService, serving
from tests.faults.harness import (
    GoneError,
    Home,
    Json,
    broken_promises,
    by_marker,
    cared_for,
    nursery,
    rows_in,
    started,
)

TAKES = 3
POINTS = (
    Failpoint.BEFORE_PREPARE,
    Failpoint.AFTER_PREPARE,
    Failpoint.BEFORE_BEGIN,
    Failpoint.AFTER_BEGIN,
    Failpoint.AFTER_POST,
    Failpoint.BEFORE_ACCEPT,
    Failpoint.AFTER_ACCEPT,
)
EACH = [*product(POINTS, range(1, TAKES + 1))]
FEW = [(Failpoint.AFTER_PREPARE, 2), (Failpoint.AFTER_POST, 2), (Failpoint.AFTER_ACCEPT, 3)]


async def dies_and_is_repeated(home: Home, service: FaultService, nth: int, point: str) -> None:
    """Let a server die while it makes takes, and repeat the call at the next one."""
    marker = f"song-{point}-{nth}-song"
    call: Json = {"description": f"{marker} open", "model": "ace-step", "takes": TAKES}
    armed = home.folder / "armed"
    home.folder.mkdir(parents=True)
    armed.touch()
    async with started(home, point, str(nth), str(armed)) as server:
        with suppress(GoneError):
            await server.hello(takes_handles=False)
            await server.call("generate_song", **call, wait_seconds=0)
            await server.ping()
        assert await server.ended() == -signal.SIGKILL
    armed.unlink()
    async with started(home, point, str(nth), str(armed)) as server:
        await server.hello(takes_handles=False)
        await cared_for(server, home)
        await server.call("generate_song", **call, wait_seconds=0)
        await server.hang_up()
        await server.ended()
    rows = rows_in(home.journal)
    assert broken_promises(by_marker(rows).get(marker, []), service, {marker: TAKES - 1}) == []
    assert service.submissions[marker] <= TAKES
    wanted = [row for row in rows if row["status"] != "rejected"]
    assert len(wanted) == TAKES, "each take has one row that may have been paid"


async def all_of(folder: Path, ways: list[tuple[Failpoint, int]]) -> None:
    with nursery() as forks:
        for point, nth in ways:
            async with serving(FaultService(lambda _marker, _number: None)) as service:
                home = Home(folder / f"{point}-{nth}", service.base_url, forks)
                with anyio.fail_after(120):
                    await dies_and_is_repeated(home, service, nth, point)


async def test_a_server_killed_between_takes_pays_for_none_twice(tmp_path: Path) -> None:
    await all_of(tmp_path, FEW)


@pytest.mark.at_size
async def test_a_server_killed_at_any_step_of_any_take_pays_for_none_twice(tmp_path: Path) -> None:
    await all_of(tmp_path, EACH)
