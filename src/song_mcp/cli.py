"""The command line: `song-mcp` serves MCP over stdio; its subcommands do the rest.

While serving, stdout belongs to the protocol, so all messages go to stderr, by way of `logs`. Each
command imports what it needs when it runs, because every client that starts the server waits for
the imports.
"""

import argparse
import gc
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from song_mcp import __version__

if TYPE_CHECKING:
    from song_mcp.server.app import SongServer
    from song_mcp.settings import Settings

STOPPED_BY = 128
"""The exit status after a signal is this plus the signal's number, as in shells."""
STOPPED = STOPPED_BY + signal.SIGINT
WRONG = 2
"""The exit status after a complaint, as argparse has it."""
HIGHEST_PORT = 65535
MOST_SONG_SECONDS = 3600.0
"""The highest value of `--song-seconds`."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)

Opened = TypeVar("Opened")
Serve = Callable[["SongServer"], Awaitable[None]]
Prepare = Callable[["Settings"], Serve]
"""Returns how to serve with these settings; may raise SongError."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="song-mcp",
        description="Without a command: serve MCP over stdio, for an MCP client to start.",
    )
    parser.add_argument("--version", action="version", version=f"song-mcp {__version__}")
    parser.set_defaults(command=_serve_stdio)
    commands = parser.add_subparsers(title="commands", metavar="")

    serve = commands.add_parser("serve", help="serve MCP over HTTP on this machine")
    serve.add_argument(
        "--host", default="127.0.0.1", help="127.0.0.1 (the default), ::1 or localhost"
    )
    serve.add_argument(
        "--port", type=_port, default=8788, help="8788 (the default); 0 takes any free one"
    )
    serve.add_argument(
        "--no-token",
        action="store_true",
        help="let every program and user of this machine use the server, and spend your money",
    )
    serve.set_defaults(command=_serve_http)

    demo = commands.add_parser("demo", help="make songs from end to end without a key")
    demo.add_argument(
        "--folder", type=Path, default=Path("song-mcp-demo"), help="where journal and songs go"
    )
    demo.add_argument(
        "--song-seconds",
        type=_seconds,
        default=8.0,
        help="how many seconds the sandbox takes for a song",
    )
    demo.set_defaults(command=_demo)

    sandbox = commands.add_parser("sandbox", help="run a stand-in for the services on loopback")
    sandbox.add_argument("--port", type=_port, default=8787, help="0 takes any free one")
    sandbox.add_argument(
        "--song-seconds", type=_seconds, default=12.0, help="how many seconds it takes for a song"
    )
    sandbox.set_defaults(command=_sandbox)

    config = commands.add_parser("config", help="print what to put into the MCP client's settings")
    config.set_defaults(command=_config)
    return parser


def _seconds(text: str) -> float:
    """Read a duration; if the text is no number, argparse says so."""
    seconds = float(text)
    if not 0 <= seconds <= MOST_SONG_SECONDS:
        raise argparse.ArgumentTypeError(f"must be 0 to {MOST_SONG_SECONDS:.0f}")
    return seconds


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"must be 0 to {HIGHEST_PORT}")
    return port


def _serve_stdio(_: argparse.Namespace) -> int:
    def over_stdio() -> Prepare:
        from song_mcp.server.stdio import serve

        return lambda _: serve

    return _serve(over_stdio)


def _serve_http(options: argparse.Namespace) -> int:
    from song_mcp.loopback import NotLoopbackError, listen

    host, port = options.host, options.port
    try:
        listener = listen(host, port)
    except NotLoopbackError:
        return _complain(
            f"song-mcp serves this machine alone, not {host!r}: its HTTP is not encrypted, so on a "
            "network others could read the token and spend your money. "
            "Use 127.0.0.1, ::1 or localhost."
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        return _complain(f"song-mcp cannot listen on port {port} of {host}: {reason}.")

    def over_http() -> Prepare:
        from song_mcp.server.http import serve

        def prepare(settings: "Settings") -> Serve:
            if options.no_token:
                token, kept = None, ""
            else:
                token, kept = _token(settings.token_path)
            return lambda server: serve(server, listener, partial(_say_where, token, kept), token)

        return prepare

    with listener:
        return _serve(over_http)


def _token(file: Path | None) -> tuple[str, str]:
    """Return the token that clients need and where it is kept; without a place, a new one.

    That is a wrong setting, which must not end the program. Raises TokenError as `kept_token` does.
    """
    from song_mcp.server.access import NoPlaceError, kept_token, new_token

    why = "SONG_MCP_HOME is to be corrected"
    try:
        if file is not None:
            return kept_token(file), f"in {file}"
    except NoPlaceError as error:
        why = str(error).rstrip(".")
    return new_token(), f"nowhere, and is another at each start: {why}."


def _say_where(token: str | None, kept: str, address: str) -> None:
    """Print where the server listens and what clients must send, the only place for the token."""
    who = (
        f"Clients must send the header Authorization: Bearer {token}\nIt is kept {kept}"
        if token
        else "No token is asked for: every program and user of this machine can spend your money."
    )
    print(
        f"song-mcp listens on {address}; Ctrl-C ends it.\n{who}\n",
        file=sys.stderr,
        end="",
        flush=True,
    )


def _serve(transport: Callable[[], Prepare]) -> int:
    """Serve over the transport that `transport` imports and returns."""
    gc.disable()  # a collection during the imports costs more than it can free
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # scanning for plugins is slow
    import anyio

    from song_mcp import logs, memory
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
        return _complain(str(error))
    logs.install()
    memory.return_large_blocks()
    for number in SIGNALS:
        signal.signal(number, _leave)
    server = build_server(lambda: _until_signalled(open_studio(settings)))
    try:
        anyio.run(serve, server)
    except* ConnectionError:
        pass  # the client closed the connection before it had all answers
    return 0


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
    import asyncio

    import anyio

    came: list[int] = []
    with anyio.CancelScope() as serving:

        def stop(number: int) -> None:
            came.append(number)
            serving.cancel()

        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        try:
            async with opened as studio:
                yield studio
        finally:
            if came:
                _leave(came[0])


def _leave(number: int, _: FrameType | None = None) -> NoReturn:
    """End at once: a normal exit would wait for the thread that reads stdin."""
    with suppress(OSError, RuntimeError, ValueError):  # closed, or interrupted while flushing
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(STOPPED_BY + number)


def _demo(options: argparse.Namespace) -> int:
    try:
        from song_mcp.demo import run
    except ImportError as error:
        return _needs_sandbox(error)
    folder: Path = options.folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _complain(f"The demo cannot use the folder {folder}: {error.strerror}.")
    return run(folder, song_seconds=options.song_seconds)


def _sandbox(options: argparse.Namespace) -> int:
    try:
        from song_mcp.sandbox.app import build_app
        from song_mcp.sandbox.serve import run
    except ImportError as error:
        return _needs_sandbox(error)
    try:
        run(build_app(options.song_seconds), port=options.port, on_ready=_say_ready)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        return _complain(f"The sandbox cannot listen on port {options.port}: {reason}.")
    return 0


def _say_ready(base_url: str) -> None:
    from song_mcp.sandbox.app import STANDS_IN_FOR
    from song_mcp.songs import SERVICES

    services = [SERVICES[name] for name in STANDS_IN_FOR]
    *most, last = [service.label for service in services]
    labels = f"{', '.join(most)} and {last}"
    print(f"A stand-in for {labels} is running; Ctrl-C ends it. For a server to use it, set:")
    for name in (name for service in services for name in service.addresses):
        print(f"  {name}={base_url}")
    for service in services:
        if service.needs_key:
            print(f"  {service.key_variable}=sandbox")
    sys.stdout.flush()


def _config(_: argparse.Namespace) -> int:
    from song_mcp.songs import SERVICES

    needing = [each for each in SERVICES.values() if each.needs_key]
    keys = {each.key_variable: f"your-{each.name}-key" for each in needing}
    off = {each.switch: "" for each in SERVICES.values() if not each.needs_key}
    entry = {"command": str(_command()), "args": [], "env": keys | off}
    print(json.dumps({"mcpServers": {"song-mcp": entry}}, indent=2))
    return 0


def _command() -> Path:
    """Return the absolute path of the running command, also for `python -m song_mcp`."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return Path(sys.executable).absolute().with_name("song-mcp")
    return Path(shutil.which(called) or called).absolute()


def _needs_sandbox(error: ImportError) -> int:
    return _complain(
        f"This command needs the extra packages of the sandbox ({error.name} is missing). "
        "Install them with: pip install 'song-mcp[sandbox]'"
    )


def _complain(message: str) -> int:
    print(message, file=sys.stderr)
    return WRONG
