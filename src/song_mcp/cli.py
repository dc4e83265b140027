"""The command line: `song-mcp` serves MCP over stdio; its commands do the rest.

The commands are in `commands`, each in a module that is imported when its name is typed. Each
imports what it needs when it runs, because every client that starts the server waits for the
imports.

Whoever types `song-mcp` alone in a terminal wants to know what it is, and is told. No command ends
with a traceback because of Ctrl-C, or because nobody reads what it prints any more.
"""

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from song_mcp import __version__
from song_mcp.commands import COMMANDS
from song_mcp.commands.terminal import complain

STOPPED = 128 + signal.SIGINT
"""The exit status after Ctrl-C, as in shells."""
UNREAD = 128 + 13
"""The exit status if nobody reads the output any more, as in shells: 13 is SIGPIPE."""
PRIVATE = re.compile(r"invalid \w+ value: ")
"""How argparse says that a value cannot be read: by the name of a function of ours."""
IN_A_TERMINAL = """\
song-mcp {version} makes songs for an AI assistant such as Claude. Nobody types
to it: an MCP client (Claude Desktop, Cursor, VS Code, ...) starts it.

  song-mcp install    puts it into the settings of your client
  song-mcp demo       makes songs on this machine without a key and without cost
  song-mcp doctor     tells what is set up, what is wrong, and what to do
  song-mcp --help     lists all commands

song-mcp --stdio serves MCP here, in this terminal, until its input ends.
"""
"""What a person reads who types `song-mcp`; within 80 columns."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    status = _without_traceback(lambda: _run(given))
    if arguments is None:  # the program ends: what is left of it takes no notice of Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def _without_traceback(run: Callable[[], int]) -> int:
    """Return the exit status of `run`, also if a person ended it, or stopped reading."""
    try:
        status = _with_all_printed(run)
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        return _unread()
    except BaseExceptionGroup as errors:
        if errors.split(KeyboardInterrupt)[1] is None:
            return STOPPED
        if errors.split((BrokenPipeError, KeyboardInterrupt))[1] is None:
            return _unread()
        raise
    return status


def _with_all_printed(run: Callable[[], int]) -> int:
    """Return the exit status when all that was printed is written, or raise as writing it does."""
    try:
        status = run()
    except SystemExit as error:  # argparse has said what is wrong, or has shown its help
        status = error.code if isinstance(error.code, int) else 1
    if sys.stdout is None or sys.stdout.closed:
        return status
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _let_go()
        complain(f"What this command prints could not be written: {error.strerror}.")
        return 1
    return status


def _unread() -> int:
    _let_go()
    return UNREAD


def _let_go() -> None:
    """Let what is left to be printed go nowhere, or Python would complain of it at its end."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(given: Sequence[str]) -> int:
    if not given:
        return _serve_or_explain()
    first = given[0]
    if first not in COMMANDS and not first.startswith("-"):
        return complain(_unknown(first))
    named = next((each for each in given if each in COMMANDS), "")
    options = _parser(named).parse_args(given)
    if options.command:
        _print_anything()
        status: int = import_module(f"song_mcp.commands.{options.command}").run(options)
        return status
    return _serve()


def _serve_or_explain() -> int:
    """Serve, or tell a person at a terminal what this is.

    The status is that of a wrong call, and stdout stays empty: whoever started this to talk to it
    must not take it for a server that has served.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        return complain(IN_A_TERMINAL.format(version=__version__).rstrip("\n"))
    return _serve()


def _serve() -> int:
    from song_mcp.commands.serving import over_stdio

    return over_stdio()


def _print_anything() -> None:
    """Let a console without a character show a mark for it, rather than end the command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # not if a test took its place
        if reconfigure is not None:
            reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), COMMANDS, n=1, cutoff=0.5)
    meant = f" Did you mean song-mcp {near[0]}?" if near else ""
    return f"song-mcp has no command {word!r}.{meant} song-mcp --help lists all."


class Parser(argparse.ArgumentParser):
    """Reads options; what it says of wrong ones has no name of a function of ours in it."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and how to learn what would be right; ends the program."""
        said = PRIVATE.sub("this cannot be used: ", message)
        self.exit(2, f"{self.prog}: {said}\n{self.prog} --help shows all options.\n")


def _parser(named: str) -> argparse.ArgumentParser:
    """Return the parser, with the options of the command that is `named`."""
    parser = Parser(
        prog="song-mcp",
        description="song-mcp makes songs for AI assistants. Without a command it serves MCP over "
        "stdin and stdout, for an MCP client to start; in a terminal it says what it is.",
        epilog="example: song-mcp doctor",
    )
    parser.add_argument("--version", action="version", version=f"song-mcp {__version__}")
    parser.add_argument(
        "--stdio",
        action="store_true",
        help="serve over stdin and stdout, even in a terminal (default: not in a terminal)",
    )
    commands = parser.add_subparsers(title="commands", metavar="", dest="command")
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does)
        if name == named:
            module = import_module(f"song_mcp.commands.{name}")
            command.description = module.DESCRIPTION
            command.epilog = f"example: {module.EXAMPLE}"
            module.add_arguments(command)
    return parser
