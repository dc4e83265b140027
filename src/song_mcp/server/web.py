"""The web server that carries MCP over HTTP, and knows what becomes of each connection.

It is uvicorn, of which more is used than its settings: no ASGI message says whether a client took
what was sent. `Protocol` is told by asyncio of each connection's fate, and passes the connection on
in the state of each scope; `WebServer` leaves signals to the process, and hangs up at once where
uvicorn would wait for each answer. `tests/server/test_web.py` says what of this a release of
uvicorn has changed, and `pyproject.toml` admits those alone that it was tried with.
"""

import asyncio
import contextlib
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from song_mcp.server.delivery import CONNECTION, App, Connection

CONNECTIONS = 512
"""How many connections and answers under way there may be: above it the answer is 503."""
KEPT_ALIVE_S = 65.0
"""How long an idle connection is kept, in seconds: longer than clients keep theirs (often 5 s or
60 s), so that none sends a paid request into a connection that is just being closed."""


class Protocol(H11Protocol):
    """HTTP/1.1 that tells of what became of each connection."""

    _connection: Connection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        """Pass the connection on in the state of each of its scopes."""
        super().connection_made(transport)
        self._connection = Connection(transport)
        self.app_state = {**self.app_state, CONNECTION: self._connection}

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that the connection has ended."""
        super().connection_lost(exc)
        if self._connection is not None:
            self._connection.lost(exc)

    def resume_writing(self) -> None:
        """Say that all that was written was taken."""
        super().resume_writing()
        if self._connection is not None:
            self._connection.emptied()


class WebServer(uvicorn.Server):
    """A web server that leaves signals to others, and hangs up on everybody in the end."""

    def __init__(self, app: App) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
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
        """Capture none."""
        yield

    def hang_up(self) -> None:
        """Take no more requests, so that nothing paid begins while the end is waited for."""
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()
