"""The money rules, row by row; sources: docs/providers.md 2.6, 3.3 and 4.6 to 4.8."""

import json
import re
from dataclasses import replace

import pytest

from song_mcp.errors import (
    BadKeyError,
    BlockedError,
    BusyError,
    MisdirectedError,
    NoAnswerError,
    OutOfCreditsError,
    PlanLimitError,
    RefusedError,
    SongError,
    StoppedError,
    TooLargeError,
    UnknownTaskError,
    UnreadableAnswerError,
)
from song_mcp.providers.http import Reply
from song_mcp.providers.verdict import Envelope, accepted_id, check_look, unknown_task

TASK = "11111111-2222-4333-8444-555555555555"
DOUBTFUL_STATUSES = [408, 409, 425, 499, 500, 502, 503, 524]
ODD_STATUSES = [200, 201, 302, 400, 401, 402, 403, 404, 405, 422, 429, *DOUBTFUL_STATUSES]


def replied(
    status: int, text: str = "", retry_after_s: float | None = None, *, is_json: bool = True
) -> Reply:
    return Reply(status, None, text, retry_after_s, is_json)


def html(status: int, text: str = "<html>Bad gateway") -> Reply:
    return replied(status, text, is_json=False)


def said(message: str, code: str = "400") -> Envelope:
    return Envelope(code=code, message=message, is_service=True)


def refusal(reply: Reply, envelope: Envelope) -> SongError:
    with pytest.raises(SongError) as caught:
        accepted_id("gptge", reply, envelope)
    return caught.value


def failed_look(reply: Reply, envelope: Envelope, task_id: str = TASK) -> SongError:
    with pytest.raises(SongError) as caught:
        check_look("gptge", reply, envelope, task_id=task_id)
    return caught.value


# Submissions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ODD_STATUSES)
def test_an_id_in_the_services_form_is_accepted_whatever_the_status(status: int) -> None:
    envelope = Envelope(TASK, "500", "insufficient credits", is_service=True)
    assert accepted_id("piapi", replied(status), envelope) == TASK


def test_an_id_that_the_adapter_found_is_accepted_in_an_answer_of_any_form() -> None:
    assert accepted_id("gptge", replied(500), Envelope(TASK)) == TASK


REFUSED_BY_CODE = [
    ("whatever it says", "model_not_found", StoppedError),
    ("", "quota_not_enough", OutOfCreditsError),
    ("", "insufficient_user_quota", OutOfCreditsError),
    ("", "pre_consume_token_quota_failed", OutOfCreditsError),
    ("", "insufficient_quota", OutOfCreditsError),
    ("", "model_price_error", StoppedError),
    ("", "channel_no_available_key", StoppedError),
    ("", "channel:no_available_key", StoppedError),
    ("no channel", "get_channel_failed", StoppedError),
    ("saturated", "local:quota_not_enough", OutOfCreditsError),
    ("saturated", "Quota_Not_Enough ", OutOfCreditsError),
]
REFUSED_BY_WORDS = [
    ("Service is under maintenance", "400", StoppedError),
    ("this model: service stopped", "400", StoppedError),
    ("No available channel for model suno_music", "no", StoppedError),
    ("分组 default 下模型 suno_music 无可用渠道", "no", StoppedError),
    ("Insufficient credits", "402", OutOfCreditsError),
    ("the account doesn't have enough credits", "400", OutOfCreditsError),
    ("the account doesn\u2019t have enough credits", "400", OutOfCreditsError),
    ("the quota is not enough", "no", OutOfCreditsError),
    ("用户额度不足, 剩余额度: 0", "no", OutOfCreditsError),
    ('{"code":"quota_not_enough","message":"no"}', "fail_to_fetch_task", OutOfCreditsError),
    ('upstream: {"error":{"code":"insufficient_user_quota"}}', "x", OutOfCreditsError),
    ('{"message":"{\\"code\\":\\"local:quota_not_enough\\"}"}', "x", OutOfCreditsError),
    ("active task count 2 has reached the plan limit", "429", PlanLimitError),
    ("该令牌额度已用尽 (request id: 1)", "no", OutOfCreditsError),
    ("预扣费额度失败, 用户剩余额度: ＄0.01", "pre_consume_failed", OutOfCreditsError),
    ("insufficient user quota", "no", OutOfCreditsError),
    ("You exceeded your current quota, please check your plan", "no", OutOfCreditsError),
    ("账户余额不足", "no", OutOfCreditsError),
    ("pre-consume quota failed, user quota: 0.05", "no", OutOfCreditsError),
    ("Unsupported model chirp-v2", "no", StoppedError),
    ("Model fixed price not configured", "no", StoppedError),
    ("模型 suno_music 倍率或价格未配置，请联系管理员", "no", StoppedError),
]
QUOTA_CODES = [
    "quota_not_enough",
    "insufficient_user_quota",
    "pre_consume_token_quota_failed",
    "insufficient_quota",
    "insufficient_balance",
    "token_quota_exhausted",
    "used_up",
]
STOPPED_CODES = [
    "model_not_found",
    "model_price_error",
    "paid_upsell",
    "channel_no_available_key",
    "channel:no_available_key",
    "channel:invalid_key",
]
UNSENT_CODES = [
    "read_request_body_failed",
    "bad_request_body",
    "build_request_failed",
    "model_mapping_failed",
    "get_origin_task_failed",
    "task_origin_not_exist",
    "task_not_exist",
    "channel_not_found",
    "task_channel_disable",
    "gen_relay_info_failed",
    "convert_request_failed",
    "invalid_api_platform",
    "sensitive_words_detected",
    "count_token_failed",
    "channel:model_mapped_error",
    "channel:param_override_invalid",
    "channel:header_override_invalid",
]
DOUBTFUL_CODES = [
    "do_request_failed",
    "unmarshal_response_body_failed",
    "10000",
    "panic",
    "read_response_body_failed",
    "copy_response_body_failed",
    "bad_response_status_code",
    "bad_response",
    "bad_response_body",
    "empty_response",
    "gateway_timeout",
    "time_out",
    "timed_out",
    "internal_error",
    "duplicate_request",
    "already_exists",
]
QUOTA_TEXTS = [
    "insufficient credits",
    "insufficient balance",
    "insufficient quota",
    "insufficient user quota",
    "it doesn't have enough credits",
    "not enough credits",
    "account credit not enough",
    "out of credits",
    "the quota is not enough",
    "point quota not enough",
    "You exceeded your current quota",
    "quota exhausted",
    "Your quota has been exhausted",
    "the quota is used up",
    "pre-consume quota failed",
    "用户额度不足",
    "该令牌额度已用尽",
    "额度用尽",
    "额度用完",
    "预扣费额度失败",
    "余额不足",
]
STOPPED_TEXTS = [
    "Service is under maintenance",
    "service stopped",
    "No available channel for it",
    "无可用渠道",
    "Model fixed price not configured",
    "Unsupported model x",
    "model not found",
    "model is not available",
    "model is not supported",
    "model not supported",
    "模型不存在",
    "不支持的模型",
    "模型不可用",
]
KEYS_THAT_ARE_RIGHT = {
    "it has expired": ["该令牌已过期", "token has expired", "token expired", "the key has expired"],
    "it is disabled": [
        *("该令牌状态不可用", "令牌已被禁用", "令牌已禁用"),
        *("token is disabled", "token has been disabled", "the key is disabled"),
    ],
    "its account is blocked": ["用户已被封禁", "user has been banned", "user is banned"],
    "from this network": ["您的 IP 不在令牌允许访问的列表中"],
    "for this model": ["该令牌无权访问模型 x", "token has no access to model x"],
}


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (QUOTA_CODES, OutOfCreditsError),
        (STOPPED_CODES, StoppedError),
        (UNSENT_CODES, RefusedError),
        (DOUBTFUL_CODES, NoAnswerError),
    ],
)
def test_each_code_that_is_known_decides(codes: list[str], kind: type[SongError]) -> None:
    for code in codes:
        assert type(refusal(replied(500), said("x", code))) is kind, code
        assert type(refusal(replied(400), said("x", code))) is kind, code


@pytest.mark.parametrize(
    ("texts", "kind"), [(QUOTA_TEXTS, OutOfCreditsError), (STOPPED_TEXTS, StoppedError)]
)
def test_each_text_that_is_known_decides(texts: list[str], kind: type[SongError]) -> None:
    for text in texts:
        assert type(refusal(replied(403), said(text, "x"))) is kind, text
        assert type(refusal(replied(500), gate(text))) is kind, text
        assert type(refusal(replied(500), said(text, "x"))) is NoAnswerError, text


@pytest.mark.parametrize(("state", "texts"), KEYS_THAT_ARE_RIGHT.items())
def test_each_thing_that_is_wrong_with_a_key_is_told(state: str, texts: list[str]) -> None:
    for text in texts:
        assert f"{state} (it said" in str(refusal(replied(401), said(text, ""))), text
        echo = sending(replied(401), f"a song: {text}")
        assert f"{state} (it said" not in str(refusal(echo, said(text, ""))), text


RETIRED = [
    "You don't have access to this model. Please switch to v6!",
    "You don\u2019t have access to this model",
    "You do not have access to model chirp-crow",
    "please switch to v6",
    "please upgrade to Suno V6",
    "The music-u model has been discontinued",
    "model chirp-v4 is deprecated and will be removed",
    "chirp-v3-5 is no longer available",
    "This model was retired",
    "the version is no longer supported",
    "You asked for a deprecated model",
    "该模型已下线，请更换模型",
    "模型 chirp-v4 已下架",
    "chirp-v3-5 不再支持",
    "此模型已经停用",
    "Suno v4 has been retired",
]
NOT_RETIRED = [
    "the upstream account has been removed",
    "the connection was shut down",
    "the worker of this model failed",
    "model is overloaded, try later",
    "用户已停用",
    "model error",
]


@pytest.mark.parametrize("status", ODD_STATUSES)
@pytest.mark.parametrize(("message", "code", "kind"), REFUSED_BY_CODE)
def test_the_code_of_a_known_refusal_wins_over_the_status_it_comes_with(
    status: int, message: str, code: str, kind: type[SongError]
) -> None:
    error = refusal(replied(status), said(message, code))
    assert type(error) is kind
    assert error.charged == "no"


@pytest.mark.parametrize("status", ODD_STATUSES)
@pytest.mark.parametrize(("message", "code", "kind"), REFUSED_BY_WORDS)
def test_the_words_of_a_known_refusal_win_only_over_a_status_without_a_doubt(
    status: int, message: str, code: str, kind: type[SongError]
) -> None:
    is_doubtful = status in DOUBTFUL_STATUSES
    if (status, message) == (503, "Service is under maintenance"):  # that is documented
        is_doubtful = False
    error = refusal(replied(status), said(message, code))
    assert type(error) is (NoAnswerError if is_doubtful else kind)
    assert error.charged == ("unknown" if is_doubtful else "no")


@pytest.mark.parametrize("code", ["", "0", "1", "200", "ok", "OK", "success"])
def test_the_words_of_a_refusal_beside_a_code_of_success_prove_nothing(code: str) -> None:
    error = refusal(replied(200), said("insufficient credits", code))
    assert type(error) is UnreadableAnswerError


@pytest.mark.parametrize("code", ["do_request_failed", "10000", "gateway_timeout", "time_out"])
@pytest.mark.parametrize("status", [200, 400, 402, 403])
def test_a_code_that_leaves_a_doubt_wins_over_words_and_status(status: int, code: str) -> None:
    assert type(refusal(replied(status), said("insufficient credits", code))) is NoAnswerError


def sending(reply: Reply, text: str) -> Reply:
    return replace(reply, sent={"input": {"prompt": text}, "tags": ["waltz"]})


@pytest.mark.parametrize(("message", "code", "kind"), REFUSED_BY_WORDS)
def test_words_that_were_sent_do_not_count(message: str, code: str, kind: type[SongError]) -> None:
    by_status = BusyError if code == "429" else OutOfCreditsError if code == "402" else RefusedError
    error = refusal(
        sending(replied(int(code) if code.isdecimal() else 400), message), said(message, code)
    )
    assert type(error) is by_status
    assert type(refusal(sending(html(400, message), message), Envelope())) is UnreadableAnswerError
    assert issubclass(kind, RefusedError)


def test_a_second_limit_that_nobody_sent_counts() -> None:
    told = "active task count 2 has reached the plan limit"
    reply = sending(replied(400), told)
    assert type(refusal(reply, said(f"{told}: {told.replace('2', '3')}"))) is PlanLimitError


def test_maintenance_beside_other_words_or_another_doubtful_status_leaves_a_doubt() -> None:
    told = "Service is under maintenance"
    assert type(refusal(replied(503), said(f"{told}.", "503"))) is StoppedError
    assert type(refusal(replied(503), said(f"your prompt: {told}", "503"))) is NoAnswerError
    assert type(refusal(replied(502), said(told, "502"))) is NoAnswerError
    assert type(refusal(sending(replied(503), told), said(told, "503"))) is NoAnswerError


@pytest.mark.parametrize("status", ODD_STATUSES)
@pytest.mark.parametrize("message", RETIRED)
def test_a_model_that_exists_no_more_is_stopped_whatever_the_status(
    status: int, message: str
) -> None:
    for code in ("error", "fail_to_fetch_task", "model_offline", "400"):
        error = refusal(replied(status), said(message, code))
        assert type(error) is StoppedError
        assert error.charged == "no"
    wrapped = json.dumps({"error": {"message": message, "code": "paid"}})
    assert type(refusal(replied(status), said(f"status: {wrapped}", "x"))) is StoppedError


@pytest.mark.parametrize("message", NOT_RETIRED)
def test_other_words_beside_a_doubtful_status_retire_no_model(message: str) -> None:
    assert type(refusal(replied(500), said(message, "error"))) is NoAnswerError


@pytest.mark.parametrize("message", RETIRED)
def test_words_of_a_retired_model_prove_nothing_where_they_can_be_an_echo(message: str) -> None:
    assert type(refusal(sending(replied(500), message), said(message, "x"))) is NoAnswerError
    part = sending(replied(500), f"my song: {message}")
    assert type(refusal(part, said(f"failed on {message}", "x"))) is NoAnswerError
    beside = sending(replied(500), "a slow harbour waltz")
    assert type(refusal(beside, said(f"{message} (slow harbour waltz)", "x"))) is NoAnswerError


@pytest.mark.parametrize("message", RETIRED)
def test_words_of_a_retired_model_prove_nothing_beside_success_doubt_or_a_page(
    message: str,
) -> None:
    assert type(refusal(replied(200), said(message, "success"))) is UnreadableAnswerError
    assert type(refusal(replied(200), Envelope(message=message))) is UnreadableAnswerError
    assert type(refusal(replied(500), Envelope(message=message))) is UnreadableAnswerError
    for code in ("do_request_failed", "upstream_timeout", "internal_error"):
        assert type(refusal(replied(500), said(message, code))) is NoAnswerError
    assert type(refusal(html(502, message), Envelope())) is UnreadableAnswerError


def test_the_name_of_the_model_that_was_asked_for_is_no_echo() -> None:
    sent = {"mv": "chirp-v4", "prompt": "waltz", "model": "music-u", "config": {"mode": "public"}}
    reply = replace(replied(500), sent=sent)
    assert type(refusal(reply, said("chirp-v4 is no longer available", "x"))) is StoppedError
    assert type(refusal(reply, said("The music-u model was retired", "x"))) is StoppedError
    assert refusal(reply, gate("no public price for chirp-v4")).charged == "no"


@pytest.mark.parametrize("status", ODD_STATUSES)
@pytest.mark.parametrize(
    "code",
    [
        "build_request_failed",
        "get_origin_task_failed",
        "task_not_exist",
        "Local:build_request_failed",
    ],
)
def test_a_code_from_before_the_upstream_is_asked_refuses_whatever_the_status(
    status: int, code: str
) -> None:
    error = refusal(replied(status), said("x", code))
    assert type(error) is RefusedError
    assert error.charged == "no"
    wrapped = json.dumps({"code": code, "message": "x"})
    inner = refusal(replied(500), said(wrapped, "fail_to_fetch_task"))
    assert type(inner) is NoAnswerError  # it is the upstream's, which may have been asked twice
    assert type(refusal(replied(500), Envelope(code=code, message="x"))) is UnreadableAnswerError


def test_no_channel_after_another_one_was_asked_leaves_a_doubt() -> None:
    assert type(refusal(replied(500), said("（retry）", "get_channel_failed"))) is NoAnswerError
    foreign = Envelope(code="get_channel_failed", message="x")
    assert type(refusal(replied(500), foreign)) is UnreadableAnswerError


@pytest.mark.parametrize("reply", [replied(413), html(413), html(413, ""), html(413, "too large")])
@pytest.mark.parametrize("envelope", [Envelope(), said("too large", "x")])
def test_what_is_too_large_was_not_passed_on(reply: Reply, envelope: Envelope) -> None:
    error = refusal(reply, envelope)
    assert type(error) is TooLargeError
    assert error.charged == "no"
    assert "Shorten the lyrics" in str(error)


def test_what_is_too_large_for_an_upstream_that_was_lost_leaves_a_doubt() -> None:
    assert type(refusal(replied(413), said("x", "do_request_failed"))) is NoAnswerError


def test_422_with_json_of_any_form_refuses() -> None:
    assert type(refusal(replied(422), Envelope(message="no title"))) is RefusedError
    assert 'it said "no title"' in str(refusal(replied(422), Envelope(message="no title")))
    assert type(refusal(replied(422), said("x", "gateway_timeout"))) is NoAnswerError
    assert type(refusal(html(422), Envelope())) is UnreadableAnswerError


BLOCK_PAGES = [
    "<!DOCTYPE html> <title>Attention Required! | Cloudflare</title>",
    f"<!DOCTYPE html> {'<!-- old browsers --> ' * 50} <title>Just a moment...</title>",
    "<html><h1>Sorry, you have been blocked</h1>",
    "error code: 1020",
    "<div id='cf-error-details'>",
]


def edge(status: int, page: str) -> Reply:
    return replace(html(status, page[:300]), page=page)


@pytest.mark.parametrize("page", BLOCK_PAGES)
def test_cloudflares_own_page_of_403_was_not_passed_on(page: str) -> None:
    error = refusal(edge(403, page), Envelope())
    assert type(error) is BlockedError
    assert error.charged == "no"
    assert "Cloudflare, which stands in front of gpt.ge" in str(error)
    assert type(failed_look(edge(403, page), Envelope())) is BlockedError
    for status in (200, 400, 404, 500, 503, 520, 522, 524, 530):
        assert refusal(edge(status, page), Envelope()).charged == "unknown"


def test_a_page_that_repeats_the_wish_is_not_cloudflares() -> None:
    reply = replace(edge(403, "<h1>Just a moment...</h1>"), sent={"title": "Just a moment..."})
    assert type(refusal(reply, Envelope())) is UnreadableAnswerError


def cloudflare(status: int, *, is_told: object = True) -> Reply:
    body = {"cloudflare_error": is_told, "error_code": 1020, "status": status, "detail": "no"}
    return replace(replied(status), body=body)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_cloudflares_json_of_a_refusal_was_not_passed_on(status: int) -> None:
    told = Envelope(message="no", is_service=True, is_framework=True)
    assert type(refusal(cloudflare(status), told)) is BlockedError


@pytest.mark.parametrize("status", [200, 408, 409, 499, 500, 502, 520, 521, 524, 530])
def test_cloudflares_json_of_anything_else_leaves_a_doubt(status: int) -> None:
    assert refusal(cloudflare(status), Envelope(message="no")).charged == "unknown"


def test_cloudflares_older_json_is_known_by_its_number_and_ray() -> None:
    body = {"error_code": 1020, "ray_id": "8a1", "error": "Access denied"}
    assert type(refusal(replace(replied(403), body=body), Envelope())) is BlockedError
    for other in (body | {"error_code": 7}, {"error_code": 1020}):
        assert refusal(replace(replied(403), body=other), Envelope()).charged == "unknown"


def test_json_that_only_names_cloudflare_leaves_a_doubt() -> None:
    assert refusal(cloudflare(403, is_told="true"), Envelope()).charged == "unknown"


def framework(message: str) -> Envelope:
    return Envelope(message=message, is_service=True, is_framework=True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, BadKeyError),
        (402, OutOfCreditsError),
        (404, RefusedError),
        (422, RefusedError),
        (429, BusyError),
        (408, NoAnswerError),
        (500, NoAnswerError),
        (503, NoAnswerError),
    ],
)
def test_a_web_frameworks_error_refuses_by_its_status(status: int, kind: type[SongError]) -> None:
    error = refusal(replied(status), framework("prompt: field required"))
    assert type(error) is kind
    if kind is not BusyError:
        assert 'it said "prompt: field required"' in str(error)


def test_only_the_words_of_a_web_framework_or_the_gate_can_say_that_a_task_is_unknown() -> None:
    assert type(failed_look(replied(404), framework("Not Found"))) is RefusedError
    assert type(failed_look(replied(404), gate("Invalid URL"))) is RefusedError
    assert type(failed_look(replied(404), framework("Task not found"))) is UnknownTaskError
    assert type(failed_look(replied(410), said("gone", "410"))) is UnknownTaskError


def failed_at_once(message: str, *, is_unpaid: bool = True) -> Envelope:
    return Envelope(TASK, "500", message, is_service=True, is_unpaid=is_unpaid)


NO_MONEY = "failed to freeze account point quota: account point quota not enough"


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_task_that_failed_at_once_for_want_of_money_was_refused(status: int) -> None:
    error = refusal(replied(status), failed_at_once(f"failed; {NO_MONEY}"))
    assert type(error) is OutOfCreditsError
    assert error.charged == "no"
    assert "account point quota not enough" in str(error)


def test_a_task_that_failed_at_once_for_any_other_reason_was_made() -> None:
    reply = replied(500)
    assert accepted_id("piapi", reply, failed_at_once("failed to do request")) == TASK
    assert accepted_id("piapi", reply, failed_at_once(NO_MONEY, is_unpaid=False)) == TASK
    echo = sending(reply, "my account point quota not enough")
    assert accepted_id("piapi", echo, failed_at_once("account point quota not enough")) == TASK


def test_a_price_that_could_not_be_set_aside_is_known_without_a_task_too() -> None:
    told = said(NO_MONEY, "500")
    assert type(refusal(replied(500), told)) is OutOfCreditsError
    assert type(refusal(sending(replied(500), NO_MONEY), told)) is NoAnswerError
    assert type(refusal(replied(500), said(NO_MONEY, "10000"))) is NoAnswerError
    assert type(refusal(replied(200), said(NO_MONEY, "success"))) is UnreadableAnswerError
    foreign = Envelope(code="500", message=NO_MONEY)
    assert type(refusal(replied(500), foreign)) is UnreadableAnswerError


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("该令牌已过期 (request id: 1)", "key: it has expired (it said"),
        ("The token has expired", "key: it has expired (it said"),
        ("该令牌状态不可用", "key: it is disabled (it said"),
        ("用户已被封禁", "key: its account is blocked (it said"),
        ("您的 IP 不在令牌允许访问的列表中", "key from this network (it said"),
        ("该令牌无权访问模型 suno_music", "key for this model (it said"),
        ("无效的令牌", "key (it said"),
    ],
)
def test_what_is_wrong_with_a_key_is_told(message: str, told: str) -> None:
    assert told in str(refusal(replied(401), said(message, "")))
    assert told in str(failed_look(replied(401), said(message, "")))


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_key_that_is_used_up_is_not_called_a_wrong_one(status: int) -> None:
    text = str(refusal(replied(status), gate("该令牌额度已用尽 (request id: 1)")))
    assert "no credits left" in text
    assert "raise the key's own quota" in text


def flag(message: str, code: str = "error") -> Envelope:
    return Envelope(code=code, message=message, is_service=True, is_flag=True)


def test_a_flag_that_says_no_refuses_unless_its_words_leave_a_doubt() -> None:
    assert type(refusal(replied(200), flag("the prompt is empty"))) is RefusedError
    assert type(refusal(replied(400), flag("status code: 503"))) is RefusedError
    for words in (
        "status code: 503",
        "upstream timed out",
        "Service Unavailable",
        "Internal error",
        "upstream error",
        "Network Error",
        "socket hang up",
        "unexpected EOF",
        "context deadline exceeded",
        "server error, please try again",
        "请求超时，请稍后重试",
        "上游返回异常",
        "网络错误",
        "连接已断开",
        "服务器内部错误",
        "系统繁忙",
    ):
        assert type(refusal(replied(200), flag(words))) is NoAnswerError
        assert type(refusal(replied(200), flag(words, "x"))) is NoAnswerError
    assert type(refusal(replied(500), flag("the prompt is empty"))) is NoAnswerError


@pytest.mark.parametrize("code", ["read_response_body_failed", "bad_response", "empty_response"])
def test_a_code_of_an_upstream_that_was_asked_leaves_a_doubt(code: str) -> None:
    told = Envelope(code=code, message="x", is_service=True, is_gate=True)
    assert type(refusal(replied(500), told)) is NoAnswerError


@pytest.mark.parametrize("words", ["fetch failed", "socket hang up", "connection reset", "EOF"])
def test_a_gate_that_lost_its_upstream_leaves_a_doubt(words: str) -> None:
    assert type(refusal(replied(500), gate(words))) is NoAnswerError
    assert type(refusal(replied(503), gate("no price"))) is StoppedError


def test_words_are_told_in_every_doubt() -> None:
    told = refusal(replied(200), Envelope(message='status 503: {"detail": "Service Unavailable"}'))
    assert '(HTTP 200, it said "Service Unavailable")' in str(told)
    assert '(HTTP 500, it said "no")' in str(refusal(replied(500), Envelope(message="no")))
    assert "(HTTP 500)." in str(refusal(replied(500), Envelope()))


def gate(message: str) -> Envelope:
    return Envelope(code="error", message=message, is_service=True, is_gate=True)


@pytest.mark.parametrize("status", [200, 409, 500, 502, 503])
def test_an_error_in_the_gates_form_that_repeats_what_was_sent_is_not_the_gates(
    status: int,
) -> None:
    wish = "a slow waltz about trams in the rain"
    echo = refusal(sending(replied(status), wish), gate("error: WALTZ about  trams in"))
    assert type(echo) is NoAnswerError
    own = refusal(sending(replied(status), wish), gate("no such group"))
    assert own.charged == "no"


@pytest.mark.parametrize("wish", ["Quest", "est", "2026", "0101", "Abc"])
def test_a_short_wish_inside_a_word_of_the_gates_is_no_echo(wish: str) -> None:
    message = "数据库错误，请稍后重试 (request id: 20260101000000000000000AbCdEf)"
    assert refusal(sending(replied(500), wish), gate(message)).charged == "no"


@pytest.mark.parametrize("wish", ["Quest", "café noir", "R.E.M.", "雨天里"])
@pytest.mark.parametrize(
    "form", ['failed on "{}"', "{{Title:{} Tags:[]}}", "title=%22{}%22", "a_{}_b", "处理{}时"]
)
def test_a_short_wish_in_the_gates_form_is_an_echo(wish: str, form: str) -> None:
    echo = refusal(sending(replied(500), wish), gate(form.format(wish.upper())))
    assert type(echo) is NoAnswerError


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "400", RefusedError),
        (400, "invalid_request", RefusedError),
        (401, "401", BadKeyError),
        (402, "402", OutOfCreditsError),
        (403, "", BadKeyError),
        (403, "access_denied", BadKeyError),
        (404, "404", RefusedError),
        (422, "422", RefusedError),
        (429, "fail_to_fetch_task", BusyError),
        (200, "400", RefusedError),
        (200, "401", BadKeyError),
        (200, "402", OutOfCreditsError),
        (200, "429", BusyError),
        (200, "error", RefusedError),
        (200, "invalid_request", RefusedError),
        (400, "fail_to_fetch_task", RefusedError),
        (401, "fail_to_fetch_task", RefusedError),
        (403, "fail_to_fetch_task", RefusedError),
    ],
)
def test_a_refusal_in_the_services_own_form_costs_nothing(
    status: int, code: str, kind: type[SongError]
) -> None:
    error = refusal(replied(status), said("not like this", code))
    assert type(error) is kind
    assert error.charged == "no"
    assert 'it said "not like this"' in str(error)
    assert "Nothing was charged" in str(error)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "500"),
        (500, "invalid_request"),
        (502, "502"),
        (503, "503"),
        (408, "408"),
        (409, "409"),
        (405, "405"),
        (418, "418"),
        (400, "500"),
        (200, "500"),
        (200, "503"),
        (200, "10000"),
        (200, "do_request_failed"),
        (400, "do_request_failed"),
        (500, "do_request_failed"),
        (200, "fail_to_fetch_task"),
        (500, "fail_to_fetch_task"),
        (500, "unmarshal_response_body_failed"),
        (500, ""),
    ],
)
def test_an_error_that_proves_no_refusal_leaves_a_doubt(status: int, code: str) -> None:
    error = refusal(replied(status), said("something broke", code))
    assert type(error) is NoAnswerError
    assert error.charged == "unknown"
    assert re.search("resolve_task with check.*do not repeat", str(error))
    assert f"(HTTP {status}, it said" in str(error)


@pytest.mark.parametrize("status", [200, 204, 400, 401, 402, 403, 404, 408, 422, 500, 502, 504])
def test_a_page_of_somebody_in_between_leaves_a_doubt(status: int) -> None:
    error = refusal(html(status), Envelope())
    assert type(error) is UnreadableAnswerError
    assert error.charged == "unknown"
    assert "a web page" in str(error)
    assert "<html>" not in str(error)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
def test_json_of_another_form_leaves_a_doubt(status: int) -> None:
    error = refusal(replied(status), Envelope(message="Forbidden"))
    assert type(error) is UnreadableAnswerError
    assert "JSON of another form" in str(error)


@pytest.mark.parametrize("code", ["", "0", "1", "200", "success", "SUCCESS"])
def test_success_without_an_id_leaves_a_doubt(code: str) -> None:
    error = refusal(replied(200), said("success", code))
    assert type(error) is UnreadableAnswerError
    assert "an answer without a task id" in str(error)


def test_an_empty_answer_leaves_a_doubt() -> None:
    assert "nothing, or far too much" in str(refusal(html(502, ""), Envelope()))


def test_the_start_of_a_text_that_is_no_json_is_quoted() -> None:
    assert 'the text "error code: 524"' in str(refusal(html(524, "error code: 524"), Envelope()))


def test_maintenance_is_known_as_the_whole_of_a_plain_text_too() -> None:
    told = "Service is under maintenance"
    assert type(refusal(html(503, told), Envelope())) is StoppedError
    assert type(refusal(html(503, f"<p>{told}"), Envelope())) is UnreadableAnswerError


def test_the_words_of_a_refusal_on_a_page_with_a_good_status_prove_nothing() -> None:
    error = refusal(html(200, "Service is under maintenance"), Envelope())
    assert type(error) is UnreadableAnswerError


def test_the_words_of_a_refusal_in_foreign_json_with_a_good_status_prove_nothing() -> None:
    error = refusal(replied(200), Envelope(message="insufficient credits"))
    assert type(error) is UnreadableAnswerError


@pytest.mark.parametrize("code", ["", "0", "1", "200", "ok", "OK", "success"])
def test_each_code_of_success_lets_a_look_pass(code: str) -> None:
    check_look("gptge", replied(200), Envelope(code=code, is_service=True))


def test_a_code_in_an_answer_of_another_form_proves_nothing() -> None:
    assert type(refusal(replied(200), Envelope(code="429"))) is UnreadableAnswerError


def test_the_words_of_a_page_count_from_300_on() -> None:
    assert type(refusal(html(300, "insufficient credits"), Envelope())) is OutOfCreditsError


def test_a_piece_of_json_is_not_quoted() -> None:
    error = refusal(html(200, 'x {"code": "succ'), Envelope())
    assert "something broken or cut off" in str(error)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_points_to_the_base_url(status: int) -> None:
    error = refusal(html(status, ""), Envelope())
    assert type(error) is MisdirectedError
    assert error.charged == "no"
    assert "GPTGE_BASE_URL" in str(error)


@pytest.mark.parametrize("reply", [replied(429), html(429), html(429, "")])
def test_too_many_requests_is_busy_whoever_says_it(reply: Reply) -> None:
    error = refusal(reply, Envelope())
    assert type(error) is BusyError
    assert error.charged == "no"
    assert "in a minute" in str(error)


def test_busy_says_how_long_the_service_asked_to_wait() -> None:
    error = refusal(replied(429, retry_after_s=30.0), said("slow down", "429"))
    assert isinstance(error, BusyError)
    assert error.retry_after_s == 30.0
    assert "in 30 s" in str(error)


@pytest.mark.parametrize(
    ("asked_s", "told"),
    [(7.5, "in 8 s"), (7.01, "in 8 s"), (7.0, "in 7 s"), (0.0, "in 1 s"), (0.2, "in 1 s")],
)
def test_the_time_to_wait_is_told_in_whole_seconds_rounded_up(asked_s: float, told: str) -> None:
    assert f"Ask again {told}." in str(refusal(replied(429, retry_after_s=asked_s), said("no")))
    look = failed_look(replied(429, retry_after_s=asked_s), said("no"))
    assert f"Ask again {told}." in str(look)


def test_a_bad_key_names_the_variable_of_its_service() -> None:
    with pytest.raises(BadKeyError) as caught:
        accepted_id("piapi", replied(401), said("Invalid API key", "401"))
    assert str(caught.value) == (
        'PiAPI does not accept the key (it said "Invalid API key"). Nothing was charged. '
        "Check PIAPI_API_KEY."
    )


def test_out_of_credits_says_where_to_top_up() -> None:
    with pytest.raises(OutOfCreditsError, match=r"Top up in the workspace at piapi\.ai"):
        accepted_id("piapi", replied(402), said("insufficient credits", "402"))


def test_the_plan_limit_says_to_wait_for_a_running_song() -> None:
    error = refusal(replied(429), said("active task count 2 has reached the plan limit", "429"))
    assert "list_songs shows them" in str(error)


def test_an_error_wrapped_in_an_error_is_quoted_by_its_innermost_words() -> None:
    message = '{"code":"quota_not_enough","message":"user quota is not enough","data":null}'
    error = refusal(replied(403), said(message, "fail_to_fetch_task"))
    assert 'it said "user quota is not enough"' in str(error)


def test_an_error_without_words_is_quoted_by_its_code() -> None:
    assert 'it said "invalid_request"' in str(refusal(replied(400), said("", "invalid_request")))


def test_an_error_without_words_and_code_says_so_by_quoting_nothing() -> None:
    text = str(refusal(replied(403), said("", "")))
    assert text.startswith("gpt.ge does not accept the key. Nothing")


@pytest.mark.parametrize("message", ["{broken", "}{", "[{}]", '{"code": 1}', "{" * 4000 + "}"])
def test_what_looks_like_json_in_a_message_spoils_nothing(message: str) -> None:
    assert type(refusal(replied(400), said(message))) is RefusedError


def test_braces_and_quotes_in_a_services_words_stay_words() -> None:
    text = str(refusal(replied(400), said('bad {label} "here"')))
    assert "it said \"bad (label) 'here'\"" in text


# Looks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["", "0", "1", "200", "success"])
def test_a_look_that_succeeded_passes(code: str) -> None:
    check_look("piapi", replied(200), Envelope(code=code, is_service=True), task_id=TASK)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "task_not_exist", "task_not_exist"),
        (400, "invalid_request", "task not exist"),
        (400, "400", "bad task id"),
        (404, "404", "task not found"),
        (404, "404", ""),
        (500, "500", "record not found"),
        (500, "500", "the task does not exist"),
        (200, "task_not_exist", ""),
        (200, "404", ""),
    ],
)
def test_a_task_the_service_does_not_know_is_unknown(status: int, code: str, message: str) -> None:
    error = failed_look(replied(status), said(message, code))
    assert type(error) is UnknownTaskError
    assert f'"{TASK}"' in str(error)


@pytest.mark.parametrize(
    ("reply", "envelope", "kind"),
    [
        (replied(401), said("bad key", "401"), BadKeyError),
        (replied(403), said("banned", ""), BadKeyError),
        (replied(403), said("no", "quota_not_enough"), OutOfCreditsError),
        (replied(429), Envelope(), BusyError),
        (replied(429), said("has reached", "429"), BusyError),
        (replied(503), said("Service is under maintenance", "503"), StoppedError),
        (replied(302), Envelope(), MisdirectedError),
        (replied(500), said("database", "500"), NoAnswerError),
        (replied(200), said("hm", "error"), RefusedError),
        (html(200), Envelope(), UnreadableAnswerError),
        (html(404), Envelope(), UnreadableAnswerError),
        (html(502), Envelope(), UnreadableAnswerError),
        (replied(200), Envelope(), UnreadableAnswerError),
    ],
)
def test_a_failed_look_costs_nothing_and_says_so(
    reply: Reply, envelope: Envelope, kind: type[SongError]
) -> None:
    error = failed_look(reply, envelope)
    assert type(error) is kind
    assert error.charged == "no"
    assert f'Looking cost nothing and changed nothing about task "{TASK}"' in str(error)


def test_only_a_look_at_one_task_can_miss_it() -> None:
    error = failed_look(replied(400), said("bad ids", "400"), task_id="")
    assert type(error) is RefusedError
    assert "about any task" in str(error)


def test_an_unknown_task_is_named_even_where_the_service_says_nothing() -> None:
    assert str(unknown_task("gptge", TASK)).startswith(f'gpt.ge knows no task "{TASK}".')
