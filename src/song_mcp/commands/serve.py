"""`song-mcp serve`: MCP over HTTP on this machine."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from song_mcp.commands.serving import Prepare, Serve, serve_by
from song_mcp.commands.terminal import complain, port

if TYPE_CHECKING:
    from song_mcp.settings import Settings

DESCRIPTION = (
    "Serve MCP over streamable HTTP on this machine, for clients that connect to an address "
    "instead of starting a program. The keys are read from the environment."
)
EXAMPLE = "song-mcp serve --port 9000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="127.0.0.1, ::1 or localhost (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=port,
        default=8788,
        help="the port; 0 takes any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--no-token",
        action="store_true",
        help="let every program and user of this machine use the server, and spend your money",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends the process; returns the exit status."""
    from song_mcp.loopback import NotLoopbackError, listen

    host, number = options.host, options.port
    try:
        listener = listen(host, number)
    except NotLoopbackError:
        return complain(
            f"song-mcp serves this machine alone, not {host!r}: its HTTP is not encrypted, so on a "
            "network others could read the token and spend your money. "
            "Use 127.0.0.1, ::1 or localhost."
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        return complain(f"song-mcp cannot listen on port {number} of {host}: {reason}.")

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
        return serve_by(over_http)


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
