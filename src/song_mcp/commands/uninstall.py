"""`song-mcp uninstall`: song-mcp out of the settings of MCP clients."""

import argparse

from song_mcp.commands.install import NO_HOME, add_clients, chosen, say
from song_mcp.commands.terminal import WRONG, complain

DESCRIPTION = (
    "Take song-mcp out of the settings of MCP clients. A copy of each changed file is kept beside "
    "it. Songs, journal and keys stay."
)
EXAMPLE = "song-mcp uninstall --all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_clients(parser)
    parser.add_argument(
        "--forget-keys", action="store_true", help="remove the keys that install has kept, too"
    )


def run(options: argparse.Namespace) -> int:
    """Take song-mcp out of the clients that are named; returns the exit status."""
    from song_mcp.installer import Machine, changes, keys
    from song_mcp.installer.files import RefusedError

    try:
        machine = Machine.here()
    except RuntimeError:
        return complain(NO_HOME)
    clients = chosen(options, machine)
    if clients is None:
        return WRONG
    if not clients and not options.forget_keys and not options.all:
        return complain("Name the clients, or type --all for every one that is found here.")
    status = 0
    for client in clients:
        for file in client.files(machine):
            try:
                say(changes.to_uninstall(client, file), machine, dry_run=options.dry_run)
            except RefusedError as error:
                status = complain(f"{client.label}: {file} stays as it is: {error}.")
    if options.forget_keys and not options.dry_run:
        try:
            print("The keys are removed." if keys.forget(machine) else "No key was kept.")
        except RefusedError as error:
            return complain(str(error))
    return status
