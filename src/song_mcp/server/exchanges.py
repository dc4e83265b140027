"""Whether a result ever reached its client over HTTP: told by the exchange that carries it.

Invariant: a result counts as delivered when the body with it was handed, whole and without an
error, to a connection whose client was there to read. Request ids of different clients collide, so
a result is matched by its exchange, never by an id.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from mcp.server.context import ServerRequestContext

from song_mcp.server.delivery import RESULT, Deliver

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

CONNECTION = "song_mcp.connection"
"""Where the state of an ASGI scope holds the connection that the exchange goes over."""
EXCHANGE = "song_mcp.exchange"
"""Where an ASGI scope holds its exchange."""
EVENT = b"event: message\r\ndata: "
"""What stands before a message in a stream of server-sent events."""


class Connection:
    """A client's connection, as far as delivering needs to know it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._lost = False
        self._broken = False
        self._changed = asyncio.Event()
        transport.set_write_buffer_limits(0)  # then `emptied` is told of each emptied buffer

    def lost(self, error: Exception | None) -> None:
        """Take note that the connection has ended; without an error, all was written before."""
        self._lost = True
        self._broken = self._broken or error is not None
        self._changed.set()

    def emptied(self) -> None:
        """Take note that the operating system has taken all that was written."""
        self._changed.set()

    async def is_there(self) -> bool:
        """Tell whether the client still listens, after looking for a goodbye that just came."""
        for _ in range(3):  # the loop reads its sockets once a turn, and acts on it in the next
            await asyncio.sleep(0)
        return not self._transport.is_closing()

    def has_taken_all(self) -> bool:
        """Tell whether all that was written is with the operating system, and none came back."""
        if self._lost:
            return not self._broken
        if self._transport.is_closing() or self._transport.get_write_buffer_size():
            return False  # until it is lost, or emptied, which is told
        refused = self._transport.get_extra_info("socket").getsockopt(
            socket.SOL_SOCKET, socket.SO_ERROR
        )
        self._broken = self._broken or bool(refused)
        return not self._broken

    async def settled(self) -> bool:
        """Tell what `has_taken_all` does, once that can no longer change."""
        while not (self.has_taken_all() or self._lost or self._broken):
            self._changed.clear()
            await self._changed.wait()
        return self.has_taken_all()


class Exchange:
    """One HTTP request and its response, which carries at most one result."""

    def __init__(self, connection: Connection) -> None:
        self.task_ids: Sequence[str] = ()
        self._connection = connection
        self._is_written = False

    def sending(self, send: Send, deliver: Deliver) -> Send:
        """Give a `send` that counts the result as delivered where that is known at once."""

        async def watched(message: Message) -> None:
            if not (self.task_ids and _carries_a_result(message)):
                await send(message)
                return
            is_there = await self._connection.is_there()
            await send(message)
            self._is_written = is_there
            if is_there and self._connection.has_taken_all():
                self._count(deliver)

        return watched

    async def end(self, deliver: Deliver) -> None:
        """Wait until it is known whether the client got the result, if that is open."""
        if self._is_written and self.task_ids and await self._connection.settled():
            self._count(deliver)

    def _count(self, deliver: Deliver) -> None:
        task_ids, self.task_ids = self.task_ids, ()
        deliver(task_ids)


class Exchanges:
    """Matches results with the HTTP exchanges that carry them."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    def expect(self, context: ServerRequestContext[Any, Any], task_ids: Sequence[str]) -> None:
        """Take note that the answer to this request will hold the end of these tasks."""
        request = context.request
        exchange = request.scope.get(EXCHANGE) if request is not None else None
        if isinstance(exchange, Exchange):
            exchange.task_ids = task_ids

    def around(self, app: App) -> App:
        """Give the app with each of its exchanges watched."""

        async def watched(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            exchange = Exchange(scope["state"][CONNECTION])
            sending = exchange.sending(send, self._deliver)
            await app({**scope, EXCHANGE: exchange}, receive, sending)
            await exchange.end(self._deliver)

        return watched


def _carries_a_result(message: Message) -> bool:
    """Whether this part of a response's body begins with a message that holds a result."""
    body: bytes = message.get("body", b"")
    text = body.removeprefix(EVENT).decode("utf-8", "replace")
    return RESULT.match(text) is not None
