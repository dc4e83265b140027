"""`song-mcp install`: song-mcp in the settings of MCP clients."""

import argparse
from typing import TYPE_CHECKING

from song_mcp.commands.terminal import complain

if TYPE_CHECKING:
    from song_mcp.installer import Machine

DESCRIPTION = (
    "Put song-mcp into the settings of MCP clients. What stands there stays as it is, and a copy "
    "of each changed file is kept beside it. Without a client, tell which are found here."
)
EXAMPLE = "song-mcp install claude-desktop cursor"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "clients", nargs="*", metavar="CLIENT", help="such as claude-desktop, cursor or vscode"
    )
    parser.add_argument(
        "--print",
        action="store_true",
        dest="prints",
        help="print what would stand in the settings, and change nothing",
    )


def run(options: argparse.Namespace) -> int:
    """Put song-mcp into the clients that are named; returns the exit status."""
    from song_mcp.installed import install
    from song_mcp.installer import CLIENTS, Machine, entry, snippet

    unknown = [each for each in options.clients if each not in CLIENTS]
    if unknown:
        return complain(
            f"song-mcp knows no client {', '.join(unknown)}. It knows: {', '.join(CLIENTS)}."
        )
    if not options.clients:
        return _list_found(Machine.here())
    command, *args = install().command
    for name in options.clients:
        print(snippet(CLIENTS[name], entry.Entry(command, tuple(args))), end="")
    return 0


def _list_found(machine: "Machine") -> int:
    """Print which clients are on this machine, and what they have been told of song-mcp."""
    from song_mcp.installer import CLIENTS, entries

    told = {each.client.name for each in entries(machine) if each.entry}
    here = [each for each in CLIENTS.values() if each.is_here(machine)]
    for client in here:
        print(f"{client.name}: {client.label}{', has song-mcp' if client.name in told else ''}")
    if not here:
        print("No client that song-mcp knows was found in its usual place.")
    return 0
