"""Sessions of older clients that are never ended: which of them give way to newcomers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from mcp.server.mcpserver import MCPServer

from song_mcp.server.delivery import Receive, Send
from song_mcp.server.sdk import sessions
from song_mcp.server.sessions import Sessions
from tests.eras import LEGACY
from tests.limits import HANGS_S
from tests.wire.child import HELLO
from tests.wire.web import ACCEPT, request

pytestmark = pytest.mark.no_client

URL = "http://127.0.0.1:1/mcp"
MOST = 3


@dataclass
class Room:
    """A server that allows three sessions, with a tool that holds its call until released."""

    http: httpx.AsyncClient
    server: MCPServer[Any]
    held: anyio.Event
    release: anyio.Event

    async def open(self) -> str:
        _, hello = request(LEGACY, "initialize", HELLO)
        answer = await self.http.post(URL, json=hello)
        assert answer.status_code == 200
        return str(answer.headers["mcp-session-id"])

    async def ask(self, session: str, method: str = "ping", **params: Any) -> int:  # noqa: ANN401 - JSON
        headers, body = request(LEGACY, method, params, session)
        return (await self.http.post(URL, json=body, headers=headers)).status_code

    def there(self) -> set[str]:
        return {str(each.mcp_session_id) for each in sessions(self.server.session_manager)}


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    server: MCPServer[Any] = MCPServer("bare")
    held, release = anyio.Event(), anyio.Event()

    @server.tool()
    async def hold() -> str:
        held.set()
        await release.wait()
        return "done"

    inner = server.streamable_http_app(json_response=True)
    app = Sessions(inner, server.session_manager, MOST)

    async def asgi(scope: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401 - as ASGI has it
        await app(scope, receive, send)

    transport = httpx.ASGITransport(asgi)
    async with (
        server.session_manager.run(),
        httpx.AsyncClient(transport=transport, headers=ACCEPT) as http,
    ):
        with anyio.fail_after(HANGS_S):
            yield Room(http, server, held, release)


async def test_the_longest_idle_session_gives_way_to_a_newcomer(room: Room) -> None:
    first, second, third = [await room.open() for _ in range(MOST)]
    assert await room.ask(first) == 200
    fourth = await room.open()
    assert room.there() == {first, third, fourth}
    assert await room.ask(second) == 404
    assert [await room.ask(each) for each in (first, third, fourth)] == [200, 200, 200]


async def test_a_hundred_newcomers_at_once_are_all_let_in(room: Room) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(room.open)
    assert len(room.there()) == MOST


async def test_a_session_with_a_call_in_flight_never_gives_way(room: Room) -> None:
    statuses: list[int] = []

    async def call(session: str) -> None:
        statuses.append(await room.ask(session, "tools/call", name="hold", arguments={}))

    busy = await room.open()
    async with anyio.create_task_group() as group:
        group.start_soon(call, busy)
        await room.held.wait()
        newer = [await room.open() for _ in range(2 * MOST)]
        assert room.there() == {busy, *newer[-2:]}
        room.release.set()
    assert statuses == [200]
    last = [await room.open() for _ in range(MOST)]
    assert room.there() == set(last), "it is idle now"


async def test_newcomers_are_let_in_although_every_session_has_a_call(room: Room) -> None:
    busy = [await room.open() for _ in range(MOST)]
    call = partial(room.ask, method="tools/call", name="hold", arguments={})
    async with anyio.create_task_group() as group:
        for each in busy:
            group.start_soon(call, each)
        await room.held.wait()
        newest = await room.open()
        assert await room.ask(newest) == 200
        assert room.there() == {*busy, newest}
        room.release.set()
