"""`song-mcp demo`: songs from end to end, without a key."""

import argparse
from pathlib import Path

from song_mcp.commands.terminal import complain, lacks_sandbox, seconds

DESCRIPTION = (
    "Make songs from end to end against the sandbox, with a server as a child over stdio: no key, "
    "no cost. A table at the end shows each song and its file."
)
EXAMPLE = "song-mcp demo --folder /tmp/songs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("song-mcp-demo"),
        help="where journal and songs go (default: %(default)s)",
    )
    parser.add_argument(
        "--song-seconds",
        type=seconds,
        default=8.0,
        help="how many seconds the sandbox takes for a song (default: %(default)g)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo; returns its exit status."""
    if complained := lacks_sandbox():
        return complained
    from song_mcp.demo import run as run_demo

    folder: Path = options.folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return complain(f"The demo cannot use the folder {folder}: {error.strerror}.")
    return run_demo(folder, song_seconds=options.song_seconds)
