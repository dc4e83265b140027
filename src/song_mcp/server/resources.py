"""The resources: finished clips and tasks, read from the journal and the library alone.

Invariant: reading a resource asks no service and costs nothing; what is listed is complete, in
the journal's order, and the same for everyone.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.types import Resource

from song_mcp.answers import Answer
from song_mcp.errors import InvalidRequestError, LibraryError, NotFoundError, SongError
from song_mcp.server.results import as_json, clip_result, clip_uri, task_result
from song_mcp.shelf import Shelf
from song_mcp.songs import SERVICE_LABELS, Clip, Task
from song_mcp.studio import Studio
from song_mcp.text import clean

Ctx = Context[Studio]
CLIP_TEMPLATE = "song://clips/{clip_id}"
AUDIO_TEMPLATE = "song://clips/{clip_id}/audio"
TASK_TEMPLATE = "song://tasks/{task_id}"


class Audio(bytes):
    """Audio bytes that know their MIME type; the SDK has one type per template."""

    mime_type: str

    def __new__(cls, content: bytes, mime_type: str) -> Self:
        """Join the bytes and their type."""
        audio = super().__new__(cls, content)
        audio.mime_type = mime_type
        return audio


async def clip(clip_id: str, ctx: Ctx) -> str:
    """Everything known of a clip, its task, and what it was made from."""
    with _told():
        task, found = await _shelf(ctx).clip(clip_id)
    return _text(_clip_json(found) | {"task": _task_json(task), "request": dict(task.request)})


async def clip_audio(clip_id: str, ctx: Ctx) -> bytes:
    """The audio of a finished clip; one that is still being saved is waited for."""
    with _told():
        content, mime_type = await _shelf(ctx).audio(clip_id)
        if len(content) > _studio(ctx).blob_cap_bytes:  # some clients die above 10 MiB of base64
            raise LibraryError(await _too_large(ctx, clip_id, len(content)))
    return Audio(content, mime_type)


async def task(task_id: str, ctx: Ctx) -> str:
    """A task as the journal has it, with the lyrics of its clips and what was asked for."""
    with _told():
        found = await _shelf(ctx).task(task_id)
    clips = [_clip_json(item) for item in found.clips]
    return _text(_task_json(found) | {"clips": clips, "request": dict(found.request)})


TEMPLATES = (
    (CLIP_TEMPLATE, clip, "Clip", "application/json"),
    (AUDIO_TEMPLATE, clip_audio, "Audio of a clip", "audio/mpeg"),
    (TASK_TEMPLATE, task, "Task", "application/json"),
)
"""URI template, function, title for people, MIME type (of audio: the usual one)."""


def listed(clips: Sequence[tuple[Task, Clip]]) -> list[Resource]:
    """Give the finished clips as resources: title, duration and service."""
    return [_resource(made_by, item) for made_by, item in clips]


def _resource(made_by: Task, item: Clip) -> Resource:
    length = "" if item.duration_s is None else f"{item.duration_s:.0f} s, "
    label = SERVICE_LABELS[made_by.service]
    return Resource(
        uri=clip_uri(item.clip_id),
        name=item.title or item.clip_id,
        title=item.title or None,
        description=f"{length}{made_by.model or 'song'} at {label}",
        mime_type="application/json",
    )


@contextmanager
def _told() -> Iterator[None]:
    """Tell the client in our sentences what is wrong, also with what it asked for, cleaned."""
    try:
        yield
    except (NotFoundError, InvalidRequestError) as error:
        raise ResourceNotFoundError(clean(str(error), limit=1000)) from None
    except SongError as error:
        raise ResourceError(str(error)) from None


async def _too_large(ctx: Ctx, clip_id: str, size: int) -> str:
    _, found = await _shelf(ctx).clip(clip_id)
    return f"The audio has {size} bytes, too many for a resource. The file is {found.file}."


def _shelf(ctx: Ctx) -> Shelf:
    return _studio(ctx).shelf


def _studio(ctx: Ctx) -> Studio:
    return ctx.request_context.lifespan_context


def _clip_json(item: Clip) -> dict[str, Any]:
    known = as_json(clip_result(item, include_lyrics=True))
    extra = {"service_title": item.service_title, "made_with": item.made_with}
    extra |= {"cover": str(item.cover or ""), "save_error": item.save_error}
    return known | {key: value for key, value in extra.items() if value}


def _task_json(found: Task) -> dict[str, Any]:
    result = as_json(task_result(Answer(found)))
    del result["clips"]
    return result | ({"title": found.title} if found.title else {})


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
