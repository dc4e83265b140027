"""The money rules, row by row; sources: docs/providers.md 2.6 and 3.3."""

import re
from dataclasses import replace

import pytest

from song_mcp.errors import (
    BadKeyError,
    BusyError,
    MisdirectedError,
    NoAnswerError,
    OutOfCreditsError,
    PlanLimitError,
    RefusedError,
    SongError,
    StoppedError,
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
