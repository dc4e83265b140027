"""Serving over streamable HTTP on this machine, both protocol eras, and `/health`.

A request is answered only if it carries the token (`server.access`), its Host is one of this
machine's names, and its Origin, if it has one, is this server; `/health` needs no token. A result
counts as delivered only after it was written to a connection that was still open. No signal makes a
paid task be lost.
"""

import socket
from collections.abc import Awaitable, Callable

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from song_mcp import __version__
from song_mcp.loopback import host_and_port, url
from song_mcp.server.access import Guard
from song_mcp.server.app import SongServer
from song_mcp.server.delivery import Exchanges
from song_mcp.server.sdk import sessions
from song_mcp.server.sessions import Sessions
from song_mcp.server.web import CONNECTIONS, WebServer

Endpoint = Callable[[Request], Awaitable[Response]]

PATH = "/mcp"
LONGEST_REQUEST = 256 * 2**10
"""In bytes; four times the longest lyrics with each character escaped."""
SESSION_IDLE_S = 30 * 60.0
"""How long, in seconds, a session of an older client lives without a request or an open stream.
A client that wants notices holds a stream; one that only asks may pause for a meal."""
SESSIONS = 256
"""How many such sessions there may be before the longest idle one ends (`server.sessions`). One
machine has a few clients; the rest is for clients that connect again and again, and never end one.
"""


async def serve(
    server: SongServer,
    listener: socket.socket,
    on_ready: Callable[[str], None],
    token: str | None,
) -> None:
    """Serve `listener` until cancelled; `on_ready` is called with the URL for clients.

    A client must send the token; with None, whoever reaches `listener` is a client.
    """
    security = _security(listener)
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=False,  # otherwise older clients would get no notices
        json_response=False,  # otherwise they would get no progress
        max_request_body_size=LONGEST_REQUEST,
        session_idle_timeout=SESSION_IDLE_S,
        max_sessions=SESSIONS + CONNECTIONS,  # so many if each has a call in flight
        transport_security=security,
    )
    mcp = Guard(Sessions(app, server.session_manager, SESSIONS), token)
    health = _health(server, TransportSecurityMiddleware(security))
    routes = Starlette(routes=[Route(PATH, mcp), Route("/health", health)])
    web = WebServer(server.deliver_by(Exchanges).around(routes))
    async with server.session_manager.run():
        on_ready(url(listener) + PATH)
        try:
            await web.serve([listener])
        finally:
            web.hang_up()
            await _end_sessions(server.session_manager)


async def _end_sessions(manager: StreamableHTTPSessionManager) -> None:
    """End older clients' sessions; otherwise each call in them would wait a second to be read."""
    with anyio.CancelScope(shield=True):
        for session in sessions(manager):
            await session.terminate()


def _security(listener: socket.socket) -> TransportSecuritySettings:
    """Allow the names of this machine with the port, and nothing else.

    The owner of any other name could let it resolve to this machine (DNS rebinding).
    """
    bound, port = host_and_port(listener)
    names = dict.fromkeys((bound, "127.0.0.1", "localhost", "[::1]"))
    hosts = [f"{name}:{port}" for name in names]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"http://{host}" for host in hosts],
    )


def _health(server: SongServer, security: TransportSecurityMiddleware) -> Endpoint:
    """Return the endpoint of `/health`: 200 if songs can be made, 503 if the journal fails."""

    async def health(request: Request) -> Response:
        refusal = await security.validate_request(request)
        if refusal is not None:
            return refusal
        is_well = await server.can_use_journal()
        return JSONResponse(
            {
                "status": "ok" if is_well else "failing",
                "version": __version__,
                "journal": "ok" if is_well else "cannot be used",
            },
            status_code=200 if is_well else 503,
            headers={"Cache-Control": "no-store"},
        )

    return health
