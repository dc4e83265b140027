"""Serving over streamable HTTP on this machine, both protocol eras, and `/health`.

Invariant: nobody is answered who did not ask for this machine by one of its own names and from a
page of this server, if from a page at all; a result counts as delivered only after it was handed to
a connection that was still there; and no signal costs a paid task.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator

import anyio
import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from song_mcp import __version__
from song_mcp.loopback import host_and_port, url
from song_mcp.server.app import SongServer
from song_mcp.server.delivery import CONNECTION, App, Connection

Answer = Callable[[Request], Awaitable[Response]]

PATH = "/mcp"
LONGEST_REQUEST = 256 * 2**10
"""In bytes. The longest lyrics, each character escaped, are a quarter of it."""
IDLE_S = 30 * 60.0
"""How long a session of an older client lives without a request or an open stream, in seconds: a
client that is told of songs holds a stream, and one that only asks may pause for a meal."""
SESSIONS = 256
"""How many such sessions there may be. One machine has a few clients; what is left is for those
that never say goodbye, and connect anew again and again before their sessions have idled out."""
CONNECTIONS = 512
"""How many connections and answers under way there may be: above it the answer is 503."""
KEPT_ALIVE_S = 65.0
"""How long an idle connection is kept, in seconds: longer than clients keep theirs (often 5 s or
60 s), so that none sends a paid request into a connection that is just being closed."""


class _Protocol(H11Protocol):
    """HTTP/1.1 that tells of what became of each connection."""

    _connection: Connection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        super().connection_made(transport)
        self._connection = Connection(transport)
        self.app_state = {**self.app_state, CONNECTION: self._connection}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._connection is not None:
            self._connection.lost(exc)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._connection is not None:
            self._connection.emptied()


class _Web(uvicorn.Server):
    """A web server that leaves signals to others, and hangs up on everybody in the end."""

    def __init__(self, app: App) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",  # the studio opens and closes in `serve`, where signals reach it
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=int(KEPT_ALIVE_S),
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def hang_up(self) -> None:
        """Take no more requests, so that nothing paid begins while the end is waited for."""
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()


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
        session_idle_timeout=IDLE_S,
        max_sessions=SESSIONS,
        transport_security=security,
    )
    app.add_route("/health", _health(server, TransportSecurityMiddleware(security)), ["GET"])
    web = _Web(server.deliveries_by_exchange().around(app))
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
        for session in list(manager._server_instances.values()):  # noqa: SLF001 - no other way in
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


def _health(server: SongServer, security: TransportSecurityMiddleware) -> Answer:
    """Give what answers `/health`: 200 where songs can be made, 503 where the journal fails."""

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
