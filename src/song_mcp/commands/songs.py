"""`song-mcp songs`: the songs that were made here, newest first."""

import argparse
from typing import TYPE_CHECKING

from song_mcp.commands.desk import Desk, at_desk, here, json_text
from song_mcp.commands.screen import table
from song_mcp.commands.terminal import count
from song_mcp.commands.typed import typed

if TYPE_CHECKING:
    from song_mcp.server.results import SongsResult, TaskResult
    from song_mcp.songs import Task
    from song_mcp.studio import Studio

DESCRIPTION = (
    "List the songs that were made here, newest first, with those that are still being made. It "
    "asks no service and costs nothing. The id in the first column, or more of it, is what the "
    "other commands take."
)
EXAMPLE = "song-mcp songs trams --limit 50"
LIMIT = 20
HEAD = ("id", "made", "title", "model", "length", "state")
SHORT, SHORT_LOCAL = 8, 14
"""How much of an id is shown: ours all begin alike."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "query",
        nargs="*",
        metavar="WORD",
        help="only songs with all these words in title, description, lyrics or id",
    )
    parser.add_argument(
        "--limit", type=count, default=LIMIT, help="at most so many (default: %(default)s)"
    )
    parser.add_argument(
        "--skip",
        type=count,
        default=0,
        help="leave out so many of the newest, to see further ones (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print what list_songs returns")


def run(options: argparse.Namespace) -> int:
    """List songs; returns the exit status."""
    desk = here()
    return at_desk(desk, lambda: work(desk, options))


async def work(desk: Desk, options: argparse.Namespace) -> int:
    """Ask the journal, and print what it has."""

    async def use(studio: "Studio") -> int:
        page = await studio.songs(" ".join(options.query), options.skip + options.limit)
        _show(desk, options, page.tasks[options.skip :], page.total, await studio.warning())
        return 0

    return await desk.with_studio(use)


def _show(
    desk: Desk, options: argparse.Namespace, tasks: "tuple[Task, ...]", total: int, warning: str
) -> None:
    from song_mcp.server.results import as_json, songs_result

    result = songs_result(tasks, total, warning)
    result = result.model_copy(update={"note": typed(result.note) if result.note else None})
    if options.json:
        desk.screen.show(json_text(as_json(result)))
        return
    desk.screen.show_lines("\n".join(_lines(desk, options, result, tasks)))


def _lines(
    desk: Desk, options: argparse.Namespace, result: "SongsResult", tasks: "tuple[Task, ...]"
) -> list[str]:
    if not tasks:
        what = "No song has these words." if options.query else "No song was made here yet."
        return [what if not result.total else "There are no further songs.", *_noted(result)]
    rows = [_row(each, task) for each, task in zip(result.tasks, tasks, strict=True)]
    lines = table(HEAD, rows, desk.screen.columns, wide=2, numbers=(4,))
    last = options.skip + len(tasks)
    lines.append(f"{options.skip + 1} to {last} of {result.total}, newest first.")
    if last < result.total:
        lines.append(f"Further ones: --skip {last}")
    return [*lines, *_noted(result)]


def _noted(result: "SongsResult") -> list[str]:
    return [result.note] if result.note else []


def _row(result: "TaskResult", task: "Task") -> tuple[str, ...]:
    when = task.created_at.astimezone()
    return (
        short(result.task_id),
        f"{when:%Y-%m-%d}",
        result.title or "",
        result.model or "",
        " ".join(length(clip.duration_seconds) for clip in result.clips if clip.duration_seconds),
        _state(result, task),
    )


def short(task_id: str) -> str:
    """Return as much of an id as a person has to type."""
    return task_id[: SHORT_LOCAL if task_id.startswith("local-") else SHORT]


def length(seconds: float | None) -> str:
    """Return a length as minutes and seconds."""
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _state(result: "TaskResult", task: "Task") -> str:
    """Return how a song stands, and for one that is saved what it cost."""
    from song_mcp.server.results import money

    if result.status != "completed":
        return result.status
    paid, _, _ = money(result).partition(", ")
    return paid if task.has_nothing_to_save else "being saved"
