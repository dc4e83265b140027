"""Serving the sandbox on a real socket, on loopback only.

Nothing is printed and no logging is set up here. The socket is bound before its address is told to
anybody, and answers that are being held back do not delay the end.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from song_mcp import system
from song_mcp.loopback import LOOPBACK, listen, url
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.wire import TRANSPORT


class _Protocol(H11Protocol):
    """HTTP that hands the connection itself to the app, for answers that go wrong on purpose."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        date_header=False,  # the sandbox has a clock of its own
        timeout_graceful_shutdown=5,
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to others and drops held answers at its end."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(_config(app))
        self._app = app

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for transport in filter(None, list(self._app.state.sandbox.held)):
            transport.abort()
        await super().shutdown(sockets)

    async def hang_up(self) -> None:
        """End at once, with every connection and answer; uvicorn itself looks every 0.1 s."""
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        answers = list(self.server_state.tasks)
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)


@contextlib.contextmanager
def _stopped_by_signals(server: _Server) -> Iterator[None]:
    """Make Ctrl-C, Ctrl-Break and SIGTERM end the server, if this is the main thread."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in system.STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(
    app: Starlette | None = None,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C, Ctrl-Break or SIGTERM, then return.

    `port` 0 takes any free one. `on_ready` is called once with the base URL, when the socket is
    already listening.

    Raises:
        ValueError: `host` is not a loopback address.
        OSError: the port is taken.
    """
    with listen(host, port) as listener:
        server = _Server(app or build_app())
        with _stopped_by_signals(server), contextlib.suppress(KeyboardInterrupt):
            on_ready(url(listener))
            asyncio.run(server.serve(sockets=[listener]))


@contextlib.asynccontextmanager
async def running(
    app: Starlette | None = None, *, host: str = LOOPBACK, port: int = 0
) -> AsyncIterator[str]:
    """Serve within the current event loop as long as the block lasts; yields the base URL.

    Raises:
        ValueError: `host` is not a loopback address.
        OSError: the port is taken.
    """
    with listen(host, port) as listener:
        server = _Server(app or build_app())
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield url(listener)
        finally:
            serving.cancel()
            await asyncio.wait({serving})
            await asyncio.shield(server.hang_up())
