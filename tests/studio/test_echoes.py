"""Answers that repeat the user's own words, which are also those of a refusal.

Each goes through the real adapter, the submitter and the journal. What is counted is how often a
POST arrived, for a false "not charged" makes a person pay again.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from song_mcp.providers.gptge import Gptge
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import Request, ServiceName, SongRequest, Task
from song_mcp.studio.calls import Calls
from tests.faults.test_verdict_sockets import Bench, open_bench
from tests.models import DEFAULT_SUNO, UDIO

SERVICES: tuple[ServiceName, ...] = ("piapi", "gptge")
DOUBTFUL = [408, 409, 425, 499, 500, 502, 503, 504, 520, 522, 524, 599]
WORDS = [
    "insufficient credits blues",
    "She doesn\u2019t have enough credits",
    "the quota is not enough",
    "我的额度不足了",
    "service is under maintenance",
    "Service Stopped, no available channel",
    "active task count 2 has reached the plan limit",
    '{"code":"quota_not_enough","message":"user quota is not enough"}',
]
Say = Callable[[int, str], httpx.Response]


def in_form(status: int, words: str) -> httpx.Response:
    """Fail as both services do: PiAPI reads the number, gpt.ge the text."""
    return httpx.Response(status, json={"code": str(status), "data": None, "message": words})


def as_gate(status: int, words: str) -> httpx.Response:
    error = {"message": f"{words} (request id: 1)", "type": "new_api_error", "code": ""}
    return httpx.Response(status, json={"error": error})


def as_page(status: int, words: str) -> httpx.Response:
    return httpx.Response(status, text=f"<h1>Error</h1><pre>{words}</pre>")


def as_text(status: int, words: str) -> httpx.Response:
    return httpx.Response(status, text=words)


def wrapped(status: int, words: str) -> httpx.Response:
    inner = json.dumps({"code": "error", "message": words})
    body = {"code": "fail_to_fetch_task", "data": None, "message": inner}
    return httpx.Response(status, json=body)


class Echo(httpx.AsyncBaseTransport):
    """Answers each POST with what `say` makes of the words, and counts the POSTs."""

    def __init__(self, say: Say, status: int, words: str) -> None:
        self.posts = 0
        self._answer = (say, status, words)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return httpx.Response(404, text="")
        self.posts += 1
        say, status, words = self._answer
        return say(status, words)


def asked(service: ServiceName, words: str) -> Request:
    return SongRequest(UDIO if service == "piapi" else DEFAULT_SUNO, words)


def adapter(service: ServiceName, echo: Echo) -> Piapi | Gptge:
    if service == "piapi":
        return Piapi("key-1234", "https://api.piapi.ai", transport=echo)
    return Gptge("key-1234", "https://api.gpt.ge", echo)


async def paid(bench: Bench, service: ServiceName, echo: Echo, request: Request) -> Task:
    """Make one wish as a client does; returns the task when its fate is written."""
    prepared = await bench.submitter.pay(
        request, adapter(service, echo), another_take=False, calls=Calls()
    )
    return await bench._decided(prepared.task)  # noqa: SLF001


async def paid_twice(
    folder: Path, service: ServiceName, echo: Echo, request: Request
) -> tuple[Task, Task]:
    async with open_bench(folder) as bench:
        first = await paid(bench, service, echo, request)
        return first, await paid(bench, service, echo, request)


@pytest.mark.parametrize("say", [in_form, as_gate, as_page, as_text, wrapped])
@pytest.mark.parametrize("service", SERVICES)
async def test_a_doubtful_status_that_repeats_the_wish_is_no_refusal(
    service: ServiceName, say: Say, tmp_path: Path
) -> None:
    async with open_bench(tmp_path) as bench:
        for number, status in enumerate(DOUBTFUL):
            words = f"{WORDS[number % len(WORDS)]} {number}"
            echo, request = Echo(say, status, f"failed: {words}"), asked(service, words)
            first = await paid(bench, service, echo, request)
            again = await paid(bench, service, echo, request)
            assert (first.status, first.charged) == ("in_doubt", "unknown"), (status, words)
            assert again.local_id == first.local_id
            assert echo.posts == 1


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("service", SERVICES)
async def test_the_words_of_a_wish_refuse_nothing_whoever_repeats_them(
    service: ServiceName, words: str, tmp_path: Path
) -> None:
    echo = Echo(as_text, 400, f'cannot handle "{words}"')
    first, again = await paid_twice(tmp_path, service, echo, asked(service, words))
    assert (first.status, again.local_id, echo.posts) == ("in_doubt", first.local_id, 1)


CHANGED: list[Callable[[str], str]] = [
    str.upper,
    lambda words: words.replace(" ", "  \n\t"),
    lambda words: words.replace(" ", "\u00a0"),
    lambda words: words[: len("insufficient credits")],
    lambda words: f"...{words[:25]}...",
    lambda words: json.dumps({"prompt": words}),
]


@pytest.mark.parametrize("number", range(len(CHANGED)))
async def test_words_that_come_back_changed_refuse_nothing(number: int, tmp_path: Path) -> None:
    wish = "insufficient credits blues, slow"
    echo = Echo(as_text, 402, CHANGED[number](wish))
    first, again = await paid_twice(tmp_path, "piapi", echo, asked("piapi", wish))
    assert (first.status, again.local_id, echo.posts) == ("in_doubt", first.local_id, 1)


@pytest.mark.parametrize(
    "wish",
    [
        "ｉｎｓｕｆｆｉｃｉｅｎｔ　ｃｒｅｄｉｔｓ",
        "Insufficient-Credits!",
        "insufficient&nbsp;credits",
        quote("insufficient credits"),
        "insufficient\\u0020credits",
        "insuffi\u0301cient credits",
    ],
)
async def test_words_that_a_service_unpacked_refuse_nothing(wish: str, tmp_path: Path) -> None:
    echo = Echo(as_text, 400, "bad prompt: insufficient credits")
    first, again = await paid_twice(tmp_path, "piapi", echo, asked("piapi", wish))
    assert (first.status, again.local_id, echo.posts) == ("in_doubt", first.local_id, 1)


@pytest.mark.parametrize("field", ["lyrics", "title", "negative_tags"])
async def test_words_of_every_field_of_the_wish_refuse_nothing(field: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {field: "insufficient credits"}
    request = SongRequest(UDIO, "slow harbour waltz", **values)
    echo = Echo(as_text, 403, "insufficient credits")
    first, again = await paid_twice(tmp_path, "piapi", echo, request)
    assert (first.status, again.local_id, echo.posts) == ("in_doubt", first.local_id, 1)


@pytest.mark.parametrize("service", SERVICES)
async def test_success_beside_the_words_of_a_refusal_is_no_refusal(
    service: ServiceName, tmp_path: Path
) -> None:
    body = {"code": 200, "data": None, "message": "insufficient credits"}
    echo = Echo(lambda status, _: httpx.Response(status, json=body), 200, "")
    first, again = await paid_twice(tmp_path, service, echo, asked(service, "waltz"))
    assert (first.status, again.local_id, echo.posts) == ("in_doubt", first.local_id, 1)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 429])
async def test_a_refusal_by_its_status_may_repeat_the_wish(
    service: ServiceName, status: int, tmp_path: Path
) -> None:
    words = "insufficient credits blues"
    echo = Echo(in_form, status, f"too long: {words}")
    async with open_bench(tmp_path) as bench:
        task = await paid(bench, service, echo, asked(service, words))
    assert (task.status, task.charged, echo.posts) == ("rejected", "no", 1)
    if status not in {402, 429}:
        assert "no credits left" not in task.error


@pytest.mark.parametrize("code", ["quota_not_enough", "insufficient_user_quota"])
async def test_a_code_of_its_own_refuses_whatever_the_status(code: str, tmp_path: Path) -> None:
    body = {"code": code, "data": None, "message": "insufficient credits blues"}
    echo = Echo(lambda status, _: httpx.Response(status, json=body), 500, "")
    async with open_bench(tmp_path) as bench:
        task = await paid(bench, "gptge", echo, asked("gptge", "insufficient credits blues"))
    assert (task.status, task.charged, echo.posts) == ("rejected", "no", 1)


@pytest.mark.parametrize("code", ["timeout", "upstream_timed_out", "internal_error", "duplicate"])
async def test_a_code_that_may_mean_acceptance_is_no_refusal(code: str, tmp_path: Path) -> None:
    body = {"code": code, "data": None, "message": "insufficient credits"}
    for status in (200, 400, 403):
        echo = Echo(lambda status, _: httpx.Response(status, json=body), status, "")
        first, again = await paid_twice(
            tmp_path / str(status), "gptge", echo, asked("gptge", "waltz")
        )
        assert (first.status, again.local_id, echo.posts) == ("in_doubt", first.local_id, 1)
