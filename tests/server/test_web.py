"""What this server relies on in uvicorn beyond its settings: a release may change it.

If one of these fails after an upgrade, read `song_mcp/server/web.py`. What becomes of results is in
`test_delivery_over_http`.
"""

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import anyio
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from song_mcp.loopback import host_and_port, listen
from song_mcp.server.delivery import CONNECTION, Connection, Receive, Send
from song_mcp.server.web import WebServer
from tests.limits import HANGS_S

pytestmark = pytest.mark.no_client

UVICORN = f"uvicorn {version('uvicorn')}"


def test_what_is_overridden_is_what_uvicorn_calls() -> None:
    assert issubclass(H11Protocol, asyncio.Protocol), f"{UVICORN} has another kind of protocol"
    assert list(inspect.signature(H11Protocol).parameters)[:3] == [
        "config",
        "server_state",
        "app_state",
    ], f"{UVICORN} makes its protocol in another way"
    assert "capture_signals" in inspect.getsource(uvicorn.Server.serve), (
        f"{UVICORN} would take the process's signals"
    )


async def test_each_scope_has_its_connection_and_hanging_up_ends_all_at_once() -> None:
    seen: list[Any] = []
    arrived = anyio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401 - as ASGI has it
        seen.append(scope["state"].get(CONNECTION))
        arrived.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    web = WebServer(app)
    with listen("127.0.0.1", 0) as listener, anyio.fail_after(HANGS_S):
        serving = asyncio.create_task(web.serve([listener]))
        address = host_and_port(listener)
        async with await anyio.connect_tcp(*address) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            await arrived.wait()
            assert isinstance(seen[0], Connection), f"{UVICORN} does not pass on the app's state"
            web.hang_up()
            with pytest.raises(anyio.EndOfStream):
                await client.receive()
        with pytest.raises(OSError, match="connect"):
            await anyio.connect_tcp(*address)
        web.should_exit = True
        await serving
