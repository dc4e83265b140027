"""`song-mcp open`: a song in the system's player, or its folder in the file manager."""

import argparse
import os
import shutil
import subprocess  # nosec B404
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from song_mcp import system
from song_mcp.commands.desk import NOT_MADE, Desk, at_desk, here
from song_mcp.commands.typed import typed

if TYPE_CHECKING:
    from song_mcp.journal import Pair
    from song_mcp.studio import Studio

DESCRIPTION = (
    "Open a song in the system's player, or with --folder show it in the file manager. A song with "
    "several takes opens its first one; the others are named."
)
EXAMPLE = 'song-mcp open "Trams at Noon"'
STARTS_WITHIN_S = 3.0
"""A program that has not ended after so many seconds has opened the file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "song", nargs="?", default="last", help="an id or its beginning, a title, or last"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--folder", action="store_true", help="show it in its folder")
    how.add_argument("--print", action="store_true", help="print the paths of all its takes")


def run(options: argparse.Namespace) -> int:
    """Open a song; returns the exit status."""
    desk = here()
    return at_desk(desk, lambda: work(desk, options))


async def work(desk: Desk, options: argparse.Namespace) -> int:
    """Find the song's file, and have it opened."""

    async def find(studio: "Studio") -> "list[Pair]":
        return await studio.catalog.takes(options.song)

    pairs = await desk.with_studio(find)
    files = [clip.file for _, clip in pairs if clip.file and clip.file.is_file()]
    if not files:
        desk.screen.say(why_no_file(pairs))
        return NOT_MADE
    if options.print:
        desk.screen.show("\n".join(map(str, files)))
        return 0
    first, *others = files
    opened = await to_thread.run_sync(_opened, first, options.folder)
    if not opened:
        desk.screen.say("No program here opened it. The file is:")
    desk.screen.show(str(first))
    for other in others:
        desk.screen.say(f"The other take is:\n  {other}")
    return 0 if opened else NOT_MADE


def why_no_file(pairs: "Sequence[Pair]") -> str:
    """Say why a song has no file, and what to type."""
    from song_mcp.messages import of_files

    if not pairs:
        return "It has no finished audio yet: song-mcp get waits for it."
    task, _ = pairs[0]
    if said := of_files([task]):
        return typed(said)
    return f"It is not saved: song-mcp get {task.public_id} tries that, and says why if it fails."


def _opened(file: Path, in_folder: bool) -> bool:  # noqa: FBT001 - passed by position to a thread
    """Open a file, or show it in its folder; returns whether a program took it."""
    from song_mcp.library import AUDIO_EXTENSIONS

    if not in_folder and file.suffix.casefold() not in AUDIO_EXTENSIONS:
        return False  # somebody named it so that it might be run
    start = getattr(os, "startfile", None)
    try:
        if start is not None and not in_folder:
            start(file)
            return True
        return _started(_command(file, in_folder=in_folder))
    except OSError:
        return False


def _command(file: Path, *, in_folder: bool) -> list[str]:
    if hasattr(os, "startfile"):
        return ["explorer", f"/select,{file}"]
    if system.IS_MACOS:
        return ["open", "-R", str(file)] if in_folder else ["open", str(file)]
    return ["xdg-open", str(file.parent if in_folder else file)]


def _started(command: list[str]) -> bool:
    """Start a program of the system's; it may go on after this one."""
    program = shutil.which(command[0])
    if program is None:
        return False
    nowhere = subprocess.DEVNULL
    started = subprocess.Popen(  # noqa: S603 - the system's opener and a song  # nosec B603
        [program, *command[1:]],
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
        start_new_session=True,
    )
    try:
        status = started.wait(STARTS_WITHIN_S)
    except subprocess.TimeoutExpired:
        return True
    return status == 0 or command[0] == "explorer"  # which reports 1 whatever it did
