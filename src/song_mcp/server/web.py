"""The web server that carries MCP over HTTP, and knows how each connection ended.

It is uvicorn, and uses more than its settings, because no ASGI message says whether a client took
what was sent. asyncio tells `Protocol` how each connection ends, and `Protocol` passes the
connection on in the state of each scope. `WebServer` leaves signals to the process, and hangs up at
once; uvicorn itself would wait for each answer. `tests/server/test_web.py` fails if a release of
uvicorn has changed any of this, and `pyproject.toml` allows only releases that were tried.
"""

import asyncio
import contextlib
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from song_mcp.server.delivery import CONNECTION, App, Connection

CONNECTIONS = 512
"""How many connections and unfinished answers there may be; above it the answer is 503."""
KEPT_ALIVE_S = 65.0
"""How long an idle connection is kept, in seconds. Clients keep theirs for less (often 5 s or
60 s), so none sends a paid request into a connection that is just being closed."""


class Protocol(H11Protocol):
    """HTTP/1.1 that records how each connection ended."""

    _connection: Connection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        """Pass the connection on in the state of each of its scopes."""
        super().connection_made(transport)
        self._connection = Connection(transport)
        self.app_state = {**self.app_state, CONNECTION: self._connection}

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the connection has ended."""
        super().connection_lost(exc)
        if self._connection is not None:
            self._connection.lost(exc)

    def resume_writing(self) -> None:
        """Record that the operating system has taken all that was written."""
        super().resume_writing()
        if self._connection is not None:
            self._connection.emptied()


class WebServer(uvicorn.Server):
    """A web server that leaves signals to the process, and hangs up on everybody at its end."""

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
        """Take no more requests, so that nothing paid begins while the server ends."""
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()
