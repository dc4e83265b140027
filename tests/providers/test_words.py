"""What a service said, as a person reads it; source: docs/providers.md 4.7."""

import json

import httpx
import pytest

from song_mcp.providers.gptge import Gptge
from song_mcp.providers.replies import spoken, to_message, worded

WORDS = "Tags contained artist name: someone"
KEYS = ["message", "msg", "error_msg", "error_message", "detail", "error", "reason", "fail_reason"]


def nested(levels: int) -> str:
    """Return the words, wrapped so often as JSON in the message of JSON."""
    text = WORDS
    for _ in range(levels):
        text = json.dumps({"code": "x", "message": text})
    return text


@pytest.mark.parametrize("key", KEYS)
def test_the_words_of_json_in_a_text_are_told_without_it(key: str) -> None:
    assert worded(json.dumps({"code": 7, key: WORDS, "data": None})) == WORDS
    assert worded(f"upstream: {json.dumps({'error': {key: WORDS}})} (request id: 1)") == WORDS


@pytest.mark.parametrize("levels", [0, 1, 2, 3, 4])
def test_words_are_unwrapped_level_by_level(levels: int) -> None:
    assert worded(nested(levels)) == WORDS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('unexpected status code: 503, response body: {"detail": "Down"}', "Down"),
        ('status 503: {"code": 7}', "status 503"),
        ('{"code": 7}', ""),
        ('["first", "second"]', "first"),
        ("[address] refused the request", "[address] refused the request"),
        ("[1] is too long", "[1] is too long"),
        ("{Title:Trams Tags:[]}", "(Title:Trams Tags:[])"),
        ("{'error': {'message': \"You don't\", 'code': 1}}", "You don't"),
        ('{"error":{"message":"Tags contain', "Tags contain"),
        ('{"message":"{\\"message\\":\\"Tags contain', "Tags contain"),
        ('{"message":"","msg":"Down"}', "Down"),
        ('{"error":"Bad Request","reason":"Too long"}', "Too long"),
        ("", ""),
    ],
)
def test_json_that_is_odd_or_cut_off_is_told_too(text: str, told: str) -> None:
    assert worded(text) == told


@pytest.mark.parametrize("text", [nested(9), "{" * 5_000, '{"a":' * 3_000, "[" * 3_000, "{}}{"])
def test_no_brace_is_ever_told(text: str) -> None:
    assert not {"{", "}"} & set(worded(text))


def test_the_field_that_an_error_is_about_is_named() -> None:
    detail = [{"loc": ["body", "prompt"], "msg": "field required", "type": "value_error.missing"}]
    assert spoken({"detail": detail}) == "prompt: field required"
    assert spoken({"loc": ["body", "input", "tags", 0], "msg": "bad"}) == "input.tags.0: bad"
    assert spoken({"loc": ["body"], "msg": "field required"}) == "field required"
    assert spoken({"loc": ["body", "prompt"]}) == ""


def test_what_json_names_as_an_account_is_not_told() -> None:
    assert "4711" not in to_message('{"message": "user 4711 is banned", "user_id": 4711}')


async def test_a_failed_task_tells_its_reason_without_json() -> None:
    reason = json.dumps({"error": {"message": WORDS, "type": "moderation_failure"}})
    task = {"task_id": "t1", "action": "MUSIC", "status": "FAILURE", "fail_reason": reason}
    answer = httpx.Response(200, json={"code": "success", "message": "", "data": task})
    transport = httpx.MockTransport(lambda _: answer)
    seen = await Gptge("key-1234", "https://api.gpt.ge", transport).fetch("t1")
    assert seen.error == WORDS
