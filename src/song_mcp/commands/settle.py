"""`song-mcp settle`: what becomes of a submission that may have been charged."""

import argparse
from typing import TYPE_CHECKING

from song_mcp.commands.desk import Asked, Desk, at_desk, here
from song_mcp.commands.make import not_agreed
from song_mcp.commands.terminal import LONGEST_WAIT_S, seconds

if TYPE_CHECKING:
    from song_mcp.commands.bar import Bar
    from song_mcp.studio import Action, Answer, Studio

DESCRIPTION = (
    "Settle a song in doubt: its submission was sent, and the answer was lost. check searches and "
    "compares what there is, and abandon closes it; both pay nothing. submit-again is a new "
    "payment, and asks first."
)
EXAMPLE = "song-mcp settle last check"
ACTIONS: "dict[str, Action]" = {
    "check": "check",
    "abandon": "abandon",
    "submit-again": "submit_again",
}
RECOVERY_S = 15.0
"""How long a submission whose process has ended is waited for to be found, in seconds."""
NOT_BEGUN = frozenset({"rejected", "in_doubt"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "song", help="an id or its beginning, or last; submit-again needs a whole id"
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=list(ACTIONS),
        default="check",
        help="check and abandon pay nothing, submit-again pays (default: %(default)s)",
    )
    parser.add_argument(
        "--wait-seconds",
        type=seconds,
        default=LONGEST_WAIT_S,
        help="how long to wait for a song submitted again (default: an hour)",
    )
    parser.add_argument("--yes", action="store_true", help="pay without being asked")
    parser.add_argument("--json", action="store_true", help="print what resolve_task returns")


def run(options: argparse.Namespace) -> int:
    """Settle a doubt; returns the exit status."""
    desk = here()
    return at_desk(desk, lambda: work(desk, options))


async def work(desk: Desk, options: argparse.Namespace) -> int:
    """Do what the person decided."""
    action = ACTIONS[options.action]
    pays = action == "submit_again"
    if pays and not options.yes:
        from song_mcp.messages import to_pay_again

        task = await desk.with_studio(lambda studio: studio.task(options.song))
        if (refused := not_agreed(desk, to_pay_again(task))) is not None:
            return refused

    async def settle(studio: "Studio", bar: "Bar") -> "Answer":
        if pays:
            studio.check_settings()
        task = await studio.task(options.song)
        if task.status == "submitting":  # perhaps by a process that has ended
            bar.seconds = RECOVERY_S
            await studio.look_up(task.local_id, task.service, bar)
            bar.seconds = options.wait_seconds
        return await studio.resolve(options.song, action, bar)

    fails = NOT_BEGUN if pays else frozenset[str]()
    return await desk.waiting(Asked(settle, options.wait_seconds, options.json, fails=fails))
