"""Whether the answer to a call reached its client.

An answer counts as delivered when it was written, whole and without an error, to a client that was
there to read it. A call that was cancelled, or whose client had gone, delivers nothing: its answer
is lost. The same request again then finds the task instead of paying for another.

Over stdio there is one client, and an answer is known by the id of its request. Over HTTP the ids
of different clients collide, so a result is matched with the exchange that carries it.
"""

import asyncio
import json
import re
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack
from typing import Any, Protocol
from weakref import WeakValueDictionary

from mcp.server.context import ServerRequestContext
from mcp.types import RequestId

from song_mcp.studio import Call

Deliver = Callable[[Call], None]
"""Takes a call whose answer its client has, or one whose answer it never gets."""
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LONGEST_LIST = 1000
"""How many answers may wait to be written; more are only there if one was never written."""
REMEMBERED = 100
"""How many answers that were written are remembered, as their calls may still be cancelled."""
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
    tasks = structured["tasks"] if is_list else _takes(structured)
    return [task["task_id"] for task in tasks if _holds_the_end(task, is_list=is_list)]


def told_tasks(structured: Mapping[str, Any] | None) -> list[str]:
    """Return the ids of the tasks that this structured content is about; a list is about none."""
    if not structured or "task_id" not in structured:
        return []
    return [task["task_id"] for task in _takes(structured)]


def _takes(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a task, and the other takes that its result shows."""
    return [task, *task.get("other_takes", [])]


def _holds_the_end(task: Mapping[str, Any], *, is_list: bool) -> bool:
    """Return whether this shows the end of a task; a list leaves out lyrics that were written."""
    is_left_out = is_list and task.get("kind") == "lyrics"
    return task.get("status") in {"completed", "failed"} and not is_left_out


class Expects(Protocol):
    """Learns when an answer has reached its client; each way of serving has its own.

    It tells of each call once, whether its answer is delivered or lost.
    """

    def begin(self, context: ServerRequestContext[Any, Any], call: Call) -> None:
        """Remember that this request is a call that is being answered now."""

    def expect(self, context: ServerRequestContext[Any, Any], call: Call) -> None:
        """Remember that the answer to this request is about to be written."""

    def keep(self, context: ServerRequestContext[Any, Any], held: ExitStack) -> None:
        """Close `held` when the answer to this request no longer waits to be written."""


# Over stdio -------------------------------------------------------------------------------------


class Deliveries:
    """Matches calls with the answers that are written, for the one client of a pipe."""

    def __init__(self, deliver: Deliver, lose: Deliver) -> None:
        self._deliver = deliver
        self._lose = lose
        self._waiting: OrderedDict[RequestId | None, Call] = OrderedDict()
        self._running: WeakValueDictionary[RequestId | None, Call] = WeakValueDictionary()
        self._written: OrderedDict[RequestId | None, Call] = OrderedDict()

    def cancelled(self, request_id: RequestId) -> None:
        """Lose the answer to a request that its client cancelled, even one that was just written.

        Such an answer and the notification have crossed: a client takes no notice of what comes
        after its own time-out. The next request may be the same wish in other words, so this is
        known before it is read.
        """
        for calls in (self._waiting, self._running, self._written):
            call = calls.pop(request_id, None)
            if call is not None:
                self._lose(call)

    def asked(self, request_id: RequestId) -> None:
        """Lose the answer to an earlier request with this id, if it is not written yet."""
        self._written.pop(request_id, None)
        self.cancelled(request_id)

    def begin(self, context: ServerRequestContext[Any, Any], call: Call) -> None:
        """Remember that this request is a call that is being answered now."""
        self._running[context.request_id] = call

    def expect(self, context: ServerRequestContext[Any, Any], call: Call) -> None:
        """Remember that the answer to this request is about to be written, if it was not lost."""
        if call.is_lost:
            return
        self._running.pop(context.request_id, None)
        self._waiting[context.request_id] = call  # 1 and "1" are two requests
        if len(self._waiting) > LONGEST_LIST:
            _, oldest = self._waiting.popitem(last=False)
            self._lose(oldest)

    def keep(self, context: ServerRequestContext[Any, Any], held: ExitStack) -> None:  # noqa: ARG002
        """Close `held` at once: what is sent next takes room by itself."""
        held.close()

    def answered(self, request_id: RequestId) -> None:
        """Deliver the answer to this request: it was written to the client, and flushed."""
        call = self._waiting.pop(request_id, None)
        if call is None:
            return
        self._deliver(call)
        self._written[request_id] = call
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)


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
    """One HTTP request and its response, which carries at most one result: that of its `call`."""

    def __init__(self, connection: Connection) -> None:
        self.call: Call | None = None
        self.is_over = False
        self._connection = connection
        self._is_written = False
        self._held = ExitStack()
        self._is_heavy = False

    def sending(self, send: Send, deliver: Deliver) -> Send:
        """Return a `send` that delivers the result if the client is known at once to have it."""

        async def watched(message: Message) -> None:
            matters = self.call is not None and self.call.matters
            if not (matters and _carries_a_result(message.get("body", b""))):
                await send(message)
                return
            is_there = await self._connection.is_there()
            await send(message)
            self._is_written = is_there
            if is_there and self._connection.has_taken_all():
                self._count(deliver)

        return watched

    def keep(self, held: ExitStack) -> None:
        """Close `held` in the end, when the client has taken the answer, or has gone."""
        self._held.push(held)
        self._is_heavy = True

    async def end(self, deliver: Deliver) -> None:
        """Wait until it is known whether the client got the result, if it is not known yet."""
        is_awaited = self._is_written and self.call is not None
        if not (is_awaited or self._is_heavy):
            return
        if await self._connection.settled() and is_awaited:
            self._count(deliver)

    def close(self, lose: Deliver) -> None:
        """Lose the result if it is not delivered: nothing more is sent in this exchange."""
        self.is_over = True
        self._held.close()
        if self.call is not None:
            self._count(lose)

    def _count(self, count: Deliver) -> None:
        call, self.call = self.call, None
        if call is not None:
            count(call)


class Exchanges:
    """Matches calls with the HTTP exchanges that carry their results."""

    def __init__(self, deliver: Deliver, lose: Deliver) -> None:
        self._deliver = deliver
        self._lose = lose

    def begin(self, context: ServerRequestContext[Any, Any], call: Call) -> None:
        """Remember which call's result this exchange will carry.

        An older client's call goes on after its connection has ended.
        """
        exchange = _exchange_of(context)
        if exchange is None or exchange.is_over:
            self._lose(call)
        else:
            exchange.call = call

    def expect(self, context: ServerRequestContext[Any, Any], call: Call) -> None:
        """Lose the result at once if its exchange is over; if not, the exchange has its call."""
        exchange = _exchange_of(context)
        if exchange is None or exchange.is_over:
            self._lose(call)

    def keep(self, context: ServerRequestContext[Any, Any], held: ExitStack) -> None:
        """Close `held` when the answer to this request no longer waits to be written."""
        exchange = _exchange_of(context)
        if exchange is None or exchange.is_over:
            held.close()
        else:
            exchange.keep(held)

    def around(self, app: App) -> App:
        """Return the app with each of its exchanges watched."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            exchange = Exchange(scope["state"][CONNECTION])
            sending = exchange.sending(send, self._deliver)
            try:
                await app({**scope, EXCHANGE: exchange}, receive, sending)
                await exchange.end(self._deliver)
            finally:
                exchange.close(self._lose)

        return watched


def _exchange_of(context: ServerRequestContext[Any, Any]) -> Exchange | None:
    request = context.request
    exchange = request.scope.get(EXCHANGE) if request is not None else None
    return exchange if isinstance(exchange, Exchange) else None


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
