"""Clients that cut every call off after 5 s, with a model that repeats what timed out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from mcp.types import REQUEST_TIMEOUT

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules
from tests import eras
from tests.faults.scale import report
from tests.harvest import echoed
from tests.house import environment
from tests.limits import HANGS_S
from tests.voice import beep
from tests.wire.child import SONG_MCP, started

Json = dict[str, Any]
Ask = Callable[..., Awaitable[Json | None]]
"""Calls a tool; returns the structured content, or None if the client cut the call off."""

CUTS_AT_S = 5.0
THINKS_S = 1.0
SLOWLY_ACCEPTED = "[[timeout:6]]"
ENDS_LATE_S = 16.0


@asynccontextmanager
async def of_python_2(folder: Path, base_url: str, era: str) -> AsyncIterator[Ask]:
    """The SDK's client, which tells the server that a call timed out."""
    variables = {"HOME": str(folder), **environment(folder, base_url)}
    server = StdioServerParameters(command=SONG_MCP[0], args=list(SONG_MCP[1:]), env=variables)
    folder.mkdir()
    with (folder / "stderr.txt").open("a", encoding="utf-8") as stderr:
        async with eras.connected(stdio_client(server, stderr), era=era) as (client, _):

            async def ask(tool: str, **arguments: Any) -> Json | None:  # noqa: ANN401 - JSON
                try:
                    result = await client.call_tool(tool, arguments, read_timeout_seconds=CUTS_AT_S)
                except MCPError as error:
                    if error.error.code != REQUEST_TIMEOUT:
                        raise
                    return None
                return dict(result.structured_content or {})

            yield ask


@asynccontextmanager
async def of_python_1(folder: Path, base_url: str, era: str) -> AsyncIterator[Ask]:
    """A client that says nothing of it, and drops the answer when it comes."""
    assert era == eras.now_tested.era
    async with started(folder, environment(folder, base_url)) as child:
        await child.hello()

        async def ask(tool: str, **arguments: Any) -> Json | None:  # noqa: ANN401 - JSON
            number = await child.request("tools/call", {"name": tool, "arguments": arguments})
            with anyio.move_on_after(CUTS_AT_S):
                found: Json = (await child.answer(number))["result"]["structuredContent"]
                return found
            return None

        yield ask


async def makes_a_song(ask: Ask, wish: str) -> int:
    """Ask as a model does that was told to call get_task; return how many looks timed out."""
    song = await ask("generate_song", description=wish)
    assert song is not None, "the paid call was cut off"
    assert song["status"] == "submitting"
    assert song["task_id"].startswith("local-")
    task_id, timed_out = song["task_id"], 0
    while song is None or song["status"] != "completed":
        await anyio.sleep(THINKS_S)
        song = await ask("get_task", task_id=task_id)
        timed_out += song is None
        task_id = song["task_id"] if song else task_id
    return timed_out


@pytest.mark.no_client
@pytest.mark.at_size
async def test_clients_that_cut_at_five_seconds_get_their_song_and_pay_once(
    tmp_path: Path,
) -> None:
    """Each look that timed out is one that the server had to learn from."""
    rules = Rules(clip_seconds=1.0)
    app = build_app(ENDS_LATE_S, rules=rules, press=beep)
    clients = {
        "python 2, 2025-11-25": partial(of_python_2, era=eras.LEGACY),
        "python 2, 2026-07-28": partial(of_python_2, era=eras.MODERN),
        "python 1, silent": partial(of_python_1, era=eras.LEGACY),
    }

    async def play(name: str, base_url: str) -> None:
        async with clients[name](tmp_path / name, base_url) as ask:
            timed_out[name] = await makes_a_song(ask, f"{name} {SLOWLY_ACCEPTED}")

    timed_out: dict[str, int] = {}
    async with running(echoed(app)) as base_url:
        with anyio.fail_after(2 * HANGS_S):
            async with anyio.create_task_group() as group:
                for name in clients:
                    group.start_soon(play, name, base_url)
    report(f"looks that timed out: {timed_out}")
    assert all(number <= 1 for number in timed_out.values())
    assert len(app.state.sandbox.accepted) == len(clients)
