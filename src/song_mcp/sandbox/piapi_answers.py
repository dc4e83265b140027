"""What PiAPI answers: the envelope, the task object, and how its markers change them.

Shapes and texts are those of docs/providers.md, chapters 1 and 2. Ids, titles and numbers are this
sandbox's own.
"""

import json as jsonlib
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID, uuid5

from starlette.responses import JSONResponse, Response

from song_mcp.sandbox import piapi_audio
from song_mcp.sandbox.markers import COMMON, Row, Table, View, with_twins
from song_mcp.sandbox.media_markers import MEDIA
from song_mcp.sandbox.songs import Clip, plain
from song_mcp.sandbox.state import POINTS_PER_DOLLAR, SONG_POINTS
from song_mcp.sandbox.tasks import Json, Stage, Task
from song_mcp.sandbox.wire import ODD_TEXT

MODEL = "music-u"
AUDIO_PATH = "/media/udio-artifacts-sandbox/samples/{clip_id}/{take}/The%20Untitled.mp3"
"""The path of the audio after one unquoting of the URL, as every web server does it."""

_NEVER = "0001-01-01T00:00:00Z"
_STATUS = {
    Stage.NEW: "pending",
    Stage.SUBMITTED: "pending",
    Stage.QUEUED: "pending",
    Stage.RUNNING: "processing",
    Stage.STREAMING: "processing",
    Stage.ENDED: "completed",
}
_INTERNAL = "Internal error. Please try again later."
_FAILED_LOGS = (
    "The request was rejected because the text may break the content rules.",
    "Attempt 1 failed (content restriction), retrying.",
    _INTERNAL,
    "restored frozen points",
    _INTERNAL,
)


def envelope(data: object, code: int = 200, message: str = "success") -> Json:
    """Wrap data as every answer does."""
    return {"code": code, "data": data, "message": message}


def refused(status: int, message: str) -> JSONResponse:
    """Answer with an error; HTTP status and code are the same number."""
    return JSONResponse(envelope(None, status, message), status)


def _go_time(seconds: float | None) -> str:
    """Write a Unix time as Go does, to the nanosecond."""
    if seconds is None:
        return _NEVER
    whole, nanoseconds = divmod(int(seconds * 1e9), 1_000_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def _error(code: int = 0, message: str = "") -> Json:
    return {"code": code, "raw_message": "", "message": message, "detail": None}


def _song(clip: Clip, take: int, origin: str) -> Json:
    path = AUDIO_PATH.format(clip_id=clip.id, take=take)
    return {
        "id": clip.id,
        "title": clip.title,
        "image_path": f"{origin}/media/{clip.id}.png",
        "lyrics": plain(clip.lyrics),
        "prompt": clip.style,
        "song_path": origin + quote(path),
        "duration": clip.duration_s,
        "finished": True,
        "tags": list(clip.tags),
        "error_type": None,
        "error_code": None,
        "error_detail": None,
    }


def _songs(task: Task, origin: str) -> list[Json]:
    return [_song(clip, take, origin) for take, clip in enumerate(task.clips, 1)]


def _generation_id(task: Task) -> str:
    return str(uuid5(UUID(task.id), "generation"))


def _output(task: Task, view: View) -> Json | None:
    if piapi_audio.is_audio_model(task.body):
        return piapi_audio.output(task, view)
    done = view.stage is Stage.ENDED and not task.fails
    if task.kind == "lyrics":
        return {"lyrics": task.order.lyrics} if done else None
    if not done:
        return {"generation_id": "", "songs": None}
    return {"generation_id": _generation_id(task), "songs": _songs(task, view.origin)}


def _config(body: Json) -> Json:
    """Echo the configuration, the webhook's secret included."""
    config = body.get("config") or {}
    webhook = config.get("webhook_config") or {}
    return {
        "service_mode": config.get("service_mode", ""),
        "webhook_config": {
            "endpoint": webhook.get("endpoint", ""),
            "secret": webhook.get("secret", ""),
        },
    }


def _meta(task: Task, stage: Stage) -> Json:
    consumed = task.points if stage is Stage.ENDED and not task.fails else 0
    return {
        "created_at": _go_time(task.submitted_at),
        "started_at": _go_time(task.started_at if stage >= Stage.RUNNING else None),
        "ended_at": _go_time(task.ended_at if stage is Stage.ENDED else None),
        "usage": {"type": "point", "frozen": task.points, "consume": consumed},
        "is_using_private_pool": False,
    }


def task_json(view: View) -> Json:
    """Show a task as GET does."""
    task, stage = view.task, view.stage
    failed = stage is Stage.ENDED and task.fails
    return {
        "task_id": task.id,
        "model": task.body["model"],
        "task_type": task.body["task_type"],
        "status": "failed" if failed else _STATUS[stage],
        "config": _config(task.body),
        "input": task.body["input"],
        "output": _output(task, view),
        "meta": _meta(task, stage),
        "detail": None,
        "logs": list(_FAILED_LOGS) if failed and not task.reason else None,
        "error": _error(10000, task.reason or _INTERNAL) if failed else _error(),
    }


def account(points: int, spent: int, most_tasks: int) -> Json:
    """Return the account with its balance."""
    return envelope(
        {
            "id": 4242,
            "name": "sandbox",
            "plan": "developer",
            "is_enable": True,
            "max_concurrent_task_count": most_tasks,
            "wallet": {"point_remain": points, "mj_remain": 0},
            "credit_pack_info": {"available_credits": points // 10, "used_credits": spent // 10},
            "equivalent_in_usd": points / POINTS_PER_DOLLAR,
        }
    )


def active_tasks(stages: list[tuple[str, Stage]]) -> Json:
    """Count the tasks that have not ended, each given as its model and its stage."""
    models = dict.fromkeys((MODEL, *(model for model, _ in stages)))
    return envelope({each: _counts([at for of, at in stages if of == each]) for each in models})


def _counts(stages: list[Stage]) -> Json:
    processing = sum(stage >= Stage.RUNNING for stage in stages)
    return {
        "staged_count": 0,
        "pending_count": len(stages) - processing,
        "processing_count": processing,
        "active_tasks": None,
    }


def history(entries: list[Json], page: int, size: int, total: int) -> Json:
    """Wrap a page of past tasks."""
    return envelope({"data": entries, "page": page, "size": size, "total": total})


def history_entry(task: Task, stage: Stage, number: int) -> Json:
    """Show a past task as the history does: without what was asked for."""
    failed = stage is Stage.ENDED and task.fails
    return {
        "id": number,
        "account_id": 4242,
        "api_key_id": 4343,
        "action": task.body["task_type"],
        "created_at": _go_time(task.submitted_at),
        "updated_at": _go_time(task.ended_at or task.submitted_at),
        "detail": {"model": task.body["model"], "task_id": task.id, "workflow_type": ""},
        "fixed": False,
        "service_mode": (task.body.get("config") or {}).get("service_mode", ""),
        "status": "failed" if failed else _STATUS[stage],
        "task_id": task.id,
        "task_model": task.body["model"],
        "usage": 0 if failed else task.points,
        "usage_type": "point",
    }


def plan_limit(active: int) -> Response:
    """Refuse for too many tasks at once."""
    return refused(429, f"active task count {active} has reached the plan limit")


def no_credits() -> Response:
    """Refuse for lack of money."""
    return refused(402, "insufficient credits")


def _failed_to_do_request(_argument: str) -> Response:
    error = _error(10000, "failed to do request, please check the task detail")
    error["raw_message"] = "failed to do request"
    task_id = "00000000-0000-4000-8000-000000000000"
    data = {"task_id": task_id, "status": "failed", "output": None, "error": error}
    return JSONResponse(envelope(data, 500, "failed to do request"), 500)


def _ended_songs(json: Json) -> list[Json]:
    """Return the songs of a completed task; none while it runs."""
    return (json["output"] or {}).get("songs") or []


def _partial(json: Json, _view: View) -> Json:
    rejected = {
        "song_path": "",
        "duration": None,
        "finished": False,
        "error_type": "moderation",
        "error_code": "content_rejected",
        "error_detail": "the second take was rejected",
    }
    for song in _ended_songs(json)[1:]:
        song.update(rejected)
    return json


def _legacy_clip(song: Json) -> Json:
    metadata = {"tags": "", "prompt": "", "error_type": "", "error_message": ""}
    return {
        "id": "",
        "audio_url": song["song_path"],
        "image_url": song["image_path"],
        "video_url": "",
        "metadata": {**metadata, "duration": song["duration"]},
        "status": "complete",
        "title": song["title"],
    }


def _legacy_clips(json: Json, _view: View) -> Json:
    if songs := _ended_songs(json):
        clips = {song["id"]: _legacy_clip(song) for song in songs}
        json |= {"output": {"clips": {"empty": {}, **clips}}, "meta": {}, "logs": []}
    return json


def _audio_url_only(json: Json, _view: View) -> Json:
    if songs := _ended_songs(json):
        json["output"] = {"audio_url": songs[0]["song_path"]}
    return json


def _other_model(model: str, task_type: str) -> Callable[[Json, View], Json]:
    """Return a shape that shows the task as one of another model, which gives one link."""
    return lambda json, view: _audio_url_only(json, view) | {"model": model, "task_type": task_type}


def _empty_songs(json: Json, _view: View) -> Json:
    if _ended_songs(json):
        json["output"]["songs"] = []
    return json


def _songs_early(json: Json, view: View) -> Json:
    if view.stage in {Stage.RUNNING, Stage.STREAMING}:
        unfinished = {"song_path": "", "duration": None, "finished": False}
        songs = [song | unfinished for song in _songs(view.task, view.origin)]
        json["output"] = {"generation_id": _generation_id(view.task), "songs": songs}
    return json


def _no_reason(json: Json, _view: View) -> Json:
    if json["status"] == "failed":
        json |= {"error": _error(10000), "logs": None}
    return json


def _no_input(json: Json, _view: View) -> Json:
    if json["status"] == "failed":
        json |= {"error": _error(10000, piapi_audio.NO_INPUT), "logs": None}
    return json


def _no_credits_reason(json: Json, _view: View) -> Json:
    if json["status"] == "failed":
        json |= {
            "error": _error(10000, "the account doesn't have enough credits"),
            "logs": None,
        }
    return json


def _unknown_status(json: Json, view: View) -> Json:
    return json if view.stage is Stage.ENDED else json | {"status": "retry"}


def _odd_shapes(json: Json, view: View) -> Json:
    """Gather the harmless surprises: missing meta, null output, tags as text, whole seconds."""
    for song in _ended_songs(json):
        song.update({"tags": ", ".join(song["tags"]), "duration": int(song["duration"])})
    if view.stage is not Stage.ENDED:
        json["output"] = None
    return json | {"meta": {}, "logs": []}


def _odd_text(json: Json, _view: View) -> Json:
    for song in _ended_songs(json):
        song.update({"title": ODD_TEXT + song["title"], "lyrics": ODD_TEXT + song["lyrics"]})
    return json


def _forgotten(answer: Response, look: int, most: int) -> Response:
    """Not know the task any more after the first looks."""
    return answer if look <= most else refused(404, "task not found")


def _no_points(_argument: str) -> Response:
    """Refuse for want of money as PiAPI does: with a task, and the reason in `raw_message`."""
    said = "failed to pre-process task runtime"
    raw = "failed to freeze account point quota: account point quota not enough"
    data = {
        "task_id": "00000000-0000-4000-8000-00000000000f",
        "model": MODEL,
        "task_type": "generate_music",
        "status": "failed",
        "input": None,
        "output": {"generation_id": "", "songs": None},
        "meta": {"usage": {"type": "", "frozen": SONG_POINTS, "consume": 0}},
        "error": _error(10000, said) | {"raw_message": f"{raw}; account credit not enough"},
    }
    return JSONResponse(envelope(data, 500, said), 500)


def _late_songs(json: Json, view: View) -> Json:
    """Complete the task before its songs are there."""
    if view.is_early and _ended_songs(json):
        json["output"]["songs"] = []
    return json


def _late_second(json: Json, view: View) -> Json:
    """Complete the task before its second song is there."""
    if view.is_early and _ended_songs(json):
        del json["output"]["songs"][1:]
    return json


def _output_early(json: Json, view: View) -> Json:
    """Show a link before the task has ended, which does not work then."""
    if view.stage is Stage.ENDED:
        return json
    return json | {"output": {"audio_url": f"{view.origin}/media/early.mp3"}}


def _output_as_text(json: Json, _view: View) -> Json:
    return json | {"output": jsonlib.dumps(json["output"])} if _ended_songs(json) else json


def _nameless(json: Json, view: View) -> Json:
    """List the songs early, with ids that are empty until the task has ended."""
    early = _songs_early(json, view)
    for song in [] if view.stage is Stage.ENDED else _ended_songs(early):
        song["id"] = ""
    return early


def _no_usage(json: Json, _view: View) -> Json:
    return json | {"meta": {}} if json["status"] == "failed" else json


def _extra_fields(json: Json, _view: View) -> Json:
    return json | {"progress": None, "sandbox_extra": {"nested": [1, {"deep": True}]}}


_OWN: Table = {
    "fail-10000-logs": Row(fails=True),
    "fail-no-input": Row(fails=True, shape=_no_input),
    "fail-empty-reason": Row(fails=True, shape=_no_reason),
    "fail-credits": Row(fails=True, shape=_no_credits_reason),
    "holds-source": Row(),
    "partial": Row(shape=_partial),
    "late-second-clip": Row(shape=_late_second),
    "late-clips": Row(shape=_late_songs),
    "output-text": Row(shape=_output_as_text),
    "ids-at-the-end": Row(shape=_nameless),
    "fail-no-usage": Row(fails=True, shape=_no_usage),
    "forgotten": Row(fetch=_forgotten),
    "500-no-points": Row(refuse=_no_points),
    "410-stopped": Row(refuse=lambda _: refused(410, "The music-u model has been discontinued")),
    "unknown-status": Row(shape=_unknown_status),
    "capital-status": Row(shape=lambda json, _: json | {"status": json["status"].capitalize()}),
    "legacy-clips": Row(shape=_legacy_clips),
    "audio_url-only": Row(shape=_audio_url_only),
    "ace-step": Row(shape=_other_model("Qubico/ace-step", "txt2audio")),
    "diffrhythm": Row(shape=_other_model("Qubico/diffrhythm", "txt2audio-full")),
    "music-s": Row(shape=_other_model("music-s", "generate_music")),
    "empty-songs-completed": Row(shape=_empty_songs),
    "output-early": Row(shape=_output_early),
    "songs-early": Row(shape=_songs_early),
    "odd-shapes": Row(shape=_odd_shapes),
    "odd-text": Row(shape=_odd_text),
    "extra-fields": Row(shape=_extra_fields),
    "400-lyrics-too-long": Row(
        refuse=lambda _: refused(400, "lyrics cannot exceed 1000 characters, got 1001")
    ),
    "400-neg-tags": Row(
        refuse=lambda _: refused(400, "negative tags cannot exceed 100 characters, got 101")
    ),
    "401": Row(refuse=lambda _: refused(401, "Invalid API key")),
    "insufficient-credits": Row(refuse=lambda _: no_credits()),
    "plan-limit": Row(refuse=lambda argument: plan_limit(int(float(argument or 2)))),
    "503-maintenance": Row(refuse=lambda _: refused(503, "Service is under maintenance")),
    "500-failed-task": Row(refuse=_failed_to_do_request),
    "history-lags": Row(listed="hidden"),
    "history-fails": Row(listed="failing"),
    "200-code-400": Row(
        refuse=lambda _: JSONResponse(
            envelope(None, 400, "lyrics cannot exceed 1000 characters, got 1001")
        )
    ),
}
MARKERS = with_twins({**COMMON, **MEDIA, **_OWN})
"""All markers that PiAPI's side knows."""

_PRICE = {"generate_music": SONG_POINTS, "generate_music_custom": SONG_POINTS, "generate_lyrics": 0}
"""Points per task type of Udio; what lyrics cost is not documented."""


def price(body: Json) -> int:
    """Return how many points a submission costs."""
    if piapi_audio.is_audio_model(body):
        return piapi_audio.points(body)
    return _PRICE[body["task_type"]]


def uploaded(url: str) -> Response:
    """Answer an upload with the address of the file."""
    return JSONResponse(envelope({"url": url}))
