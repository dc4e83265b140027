"""What this server relies on in uvicorn beyond its settings: a release may change it.

If one of these fails after an upgrade, read `song_mcp/server/web.py`. What becomes of results is in
`test_delivery_over_http`.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

import anyio
import pytest
import uvicorn
from anyio.abc import SocketStream
from uvicorn.protocols.http.h11_impl import H11Protocol

from song_mcp.loopback import host_and_port, listen
from song_mcp.server.delivery import CONNECTION, Connection, Receive, Send
from song_mcp.server.web import Protocol, WebServer
from tests.limits import HANGS_S
from tests.waiting import a_moment

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


class Counted:
    """A web server on loopback whose app answers `/` at once, and holds `/held` until released.

    The answer to `/much` is more than the operating system takes for a client that does not read.
    """

    def __init__(self, connections: int, idle_s: float) -> None:
        self.release = anyio.Event()
        self.held = anyio.Event()
        self.outcomes: list[bool] = []
        self.settled = anyio.Event()

        async def app(scope: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401 - as ASGI has it
            await self.answer(scope, receive, send)

        self.web = WebServer(app, connections, idle_s)

    async def answer(self, scope: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401 - as ASGI has it
        message = await receive()
        while message.get("more_body", False):
            message = await receive()
        if message["type"] == "http.disconnect":
            return
        scope["state"][CONNECTION].is_let_in = scope["path"] == "/held"
        if scope["path"] == "/held":
            self.held.set()
            await self.release.wait()
        if scope["path"] == "/much":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": MUCH})
            self.outcomes.append(await scope["state"][CONNECTION].settled())
            self.settled.set()
            return
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Callable[[bytes], Awaitable[SocketStream]]]:
        """Serve; yields a function that opens a connection and sends this over it."""
        opened: list[SocketStream] = []

        async def connect(content: bytes) -> SocketStream:
            stream = await anyio.connect_tcp(*host_and_port(listener))
            opened.append(stream)
            await stream.send(content)
            return stream

        with listen("127.0.0.1", 0) as listener, anyio.fail_after(HANGS_S):
            serving = asyncio.create_task(self.web.serve([listener]))
            try:
                yield connect
            finally:
                for stream in opened:
                    await stream.aclose()
                self.web.hang_up()
                self.web.should_exit = True
                await serving


MUCH = bytes(32 * 2**20)
GET = b"GET %b HTTP/1.1\r\nHost: here\r\n\r\n"
HALF_SENT = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: he",
    "half a body": b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf",
}


@pytest.mark.parametrize("sent", HALF_SENT.values(), ids=HALF_SENT)
async def test_a_connection_without_a_whole_request_ends_and_one_that_is_answered_does_not(
    sent: bytes,
) -> None:
    counted = Counted(connections=8, idle_s=0.1)
    async with counted.serving() as connect:
        held = await connect(GET % b"/held")
        await counted.held.wait()
        with pytest.raises(anyio.EndOfStream):
            await (await connect(sent)).receive()
        counted.release.set()
        assert b"200" in await held.receive()


async def test_what_trickles_in_does_not_lengthen_the_wait_for_a_request() -> None:
    counted = Counted(connections=8, idle_s=0.1)
    async with counted.serving() as connect:
        trickling = await connect(b"GET / HTTP/1.1\r\n")
        with suppress(anyio.BrokenResourceError):
            while True:
                await trickling.send(b"X: y\r\n")
                await a_moment()


async def test_a_connection_that_is_idle_after_an_answer_ends() -> None:
    counted = Counted(connections=8, idle_s=0.1)
    async with counted.serving() as connect:
        stream = await connect(GET % b"/")
        heard = b"".join([part async for part in stream])
    assert b"keep-alive: timeout=" in heard.lower()


async def test_connections_that_ask_for_nothing_keep_nobody_out() -> None:
    counted = Counted(connections=8, idle_s=HANGS_S)
    async with counted.serving() as connect:
        held = await connect(GET % b"/held")
        await counted.held.wait()
        asleep = [await connect(sent) for sent in HALF_SENT.values() for _ in range(8)]
        for _ in range(3):
            assert b" 200 " in await (await connect(GET % b"/")).receive()
        for stream in asleep[:8]:
            with pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)):
                await stream.receive()
        counted.release.set()
        assert b" 200 " in await held.receive(), "a request in flight gave way"


async def test_a_client_that_takes_nothing_of_its_answer_loses_it() -> None:
    """It would keep the room for audio from all others for as long as it lives."""
    counted = Counted(connections=8, idle_s=0.1)
    async with counted.serving() as connect:
        await connect(GET % b"/much")
        await counted.settled.wait()
    assert counted.outcomes == [False]


async def test_a_client_that_reads_slowly_keeps_its_connection() -> None:
    counted = Counted(connections=8, idle_s=HANGS_S)
    async with counted.serving() as connect:
        stream = await connect(GET % b"/much")
        await stream.receive()
        (server,) = counted.web.server_state.connections
        assert isinstance(server, Protocol)
        while not (left := server.transport.get_write_buffer_size()):
            await a_moment()
        server.look_again(left + 1)
        assert not server.transport.is_closing()
        server.look_again(left)
        assert server.transport.is_closing()
