import httpx
import pytest

from song_mcp.sandbox.app import Sandbox
from tests.sandbox.driving import (
    Clock,
    Json,
    differences,
    example,
    fetched,
    submit,
    succeeded,
    suno,
)


async def refusal(http: httpx.AsyncClient, path: str, status: int, json: object) -> tuple[str, str]:
    response = await http.post(path, json=json)
    answer = response.json()
    assert (response.status_code, answer["data"]) == (status, None)
    return answer["code"], answer["message"]


async def test_a_submission_is_answered_with_the_task_id_as_a_string(
    http: httpx.AsyncClient,
) -> None:
    response = await http.post("/suno/submit/music", json=example("gptge/requests/inspiration"))
    assert differences(response.json(), example("gptge/answers/submitted")) == []
    assert response.json()["code"] == "success"


async def test_a_task_goes_through_all_states_in_order(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    task_id = await submit(http, suno())
    seen = []
    for _ in range(50):
        seen.append((await fetched(http, task_id))["status"])
        clock.advance(2.5)
    states = ["NOT_START", "SUBMITTED", "QUEUED", "IN_PROGRESS", "SUCCESS"]
    assert list(dict.fromkeys(seen)) == states
    assert seen == sorted(seen, key=states.index)


async def test_data_is_null_before_the_clips_are_known(http: httpx.AsyncClient) -> None:
    data = await fetched(http, await submit(http, suno()))
    assert differences(data, example("gptge/answers/running_no_data")["data"]) == []
    assert data["data"] is None
    assert data["start_time"] == data["finish_time"] == 0
    assert data["progress"] == "0%"


async def test_the_first_clip_streams_while_the_second_waits(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    task_id = await submit(http, suno())
    clock.advance(60)
    data = await fetched(http, task_id)
    wanted = example("gptge/answers/running_clips_known")["data"]
    assert differences(data["data"][0], wanted["data"][0]) == []
    assert differences(data["data"][1], wanted["data"][1]) == []
    assert data["status"] == "IN_PROGRESS"
    heard = await http.get(data["data"][0]["audio_url"])
    assert heard.headers["content-type"] == "audio/mpeg"
    clock.advance(60)
    whole = await http.get((await fetched(http, task_id))["data"][0]["audio_url"])
    assert whole.content.startswith(heard.content)
    assert 0 < len(heard.content) < len(whole.content)


async def test_completed_music_has_the_documented_shape(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    data = await succeeded(http, clock, example("gptge/requests/custom"))
    assert differences(data, example("gptge/answers/completed_music")["data"]) == []
    assert differences(data, example("gptge/answers/published_completed_music")["data"]) == []
    first, second = data["data"]
    assert first["id"] != second["id"]
    assert first["title"] == "Trams"
    assert first["metadata"]["prompt"] == "[Verse]\nTrams at noon"
    assert first["metadata"]["tags"].startswith("sandbox, indie")
    assert data["finish_time"] - data["submit_time"] == 100


async def test_inspiration_writes_title_and_words_and_ignores_the_custom_fields(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    body = suno() | {"title": "Mine", "prompt": "My words", "tags": "metal"}
    clip = (await succeeded(http, clock, body))["data"][0]
    assert clip["title"].startswith("Sandbox: ")
    assert "My words" not in clip["metadata"]["prompt"]
    assert clip["metadata"]["gpt_description_prompt"] == body["gpt_description_prompt"]


async def test_an_instrumental_has_no_words(http: httpx.AsyncClient, clock: Clock) -> None:
    silent = await succeeded(http, clock, suno() | {"make_instrumental": True})
    empty = await succeeded(http, clock, {"prompt": "", "tags": "piano", "title": "Quiet"})
    assert silent["data"][0]["metadata"]["prompt"] == ""
    assert empty["data"][0]["metadata"]["prompt"] == ""


async def test_lyrics_come_as_one_object(http: httpx.AsyncClient, clock: Clock) -> None:
    data = await succeeded(http, clock, example("gptge/requests/lyrics"), "lyrics")
    assert differences(data, example("gptge/answers/completed_lyrics")["data"]) == []
    assert data["action"] == "LYRICS"


async def test_a_continuation_is_the_new_part_alone(http: httpx.AsyncClient, clock: Clock) -> None:
    source = await succeeded(http, clock, suno())
    clip = source["data"][0]
    body = example("gptge/requests/continuation") | {
        "task_id": source["task_id"],
        "continue_clip_id": clip["id"],
        "continue_at": 0.48,
    }
    part = (await succeeded(http, clock, body))["data"][0]
    assert part["metadata"]["duration"] == pytest.approx(0.6)
    (before,) = part["metadata"]["history"]
    assert (before["id"], before["continue_at"]) == (clip["id"], 0.48)
    body["continue_at"] = 0
    at_the_end = (await succeeded(http, clock, body))["data"][0]
    (before,) = at_the_end["metadata"]["history"]
    assert before["continue_at"] == clip["metadata"]["duration"]


async def test_a_clip_of_another_task_makes_the_continuation_fail(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    source = await succeeded(http, clock, suno())
    body = {"prompt": "la", "task_id": source["task_id"], "continue_clip_id": "other"}
    data = await succeeded(http, clock, body)
    assert (data["status"], data["fail_reason"]) == ("FAILURE", "continue_clip_id not found")


async def test_refusals_of_a_submission_have_the_documented_words(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    music, lyrics = "/suno/submit/music", "/suno/submit/lyrics"
    continued = {"prompt": "la", "continue_clip_id": "x"}
    invalid = "invalid_request"
    assert await refusal(http, lyrics, 400, {}) == (invalid, "prompt_empty")
    assert await refusal(http, music, 400, {"mv": "chirp-v4"}) == (invalid, "prompt is empty")
    assert await refusal(http, music, 400, continued) == (invalid, "task id is empty")
    continued["task_id"] = "nobody"
    unknown = ("task_not_exist", "task_origin_not_exist")
    assert await refusal(http, music, 400, continued) == unknown
    assert sandbox.count("gptge") == 0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "EOF"),
        (b'{"prompt": ', "unexpected end of JSON input"),
        (b"<html>", "invalid character '<' looking for beginning of value"),
        (b"[]", "json: cannot unmarshal into Go value of type dto.SunoSubmitReq"),
    ],
)
async def test_bad_json_is_refused_in_the_decoders_words(
    http: httpx.AsyncClient, content: bytes, expected: str
) -> None:
    response = await http.post("/suno/submit/music", content=content)
    assert response.status_code == 400
    assert response.json() == {"code": "invalid_request", "message": expected, "data": None}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("tags", ["a"], "cannot unmarshal array into Go struct field SunoSubmitReq.tags"),
        ("continue_at", "5", "cannot unmarshal string into"),
        ("continue_at", True, "cannot unmarshal bool into"),
        ("title", {}, "cannot unmarshal object into"),
    ],
)
async def test_a_field_of_the_wrong_type_is_refused(
    http: httpx.AsyncClient, field: str, value: object, expected: str
) -> None:
    code, message = await refusal(http, "/suno/submit/music", 400, suno() | {field: value})
    assert code == "invalid_request"
    assert expected in message or message.startswith(f"json: {expected}")


async def test_fields_that_the_gateway_does_not_know_are_dropped(http: httpx.AsyncClient) -> None:
    assert await submit(
        http, suno() | {"negative_tags": ["metal"], "notify_hook": 7, "title": None}
    )


@pytest.mark.parametrize("given", ["", "key", "Basic key", "Bearer ", "Bearer bad-key"])
async def test_a_missing_or_bad_key_gets_the_other_kind_of_error(
    http: httpx.AsyncClient, given: str
) -> None:
    headers = {"authorization": given}
    for method, path in (
        ("POST", "/suno/submit/music"),
        ("POST", "/suno/submit/lyrics"),
        ("POST", "/suno/fetch"),
        ("GET", "/suno/fetch/x"),
    ):
        response = await http.request(method, path, headers=headers, json={})
        assert response.status_code == 401
        assert differences(response.json(), example("gptge/refusals/bad_key")) == []
        assert response.json()["error"]["message"].startswith("无效的令牌 (request id: ")


async def test_an_unknown_action_finds_no_channel(http: httpx.AsyncClient) -> None:
    response = await http.post("/suno/submit/remix", json={})
    assert response.status_code == 503
    wanted = example("gptge/refusals/invalid_action_no_channel")["error"]
    error = response.json()["error"]
    assert error["code"] == wanted["code"]
    assert error["message"].split("(request")[0] == wanted["message"].split("(request")[0]


async def test_an_unknown_task_is_400_alone_and_missing_in_a_batch(
    http: httpx.AsyncClient,
) -> None:
    response = await http.get("/suno/fetch/nobody")
    assert response.status_code == 400
    assert response.json() == example("gptge/refusals/task_not_exist")
    known = await submit(http, suno())
    batch = (await http.post("/suno/fetch", json={"ids": ["nobody", known]})).json()
    assert differences(batch, example("gptge/answers/many_found")) == []
    assert [item["task_id"] for item in batch["data"]] == [known]


async def test_a_batch_without_a_known_task_is_null_and_without_ids_an_empty_list(
    http: httpx.AsyncClient,
) -> None:
    unknown = (await http.post("/suno/fetch", json={"ids": ["nobody"]})).json()
    assert unknown == example("gptge/answers/many_none_found")
    empty = (await http.post("/suno/fetch", json={"ids": []})).json()
    assert empty == example("gptge/answers/many_no_ids")
    assert (await http.post("/suno/fetch", json={"ids": "x"})).status_code == 400


async def test_a_batch_comes_in_order_of_submission_and_may_be_limited_to_one_action(
    http: httpx.AsyncClient,
) -> None:
    song = await submit(http, suno())
    words = await submit(http, {"prompt": "trams"}, "lyrics")
    asked: list[tuple[Json, list[str]]] = [
        ({"ids": [words, song]}, [song, words]),
        ({"ids": [words, song], "action": "LYRICS"}, [words]),
        ({"ids": [words, song], "action": "MUSIC"}, [song]),
    ]
    for body, expected in asked:
        found = (await http.post("/suno/fetch", json=body)).json()["data"]
        assert [item["task_id"] for item in found] == expected


@pytest.mark.parametrize("path", ["/", "/suno/fetch/", "/suno/nothing", "/suno/submit/music"])
async def test_a_path_without_a_route_is_a_web_page_with_200(
    http: httpx.AsyncClient, path: str
) -> None:
    response = await http.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


async def test_an_unknown_path_under_v1_is_json(http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/engines")
    assert response.status_code == 404
    assert response.json()["error"]["message"] == "Invalid URL (GET /v1/engines)"
