"""What all commands say in one way: complaints, and the values of their options."""

import argparse
import sys

WRONG = 2
"""The exit status after a complaint, as argparse has it."""
HIGHEST_PORT = 65535
MOST_SONG_SECONDS = 3600.0
"""The highest value of `--song-seconds`."""


def complain(message: str) -> int:
    """Print what is wrong to stderr; returns the exit status for it."""
    print(message, file=sys.stderr)
    return WRONG


def needs_sandbox(error: ImportError) -> int:
    """Complain that a package of the sandbox is missing; returns the exit status."""
    return complain(
        f"This command needs the extra packages of the sandbox ({error.name} is missing). "
        "Install them with: pip install 'song-mcp[sandbox]'"
    )


def seconds(text: str) -> float:
    """Read a duration; if the text is no number, argparse says so."""
    number = float(text)
    if not 0 <= number <= MOST_SONG_SECONDS:
        raise argparse.ArgumentTypeError(f"must be 0 to {MOST_SONG_SECONDS:.0f}")
    return number


def port(text: str) -> int:
    """Read a port; if the text is no number, argparse says so."""
    number = int(text)
    if not 0 <= number <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"must be 0 to {HIGHEST_PORT}")
    return number
