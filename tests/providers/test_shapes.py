"""What means a task, clips or lyrics, in every shape that services of the family send."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from song_mcp.errors import ServiceError, UnreadableAnswerError
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.piapi import Piapi
from song_mcp.providers.replies import is_closed, to_url
from song_mcp.providers.shapes import standing, unpacked
from song_mcp.songs import Lyrics, Report

TASK = "aaaaaaaa-0000-4000-8000-00000000000a"
ONE, TWO = "https://cdn.example/1.mp3", "https://cdn.example/2.mp3"
FORBIDDEN = "https://studio-api.prod.suno.com/api/forbidden"
SECRET = "whsec-77aa55-long"


async def looked_at(body: object, status: int = 200) -> Report:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    return await Gptge("sk-0123456789abcdef", "https://api.gpt.ge", transport).fetch(TASK)


async def piapi(body: object) -> Report:
    content = json.dumps(body).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=content))
    return await Piapi("0123456789abcdef", "https://api.piapi.ai", transport=transport).fetch(TASK)


def task(data: object, **fields: object) -> dict[str, object]:
    return {"task_id": TASK, "action": "MUSIC", "status": "SUCCESS", "data": data} | fields


def enveloped(data: object) -> dict[str, object]:
    return {"code": "success", "message": "", "data": data}


def suno(number: int, **fields: object) -> dict[str, object]:
    url = [ONE, TWO][number - 1]
    return {"id": f"c{number}", "title": "Lamp", "status": "complete", "audio_url": url} | fields


def camel(number: int) -> dict[str, object]:
    """A clip as sunoapi.org describes it."""
    return {
        "id": f"c{number}",
        "audioUrl": [ONE, TWO][number - 1],
        "streamAudioUrl": "https://cdn.example/preview",
        "imageUrl": "https://cdn.example/1.png",
        "prompt": "la la",
        "modelName": "chirp-crow",
        "title": "Lamp",
        "tags": "folk",
        "duration": 128.92,
    }


def item(number: int) -> dict[str, object]:
    """A clip as a relay lists it: the id is the item's."""
    return {
        "id": f"12794443498889{number}",
        "clipId": f"c{number}",
        "progress": 100,
        "cld2AudioUrl": [ONE, TWO][number - 1],
        "title": "Lamp",
        "duration": 2,
    }


CLIPS = [suno(1), suno(2)]
CAMEL = [camel(1), camel(2)]
ITEMS = [item(1), item(2)]
RECORD = {"taskId": TASK, "response": {"taskId": TASK, "sunoData": CAMEL}, "status": "SUCCESS"}
SHAPES: dict[str, object] = {
    "list": enveloped(task(CLIPS)),
    "camel": enveloped(task(CAMEL)),
    "data.clips list": enveloped(task({"clips": CLIPS})),
    "data.clips map": enveloped(task({"clips": {"c1": suno(1, id=""), "c2": suno(2, id=None)}})),
    "data.items": enveloped(task({"taskBatchId": "1279444349692403713", "items": ITEMS})),
    "items": enveloped(task(ITEMS)),
    "data.data": enveloped(task({"data": CLIPS})),
    "tracks": enveloped(task({"tracks": CLIPS})),
    "result.audios": enveloped({"task_id": TASK, "status": "done", "result": {"audios": CLIPS}}),
    "an envelope in a text": enveloped(json.dumps(enveloped(task(CLIPS)))),
    "sunoData": enveloped(task({"sunoData": CAMEL})),
    "sunoData raw": {"code": 200, "msg": "success", "data": RECORD},
    "sunoData without a task": {"code": 200, "msg": "success", "data": {"sunoData": CAMEL}},
    "task as text": enveloped(json.dumps(task(CLIPS))),
    "clips as text": enveloped(task(json.dumps(CLIPS))),
    "both as text": enveloped(json.dumps(task(json.dumps(CLIPS)))),
    "the whole as text": json.dumps(enveloped(task(CLIPS))),
    "text in text": enveloped(task(json.dumps(json.dumps(CLIPS)))),
    "each clip as text": enveloped(task([json.dumps(clip) for clip in CLIPS])),
    "response as text": {
        "code": 200,
        "data": RECORD | {"response": json.dumps(RECORD["response"])},
    },
    "map": enveloped(task({"c1": suno(1, id=""), "c2": suno(2, id="")})),
    "bare task": task(CLIPS),
    "bare list": CLIPS,
    "bare clips": {"id": "x", "clips": CLIPS},
    "bare clips in data": enveloped({"clips": CLIPS}),
    "bare items in data": enveloped({"data": ITEMS}),
    "flag": {"success": True, "task_id": TASK, "data": [suno(1, state="succeeded"), suno(2)]},
    "a list of one task": enveloped([task(CLIPS)]),
    "a map of tasks": enveloped({TASK: task(CLIPS), "other": task([], task_id="other")}),
    "no action, no start": enveloped({**task(CLIPS), "action": None, "platform": "sunoapi"}),
    "clip_id": enveloped(
        task([suno(1, id=None) | {"clip_id": "c1"}, suno(2, id="9") | {"clip_id": "c2"}])
    ),
    "listed twice": enveloped(task([*CLIPS, *CLIPS])),
    "listed twice, once as a preview": enveloped(
        task([suno(1, status="streaming", audio_url="https://audiopipe.example/1"), *CLIPS])
    ),
    "other names of the task": enveloped(
        {"taskBatchId": TASK, "taskStatus": "finished", "items": ITEMS}
    ),
    "an error code beside a task": {"code": "fail", "message": "x", "data": task(CLIPS)},
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_both_clips_are_read_in_every_shape(shape: str) -> None:
    report = await looked_at(SHAPES[shape])
    assert report.status == "completed"
    assert [(clip.clip_id, clip.status, clip.audio_url) for clip in report.clips] == [
        ("c1", "completed", ONE),
        ("c2", "completed", TWO),
    ]
    assert report.kind == "song"


PIAPI_SHAPES = {
    "text": json.dumps({"songs": [suno(1), suno(2)]}),
    "songs as text": {"songs": json.dumps([suno(1), suno(2)])},
    "camel": {"songs": CAMEL},
    "items": {"items": ITEMS},
    "data": {"data": {"clips": {"c1": suno(1, id=""), "c2": suno(2, id="")}}},
}


@pytest.mark.parametrize("shape", PIAPI_SHAPES)
async def test_both_adapters_read_by_one_table(shape: str) -> None:
    output = PIAPI_SHAPES[shape]
    made = {"task_id": TASK, "model": "music-u", "status": "completed", "output": output}
    for body in (
        {"code": 200, "data": made, "message": "success"},
        {"code": 200, "data": json.dumps(made), "message": "success"},
        {"code": 200, "data": [made], "message": "success"},
    ):
        report = await piapi(body)
        links = [(clip.clip_id, clip.audio_url) for clip in report.clips]
        assert links == [("c1", ONE), ("c2", TWO)]


async def test_a_camel_clip_has_all_its_fields() -> None:
    [clip, _] = (await looked_at(enveloped(task(CAMEL)))).clips
    assert (clip.title, clip.tags, clip.lyrics) == ("Lamp", ("folk",), "la la")
    assert (clip.duration_s, clip.made_with) == (128.92, "chirp-crow")
    assert clip.image_url == "https://cdn.example/1.png"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        "",
        {"message": ""},
        {"message": "queued"},
        '{"message": ""}',
        {"id": "", "message": ""},
        {"clips": []},
        {"clips": None, "message": ""},
        {"items": [], "taskBatchId": TASK},
        {"sunoData": None, "taskId": TASK},
        {"error": {"id": "e1", "message": ""}},
        {"metadata": {"id": "m1"}},
        [{"message": ""}],
        [{}],
    ],
    ids=repr,
)
async def test_before_the_first_look_there_is_no_clip(data: object) -> None:
    pending = {"task_id": TASK, "status": "SUBMITTED", "fail_reason": "", "progress": "0%"}
    report = await looked_at(enveloped(pending | {"data": data, "id": 77}))
    assert (report.status, report.clips, report.kind) == ("pending", (), "song")


async def test_a_clip_with_no_more_than_an_id_is_one() -> None:
    report = await looked_at(enveloped(task([{"id": "c1"}, {"clip_id": "c2"}], status="QUEUED")))
    assert [(clip.clip_id, clip.status) for clip in report.clips] == [
        ("c1", "processing"),
        ("c2", "processing"),
    ]


@pytest.mark.parametrize("same", [False, True])
async def test_two_songs_under_one_id_are_not_lost(same: bool) -> None:  # noqa: FBT001
    report = await looked_at(enveloped(task([suno(1), suno(1 if same else 2, id="c1")])))
    assert [clip.audio_url for clip in report.clips] == ([ONE] if same else [ONE, TWO])


async def test_songs_under_the_tasks_id_are_told_apart() -> None:
    report = await looked_at(enveloped(task([suno(1, id=TASK), suno(2, id=TASK)])))
    assert [clip.audio_url for clip in report.clips] == [ONE, TWO]
    report = await looked_at(enveloped(task([suno(1, id=""), suno(2, id=TASK)])))
    assert [clip.audio_url for clip in report.clips] == [ONE, TWO]


async def test_a_task_with_one_link_of_its_own_is_its_clip() -> None:
    report = await looked_at(enveloped({"task_id": TASK, "status": "SUCCESS", "audio_url": ONE}))
    assert [(clip.clip_id, clip.audio_url) for clip in report.clips] == [(TASK, ONE)]


async def test_a_preview_is_never_audio() -> None:
    clip = {"id": "c1", "streamAudioUrl": ONE, "stream_audio_url": ONE, "title": "Lamp"}
    [made] = (await looked_at(enveloped(task([clip])))).clips
    assert (made.status, made.audio_url) == ("failed", "")


@pytest.mark.parametrize(
    ("clip", "is_final"),
    [
        (camel(1), True),
        (item(1), True),
        (item(1) | {"progress": 90}, False),
        (suno(1), True),
        (suno(1, status="streaming"), False),
        (suno(1, status=""), False),
        (camel(1) | {"status": "streaming"}, False),
        (camel(1) | {"audioUrl": ""}, False),
    ],
)
async def test_a_clip_that_is_final_while_its_task_runs_has_its_link(
    clip: dict[str, Any], *, is_final: bool
) -> None:
    report = await looked_at(enveloped(task([clip], status="IN_PROGRESS")))
    [made] = report.clips
    assert (report.status, made.clip_id) == ("processing", "c1")
    assert (made.status, made.audio_url) == (("completed", ONE) if is_final else ("processing", ""))


async def test_the_model_is_read_where_the_gateway_has_it() -> None:
    properties = {"upstream_model_name": "chirp-auk", "origin_model_name": "suno_music"}
    assert (await looked_at(enveloped(task(None, properties=properties)))).model == "suno-v4.5"
    properties = {"upstream_model_name": "suno_music"}
    assert (await looked_at(enveloped(task(None, properties=properties)))).model == ""


IMAGE = "https://cdn.example/1.png"
CLIP_NAMES: dict[str, tuple[str, object, object]] = {
    **dict.fromkeys(("id", "clip_id", "clipId"), ("clip_id", "c7", "c7")),
    **dict.fromkeys(("status", "state"), ("status", "streaming", "processing")),
    **dict.fromkeys(
        (
            *("song_path", "audio_url", "audioUrl", "cld2AudioUrl", "cld2_audio_url", "url"),
            *("source_audio_url", "sourceAudioUrl", "audio", "mp3_url", "mp3Url"),
            *("wav_url", "wavUrl", "download_url", "downloadUrl"),
        ),
        ("audio_url", TWO, TWO),
    ),
    **dict.fromkeys(
        (
            *("image_path", "image_url", "imageUrl", "cld2ImageUrl", "cld2_image_url"),
            *("image_large_url", "imageLargeUrl", "source_image_url", "sourceImageUrl"),
        ),
        ("image_url", IMAGE, IMAGE),
    ),
    **dict.fromkeys(
        ("video_url", "videoUrl", "cld2VideoUrl", "cld2_video_url"), ("video_url", TWO, TWO)
    ),
    **dict.fromkeys(("duration", "metadata.duration"), ("duration_s", "128.92", 128.92)),
    **dict.fromkeys(("tags", "metadata.tags", "style"), ("tags", "folk", ("folk",))),
    **dict.fromkeys(
        ("lyrics", "lyric", "metadata.prompt", "prompt"), ("lyrics", "la\nla", "la\nla")
    ),
    **dict.fromkeys(("model_name", "modelName", "model"), ("made_with", "chirp-v9", "chirp-v9")),
    **dict.fromkeys(
        (
            *("error_message", "errorMessage", "error_detail", "metadata.error_message"),
            *("fail_reason", "failReason", "error", "error_type", "metadata.error_type"),
            *("errorType", "error_code", "errorCode"),
        ),
        ("error", "too loud", "too loud"),
    ),
}
"""Each name of a clip's things: the field, a value that is sent, and what it is read as."""


@pytest.mark.parametrize("name", CLIP_NAMES)
async def test_each_name_of_a_clips_things_is_read(name: str) -> None:
    field, sent, read = CLIP_NAMES[name]
    clip: dict[str, Any] = {"id": "c1", "status": "complete", "audio_url": ONE, "metadata": {}}
    clip = {key: value for key, value in clip.items() if key != field.replace("clip_id", "id")}
    outer, _, inner = name.rpartition(".")
    (clip[outer] if outer else clip)[inner] = sent
    [made] = (await looked_at(enveloped(task([clip], status="IN_PROGRESS")))).clips
    assert getattr(made, field) == read


MOMENT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
TASK_NAMES: dict[str, tuple[str, object, object]] = {
    **dict.fromkeys(
        ("status", "taskStatus", "task_status", "state"), ("provider_status", "QUEUED", "QUEUED")
    ),
    **dict.fromkeys(
        (
            *("fail_reason", "failReason", "error_message", "errorMessage", "error_msg"),
            *("error", "message", "msg"),
        ),
        ("error", "too loud", "too loud"),
    ),
    **dict.fromkeys(
        ("submit_time", "submitTime", "created_at", "createTime"),
        ("created_at", 1790000000, MOMENT),
    ),
    **dict.fromkeys(
        ("finish_time", "finishTime", "finished_at", "completeTime"),
        ("finished_at", 1790000000000, MOMENT),
    ),
    "progress": ("progress_percent", "40%", 40),
    "quota": ("cost_units", 50_000, 0.1),
}


@pytest.mark.parametrize("name", TASK_NAMES)
@pytest.mark.parametrize("key", ["task_id", "taskId", "taskBatchId", "task_batch_id"])
async def test_each_name_of_a_tasks_things_is_read(name: str, key: str) -> None:
    field, sent, read = TASK_NAMES[name]
    has_status = field == "provider_status"
    made = {key: TASK, name: sent} | ({} if has_status else {"status": "FAILURE"})
    assert getattr(await looked_at(enveloped(made)), field) == read


# What refuses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"success": False, "task_id": TASK, "error": {"code": "e", "message": "blocked"}},
        enveloped({"task_id": TASK, "success": False, "error": {"message": "blocked"}}),
        enveloped({"task_id": TASK, "data": {"success": False}, "error": {"message": "blocked"}}),
        enveloped(task(None, status="FAIL", fail_reason="blocked")),
        enveloped(task(None, status="failed", errorMessage="blocked")),
        enveloped(task(None, status="failed", error={"message": "blocked"})),
        enveloped(task(None, status="failed", error='{"error": {"message": "blocked"}}')),
    ],
)
async def test_a_task_that_failed_says_why(body: object) -> None:
    report = await looked_at(body)
    assert (report.status, report.error, report.charged) == ("failed", "blocked", "unknown")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"success": False, "error": {"code": "e", "message": "blocked"}}, 200),
        ({"success": False, "task_id": TASK, "error": {"message": "bad token"}}, 401),
        ({"error": {"message": "bad token", "type": "new_api_error"}}, 200),
        ({"code": "success", "message": "", "data": {"message": ""}}, 200),
        ({"clips": []}, 200),
        (b'"not json', 200),
    ],
)
async def test_an_answer_that_tells_nothing_of_the_task_ends_nothing(
    body: object, status: int
) -> None:
    with pytest.raises(ServiceError) as caught:
        await looked_at(body, status)
    assert caught.value.charged == "no"


@pytest.mark.parametrize(
    ("word", "stands"),
    [
        *((word, "completed") for word in ("SUCCESS", "done", "Succeeded", "finished", "complete")),
        *((word, "failed") for word in ("FAIL", "fail", "rejected", "expired", "timeout")),
        *((word, "failed") for word in ("CREATE_TASK_FAILED", "GENERATE_AUDIO_FAILED")),
        *((word, "failed") for word in ("SENSITIVE_WORD_ERROR", "createTaskFailed", "task-failed")),
        *((word, "failed") for word in ("reject", "errored", "blocked", "cancel", "失败", "超时")),
        *((word, "failed") for word in ("TIMED OUT", "aborted", "cancelled", "CALLBACK_EXCEPTION")),
        *((word, "completed") for word in ("TASK_SUCCEEDED", "Success.", "allSuccess", "生成成功")),
        *((word, "failed") for word in ("NSFW", "CONTENT_VIOLATION", "任务失败", "审核不通过")),
        *((word, "failed") for word in ("FAILED_MODERATION", "failed_to_generate", "Failure.")),
        *((word, "failed") for word in ("moderation", "completed_with_errors", "error: upstream")),
        *((word, "failed") for word in ("SENSITIVE", "ERROR:502")),
        *((word, "completed") for word in ("SUCCESSFULLY", "任务完成", "generated", "finish")),
        *((word, "processing") for word in ("RETRYING_AFTER_FAILURE", "retry_failed")),
        *((word, "pending") for word in ("NOT_START", "SUBMITTED", "queued", "in queue")),
        *((word, "processing") for word in ("FIRST_SUCCESS", "TEXT_SUCCESS", "UNKNOWN", "")),
        *((word, "processing") for word in ("IN_PROGRESS", "failover", "error free", "retry")),
    ],
)
async def test_a_word_alone_or_at_the_end_of_others_ends_a_task(word: str, stands: str) -> None:
    assert standing(word) == stands


# Lyrics ----------------------------------------------------------------------------------------

DRAFT, OTHER = {"title": "One", "text": "first"}, {"title": "Two", "text": "second"}
BOTH = Lyrics("One", "first", (Lyrics("Two", "second"),))
ONE_OF_TWO = Lyrics("One", "first", (Lyrics("", ""),))


@pytest.mark.parametrize(
    ("data", "lyrics"),
    [
        ([DRAFT, OTHER], BOTH),
        (json.dumps([DRAFT, OTHER]), BOTH),
        ({"data": [DRAFT, OTHER]}, BOTH),
        ({"taskId": TASK, "response": {"data": [DRAFT, OTHER]}}, BOTH),
        ([DRAFT | {"id": "l1", "status": "complete"}, OTHER | {"id": "l2"}], BOTH),
        ([DRAFT, OTHER, DRAFT], BOTH),
        ([DRAFT], ONE_OF_TWO),
        ([DRAFT, {"title": "", "text": "", "status": "streaming"}], ONE_OF_TWO),
        (DRAFT, Lyrics("One", "first")),
        ([], None),
        ({"message": ""}, None),
    ],
)
@pytest.mark.parametrize("action", ["LYRICS", ""])
async def test_every_draft_is_read(data: object, lyrics: Lyrics | None, action: str) -> None:
    report = await looked_at(enveloped(task(data, action=action)))
    assert report.lyrics == lyrics
    if lyrics or action:
        assert (report.kind, report.clips) == ("lyrics", ())
    if lyrics:
        assert lyrics.is_whole == (data != [DRAFT] and lyrics != ONE_OF_TWO)


async def test_a_clip_with_a_text_is_no_draft() -> None:
    report = await looked_at(enveloped(task([suno(1, text="la"), suno(2, text="")], action="")))
    assert (report.kind, len(report.clips)) == ("song", 2)


# Links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://a.example/2 b.mp3", "https://a.example/2%20b.mp3"),
        ("https://a.example/灯.mp3?q=é", "https://a.example/%E7%81%AF.mp3?q=%C3%A9"),
        (" https://a.example/1.mp3\r\n", "https://a.example/1.mp3"),
        ("https://a.example/one\r\n/1.mp3", "https://a.example/one/1.mp3"),
        ("\ufeffhttps://a.example/1.mp3\u200b", "https://a.example/1.mp3"),
        ("//a.example/1.mp3", "https://a.example/1.mp3"),
        ("https:\\/\\/a.example\\/1.mp3", "https://a.example/1.mp3"),
        ("https://a.example/The%2520Untitled.mp3", "https://a.example/The%2520Untitled.mp3"),
        ("https://a.example/1%.mp3", "https://a.example/1%.mp3"),
        ("https://лампа.example:8443/1.mp3", "https://xn--80aa5afp.example:8443/1.mp3"),
        ("http://[::1]:8787/1 b.mp3", "http://[::1]:8787/1%20b.mp3"),
        ("HTTPS://a.example/1.mp3", "HTTPS://a.example/1.mp3"),
        ("/media/1.mp3", ""),
        ("a.example/1.mp3", ""),
        ("https://a b.example/1.mp3", ""),
        ("https://user@лампа.example/1.mp3", ""),
        ("https://a.example/\u202e\ud800.mp3", ""),
        ("https://a.example/" + "é" * 2_000, ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_link_is_quoted_where_it_must_be(link: object, url: str) -> None:
    assert to_url(link) == url
    assert to_url(url) == url


@pytest.mark.parametrize(
    "link",
    [
        FORBIDDEN,
        f" {FORBIDDEN}/\n",
        f"{FORBIDDEN}?clip=c1",
        "//studio-api.suno.ai/api/forbidden",
        "https://studio-api.prod.suno.com/v2/api/forbidden#x",
    ],
)
def test_a_closed_link_is_none(link: str) -> None:
    assert (to_url(link), is_closed(link)) == ("", True)


@pytest.mark.parametrize(
    "link", [ONE, "https://a.example/api/forbidden.mp3", "https://a.example/?/api/forbidden", None]
)
def test_any_other_link_is_not_closed(link: object) -> None:
    assert not is_closed(link)


OPUS = {"url": "https://cdn.example/1.m4a", "content_type": "m4a-opus", "encoding": "1.0.0"}
CLOSED = {"audio_url": FORBIDDEN, "media_urls": [OPUS]}
MP3 = {"url": ONE, "content_type": "mp3", "delivery": "progressive"}


@pytest.mark.parametrize("fields", [CLOSED, {"audio_url": FORBIDDEN}, {**CLOSED, "audio_url": ""}])
@pytest.mark.parametrize("status", ["SUCCESS", "IN_PROGRESS"])
async def test_audio_that_suno_withholds_is_finished_without_an_address(
    fields: dict[str, Any], status: str
) -> None:
    report = await looked_at(enveloped(task([suno(1, **fields)], status=status)))
    [clip] = report.clips
    assert (clip.status, clip.audio_url, clip.error) == ("completed", "", "")
    assert clip.is_withheld
    assert "forbidden" not in repr(clip)
    assert "m4a" not in repr(clip)


@pytest.mark.parametrize("word", ["error", "failed"])
async def test_a_clip_that_failed_is_not_withheld(word: str) -> None:
    [clip] = (await looked_at(enveloped(task([suno(1, status=word, **CLOSED)])))).clips
    assert clip.status == "failed"


@pytest.mark.parametrize(
    "media",
    [
        [OPUS, MP3],
        json.dumps([OPUS, MP3]),
        [OPUS, MP3 | {"content_type": "audio/mp3"}],
        [OPUS, MP3 | {"content_type": "audio/mpeg", "encoding": None}],
        [OPUS, MP3 | {"content_type": "audio/wav", "encoding": ""}],
        [{"url": ONE}, OPUS],
        [None, 7, {"url": 7, "content_type": "mp3"}, MP3],
    ],
)
@pytest.mark.parametrize("audio_url", [FORBIDDEN, "", "https://cdn1.suno.ai/c1.mp3"])
async def test_plain_media_are_used(media: object, audio_url: str) -> None:
    clip = suno(1, audio_url=audio_url, media_urls=media)
    [made] = (await looked_at(enveloped(task([clip])))).clips
    assert (made.status, made.audio_url) == ("completed", ONE)


@pytest.mark.parametrize(
    "media",
    [[OPUS], [MP3 | {"encoding": "1.0.0"}], [MP3 | {"content_type": "m4a"}], [MP3 | {"url": ""}]],
)
async def test_encrypted_media_are_left_alone(media: object) -> None:
    clip = suno(1, audio_url=FORBIDDEN, media_urls=media)
    [made] = (await looked_at(enveloped(task([clip])))).clips
    assert made.is_withheld


@pytest.mark.parametrize(
    "link", ["https://cdn1.suno.ai/c1.mp3", "https://cdn1.suno.ai/c1.mp3?sig=1", ONE]
)
async def test_sunos_own_address_is_tried_like_any(link: str) -> None:
    clip = suno(1, audio_url=link, media_urls=[OPUS])
    [made] = (await looked_at(enveloped(task([clip])))).clips
    assert made.audio_url == link


# Bounds ----------------------------------------------------------------------------------------


async def test_a_secret_in_packed_json_is_in_nothing_that_is_kept() -> None:
    config = {"webhook_config": {"secret": SECRET}}
    packed = json.dumps(task([suno(1, title=f"x {SECRET}")], config=config))
    report = await looked_at(enveloped(packed))
    assert report.clips
    assert SECRET not in repr(report)


def packed(value: object, times: int) -> object:
    for _ in range(times):
        value = {"data": json.dumps(value)}
    return value


def test_what_is_packed_is_unpacked_to_a_bounded_depth() -> None:
    seen, depth = unpacked(packed("x", 12)), 0
    while isinstance(seen, dict):
        seen, depth = seen["data"], depth + 1
    assert depth == 11


def test_all_texts_together_have_as_many_values_as_a_body() -> None:
    many = "[" + "1," * 150_000 + "1]"
    seen = unpacked({"data": [many, many]})
    assert isinstance(seen, dict)
    first, second = seen["data"]
    assert (len(first), second) == (150_001, many)


@pytest.mark.parametrize(
    "text", ["[" * 5_000, '{"a":' * 5_000, "[1,", "{}x", '{"a": NaN}', "[Verse]\nla", '"']
)
async def test_what_only_looks_like_json_stays_a_text(text: str) -> None:
    assert unpacked({"data": text}) == {"data": text}
    with pytest.raises(UnreadableAnswerError):
        await looked_at(enveloped(text))


def test_what_a_person_wrote_stays_a_text() -> None:
    body = {"data": {"prompt": '{"a": 1}', "title": "[1]", "lyrics": '["la"]'}}
    assert unpacked(body) == body


@pytest.mark.parametrize(
    "link",
    [
        {"audio_url": [ONE]},
        {"audio": {"url": ONE, "content_type": "audio/mpeg"}},
        {"audio_urls": [ONE]},
        {"song_url": ONE},
        {"audio_file": ONE},
        {"links": {"wav": "", "mp3": ONE}},
        {"media_urls": {"mp3": ONE}},
        {"media_urls": [ONE]},
        {"audio_url": FORBIDDEN, "audio": {"url": ONE}},
    ],
)
async def test_a_link_in_a_list_or_object_is_one(link: dict[str, object]) -> None:
    [clip] = (await looked_at(enveloped(task([{"id": "c1"} | link])))).clips
    assert (clip.clip_id, clip.audio_url) == ("c1", ONE)


@pytest.mark.parametrize("name", ["media_urls", "audio"])
async def test_one_medium_alone_that_is_encrypted_is_none(name: str) -> None:
    medium = {"url": ONE, "content_type": "m4a-opus", "encoding": "1.0.0"}
    [clip] = (await looked_at(enveloped(task([{"id": "c1", name: medium}])))).clips
    assert not clip.audio_url


@pytest.mark.parametrize("name", ["song_id", "songId", "musicId", "audioId"])
async def test_a_clip_goes_by_the_id_that_it_has(name: str) -> None:
    [clip] = (await looked_at(enveloped(task([{name: "c1", "audio_url": ONE}])))).clips
    assert clip.clip_id == "c1"


@pytest.mark.parametrize(
    "data",
    [
        {"musics": [suno(1), suno(2)]},
        {"musicList": [suno(1), suno(2)]},
        {"list": [suno(1), suno(2)], "total": 2},
        {"records": [suno(1), suno(2)]},
        {"outputs": [ONE, TWO]},
        {"audio_urls": [ONE, TWO]},
        {"resultJson": json.dumps({"resultUrls": [ONE, TWO]})},
        {TASK: ONE, TASK[:-1] + "b": TWO},
    ],
)
async def test_clips_are_found_in_each_place_of_the_family(data: dict[str, object]) -> None:
    clips = (await looked_at(enveloped(task(data)))).clips
    assert [clip.audio_url for clip in clips] == [ONE, TWO]


async def test_a_task_of_piapi_is_read_in_camel_case() -> None:
    song = {"id": "u1", "songPath": ONE, "finished": True}
    usage = {"meta": {"usage": {"frozen": 5, "consume": 500_000}}}
    about = {"taskId": TASK, "taskType": "generate_music", "status": "completed"}
    found = await piapi({"code": 200, "data": about | usage | {"output": {"songs": [song]}}})
    assert (found.status, found.charged, found.clips[0].audio_url) == ("completed", "yes", ONE)
    failed = about | {"status": "failed", "error": {"rawMessage": "lyrics flagged"}}
    assert (await piapi({"code": 200, "data": failed})).error == "lyrics flagged"
