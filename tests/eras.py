"""The two protocol eras, as a property of the tests: `now_tested` says in which one clients speak.

The fixture `era` (tests/conftest.py) sets it, and tests/server and tests/wire use that in every
test: no test of a client can forget one of the eras.

Each runs in both, unless it is marked `one_era`. An era changes how things are said, and when:
handshake and sessions, notices and subscriptions, progress and cancelling, when an end counts as
delivered, capabilities and extensions, the shape of lists, results and errors. Tests of these run
in both. What a tool does behind that (money, names, limits, sentences) gets the same arguments in
either, and tests/server/test_eras.py holds each tool, template and prompt to the same answer in
both. So the cases of a test marked `one_era` take turns: the first runs in one era, the next in the
other. With `--every-era`, as `.ci/run` does it, they run in both all the same.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from zlib import crc32

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from jsonschema import Draft202012Validator
from mcp import Client
from mcp.client import advertise
from mcp.client.extension import ClientExtension
from mcp.client.session import IncomingMessage
from mcp.server.mcpserver import MCPServer
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.types import (
    CallToolResult,
    EmptyResult,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from tests.limits import HANGS_S

LEGACY, MODERN = ERAS = ("2025-11-25", "2026-07-28")
MODES = {LEGACY: "legacy", MODERN: "auto"}
"""How the SDK's client is told to speak so; what came of it is checked."""

APPS = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html;profile=mcp-app"]})
"""What a client declares that shows pages; most clients do not."""

Notice = ResourcesListChanged | ResourceUpdated


@dataclass
class _Now:
    """The era of the test that runs; tests that know of none speak as most clients do today."""

    era: str = LEGACY


now_tested = _Now()


def without_turn(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """The tests that need not run, as their case has its turn in the other era.

    The name of a test says in which era its first case runs.
    """
    cases: defaultdict[str, dict[str, int]] = defaultdict(dict)
    found: set[pytest.Item] = set()
    for item in items:
        if isinstance(item, pytest.Function) and _takes_turns(item):
            era, test = str(item.callspec.params["era"]), item.nodeid.partition("[")[0]
            numbers = cases[test]
            number = numbers.setdefault(item.callspec.id.replace(era, ""), len(numbers))
            if ERAS[(crc32(test.encode()) + number) % len(ERAS)] != era:
                found.add(item)
    return found


def _takes_turns(item: pytest.Function) -> bool:
    """Tell whether a test is marked `one_era`, and neither it nor its client says otherwise."""
    markers = {marker.name for marker in item.iter_markers()}
    return "one_era" in markers and not markers & {"both_eras", "only_in", "no_client"}


@dataclass
class Ear:
    """What a client hears of changes, in either era."""

    client: Client
    _heard: MemoryObjectReceiveStream[Notice]

    @asynccontextmanager
    async def listening(self, *uris: str) -> AsyncIterator["Ear"]:
        """Subscribe to the list and to these resources, and unsubscribe in the end.

        An older client always gets notices of the list.
        """
        if now_tested.era == LEGACY:
            async with self._subscribed(uris):
                yield Ear(self.client, self._heard)
            return
        send, heard = anyio.create_memory_object_stream[Notice](1000)
        async with (
            send,
            heard,
            self.client.listen(resources_list_changed=True, resource_subscriptions=uris) as told,
            anyio.create_task_group() as group,
        ):
            group.start_soon(_pass_on, told, send)
            yield Ear(self.client, heard)
            group.cancel_scope.cancel()

    @asynccontextmanager
    async def _subscribed(self, uris: Sequence[str]) -> AsyncIterator[None]:
        for uri in uris:
            await self.subscribe(uri)
        yield
        for uri in uris:
            await self.unsubscribe(uri)

    async def subscribe(self, uri: str) -> None:
        """Send `resources/subscribe`, without the client's warning that it is of an older era."""
        request = SubscribeRequest(params=SubscribeRequestParams(uri=uri))
        await self.client.session.send_request(request, EmptyResult)

    async def unsubscribe(self, uri: str) -> None:
        request = UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri))
        await self.client.session.send_request(request, EmptyResult)

    async def next(self) -> Notice:
        """The next notice; raises TimeoutError if none comes."""
        with anyio.fail_after(HANGS_S):
            return await self._heard.receive()

    async def until(self, *wanted: Notice) -> list[Notice]:
        """Everything heard until each of these was."""
        heard: list[Notice] = []
        while not set(wanted) <= set(heard):
            heard.append(await self.next())
        return heard

    def so_far(self) -> list[Notice]:
        """What was heard and not yet looked at."""
        heard = []
        while self._heard.statistics().current_buffer_used:
            heard.append(self._heard.receive_nowait())
        return heard


@contextmanager
def schemas_checked_once() -> Iterator[None]:
    """Let clients check that a schema is one only once in a process: each starts with none known.

    Most of what a client's first call costs would go into the same schemas again.
    """
    check, valid = Draft202012Validator.check_schema, set[str]()

    def check_once(schema: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the library has it
        text = json.dumps(schema)
        if text not in valid:
            check(schema, *args, **options)
            valid.add(text)

    with patch.object(Draft202012Validator, "check_schema", check_once):
        yield


async def _pass_on(told: Any, send: MemoryObjectSendStream[Notice]) -> None:  # noqa: ANN401
    async for event in told:
        send.send_nowait(event)


class Caller(Client):
    """The SDK's client, which asks for progress as over a wire.

    In one process, its modern side is called back by the server without having sent a token.
    """

    async def call_tool(self, *given: Any, **named: Any) -> CallToolResult:  # noqa: ANN401 - as the SDK has it
        """Call a tool; with a callback for progress, send a token."""
        if named.get("progress_callback") is not None:
            named["meta"] = {"progress_token": "in-process", **(named.get("meta") or {})}
        return await super().call_tool(*given, **named)


@asynccontextmanager
async def connected(
    server: MCPServer | Any,  # noqa: ANN401 - what the SDK's client takes
    extensions: Sequence[ClientExtension] = (),
    era: str = "",
) -> AsyncIterator[tuple[Client, Ear]]:
    """Connect a client of an era, or of the one now tested, to a server object or a transport."""
    send, heard = anyio.create_memory_object_stream[Notice](1000)

    async def note(message: IncomingMessage) -> None:
        if isinstance(message, ResourceListChangedNotification):
            send.send_nowait(ResourcesListChanged())
        elif isinstance(message, ResourceUpdatedNotification):
            send.send_nowait(ResourceUpdated(uri=str(message.params.uri)))

    era = era or now_tested.era
    async with (
        send,
        heard,
        Caller(server, mode=MODES[era], message_handler=note, extensions=extensions) as client,
    ):
        assert client.protocol_version == era
        yield client, Ear(client, heard)
