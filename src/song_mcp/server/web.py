"""The web server that carries MCP over HTTP, and knows how each connection ended.

It is uvicorn, and uses more than its settings, because no ASGI message says whether a client took
what was sent. asyncio tells `Protocol` how each connection ends, and `Protocol` passes the
connection on in the state of each scope. uvicorn limits how long a connection may be idle between
two requests, but not how long it takes for a request, nor for the first one; `Protocol` does. And
if there are too many connections, uvicorn refuses the newest, so that whoever holds them would keep
all others out; here an older one gives way. `WebServer` leaves signals to the process, and hangs up
at once; uvicorn itself would wait for each answer. `tests/server/test_web.py` fails if a release of
uvicorn has changed any of this, and `pyproject.toml` allows only releases that were tried.
"""

import asyncio
import contextlib
import math
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from song_mcp.server.delivery import CONNECTION, App, Connection

CONNECTIONS = 512
"""How many connections and unfinished answers there may be; above it the answer is 503."""
IDLE_S = 10.0
"""How long, in seconds, a connection may wait for a whole request: from its beginning, or from the
end of the last answer. A request of 256 KiB takes milliseconds on this machine. A client that sends
the next one just as its connection is closed gets an error; that request was never read, so nothing
was paid for it."""

STUCK_TIMES = 6
"""How many times as long a client may take nothing of what is written to it. Its answers stay in
memory and keep the room from all others (`server.room`), and a suspended client would never end."""


class Protocol(H11Protocol):
    """HTTP/1.1 that records how each connection ended.

    It ends those that ask for nothing, and those that take nothing of their answer.
    """

    _connection: Connection
    _limit: asyncio.TimerHandle | None = None
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        """Pass the connection on in the state of each of its scopes."""
        super().connection_made(transport)
        self._connection = Connection(transport)
        self.app_state = {**self.app_state, CONNECTION: self._connection}
        self._await_request()
        if len(self.connections) >= (self.limit_concurrency or math.inf):
            self._let_one_give_way()

    def data_received(self, data: bytes) -> None:
        """Take what came; a whole request ends the waiting for it, a part of one does not."""
        super().data_received(data)
        if self._has_request():
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the next request, which may have come already."""
        super().on_response_complete()
        if not self._has_request():
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the connection has ended."""
        self._stop_waiting()
        self._stop_looking()
        super().connection_lost(exc)
        self._connection.lost(exc)

    def _has_request(self) -> bool:
        """Return whether a whole request is being answered."""
        if self.cycle is None:  # before the first request, whatever its type says
            return False  # type: ignore[unreachable]
        return not (self.cycle.more_body or self.cycle.response_complete)

    def _await_request(self) -> None:
        self._stop_waiting()
        self._limit = self.loop.call_later(self.timeout_keep_alive, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _let_one_give_way(self) -> None:
        """End the connection that has waited longest, first among those that were never let in."""
        known = [each for each in self.connections if isinstance(each, Protocol)]
        others = [each for each in known if each is not self and each.may_give_way()]
        if others:
            min(others, key=Protocol.rank).transport.abort()

    def may_give_way(self) -> bool:
        """Return whether this carries nothing for a client that may use the server."""
        is_quiet = self._limit is not None and not self.transport.get_write_buffer_size()
        return (is_quiet or not self._connection.is_let_in) and not self.transport.is_closing()

    def rank(self) -> tuple[bool, float]:
        """Return what orders connections: the least one gives way first."""
        return self._connection.is_let_in, self._limit.when() if self._limit else math.inf

    def pause_writing(self) -> None:
        """Look from time to time whether the client takes what was written."""
        super().pause_writing()
        self._look_later()

    def _look_later(self) -> None:
        left = self.transport.get_write_buffer_size()
        pause_s = STUCK_TIMES * self.timeout_keep_alive
        self._look = self.loop.call_later(pause_s, self.look_again, left)

    def look_again(self, left: int) -> None:
        """End the connection if no less than this is left to be written; its answer is lost."""
        if self.transport.get_write_buffer_size() < left:
            self._look_later()
            return
        self._connection.lost(ConnectionAbortedError())
        self.transport.abort()

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def resume_writing(self) -> None:
        """Record that the operating system has taken all that was written."""
        super().resume_writing()
        self._stop_looking()
        self._connection.emptied()


class WebServer(uvicorn.Server):
    """A web server that leaves signals to the process, and hangs up on everybody at its end."""

    def __init__(self, app: App, connections: int = CONNECTIONS, idle_s: float = IDLE_S) -> None:
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
                limit_concurrency=connections,
                timeout_keep_alive=idle_s,  # type: ignore[arg-type]  # it is handed to the loop
                headers=[("Keep-Alive", f"timeout={idle_s / 2:.0f}")],  # less: few come too late
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
