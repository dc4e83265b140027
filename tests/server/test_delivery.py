"""When a result counts as delivered over a pipe."""

import json
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from filelock import FileLock
from mcp import Client
from mcp.server.context import ServerRequestContext
from mcp.shared.message import SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from song_mcp.compose import open_studio
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.server.app import build_server
from song_mcp.server.delivery import LONGEST_LIST, REMEMBERED, Deliveries
from song_mcp.server.pipe import Pipe
from song_mcp.server.room import Room
from song_mcp.server.stdio import Messages
from song_mcp.settings import Settings
from song_mcp.studio import Call
from tests.harvest import echoed
from tests.house import QUICK, FastClock, environment
from tests.limits import HANGS_S
from tests.voice import beep

REQUESTS = 20


async def test_an_end_that_is_written_when_the_studio_has_closed_harms_nothing(
    tmp_path: Path,
) -> None:
    """On stdio a line can be under way while the server closes: its client has hung up."""
    clock = FastClock()
    app = build_app(1.5, rules=QUICK, clock=lambda: clock.now().timestamp(), press=beep)
    async with running(echoed(app)) as base_url:
        settings = Settings(**environment(tmp_path, base_url))  # type: ignore[arg-type]  # by the variables' names
        server = build_server(lambda: open_studio(settings, clock))
        deliveries = server.deliver_by(Deliveries)
        async with Client(server) as client:
            arguments = {"description": "x", "wait_seconds": 55}
            song = await client.call_tool("generate_song", arguments)
        assert song.structured_content is not None
        assert song.structured_content["status"] == "completed"
        for number in range(REQUESTS):  # whichever number the call had
            deliveries.answered(number)


async def test_an_end_that_was_delivered_just_before_the_server_closes_counts(
    tmp_path: Path,
) -> None:
    """A client hangs up as soon as it has its answer."""
    clock = FastClock()
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
        deliveries = server.deliver_by(Deliveries)
        async with anyio.create_task_group() as group, Client(server) as client:
            for description in "xy":
                arguments = {"description": description, "wait_seconds": 55}
                song = await client.call_tool("generate_song", arguments)
                assert song.structured_content is not None
                assert song.structured_content["status"] == "completed"
            held.acquire()
            for number in range(REQUESTS):  # whichever numbers the calls had
                deliveries.answered(number)
            group.start_soon(let_go_when_it_closes)
    with closing(sqlite3.connect(settings.journal_path)) as db:
        told = db.execute("SELECT count(*) FROM tasks WHERE delivered_at IS NOT NULL")
        assert told.fetchone() == (2,)


@pytest.mark.no_client
async def test_requests_whose_ids_only_look_alike_are_two() -> None:
    told: list[str] = []
    deliveries = Deliveries(lambda call: told.extend(call.ended), lambda _: None)
    for number in (1, "1"):
        deliveries.expect(asked_by(number), Call(ended=[f"of {number!r}"]))
    deliveries.answered("1")
    assert told == ["of '1'"]
    deliveries.answered(1)
    assert told == ["of '1'", "of 1"]


def asked_by(request_id: RequestId) -> ServerRequestContext[Any, Any]:
    nobody: Any = None
    return ServerRequestContext[Any, Any](
        session=nobody,
        lifespan_context=nobody,
        protocol_version="",
        method="tools/call",
        request_id=request_id,
    )


# Over a pipe --------------------------------------------------------------------------------


class Scene:
    """A client at the other ends of real pipes: what was delivered, and what never will be."""

    def __init__(self, server: tuple[int, int], says: BinaryIO, hears: BinaryIO) -> None:
        self.told: list[str] = []
        self.lost: list[str] = []
        self.deliveries = Deliveries(
            lambda call: self.told.extend(call.ended), lambda call: self.lost.extend(call.ended)
        )
        self._messages = Messages(Pipe(*server), self.deliveries, Room())
        self._says, self._hears = says, hears

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        with anyio.fail_after(HANGS_S):
            async with self._messages.streams() as (self._received, self._sent), self._sent:
                try:
                    yield
                finally:
                    self._says.close()

    async def ask(self, line: str) -> RequestId:
        """Send a request; returns the id by which the server knows it."""
        message = await self.say(line)
        assert isinstance(message, JSONRPCRequest)
        return message.id

    async def say(self, line: str) -> JSONRPCMessage:
        """Send a line; returns the message that the server read."""
        self._says.write(f"{line}\n".encode())
        self._says.flush()
        received = await self._received.receive()
        assert isinstance(received, SessionMessage)
        return received.message

    def expect(self, request_id: RequestId, task_id: str) -> None:
        self.deliveries.expect(asked_by(request_id), Call(ended=[task_id]))

    async def answer(self, message: JSONRPCMessage) -> None:
        """Let the server answer, and read the answer."""
        await self._sent.send(SessionMessage(message))
        line = await anyio.to_thread.run_sync(self._hears.readline)
        assert line.endswith(b"}\n")

    async def until_told(self, *task_ids: str) -> None:
        while len(self.told) < len(task_ids):
            await anyio.lowlevel.checkpoint()
        assert self.told == list(task_ids)

    async def hang_up(self) -> None:
        """Close stdin, and wait until the server knows."""
        self._says.close()
        with pytest.raises(anyio.EndOfStream):
            await self._received.receive()


@pytest.fixture
def scene() -> Iterator[Scene]:
    stdin, says = os.pipe()
    hears, stdout = os.pipe()
    with os.fdopen(says, "wb") as to_server, os.fdopen(hears, "rb") as from_server:
        yield Scene((stdin, stdout), to_server, from_server)
    os.close(stdin)
    os.close(stdout)


CALL = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "list_songs"}}
CANCEL = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
ESCAPED = json.dumps(CALL).replace('"id"', r'"\u0069d"').replace("method", r"m\u0065thod")
SHAPES = {
    "as clients write it": json.dumps(CALL),
    "without blanks": json.dumps(CALL, separators=(",", ":")),
    "with many blanks": json.dumps(CALL, separators=("  ,  ", "  :  ")),
    "in another order": json.dumps(dict(reversed(CALL.items()))),
    "with escaped keys": ESCAPED,
}


def result(request_id: RequestId) -> JSONRPCResponse:
    return JSONRPCResponse(jsonrpc="2.0", id=request_id, result={})


@pytest.mark.no_client
@pytest.mark.parametrize("line", SHAPES.values(), ids=SHAPES)
async def test_the_end_that_answers_a_request_of_any_shape_is_delivered(
    scene: Scene, line: str
) -> None:
    async with scene.served():
        scene.expect(await scene.ask(line), "a song")
        await scene.answer(result(7))
        await scene.until_told("a song")


@pytest.mark.no_client
async def test_an_error_delivers_nothing(scene: Scene) -> None:
    async with scene.served():
        scene.expect(7, "a song")
        scene.expect(8, "another")
        no = ErrorData(code=INTERNAL_ERROR, message="no")
        await scene.answer(JSONRPCError(jsonrpc="2.0", id=7, error=no))
        await scene.answer(result(8))
        await scene.until_told("another")


@pytest.mark.no_client
async def test_a_result_delivers_no_end_that_an_older_request_of_its_id_was_never_sent(
    scene: Scene,
) -> None:
    """A client must not use an id twice; if it does, the end of a paid song is not lost."""
    async with scene.served():
        scene.expect(7, "a song of a call that was cancelled")
        scene.expect(8, "another")
        await scene.ask(json.dumps(CALL))
        await scene.answer(result(7))
        await scene.answer(result(8))
        await scene.until_told("another")
    assert scene.lost == ["a song of a call that was cancelled"]


@pytest.mark.no_client
async def test_an_answer_whose_request_is_cancelled_before_it_is_written_is_lost(
    scene: Scene,
) -> None:
    async with scene.served():
        for number in (7, 8):
            scene.expect(number, f"the song of {number}")
        await scene.say(json.dumps(CANCEL))
        await scene.answer(result(7))
        await scene.answer(result(8))
        await scene.until_told("the song of 8")
    assert scene.lost == ["the song of 7"]


@pytest.mark.no_client
async def test_an_answer_whose_request_is_cancelled_after_it_was_written_is_lost_after_all(
    scene: Scene,
) -> None:
    """The two have crossed: the client gave up before it read the answer."""
    async with scene.served():
        for number in (7, 8):
            scene.expect(number, f"the song of {number}")
        await scene.answer(result(7))
        await scene.until_told("the song of 7")
        await scene.say(json.dumps(CANCEL))
        await scene.say(json.dumps(CANCEL))
        await scene.answer(result(8))
        await scene.until_told("the song of 7", "the song of 8")
    assert scene.lost == ["the song of 7"]


@pytest.mark.no_client
def test_an_answer_is_not_lost_because_another_request_has_its_id() -> None:
    lost: list[str] = []
    deliveries = Deliveries(lambda _: None, lambda call: lost.extend(call.ended))
    deliveries.expect(asked_by(7), Call(ended=["the song"]))
    deliveries.answered(7)
    deliveries.asked(7)
    deliveries.cancelled(7)
    assert lost == []


@pytest.mark.no_client
def test_of_answers_that_were_written_the_last_are_remembered() -> None:
    lost: list[str] = []
    deliveries = Deliveries(lambda _: None, lambda call: lost.extend(call.ended))
    for number in range(REMEMBERED + 1):
        deliveries.expect(asked_by(number), Call(ended=[f"song {number}"]))
        deliveries.answered(number)
    deliveries.cancelled(0)
    deliveries.cancelled(1)
    assert lost == ["song 1"]


@pytest.mark.no_client
def test_of_too_many_answers_that_are_never_written_the_oldest_is_lost() -> None:
    lost: list[str] = []
    deliveries = Deliveries(lambda _: None, lambda call: lost.extend(call.ended))
    for number in range(LONGEST_LIST + 1):
        deliveries.expect(asked_by(number), Call(ended=[f"of {number}"]))
    assert lost == ["of 0"]


@pytest.mark.no_client
async def test_what_is_written_after_the_client_hung_up_delivers_nothing(scene: Scene) -> None:
    async with scene.served():
        scene.expect(7, "a song")
        await scene.hang_up()
        await scene.answer(result(7))
    assert scene.told == []
