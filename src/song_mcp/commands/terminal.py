"""What all commands say in one way: complaints, and the values of their options."""

import argparse
import sys
from importlib import import_module

WRONG = 2
"""The exit status after a complaint, as argparse has it."""
HIGHEST_PORT = 65535
MOST = 1_000_000
"""The highest number of things that an option takes."""
LONGEST_WAIT_S = 3600.0
"""How long a command waits for a song, in seconds: services are asked no longer."""
MOST_SONG_SECONDS = 3600.0
"""The highest value of `--song-seconds`."""


def complain(message: str) -> int:
    """Print what is wrong to stderr; returns the exit status for it."""
    print(message, file=sys.stderr)
    return WRONG


def lacks_sandbox() -> int:
    """Complain if a package that only the sandbox needs is missing, or does not load.

    Each is in every install, but for those without dependencies. Returns the exit status: 0 if
    nothing is missing.
    """
    from song_mcp.installed import SANDBOX, install

    lacking = [name for name in SANDBOX if not _loads(name)]
    if not lacking:
        return 0
    return complain(
        f"This command makes real audio. For that, this is missing here: {', '.join(lacking)}.\n"
        f"To add it:\n  {install().add_sandbox}"
    )


def _loads(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:  # also where it is there, and a library of the system is not
        return False
    return True


def seconds(text: str) -> float:
    """Read a duration; raises argparse's error for what cannot be one."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= MOST_SONG_SECONDS:
        raise argparse.ArgumentTypeError(
            f"must be a number of seconds from 0 to {MOST_SONG_SECONDS:.0f}, not {text!r}"
        )
    return number


def count(text: str) -> int:
    """Read a number of things; if the text is no number, argparse says so."""
    number = int(text)
    if not 0 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"must be 0 to {MOST}")
    return number


def port(text: str) -> int:
    """Read a port; raises argparse's error for what cannot be one."""
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to {HIGHEST_PORT}, not {text!r}"
        )
    return number
