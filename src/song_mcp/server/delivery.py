"""Whether a result reached its client.

A result counts as delivered when the answer that carries it was written, whole and without an
error, to a client that was there to read it. A call that was cancelled, or whose client had gone,
delivers nothing. The same request again then finds the task instead of paying for another.

Over stdio there is one client, and an answer is known by the id of its request. Over HTTP the ids
of different clients collide, so a result is matched with the exchange that carries it.
"""

import asyncio
import json
import re
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

from mcp.server.context import ServerRequestContext
from mcp.types import RequestId

Deliver = Callable[[Sequence[str]], None]
"""Takes the ids of the tasks whose end a client has."""
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LONGEST_LIST = 1000
"""How many results may wait to be written; results of cancelled calls are never written."""
CONNECTION = "song_mcp.connection"
"""The key in the state of an ASGI scope for the connection of the exchange."""
EXCHANGE = "song_mcp.exchange"
"""The key in an ASGI scope for its exchange."""
LINE_END = re.compile(r"\r\n|\r|\n")
"""What ends a line of server-sent events; the JSON in it may hold other line ends."""


def ended_tasks(structured: Mapping[str, Any] | None) -> list[str]:
    """Return the ids of the tasks that this structured content shows as ended."""
    if structured is None:
        return []
    is_list = "tasks" in structured
    tasks = structured["tasks"] if is_list else [structured]
    return [task["task_id"] for task in tasks if _holds_the_end(task, is_list=is_list)]


def _holds_the_end(task: Mapping[str, Any], *, is_list: bool) -> bool:
    """Return whether this shows the end of a task; a list leaves out lyrics that were written."""
    is_left_out = is_list and task.get("kind") == "lyrics"
    return task.get("status") in {"completed", "failed"} and not is_left_out


class Expects(Protocol):
    """Learns when an answer has reached its client; each way of serving has its own."""

    def expect(self, context: ServerRequestContext[Any, Any], task_ids: Sequence[str]) -> None:
        """Remember that the answer to this request will show the end of these tasks."""


# Over stdio -------------------------------------------------------------------------------------


class Deliveries:
    """Matches results with the answers that carry them, for the one client of a pipe."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._waiting: OrderedDict[RequestId | None, Sequence[str]] = OrderedDict()

    def asked(self, request_id: RequestId) -> None:
        """Forget what an older request with this id expected: it was never written."""
        self._waiting.pop(request_id, None)

    def expect(self, context: ServerRequestContext[Any, Any], task_ids: Sequence[str]) -> None:
        """Remember that the answer to this request will show the end of these tasks."""
        self._waiting[context.request_id] = task_ids  # 1 and "1" are two requests
        if len(self._waiting) > LONGEST_LIST:
            self._waiting.popitem(last=False)

    def answered(self, request_id: RequestId) -> None:
        """Deliver what this request expected: its result was written to the client, and flushed."""
        task_ids = self._waiting.pop(request_id, ())
        if task_ids:
            self._deliver(task_ids)


# Over HTTP --------------------------------------------------------------------------------------


class Connection:
    """A client's connection, and whether what was written to it was taken."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.is_let_in = False
        """Whether a request on it was one of a client that may use the server."""
        self._transport = transport
        self._lost = False
        self._broken = False
        self._changed = asyncio.Event()
        transport.set_write_buffer_limits(0)  # then `emptied` is called for each emptied buffer

    def lost(self, error: Exception | None) -> None:
        """Record that the connection has ended; without an error, all was written before."""
        self._lost = True
        self._broken = self._broken or error is not None
        self._changed.set()

    def emptied(self) -> None:
        """Record that the operating system has taken all that was written."""
        self._changed.set()

    async def is_there(self) -> bool:
        """Return whether the client still listens; a close that has just arrived is seen."""
        for _ in range(3):  # the loop reads its sockets in one turn, and acts on it in the next
            await asyncio.sleep(0)
        return not self._transport.is_closing()

    def has_taken_all(self) -> bool:
        """Return whether the operating system has taken all that was written, without an error."""
        if self._lost:
            return not self._broken
        if self._transport.is_closing() or self._transport.get_write_buffer_size():
            return False  # until `lost` or `emptied` is called
        refused = self._transport.get_extra_info("socket").getsockopt(
            socket.SOL_SOCKET, socket.SO_ERROR
        )
        self._broken = self._broken or bool(refused)
        return not self._broken

    async def settled(self) -> bool:
        """Return `has_taken_all()` once it can no longer change."""
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
        """Return a `send` that delivers the result if the client is known at once to have it."""

        async def watched(message: Message) -> None:
            if not (self.task_ids and _carries_a_result(message.get("body", b""))):
                await send(message)
                return
            is_there = await self._connection.is_there()
            await send(message)
            self._is_written = is_there
            if is_there and self._connection.has_taken_all():
                self._count(deliver)

        return watched

    async def end(self, deliver: Deliver) -> None:
        """Wait until it is known whether the client got the result, if it is not known yet."""
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
        """Remember that the answer to this request will show the end of these tasks."""
        request = context.request
        exchange = request.scope.get(EXCHANGE) if request is not None else None
        if isinstance(exchange, Exchange):
            exchange.task_ids = task_ids

    def around(self, app: App) -> App:
        """Return the app with each of its exchanges watched."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            exchange = Exchange(scope["state"][CONNECTION])
            sending = exchange.sending(send, self._deliver)
            await app({**scope, EXCHANGE: exchange}, receive, sending)
            await exchange.end(self._deliver)

        return watched


def _carries_a_result(body: bytes) -> bool:
    """Return whether this part of a response's body has a whole message with a result."""
    return any(_holds_a_result(text) for text in _texts(body.decode("utf-8", "replace")))


def _texts(body: str) -> Iterator[str]:
    """Yield the body itself, then the data of each server-sent event in it."""
    yield body
    data: list[str] = []
    for line in LINE_END.split(body):
        if line.startswith("data:"):
            data.append(line.removeprefix("data:"))
        elif not line:  # the event ends here
            yield "\n".join(data)
            data = []


def _holds_a_result(text: str) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and {"id", "result"} <= message.keys()
