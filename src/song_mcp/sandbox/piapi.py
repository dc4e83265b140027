"""PiAPI's endpoints: create a task, look at it, list past ones, and look at the account.

A submission is checked completely before anything is accepted or frozen. What is accepted is in the
catalog before the answer leaves, whatever then happens to the answer.
"""

import base64
from collections.abc import Callable
from email.utils import formatdate
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from song_mcp.sandbox import markers, piapi_answers, piapi_audio, words
from song_mcp.sandbox.markers import View, without
from song_mcp.sandbox.media_markers import needs_plan
from song_mcp.sandbox.piapi_answers import MARKERS, envelope, price, refused
from song_mcp.sandbox.songs import Clip, Order, make
from song_mcp.sandbox.state import RefusalError, Sandbox, sandbox_of
from song_mcp.sandbox.tasks import Json, Stage, Task
from song_mcp.sandbox.wire import EscapedJSON, read_json

_MOST_LYRICS = 1000
_MOST_NEGATIVE_TAGS = 100
_PAGE_SIZE, _MOST_LISTED = 10, 100
_ENDLESS = 2**53
_STOPPED_MODELS = frozenset({"suno", "music-s"})
_LYRICS_TYPES = ("generate", "user", "instrumental")
_TEXTS = (
    "gpt_description_prompt",
    "prompt",
    "lyrics",
    "negative_tags",
    "title",
    "continue_song_id",
)
_PARTS: tuple[tuple[str, type], ...] = (("model", str), ("task_type", str), ("input", dict))
_HOLDS_SOURCE = "holds-source"
_ADDED_S = 32.0
"""How much a continuation adds that begins with its source, as PiAPI's page says."""
_LYRICS_SHARE = 0.25  # lyrics take a quarter of the time of a song
_AUDIO_SHARE = 0.4  # ACE-Step takes about a minute, Udio nearly three
_MOST_UPLOADED = 10_000_000
_LONGEST_NAME = 128
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".mp4", ".wav", ".mp3")


def _text(given: Json, name: str) -> str:
    return given.get(name) or ""


def _own_lyrics(given: Json) -> str:
    """Return the lyrics, in whichever field they were sent."""
    return _text(given, "lyrics") or _text(given, "prompt")


def _wrong_texts(given: Json) -> str | None:
    wrong = [name for name in _TEXTS if not isinstance(given.get(name), str | None)]
    return f"{wrong[0]} must be a string" if wrong else None


def _long_lyrics(given: Json) -> str | None:
    own = ("lyrics", "prompt") if given["lyrics_type"] == "user" else ("lyrics",)
    if (got := max(len(_text(given, name)) for name in own)) > _MOST_LYRICS:
        return f"lyrics cannot exceed {_MOST_LYRICS} characters, got {got}"
    return None


def _long_negative_tags(given: Json) -> str | None:
    if (got := len(_text(given, "negative_tags"))) > _MOST_NEGATIVE_TAGS:
        return f"negative tags cannot exceed {_MOST_NEGATIVE_TAGS} characters, got {got}"
    return None


def _wrong_lyrics_type(given: Json) -> str | None:
    if given.get("lyrics_type") not in _LYRICS_TYPES:
        return f"lyrics_type must be one of: {', '.join(_LYRICS_TYPES)}"
    return None


def _missing_words(given: Json) -> str | None:
    if given["lyrics_type"] == "user" and not _own_lyrics(given):
        return "lyrics is required when lyrics_type is user"
    described = _text(given, "gpt_description_prompt") or given.get("continue_song_id")
    if given["lyrics_type"] != "user" and not described:
        return "gpt_description_prompt is required"
    return None


def _wrong_numbers(given: Json) -> str | None:
    seed, at = given.get("seed", -1), given.get("continue_at", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        return "seed must be an integer"
    if isinstance(at, bool) or not isinstance(at, int | float) or at < 0:
        return "continue_at must be a number of seconds"
    return None


def _no_topic(given: Json) -> str | None:
    return None if _text(given, "prompt") else "prompt is required"


_Check = Callable[[Json], str | None]
_SONG_CHECKS: tuple[_Check, ...] = (
    _wrong_texts,
    _wrong_lyrics_type,
    _long_lyrics,
    _long_negative_tags,
    _missing_words,
    _wrong_numbers,
)
_CHECKS: dict[str, tuple[_Check, ...]] = {
    "generate_music": _SONG_CHECKS,
    "generate_music_custom": _SONG_CHECKS,
    "generate_lyrics": (_wrong_texts, _no_topic),
}


def _authorise(request: Request) -> Sandbox:
    sandbox = sandbox_of(request)
    if not sandbox.welcomes(request.headers.get("x-api-key", "")):
        raise RefusalError(refused(401, "Invalid API key"))
    return sandbox


async def _body(request: Request) -> Json:
    """Return the JSON of a submission; it has a model, a type and an input."""
    try:
        body = read_json(await request.body())
    except ValueError as error:
        raise RefusalError(refused(400, "invalid request body")) from error
    if not isinstance(body, dict) or not all(isinstance(body.get(k), t) for k, t in _PARTS):
        raise RefusalError(refused(400, "model, task_type and input are required"))
    config = body.get("config") or {}
    if not isinstance(config, dict) or not isinstance(config.get("webhook_config"), dict | None):
        raise RefusalError(refused(400, "config must be an object"))
    return body


def _check(body: Json) -> None:
    """Refuse what the real service refuses."""
    if body.get("model") in _STOPPED_MODELS:
        raise RefusalError(refused(503, "Service is under maintenance"))
    is_udio = body.get("model") == piapi_answers.MODEL
    if not is_udio and not piapi_audio.is_audio_model(body):
        raise RefusalError(refused(400, "invalid model"))
    task_type = body["task_type"]
    checks = (
        _CHECKS.get(task_type) if is_udio else piapi_audio.CHECKS.get((body["model"], task_type))
    )
    if checks is None:
        raise RefusalError(refused(400, "invalid task_type"))
    for check in checks:
        if message := check(body["input"]):
            raise RefusalError(refused(400, message))


def _marks(body: Json) -> dict[str, str]:
    """Return the markers of a submission; the first one that refuses raises its refusal."""
    marks = markers.find(text for text in body["input"].values() if isinstance(text, str))
    if name := markers.unknown(MARKERS, marks):
        raise RefusalError(refused(400, f"unknown sandbox marker {name!r}"))
    if answer := markers.refusal(MARKERS, marks, accepted=False):
        raise RefusalError(answer)
    return marks


def _source(sandbox: Sandbox, given: Json) -> Clip | None:
    if not (song_id := given.get("continue_song_id")):
        return None
    if (found := sandbox.piapi.of_clip(song_id)) is None:
        raise RefusalError(refused(400, "continue_song_id not found"))
    return found[1]


def _order(sandbox: Sandbox, body: Json) -> Order:
    given = body["input"]
    if body["task_type"] == "generate_lyrics":
        topic = without(given["prompt"])
        return Order(style=topic, lyrics=words.lyrics(topic))
    seed = given.get("seed", -1)
    own = without(_own_lyrics(given))
    return Order(
        style=without(_text(given, "gpt_description_prompt")),
        lyrics=own if given["lyrics_type"] == "user" else None,
        instrumental=given["lyrics_type"] == "instrumental",
        seed=f"#{sandbox.count('piapi', body)}" if seed == -1 else str(seed),
        source=_source(sandbox, given),
        continue_at=float(given.get("continue_at", 0)),
        holds_source=_HOLDS_SOURCE in markers.find([_text(given, "gpt_description_prompt")]),
    )


def _afford(sandbox: Sandbox, points: int) -> None:
    active = len(sandbox.active())
    if active >= sandbox.rules.max_concurrent:
        raise RefusalError(piapi_answers.plan_limit(active))
    if sandbox.points < points:
        raise RefusalError(piapi_answers.no_credits())


def _new_seconds(sandbox: Sandbox, order: Order) -> float:
    if order.source is None:
        return sandbox.rules.clip_seconds
    return _ADDED_S if order.holds_source else sandbox.rules.extension_seconds


def _audio_task(sandbox: Sandbox, body: Json, marks: dict[str, str], netloc: str) -> Task:
    """Return a task of ACE-Step or DiffRhythm; it fails if what it was given is not audio."""
    given = piapi_audio.input_of(sandbox, body, netloc)
    is_missing = given is not None and not given.is_there
    order = piapi_audio.order_of(sandbox, body, None if is_missing else given)
    return Task(
        id=str(uuid4()),
        body=body,
        order=order,
        clips=make(order, piapi_audio.new_seconds(body), takes=1),
        marks=marks,
        submitted_at=sandbox.clock(),
        span_s=sandbox.song_seconds * _AUDIO_SHARE,
        points=price(body),
        fails=is_missing or any(MARKERS[name].fails for name in marks),
        reason=piapi_audio.NO_INPUT if is_missing else "",
        least_looks=markers.least_looks(MARKERS, marks),
    )


def _task(sandbox: Sandbox, body: Json, marks: dict[str, str]) -> Task:
    order = _order(sandbox, body)
    is_song = body["task_type"] != "generate_lyrics"
    return Task(
        id=str(uuid4()),
        body=body,
        order=order,
        clips=make(order, _new_seconds(sandbox, order)) if is_song else (),
        marks=marks,
        submitted_at=sandbox.clock(),
        span_s=sandbox.song_seconds * (1 if is_song else _LYRICS_SHARE),
        points=price(body),
        fails=any(MARKERS[name].fails for name in marks),
        least_looks=markers.least_looks(MARKERS, marks),
    )


def _shown(request: Request, task: Task, stage: Stage) -> Response:
    view = View(task, stage, str(request.base_url).rstrip("/"))
    shown = markers.shaped(MARKERS, piapi_answers.task_json(view), view)
    return EscapedJSON(envelope(shown))


async def create(request: Request) -> Response:
    """Answer `POST /api/v1/task`."""
    sandbox = _authorise(request)
    body = await _body(request)
    marks = _marks(body)
    _check(body)
    _afford(sandbox, price(body))
    if piapi_audio.is_audio_model(body):
        task = _audio_task(sandbox, body, marks, request.url.netloc)
    else:
        task = _task(sandbox, body, marks)
    sandbox.accept("piapi", task)
    answer = _shown(request, task, Stage.NEW)
    return markers.spoilt(MARKERS, marks, answer)


async def look(request: Request) -> Response:
    """Answer `GET /api/v1/task/{task_id}`."""
    sandbox = _authorise(request)
    if (task := sandbox.piapi.task(request.path_params["task_id"])) is None:
        return refused(404, "task not found")
    answer = _shown(request, task, task.look(sandbox.clock()))
    return markers.fetched(MARKERS, answer, task)


async def account(request: Request) -> Response:
    """Answer `GET /account/info`."""
    sandbox = _authorise(request)
    left, spent = sandbox.points, sandbox.spent
    return JSONResponse(piapi_answers.account(left, spent, sandbox.rules.max_concurrent))


async def active_tasks(request: Request) -> Response:
    """Answer `GET /account/active_tasks`."""
    sandbox = _authorise(request)
    now = sandbox.clock()
    stages = [(task.body["model"], task.stage(now)) for task in sandbox.active()]
    return JSONResponse(piapi_answers.active_tasks(stages))


async def upload(request: Request) -> Response:
    """Answer `POST /api/ephemeral_resource`: keep a file for a task."""
    sandbox = _authorise(request)
    try:
        body = read_json(await request.body())
        name, data = (body[key] for key in ("file_name", "file_data"))  # type: ignore[index]
        content = base64.b64decode(data.rpartition("base64,")[2], validate=True)
    except (ValueError, TypeError, LookupError, AttributeError):
        return refused(400, "file_name and file_data are required")
    if not sandbox.rules.may_upload:
        return needs_plan()
    ending = f".{str(name).rpartition('.')[2].casefold()}"
    if ending not in _ENDINGS or len(name) > _LONGEST_NAME:
        return refused(400, "invalid file_name")
    if len(content) > _MOST_UPLOADED:
        return refused(413, "file size exceeds 10MB")
    kept_as = f"{uuid4()}{ending}"
    sandbox.keep_upload(kept_as, content)
    url = f"{str(request.base_url).rstrip('/')}{piapi_audio.UPLOADS}{kept_as}"
    return markers.uploaded(MARKERS, content, piapi_answers.uploaded(url))


async def histories(request: Request) -> Response:
    """Answer `GET /api/open/tasks/histories`: newest first, and with the sandbox's own time."""
    sandbox = _authorise(request)
    if not sandbox.rules.has_history:
        return refused(404, "not found")
    asked = _numbers(request, page=1, page_size=_PAGE_SIZE, start_time=0, end_time=_ENDLESS)
    first, size = asked["start_time"], max(1, min(asked["page_size"], _MOST_LISTED))
    tasks = [task for task in sandbox.piapi if first <= task.submitted_at <= asked["end_time"]]
    if model := request.query_params.get("model"):
        tasks = [task for task in tasks if task.body["model"] == model]
    for task in tasks:
        task.listings += 1
    states = [markers.listed(MARKERS, task) for task in tasks]
    if "failing" in states:
        return refused(500, "internal error")
    shown = [task for task, state in zip(tasks, states, strict=True) if state != "hidden"][::-1]
    begin, now = (max(1, asked["page"]) - 1) * size, sandbox.clock()
    entries = [
        piapi_answers.history_entry(task, task.stage(now), begin + number)
        for number, task in enumerate(shown[begin : begin + size], 1)
    ]
    page = piapi_answers.history(entries, asked["page"], size, len(shown))
    return JSONResponse(page, headers={"Date": formatdate(now, usegmt=True)})


def _numbers(request: Request, **defaults: int) -> dict[str, int]:
    """Return the query's whole numbers; one that is none is refused."""
    given = {name: request.query_params.get(name, str(value)) for name, value in defaults.items()}
    if wrong := [name for name, value in given.items() if not value.isdecimal()]:
        raise RefusalError(refused(400, f"{wrong[0]} must be a number"))
    return {name: int(value) for name, value in given.items()}
