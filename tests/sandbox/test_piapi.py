import re
from email.utils import parsedate_to_datetime

import httpx
import pytest

from song_mcp.sandbox.app import Rules, Sandbox
from tests.sandbox.driving import (
    Clock,
    Json,
    completed,
    create,
    differences,
    example,
    task,
    udio,
    udio_lyrics,
)

NEVER = "0001-01-01T00:00:00Z"
ACCEPTED = (
    "description",
    "own_lyrics",
    "own_lyrics_in_both",
    "published_description",
    "published_instrumental",
    "published_own_lyrics",
    "published_create_task",
    "lyrics",
)


async def status_after(http: httpx.AsyncClient, clock: Clock, task_id: str, seconds: float) -> str:
    clock.advance(seconds)
    return str((await task(http, task_id))["status"])


async def message(http: httpx.AsyncClient, body: Json, status: int) -> str:
    response = await http.post("/api/v1/task", json=body)
    refusal = response.json()
    assert (response.status_code, refusal["code"], refusal["data"]) == (status, status, None)
    return str(refusal["message"])


async def test_a_new_task_has_the_documented_shape(http: httpx.AsyncClient) -> None:
    response = await http.post("/api/v1/task", json=example("piapi/requests/description"))
    wanted = example("piapi/answers/created")
    wanted["data"]["input"] |= {"gpt_description_prompt": ""}
    assert differences(response.json(), wanted) == []
    data = response.json()["data"]
    assert data["output"] == {"generation_id": "", "songs": None}
    assert data["logs"] is None
    assert data["meta"]["started_at"] == data["meta"]["ended_at"] == NEVER
    assert data["meta"]["usage"] == {"type": "point", "frozen": 500_000, "consume": 0}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_every_documented_request_is_accepted(http: httpx.AsyncClient, name: str) -> None:
    assert await create(http, example(f"piapi/requests/{name}"))


async def test_a_task_goes_from_pending_over_processing_to_completed(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    task_id = await create(http, udio())
    seen = [await status_after(http, clock, task_id, 10) for _ in range(11)]
    assert seen == ["pending"] + ["processing"] * 8 + ["completed"] * 2


async def test_times_have_nine_digits_and_follow_the_clock(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    meta = (await completed(http, clock, udio()))["meta"]
    assert re.fullmatch(r"2025-05-06T03:45:27\.5338\d{5}Z", meta["created_at"])
    assert re.fullmatch(r"2025-05-06T03:45:42\.5338\d{5}Z", meta["started_at"])
    assert re.fullmatch(r"2025-05-06T03:47:07\.5338\d{5}Z", meta["ended_at"])


async def test_a_completed_task_has_the_documented_shape(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    data = await completed(http, clock, example("piapi/requests/own_lyrics"))
    wanted = example("piapi/answers/completed")["data"]
    assert [d for d in differences(data, wanted) if not d.startswith("$.input")] == []
    assert data["meta"]["usage"] == {"type": "point", "frozen": 500_000, "consume": 500_000}
    first, second = data["output"]["songs"]
    assert first["id"] != second["id"]
    assert first["title"] != second["title"]
    assert all(song["title"].startswith("Sandbox: ") for song in (first, second))
    assert all(song["tags"][0] == "sandbox" for song in (first, second))
    assert first["lyrics"] == "Lamps along the quay"


@pytest.mark.parametrize("field", ["prompt", "lyrics"])
async def test_own_lyrics_are_taken_from_either_field(
    http: httpx.AsyncClient, clock: Clock, field: str
) -> None:
    body = udio(lyrics_type="user", **{field: "[Verse]\nTrams at noon\nand rain"})
    songs = (await completed(http, clock, body))["output"]["songs"]
    assert {song["lyrics"] for song in songs} == {"Trams at noon and rain"}


async def test_the_service_writes_other_words_for_each_song_and_none_for_an_instrumental(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    songs = (await completed(http, clock, udio("night breeze")))["output"]["songs"]
    assert songs[0]["lyrics"] != songs[1]["lyrics"]
    silent = await completed(http, clock, udio("night breeze", lyrics_type="instrumental"))
    assert [song["lyrics"] for song in silent["output"]["songs"]] == ["", ""]


async def test_lyrics_alone_come_in_a_quarter_of_the_time_and_cost_nothing(
    http: httpx.AsyncClient, clock: Clock, sandbox: Sandbox
) -> None:
    before = sandbox.points
    task_id = await create(http, udio_lyrics())
    assert (await task(http, task_id))["output"] is None
    clock.advance(25)
    data = await task(http, task_id)
    assert data["status"] == "completed"
    assert list(data["output"]) == ["lyrics"]
    assert "harbour" in data["output"]["lyrics"].lower()
    assert sandbox.points == before


async def test_an_extension_that_holds_its_source_is_longer_by_32_s(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    source = (await completed(http, clock, udio()))["output"]["songs"][0]
    body = example("piapi/requests/extend")
    body["input"] |= {"continue_song_id": source["id"], "continue_at": 0.48}
    body["input"]["gpt_description_prompt"] += " [[holds-source]]"
    song = (await completed(http, clock, body))["output"]["songs"][0]
    assert song["duration"] == pytest.approx(0.48 + 32, abs=0.02)
    body["input"]["continue_at"] = 0
    song = (await completed(http, clock, body))["output"]["songs"][0]
    assert song["duration"] == pytest.approx(source["duration"] + 32, abs=0.02)


async def test_what_was_sent_is_echoed_with_the_webhooks_secret(http: httpx.AsyncClient) -> None:
    webhook = {"endpoint": "https://example.com/hook", "secret": "hush"}
    body = udio(odd=[1]) | {"config": {"service_mode": "public", "webhook_config": webhook}}
    data = await task(http, await create(http, body))
    assert data["config"] == body["config"]
    assert data["input"] == body["input"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"lyrics_type": "user", "prompt": "a" * 1001},
            "lyrics cannot exceed 1000 characters, got 1001",
        ),
        ({"lyrics": "é" * 1001}, "lyrics cannot exceed 1000 characters, got 1001"),
        ({"negative_tags": "a" * 101}, "negative tags cannot exceed 100 characters, got 101"),
        ({"lyrics_type": "song"}, "lyrics_type must be one of: generate, user, instrumental"),
        ({"lyrics_type": "user"}, "lyrics is required when lyrics_type is user"),
        ({"gpt_description_prompt": ""}, "gpt_description_prompt is required"),
        ({"title": 7}, "title must be a string"),
        ({"seed": "7"}, "seed must be an integer"),
        ({"continue_at": -1}, "continue_at must be a number of seconds"),
        ({"continue_song_id": "nobody"}, "continue_song_id not found"),
    ],
)
async def test_bad_input_is_refused_and_nothing_is_accepted(
    http: httpx.AsyncClient, sandbox: Sandbox, more: Json, expected: str
) -> None:
    assert await message(http, udio(**more), 400) == expected
    assert sandbox.count("piapi") == 0


async def test_the_limits_themselves_are_allowed(http: httpx.AsyncClient) -> None:
    given = {"lyrics_type": "user", "lyrics": "a" * 1000, "negative_tags": "b" * 100}
    assert await create(http, udio("c" * 10_000, title="d" * 300, seed=-25_443_934, **given))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (udio() | {"model": "music-s"}, 503),
        (udio() | {"model": "nothing"}, 400),
        (udio() | {"task_type": "extend"}, 400),
        (udio() | {"task_type": []}, 400),
        (udio() | {"input": "text"}, 400),
        (udio() | {"config": {"webhook_config": "text"}}, 400),
        (udio_lyrics(""), 400),
        ({}, 400),
    ],
)
async def test_other_models_and_malformed_bodies_are_refused(
    http: httpx.AsyncClient, body: Json, status: int
) -> None:
    assert await message(http, body, status)


async def test_what_is_no_json_is_refused(http: httpx.AsyncClient) -> None:
    for content in (b"", b"{", b"[]", b"\xff"):
        assert (await http.post("/api/v1/task", content=content)).status_code == 400


async def test_half_a_surrogate_pair_does_no_harm(http: httpx.AsyncClient) -> None:
    body = b'{"model":"music-u","task_type":"generate_music","input":{"lyrics_type":"generate",'
    body += b'"gpt_description_prompt":"\\ud800"}}'
    assert (await http.post("/api/v1/task", content=body)).status_code == 200


@pytest.mark.parametrize("key", ["", "bad-key"])
async def test_a_missing_or_bad_key_is_refused_everywhere(
    http: httpx.AsyncClient, key: str
) -> None:
    for path in (
        "/api/v1/task/x",
        "/account/info",
        "/account/active_tasks",
        "/api/open/tasks/histories",
    ):
        response = await http.get(path, headers={"x-api-key": key})
        assert response.status_code == 401
        assert response.json() == example("piapi/refusals/bad_key")
    response = await http.post("/api/v1/task", json=udio(), headers={"x-api-key": key})
    assert response.status_code == 401


async def test_an_unknown_task_and_an_unknown_path_are_404(http: httpx.AsyncClient) -> None:
    response = await http.get("/api/v1/task/nobody")
    assert response.status_code == 404
    assert response.json() == example("piapi/refusals/unknown_task")
    assert (await http.get("/api/v2/task")).status_code == 404
    assert (await http.get("/api/v1/task")).json()["code"] == 404


async def test_the_account_has_the_documented_shape_and_pays_five_cents_a_song(
    http: httpx.AsyncClient,
) -> None:
    await create(http, udio())
    account = (await http.get("/account/info")).json()
    assert differences(account, example("piapi/answers/account")) == []
    assert account["data"]["equivalent_in_usd"] == 9.95
    assert account["data"]["wallet"]["point_remain"] == 99_500_000
    assert account["data"]["credit_pack_info"]["used_credits"] == 50_000


async def test_a_failed_task_gives_its_points_back(
    http: httpx.AsyncClient, clock: Clock, sandbox: Sandbox
) -> None:
    await create(http, udio("[[fail-10000-logs]]"))
    assert sandbox.points == 99_500_000
    clock.advance(100)
    assert sandbox.points == 100_000_000


async def test_active_tasks_are_counted_until_they_end(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    await create(http, udio())
    clock.advance(50)
    await create(http, udio())
    active = (await http.get("/account/active_tasks")).json()
    assert differences(active, example("piapi/answers/active_tasks")) == []
    assert active["data"]["music-u"]["pending_count"] == 1
    assert active["data"]["music-u"]["processing_count"] == 1
    clock.advance(200)
    active = (await http.get("/account/active_tasks")).json()
    assert active["data"]["music-u"]["pending_count"] == 0


@pytest.mark.parametrize("rules", [Rules(clip_seconds=0.1, max_concurrent=2)])
async def test_more_tasks_than_the_plan_allows_are_refused_until_one_ends(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    await create(http, udio())
    await create(http, udio())
    expected = "active task count 2 has reached the plan limit"
    assert await message(http, udio(), 429) == expected
    clock.advance(100)
    assert await create(http, udio())


@pytest.mark.parametrize("rules", [Rules(clip_seconds=0.1, balance_usd=0.10)])
async def test_an_empty_account_is_refused(http: httpx.AsyncClient) -> None:
    await create(http, udio())
    await create(http, udio())
    assert await message(http, udio(), 402) == "insufficient credits"
    assert await create(http, udio_lyrics())


@pytest.mark.parametrize("rules", [Rules(clip_seconds=0.1, keys=frozenset({"mine"}))])
async def test_keys_may_be_restricted(http: httpx.AsyncClient) -> None:
    assert (await http.get("/account/info")).status_code == 401
    mine = await http.get("/account/info", headers={"x-api-key": "mine"})
    assert mine.status_code == 200


@pytest.mark.parametrize("rules", [Rules(clip_seconds=0.1, max_tasks=2)])
async def test_past_the_bound_the_oldest_task_and_its_files_are_forgotten(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    oldest = await completed(http, clock, udio())
    await create(http, udio())
    await create(http, udio())
    assert (await http.get(f"/api/v1/task/{oldest['task_id']}")).status_code == 404
    assert (await http.get(oldest["output"]["songs"][0]["song_path"])).status_code == 404


# Past tasks ---------------------------------------------------------------------------------


async def past(http: httpx.AsyncClient, **asked: object) -> Json:
    response = await http.get("/api/open/tasks/histories", params=asked)  # type: ignore[arg-type]  # numbers
    assert response.status_code == 200, response.text
    return dict(response.json()["data"])


async def test_the_history_has_the_documented_shape_and_no_words_of_the_request(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    task_id = await create(http, udio("a quay at night"))
    response = await http.get("/api/open/tasks/histories")
    assert differences(response.json(), example("piapi/answers/history")) == []
    (entry,) = response.json()["data"]["data"]
    assert (entry["task_id"], entry["task_model"], entry["status"]) == (
        task_id,
        "music-u",
        "pending",
    )
    assert "quay" not in response.text
    assert parsedate_to_datetime(response.headers["Date"]).timestamp() == int(clock.now)


async def test_the_history_is_cut_by_time_and_into_pages_newest_first(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    ids = []
    for _ in range(12):
        ids.append(await create(http, udio()))
        clock.advance(10)
    page = await past(http)
    assert [entry["task_id"] for entry in page["data"]] == ids[::-1][:10]
    assert (page["page"], page["size"], page["total"]) == (1, 10, 12)
    page = await past(http, page=2, page_size=100)
    assert (page["data"], page["size"]) == ([], 100)
    begun = int(clock.now) - 120
    page = await past(http, start_time=begun + 10, end_time=begun + 31, page_size=500)
    assert [entry["task_id"] for entry in page["data"]] == ids[3:0:-1]


async def test_what_is_no_number_is_refused(http: httpx.AsyncClient) -> None:
    response = await http.get("/api/open/tasks/histories?page=x")
    assert (response.status_code, response.json()["message"]) == (400, "page must be a number")


async def test_a_history_may_lag_or_fail_as_often_as_its_marker_says(
    http: httpx.AsyncClient,
) -> None:
    await create(http, udio("[[history-lags:2]]"))
    assert [len((await past(http))["data"]) for _ in range(3)] == [0, 0, 1]
    await create(http, udio("[[history-fails]]"))
    assert (await http.get("/api/open/tasks/histories")).status_code == 500
    assert len((await past(http))["data"]) == 2


@pytest.mark.parametrize("rules", [Rules(has_history=False)])
async def test_a_sandbox_may_have_no_history(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/open/tasks/histories")).status_code == 404
