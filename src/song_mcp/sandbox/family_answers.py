"""What others of gpt.ge's family answer: shapes, ids, words and refusals (`docs/providers.md` 3).

The relays of this family share their paths, and little else. Each row here shows one that was seen
somewhere. What a row changes, and when, is in its name's table at the end.
"""

import json as jsonlib
from collections.abc import Callable

from starlette.responses import HTMLResponse, JSONResponse, Response

from song_mcp.sandbox.markers import Row, Table, View
from song_mcp.sandbox.tasks import Json, Stage, Task
from song_mcp.sandbox.wire import web_page

FORBIDDEN = "https://studio-api.prod.suno.com/api/forbidden"
"""What Suno gives in place of a link since 2026-08-29."""
REASON = "because of the words"
ENDS = ("FAIL", "rejected", "expired", "timeout", "GENERATE_AUDIO_FAILED", "SENSITIVE_WORD_ERROR")
"""Words for the end of a task that failed."""


def _clips(json: Json) -> list[Json]:
    """Return the clips of a task that has some to show, else []."""
    data = json["data"]
    return data if isinstance(data, list) else []


def _ended(change: Callable[[list[Json]], object]) -> Row:
    """Return the row that shows the clips of a completed task in another shape."""

    def shape(json: Json, view: View) -> Json:
        is_done = view.stage is Stage.ENDED and not view.task.fails and view.task.clips
        return json | {"data": change(_clips(json))} if is_done else json

    return Row(shape=shape)


def _each(change: Callable[[Json], Json]) -> Row:
    """Return the row that changes each clip of a completed task."""
    return _ended(lambda clips: [change(clip) for clip in clips])


def _early(change: Callable[[list[Json]], object]) -> Row:
    """Return the row that changes what the first looks find of a completed task."""
    row = _ended(change)

    def shape(json: Json, view: View) -> Json:
        return row.shape(json, view) if row.shape and view.is_early else json

    return Row(shape=shape)


def _camel(clip: Json) -> Json:
    return {
        "id": clip["id"],
        "audioUrl": clip["audio_url"],
        "streamAudioUrl": clip["audio_url"].replace("/media/", "/media/stream/"),
        "imageUrl": clip["image_url"],
        "prompt": clip["metadata"]["prompt"],
        "modelName": clip["model_name"],
        "title": clip["title"],
        "tags": clip["metadata"]["tags"],
        "createTime": 1_790_000_000_000,
        "duration": clip["metadata"]["duration"],
    }


def _item(number: int, clip: Json) -> Json:
    """Return a clip as relays show it whose tasks are batches."""
    return {
        "id": f"12794443498889{number}",
        "inputType": "10",
        "makeInstrumental": False,
        "prompt": clip["metadata"]["prompt"],
        "title": clip["title"],
        "tags": clip["metadata"]["tags"],
        "clipId": clip["id"],
        "progress": 100,
        "continueClipId": "",
        "cld2AudioUrl": clip["audio_url"],
        "cld2ImageUrl": clip["image_url"],
        "cld2VideoUrl": "",
        "progressMsg": "",
        "duration": clip["metadata"]["duration"],
    }


def _by_clip_id(clip: Json) -> Json:
    return {key: value for key, value in clip.items() if key != "id"} | {"clip_id": clip["id"]}


def _plugin(json: Json, view: View) -> Json:
    """Show the task as new-api's plugin of 2026 does: without action, start and upstream task."""
    shown = {key: value for key, value in json.items() if key not in {"action", "start_time"}}
    times = {"created_at": json["submit_time"], "updated_at": json["submit_time"]}
    if view.stage < Stage.RUNNING:
        shown["data"] = {"message": ""}
    return shown | times | {"platform": "sunoapi"}


def _withheld(clip: Json) -> Json:
    """Show a clip whose audio Suno keeps: a link to nothing, and an encrypted file."""
    closed = {
        "url": f"https://cdn1.example/{clip['id']}.m4a",
        "content_type": "m4a-opus",
        "delivery": "progressive",
        "encoding": "1.0.0",
    }
    return clip | {"audio_url": FORBIDDEN, "video_url": "", "media_urls": [closed]}


def _with_plain_entry(clip: Json) -> Json:
    """Show a clip of which one file beside the encrypted one is plain."""
    closed = _withheld(clip)
    plain = {"url": clip["audio_url"], "content_type": "mp3", "delivery": "progressive"}
    return closed | {"media_urls": [*closed["media_urls"], plain]}


def _remarked(clip: Json) -> Json:
    words = {"error_type": "none", "error_message": "shortened to the model's limit"}
    return clip | {"metadata": clip["metadata"] | words}


def _never_ending(json: Json, view: View) -> Json:
    if view.stage is not Stage.ENDED or view.task.fails:
        return json
    return json | {"status": "IN_PROGRESS", "progress": "90%", "finish_time": 0}


def _two_drafts(json: Json, _view: View) -> Json:
    """Show lyrics as Suno writes them: a list of two."""
    first = json["data"]
    if not isinstance(first, dict) or "text" not in first:
        return json
    other = {"id": f"{first['id']}-2", "title": f"{first['title']} (second draft)"}
    return json | {"data": [first, first | other | {"text": f"[Intro]\n{first['text']}"}]}


def _worded(word: str) -> Row:
    """Return the row of a task that fails with this word as its status."""

    def shape(json: Json, _view: View) -> Json:
        if json["status"] != "FAILURE":
            return json
        return json | {"status": word, "fail_reason": REASON, "data": None}

    return Row(fails=True, shape=shape)


def _with_reason(reason: str) -> Row:
    """Return the row of a task that fails for this reason."""

    def shape(json: Json, _view: View) -> Json:
        is_failed = json["status"] == "FAILURE"
        return json | {"fail_reason": reason, "data": None} if is_failed else json

    return Row(fails=True, shape=shape)


def _refused(status: int, code: str, message: str, **headers: str) -> Response:
    body = {"code": code, "message": message, "data": None}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(body, status, headers=sent)


def _barred(status: int, message: str, code: str = "") -> Response:
    text = f"{message} (request id: 20260101000000000000000SaNdBx)"
    error = {"message": text, "type": "new_api_error", "code": code}
    return JSONResponse({"error": error}, status)


def retired() -> Response:
    """Refuse a model that Suno retired."""
    text = "You don't have access to this model. Please switch to v6!"
    return _refused(403, "fail_to_fetch_task", text)


def _field_required(_argument: str) -> Response:
    detail = [{"loc": ["body", "prompt"], "msg": "field required", "type": "value_error.missing"}]
    return JSONResponse({"detail": detail}, 422)


def _cloudflare(_argument: str) -> Response:
    return HTMLResponse(
        "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>"
        "<h1>Sorry, you have been blocked</h1></body></html>",
        403,
        {"server": "cloudflare"},
    )


def _words_as_json(_argument: str) -> Response:
    text = 'unexpected status code: 503, response body: {"detail": "Service Unavailable"}'
    return JSONResponse({"error_code": 1002, "error_msg": text})


def _batch_id(task: Task) -> object:
    items = [_item(n, _unmade(clip.id)) for n, clip in enumerate(task.clips, 1)]
    return {"code": 200, "message": "success", "data": {"taskBatchId": task.id, "items": items}}


def _unmade(clip_id: str) -> Json:
    metadata = {"prompt": "", "tags": "", "duration": None}
    return {"id": clip_id, "title": "", "audio_url": "", "image_url": "", "metadata": metadata}


SHAPES: Table = {
    "shape-items": _ended(lambda clips: {"items": [_item(n, c) for n, c in enumerate(clips, 1)]}),
    "shape-sunodata": _ended(lambda clips: {"response": {"sunoData": list(map(_camel, clips))}}),
    "shape-camel": _each(_camel),
    "shape-clips": _ended(lambda clips: {"clips": clips}),
    "shape-clips-map": _ended(lambda clips: {"clips": {clip["id"]: clip for clip in clips}}),
    "shape-text": _ended(jsonlib.dumps),
    "shape-clip_id": _each(_by_clip_id),
    "shape-twice": _ended(lambda clips: clips + clips[:1]),
    "new-api-2026": Row(shape=_plugin),
    "withheld": _early(lambda clips: list(map(_withheld, clips))),
    "withheld-plain-entry": _each(_with_plain_entry),
    "late-second-clip": _early(lambda clips: clips[:1]),
    "late-clips": _early(lambda _clips: []),
    "streaming-in-success": _each(lambda clip: clip | {"status": "streaming"}),
    "error-but-link": _each(lambda clip: clip | {"status": "error"}),
    "words-but-complete": _each(_remarked),
    "other-model": _each(lambda clip: clip | {"model_name": "chirp-hawk"}),
    "never-ends": Row(shape=_never_ending),
    "two-drafts": Row(shape=_two_drafts),
}
FAILURES: Table = {
    **{f"status-{word.casefold()}": _worded(word) for word in ENDS},
    "fail-no-refund": _with_reason("任务超时（旧系统遗留任务，不进行退款，请联系管理员）"),  # noqa: RUF001 - the gateway's own words
    "fail-json-reason": _with_reason(
        jsonlib.dumps({"error": {"message": "Tags contained artist name: someone", "type": "x"}})
    ),
}
IDS: Table = {
    "id-taskbatchid": Row(form=_batch_id),
    "id-in-data": Row(form=lambda task: {"code": "success", "data": {"task_id": task.id}}),
    "id-on-top": Row(form=lambda task: {"task_id": task.id, "status": "SUBMITTED"}),
    "id-plain": Row(form=lambda task: {"id": task.id}),
    "id-list": Row(form=lambda task: {"code": "success", "message": "", "data": [task.id]}),
    "id-text": Row(
        form=lambda task: {"code": "success", "data": jsonlib.dumps({"task_id": task.id})}
    ),
    "id-success-true": Row(form=lambda task: {"success": True, "task_id": task.id}),
    "id-code-1": Row(form=lambda task: {"code": 1, "description": "ok", "result": task.id}),
}
REFUSALS: Table = {
    "401-token-used-up": Row(refuse=lambda _: _barred(401, "该令牌额度已用尽")),
    "403-token-used-up": Row(
        refuse=lambda _: _refused(403, "pre_consume_failed", "预扣费额度失败, 用户剩余额度: 0")
    ),
    "403-cloudflare": Row(refuse=_cloudflare),
    "403-retired": Row(refuse=lambda _: retired()),
    "500-retired": Row(refuse=lambda _: _refused(500, "fail_to_fetch_task", "模型已下线")),
    "413": Row(
        refuse=lambda _: _refused(413, "read_request_body_failed", "request body too large")
    ),
    "422-detail": Row(refuse=_field_required),
    "429-retry-after": Row(
        refuse=lambda argument: _refused(
            429, "rate_limit", "slow down", retry_after=argument or "7.5"
        )
    ),
    "500-build": Row(refuse=lambda _: _refused(500, "build_request_failed", "x")),
    "500-no-price": Row(
        refuse=lambda _: _barred(500, "Model fixed price not configured", "model_price_error")
    ),
    "200-error-words": Row(refuse=_words_as_json),
}
RELAYS: Table = {
    "no-batch": Row(batch_answer=lambda: _refused(404, "not_found", "not found")),
    "no-batch-page": Row(batch_answer=web_page),
    "no-batch-gate": Row(batch_answer=lambda: _barred(404, "Invalid URL (POST /suno/fetch)")),
}
FAMILY: Table = {**SHAPES, **FAILURES, **IDS, **REFUSALS, **RELAYS}
"""All rows of this module; only gpt.ge's side has them."""
