"""Older clients' sessions over HTTP: how many there may be, and which one gives way.

Clients forget to end their sessions. So a new session is never refused for their sake: the one that
was not used for the longest time ends, first among those that listen to no notices. A session
with a call in flight never gives way.
"""

from collections import Counter
from collections.abc import Collection
from itertools import count

from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers

from song_mcp.server.delivery import App, Message, Receive, Scope, Send
from song_mcp.server.sdk import end_session, sessions


class Sessions:
    """An ASGI app around the SDK's, which ends the sessions that are too many."""

    def __init__(self, app: App, manager: StreamableHTTPSessionManager, most: int) -> None:
        """Keep the sessions of `manager` at `most`, apart from those with a call in flight."""
        self._app = app
        self._manager = manager
        self._most = most
        self._turns = count(1)
        self._last_used: dict[str, int] = {}
        self._calls: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        session_id = Headers(scope=scope).get(MCP_SESSION_ID_HEADER)
        if session_id is None:
            opened: list[str] = []
            await self._app(scope, receive, self._noting(send, opened))
            await self._make_room_for(opened)
            return
        in_flight = self._calls if scope["method"] == "POST" else self._streams
        in_flight[session_id] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            in_flight[session_id] -= 1
            if not in_flight[session_id]:
                del in_flight[session_id]
            if session_id in self._last_used:
                self._last_used[session_id] = next(self._turns)

    def _noting(self, send: Send, opened: list[str]) -> Send:
        """Return a `send` that adds the session which the response opens to `opened`."""

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                session_id = Headers(raw=message["headers"]).get(MCP_SESSION_ID_HEADER)
                if session_id is not None:
                    opened.append(session_id)
                    self._last_used[session_id] = next(self._turns)
            await send(message)

        return noting

    async def _make_room_for(self, opened: Collection[str]) -> None:
        while opened and (quietest := self._one_too_much(opened)) is not None:
            await end_session(self._manager, quietest)

    def _one_too_much(self, opened: Collection[str]) -> StreamableHTTPServerTransport | None:
        """Return the session that gives way, or None if there is room or each has a call."""
        there = {str(each.mcp_session_id): each for each in sessions(self._manager)}
        self._last_used = {each: turn for each, turn in self._last_used.items() if each in there}
        quiet = self._last_used.keys() - self._calls.keys() - set(opened)
        if len(there) <= self._most or not quiet:
            return None
        return there[min(quiet, key=lambda each: (self._streams[each], self._last_used[each]))]
