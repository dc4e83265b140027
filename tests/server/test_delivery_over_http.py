"""What counts as delivered over HTTP, on real sockets, down to the turn of the loop."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from song_mcp.loopback import host_and_port, listen
from song_mcp.server.delivery import EXCHANGE, Exchanges, Message, Receive, Send
from song_mcp.server.web import WebServer
from song_mcp.studio import Call
from tests.limits import HANGS_S

pytestmark = pytest.mark.no_client

REQUEST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"
LAST_REQUEST = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
ANSWER = {"jsonrpc": "2.0", "id": 7, "result": {"text": 'two\u2028lines\x85 and a quote"'}}
RESULT = json.dumps(ANSWER, separators=(",", ":"), ensure_ascii=False).encode()
ERROR = RESULT.replace(b'"result"', b'"error"')
SHAPES = {
    "with blanks": json.dumps(ANSWER).encode(),
    "with many blanks": b" " + json.dumps(ANSWER, separators=("  ,  ", "  :  ")).encode(),
    "in another order": json.dumps(dict(reversed(ANSWER.items()))).encode(),
    "with an escaped key": RESULT.replace(b'"result"', rb'"r\u0065sult"'),
}
EVENT = b"event: message\r\ndata: "
LONGER_THAN_ANY_BUFFER = 64 * 2**20


class Scene:
    """A server whose one answer the test releases; which were delivered, and which are lost."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.lost: list[str] = []
        self.arrived = anyio.Event()
        self.release = anyio.Event()
        self.answered = 0
        self.body = RESULT
        self.stream = False
        self.event = EVENT

    def deliver(self, call: Call) -> None:
        self.told.extend(call.ended)

    def lose(self, call: Call) -> None:
        self.lost.extend(call.ended)

    async def app(self, scope: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401 - as ASGI has it
        await receive()
        scope[EXCHANGE].call = Call(ended=[f"of {scope['client'][1]}"])
        self.arrived.set()
        await self.release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in self.parts():
            await send(part)
        self.answered += 1

    def parts(self) -> list[Message]:
        if not self.stream:
            return [{"type": "http.response.body", "body": self.body}]
        told = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}\r\n\r\n'
        bodies = [EVENT + told, b": ping\r\n\r\n", self.event + self.body + b"\r\n\r\n"]
        parts: list[Message] = [
            {"type": "http.response.body", "body": body, "more_body": True} for body in bodies
        ]
        return [*parts, {"type": "http.response.body", "body": b"", "more_body": False}]

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(HANGS_S):
            while not condition():
                await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def scene() -> AsyncIterator[tuple[Scene, tuple[str, int]]]:
    """Serve a scene; yields it with its address."""
    played = Scene()
    web = WebServer(Exchanges(played.deliver, played.lose).around(played.app))
    with listen("127.0.0.1", 0) as listener:
        serving = asyncio.create_task(web.serve([listener]))
        try:
            yield played, host_and_port(listener)
        finally:
            web.should_exit = True
            web.force_exit = True
            await serving


@asynccontextmanager
async def client(
    played: Scene, address: tuple[str, int], sent: bytes = REQUEST
) -> AsyncIterator[socket.socket]:
    """A client whose request has arrived; a plain socket, so that it acts between two turns."""
    loop = asyncio.get_running_loop()
    with closing(socket.socket()) as plain:
        plain.setblocking(False)  # noqa: FBT003 - the method's own way
        await loop.sock_connect(plain, address)
        await loop.sock_sendall(plain, sent)
        await played.arrived.wait()
        yield plain


async def read(plain: socket.socket, size: int = 1) -> None:
    """Read at least so many bytes."""
    loop = asyncio.get_running_loop()
    got = 0
    while got < size:
        got += len(await loop.sock_recv(plain, 2**20))


@pytest.mark.parametrize("sent", [REQUEST, LAST_REQUEST], ids=["kept", "closed after"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_a_result_handed_to_a_client_that_is_there_is_delivered(
    sent: bytes, *, stream: bool
) -> None:
    async with scene() as (played, address), client(played, address, sent) as plain:
        played.stream = stream
        played.release.set()
        await read(plain)
        await played.until(lambda: played.told == [f"of {plain.getsockname()[1]}"])
    assert played.lost == []


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_a_result_of_any_shape_is_delivered(body: bytes, *, stream: bool) -> None:
    async with scene() as (played, address), client(played, address) as plain:
        played.stream, played.body = stream, body
        played.release.set()
        await read(plain)
        await played.until(lambda: played.told == [f"of {plain.getsockname()[1]}"])


@pytest.mark.parametrize(
    "event", [b"data:", b"id: 5\ndata: ", b": ping\n\ndata: ", b"data: \ndata: "]
)
async def test_a_result_in_an_event_of_any_shape_is_delivered(event: bytes) -> None:
    async with scene() as (played, address), client(played, address) as plain:
        played.stream, played.event = True, event
        played.release.set()
        await read(plain)
        await played.until(lambda: played.told == [f"of {plain.getsockname()[1]}"])


async def test_a_result_of_which_only_a_part_was_handed_over_is_not_delivered() -> None:
    async with scene() as (played, address), client(played, address) as plain:
        played.body = RESULT[:-2]
        played.release.set()
        await read(plain)
        await played.until(lambda: played.answered == 1)
        assert played.told == []


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_a_client_that_left_in_the_same_turn_has_nothing(*, stream: bool) -> None:
    async with scene() as (played, address), client(played, address) as plain:
        played.stream = stream
        here = f"of {plain.getsockname()[1]}"
        plain.close()
        played.release.set()  # the server does not know of the end yet
        await played.until(lambda: played.lost == [here])
        assert played.told == []


async def test_an_error_delivers_nothing() -> None:
    async with scene() as (played, address), client(played, address) as plain:
        played.body = ERROR
        played.release.set()
        await read(plain)
        await played.until(lambda: len(played.lost) == 1)
        assert played.told == []


async def test_a_long_result_is_delivered_when_it_has_left_whole() -> None:
    async with scene() as (played, address), client(played, address) as plain:
        played.body = RESULT + b" " * LONGER_THAN_ANY_BUFFER
        played.release.set()
        await read(plain)
        await played.until(lambda: played.answered == 1)
        assert played.told == []
        await read(plain, LONGER_THAN_ANY_BUFFER)
        await played.until(lambda: len(played.told) == 1)


async def test_a_client_that_leaves_in_the_middle_of_a_result_has_nothing() -> None:
    async with scene() as (played, address), client(played, address) as plain:
        played.body = RESULT + b" " * LONGER_THAN_ANY_BUFFER
        played.release.set()
        await read(plain)
        await played.until(lambda: played.answered == 1)
        plain.close()
        async with client(played, address) as other:
            await read(other, LONGER_THAN_ANY_BUFFER)
            await played.until(lambda: len(played.told) == 1)
            assert played.told == [f"of {other.getsockname()[1]}"]
            assert len(played.lost) == 1


async def test_of_two_clients_with_one_request_id_each_has_its_own() -> None:
    async with (
        scene() as (played, address),
        client(played, address) as one,
        client(played, address) as other,
    ):
        here = f"of {other.getsockname()[1]}"
        one.close()
        played.release.set()
        await read(other)
        await played.until(lambda: played.answered == 2)
        assert played.told == [here]
