"""`song-mcp confirm`: a person agrees to go on with a journal that was damaged or restored."""

import argparse
from typing import TYPE_CHECKING

from song_mcp.commands.desk import Desk, at_desk, here

if TYPE_CHECKING:
    from song_mcp.studio import Studio

DESCRIPTION = (
    "Agree to go on with a journal that was damaged or restored. Songs that were paid may be "
    "missing in it, so nothing is paid before that: look at song-mcp songs first. It says what is "
    "to be confirmed, and by which name."
)
EXAMPLE = "song-mcp confirm journal.sqlite3.damaged-20261126"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("name", help="the name that song-mcp songs shows")


def run(options: argparse.Namespace) -> int:
    """Confirm; returns the exit status."""
    desk = here()
    return at_desk(desk, lambda: work(desk, options))


async def work(desk: Desk, options: argparse.Namespace) -> int:
    """Write that the person agrees."""

    async def use(studio: "Studio") -> int:
        await studio.confirm_journal(options.name)
        desk.screen.show("Confirmed: songs can be paid for again.")
        return 0

    return await desk.with_studio(use)
