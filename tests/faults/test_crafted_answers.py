"""Hostile answers: whatever is in them, the event loop goes on, and only our errors are raised.

What is counted is not time: how often another task ran while an answer was read, and how many calls
of functions it took to read it.
"""

import json
import sys
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from types import FrameType

import anyio
import anyio.lowlevel
import httpx
import pytest

from song_mcp.errors import NoAnswerError, SongError
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.http import BODY_CAP_BYTES, LARGE_BYTES, VALUES_CAP, Reply, decoded
from song_mcp.providers.piapi import Piapi
from song_mcp.providers.redaction import SECRETS_CAP
from song_mcp.songs import SongRequest
from tests.faults import crafted_answers
from tests.faults.crafted_answers import KINDS, LARGE, TASK_ID, CraftedAnswer, answers
from tests.faults.mutation import KEY
from tests.models import DEFAULT_SUNO

MOST_CALLS = 600_000
TASKS = {"piapi": crafted_answers.piapi_task, "gptge": crafted_answers.gptge_task}
WORST = ("many secrets", "secrets in clips", "comma tags", "log lines", "many clips", "reasons")


class Service(httpx.AsyncBaseTransport):
    """Answers everything with one crafted answer."""

    def __init__(self, answer: CraftedAnswer) -> None:
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self._answer.status, content=self._answer.body)


def adapter(answer: CraftedAnswer) -> Piapi | Gptge:
    if answer.name.startswith("gptge"):
        return Gptge(KEY, "https://api.gpt.ge", Service(answer))
    return Piapi(KEY, "https://api.piapi.ai", transport=Service(answer))


async def turns_during(call: Awaitable[object]) -> int:
    """Return how often another task had its turn before the call ended."""
    turns = 0
    is_over = anyio.Event()

    async def other() -> None:
        nonlocal turns
        while not is_over.is_set():
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await anyio.lowlevel.checkpoint()
        turns = 0
        with suppress(SongError):
            await call
        is_over.set()
    return turns


def test_there_are_some_hundred_answers_each_below_the_cap() -> None:
    made = [(answer.name, len(answer.body)) for answer in answers()]
    assert 200 <= len(made) <= 250
    assert len({name for name, _ in made}) == len(made)
    assert max(size for _, size in made) <= BODY_CAP_BYTES


@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_the_loop_goes_on_while_a_large_answer_is_read(service: str) -> None:
    """An answer of a song's size is read at once; a large one leaves others many turns."""
    small, large = LARGE_BYTES // 8, LARGE_BYTES * 8
    turns = {}
    for size in (small, large):
        clips = KINDS["long lyrics"](size, crafted_answers.chance("turns"))
        answer = CraftedAnswer(f"{service} {size}", TASKS[service](clips))
        turns[size] = await turns_during(adapter(answer).fetch(TASK_ID))
    assert turns[large] > turns[small] + 10


def look(answer: CraftedAnswer) -> None:
    """Read an answer to a look, from its bytes on."""
    is_json, body = decoded(answer.body)
    reply = Reply(answer.status, body, "", None, is_json)
    with suppress(SongError):
        adapter(answer)._looked_at(reply, TASK_ID)  # noqa: SLF001 - without the thread


def calls_in(answer: CraftedAnswer) -> int:
    """Return how many calls of functions, also of those written in C, the reading took."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        look(answer)
    finally:
        sys.setprofile(before)
    return calls


def worst() -> Iterator[CraftedAnswer]:
    for kind in WORST:
        for service, task in TASKS.items():
            members = KINDS[kind](LARGE // 20, crafted_answers.chance(kind))
            yield CraftedAnswer(f"{service} {kind}", task(members))


def test_no_answer_takes_more_work_than_its_size_allows() -> None:
    found = {answer.name: calls_in(answer) for answer in worst()}
    print(found)
    assert {name: calls for name, calls in found.items() if calls > MOST_CALLS} == {}


def test_a_body_of_too_many_values_is_not_read() -> None:
    assert decoded(b"[" + b"1," * VALUES_CAP + b"1]") == (False, None)
    is_json, _ = decoded(b"[" + b"1," * (VALUES_CAP - 2) + b"1]")
    assert is_json


def test_a_number_of_too_many_digits_is_not_known() -> None:
    assert decoded(b'{"a": ' + b"9" * 400 + b"}") == (True, {"a": int("9" * 400)})
    assert decoded(b'{"a": ' + b"9" * 401 + b"}") == (True, {"a": None})
    assert decoded(b'{"a": ' + b"9" * 4301 + b"}") == (False, None)


FLOOD = [{"secret": f"hush-hush-{number:04}"} for number in range(SECRETS_CAP + 1)]


async def test_a_reply_flooded_with_secrets_shows_none_of_its_words() -> None:
    song = {"id": "c1", "title": "hush-hush-0001", "song_path": "https://m.example/hush-hush-0002"}
    task: dict[str, object] = {"task_id": TASK_ID, "status": "failed", "output": {"songs": [song]}}
    task |= {"error": {"message": "hush-hush-0003"}, "config": FLOOD}
    body = json.dumps({"code": 200, "message": "", "data": task}).encode()
    report = await adapter(CraftedAnswer("piapi", body)).fetch(TASK_ID)
    assert report.status == "failed"
    assert report.clips[0].clip_id == "c1"
    assert "hush" not in str(report)


@pytest.mark.parametrize("code", ["do_request_failed", "10000", "success", "internal"])
async def test_a_flood_of_secrets_makes_no_refusal_of_a_doubt(code: str) -> None:
    body = json.dumps({"code": code, "message": "no", "data": None, "config": FLOOD}).encode()
    for status in (200, 400):
        gptge = Gptge(KEY, "https://api.gpt.ge", Service(CraftedAnswer("gptge", body, status)))
        if code == "success" and status == 400:
            continue
        with pytest.raises(NoAnswerError):
            await gptge.submit(gptge.prepare(SongRequest(DEFAULT_SUNO, "waltz")))


async def test_a_flood_of_secrets_loses_no_task() -> None:
    body = json.dumps({"code": "success", "message": "", "data": TASK_ID, "x": FLOOD}).encode()
    gptge = Gptge(KEY, "https://api.gpt.ge", Service(CraftedAnswer("gptge", body)))
    accepted = await gptge.submit(gptge.prepare(SongRequest(DEFAULT_SUNO, "waltz")))
    assert accepted.task_id == TASK_ID
