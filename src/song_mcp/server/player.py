"""The player: a page in the conversation that shows a song being made, and plays it.

The page is one file that comes with the package. What only the page needs of a result is in
`_meta`, so it costs the model nothing. The tools here only read, and cannot cost money.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Annotated, Any

from mcp.server.apps import APP_MIME_TYPE
from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, Tool
from pydantic import BaseModel, Field

from song_mcp.errors import InvalidRequestError
from song_mcp.server.adapt import text_result
from song_mcp.server.clients import shows_pages
from song_mcp.server.patience import patience
from song_mcp.server.results import TaskResult, as_json, task_answer
from song_mcp.songs import Clip, Task, asked_by, checked_id, completed
from song_mcp.studio import DELETED, Answer, Studio

Ctx = Context[Studio]

URI = "ui://song-mcp/player.html"
MIME_TYPE = APP_MIME_TYPE
RESOURCE_META = {"ui": {"csp": {}, "permissions": {"clipboardWrite": {}}, "prefersBorder": True}}
"""The page needs no other origin, so the host's strictest policy is enough. It can copy links."""
OPENS = {"resourceUri": URI}
"""For the tools whose results the player shows."""
FOR_THE_PAGE = {"visibility": ["app"]}
"""For the tools that the page calls and the model never sees."""
NO_PAGE = (
    "read_clip is for the player's page, which this client does not declare to show; get_task "
    "names the file of each saved clip."
)
FOR_THE_MODEL = {"visibility": ["model"]}
"""For the tools that can cost money or lift a refusal to pay: hosts refuse them to the page,
whatever its code does."""
CHUNK_BYTES = 512 * 1024
LARGEST_OFFSET = 2**40
"""Beyond the largest file that anybody keeps; a file cannot be read from 2**63 on."""


class ChunkResult(BaseModel):
    """Some bytes of a clip's audio or cover, or of a whole song."""

    content: str = Field(description="In base64")
    offset: int
    next_offset: int | None = Field(None, description="Left out at the end")
    total_bytes: int
    mime_type: str
    file: str | None = Field(None, description="Of a whole song: absolute path")


def meta(ui: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a tool's `_meta` says of the page; hosts from before 2026 read the flat key."""
    flat = {"ui/resourceUri": URI} if "resourceUri" in ui else {}
    return {"ui": dict(ui), **flat} if ui else None


def is_for_the_page(tool: Tool) -> bool:
    """Return whether a tool is for the page alone."""
    return (tool.meta or {}).get("ui") == FOR_THE_PAGE


def page() -> str:
    """The page that shows a song and plays it."""
    return files("song_mcp").joinpath("player", "player.html").read_text(encoding="utf-8")


async def play_song(
    ctx: Ctx,
    clip_id: Annotated[str, Field(description="As in extend_song; left out: last")] = "",
    task_id: Annotated[str, Field(description="Instead of clip_id")] = "",
) -> Annotated[CallToolResult, TaskResult]:
    """Play a song (music, audio) in the client's player, or name its file; free."""
    if clip_id and task_id:
        raise InvalidRequestError("Give clip_id or task_id, not both. Nothing was asked or paid.")
    studio = ctx.request_context.lifespan_context
    if task_id:
        answer = await _looked_up(ctx, checked_id("task_id", task_id))
        note = _joined(answer.note, _instead(ctx, answer.task))
        return await task_answer(ctx, Answer(answer.task, note))
    found = await studio.catalog.find(clip_id or "last")
    answer = await _looked_up(ctx, found.task.public_id)
    focus = found.clip.public_id
    which = found.note or f"Clip {focus} is the one that was asked for."
    note = _joined(which, answer.note, _instead(ctx, answer.task, found.clip.clip_id))
    return await task_answer(ctx, Answer(answer.task, note), focus=focus)


async def read_clip(
    ctx: Ctx,
    clip_id: Annotated[str, Field(description="A clip")],
    offset: Annotated[int, Field(ge=0, le=LARGEST_OFFSET, description="In bytes")] = 0,
    part: Annotated[
        str,
        Field(
            description="audio, cover or whole",
            json_schema_extra={"enum": ["audio", "cover", "whole"]},
        ),
    ] = "audio",
) -> Annotated[CallToolResult, ChunkResult]:
    """For the player alone."""
    catalog = ctx.request_context.lifespan_context.catalog
    file = None
    if part == "cover":
        picture, mime_type = await catalog.cover(clip_id)
        content, total = picture[offset : offset + CHUNK_BYTES], len(picture)
    elif part in {"audio", "whole"}:
        whole = await catalog.whole(clip_id) if part == "whole" else None
        piece = await (
            catalog.whole_part(whole, offset, CHUNK_BYTES)
            if whole
            else catalog.part(clip_id, offset, CHUNK_BYTES)
        )
        content, total, mime_type = piece.content, piece.total_bytes, piece.mime_type
        file = str(whole.clip.file) if whole else None
    else:
        raise InvalidRequestError("part must be audio, cover or whole.")
    end = offset + len(content)
    result = ChunkResult(
        content=b64encode(content).decode(),
        offset=offset,
        next_offset=end if end < total else None,
        total_bytes=total,
        mime_type=mime_type,
        file=file,
    )
    text = f"Bytes {offset} to {end} of {total} of the {part}."
    return text_result(text, as_json(result))


def _joined(*notes: str) -> str:
    return " ".join(filter(None, notes))


def _instead(ctx: Ctx, task: Task, clip_id: str = "") -> str:
    """Return what to open if the client shows no page, "" if it shows one."""
    return "" if shows_pages(ctx) else to_open(task, clip_id)


def to_open(task: Task, clip_id: str = "") -> str:
    """Say that no player is shown, and which file to open, or why there is none yet.

    The file is that of the clip, or without `clip_id` each one of the task.
    """
    asked = [clip for clip in completed(task.clips) if clip_id in {"", clip.clip_id}]
    files = [str(clip.file) for clip in asked if clip.file]
    if files:
        return f"This client shows no player: the user can open {' or '.join(files)}."
    return f"This client shows no player, and there is no file to open: {_why_no_file(task, asked)}"


def _why_no_file(task: Task, asked: Sequence[Clip]) -> str:
    if task.is_open:
        return "the song is being made."
    if not asked:
        return "it has no finished audio."
    if all(clip.is_gone for clip in asked):
        return DELETED
    if any(clip.save_error for clip in asked):
        return "it could not be saved yet; its link may still play."
    return "it is being saved."


async def _looked_up(ctx: Ctx, task_id: str) -> Answer:
    wait = patience(ctx, "look", 0.0, lambda task: f"{task.public_id} is {task.status}")
    studio = ctx.request_context.lifespan_context
    service = asked_by("get_task").name
    return await studio.look_up(task_id, service, wait, is_insisted=True)
