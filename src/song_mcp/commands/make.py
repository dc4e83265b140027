"""`song-mcp make`: a song without an assistant."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from song_mcp.commands.desk import NOT_MADE, Asked, Desk, at_desk, here
from song_mcp.commands.terminal import LONGEST_WAIT_S, WRONG, complain, count, seconds

if TYPE_CHECKING:
    from song_mcp.commands.bar import Bar
    from song_mcp.songs import SongRequest
    from song_mcp.studio import Answer, Studio

DESCRIPTION = (
    "Make a song from a description or your own lyrics, and wait until it is saved. It says what "
    "that costs and asks before it pays. Ctrl-C ends the waiting and not the song: song-mcp get "
    "gets it later."
)
EXAMPLE = 'song-mcp make "cheerful indie pop about trams at noon" --title "Trams at Noon"'
LYRICS_BYTES = 1_000_000
"""The most of a file of lyrics that is read: no model takes a hundredth of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command: those of the tool generate_song."""
    add = parser.add_argument
    add("description", nargs="?", default="", help="style, mood, instruments, voice, topic")
    add("--model", default="", help="as in docs/models.md; without it the default")
    words = parser.add_mutually_exclusive_group()
    words.add_argument("--lyrics", default="", help="exact text to sing")
    words.add_argument(
        "--lyrics-file", metavar="FILE", help="a file with the text to sing, in UTF-8; - is stdin"
    )
    words.add_argument("--instrumental", action="store_true", help="no vocals")
    add("--title", default="", help="for the files too")
    add("--negative-tags", default="", help="what to avoid")
    add("--seed", type=int, default=-1, help="-1 (the default) is random")
    add("--duration-seconds", type=float, help="how long it shall be")
    add("--vocal-gender", choices=["m", "f"], default="", help="a wish")
    add("--style-weight", type=float, help="0 to 1")
    add("--weirdness", type=float, help="0 to 1")
    add("--takes", type=count, default=1, help="versions, each paid (default: 1)")
    add("--another-take", action="store_true", help="pay for one more version of the same wish")
    add(
        "--wait-seconds",
        type=seconds,
        default=LONGEST_WAIT_S,
        help="how long to wait for the song (default: an hour)",
    )
    add("--yes", action="store_true", help="pay without being asked")
    add("--json", action="store_true", help="print what generate_song returns")


def run(options: argparse.Namespace) -> int:
    """Make a song; returns the exit status."""
    if options.lyrics_file is not None:
        try:
            options.lyrics = _read(options.lyrics_file)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no text in UTF-8"
            return complain(
                f"The lyrics in {options.lyrics_file} cannot be read: {why}. Nothing was sent or "
                "paid."
            )
    desk = here()
    return at_desk(desk, lambda: work(desk, options))


def _read(name: str) -> str:
    """Return the text of a file, or of stdin; raises OSError or ValueError."""
    if name == "-":
        content = sys.stdin.buffer.read(LYRICS_BYTES)
    else:
        with Path(name).open("rb") as file:
            content = file.read(LYRICS_BYTES)
    return content.decode("utf-8-sig")


async def work(desk: Desk, options: argparse.Namespace) -> int:
    """Say what the song costs, ask, and make it."""
    request, *more = await desk.with_studio(partial(_wished, options))
    if not request.model.is_free and not options.yes:
        from song_mcp.messages import remarks, to_pay

        cost = f"{to_pay(request, 1 + len(more))} {remarks(request)}".rstrip()
        if (refused := not_agreed(desk, cost)) is not None:
            return refused

    async def make(studio: "Studio", bar: "Bar") -> "Answer":
        studio.check_settings(options.model)
        return await studio.submit(request, bar, another_take=options.another_take, more=more)

    return await desk.waiting(Asked(make, options.wait_seconds, options.json))


def not_agreed(desk: Desk, cost: str) -> int | None:
    """Ask whether to pay; returns the exit status if the answer is not yes, else None."""
    cost = f"{cost} {desk.whose}".rstrip()
    if not desk.screen.can_ask:
        desk.screen.say(f"{cost} Nothing was sent or paid: add --yes to pay without being asked.")
        return WRONG
    if desk.screen.ask(f"{cost} Pay?"):
        return None
    desk.screen.say("Nothing was sent or paid.")
    return NOT_MADE


async def _wished(options: argparse.Namespace, studio: "Studio") -> "tuple[SongRequest, ...]":
    """Return the submissions that are wished for; raises SongError if they cannot be made."""
    from song_mcp.songs import SongRequest, in_takes

    studio.check_settings(options.model)
    model = studio.model(options.model)
    studio.check_service(model.service)
    request = SongRequest(
        model=model,
        description=options.description,
        lyrics=options.lyrics,
        instrumental=options.instrumental,
        title=options.title,
        negative_tags=options.negative_tags,
        seed=options.seed,
        duration_s=options.duration_seconds,
        vocal_gender=options.vocal_gender,
        style_weight=options.style_weight,
        weirdness=options.weirdness,
    )
    return in_takes(request, max(1, options.takes))
