"""The two protocol eras, as a property of the tests: `now_tested` says in which one clients speak.

The fixture `era` (tests/conftest.py) sets it, and tests/server and tests/wire use that in every
test: no test of a client can forget one of the eras.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.server.mcpserver import MCPServer
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.types import (
    EmptyResult,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

LEGACY, MODERN = ERAS = ("2025-11-25", "2026-07-28")
MODES = {LEGACY: "legacy", MODERN: "auto"}
"""How the SDK's client is told to speak so; what came of it is checked."""

Notice = ResourcesListChanged | ResourceUpdated


@dataclass
class Tested:
    """The era of the test that runs; tests that know of none speak as most clients do today."""

    era: str = LEGACY


now_tested = Tested()


@dataclass
class Ear:
    """What a client hears of changes, in either era."""

    client: Client
    _heard: MemoryObjectReceiveStream[Notice]

    @asynccontextmanager
    async def listening(self, *uris: str) -> AsyncIterator["Ear"]:
        """Subscribe to the list and to these resources, and unsubscribe in the end.

        An older client is told of the list in any case.
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
        """The next notice; raises TimeoutError where none comes in 20 s."""
        with anyio.fail_after(20):
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


async def _pass_on(told: Any, send: MemoryObjectSendStream[Notice]) -> None:  # noqa: ANN401
    async for event in told:
        send.send_nowait(event)


@asynccontextmanager
async def connected(server: MCPServer | Any) -> AsyncIterator[tuple[Client, Ear]]:  # noqa: ANN401
    """Connect a client of the era now tested to a server object or a transport."""
    send, heard = anyio.create_memory_object_stream[Notice](1000)

    async def note(message: IncomingMessage) -> None:
        if isinstance(message, ResourceListChangedNotification):
            send.send_nowait(ResourcesListChanged())
        elif isinstance(message, ResourceUpdatedNotification):
            send.send_nowait(ResourceUpdated(uri=str(message.params.uri)))

    era = now_tested.era
    async with (
        send,
        heard,
        Client(server, mode=MODES[era], message_handler=note) as client,
    ):
        assert client.protocol_version == era
        yield client, Ear(client, heard)
