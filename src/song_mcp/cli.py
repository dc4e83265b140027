"""The command line: `song-mcp` serves MCP over stdio; its commands do the rest.

The commands are in `commands`, each in a module that is imported when its name is typed. Each
imports what it needs when it runs, because every client that starts the server waits for the
imports.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from song_mcp import __version__
from song_mcp.commands import COMMANDS

STOPPED = 128 + signal.SIGINT
"""The exit status after Ctrl-C, as in shells."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(given)
    except KeyboardInterrupt:
        return STOPPED


def _run(given: Sequence[str]) -> int:
    named = next((each for each in given if each in COMMANDS), "")
    options = _parser(named).parse_args(given)
    if not options.command:
        from song_mcp.commands.serving import over_stdio

        return over_stdio()
    status: int = import_module(f"song_mcp.commands.{options.command}").run(options)
    return status


def _parser(named: str) -> argparse.ArgumentParser:
    """Return the parser, with the options of the command that is `named`."""
    parser = argparse.ArgumentParser(
        prog="song-mcp",
        description="Without a command: serve MCP over stdio, for an MCP client to start.",
    )
    parser.add_argument("--version", action="version", version=f"song-mcp {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="", dest="command")
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does)
        if name == named:
            module = import_module(f"song_mcp.commands.{name}")
            command.description = module.DESCRIPTION
            command.epilog = f"example: {module.EXAMPLE}"
            module.add_arguments(command)
    return parser
