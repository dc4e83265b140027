"""gpt.ge both ways; sources: docs/providers.md 3 and 5.2."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from song_mcp.errors import (
    BadKeyError,
    BlockedError,
    BusyError,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    OutOfCreditsError,
    RefusedError,
    ServiceError,
    StoppedError,
    TooLargeError,
    UnknownTaskError,
    UnreadableAnswerError,
)
from song_mcp.providers import Batching
from song_mcp.providers.gptge import Gptge
from song_mcp.songs import (
    MODELS,
    Clip,
    ExtensionRequest,
    Lyrics,
    LyricsRequest,
    Report,
    SongRequest,
    Source,
    Wishes,
    model_named,
)
from tests.faults.canaries import GPTGE_KEY
from tests.models import DEFAULT_SUNO

KEY = GPTGE_KEY
TASK = "aaaaaaaa-0000-4000-8000-000000000001"
OTHER = "cccccccc-0000-4000-8000-000000000001"
AUDIO = "https://cdn1.example/b1.mp3"


def gptge(answer: httpx.Response, requests: list[httpx.Request] | None = None) -> Gptge:
    def handler(request: httpx.Request) -> httpx.Response:
        if requests is not None:
            requests.append(request)
        return answer

    return Gptge(KEY, "https://api.gpt.ge", httpx.MockTransport(handler))


def enveloped(data: object, code: object = "success", status: int = 200) -> httpx.Response:
    content = json.dumps({"code": code, "message": "", "data": data})
    return httpx.Response(status, content=content)


def task(**fields: object) -> dict[str, object]:
    """A finished music task as gpt.ge sends it, with some fields changed."""
    return {
        "task_id": TASK,
        "action": "MUSIC",
        "status": "SUCCESS",
        "fail_reason": "",
        "submit_time": 1726911801,
        "start_time": 1726911812,
        "finish_time": 1726911897,
        "progress": "100%",
        "data": [clip_of()],
    } | fields


def clip_of(**fields: object) -> dict[str, object]:
    return {
        "id": "clip-1",
        "title": "Trams",
        "status": "complete",
        "audio_url": AUDIO,
        "metadata": {"tags": "indie pop", "duration": 128.92, "error_message": None},
        "model_name": "chirp-v3",
        "major_model_version": "v3.5",
    } | fields


async def report(**fields: object) -> Report:
    return await gptge(enveloped(task(**fields))).fetch(TASK)


async def clip(of_task: str = "SUCCESS", /, **fields: object) -> Clip:
    [only] = (await report(status=of_task, data=[clip_of(**fields)])).clips
    return only


# Requests --------------------------------------------------------------------------------------


def body(request: SongRequest | LyricsRequest) -> Any:  # noqa: ANN401 - JSON
    return gptge(enveloped(None)).prepare(request).body


def test_a_description_alone_is_inspiration_mode() -> None:
    request = SongRequest(MODELS["suno-v4"], "cheerful weekend song", title="ours alone")
    submission = gptge(enveloped(None)).prepare(request)
    assert (submission.service, submission.path) == ("gptge", "/suno/submit/music")
    assert submission.body == {
        "gpt_description_prompt": "cheerful weekend song",
        "mv": "chirp-v4",
        "make_instrumental": False,
    }


WISHES: dict[str, Any] = {
    "negative_tags": "metal, screaming",
    "vocal_gender": "f",
    "style_weight": 0.65,
    "weirdness": 0.4,
}
SLIDERS = {
    "control_sliders": {"style_weight": 0.65, "weirdness_constraint": 0.4},
    "can_control_sliders": ["style_weight", "weirdness_constraint"],
}


def test_wishes_are_sent_in_custom_mode_as_clients_send_them() -> None:
    request = SongRequest(DEFAULT_SUNO, "indie pop", lyrics="[Verse]\nTrams", title="T", **WISHES)
    assert body(request) == {
        "prompt": "[Verse]\nTrams",
        "title": "T",
        "tags": "indie pop",
        "mv": "chirp-hawk",
        "negative_tags": "metal, screaming",
        "metadata": {"create_mode": "custom", "vocal_gender": "f", **SLIDERS},
    }


def test_wishes_are_sent_with_a_description_without_a_mode() -> None:
    sent = body(SongRequest(DEFAULT_SUNO, "indie pop", **WISHES))
    assert sent["negative_tags"] == "metal, screaming"
    assert sent["metadata"] == {"vocal_gender": "f", **SLIDERS}


@pytest.mark.parametrize(
    ("wish", "fields"),
    [
        ({"negative_tags": "metal"}, {"negative_tags": "metal"}),
        ({"vocal_gender": "m"}, {"metadata": {"vocal_gender": "m"}}),
        (
            {"weirdness": 0.0},
            {
                "metadata": {
                    "control_sliders": {"weirdness_constraint": 0.0},
                    "can_control_sliders": ["weirdness_constraint"],
                }
            },
        ),
        ({}, {}),
    ],
)
def test_only_what_was_wished_is_sent(wish: dict[str, Any], fields: dict[str, Any]) -> None:
    plain = body(SongRequest(DEFAULT_SUNO, "x"))
    assert body(SongRequest(DEFAULT_SUNO, "x", **wish)) == plain | fields


def test_an_extension_has_the_wishes_of_custom_mode() -> None:
    source = Source("clip-1", TASK, duration_s=60.0)
    sent = body(ExtensionRequest(DEFAULT_SUNO, lyrics="more", source=source, vocal_gender="m"))
    assert sent["metadata"] == {"create_mode": "custom", "vocal_gender": "m"}


@pytest.mark.parametrize(
    "fields",
    [
        {
            "metadata": {
                "negative_tags": "metal",
                "vocal_gender": "f",
                "control_sliders": {"style_weight": 0.65, "weirdness_constraint": 0.4},
            }
        },
        {
            "metadata": {},
            "negative_tags": "metal",
            "vocalGender": "f",
            "styleWeight": "0.65",
            "weirdnessConstraint": 0.4,
        },
    ],
)
async def test_wishes_that_a_clip_repeats_are_read(fields: dict[str, Any]) -> None:
    assert (await clip(**fields)).wishes == Wishes("metal", "f", 0.65, 0.4)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"negative_tags": None, "vocal_gender": None, "control_sliders": None},
        {"negative_tags": ["metal"], "vocal_gender": {}, "control_sliders": "x"},
        {"control_sliders": {"style_weight": "much", "weirdness_constraint": -1}},
    ],
)
async def test_what_a_clip_does_not_repeat_is_no_wish(metadata: dict[str, Any]) -> None:
    assert (await clip(metadata=metadata)).wishes == Wishes()


def test_a_relays_own_name_of_a_model_goes_out_and_comes_back_as_ours() -> None:
    service = Gptge(KEY, "https://api.gpt.ge", names={"suno-v6": "chirp-v6", "suno-v5": "V5"})
    sent = {name: service.prepare(SongRequest(MODELS[name], "x")).body["mv"] for name in MODELS
            if MODELS[name].service == "gptge"}  # fmt: skip
    assert sent["suno-v6"] == "chirp-v6"
    assert sent["suno-v5"] == "V5"
    assert sent["suno-v6-mini"] == "chirp-goose"


def test_a_word_is_sent_as_it_is_whatever_the_relay_calls_its_model() -> None:
    service = Gptge(KEY, "https://api.gpt.ge", names={"suno-v6": "chirp-v6"})
    for word in ("chirp-hawk", "chirp-v7"):
        model = model_named(word)
        assert model is not None
        assert service.prepare(SongRequest(model, "x")).body["mv"] == word


@pytest.mark.parametrize(
    ("word", "name", "made_with"),
    [
        ("relay-six", "suno-v6", "suno-v6"),
        ("RELAY-SIX", "suno-v6", "suno-v6"),
        ("chirp-hawk", "suno-v6", "chirp-hawk"),
        ("V6_WILD", "suno-v6-wild", "V6_WILD"),
        ("chirp-goose", "suno-v5", "suno-v5"),
        ("chirp-new", "chirp-new", "chirp-new"),
    ],
)
async def test_names_are_read_by_those_of_the_relay_first(
    word: str, name: str, made_with: str
) -> None:
    answer = enveloped(task(data=[clip_of(model_name=word)]))
    transport = httpx.MockTransport(lambda _: answer)
    names = {"suno-v6": "relay-six", "suno-v5": "chirp-goose"}
    told = await Gptge(KEY, "https://api.gpt.ge", transport, names=names).fetch(TASK)
    assert (told.model, told.clips[0].made_with) == (name, made_with)


def test_an_instrumental_is_inspiration_mode_without_words() -> None:
    assert body(SongRequest(DEFAULT_SUNO, "x", instrumental=True))["make_instrumental"] is True


def test_own_lyrics_are_custom_mode_with_the_description_as_tags() -> None:
    request = SongRequest(MODELS["suno-v4.5"], "indie pop", lyrics="[Verse]\nTrams", title="Trams")
    assert body(request) == {
        "prompt": "[Verse]\nTrams",
        "title": "Trams",
        "tags": "indie pop",
        "mv": "chirp-auk",
    }


def test_own_lyrics_without_a_description_have_empty_tags() -> None:
    made = body(SongRequest(DEFAULT_SUNO, lyrics="Trams"))
    assert (made["tags"], made["title"]) == ("", "")


def test_an_extension_names_task_clip_and_position() -> None:
    source = Source("clip-1", TASK, duration_s=128.92)
    request = ExtensionRequest(DEFAULT_SUNO, "indie pop", "Verse", source=source, continue_at_s=80)
    assert body(request) == {
        "prompt": "Verse",
        "title": "",
        "tags": "indie pop",
        "mv": "chirp-hawk",
        "task_id": TASK,
        "continue_clip_id": "clip-1",
        "continue_at": 80,
    }


def test_an_extension_without_lyrics_plays_on_without_words_from_the_end() -> None:
    source = Source("clip-1", TASK, duration_s=128.92)
    made = body(ExtensionRequest(DEFAULT_SUNO, "indie pop", source=source))
    assert (made["prompt"], made["continue_at"]) == ("", 128.92)


def test_an_extension_of_a_clip_of_an_unknown_task_says_to_fetch_that_first() -> None:
    request = ExtensionRequest(DEFAULT_SUNO, "x", source=Source("clip-1"), continue_at_s=10)
    with pytest.raises(InvalidRequestError, match="fetch_suno_task"):
        body(request)


def test_lyrics_may_take_two_minutes_to_submit() -> None:
    submission = gptge(enveloped(None)).prepare(LyricsRequest(DEFAULT_SUNO, "trams at noon"))
    assert (submission.path, submission.deadline_s) == ("/suno/submit/lyrics", 130)
    assert submission.body == {"prompt": "trams at noon"}


# Submitting ------------------------------------------------------------------------------------


async def submitted(answer: httpx.Response) -> str:
    provider = gptge(answer)
    accepted = await provider.submit(provider.prepare(SongRequest(DEFAULT_SUNO, "x")))
    await provider.close()
    return accepted.task_id


async def test_what_was_prepared_is_what_is_sent() -> None:
    requests: list[httpx.Request] = []
    provider = gptge(enveloped(TASK), requests)
    submission = provider.prepare(SongRequest(DEFAULT_SUNO, "x"))
    await provider.submit(submission)
    assert json.loads(requests[0].content) == submission.body
    assert requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert str(requests[0].url) == "https://api.gpt.ge/suno/submit/music"


@pytest.mark.parametrize("data", [TASK, "0" * 32, "task_" + "a" * 32, "sh0rt", f" {TASK}\n", 77])
@pytest.mark.parametrize("code", ["success", "SUCCESS", 1, 200])
async def test_an_id_in_any_form_is_accepted(data: object, code: object) -> None:
    assert await submitted(enveloped(data, code)) == str(data).strip()


@pytest.mark.parametrize("data", [{"task_id": TASK}, {"taskId": TASK}, {"id": TASK}])
async def test_an_id_in_an_object_is_accepted(data: object) -> None:
    assert await submitted(enveloped(data)) == TASK


@pytest.mark.parametrize("data", [TASK, TASK.upper(), "0" * 32, "task_" + "a" * 32])
async def test_an_id_beside_an_error_code_is_not_lost(data: str) -> None:
    assert await submitted(enveloped(data, "do_request_failed", 500)) == data


@pytest.mark.parametrize("data", ["prompt_empty", "why it failed", "task_x", {"id": "no"}])
async def test_a_text_beside_an_error_code_is_no_id(data: object) -> None:
    with pytest.raises(RefusedError):
        await submitted(enveloped(data, "invalid_request", 400))


@pytest.mark.parametrize("data", ["", None, True, [], [7], {}, "two words", "\ud800", "..", 1.5])
async def test_success_without_a_usable_id_leaves_a_doubt(data: object) -> None:
    with pytest.raises(UnreadableAnswerError) as caught:
        await submitted(enveloped(data))
    assert caught.value.charged == "unknown"


def gate(message: str, code: object = "", kind: str = "new_api_error") -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "code": code}}


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (400, {"code": "invalid_request", "message": "prompt_empty", "data": None}, RefusedError),
        (400, {"code": "task_not_exist", "message": "task_origin_not_exist"}, RefusedError),
        (403, {"code": "quota_not_enough", "message": "no", "data": None}, OutOfCreditsError),
        (429, {"code": "local:quota_not_enough", "message": "负载已饱和"}, OutOfCreditsError),
        (429, {"code": "fail_to_fetch_task", "message": "负载已饱和", "data": None}, BusyError),
        (500, {"code": "do_request_failed", "message": "请求上游地址失败"}, NoAnswerError),
        (500, {"code": "invalid_request", "message": "prompt is empty"}, NoAnswerError),
        (200, {"code": "error", "message": "Invalid prompt", "data": None}, RefusedError),
        (401, gate("无效的令牌"), BadKeyError),
        (403, gate("用户已被封禁"), BadKeyError),
        (403, gate("no", "insufficient_user_quota"), OutOfCreditsError),
        (404, gate("Invalid URL (POST /suno)"), RefusedError),
        (429, gate("too many"), BusyError),
        (503, gate("无可用渠道", "model_not_found"), StoppedError),
        (503, gate("无可用渠道", None), StoppedError),
        (500, gate("数据库错误，请稍后重试"), StoppedError),
        (502, gate("bad gateway"), StoppedError),
        (504, gate("timeout"), NoAnswerError),
        (408, gate("slow"), RefusedError),
        (409, gate("conflict"), RefusedError),
        (418, gate("teapot"), RefusedError),
        (200, gate("no"), RefusedError),
        (500, gate("Panic detected, error: x", kind="new_api_panic"), NoAnswerError),
        (500, gate("x", kind="new_api_panic"), NoAnswerError),
        (500, gate("PANIC detected"), NoAnswerError),
        (400, gate("Panic detected, error: x"), NoAnswerError),
        (500, gate("dial tcp: i/o timeout", "do_request_failed"), NoAnswerError),
        (500, gate("x", "new_api_panic"), NoAnswerError),
        (500, gate("no") | {"data": "why"}, NoAnswerError),
        (500, gate("no") | {"code": "x", "message": "m"}, NoAnswerError),
        (500, gate("lost", kind="upstream_error"), NoAnswerError),
        (400, gate("bad tags", kind="upstream_error"), RefusedError),
        (500, gate("x", "bad_response_status_code"), NoAnswerError),
        (401, gate("该令牌额度已用尽 (request id: 1)"), OutOfCreditsError),
        (403, gate("该令牌额度已用尽", "pre_consume_token_quota_failed"), OutOfCreditsError),
        (403, {"code": "pre_consume_failed", "message": "预扣费额度失败"}, OutOfCreditsError),
        (413, {"code": "read_request_body_failed", "message": "x", "data": None}, TooLargeError),
        (500, {"code": "build_request_failed", "message": "x", "data": None}, RefusedError),
        (500, {"code": "get_origin_task_failed", "message": "x", "data": None}, RefusedError),
        (500, {"code": "model_price_error", "message": "x", "data": None}, StoppedError),
        (503, gate("模型已下线，请更换模型", "model_offline"), StoppedError),
        (422, {"detail": [{"loc": ["body", "prompt"], "msg": "required"}]}, RefusedError),
        (400, {"detail": "Title is too long"}, RefusedError),
        (401, {"detail": "Not authenticated"}, BadKeyError),
        (500, {"detail": "Not authenticated"}, NoAnswerError),
        (200, {"detail": "Not authenticated"}, UnreadableAnswerError),
        (422, {"errors": {"prompt": ["required"]}}, RefusedError),
        (403, {"cloudflare_error": True, "detail": "x", "status": 403}, BlockedError),
        (522, {"cloudflare_error": True, "detail": "x", "status": 522}, NoAnswerError),
        (200, {"success": False, "error": {"code": "bad", "message": "empty"}}, RefusedError),
        (200, {"success": False, "message": "empty"}, RefusedError),
        (200, {"success": False, "error": {"code": "timeout", "message": "x"}}, NoAnswerError),
        (200, {"success": False, "error": "status code: 502"}, NoAnswerError),
        (500, {"success": False, "error": {"code": "api_error", "message": "x"}}, NoAnswerError),
        (403, {"success": False, "error": {"code": "used_up", "message": "x"}}, OutOfCreditsError),
        (200, {"success": True, "trace_id": "t"}, UnreadableAnswerError),
        (200, {"error_code": 1002, "error_msg": "status code: 503"}, UnreadableAnswerError),
        (400, {"error_code": 1002, "error_msg": "x"}, UnreadableAnswerError),
        (400, {"code": "invalid_request", "data": None}, RefusedError),
        (200, {"code": 402, "msg": "Credits insufficient", "data": None}, OutOfCreditsError),
        (200, {"code": 400, "msg": "The prompt is too long.", "data": None}, RefusedError),
        (200, {"code": 401, "msg": "No access permissions", "data": None}, BadKeyError),
        (200, {"code": 430, "msg": "Your call frequency is too high.", "data": None}, BusyError),
        (200, {"code": 455, "msg": "The site is under maintenance.", "data": None}, StoppedError),
        (200, {"code": 409, "msg": "x", "data": None}, NoAnswerError),
        (200, {"code": 500, "msg": "x", "data": None}, UnreadableAnswerError),
        (400, {"statusCode": 400, "error": "Bad Request", "message": "x"}, RefusedError),
        (500, {"statusCode": 500, "message": "x"}, NoAnswerError),
        (400, {"status": "FAILED", "message": "The balance is insufficient"}, OutOfCreditsError),
        (402, {"errors": [{"msg": "You have no credits left"}]}, OutOfCreditsError),
        (403, {"error": {"code": "forbidden", "message": "flagged by moderation"}}, RefusedError),
        (500, {"code": "fail_to_fetch_task", "message": "model chirp-x is closed"}, StoppedError),
        (400, {"code": "invalid_request"}, UnreadableAnswerError),
        (403, {"code": 403, "message": "Forbidden"}, UnreadableAnswerError),
        (403, {"error": "Forbidden"}, UnreadableAnswerError),
        (400, {"error": "title too long"}, RefusedError),
        (404, {"error": "Not Found", "message": "no route", "path": "/suno"}, RefusedError),
        (400, {"error": "upstream timeout"}, NoAnswerError),
        (500, {"error": "title too long"}, UnreadableAnswerError),
        (200, {"error": "title too long"}, UnreadableAnswerError),
        (400, {"error": "title too long", "trace": "x"}, UnreadableAnswerError),
        (403, {"error": {}}, UnreadableAnswerError),
        (400, {"code": None, "message": "x"}, UnreadableAnswerError),
        (200, ["x"], UnreadableAnswerError),
    ],
)
async def test_what_no_task_comes_of_is_sorted(
    status: int, content: object, kind: type[ServiceError]
) -> None:
    with pytest.raises(ServiceError) as caught:
        await submitted(httpx.Response(status, json=content))
    assert type(caught.value) is kind


async def test_an_error_that_is_null_is_none() -> None:
    accepted = {"success": True, "task_id": "short", "error": None}
    assert await submitted(httpx.Response(200, json=accepted)) == "short"


async def test_cloudflares_page_is_known_far_into_it_and_shown_nowhere() -> None:
    page = f"<!DOCTYPE html>{'<!-- old browsers -->' * 60}<title>Just a moment...</title>"
    with pytest.raises(BlockedError) as caught:
        await submitted(httpx.Response(403, html=page))
    assert "moment" not in str(caught.value)
    with pytest.raises(UnreadableAnswerError, match="a web page"):
        await submitted(httpx.Response(403, html="<html><h1>403 Forbidden</h1>nginx</html>"))


async def test_words_beyond_the_start_of_a_page_prove_nothing() -> None:
    page = f"<!DOCTYPE html>{'<script></script>' * 60} insufficient credits, 额度不足"
    with pytest.raises(UnreadableAnswerError):
        await submitted(httpx.Response(404, html=page))


async def test_the_web_page_of_an_unknown_path_leaves_a_doubt() -> None:
    page = httpx.Response(200, html="<!doctype html><title>V-API</title>")
    with pytest.raises(UnreadableAnswerError, match="a web page"):
        await submitted(page)


async def test_the_address_of_an_upstream_is_in_no_message() -> None:
    message = (
        'Post "https://upstream.example/suno/submit/MUSIC": dial tcp 10.0.0.1:443: i/o timeout'
    )
    with pytest.raises(NoAnswerError) as caught:
        await submitted(httpx.Response(500, json={"code": "do_request_failed", "message": message}))
    assert "upstream.example" not in str(caught.value)
    assert "10.0.0.1" not in str(caught.value)


# Looking at one --------------------------------------------------------------------------------


async def test_a_look_quotes_the_id() -> None:
    requests: list[httpx.Request] = []
    made = await gptge(enveloped(task()), requests).fetch("a/../b?c")
    assert requests[0].url.raw_path == b"/suno/fetch/a%2F..%2Fb%3Fc"
    assert made.task_id == "a/../b?c"


@pytest.mark.parametrize("bad_id", ["", ".", "two words", "\ud800"])
async def test_an_id_that_nobody_gave_out_is_unknown_without_asking(bad_id: str) -> None:
    requests: list[httpx.Request] = []
    with pytest.raises(UnknownTaskError):
        await gptge(enveloped(task()), requests).fetch(bad_id)
    assert requests == []


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (400, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
        (400, {"code": "invalid_request", "message": "task not exist", "data": None}),
        (200, {"code": "task_not_exist", "message": "", "data": None}),
        (404, {"code": "error", "message": "", "data": None}),
        (200, {"code": "success", "message": "", "data": None}),
    ],
)
async def test_a_task_that_gptge_does_not_know_is_unknown(status: int, content: object) -> None:
    with pytest.raises(UnknownTaskError):
        await gptge(httpx.Response(status, json=content)).fetch(TASK)


@pytest.mark.parametrize(
    "data", [{}, "x", 7, True, {"task_id": TASK}, {"task_id": TASK, "status": ""}, {"status": None}]
)
async def test_a_task_without_a_status_cannot_be_read(data: object) -> None:
    with pytest.raises(UnreadableAnswerError, match=r"gpt\.ge answered, but data"):
        await gptge(enveloped(data)).fetch(TASK)


@pytest.mark.parametrize("body", [{"success": True}, {"success": True, "data": None}])
async def test_a_flag_without_a_task_does_not_say_that_it_is_unknown(body: object) -> None:
    with pytest.raises(UnreadableAnswerError):
        await gptge(httpx.Response(200, json=body)).fetch(TASK)


async def test_an_error_object_is_an_error_even_with_a_good_status() -> None:
    with pytest.raises(RefusedError, match="数据库错误"):
        await gptge(httpx.Response(200, json=gate("数据库错误"))).fetch(TASK)


async def test_a_web_page_at_a_look_costs_nothing() -> None:
    with pytest.raises(UnreadableAnswerError) as caught:
        await gptge(httpx.Response(200, html="<html>")).fetch(TASK)
    assert caught.value.charged == "no"


async def test_a_list_of_tasks_is_searched_for_the_one() -> None:
    tasks = [task(task_id=OTHER, status="FAILURE"), task(status="QUEUED")]
    assert (await gptge(enveloped(tasks)).fetch(TASK)).status == "pending"


async def test_a_list_of_one_task_under_another_id_is_that_task() -> None:
    made = await gptge(enveloped([task(task_id=OTHER, status="QUEUED")])).fetch(TASK)
    assert (made.task_id, made.status) == (TASK, "pending")


# Status, kind, model ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NOT_START", "pending"),
        ("SUBMITTED", "pending"),
        ("QUEUED", "pending"),
        ("PENDING", "pending"),
        ("IN_PROGRESS", "processing"),
        ("processing", "processing"),
        ("UNKNOWN", "processing"),
        ("HOLIDAY", "processing"),
        ("SUCCESS", "completed"),
        ("COMPLETE", "completed"),
        ("complete", "completed"),
        ("FAILURE", "failed"),
        ("FAILED", "failed"),
        ("error", "failed"),
    ],
)
async def test_only_known_ends_are_ends(word: str, status: str) -> None:
    made = await report(status=word)
    assert (made.status, made.provider_status) == (status, word)


@pytest.mark.parametrize("code", ["success", 1, "1", 200], ids=repr)
async def test_the_code_of_success_has_many_forms(code: object) -> None:
    assert (await gptge(enveloped(task(), code)).fetch(TASK)).status == "completed"


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        ("0%", 0),
        ("40%", 40),
        ("100", 100),
        (7, 7),
        (6.9, 6),
        ("", None),
        (None, None),
        ("half", None),
        ("101%", None),
        (-1, None),
        (True, None),
        ([], None),
        ("nan%", None),
    ],
)
async def test_progress_is_a_percentage_or_not_known(value: object, percent: int | None) -> None:
    assert (await report(progress=value)).progress_percent == percent


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "song"),
        ({"action": ""}, "song"),
        ({"action": "UPLOAD", "data": None}, "other"),
        ({"action": "CONCAT"}, "song"),
        ({"data": [clip_of(metadata={"history": [{"id": "c0", "continue_at": 80}]})]}, "extension"),
        ({"data": [clip_of(metadata={"task": "extend"})]}, "extension"),
        ({"action": "LYRICS", "data": None}, "lyrics"),
        ({"action": "lyrics", "data": {"text": "La"}}, "lyrics"),
        ({"action": None, "data": {"text": "La", "title": "T"}}, "lyrics"),
    ],
)
async def test_the_kind_is_told_from_action_and_clips(fields: dict[str, Any], kind: str) -> None:
    assert (await report(**fields)).kind == kind


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"model_name": "chirp-v3-5"}, "suno-v3.5"),
        ({"model_name": "chirp-crow"}, "suno-v5"),
        ({"model_name": "chirp-v3"}, "chirp-v3"),
        ({"model_name": "", "major_model_version": "v3.5"}, "suno-v3.5"),
        ({"model_name": None, "major_model_version": "v9"}, "chirp-v9"),
        ({"model_name": "music-u"}, "music-u"),
        ({"model_name": "", "major_model_version": ""}, ""),
    ],
)
async def test_the_model_is_ours_where_the_table_has_its_name(
    fields: dict[str, Any], model: str
) -> None:
    assert (await report(data=[clip_of(**fields)])).model == model


# Clips -----------------------------------------------------------------------------------------


async def test_a_complete_clip_is_completed() -> None:
    made = await clip(
        image_url="https://cdn2.example/image_b1.jpeg",
        image_large_url="https://cdn2.example/image_large_b1.jpeg",
        video_url="https://cdn1.example/b1.mp4",
        metadata={"tags": "indie pop", "prompt": "[Verse]\nTrams", "duration": 128.92},
    )
    assert made == Clip(
        clip_id="clip-1",
        status="completed",
        title="Trams",
        service_title="Trams",
        duration_s=128.92,
        audio_url=AUDIO,
        image_url="https://cdn2.example/image_b1.jpeg",
        video_url="https://cdn1.example/b1.mp4",
        tags=("indie pop",),
        lyrics="[Verse]\nTrams",
        made_with="chirp-v3",
    )


@pytest.mark.parametrize("word", ["submitted", "queued", "streaming", "whatever", ""])
async def test_a_preview_is_never_handed_out(word: str) -> None:
    made = await clip("IN_PROGRESS", status=word)
    assert (made.status, made.audio_url) == ("processing", "")


async def test_complete_clips_do_not_end_the_task() -> None:
    made = await report(status="IN_PROGRESS", data=[clip_of(), clip_of(id="clip-2")])
    assert made.status == "processing"
    assert [c.status for c in made.clips] == ["completed", "completed"]


async def test_a_clip_without_a_status_is_as_final_as_its_task() -> None:
    assert (await clip("SUCCESS", status="")).status == "completed"


@pytest.mark.parametrize("word", ["complete", "streaming", "ready", "error", ""])
async def test_a_clip_without_a_link_at_the_end_failed(word: str) -> None:
    made = await clip("SUCCESS", status=word, audio_url="")
    assert (made.status, made.audio_url) == ("failed", "")
    assert made.error == "The service delivered no finished audio for this clip."


@pytest.mark.parametrize("of_task", ["SUCCESS", "FAILURE"])
@pytest.mark.parametrize("word", ["complete", "streaming", "ready", "queued", "error", "", "歌"])
async def test_at_the_end_of_its_task_each_link_counts(of_task: str, word: str) -> None:
    made = await clip(of_task, status=word)
    assert (made.status, made.audio_url, made.error) == ("completed", AUDIO, "")


@pytest.mark.parametrize("word", ["complete", "streaming", "error", ""])
@pytest.mark.parametrize(
    "metadata",
    [
        {"error_message": "shortened to the model's limit"},
        {"error_type": "shortened to the model's limit"},
        {"error_type": "none", "error_message": "shortened to the model's limit"},
    ],
)
async def test_words_beside_a_link_are_a_remark(word: str, metadata: dict[str, Any]) -> None:
    made = await clip("SUCCESS", status=word, metadata=metadata)
    assert (made.status, made.audio_url) == ("completed", AUDIO)
    assert made.remark == "shortened to the model's limit"


@pytest.mark.parametrize("words", ["none", "None", "no error", "No errors.", "null", "ok", "0"])
async def test_words_that_say_that_nothing_is_wrong_are_no_error(words: str) -> None:
    metadata = {"error_type": "none", "error_message": words}
    assert (await clip("SUCCESS", metadata=metadata)).error == ""
    assert (await clip("IN_PROGRESS", metadata=metadata)).status == "completed"


async def test_one_bad_clip_fails_alone() -> None:
    words = {"error_message": "flagged"}
    bad = clip_of(id="clip-2", status="error", audio_url="", metadata=words)
    made = await report(data=[clip_of(), bad])
    assert (made.status, made.error) == ("completed", "")
    assert [(c.status, c.error) for c in made.clips] == [("completed", ""), ("failed", "flagged")]


async def test_an_error_type_is_an_error_where_nothing_says_more() -> None:
    made = await clip(status="error", metadata={"error_type": "moderation_failure"})
    assert made.error == "moderation_failure"


@pytest.mark.parametrize("data", [None, [], {}, "", "x", 7])
async def test_a_completed_task_without_clips_says_so(data: object) -> None:
    made = await report(data=data)
    assert (made.status, made.clips) == ("completed", ())
    assert made.error == "gpt.ge calls the task completed, but gave no audio."


@pytest.mark.parametrize("data", [None, [], {}])
async def test_a_running_task_may_have_no_clips_yet(data: object) -> None:
    made = await report(status="IN_PROGRESS", data=data)
    assert (made.status, made.clips, made.error) == ("processing", (), "")


async def test_a_map_of_clips_is_read_too() -> None:
    made = await report(data={"clip-9": clip_of(id="")})
    assert [c.clip_id for c in made.clips] == ["clip-9"]


async def test_a_task_that_does_not_say_what_it_makes_is_a_song() -> None:
    fields = {name: value for name, value in task(status="QUEUED").items() if name != "action"}
    made = await gptge(enveloped(fields | {"data": None})).fetch(TASK)
    assert (made.kind, made.status) == ("song", "pending")


@pytest.mark.parametrize(
    "key",
    ["task_id", "taskId", "action", "progress", "fail_reason", "failReason", "submit_time"],
)
async def test_each_field_of_a_task_tells_that_it_is_one(key: str) -> None:
    made = await gptge(enveloped([{"status": "FAILURE", key: "1"}])).fetch(TASK)
    assert (made.status, made.provider_status) == ("failed", "FAILURE")


async def test_a_clip_of_a_failed_task_is_not_on_its_way() -> None:
    made = await report(status="FAILURE", data=[clip_of(status="streaming", audio_url="")])
    assert [each.status for each in made.clips] == ["failed"]


class Closable(httpx.MockTransport):
    """A transport that tells whether it was closed."""

    is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True


async def test_closing_lets_the_connections_go() -> None:
    transport = Closable(lambda request: enveloped(task()))
    provider = Gptge(KEY, "https://api.gpt.ge", transport)
    await provider.fetch(TASK)
    assert not transport.is_closed
    await provider.close()
    assert transport.is_closed


# A bare Suno-API -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["complete", "complete"], "completed"),
        (["complete", "error"], "completed"),
        (["error", "error"], "failed"),
        (["complete", "streaming"], "processing"),
        (["complete", ""], "processing"),
        ([], "processing"),
    ],
)
async def test_bare_clips_end_together(words: list[str], status: str) -> None:
    clips = [clip_of(id=f"clip-{n}", status=word) for n, word in enumerate(words)]
    made = await gptge(enveloped(clips)).fetch(TASK)
    assert (made.task_id, made.status, made.kind) == (TASK, status, "song")
    assert len(made.clips) == len(words)
    if status == "processing":
        assert made.provider_status == "processing"


async def test_one_bare_clip_is_read_too() -> None:
    made = await gptge(enveloped(clip_of())).fetch(TASK)
    assert [c.audio_url for c in made.clips] == [AUDIO]


@pytest.mark.parametrize(
    ("data", "status", "lyrics"),
    [
        ({"status": "complete", "title": "T", "text": "La"}, "completed", Lyrics("T", "La")),
        ({"title": "T", "text": "La"}, "completed", Lyrics("T", "La")),
        ({"status": "submitted", "title": "", "text": ""}, "pending", None),
    ],
)
async def test_bare_lyrics_are_read(data: object, status: str, lyrics: Lyrics | None) -> None:
    made = await gptge(enveloped(data)).fetch(TASK)
    assert (made.kind, made.status, made.lyrics) == ("lyrics", status, lyrics)


async def test_completed_lyrics_are_an_object() -> None:
    data = {"id": "x", "status": "complete", "title": "Trams", "text": "[Verse]\nTrams"}
    made = await report(action="LYRICS", data=data)
    assert (made.kind, made.clips) == ("lyrics", ())
    assert made.lyrics == Lyrics("Trams", "[Verse]\nTrams")


async def test_completed_lyrics_without_words_say_so() -> None:
    made = await report(action="LYRICS", data={"text": ""})
    assert made.error == "gpt.ge calls the task completed, but gave no lyrics."


# Failure, money, time --------------------------------------------------------------------------


FLAGGED = [clip_of(status="error", audio_url="", metadata={"error_message": "flagged"})]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"fail_reason": "time out"}, "time out"),
        ({"fail_reason": "time out", "data": None}, "time out"),
        ({"fail_reason": "flagged", "data": FLAGGED}, "flagged"),
        ({"fail_reason": "", "data": FLAGGED}, "flagged"),
        ({"data": None, "fail_reason": "failed; quota returned"}, "failed; quota returned"),
        ({"data": None, "fail_reason": "渠道异常，已退款"}, "渠道异常，已退款"),
        ({"data": None, "fail_reason": "已自动退还额度"}, "已自动退还额度"),
        ({"data": None, "fail_reason": "Refunded."}, "Refunded."),
        ({"data": None, "fail_reason": "任务超时（60分钟）"}, "任务超时（60分钟）"),
    ],
)
async def test_a_failure_that_is_known_to_be_given_back_is_free(
    fields: dict[str, Any], error: str
) -> None:
    made = await report(status="FAILURE", **fields)
    assert (made.error, made.charged) == (error, "no")


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "because of the words",
        "获取渠道信息失败，请联系管理员，渠道ID：7",
        "Failed to get channel info, channel ID: 7",
        "任务超时（旧系统遗留任务，不进行退款，请联系管理员）",
        "任务超时，未退款",
        "task timeout",
        "timed out after 60 minutes, no refund",
        "not refunded",
        "This was not refunded.",
        "It wasn't refunded",
        "will be refunded",
        "may be refunded if you ask",
        "联系管理员退款",
        "credits returned? ask support, they might be",
        "time out, time out",
        "no luck; quota returned",
        "Song Description flagged for moderation: credits refunded blues",
        "Refund failed: credits refunded 0",
        "Were credits refunded? Ask support.",
        "Half of the credits were refunded",
        "credits partially refunded",
        "已退款50%",
    ],
)
@pytest.mark.parametrize("data", [None, [], [clip_of(status="streaming", audio_url="")]], ids=repr)
async def test_whether_any_other_failure_was_given_back_is_not_known(
    reason: str, data: object
) -> None:
    assert (await report(status="FAILURE", fail_reason=reason, data=data)).charged == "unknown"


async def test_a_reason_that_is_not_the_upstreams_is_not_made_so_by_its_clips() -> None:
    made = await report(status="FAILURE", fail_reason="channel lost", data=FLAGGED)
    assert (made.error, made.charged) == ("channel lost", "unknown")


@pytest.mark.parametrize(
    ("quota", "units"), [(50_000, 0.1), ("500000", 1.0), (0, None), (None, None), (-5, None)]
)
async def test_a_quota_is_told_in_the_gateways_own_unit(quota: object, units: float | None) -> None:
    made = await report(quota=quota)
    assert (made.cost_units, made.cost_usd) == (units, None)
    assert made.charged == ("yes" if units else "unknown")


async def test_a_fail_reason_before_the_failure_is_none() -> None:
    made = await report(status="IN_PROGRESS", fail_reason="time out")
    assert (made.status, made.error, made.charged) == ("processing", "", "unknown")


async def test_what_a_finished_task_cost_is_not_told() -> None:
    made = await report()
    assert (made.charged, made.cost_usd) == ("unknown", None)


MOMENT = datetime(2024, 9, 21, 9, 43, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1726911801, MOMENT),
        (1726911801000, MOMENT),
        ("1726911801", MOMENT),
        ("2024-09-21T09:43:21Z", MOMENT),
        (0, None),
        ("", None),
        (None, None),
        (-1, None),
        (10**40, None),
        (True, None),
    ],
)
async def test_times_are_seconds_or_milliseconds(value: object, moment: datetime | None) -> None:
    made = await report(submit_time=value, finish_time=value)
    assert (made.created_at, made.finished_at) == (moment, moment)


async def test_sisters_write_in_camel_case() -> None:
    fields = {"taskId": TASK, "status": "FAILURE", "submitTime": 1726911801000}
    answer = enveloped([fields | {"failReason": "time out"}])
    [made] = (await gptge(answer).fetch_many([TASK])).values()
    assert (made.created_at, made.error) == (MOMENT, "time out")


@pytest.mark.parametrize("junk", [None, 7, [], {}, True], ids=repr)
@pytest.mark.parametrize("field", ["action", "fail_reason", "submit_time", "progress", "data"])
async def test_a_field_of_a_wrong_type_spoils_nothing(field: str, junk: object) -> None:
    assert (await report(**{field: junk})).status == "completed"


@pytest.mark.parametrize("junk", [None, 7, [], "x", True], ids=repr)
@pytest.mark.parametrize("field", ["metadata", "title", "model_name", "image_url", "handle"])
async def test_a_field_of_a_clip_of_a_wrong_type_spoils_nothing(field: str, junk: object) -> None:
    assert (await clip(**{field: junk})).status == "completed"


async def test_accounts_and_channels_are_in_nothing_that_is_kept() -> None:
    made = await report(user_id=998877, channel_id=998877, data=[clip_of(user_id="u-998877")])
    assert "998877" not in repr(made)


# Looking at several ----------------------------------------------------------------------------


async def several(data: object, *ids: str) -> dict[str, Report]:
    return dict(await gptge(enveloped(data)).fetch_many(ids))


async def test_several_tasks_are_one_call() -> None:
    requests: list[httpx.Request] = []
    provider = gptge(enveloped([task(task_id=OTHER), task()]), requests)
    reports = await provider.fetch_many([TASK, OTHER])
    assert set(reports) == {TASK, OTHER}
    assert [(r.method, r.url.path) for r in requests] == [("POST", "/suno/fetch")]
    assert json.loads(requests[0].content) == {"ids": [TASK, OTHER]}
    assert isinstance(provider, Batching)


async def test_no_tasks_are_no_call() -> None:
    requests: list[httpx.Request] = []
    assert await gptge(enveloped(None), requests).fetch_many([]) == {}
    assert requests == []


@pytest.mark.parametrize("data", [None, [], {}, [None, 7, {}], [task(task_id=OTHER)]])
async def test_tasks_that_are_left_out_are_not_in_the_answer(data: object) -> None:
    assert await several(data, TASK) == {}


async def test_a_single_task_in_place_of_a_list_is_read() -> None:
    assert set(await several(task(), TASK)) == {TASK}


async def test_a_task_that_cannot_be_read_spoils_no_other() -> None:
    unread = task(status=None, data=None)
    assert set(await several([unread, task(task_id=OTHER)], TASK, OTHER)) == {OTHER}


@pytest.mark.parametrize("data", ["x", 7, [task(status=None, data=None)]])
async def test_an_answer_of_which_nothing_can_be_read_is_an_error(data: object) -> None:
    with pytest.raises(UnreadableAnswerError):
        await several(data, TASK)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(401, json=gate("无效的令牌")), BadKeyError),
        (httpx.Response(400, json={"code": "task_not_exist", "message": "x"}), RefusedError),
        (httpx.Response(502, text="Bad gateway"), UnreadableAnswerError),
    ],
)
async def test_a_failed_look_at_several_is_a_service_error(
    answer: httpx.Response, kind: type[ServiceError]
) -> None:
    with pytest.raises((ServiceError, NotFoundError)) as caught:
        await gptge(answer).fetch_many([TASK])
    assert type(caught.value) is kind
    assert caught.value.charged == "no"


# A relay without the look at several --------------------------------------------------------------


class Relay(httpx.AsyncBaseTransport):
    """Answers looks at single tasks, and each look at several with `batch`."""

    def __init__(self, batch: httpx.Response, alone: Callable[[str], httpx.Response]) -> None:
        self.batches = 0
        self.asked: list[str] = []
        self.batch = batch
        self.alone = alone

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.batches += 1
            return httpx.Response(
                self.batch.status_code, headers=self.batch.headers, content=self.batch.content
            )
        task_id = request.url.path.rpartition("/")[2]
        self.asked.append(task_id)
        return self.alone(task_id)


def known(task_id: str) -> httpx.Response:
    return enveloped(task(task_id=task_id))


IDS = [f"t{number}" for number in range(12)]
WITHOUT_BATCH = [
    httpx.Response(404, text="404 page not found"),
    httpx.Response(404, json={"detail": "Not Found"}),
    httpx.Response(404, json={"code": "task_not_exist", "message": "", "data": None}),
    httpx.Response(405, json={"detail": "Method Not Allowed"}),
    httpx.Response(200, html="<!doctype html><title>V-API</title>"),
    httpx.Response(404, json=gate("Invalid URL (POST /suno/fetch)")),
    httpx.Response(503, json=gate("分组 default 下模型 suno_fetch 无可用渠道", "model_not_found")),
    httpx.Response(400, json=gate("invalid request")),
    httpx.Response(501, json=gate("API not implemented", "api_not_implemented")),
]


@pytest.mark.parametrize("batch", WITHOUT_BATCH)
async def test_a_relay_without_the_look_at_several_is_asked_one_by_one_for_an_hour(
    batch: httpx.Response,
) -> None:
    relay, hour = Relay(batch, known), [5_000.0]
    provider = Gptge(KEY, "https://api.gpt.ge", relay, now=lambda: hour[0])
    assert sorted(await provider.fetch_many(IDS)) == sorted(IDS)
    assert (relay.batches, sorted(relay.asked)) == (1, sorted(IDS))
    hour[0] += 3_599
    await provider.fetch_many(IDS[:2])
    assert (relay.batches, relay.asked[12:]) == (1, IDS[:2])
    hour[0] += 1
    await provider.fetch_many(IDS[:2])
    assert relay.batches == 2


@pytest.mark.parametrize(
    ("batch", "kind"),
    [
        (httpx.Response(502, html="<html>Bad gateway"), UnreadableAnswerError),
        (httpx.Response(403, html="<html>Forbidden"), UnreadableAnswerError),
        (httpx.Response(200, content=b'{"code": "succ'), UnreadableAnswerError),
        (httpx.Response(500, json={"code": "get_tasks_failed", "message": "x"}), NoAnswerError),
        (httpx.Response(500, json=gate("Panic detected", kind="new_api_panic")), NoAnswerError),
        (httpx.Response(401, json=gate("无效的令牌")), BadKeyError),
        (httpx.Response(403, json=gate("用户已被封禁")), BadKeyError),
        (httpx.Response(429, json=gate("too many")), BusyError),
    ],
)
async def test_a_look_at_several_that_fails_otherwise_is_made_again_next_time(
    batch: httpx.Response, kind: type[ServiceError]
) -> None:
    relay = Relay(batch, known)
    provider = Gptge(KEY, "https://api.gpt.ge", relay)
    for batches in (1, 2):
        with pytest.raises(kind):
            await provider.fetch_many(IDS)
        assert (relay.batches, relay.asked) == (batches, [])


async def alone(answers: Callable[[str], httpx.Response]) -> tuple[Relay, set[str]]:
    relay = Relay(WITHOUT_BATCH[0], answers)
    return relay, set(await Gptge(KEY, "https://api.gpt.ge", relay).fetch_many(IDS))


async def test_one_by_one_a_task_that_is_unknown_or_cannot_be_read_is_left_out() -> None:
    def answers(task_id: str) -> httpx.Response:
        if task_id == "t3":
            return httpx.Response(400, json={"code": "task_not_exist", "message": "", "data": None})
        return httpx.Response(200, html="<html>") if task_id == "t5" else known(task_id)

    relay, found = await alone(answers)
    assert found == set(IDS) - {"t3", "t5"}
    assert sorted(relay.asked) == sorted(IDS)


async def test_one_by_one_looks_end_when_they_only_fail() -> None:
    relay = Relay(WITHOUT_BATCH[0], lambda _: httpx.Response(502, html="<html>"))
    with pytest.raises(UnreadableAnswerError):
        await Gptge(KEY, "https://api.gpt.ge", relay).fetch_many(IDS)
    assert len(relay.asked) < len(IDS)


async def test_one_by_one_looks_end_when_they_are_too_many() -> None:
    def answers(task_id: str) -> httpx.Response:
        return known(task_id) if task_id == "t0" else httpx.Response(429, json=gate("slow down"))

    relay, found = await alone(answers)
    assert found == {"t0"}
    assert len(relay.asked) < len(IDS)
