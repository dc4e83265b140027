"""The answer to a call that is about one task, whichever way the client asks.

Invariant: the model reads the short result alone; what only the player's page wants to know stands
beside it in `_meta`, and costs the model nothing.
"""

from contextlib import suppress
from typing import Any

from mcp.types import CallToolResult

from song_mcp.errors import JournalError
from song_mcp.server.adapt import text_result
from song_mcp.server.results import as_json, task_result, task_text
from song_mcp.songs import Task, completed
from song_mcp.studio.results import Answer
from song_mcp.studio.studio import Studio

EXTRA = "song-mcp/player"
"""The key in a result's `_meta` under which the page finds what it alone wants to know."""


async def task_answer(
    studio: Studio,
    answer: Answer,
    *,
    include_lyrics: bool = False,
    is_error: bool = False,
    focus: str = "",
) -> CallToolResult:
    """Give the result for a task: for the model in few words, for the page with what it needs.

    `focus` is the clip that was asked for, "" for all of them.
    """
    result = task_result(answer, include_lyrics=include_lyrics)
    told = text_result(task_text(result), as_json(result), is_error=is_error)
    extra = await _extra(studio, answer.task, focus)
    return told.model_copy(update={"meta": {EXTRA: extra}})


async def _extra(studio: Studio, task: Task, focus: str) -> dict[str, Any]:
    """Give what the page wants to know of a task; seconds are counted from when it was made."""
    known: dict[str, Any] = {"title": task.title, "description": task.description, "focus": focus}
    if task.is_open:
        with suppress(JournalError):  # which says that nothing was paid; of this task it may be
            known["expected_seconds"] = await studio.catalog.expected_s(task)
        known["elapsed_seconds"] = round(studio.age_s(task), 1)
    else:
        clips = completed(task.clips)
        known["covers"] = [clip.clip_id for clip in clips if clip.cover]
        known["lyrics"] = {clip.clip_id: clip.lyrics for clip in clips if clip.lyrics}
    return {key: value for key, value in known.items() if value is not None and value != ""}
