"""`song-mcp get`: look at a song, and wait until it is there."""

import argparse
from contextlib import suppress
from typing import TYPE_CHECKING

from song_mcp.commands.desk import Asked, Desk, at_desk, here
from song_mcp.commands.terminal import LONGEST_WAIT_S, seconds

if TYPE_CHECKING:
    from song_mcp.commands.bar import Bar
    from song_mcp.studio import Answer, Studio

DESCRIPTION = (
    "Look at a song that is being made or was made, and wait until it is saved; free. It also "
    "gets a song that was made elsewhere with the same key, by the id of its task."
)
EXAMPLE = "song-mcp get last"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "song", nargs="?", default="last", help="an id or its beginning, a title, or last"
    )
    parser.add_argument(
        "--wait-seconds",
        type=seconds,
        default=LONGEST_WAIT_S,
        help="how long to wait for its end (default: an hour)",
    )
    parser.add_argument(
        "--at", metavar="SERVICE", help="where a task was made elsewhere: piapi or gptge"
    )
    parser.add_argument(
        "--again", action="store_true", help="also save again what you deleted of it; free"
    )
    parser.add_argument("--lyrics", action="store_true", help="with all lyrics")
    parser.add_argument("--json", action="store_true", help="print what get_task returns")


def run(options: argparse.Namespace) -> int:
    """Look at a song; returns the exit status."""
    desk = here()
    return at_desk(desk, lambda: work(desk, options))


async def work(desk: Desk, options: argparse.Namespace) -> int:
    """Look at a song, and wait for its end."""

    async def look(studio: "Studio", bar: "Bar") -> "Answer":
        from song_mcp.songs import checked_id

        name = await task_name(studio, options.song)
        return await studio.look_up(
            checked_id("song", name), _service(options.at), bar, get_again=options.again
        )

    asked = Asked(look, options.wait_seconds, options.json, include_lyrics=options.lyrics)
    return await desk.waiting(asked)


def _service(name: str | None) -> str:
    """Return the service that is asked for tasks made elsewhere; raises InvalidRequestError."""
    from song_mcp.errors import InvalidRequestError
    from song_mcp.songs import SERVICES, asked_by

    if name is None:
        return asked_by("get_task").name
    known = [each.name for each in SERVICES.values() if each.elsewhere_tool]
    if name not in known:
        raise InvalidRequestError(f"--at is one of {' and '.join(known)}. Nothing was asked.")
    return name


async def task_name(studio: "Studio", name: str) -> str:
    """Return the name of a task that a person means: itself, or an id if a clip is meant.

    That is the clip's id if one is meant, so that what is got again is this clip alone.
    """
    from song_mcp.errors import NotFoundError

    if await studio.catalog.known_task(name) is None:
        with suppress(NotFoundError):
            pairs = await studio.catalog.takes(name)
            if len(pairs) == 1:
                return pairs[0][1].public_id
            for task, _ in pairs:
                return task.local_id
    return name
