"""Telling clients what changed, in both protocol eras.

A notice says only that something changed, never what. So a notice that still waits to be sent
stands for every later one of the same resource, and what waits for a client is bounded by what it
subscribed to. A client that is slow, or has gone, delays neither another client nor a song.

Clients up to 2025-11-25 subscribe to single resources (`resources/subscribe`), and all of them are
told of a new list of resources. From 2026-07-28 on, clients listen to the bus
(`subscriptions/listen`), and get what they asked for there. A client may subscribe to a resource
that does not exist, as in the SDK.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import Any
from urllib.parse import quote

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
)
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    EmptyResult,
    NotificationParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from song_mcp.songs import is_plain_id, public_clip_id
from song_mcp.studio import Change, News, Studio

Ctx = ServerRequestContext[Studio, Any]

SUBSCRIPTIONS = 1000
"""How many resources one client may subscribe to."""
LISTENED = 10 * SUBSCRIPTIONS
"""How many the streams of newer clients may have together; one client can open many of them."""
LONGEST_URI = 500
THE_LIST = ""
"""Stands for the list of resources among the URIs that wait to be sent."""
WHAT_CHANGES = {
    "resources": {"subscribe": True, "listChanged": True},
    "tools": {"listChanged": False},
    "prompts": {"listChanged": False},
}
"""What the capabilities say of changes, as MCP spells it."""
VARIABLE = re.compile(r"\{(\w+)\}")


class Bus(InMemorySubscriptionBus):
    """The SDK's bus, which knows whether anyone listens."""

    def __init__(self) -> None:
        super().__init__()
        self._hearing: set[object] = set()

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Call `listener` for each event until the returned function is called."""
        unsubscribe = super().subscribe(listener)
        one = object()
        self._hearing.add(one)

        def leave() -> None:
            self._hearing.discard(one)
            unsubscribe()

        return leave

    def is_heard(self) -> bool:
        """Return whether a client listens."""
        return bool(self._hearing)


class _Session:
    """The connection of an older client: what it subscribed to, and the notices that wait."""

    def __init__(self, client: object) -> None:
        self.client = client
        self.uris: set[str] = set()
        self.is_ready = anyio.Event()
        self._waiting: dict[str, None] = {}
        self._something = anyio.Event()

    def note(self, uris: Iterable[str]) -> None:
        """Let a notice of each of these wait for the client; one that waits already is enough."""
        self._waiting |= dict.fromkeys(uri for uri in uris if uri in self.uris or uri == THE_LIST)
        if self._waiting:
            self._something.set()

    async def send(self, session: ServerSession) -> None:
        """Send the client its notices, one after the other, until cancelled."""
        while True:
            await self._something.wait()
            self._something = anyio.Event()
            for uri in self._taken():
                if uri == THE_LIST:
                    await session.send_resource_list_changed()
                else:
                    await session.send_resource_updated(uri)

    def _taken(self) -> Iterator[str]:
        """Yield what waits; each is removed just before it is sent."""
        while self._waiting:
            uri = next(iter(self._waiting))
            del self._waiting[uri]
            yield uri


class Notices:
    """Tells whoever listens to `bus`, and older clients, of resources that fit the `templates`."""

    def __init__(self, bus: Bus, templates: Iterable[str]) -> None:
        self._bus = bus
        self._templates = tuple(templates)
        self._sessions: dict[int, _Session] = {}
        self._catch_up: Callable[[], Awaitable[None]] | None = None

    # What is told ----------------------------------------------------------------------

    def start(self, studio: Studio) -> None:
        """Be told of changes by the studio."""
        self._catch_up = studio.feed.listen(self)

    def is_heard(self) -> bool:
        """Return whether any client would hear of a change."""
        return self._bus.is_heard() or any(
            session.is_ready.is_set() for session in self._sessions.values()
        )

    async def tell(self, news: News) -> None:
        """Send notices of what changed, without waiting for any client."""
        uris = [uri for change in news.changes for uri in self._uris(change)]
        for session in self._sessions.values():
            if session.is_ready.is_set():
                session.note([*uris, *([THE_LIST] if news.is_list_changed else [])])
        if not self._bus.is_heard():
            return
        for uri in uris:
            await self._bus.publish(ResourceUpdated(uri=uri))
        if news.is_list_changed:
            await self._bus.publish(ResourcesListChanged())

    def _uris(self, change: Change) -> Iterator[str]:
        """Yield the URIs that a change concerns: of a task by both its ids, of a clip each part.

        Only our own ids stand for those of a service that nobody must read.
        """
        named = {
            "task_id": tuple(filter(is_plain_id, change.task_ids)),
            "clip_id": tuple(map(public_clip_id, change.clip_ids)),
        }
        for template in self._templates:
            for name in VARIABLE.findall(template):
                for value in named.get(name, ()):
                    yield template.replace(f"{{{name}}}", quote(value, safe=""))

    async def ready(self) -> None:
        """Skip what changed while nobody listened; called before a client begins to."""
        if self._catch_up is not None and not self.is_heard():
            await self._catch_up()

    # Clients up to 2025-11-25 ----------------------------------------------------------

    async def stay(self, ctx: Ctx, _: NotificationParams) -> None:
        """Send this client its notices, from when it is initialized until its connection ends.

        The SDK runs this in the connection's own task group, and cancels it with that.
        """
        key = id(ctx.session.client_params)
        if ctx.session.client_params is None or key in self._sessions:
            return
        session = self._sessions[key] = _Session(ctx.session.client_params)
        try:
            await self.ready()
            session.is_ready.set()
            await session.send(ctx.session)
        finally:
            del self._sessions[key]

    async def subscribe(self, ctx: Ctx, params: SubscribeRequestParams) -> EmptyResult:
        """Tell this client of changes of one resource, which need not exist yet.

        Raises MCPError if the client has too many subscriptions, or the URI is too long.
        """
        session = self._sessions.get(id(ctx.session.client_params))
        if session is None:
            raise _refusal("Send notifications/initialized first")
        _check(session.uris | {params.uri})
        session.uris.add(params.uri)  # before anything is awaited: many may come at once
        await session.is_ready.wait()
        return EmptyResult()

    async def unsubscribe(self, ctx: Ctx, params: UnsubscribeRequestParams) -> EmptyResult:
        """Stop telling this client of one resource; does nothing if it did not subscribe to it."""
        session = self._sessions.get(id(ctx.session.client_params))
        if session is not None:
            session.uris.discard(params.uri)
        return EmptyResult()


class Listening(ListenHandler):
    """The SDK's handler of `subscriptions/listen`, with our limits."""

    def __init__(self, bus: Bus, notices: Notices) -> None:
        super().__init__(bus)
        self._notices = notices
        self._listened = 0

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve one stream; raises MCPError for too many resources, or a URI that is too long."""
        uris = params.notifications.resource_subscriptions or []
        _check(uris)
        if self._listened + len(uris) > LISTENED:
            raise _refusal(f"All streams together can listen to at most {LISTENED} resources")
        self._listened += len(uris)
        try:
            await self._notices.ready()
            return await super().__call__(ctx, params)
        finally:
            self._listened -= len(uris)


def connect(low: Server[Any], bus: Bus, notices: Notices) -> None:
    """Let `low` serve subscriptions of both eras."""
    listening = Listening(bus, notices)
    low.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, listening)
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, notices.subscribe)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, notices.unsubscribe)
    low.add_notification_handler("notifications/initialized", NotificationParams, notices.stay)


async def truthful(ctx: Ctx, call_next: CallNext) -> HandlerResult:
    """Declare in both eras that there are notices of resources, and of nothing else.

    The SDK declares either none (to older clients) or all of them.
    """
    result = await call_next(ctx)
    if ctx.method not in {"initialize", "server/discover"} or not isinstance(result, dict):
        return result
    return result | {"capabilities": result["capabilities"] | WHAT_CHANGES}


def _check(uris: Collection[str]) -> None:
    """Raise MCPError if these are too many subscriptions for a client, or a URI is too long."""
    if len(uris) > SUBSCRIPTIONS:
        raise _refusal(f"At most {SUBSCRIPTIONS} resources can be subscribed to at a time")
    if any(len(uri) > LONGEST_URI for uri in uris):
        raise _refusal(f"No resource here has a URI of more than {LONGEST_URI} characters")


def _refusal(what: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=f"{what}.")
