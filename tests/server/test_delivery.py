"""What a line that reached its client is worth, and when."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from filelock import FileLock
from mcp import Client
from mcp.server.context import ServerRequestContext

from song_mcp.clock import Clock
from song_mcp.compose import open_studio
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.server.app import build_server
from song_mcp.server.delivery import Deliveries
from song_mcp.settings import Settings
from tests.harvest import echoed
from tests.house import QUICK, SPEED, environment
from tests.voice import beep

REQUESTS = 20


async def test_an_end_that_is_written_when_the_studio_has_closed_harms_nothing(
    tmp_path: Path,
) -> None:
    """On stdio a line can be under way while the server closes: its client has hung up."""
    clock = Clock(SPEED)
    app = build_app(1.5, rules=QUICK, clock=lambda: clock.now().timestamp(), press=beep)
    async with running(echoed(app)) as base_url:
        settings = Settings(**environment(tmp_path, base_url))  # type: ignore[arg-type]  # by the variables' names
        server = build_server(lambda: open_studio(settings, clock))
        deliveries = server.deliveries_by_line()
        async with Client(server) as client:
            arguments = {"description": "x", "wait_seconds": 30}
            song = await client.call_tool("generate_song", arguments)
        assert song.structured_content is not None
        assert song.structured_content["status"] == "completed"
        for number in range(REQUESTS):  # whichever number the call had
            deliveries.wrote(f'{{"jsonrpc":"2.0","id":{number},"result":{{}}}}')


async def test_an_end_that_was_delivered_just_before_the_server_closes_counts(
    tmp_path: Path,
) -> None:
    """A client that has what it wanted hangs up at once."""
    clock = Clock(SPEED)
    app = build_app(1.5, rules=QUICK, clock=lambda: clock.now().timestamp(), press=beep)
    async with running(echoed(app)) as base_url:
        settings = Settings(**environment(tmp_path, base_url))  # type: ignore[arg-type]  # by the variables' names
        held = FileLock(f"{settings.journal_path}.lock")

        async def let_go_when_it_closes() -> None:
            """Let others write when the server has let go its sign of life, and closes."""
            while any((settings.journal_path.parent / "processes").iterdir()):
                await anyio.lowlevel.checkpoint()
            for _ in range(100):
                await anyio.lowlevel.checkpoint()
            held.release()

        server = build_server(lambda: open_studio(settings, clock))
        deliveries = server.deliveries_by_line()
        async with anyio.create_task_group() as group, Client(server) as client:
            for description in "xy":
                arguments = {"description": description, "wait_seconds": 30}
                song = await client.call_tool("generate_song", arguments)
                assert song.structured_content is not None
                assert song.structured_content["status"] == "completed"
            held.acquire()
            for number in range(REQUESTS):  # whichever numbers the calls had
                deliveries.wrote(f'{{"jsonrpc":"2.0","id":{number},"result":{{}}}}')
            group.start_soon(let_go_when_it_closes)
    with closing(sqlite3.connect(settings.journal_path)) as db:
        told = db.execute("SELECT count(*) FROM tasks WHERE delivered_at IS NOT NULL")
        assert told.fetchone() == (2,)


@pytest.mark.no_client
async def test_requests_whose_ids_only_look_alike_are_two() -> None:
    told: list[str] = []
    deliveries = Deliveries(told.extend)
    nobody: Any = None
    for number in (1, "1"):
        deliveries.expect(
            ServerRequestContext[Any, Any](
                session=nobody,
                lifespan_context=nobody,
                protocol_version="",
                method="tools/call",
                request_id=number,
            ),
            [f"of {number!r}"],
        )
    deliveries.wrote('{"jsonrpc":"2.0","id":"1","result":{}}')
    assert told == ["of '1'"]
    deliveries.wrote('{"jsonrpc":"2.0","id":1,"result":{}}')
    assert told == ["of '1'", "of 1"]
