"""Serving over streamable HTTP on this machine, both protocol eras, and `/health`.

Invariant: nobody is answered who did not ask for this machine by one of its own names and from a
page of this server, if from a page at all; a result counts as delivered only after it was handed to
a connection that was still there; and no signal costs a paid task.
"""

import socket
from collections.abc import Awaitable, Callable

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from song_mcp import __version__
from song_mcp.loopback import host_and_port, url
from song_mcp.server.app import SongServer
from song_mcp.server.delivery import Exchanges
from song_mcp.server.sdk import sessions
from song_mcp.server.web import WebServer

Endpoint = Callable[[Request], Awaitable[Response]]

PATH = "/mcp"
LONGEST_REQUEST = 256 * 2**10
"""In bytes. The longest lyrics, each character escaped, are a quarter of it."""
SESSION_IDLE_S = 30 * 60.0
"""How long a session of an older client lives without a request or an open stream, in seconds: a
client that is told of songs holds a stream, and one that only asks may pause for a meal."""
SESSIONS = 256
"""How many such sessions there may be. One machine has a few clients; what is left is for those
that never say goodbye, and connect anew again and again before their sessions have idled out."""


async def serve(
    server: SongServer, listener: socket.socket, on_ready: Callable[[str], None]
) -> None:
    """Serve what comes to `listener` until cancelled; `on_ready` is told the URL for clients."""
    security = _security(listener)
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=False,  # or older clients could be told of nothing
        json_response=False,  # or they would see no progress
        max_request_body_size=LONGEST_REQUEST,
        session_idle_timeout=SESSION_IDLE_S,
        max_sessions=SESSIONS,
        transport_security=security,
    )
    app.add_route("/health", _health(server, TransportSecurityMiddleware(security)), ["GET"])
    web = WebServer(server.deliver_by(Exchanges).around(app))
    async with server.session_manager.run():
        on_ready(url(listener) + PATH)
        try:
            await web.serve([listener])
        finally:
            web.hang_up()
            await _end_sessions(server.session_manager)


async def _end_sessions(manager: StreamableHTTPSessionManager) -> None:
    """End older clients' sessions; else each call in them would wait a second to be read."""
    with anyio.CancelScope(shield=True):
        for session in sessions(manager):
            await session.terminate()


def _security(listener: socket.socket) -> TransportSecuritySettings:
    """Allow the names of this machine with the port, and nothing else.

    A page of any other origin could have a name of its own point here.
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
    """Return what answers `/health`: 200 if songs can be made, 503 if the journal fails."""

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
