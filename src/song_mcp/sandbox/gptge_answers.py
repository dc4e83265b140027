"""What gpt.ge answers: task objects, clips, two kinds of errors, and how markers change them.

Shapes and texts are those of docs/providers.md, chapter 3. Ids, titles and numbers are this
sandbox's own.
"""

import json as jsonlib
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from starlette.responses import JSONResponse, Response

from song_mcp.sandbox.family_answers import FAMILY
from song_mcp.sandbox.markers import COMMON, Row, Table, View, count, held, with_twins
from song_mcp.sandbox.media_markers import MEDIA
from song_mcp.sandbox.songs import Clip
from song_mcp.sandbox.tasks import Json, Stage, Task
from song_mcp.sandbox.wire import ODD_TEXT

SATURATED = "当前分组上游负载已饱和，请稍后再试"  # noqa: RUF001 - the gateway's own words
_STATUS = {
    Stage.NEW: "NOT_START",
    Stage.SUBMITTED: "SUBMITTED",
    Stage.QUEUED: "QUEUED",
    Stage.RUNNING: "IN_PROGRESS",
    Stage.STREAMING: "IN_PROGRESS",
    Stage.ENDED: "SUCCESS",
}
_VERSIONS = {
    "chirp-v3-0": "v3",
    "chirp-v3-5": "v3.5",
    "chirp-v4": "v4",
    "chirp-auk": "v4.5",
    "chirp-bluejay": "v4.5+",
    "chirp-crow": "v5",
    "chirp-hawk": "v6",
    "chirp-hawk-wild": "v6-wild",
    "chirp-goose": "v6-mini",
}
_REASON = "flagged"


def succeeded(data: object) -> Json:
    """Wrap data as every successful answer does."""
    return {"code": "success", "message": "", "data": data}


def refused(status: int, code: str, message: str) -> JSONResponse:
    """Answer with an error of the task layer."""
    return JSONResponse({"code": code, "message": message, "data": None}, status)


def barred(status: int, message: str, code: str = "") -> JSONResponse:
    """Answer with an error of the gate before the task layer, in OpenAI's style."""
    text = f"{message} (request id: 20260101000000000000000SaNdBx)"
    error = {"message": text, "type": "new_api_error", "code": code}
    return JSONResponse({"error": error}, status)


def no_channel(action: str) -> Response:
    """Refuse an action that no upstream account serves."""
    text = f"分组 default 下模型 suno_{action} 无可用渠道（distributor）"  # noqa: RUF001 - the gateway's own words
    return barred(503, text, "model_not_found")


def bad_key() -> Response:
    """Refuse a key."""
    return barred(401, "无效的令牌")


def task_not_exist(message: str = "task_not_exist") -> Response:
    """Refuse an unknown task id."""
    return refused(400, "task_not_exist", message)


def _metadata(task: Task, clip: Clip, *, done: bool) -> Json:
    return {
        "tags": ", ".join(clip.tags),
        "type": "gen",
        "prompt": clip.lyrics,
        "stream": True,
        "history": _history(task),
        "duration": clip.duration_s if done else None,
        "error_type": None,
        "error_message": None,
        "gpt_description_prompt": task.body.get("gpt_description_prompt"),
        **_heeded(task),
    }


def _heeded(task: Task) -> Json:
    """Return the wishes that Suno repeats, unless the relay kept them from it."""
    asked, sent = task.body, task.body.get("metadata")
    wishes = sent if isinstance(sent, dict) else {}
    told = {"negative_tags": asked.get("negative_tags"), "vocal_gender": wishes.get("vocal_gender")}
    texts = {name: text for name, text in told.items() if isinstance(text, str)}
    sliders = wishes.get("control_sliders")
    weights = {"control_sliders": sliders} if isinstance(sliders, dict) else {}
    return {} if "ignores-wishes" in task.marks else texts | weights


def _history(task: Task) -> list[Json] | None:
    """Return what a continuation continues."""
    order = task.order
    if order.source is None:
        return None
    at = order.continue_at or order.source.duration_s
    return [{"id": order.source.id, "continue_at": at, "type": "gen", "source": "web"}]


def _clip_time(task: Task) -> str:
    when = datetime.fromtimestamp(task.submitted_at, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def _streaming(task: Task, clip: Clip, origin: str) -> Json:
    """Show a clip that can be listened to before it is complete."""
    model = task.body.get("mv") or "chirp-v3-0"
    return {
        "id": clip.id,
        "title": "",
        "status": "streaming",
        "audio_url": f"{origin}/media/stream/{clip.id}.mp3",
        "image_url": "",
        "video_url": "",
        "metadata": _metadata(task, clip, done=False),
        "model_name": model,
        "major_model_version": _VERSIONS.get(model, model),
        "created_at": _clip_time(task),
    }


def _waiting(clip: Clip) -> Json:
    return {"id": clip.id, "title": "", "status": "queued", "audio_url": "", "metadata": {}}


def _complete(task: Task, clip: Clip, origin: str) -> Json:
    metadata = {"concat_history": None, "refund_credits": False, "audio_prompt_id": None}
    image = f"{origin}/media/{clip.id}.png"
    return {
        **_streaming(task, clip, origin),
        "title": clip.title,
        "handle": "sandbox",
        "status": "complete",
        "user_id": "sandbox-user",
        "is_liked": False,
        "metadata": _metadata(task, clip, done=True) | metadata,
        "reaction": None,
        "audio_url": f"{origin}/media/{clip.id}.mp3",
        "image_url": image,
        "image_large_url": image,
        "is_public": False,
        "is_trashed": False,
        "play_count": 0,
        "upvote_count": 0,
        "display_name": "Sandbox",
        "is_video_pending": False,
        "is_handle_updated": False,
    }


def _broken(clip: Clip, message: str = _REASON) -> Json:
    error = {"error_type": "moderation_failure", "error_message": message, "duration": None}
    return {"id": clip.id, "status": "error", "title": "", "audio_url": "", "metadata": error}


def _clips(view: View) -> list[Json] | None:
    task, clips = view.task, view.task.clips
    if view.stage is Stage.ENDED and task.fails:
        return [_broken(clips[0])]
    if view.stage is Stage.ENDED:
        return [_complete(task, clip, view.origin) for clip in clips]
    if view.stage is Stage.STREAMING:
        return [_streaming(task, clips[0], view.origin), *map(_waiting, clips[1:])]
    return None


def _lyrics(task: Task, stage: Stage) -> Json | None:
    if stage is not Stage.ENDED or task.fails:
        return None
    text = task.order.lyrics
    return {"id": task.id, "status": "complete", "title": task.order.title, "text": text}


def task_json(view: View) -> Json:
    """Show a task as the fetch calls do."""
    task, ended = view.task, view.stage is Stage.ENDED
    failed = ended and task.fails
    return {
        "task_id": task.id,
        "action": "MUSIC" if task.kind == "song" else "LYRICS",
        "status": "FAILURE" if failed else _STATUS[view.stage],
        "fail_reason": _REASON if failed else "",
        "submit_time": int(task.submitted_at),
        "start_time": int(task.started_at) if view.stage >= Stage.RUNNING else 0,
        "finish_time": int(task.ended_at or 0) if ended else 0,
        "progress": "100%" if ended else "0%",
        "data": _clips(view) if task.kind == "song" else _lyrics(task, view.stage),
    }


def _one_error(json: Json, view: View) -> Json:
    if view.stage is Stage.ENDED and len(view.task.clips) > 1:
        json["data"][1] = _broken(view.task.clips[1])
    return json


def _null_data(json: Json, _view: View) -> Json:
    return json | {"data": None}


def _all_audible(json: Json, view: View) -> Json:
    """Make every clip stream from the first look on."""
    if view.stage is Stage.ENDED:
        return json
    clips = [_streaming(view.task, clip, view.origin) for clip in view.task.clips]
    return json | {"status": "IN_PROGRESS", "start_time": json["submit_time"], "data": clips}


def _reason_first(json: Json, view: View) -> Json:
    """Show the reason one look before the status says FAILURE."""
    if json["status"] != "FAILURE":
        return json
    json["fail_reason"] = "time out"
    if view.task.looks_after_end == 1:
        clips = _clips(replace(view, stage=Stage.STREAMING)) if json["data"] else None
        json |= {"status": "IN_PROGRESS", "finish_time": 0, "data": clips}
    return json


def _no_reason(json: Json, _view: View) -> Json:
    if json["status"] == "FAILURE":
        json |= {"fail_reason": "", "data": []}
    return json


def _one_complete(json: Json, view: View) -> Json:
    if json["status"] == "FAILURE" and json["data"]:
        json["data"].append(_complete(view.task, view.task.clips[1], view.origin))
    return json


def _not_found(json: Json, view: View) -> Json:
    """Fail because the clip to continue is not one of its task's."""
    if json["status"] == "FAILURE":
        reason = "continue_clip_id not found"
        json |= {"fail_reason": reason, "data": [_broken(c, reason) for c in view.task.clips[:1]]}
    return json


def _unknown(json: Json, view: View) -> Json:
    return json if view.stage is Stage.ENDED else json | {"status": "UNKNOWN"}


def _extra_fields(json: Json, view: View) -> Json:
    """Add the fields that newer gateways add."""
    extra = {
        "id": 7,
        "created_at": json["submit_time"],
        "updated_at": int(view.task.submitted_at),
        "platform": "suno",
        "user_id": 1,
        "group": "default",
        "channel_id": 7,
        "quota": 100,
        "result_url": "",
        "properties": {"input": ""},
        "username": "sandbox",
        "notify_hook": "",
    }
    return extra | json


def _odd_shapes(json: Json, view: View) -> Json:
    """Gather the harmless surprises: progress missing, durations as text, times in milliseconds."""
    times = {name: json[name] * 1000 for name in ("submit_time", "start_time", "finish_time")}
    if view.stage is Stage.ENDED and view.task.clips and not view.task.fails:
        for clip in json["data"]:
            clip["metadata"]["duration"] = str(clip["metadata"]["duration"])
    return {name: value for name, value in json.items() if name != "progress"} | times


def _odd_text(json: Json, view: View) -> Json:
    if json["status"] == "SUCCESS":
        shown = json["data"] if view.task.kind == "song" else [json["data"]]
        for named in shown:
            named["title"] = ODD_TEXT + named["title"]
    return json


def _quota(argument: str) -> Response:
    if argument in {"", "quota_not_enough"}:
        return refused(403, "quota_not_enough", "user quota is not enough")
    return refused(403, argument, "用户额度不足, 剩余额度: ＄0.000000")  # noqa: RUF001 - the gateway's own words


def _nested(_argument: str) -> Response:
    inner = {"code": "quota_not_enough", "message": "user quota is not enough", "data": None}
    text = jsonlib.dumps(inner, separators=(",", ":"))
    return refused(403, "fail_to_fetch_task", text)


def _left_out(batch: list[Json], task: Task, _argument: str = "") -> list[Json] | None:
    return [shown for shown in batch if shown["task_id"] != task.id]


def _forgotten(answer: Response, look: int, most: int) -> Response:
    """Not know the task any more after the first looks."""
    return answer if look <= most else task_not_exist()


def _left_out_later(batch: list[Json], task: Task, argument: str) -> list[Json] | None:
    return batch if task.looks <= count(argument) else _left_out(batch, task)


_OWN: Table = {
    "ok-music": Row(),
    "ok-lyrics": Row(),
    "two-clips-one-error": Row(shape=_one_error),
    "partial": Row(shape=_one_error),
    "null-data": Row(shape=_null_data),
    "in-progress-with-audio": Row(shape=_all_audible),
    "failure": Row(fails=True),
    "fail-empty-reason": Row(fails=True, shape=_no_reason),
    "failure-one-complete": Row(fails=True, shape=_one_complete),
    "fail_reason-before-failure": Row(fails=True, shape=_reason_first),
    "clip-not-found": Row(fails=True, shape=_not_found),
    "unknown": Row(shape=_unknown),
    "ignores-wishes": Row(),
    "extra-fields": Row(shape=_extra_fields),
    "odd-shapes": Row(shape=_odd_shapes),
    "odd-text": Row(shape=_odd_text),
    "task_-prefix-id": Row(new_id=lambda uuid: f"task_{UUID(uuid).hex}"),
    "hex-id": Row(new_id=lambda uuid: UUID(uuid).hex),
    "task_not_exist": Row(fetch=lambda *_: task_not_exist(), batch=_left_out),
    "batch-missing": Row(batch=_left_out),
    "batch-null": Row(batch=lambda *_: None),
    "forgotten": Row(fetch=_forgotten, batch=_left_out_later),
    "401-openai-style": Row(refuse=lambda _: bad_key()),
    "403-quota": Row(refuse=_quota, choices=("quota_not_enough", "insufficient_user_quota")),
    "429-saturated": Row(refuse=lambda _: refused(429, "fail_to_fetch_task", SATURATED)),
    "429-quota": Row(refuse=lambda _: refused(429, "local:quota_not_enough", SATURATED)),
    "503-no-channel": Row(refuse=lambda _: no_channel("music")),
    "nested-json-message": Row(refuse=_nested),
    "slow-lyrics-submit": Row(spoil=held),
}
MARKERS = with_twins({**COMMON, **MEDIA, **FAMILY, **_OWN})
"""All markers that gpt.ge's side knows."""
