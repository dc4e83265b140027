"""gpt.ge's endpoints: submit music or lyrics, fetch one task or several.

A submission is checked completely before anything is accepted. What is accepted is in the catalog
before the answer leaves, whatever then happens to the answer. Of fields that the gateway does not
know, some reach Suno, which repeats them in the clips; the others are dropped silently, and so is a
`continue_at` of 0.
"""

from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from song_mcp.sandbox import gptge_answers, markers, words
from song_mcp.sandbox.family_answers import retired
from song_mcp.sandbox.gptge_answers import MARKERS, refused, succeeded
from song_mcp.sandbox.markers import View, without
from song_mcp.sandbox.songs import Clip, Order, make
from song_mcp.sandbox.state import RefusalError, Sandbox, sandbox_of
from song_mcp.sandbox.tasks import Json, Task
from song_mcp.sandbox.wire import EscapedJSON, read_json

_TYPES: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "prompt": ("string", str),
    "mv": ("string", str),
    "title": ("string", str),
    "tags": ("string", str),
    "gpt_description_prompt": ("string", str),
    "task_id": ("string", str),
    "continue_clip_id": ("string", str),
    "continue_at": ("float64", (int, float)),
    "make_instrumental": ("bool", bool),
}
_WORDS = ("gpt_description_prompt", "prompt", "tags", "title")
_GO_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}
_LYRICS_SHARE = 0.25  # lyrics take a quarter of the time of a song


def _authorise(request: Request) -> Sandbox:
    sandbox = sandbox_of(request)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sandbox.welcomes(key.strip()):
        raise RefusalError(gptge_answers.bad_key())
    return sandbox


def _invalid(message: str) -> RefusalError:
    return RefusalError(refused(400, "invalid_request", message))


def _decoder_text(raw: bytes, error: ValueError) -> str:
    """Return what Go's JSON decoder says about text that it cannot parse."""
    place = getattr(error, "pos", 0)
    rest = raw.decode("utf-8", "replace")[place:]
    if not rest:
        return "unexpected end of JSON input" if raw else "EOF"
    return f"invalid character {rest[0]!r} looking for beginning of value"


async def _body(request: Request) -> Json:
    raw = await request.body()
    try:
        body = read_json(raw)
    except ValueError as error:
        raise _invalid(_decoder_text(raw, error)) from error
    if not isinstance(body, dict):
        raise _invalid("json: cannot unmarshal into Go value of type dto.SunoSubmitReq")
    return body


def _known(body: Json) -> Json:
    """Keep the fields of the gateway's own structure, and refuse one of the wrong type."""
    kept = {}
    for name, (go_type, types) in _TYPES.items():
        if (value := body.get(name)) is None:
            continue
        if not isinstance(value, types) or (isinstance(value, bool) and go_type != "bool"):
            got = _GO_NAMES.get(type(value), "object")
            field = f"Go struct field SunoSubmitReq.{name} of type {go_type}"
            raise _invalid(f"json: cannot unmarshal {got} into {field}")
        kept[name] = value
    return kept


def _marks(given: Json) -> dict[str, str]:
    """Return the markers of a submission; the first one that refuses raises its refusal."""
    marks = markers.find(text for text in given.values() if isinstance(text, str))
    if name := markers.unknown(MARKERS, marks):
        raise _invalid(f"unknown sandbox marker {name!r}")
    if answer := markers.refusal(MARKERS, marks, accepted=False):
        raise RefusalError(answer)
    return marks


def _check_model(sandbox: Sandbox, given: Json) -> None:
    taken = sandbox.rules.suno_models
    if taken is not None and given.get("mv", "chirp-v3-0") not in taken:
        raise RefusalError(retired())


def _source(sandbox: Sandbox, given: Json) -> Clip | None:
    """Find the clip to continue; None for a new song, or if the task has no such clip."""
    if not (clip_id := given.get("continue_clip_id")):
        return None
    if not (task_id := given.get("task_id")):
        raise _invalid("task id is empty")
    if (task := sandbox.gptge.task(task_id)) is None:
        raise RefusalError(gptge_answers.task_not_exist("task_origin_not_exist"))
    return next((clip for clip in task.clips if clip.id == clip_id), None)


def _song_order(sandbox: Sandbox, body: Json, given: Json) -> Order:
    source, seed = _source(sandbox, given), f"#{sandbox.count('gptge', body)}"
    described = without(given.get("gpt_description_prompt", ""))
    if given.get("gpt_description_prompt"):
        instrumental = given.get("make_instrumental", False)
        return Order(style=described, instrumental=instrumental, seed=seed)
    lyrics = without(given.get("prompt", ""))
    return Order(
        style=without(given.get("tags", "")),
        lyrics=lyrics,
        instrumental=not lyrics,
        title=without(given.get("title", "")),
        seed=seed,
        source=source,
        continue_at=max(0.0, float(given.get("continue_at", 0))),
    )


def _lost_source(given: Json, order: Order) -> dict[str, str]:
    """Make a continuation fail when its task has no such clip."""
    continues = given.get("continue_clip_id") and not given.get("gpt_description_prompt")
    return {"clip-not-found": ""} if continues and order.source is None else {}


def _new_id(marks: dict[str, str]) -> str:
    task_id = str(uuid4())
    for new_id, _ in markers.parts(MARKERS, marks, lambda row: row.new_id):
        task_id = new_id(task_id)
    return task_id


def _clips(sandbox: Sandbox, order: Order) -> tuple[Clip, ...]:
    rules = sandbox.rules
    return make(order, rules.extension_seconds if order.source else rules.clip_seconds)


def _task(
    sandbox: Sandbox, body: Json, order: Order, marks: dict[str, str], clips: tuple[Clip, ...]
) -> Task:
    return Task(
        id=_new_id(marks),
        body=body,
        order=order,
        clips=clips,
        marks=marks,
        submitted_at=sandbox.clock(),
        span_s=sandbox.song_seconds * (1 if clips else _LYRICS_SHARE),
        fails=any(MARKERS[name].fails for name in marks),
        least_looks=markers.least_looks(MARKERS, marks),
    )


def _accepted(sandbox: Sandbox, task: Task) -> Response:
    sandbox.accept("gptge", task)
    answer = JSONResponse(markers.formed(MARKERS, task, succeeded(task.id)))
    return markers.spoilt(MARKERS, task.marks, answer)


async def submit_music(request: Request) -> Response:
    """Answer `POST /suno/submit/music`."""
    sandbox = _authorise(request)
    body = await _body(request)
    given = _known(body)
    marks = _marks(given)
    _check_model(sandbox, given)
    order = _song_order(sandbox, body, given)
    if not any(given.get(name) for name in _WORDS):
        raise _invalid("prompt is empty")
    marks |= _lost_source(given, order)
    return _accepted(sandbox, _task(sandbox, body, order, marks, _clips(sandbox, order)))


async def submit_lyrics(request: Request) -> Response:
    """Answer `POST /suno/submit/lyrics`."""
    sandbox = _authorise(request)
    body = await _body(request)
    given = _known(body)
    marks = _marks(given)
    if not given.get("prompt"):
        raise _invalid("prompt_empty")
    topic = without(given["prompt"])
    order = Order(style=topic, lyrics=words.lyrics(topic), title=words.title(topic, 0))
    return _accepted(sandbox, _task(sandbox, body, order, marks, ()))


async def submit_other(request: Request) -> Response:
    """Answer `POST /suno/submit/` with an action that does not exist."""
    _authorise(request)
    return gptge_answers.no_channel(request.path_params["action"])


def _looked(request: Request, task: Task) -> Json:
    stage = task.look(sandbox_of(request).clock())
    view = View(task, stage, str(request.base_url).rstrip("/"))
    return markers.shaped(MARKERS, gptge_answers.task_json(view), view)


async def fetch(request: Request) -> Response:
    """Answer `GET /suno/fetch/{task_id}`."""
    sandbox = _authorise(request)
    if (task := sandbox.gptge.task(request.path_params["task_id"])) is None:
        return gptge_answers.task_not_exist()
    answer = EscapedJSON(succeeded(_looked(request, task)))
    return markers.fetched(MARKERS, answer, task)


def _wanted(sandbox: Sandbox, body: Json) -> list[Task]:
    """Find the tasks of a batch, in the order in which they were made."""
    ids = {str(task_id) for task_id in body["ids"]}
    action = str(body.get("action") or "")
    kinds = {"MUSIC": {"song"}, "LYRICS": {"lyrics"}}.get(action, {"song", "lyrics"})
    return [task for task in sandbox.gptge if task.id in ids and task.kind in kinds]


async def fetch_many(request: Request) -> Response:
    """Answer `POST /suno/fetch`."""
    sandbox = _authorise(request)
    body = await _body(request)
    if not isinstance(body.get("ids"), list):
        raise _invalid("json: ids must be an array")
    tasks = _wanted(sandbox, body)
    for task in tasks:
        for no_batches, _ in markers.parts(MARKERS, task.marks, lambda row: row.batch_answer):
            return no_batches()
    found = [_looked(request, task) for task in tasks]
    shown = markers.batched(MARKERS, found, tasks) if body["ids"] else []
    answer: Response = EscapedJSON(succeeded(shown))
    for task in tasks:
        answer = markers.fetched(MARKERS, answer, task, in_batch=True)
    return answer
