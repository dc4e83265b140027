"""The resources: finished clips and tasks, read from the journal and the library alone.

Reading a resource asks no service and costs nothing. The list is complete, in the journal's order,
and the same for everyone.

The list has pages. The guides come first and the order never changes. Who follows the cursors sees
every clip that was there at the start exactly once, also if others are added meanwhile. A cursor
holds a place in the list and nothing that the list does not show; one that is not ours is refused.

Clients can complete clips, tasks and models. Every value offered is accepted by the argument that
it is offered for. A person can read it: a title is offered rather than an id.
"""

import base64
import json
import math
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from mcp.server.caching import CacheHint
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    Annotations,
    Completion,
    CompletionArgument,
    ListResourcesResult,
    Resource,
)

from song_mcp.errors import InvalidRequestError, LibraryError, NotFoundError, SongError
from song_mcp.server.caching import ENDED, MEDIA, STALE, Blob, Text
from song_mcp.server.guides import GUIDES
from song_mcp.server.results import (
    as_json,
    clip_result,
    clip_uri,
    known_rights,
    model_name,
    task_result,
)
from song_mcp.songs import MODELS, SERVICES, Clip, Task, completed, is_plain_id, public_clip_id
from song_mcp.studio import Answer, Catalog, Place, Studio
from song_mcp.text import clean, plain

Ctx = Context[Studio]
Read = Callable[[str], Awaitable[tuple[bytes, str]]]

CLIP_TEMPLATE = "song://clips/{clip_id}"
AUDIO_TEMPLATE = "song://clips/{clip_id}/audio"
WHOLE_TEMPLATE = "song://clips/{clip_id}/whole"
COVER_TEMPLATE = "song://clips/{clip_id}/cover"
LYRICS_TEMPLATE = "song://clips/{clip_id}/lyrics.lrc"
TASK_TEMPLATE = "song://tasks/{task_id}"
PAGE_SIZE = 50
"""How many clips are on a page."""
LARGEST = 2**63
MOST = 100
"""How many values the protocol allows in one answer to a completion."""
FINDERS = {"clip_id": Catalog.clip_names, "task_id": Catalog.task_ids}
"""The function that finds the values of an argument, by its name; a name always means the same."""

FOR_BOTH = Annotations(audience=["user", "assistant"], priority=0.5)
FOR_PEOPLE = Annotations(audience=["user"], priority=0.3)
FOR_WRITERS = Annotations(audience=["assistant"], priority=0.8)


async def clip(clip_id: str, ctx: Ctx) -> Text:
    """Everything known of a clip, by its id, short id, exact title or as last."""
    with _told():
        task, found = await _catalog(ctx).clip(clip_id)
    hint = _once_ended(task) if found.public_id == clip_id else STALE
    return Text(_clip_text(task, found), hint)


async def clip_audio(clip_id: str, ctx: Ctx) -> Blob:
    """The audio of a finished clip; one that is still being saved is waited for."""
    return await _media(ctx, clip_id, "audio", _catalog(ctx).audio)


async def clip_cover(clip_id: str, ctx: Ctx) -> Blob:
    """The picture of a finished clip, where its service gave one."""
    return await _media(ctx, clip_id, "cover", _catalog(ctx).cover)


async def clip_lyrics(clip_id: str, ctx: Ctx) -> Text:
    """The lyrics of a clip with the time of each line (LRC), where its model keeps to such."""
    with _told():
        found, timed = await _catalog(ctx).timed_lyrics(clip_id)
    is_named = found.public_id == clip_id and found.is_saved
    return Text(timed, ENDED if is_named else STALE)


async def clip_whole(clip_id: str, ctx: Ctx) -> Blob:
    """The song that ends with a clip: the clips that it continues and itself, as one file."""
    with _told():
        whole = await _catalog(ctx).whole(clip_id)
        content = await _catalog(ctx).whole_audio(whole)
        _check_size(ctx, "whole song", content, whole.clip.file)
    is_named = whole.chain.parts[-1].clip.public_id == clip_id
    return Blob(content, whole.clip.mime_type, MEDIA if is_named else STALE)


async def task(task_id: str, ctx: Ctx) -> Text:
    """A task by its id or as last, with the lyrics of its clips and what was asked for."""
    with _told():
        found = await _catalog(ctx).task(task_id)
    hint = _once_ended(found) if task_id in {found.public_id, found.local_id} else STALE
    clips = [_clip_json(found, item) for item in found.clips]
    text = _text(_task_json(found) | {"clips": clips, "request": _asked(found)})
    return Text(text, hint)


TEMPLATES = (
    (CLIP_TEMPLATE, clip, "Clip", "application/json", FOR_BOTH),
    (AUDIO_TEMPLATE, clip_audio, "Audio of a clip", "audio/mpeg", FOR_PEOPLE),
    (WHOLE_TEMPLATE, clip_whole, "Whole song that ends with a clip", "audio/mpeg", FOR_PEOPLE),
    (COVER_TEMPLATE, clip_cover, "Cover of a clip", "image/jpeg", FOR_PEOPLE),
    (LYRICS_TEMPLATE, clip_lyrics, "Timed lyrics of a clip", "text/plain", FOR_BOTH),
    (TASK_TEMPLATE, task, "Task", "application/json", FOR_BOTH),
)
"""URI template, function, title for people, MIME type (for media the usual one), annotations.

Timed lyrics are plain text: no type is registered for LRC, and clients show what they know.
"""


# The list ---------------------------------------------------------------------------------------


def with_guides_first(fixed: Sequence[Resource]) -> list[Resource]:
    """Return the resources that are not clips, the guides first and with their sizes."""
    sizes = {guide.uri: len(guide.text().encode()) for guide in GUIDES}
    known = [item.model_copy(update={"size": sizes.get(str(item.uri))}) for item in fixed]
    return sorted(known, key=lambda item: item.size is None)


async def page(
    catalog: Catalog, fixed: Sequence[Resource], cursor: str | None
) -> ListResourcesResult:
    """Return a page: the `fixed` resources, then finished clips, newest first.

    Raises MCPError (-32602) for a cursor that is not ours, and JournalError.
    """
    after = None if cursor is None else _place(cursor)
    clips, following = await catalog.page(after, PAGE_SIZE)
    return ListResourcesResult(
        resources=[*fixed, *(_resource(made_by, item) for made_by, item in clips)],
        next_cursor=_cursor(following) if following else None,
    )


def _resource(made_by: Task, item: Clip) -> Resource:
    length = "" if item.duration_s is None else f"{item.duration_s:.0f} s, "
    label = SERVICES[made_by.service].label
    ended = made_by.finished_at.isoformat() if made_by.finished_at else None
    return Resource(
        uri=clip_uri(item.public_id),
        name=plain(item.title) or item.public_id,
        title=plain(item.title) or None,
        description=f"{length}{model_name(made_by.model) if made_by.model else 'song'} at {label}",
        mime_type="application/json",
        size=len(_clip_text(made_by, item).encode()),
        annotations=FOR_BOTH.model_copy(update={"last_modified": ended}),
    )


def _cursor(place: Place) -> str:
    """Return the place as text that means nothing to a client."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(cursor: str) -> Place:
    """Return the place that a cursor holds."""
    try:
        values = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        )
    except (ValueError, NotBase64, RecursionError):
        values = None
    if not _is_place(values):
        text = "This cursor was not given out by song-mcp. List without a cursor to start again."
        raise MCPError(code=INVALID_PARAMS, message=text)
    return cast("Place", tuple(values))


def _is_place(values: object) -> bool:
    if not isinstance(values, list) or len(values) != len(("place", "task", "position", "clip")):
        return False
    place, *others = values
    is_number = isinstance(place, float) and math.isfinite(place)
    return is_number and all(type(each) is int and abs(each) < LARGEST for each in others)


# Completion -------------------------------------------------------------------------------------


async def complete(catalog: Catalog, argument: CompletionArgument) -> Completion:
    """Return the values that complete an argument, newest first; at most 100.

    Asks no service. An argument of another name has no values. Raises JournalError.
    """
    values: Sequence[str] = ()
    total = 0
    if argument.name == "model":
        values = [name for name in MODELS if argument.value.casefold() in name]
        total = len(values)
    elif find := FINDERS.get(argument.name):
        offer = await find(catalog, argument.value, MOST)
        values, total = offer.values, offer.total
    return Completion(values=list(values), total=total, has_more=total > len(values))


# What is read -----------------------------------------------------------------------------------


async def _media(ctx: Ctx, clip_id: str, what: str, read: Read) -> Blob:
    """Return what `read` returns; raises ResourceError if that is too large for a client."""
    with _told():
        content, mime_type = await read(clip_id)
        _, found = await _catalog(ctx).clip(clip_id)
        _check_size(ctx, what, content, found.file if what == "audio" else found.cover)
    return Blob(content, mime_type, MEDIA if found.public_id == clip_id else STALE)


def _check_size(ctx: Ctx, what: str, content: bytes, file: Path | None) -> None:
    if len(content) > _studio(ctx).blob_cap_bytes:  # some clients die above 10 MiB of base64
        text = f"The {what} has {len(content)} bytes, too many for a resource."
        raise LibraryError(f"{text} The file is {file}.")


def _once_ended(task: Task) -> CacheHint:
    """Return how long a task may be kept: it changes until it has ended, and with its files.

    Files are the person's, who may rename or delete them at any time.
    """
    is_over = task.status in {"completed", "failed"}
    return ENDED if is_over and not completed(task.clips) else STALE


@contextmanager
def _told() -> Iterator[None]:
    """Turn our errors into those of a resource; what repeats the client's words is cleaned."""
    try:
        yield
    except (NotFoundError, InvalidRequestError) as error:
        raise ResourceNotFoundError(clean(str(error), limit=1000)) from None
    except SongError as error:
        raise ResourceError(str(error)) from None


def _catalog(ctx: Ctx) -> Catalog:
    return _studio(ctx).catalog


def _studio(ctx: Ctx) -> Studio:
    return ctx.request_context.lifespan_context


def _clip_text(task: Task, found: Clip) -> str:
    return _text(_clip_json(task, found) | {"task": _task_json(task), "request": _asked(task)})


def _clip_json(made_by: Task, item: Clip) -> dict[str, Any]:
    known = as_json(clip_result(made_by, item, include_lyrics=True))
    extra = {"service_title": item.service_title, "made_with": item.made_with}
    extra |= {"cover": str(item.cover or ""), "save_error": item.save_error}
    return known | {key: value for key, value in extra.items() if value}


def _asked(found: Task) -> dict[str, Any]:
    """Return what was asked for; a source has the ids that everything else here has."""
    asked = dict(found.request)
    if isinstance(source := asked.get("source"), dict):
        clip_id, task_id = str(source.get("clip_id", "")), str(source.get("task_id", ""))
        known = {"clip_id": public_clip_id(clip_id), "task_id": task_id * is_plain_id(task_id)}
        told = source | {name: known[name] for name in known if name in source}
        told.pop("file", None)  # where it was then; the clip's own resource says where it is
        asked["source"] = told
    return asked


def _task_json(found: Task) -> dict[str, Any]:
    result = as_json(task_result(Answer(found)))
    del result["clips"]
    if "rights" in result:
        result["rights"] = known_rights(found).line
    return result | ({"title": found.title} if found.title else {})


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
