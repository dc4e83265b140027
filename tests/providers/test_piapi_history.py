"""PiAPI's history: what it lists, and which task a submission made; docs/providers.md 2.11."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from song_mcp.errors import ServiceError, UnknownTaskError
from song_mcp.providers import Batching, History, Past, Remembering, Submission
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import (
    MODELS,
    CoverRequest,
    ExtensionRequest,
    LyricsRequest,
    Request,
    SongRequest,
    Source,
)
from tests.faults.canaries import PIAPI_KEY
from tests.models import UDIO

Json = dict[str, Any]

SINCE = datetime(2026, 9, 21, 9, 59, tzinfo=UTC)
UNTIL = datetime(2026, 9, 21, 10, 2, tzinfo=UTC)
MADE = datetime(2026, 9, 21, 10, 0, 1, tzinfo=UTC)
EXAMPLE = Path(__file__).parent.parent / "examples" / "piapi" / "answers" / "history.json"
ACE_STEP, DIFFRHYTHM = MODELS["ace-step"], MODELS["diffrhythm"]
SENT = Submission("piapi", "/api/v1/task", {"model": "music-u"})
SONG = SongRequest(UDIO, description="slow waltz", title="Quay", seed=7)
SUNG = SongRequest(UDIO, description="waltz", lyrics="[Verse]\nLamps", negative_tags="drums")
RUNNING = "/account/active_tasks"


def piapi(answer: Callable[[httpx.Request], object]) -> Piapi:
    def handler(request: httpx.Request) -> httpx.Response:
        made = answer(request)
        return made if isinstance(made, httpx.Response) else httpx.Response(200, json=made)

    return Piapi(PIAPI_KEY, "https://api.piapi.ai", transport=httpx.MockTransport(handler))


def entry(number: int, **more: object) -> Json:
    key = f"11111111-0000-4000-8000-{number:012}"
    shown = {"task_id": key, "task_model": "music-u", "created_at": "2026-09-21T10:00:01Z"}
    return shown | more


def page(entries: object, **more: object) -> Json:
    return {"code": 200, "message": "success", "data": {"data": entries} | more}


async def listed(data: object) -> History:
    return await piapi(lambda _: data).history(SINCE, UNTIL, SENT)


# The list -----------------------------------------------------------------------------------


async def test_the_documented_page_is_read_and_says_nothing_of_the_account() -> None:
    found = await listed(json.loads(EXAMPLE.read_text(encoding="utf-8")))
    past = Past("11111111-0000-4000-8000-000000000001", MADE)
    assert found == History((past,), is_whole=True)
    assert not {"4242", "4343"} & set(repr(found).replace(",", " ").split())


async def test_it_is_asked_by_time_model_and_page_with_the_key() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> Json:
        requests.append(request)
        return page([], total=0)

    await piapi(answer).history(SINCE, UNTIL, SENT)
    request, running = requests
    assert (running.method, running.url.path) == ("GET", "/account/active_tasks")
    assert (request.method, request.url.path) == ("GET", "/api/open/tasks/histories")
    assert dict(request.url.params) == {
        "page": "1",
        "page_size": "100",
        "model": "music-u",
        "start_time": str(int(SINCE.timestamp())),
        "end_time": str(int(UNTIL.timestamp()) + 1),
    }
    assert request.headers["x-api-key"] == PIAPI_KEY


@pytest.mark.parametrize(
    "told",
    [
        "2026-09-21T10:00:01Z",
        1789984801,
        "1789984801.0",
        1789984801000,
        "2026-09-21T12:00:01+02:00",
    ],
)
async def test_the_time_may_be_text_or_a_number(told: object) -> None:
    found = await listed(page([entry(1, created_at=told)], total=1))
    assert [past.made_at for past in found.tasks] == [MADE]


@pytest.mark.parametrize("told", [None, "", 0, "yesterday", {"at": 1}])
async def test_a_time_that_cannot_be_read_is_not_known(told: object) -> None:
    found = await listed(page([entry(1, created_at=told)], total=1))
    assert [past.made_at for past in found.tasks] == [None]


async def test_other_models_are_left_out_on_this_side_too() -> None:
    entries = [entry(1, task_model="kling"), entry(2), entry(3, task_model="", detail={})]
    entries.append(entry(4, task_model=None, detail={"model": "flux"}))
    found = await listed(page(entries, total=4))
    assert [past.task_id[-1] for past in found.tasks] == ["2", "3"]
    assert found.is_whole
    assert not found.is_empty


async def test_the_id_may_be_in_the_detail_alone() -> None:
    found = await listed(page([{"detail": {"task_id": "t-1", "model": "music-u"}}], total=1))
    assert [past.task_id for past in found.tasks] == ["t-1"]


def paged(entries: list[Json], size: int, *, total: bool) -> Callable[[httpx.Request], Json]:
    def answer(request: httpx.Request) -> Json:
        first = (int(request.url.params["page"]) - 1) * size
        told = {"total": len(entries)} if total else {}
        return page(entries[first : first + size], **told)

    return answer


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("size", [10, 100])
async def test_all_pages_are_read(size: int, *, total: bool) -> None:
    entries = [entry(number) for number in range(size * 3 + 1)]
    found = await piapi(paged(entries, size, total=total)).history(SINCE, UNTIL, SENT)
    assert len(found.tasks) == len(entries)
    assert found.is_whole


async def test_a_list_that_is_too_long_is_not_whole() -> None:
    requests = []

    def answer(request: httpx.Request) -> Json:
        if request.url.path != RUNNING:
            requests.append(request)
        return paged([entry(number) for number in range(2000)], 100, total=True)(request)

    found = await piapi(answer).history(SINCE, UNTIL, SENT)
    assert (len(found.tasks), found.is_whole, len(requests)) == (500, False, 5)


@pytest.mark.parametrize("told", [{"total": 300}, {}])
async def test_a_page_that_comes_again_and_again_is_not_the_whole_list(told: Json) -> None:
    found = await listed(page([entry(number) for number in range(100)], **told))
    assert not found.is_whole
    assert len(found.tasks) == 100


@pytest.mark.parametrize("odd", [None, "x", 7, {}, {"task_id": ""}, {"task_id": "<b>"}])
async def test_a_list_with_an_entry_that_cannot_be_read_is_not_whole(odd: object) -> None:
    found = await listed(page([entry(1), odd], total=2))
    assert not found.is_whole
    assert len(found.tasks) == 1


@pytest.mark.parametrize("data", [[], None])
async def test_an_empty_list_is_told_as_empty(data: object) -> None:
    found = await listed(page(data, total=0))
    assert (found.is_empty, found.tasks) == (True, ())


@pytest.mark.parametrize(
    "answer",
    [
        {"code": 200, "message": "success", "data": []},
        {"code": 200, "message": "success", "data": {}},
        {"code": 200, "message": "success", "data": {"data": {"a": 1}, "total": 1}},
        {"code": 200, "message": "success", "data": {"data": "[]", "total": 0}},
        {"code": 200, "message": "success", "data": None},
        {"code": 404, "message": "not found", "data": None},
        {"code": 500, "message": "internal", "data": None},
        httpx.Response(200, html="<html>hello</html>"),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(401, json={"code": 401, "message": "no", "data": None}),
    ],
)
async def test_what_is_no_list_is_an_error_and_never_an_empty_list(answer: object) -> None:
    with pytest.raises(ServiceError):
        await listed(answer)


# What runs and is not listed ----------------------------------------------------------------


async def running(listed: Json, jobs: object) -> History:
    def answer(request: httpx.Request) -> object:
        return jobs if request.url.path == RUNNING else listed

    return await piapi(answer).history(SINCE, UNTIL, SENT)


def jobs(row: object, model: str = "music-u") -> Json:
    return {"code": 200, "message": "success", "data": {model: row}}


DOCUMENTED = json.loads(EXAMPLE.with_name("active_tasks.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("counted", "is_whole"),
    [
        (DOCUMENTED, False),
        (jobs({"pending_count": 0, "processing_count": 0, "active_tasks": None}), True),
        (jobs({"pending_count": None}), True),
        (jobs({"staged_count": "1"}), False),
        (jobs({"processing_count": 1}, "Music-U"), False),
        (jobs({"processing_count": 3}, "kling"), True),
        (jobs(None), True),
        (jobs("none"), True),
        ({"code": 200, "message": "success", "data": None}, True),
        ({"code": 404, "message": "no such path", "data": None}, True),
        (httpx.Response(404), True),
        (httpx.Response(500, text="<html>oops</html>"), True),
    ],
)
async def test_a_task_that_runs_and_is_not_listed_makes_the_list_less_than_whole(
    counted: object, *, is_whole: bool
) -> None:
    found = await running(page([entry(1, status="completed")], total=1), counted)
    assert found.is_whole is is_whole
    assert len(found.tasks) == 1


async def test_a_task_that_runs_and_is_listed_is_not_missing() -> None:
    listed = page([entry(1, status="processing"), entry(2, status="Completed")], total=2)
    assert (await running(listed, jobs({"pending_count": 1}))).is_whole
    assert not (await running(listed, jobs({"pending_count": 1, "processing_count": 1}))).is_whole


async def test_a_job_that_is_told_with_its_id_is_in_the_history() -> None:
    job = {"task_id": "t-9", "created_at": "2026-09-21T10:00:01Z"}
    row = {"processing_count": 2, "active_tasks": [job, entry(1), {"task_id": ""}, None]}
    found = await running(page([entry(1, status="processing")], total=1), jobs(row))
    assert [task.task_id for task in found.tasks] == ["t-9", entry(1)["task_id"]]
    assert found.tasks[0].made_at == MADE
    assert found.is_whole
    alone = await running(page([], total=0), jobs({"active_tasks": [job]}))
    assert [task.task_id for task in alone.tasks] == ["t-9"]
    assert not alone.is_empty


async def test_the_clock_of_the_service_is_told() -> None:
    head = {"Date": "Mon, 21 Sep 2026 10:05:00 GMT"}
    found = await listed(httpx.Response(200, json=page([], total=0), headers=head))
    assert found.now == datetime(2026, 9, 21, 10, 5, tzinfo=UTC)


def test_piapi_has_a_history_and_gptge_has_none() -> None:
    assert isinstance(piapi(lambda _: None), Remembering)
    assert not isinstance(Gptge("k", "https://api.gpt.ge"), Remembering)
    assert not isinstance(piapi(lambda _: None), Batching)


# The comparison -----------------------------------------------------------------------------


def submission(request: Request) -> Submission:
    return piapi(lambda _: None).prepare(request)


async def compared(sent: Submission, shown: object, **more: object) -> str:
    task = {"task_id": "t1"} | {key: sent.body[key] for key in ("model", "task_type")}
    task |= {"status": "processing", "input": shown, "output": None} | more
    service = piapi(lambda _: {"code": 200, "message": "success", "data": task})
    likeness, report = await service.compare("t1", sent)
    assert report.task_id == "t1"
    return likeness


REQUESTS: tuple[Request, ...] = (
    SONG,
    SUNG,
    LyricsRequest(UDIO, "a harbour at night"),
    ExtensionRequest(UDIO, source=Source("c1"), description="on", continue_at_s=12.5),
    SongRequest(UDIO, description="slow", instrumental=True),
    SongRequest(ACE_STEP, description="slow", lyrics="[Verse]\nLamps", negative_tags="drums"),
    ExtensionRequest(ACE_STEP, source=Source("c1"), description="on"),
    CoverRequest(ACE_STEP, source=Source("c1", duration_s=90.0), description="ska"),
    SongRequest(DIFFRHYTHM, description="folk", lyrics="[Verse]\nLamps"),
)


@pytest.mark.parametrize(
    "request_",
    REQUESTS,
    ids=[f"{number}-{each.model.name}-{each.kind}" for number, each in enumerate(REQUESTS)],
)
async def test_an_echo_of_what_was_sent_is_the_same(request_: Request) -> None:
    sent = submission(request_)
    assert await compared(sent, dict(sent.body["input"])) == "same"
    assert await compared(sent, dict(sent.body["input"]) | {"lang": "en", "extra": None}) == "same"


@pytest.mark.parametrize(
    ("change", "likeness"),
    [
        ({"style_audio": "https://storage.theapi.app/ephemeral/1.mp3"}, "same"),
        ({"style_audio": "https://storage.theapi.app/ephemeral/2.mp3", "infer_step": 60}, "same"),
        ({"duration": 90.0}, "same"),
        ({"duration": "90"}, "same"),
        ({"duration": 91}, "other"),
        ({"style_prompt": "ska, brass"}, "other"),
        ({"style_prompt": None}, "unclear"),
        ({"negative_style_prompt": "drums"}, "unclear"),
        ({"lyrics": "[inst]"}, "unclear"),
        ({"right_extend_duration": 30}, "unclear"),
    ],
)
async def test_a_cover_is_known_by_its_words_and_not_by_the_address_that_was_added(
    change: Json, likeness: str
) -> None:
    sent = submission(REQUESTS[-2])
    assert await compared(sent, dict(sent.body["input"]) | change) == likeness


async def test_the_history_is_asked_about_the_model_that_was_sent() -> None:
    requests: list[httpx.Request] = []
    shown = json.loads(EXAMPLE.with_name("history_ace_step.json").read_text(encoding="utf-8"))

    def answer(request: httpx.Request) -> Json:
        requests.append(request)
        return dict(shown)

    found = await piapi(answer).history(SINCE, UNTIL, submission(REQUESTS[-2]))
    assert [past.task_id for past in found.tasks] == ["11111111-2222-4333-8444-555555555555"]
    assert requests[0].url.params["model"] == "Qubico/ace-step"
    other = await piapi(answer).history(SINCE, UNTIL, submission(REQUESTS[-1]))
    assert other.tasks == ()


async def test_what_is_empty_may_be_left_out_and_a_random_seed_may_be_chosen() -> None:
    sent = submission(SongRequest(UDIO, description="slow waltz"))
    shown = {"gpt_description_prompt": "slow waltz", "lyrics_type": "generate", "seed": 123}
    assert await compared(sent, shown) == "same"


@pytest.mark.parametrize(
    ("change", "likeness"),
    [
        ({"gpt_description_prompt": "slow waltz."}, "other"),
        ({"gpt_description_prompt": "Slow waltz"}, "other"),
        ({"gpt_description_prompt": " slow  waltz\n"}, "unclear"),
        ({"gpt_description_prompt": None}, "unclear"),
        ({"gpt_description_prompt": 7}, "other"),
        ({"title": "Key"}, "other"),
        ({"seed": 8}, "other"),
        ({"seed": "7"}, "same"),
        ({"seed": -1}, "unclear"),
        ({"lyrics": "Words"}, "unclear"),
        ({"lyrics": ""}, "same"),
        ({"lyrics_type": "instrumental"}, "other"),
        ({"continue_song_id": "c9"}, "other"),
        ({"continue_at": 30}, "other"),
        ({"continue_at": 0}, "same"),
        ({"negative_tags": "drums"}, "unclear"),
    ],
)
async def test_one_other_word_is_another_request(change: Json, likeness: str) -> None:
    sent = submission(SONG)
    assert await compared(sent, dict(sent.body["input"]) | change) == likeness


@pytest.mark.parametrize("shown", [{}, None, [], "slow waltz"])
async def test_a_task_that_does_not_repeat_its_input_is_unclear(shown: object) -> None:
    assert await compared(submission(SONG), shown) == "unclear"


async def test_another_model_or_task_type_is_another_request() -> None:
    sent = submission(SONG)
    shown = dict(sent.body["input"])
    assert await compared(sent, shown, model="suno") == "other"
    assert await compared(sent, shown, task_type="generate_lyrics") == "other"
    assert await compared(sent, shown, model="Music-U") == "same"


async def test_a_task_that_the_service_does_not_show_cannot_be_compared() -> None:
    unknown = {"code": 404, "message": "task not found", "data": None}
    service = piapi(lambda _: httpx.Response(404, json=unknown))
    with pytest.raises(UnknownTaskError):
        await service.compare("t1", submission(SONG))
