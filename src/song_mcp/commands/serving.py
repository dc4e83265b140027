"""Serving MCP: what `song-mcp` and `song-mcp serve` have in common.

While serving, stdout belongs to the protocol, so all messages go to stderr, by way of `logs`.
"""

import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from song_mcp import __version__, system
from song_mcp.commands.terminal import complain

if TYPE_CHECKING:
    from song_mcp.server.app import SongServer
    from song_mcp.settings import Settings

logger = logging.getLogger(__name__)

STOPPED_BY = 128
"""The exit status after a signal is this plus the signal's number, as in shells."""

Opened = TypeVar("Opened")
Serve = Callable[["SongServer"], Awaitable[None]]
Prepare = Callable[["Settings"], Serve]
"""Returns how to serve with these settings; may raise SongError."""


def over_stdio() -> int:
    """Serve one client over stdin and stdout; returns the exit status."""

    def transport() -> Prepare:
        from song_mcp.server.stdio import serve

        return lambda _: serve

    return serve_by(transport)


def serve_by(transport: Callable[[], Prepare]) -> int:
    """Serve over the transport that `transport` imports and returns."""
    gc.disable()  # a collection during the imports costs more than it can free
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # scanning for plugins is slow
    import anyio

    from song_mcp import memory
    from song_mcp.compose import open_studio
    from song_mcp.errors import SongError
    from song_mcp.server.app import build_server
    from song_mcp.settings import Settings

    prepare = transport()
    gc.freeze()
    gc.enable()
    settings = Settings.read()
    _say_what_is_wrong(settings)
    try:
        serve = prepare(settings)
    except SongError as error:
        return complain(str(error))
    _log(settings)
    memory.return_large_blocks()
    for number in system.STOPS:
        signal.signal(number, _leave)
    server = build_server(lambda: _until_signalled(open_studio(settings)))
    try:
        anyio.run(serve, server)
    except* ConnectionError:
        pass  # the client closed the connection before it had all answers
    logger.info("song-mcp ends: its client hung up")
    return 0


def _log(settings: "Settings") -> None:
    """Begin to log, to stderr and to the log file; says there what this process is."""
    from song_mcp import logs
    from song_mcp.logfile import LogFile
    from song_mcp.songs import SERVICES

    path = settings.log_path
    logs.install(LogFile(path) if path else None, settings.log, settings.secrets)
    python = ".".join(map(str, sys.version_info[:3]))
    services = ", ".join(each.name for each in SERVICES.values() if settings.of(each).is_on)
    logger.info(
        "song-mcp %s starts: Python %s on %s; services: %s",
        __version__,
        python,
        sys.platform,
        services or "none",
    )
    for each in (*settings.wrong, *settings.remarks):
        logger.info("%s", each)


def _say_what_is_wrong(settings: "Settings") -> None:
    """Say on stderr what the calls say as well: not every client shows that to its user."""
    lines = []
    if settings.wrong:
        lines += ["song-mcp pays nothing before these settings are corrected:", *settings.wrong]
    if settings.remarks:
        lines += ["These settings count as not set:", *settings.remarks]
    print("".join(f"{line}\n" for line in lines), file=sys.stderr, end="", flush=True)


@asynccontextmanager
async def _until_signalled(
    opened: AbstractAsyncContextManager[Opened],
) -> AsyncIterator[Opened]:
    """Keep `opened` open until the client hangs up, or until a signal ends the process.

    The first signal closes `opened`; further signals do not cut that short.
    """
    import anyio

    came: list[int] = []
    with anyio.CancelScope() as serving:

        def stop(number: int) -> None:
            came.append(number)
            serving.cancel()

        _call_at_signals(stop)
        try:
            async with opened as studio:
                yield studio
        finally:
            if came:
                logger.info("song-mcp ends: signal %d", came[0])
                _leave(came[0])


def _call_at_signals(stop: Callable[[int], None]) -> None:
    """Have the running loop call this with the number of each signal that asks to end.

    The loop of Windows takes no handlers; there Python calls one between two steps of the program,
    and the loop is woken to do the rest.
    """
    import asyncio

    loop = asyncio.get_running_loop()

    def pass_on(number: int, _: FrameType | None) -> None:
        if loop.is_closed():
            _leave(number)
        loop.call_soon_threadsafe(stop, number)

    for number in system.STOPS:
        try:
            loop.add_signal_handler(number, stop, number)
        except NotImplementedError:
            signal.signal(number, pass_on)


def _leave(number: int, _: FrameType | None = None) -> NoReturn:
    """End at once: a normal exit would wait for the thread that reads stdin."""
    with suppress(OSError, RuntimeError, ValueError):  # closed, or interrupted while flushing
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(STOPPED_BY + number)
