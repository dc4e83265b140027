"""The endpoints of ACE-Step's server: release a task, query several, and serve the audio.

A submission comes as JSON, or as a form with a file to make something of. It is checked completely
before anything is accepted. The key, if the rules name one, is wanted for all but `/health`.
"""

import json as jsonlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from uuid import uuid4

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from song_mcp.sandbox import acestep_answers, markers, media
from song_mcp.sandbox.acestep_answers import (
    FOLDER,
    LOST_FIRST,
    MARKERS,
    NO_VOICE,
    envelope,
    refused,
)
from song_mcp.sandbox.markers import View, without
from song_mcp.sandbox.songs import Order, make
from song_mcp.sandbox.state import RefusalError, Sandbox, sandbox_of
from song_mcp.sandbox.tasks import Json, Stage, Task
from song_mcp.sandbox.wire import EscapedJSON, Reset, read_json

_TEXTS = ("prompt", "lyrics", "sample_query", "task_type", "audio_format", "vocal_language")
_NUMBERS = ("audio_duration", "batch_size", "seed", "repainting_start", "repainting_end")
_FLAGS = ("thinking", "use_random_seed")
_TASK_TYPES = frozenset({"text2music", "cover", "repaint"})
_SOURCE = "src_audio"
_MOST_TAKES, _TAKES = 8, 2
_LENGTHS_S = (10, 600)


def _authorise(request: Request) -> Sandbox:
    sandbox = sandbox_of(request)
    wanted, given = sandbox.rules.home_key, request.headers.get("authorization", "")
    if wanted and not given:
        raise RefusalError(refused(401, "Missing Authorization header"))
    if wanted and given.removeprefix("Bearer ") != wanted:
        raise RefusalError(refused(401, "Invalid API key"))
    return sandbox


def _invalid(detail: str) -> RefusalError:
    return RefusalError(refused(400, detail))


async def _body(request: Request) -> Json:
    """Return the fields of a submission, JSON or a form, and the file's name and size."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind == "application/json":
        return await _json(request)
    if kind == "multipart/form-data":
        async with request.form() as form:
            return _field_values({name: await _part(value) for name, value in form.items()})
    raise RefusalError(refused(415, f"Unsupported Content-Type: {kind}"))


async def _json(request: Request) -> Json:
    try:
        body = read_json(await request.body())
    except ValueError as error:
        raise _invalid("Invalid JSON payload") from error
    if not isinstance(body, dict):
        raise _invalid("JSON payload must be an object")
    return body


async def _part(value: UploadFile | str) -> Json | str:
    if isinstance(value, str):
        return value
    content = await value.read()
    return {"file": value.filename, "size": len(content)}


def _field_values(form: Mapping[str, Json | str]) -> Json:
    """Return a form's fields with the numbers and flags that their texts mean."""
    read = dict(form)
    for name in (*_NUMBERS, *_FLAGS):
        if isinstance(text := read.get(name), str):
            try:
                read[name] = jsonlib.loads(text)
            except ValueError as error:
                raise _invalid(f"{name} is not valid") from error
    return read


def _check(body: Json) -> None:
    """Refuse fields of a wrong type or out of their bounds."""
    for names, types in ((_TEXTS, str), (_NUMBERS, int | float), (_FLAGS, bool)):
        wrong = [name for name in names if not isinstance(body.get(name), types | None)]
        if wrong:
            raise _invalid(f"{wrong[0]} is not valid")
    if (body.get("task_type") or "text2music") not in _TASK_TYPES:
        raise _invalid("task_type is not valid")
    if not 1 <= (body.get("batch_size") or _TAKES) <= _MOST_TAKES:
        raise _invalid(f"batch_size must be at most {_MOST_TAKES}")
    length = body.get("audio_duration")
    if length is not None and not _LENGTHS_S[0] <= length <= _LENGTHS_S[1]:
        raise _invalid(f"audio_duration must be {_LENGTHS_S[0]} to {_LENGTHS_S[1]}")
    if _is_made_of_a_clip(body) and not isinstance(body.get(_SOURCE), dict):
        raise _invalid(f"{body['task_type']} requires {_SOURCE}")


def _is_made_of_a_clip(body: Json) -> bool:
    return body.get("task_type") in {"cover", "repaint"}


def _marks(body: Json) -> dict[str, str]:
    """Return the markers of a submission; the first one that refuses raises its refusal."""
    marks = markers.find(body[name] for name in _TEXTS if isinstance(body.get(name), str))
    if name := markers.unknown(MARKERS, marks):
        raise _invalid(f"unknown sandbox marker {name!r}")
    if answer := markers.refusal(MARKERS, marks, accepted=False):
        raise RefusalError(answer)
    return marks


def _order(sandbox: Sandbox, body: Json) -> Order:
    seed = body.get("seed", -1)
    is_random = body.get("use_random_seed", True) or seed == -1
    lyrics = without(body.get("lyrics") or "")
    is_written = bool(body.get("sample_query"))
    return Order(
        style=without(body.get("sample_query") or body.get("prompt") or ""),
        lyrics=None if is_written else lyrics,
        instrumental=not is_written and lyrics in {"", NO_VOICE},
        seed=f"#{sandbox.count('acestep', body)}" if is_random else str(seed),
    )


async def release(request: Request) -> Response:
    """Answer `POST /release_task`."""
    sandbox = _authorise(request)
    body = await _body(request)
    _check(body)
    marks = _marks(body)
    now = sandbox.clock()
    waiting = [task for task in sandbox.acestep if task.stage(now) < Stage.RUNNING]
    if len(waiting) >= sandbox.rules.queue_size:
        raise RefusalError(refused(429, "Server busy: queue is full"))
    order = _order(sandbox, body)
    seconds = body.get("audio_duration") or sandbox.rules.clip_seconds
    task = Task(
        id=str(uuid4()),
        body=body,
        order=order,
        clips=make(order, float(seconds), int(body.get("batch_size") or _TAKES)),
        marks=marks,
        submitted_at=now,
        span_s=sandbox.song_seconds,
        fails=any(MARKERS[name].fails for name in marks),
        least_looks=markers.least_looks(MARKERS, marks),
    )
    sandbox.accept("acestep", task)
    if _is_lost(sandbox, task):
        return Reset()
    told = {"task_id": task.id, "status": "queued", "queue_position": len(waiting) + 1}
    return markers.spoilt(MARKERS, marks, JSONResponse(envelope(told, now)))


def _is_lost(sandbox: Sandbox, task: Task) -> bool:
    """Tell whether the answer to this submission is one of the first, which get lost."""
    argument = task.marks.get(LOST_FIRST)
    return argument is not None and sandbox.count("acestep", task.body) <= markers.count(argument)


def _wanted(body: Json) -> list[str]:
    """Return the ids of a look: a list, or JSON of one in a text."""
    ids = body.get("task_id_list")
    if isinstance(ids, str):
        try:
            ids = jsonlib.loads(ids)
        except ValueError:
            ids = None
    if not isinstance(ids, list):
        raise _invalid("task_id_list must be a list")
    return [str(each) for each in ids]


def _looked(request: Request, task: Task) -> Json:
    stage = task.look(sandbox_of(request).clock())
    view = View(task, stage, "")
    return acestep_answers.packed(markers.shaped(MARKERS, acestep_answers.task_json(view), view))


async def query(request: Request) -> Response:
    """Answer `POST /query_result`: each task that was asked for, known or not."""
    sandbox = _authorise(request)
    wanted = _wanted(await _json(request))
    tasks = {task.id: task for task in map(sandbox.acestep.task, wanted) if task}
    shown = [
        _looked(request, tasks[each]) if each in tasks else acestep_answers.unknown(each)
        for each in wanted
    ]
    answer: Response = EscapedJSON(envelope(shown, sandbox.clock()))
    for task in tasks.values():
        answer = markers.fetched(MARKERS, answer, task)
    return answer


async def audio(request: Request) -> Response:
    """Answer `GET /v1/audio` with the take that the path names."""
    _authorise(request)
    path = PurePosixPath(request.query_params.get("path", ""))
    if str(path.parent) != FOLDER:
        return refused(403, "Access denied: path outside allowed directory")
    return await media.serve(request, path.stem, media.mp3_for(request), "audio/mpeg")


async def health(request: Request) -> Response:
    """Answer `GET /health`, which wants no key."""
    told = {"status": "ok", "service": "ACE-Step API", "version": "1.0"}
    return JSONResponse(envelope(told, sandbox_of(request).clock()))
