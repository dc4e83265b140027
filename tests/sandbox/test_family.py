"""Markers for what other relays of gpt.ge's family answer."""

import json

import httpx
import pytest

from song_mcp.sandbox import family_answers
from song_mcp.sandbox.app import Sandbox
from tests.sandbox.driving import Clock, fetched, submit, succeeded, suno


async def data_of(http: httpx.AsyncClient, clock: Clock, marker: str) -> object:
    return (await succeeded(http, clock, suno(f"x [[{marker}]]")))["data"]


async def test_clips_have_many_shapes(http: httpx.AsyncClient, clock: Clock) -> None:
    items = await data_of(http, clock, "shape-items")
    assert isinstance(items, dict)
    assert all(item["cld2AudioUrl"] and item["clipId"] != item["id"] for item in items["items"])
    raw = await data_of(http, clock, "shape-sunoData")
    assert isinstance(raw, dict)
    assert all("/stream/" in clip["streamAudioUrl"] for clip in raw["response"]["sunoData"])
    camel = await data_of(http, clock, "shape-camel")
    assert isinstance(camel, list)
    assert [clip["modelName"] for clip in camel] == ["chirp-v4", "chirp-v4"]
    listed, mapped = [await data_of(http, clock, f"shape-clips{end}") for end in ("", "-map")]
    assert isinstance(listed, dict)
    assert isinstance(mapped, dict)
    assert len(listed["clips"]) == 2
    assert all(key == clip["id"] for key, clip in mapped["clips"].items())
    text = await data_of(http, clock, "shape-text")
    assert isinstance(text, str)
    assert len(json.loads(text)) == 2
    named = await data_of(http, clock, "shape-clip_id")
    assert isinstance(named, list)
    assert all("id" not in clip and clip["clip_id"] for clip in named)
    twice = await data_of(http, clock, "shape-twice")
    assert isinstance(twice, list)
    assert [twice[0], len(twice)] == [twice[2], 3]
    words = await data_of(http, clock, "words-but-complete")
    assert isinstance(words, list)
    assert words[0]["metadata"]["error_message"] == "shortened to the model's limit"


async def test_lyrics_come_in_two_drafts(http: httpx.AsyncClient, clock: Clock) -> None:
    task = await succeeded(http, clock, {"prompt": "trams [[two-drafts]]"}, "lyrics")
    first, second = task["data"]
    assert first["text"] != second["text"]
    assert first["id"] != second["id"]
    assert second["title"] == f"{first['title']} (second draft)"


async def test_the_plugin_of_2026_says_less(http: httpx.AsyncClient, clock: Clock) -> None:
    task_id = await submit(http, suno("[[new-api-2026]]"))
    first = await fetched(http, task_id)
    assert first["data"] == {"message": ""}
    assert not {"action", "start_time"} & first.keys()
    assert first["platform"] == "sunoapi"
    clock.advance(1000)
    last = await fetched(http, task_id)
    assert [clip["status"] for clip in last["data"]] == ["complete", "complete"]


@pytest.mark.parametrize("word", family_answers.ENDS)
async def test_a_failure_has_many_words(http: httpx.AsyncClient, clock: Clock, word: str) -> None:
    data = await succeeded(http, clock, suno(f"[[status-{word}]]"))
    assert (data["status"], data["fail_reason"]) == (word, "because of the words")


async def test_a_failure_has_many_reasons(http: httpx.AsyncClient, clock: Clock) -> None:
    kept = await succeeded(http, clock, suno("[[fail-no-refund]]"))
    assert "不进行退款" in kept["fail_reason"]
    wrapped = await succeeded(http, clock, suno("[[fail-json-reason]]"))
    assert "artist" in json.loads(wrapped["fail_reason"])["error"]["message"]


FORMS = {
    "id-taskBatchId": lambda body: body["data"]["taskBatchId"],
    "id-in-data": lambda body: body["data"]["task_id"],
    "id-on-top": lambda body: body["task_id"],
    "id-plain": lambda body: body["id"],
    "id-list": lambda body: body["data"][0],
    "id-text": lambda body: json.loads(body["data"])["task_id"],
    "id-success-true": lambda body: body["success"] and body["task_id"],
    "id-code-1": lambda body: body["result"],
}


@pytest.mark.parametrize("name", FORMS)
async def test_the_id_of_an_accepted_task_has_many_places(
    http: httpx.AsyncClient, sandbox: Sandbox, name: str
) -> None:
    answer = await http.post("/suno/submit/music", json=suno(f"[[{name}]]"))
    assert FORMS[name](answer.json()) == sandbox.accepted[0].task_id
    assert {each.casefold() for each in FORMS} == family_answers.IDS.keys()


REFUSALS = {
    "401-token-used-up": (401, "额度已用尽"),
    "403-token-used-up": (403, "pre_consume_failed"),
    "403-cloudflare": (403, "Cloudflare"),
    "403-retired": (403, "switch to v6"),
    "500-retired": (500, "模型已下线"),
    "413": (413, "too large"),
    "422-detail": (422, "field required"),
    "429-retry-after": (429, "slow down"),
    "500-build": (500, "build_request_failed"),
    "500-no-price": (500, "price not configured"),
    "200-error-words": (200, "Service Unavailable"),
}


@pytest.mark.parametrize("name", family_answers.REFUSALS)
async def test_a_relay_refuses_in_words_of_its_own(
    http: httpx.AsyncClient, sandbox: Sandbox, name: str
) -> None:
    refused = await http.post("/suno/submit/music", json=suno(f"[[{name}]]"))
    status, words = REFUSALS[name]
    assert refused.status_code == status
    assert words in refused.text
    assert sandbox.count("gptge") == 0


async def test_a_relay_says_when_to_come_again_in_fractions(http: httpx.AsyncClient) -> None:
    for marker, seconds in (("429-retry-after", "7.5"), ("429-retry-after:8.4", "8.4")):
        refused = await http.post("/suno/submit/music", json=suno(f"[[{marker}]]"))
        assert refused.headers["retry-after"] == seconds
