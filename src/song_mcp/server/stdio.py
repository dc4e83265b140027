"""Serving over stdin and stdout.

Stdout carries the protocol alone: while serving, whatever else is printed goes to stderr, and
whatever else reads stdin finds it at its end. Serving ends when stdin ends, or soon after the
client hung up without reading (`server.pipe`). It waits for submissions in flight. What waits to be
written is bounded. After the end of stdin only answers are written: results, and errors that a
request would have had anyway. Clients raise at a message that comes when they have gone.

The SDK's own transport waits for ever for a client that does not read, and does not say when an
answer was written, so messages are read and written here.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Self

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.jsonrpc_dispatcher import cancelled_request_id_from_params
from mcp.shared.message import SessionMessage
from mcp.types import (
    CONNECTION_CLOSED,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)

from song_mcp.server.app import SongServer
from song_mcp.server.delivery import Deliveries
from song_mcp.server.opening import Opening, Received
from song_mcp.server.pipe import Pipe
from song_mcp.server.room import Room
from song_mcp.server.sdk import answered_alone, low_level

CANCELLED = "notifications/cancelled"
QUIET_S = 0.5
"""How long, in seconds, serving waits for the next answer after the end of stdin."""
READ_AHEAD = 1000
"""While a line waits for the client to read it: how many requests may be without an answer."""
READ_AHEAD_BYTES = 4 * 2**20
"""And how much may wait to be written; as a message it takes several times as much memory."""


async def serve(server: SongServer) -> None:
    """Serve until stdin ends; raises ConnectionError if the client reads no more."""
    with _private(0, os.devnull) as stdin, _private(1) as stdout:
        await serve_pipe(server, Pipe(stdin, stdout))


async def serve_pipe(server: SongServer, pipe: Pipe) -> None:
    """Serve the client at the other end of `pipe`, as `serve` does."""
    low = low_level(server)
    messages = Messages(pipe, server.deliver_by(Deliveries), server.room)
    async with messages.streams() as (received, sent):

        async def answer(request: SessionMessage) -> None:
            await sent.send(await answered_alone(low, request))

        opening = Opening(received, answer)
        await low.run(opening, sent, low.create_initialization_options())


class Messages:
    """The messages of one client: each is a line of its pipe."""

    def __init__(self, pipe: Pipe, deliveries: Deliveries, room: Room) -> None:
        self._pipe = pipe
        self._deliveries = deliveries
        self._room = room
        self._unanswered = 0
        self._is_writing = False
        self._wrote = anyio.Event()

    @asynccontextmanager
    async def streams(
        self,
    ) -> AsyncIterator[tuple[MemoryObjectReceiveStream[Received], "Sending"]]:
        """Read and write in the background; yields the streams of received and of sent messages."""
        put, received = anyio.create_memory_object_stream[Received](0)
        lines, take = anyio.create_memory_object_stream[Line](0)
        async with anyio.create_task_group() as group, received, lines:
            group.start_soon(self._receive, put)
            group.start_soon(self._send, take)
            yield received, Sending(lines, self._room)

    async def _receive(self, put: MemoryObjectSendStream[Received]) -> None:
        async with put:
            while line := await self._next_line():
                await put.send(self._parsed(line))
            await self._until_answered()

    async def _next_line(self) -> str:
        """Return the next line; waits while a write is stuck and too much is open."""
        while self._is_writing and self._is_much_open():
            await self._wrote.wait()
        return await self._pipe.read()

    def _is_much_open(self) -> bool:
        return self._unanswered >= READ_AHEAD or self._room.held >= READ_AHEAD_BYTES

    def _parsed(self, line: str) -> Received:
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except Exception as error:  # noqa: BLE001 - no bad line may keep the next from being read
            return error
        if isinstance(message, JSONRPCRequest):
            self._unanswered += 1
            self._deliveries.asked(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == CANCELLED:
            request_id = cancelled_request_id_from_params(message.params)
            if request_id is not None:
                self._deliveries.cancelled(request_id)
        return SessionMessage(message)

    async def _until_answered(self) -> None:
        """Return when every request has its answer, or none came for `QUIET_S`.

        Serving ends then, and ends the calls that still wait.
        """
        while self._unanswered and await self._goes_on():
            pass

    async def _goes_on(self) -> bool:
        """Return whether a line is being written, or was written within `QUIET_S`."""
        with anyio.move_on_after(QUIET_S):
            await self._wrote.wait()
            return True
        return self._is_writing

    async def _send(self, take: MemoryObjectReceiveStream["Line"]) -> None:
        async with take:
            async for line in take:
                with self._room.holding(len(line.content)):
                    await self._write(line.message, line.content)

    def _is_too_late(self, message: JSONRPCMessage) -> bool:
        """Tell whether stdin is at its end, and this answers nothing that was asked before it.

        That is a notice, and the error that the SDK answers a call with which serving's end ends.
        """
        if not self._pipe.is_at_end or isinstance(message, JSONRPCResponse):
            return False
        return not isinstance(message, JSONRPCError) or message.error.code == CONNECTION_CLOSED

    async def _write(self, message: JSONRPCMessage, content: bytes) -> None:
        """Write a message; a result that the client will read counts as delivered."""
        if self._is_too_late(message):
            return
        self._is_writing = True
        try:
            will_be_read = await self._pipe.write(content)
        finally:
            self._is_writing = False
            self._wrote.set()
            self._wrote = anyio.Event()
        if isinstance(message, JSONRPCResponse | JSONRPCError) and self._unanswered:
            self._unanswered -= 1
        if isinstance(message, JSONRPCResponse) and will_be_read:
            self._deliveries.answered(message.id)


@dataclass(frozen=True)
class Line:
    """A message, and the line that it is on the wire."""

    message: JSONRPCMessage
    content: bytes


class Sending:
    """Where the SDK sends messages to; what waits there to be written takes room."""

    def __init__(self, lines: MemoryObjectSendStream[Line], room: Room) -> None:
        self._lines = lines
        self._room = room

    async def send(self, item: SessionMessage) -> None:
        """Return when the message is the next one that is written."""
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        content = f"{line}\n".encode()
        with self._room.holding(len(content)):
            await self._lines.send(Line(item.message, content))

    async def aclose(self) -> None:
        """Send no more."""
        await self._lines.aclose()

    async def __aenter__(self) -> Self:
        """Return this; it is closed at the end."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send no more."""
        await self.aclose()


@contextmanager
def _private(number: int, instead: str = "") -> Iterator[int]:
    """Yield a standard stream as a descriptor of our own.

    Meanwhile its number stands for the file `instead`, or for stderr.
    """
    sys.stdout.flush()
    private, other = os.dup(number), os.open(instead, os.O_RDONLY) if instead else os.dup(2)
    os.dup2(other, number)
    os.close(other)
    try:
        yield private
    finally:
        os.dup2(private, number)
        os.close(private)
