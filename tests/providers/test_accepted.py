"""Which text in the answer to a submission is the id of its task; source: docs/providers.md 3.9."""

import json
from typing import Any

import httpx
import pytest

from song_mcp.errors import NoAnswerError, RefusedError, ServiceError, UnreadableAnswerError
from song_mcp.providers.accepted import task_id_in
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import ExtensionRequest, SongRequest, Source
from tests.models import DEFAULT_SUNO, UDIO

UUID = "aaaaaaaa-0000-4000-8000-00000000000a"
OTHER = "bbbbbbbb-0000-4000-8000-00000000000b"
BATCH = "1279444349692403713"
Body = Any

SHAPES: list[tuple[Body, str]] = [
    ({"code": "success", "message": "", "data": UUID}, UUID),
    ({"code": "success", "message": "", "data": "short-1"}, "short-1"),
    ({"code": 200, "data": {"taskBatchId": BATCH, "items": [{"id": "1", "clipId": OTHER}]}}, BATCH),
    ({"code": 200, "data": {"task_batch_id": BATCH}}, BATCH),
    ({"code": 200, "data": {"task_id": UUID}}, UUID),
    ({"code": 200, "data": {"taskId": UUID}}, UUID),
    ({"code": 200, "data": {"id": UUID}}, UUID),
    ({"code": 200, "data": {"id": 77, "task_id": UUID}}, UUID),
    ({"code": 200, "data": {"task_id": UUID, "taskBatchId": BATCH}}, UUID),
    ({"request_id": OTHER, "output": {"task_id": UUID, "task_status": "PENDING"}}, UUID),
    ({"code": 200, "data": {"code": 200, "data": {"task_id": UUID}}}, UUID),
    ({"code": "success", "response": {"taskId": UUID}}, UUID),
    ({"Code": 200, "Data": {"TaskId": UUID}}, UUID),
    ({"success": True, "generation_id": UUID}, UUID),
    ({"success": True, "data": {"uuid": UUID}}, UUID),
    ({"success": True, "data": {"uuid": OTHER, "task_id": UUID}}, UUID),
    ({"code": 200, "data": {"task_ids": [UUID]}}, UUID),
    ({"code": 200, "data": {"taskIds": [BATCH, "x"]}}, BATCH),
    ({"code": 200, "data": {"task_id": "", "taskId": None, "id": UUID}}, UUID),
    ({"success": True, "task_id": UUID, "trace_id": "t"}, UUID),
    ({"success": True, "task_id": UUID, "data": [{"id": OTHER}]}, UUID),
    ({"success": True, "data": {"task_id": UUID}}, UUID),
    ({"task_id": UUID}, UUID),
    ({"taskId": UUID, "status": "pending"}, UUID),
    ({"id": UUID, "clips": [{"id": OTHER}]}, UUID),
    ({"id": "row 7", "task_id": UUID}, UUID),
    ({"code": 1, "description": "ok", "result": UUID}, UUID),
    ({"code": 1, "result": BATCH}, BATCH),
    ({"code": 1, "result": {"taskId": UUID}}, UUID),
    ({"code": "success", "data": "submitted", "task_id": UUID}, UUID),
    ({"code": "success", "data": UUID, "task_id": OTHER}, UUID),
    ({"code": "success", "data": [{"task_id": UUID}, {"task_id": OTHER}]}, UUID),
    ({"code": "success", "data": [{"id": UUID}, {"id": OTHER}]}, UUID),
    ({"code": "success", "data": [UUID, OTHER]}, UUID),
    ({"code": "success", "data": json.dumps({"task_id": UUID})}, UUID),
    ({"code": "success", "data": json.dumps([{"task_id": UUID}])}, UUID),
    ({"code": "success", "data": json.dumps(UUID)}, UUID),
    ([{"task_id": UUID}, {"task_id": OTHER}], UUID),
    ({"code": "success", "data": {"task": {"id": UUID}}}, UUID),
    ({"code": "success", "data": None, "task": {"task_id": UUID}}, UUID),
    ({"code": 200, "data": {"taskID": UUID}}, UUID),
    ({"status": "SUCCESS", "message": "", "data": {"jobId": UUID}}, UUID),
    ({"job_id": UUID, "status": "queued"}, UUID),
    (json.dumps({"code": "success", "data": UUID}), UUID),
    ({"id": "req-1", "data": [UUID]}, UUID),
    ({"id": "req-1", "data": [{"id": UUID}]}, UUID),
    ({"id": "req-1", "result": {"id": UUID}}, UUID),
    ({"id": "req-1", "data": {"task": {"id": UUID}}}, UUID),
    ({"id": UUID, "data": [{"id": OTHER}]}, UUID),
    ({"id": "short-1", "data": [{"id": "short-2"}]}, "short-1"),
]
"""Answers that accept a submission, and the id by which looks at its task are made."""

ERRORS: list[tuple[Body, str]] = [
    ({"code": "do_request_failed", "message": "lost", "data": UUID}, UUID),
    ({"code": "x", "message": "m", "data": {"task_id": UUID.upper()}}, UUID.upper()),
    (
        {"code": "x", "message": "m", "data": None, "task_id": "task_" + "a" * 32},
        "task_" + "a" * 32,
    ),
    ({"code": "x", "message": "m", "data": {"taskBatchId": BATCH}}, BATCH),
    ({"code": "x", "message": "m", "data": [{"task_id": UUID}]}, UUID),
    ({"code": 22, "description": "queued", "result": UUID}, UUID),
    ({"success": False, "task_id": UUID, "error": {"code": "api_error", "message": "m"}}, UUID),
    ({"error": {"message": "m", "type": "new_api_error", "code": ""}, "data": UUID}, UUID),
]
"""Answers that report an error, and yet name the task that was made."""

NO_IDS: list[Body] = [
    {"code": "x", "message": "m", "data": "prompt_empty"},
    {"code": "x", "message": "m", "data": {"id": "no"}},
    {"code": "x", "message": "m", "id": UUID},
    {"code": "x", "message": "m", "request_id": UUID},
    {"code": "x", "message": "m", "data": {"task_id": "the_prompt_is_refused"}},
    {"success": False, "trace_id": UUID, "error": {"code": "x", "message": "m"}},
    {"detail": [{"loc": ["body", "task_id"], "msg": "bad"}], "id": UUID},
]
"""Answers that report an error, with texts in them that are no ids of tasks."""

UNUSABLE: list[Body] = [
    {"code": "success", "message": "", "data": "success"},
    {"code": "success", "message": "", "data": "OK"},
    {"code": "success", "message": "", "data": "提交成功"},
    {"code": "success", "message": "", "data": "generating"},
    {"code": "success", "message": "", "data": "https://api.example/tasks/1"},
    {"code": "success", "message": "", "data": {"task_id": "pending"}},
    {"code": "success", "message": "", "data": ["a", "b"]},
    {"code": "success", "message": "", "data": '{"task_id": ""}'},
    {"success": True, "trace_id": UUID},
    "fine",
]
"""Answers without an error and without an id."""


def answering(service: str, body: Body, status: int = 200) -> Gptge | Piapi:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=json.dumps(body)))
    if service == "piapi":
        return Piapi("key-1234", "https://api.piapi.ai", transport=transport)
    return Gptge("key-1234", "https://api.gpt.ge", transport)


async def submitted(service: str, body: Body, status: int = 200) -> str:
    asked = answering(service, body, status)
    model = UDIO if service == "piapi" else DEFAULT_SUNO
    accepted = await asked.submit(asked.prepare(SongRequest(model, "waltz")))
    return accepted.task_id


@pytest.mark.parametrize(("body", "task_id"), SHAPES)
async def test_the_id_by_which_looks_are_made_is_kept(body: Body, task_id: str) -> None:
    assert await submitted("gptge", body) == task_id


@pytest.mark.parametrize("service", ["piapi", "gptge"])
async def test_an_id_that_is_all_of_a_text_is_kept(service: str) -> None:
    for status, kept in ((200, True), (500, False), (404, False)):
        transport = httpx.MockTransport(lambda _, s=status: httpx.Response(s, text=f" {UUID}\n"))
        asked: Gptge | Piapi = Gptge("key-1234", "https://api.gpt.ge", transport)
        if service == "piapi":
            asked = Piapi("key-1234", "https://api.piapi.ai", transport=transport)
        model = UDIO if service == "piapi" else DEFAULT_SUNO
        prepared = asked.prepare(SongRequest(model, "waltz"))
        if kept:
            assert (await asked.submit(prepared)).task_id == UUID
        else:
            with pytest.raises(UnreadableAnswerError):
                await asked.submit(prepared)


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        ({"code": 200, "data": {"taskId": UUID}, "message": "success"}, UUID),
        ({"code": 200, "data": {"id": UUID}, "message": "success"}, UUID),
        ({"code": 200, "data": None, "task_id": UUID, "message": "success"}, UUID),
        ({"code": 200, "data": [{"task_id": UUID}], "message": "success"}, UUID),
        ({"code": 200, "data": json.dumps({"task_id": UUID}), "message": "success"}, UUID),
        ({"code": 400, "data": None, "task_id": UUID, "message": "no"}, UUID),
    ],
)
async def test_the_id_is_kept_at_piapi_too(body: Body, task_id: str) -> None:
    assert await submitted("piapi", body) == task_id


@pytest.mark.parametrize("status", [200, 400, 429, 500, 504])
@pytest.mark.parametrize(("body", "task_id"), ERRORS)
async def test_an_id_beside_an_error_is_kept(body: Body, task_id: str, status: int) -> None:
    assert await submitted("gptge", body, status) == task_id


@pytest.mark.parametrize("body", NO_IDS)
async def test_another_text_beside_an_error_is_no_id(body: Body) -> None:
    with pytest.raises(RefusedError):
        await submitted("gptge", body, 400)
    with pytest.raises(NoAnswerError):
        await submitted("gptge", body, 500)


@pytest.mark.parametrize("body", UNUSABLE)
async def test_a_word_in_the_place_of_an_id_leaves_a_doubt(body: Body) -> None:
    with pytest.raises(UnreadableAnswerError) as caught:
        await submitted("gptge", body)
    assert caught.value.charged == "unknown"


@pytest.mark.parametrize(
    "body",
    [
        {"code": "task_not_exist", "message": "m", "data": {"task_id": UUID}},
        {"code": "success", "message": "", "data": UUID},
        {"code": "success", "message": "", "data": {"task_id": f" {UUID} ", "id": OTHER}},
    ],
)
async def test_an_id_that_was_sent_is_not_that_of_the_new_task(body: Body) -> None:
    asked = answering("gptge", body, 400)
    request = ExtensionRequest(
        DEFAULT_SUNO, "waltz", source=Source(OTHER, UUID, duration_s=9.0), continue_at_s=5
    )
    with pytest.raises(ServiceError):
        await asked.submit(asked.prepare(request))


def test_a_wish_that_looks_like_an_id_is_none() -> None:
    error = {"code": "x", "message": "m", "data": UUID}
    assert task_id_in(error, {"prompt": UUID}, is_error=True) == ""
    assert task_id_in(error, {"input": {"tags": [UUID]}}, is_error=True) == ""
    assert task_id_in(error, {"prompt": "waltz"}, is_error=True) == UUID


WORDS = [
    "success",
    "successful",
    "succeeded",
    "ok",
    "done",
    "true",
    "false",
    "null",
    "none",
    "nil",
    "undefined",
    "submitted",
    "accepted",
    "pending",
    "queued",
    "processing",
    "error",
    "failed",
]


@pytest.mark.parametrize("word", WORDS)
def test_no_word_of_how_a_task_stands_is_an_id(word: str) -> None:
    for text in (word, word.upper(), f" {word} "):
        assert task_id_in({"code": "success", "data": text}, {}, is_error=False) == ""
        assert task_id_in({"task_id": text, "id": "real"}, {}, is_error=False) == "real"


@pytest.mark.parametrize("body", [None, [], [[]], {"data": [[]]}, {"data": {}}, 7, True, "", "{"])
@pytest.mark.parametrize("is_error", [False, True])
def test_an_answer_without_an_id_has_none(body: Body, is_error: bool) -> None:  # noqa: FBT001
    assert task_id_in(body, {}, is_error=is_error) == ""
