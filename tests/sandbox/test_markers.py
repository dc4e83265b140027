import re

import httpx
import pytest

from song_mcp.sandbox import gptge_answers, piapi_answers
from song_mcp.sandbox.app import Sandbox
from song_mcp.sandbox.markers import find, without
from tests.sandbox.driving import (
    Clock,
    Json,
    completed,
    create,
    differences,
    example,
    fetched,
    submit,
    succeeded,
    suno,
    task,
    udio,
    udio_lyrics,
)


def words(text: str) -> list[str]:
    return text.split()


PIAPI = words("""
    ok slow partial fail-10000-logs fail-empty-reason unknown-status capital-status legacy-clips
    audio_url-only empty-songs-completed 400-lyrics-too-long 400-neg-tags 401 insufficient-credits
    plan-limit 503-maintenance html-502 truncated-json timeout reset 200-code-400 extra-fields
""")
GPTGE = words("""
    ok-music ok-lyrics two-clips-one-error null-data in-progress-with-audio FAILURE
    fail_reason-before-FAILURE UNKNOWN task_not_exist batch-null batch-missing 401-openai-style
    403-quota 429-saturated 429-quota 503-no-channel nested-json-message html-200 extra-fields
    slow-lyrics-submit slow timeout reset truncated-json html-502
""")


def test_every_documented_marker_is_known() -> None:
    assert {name.casefold() for name in PIAPI} <= piapi_answers.MARKERS.keys()
    known = gptge_answers.MARKERS.keys()
    assert {name.casefold() for name in GPTGE} | {"task_-prefix-id"} <= known


def test_markers_are_found_without_regard_to_case_and_taken_out_of_texts() -> None:
    texts = ["a [[Slow: 2 ]] b", "[[task_ prefix id]]", "[Verse] no [[]] marker"]
    assert find(texts) == {"slow": "2", "task_-prefix-id": ""}
    assert without(texts[0]) == "a  b"


@pytest.mark.parametrize(
    "text", ["[[nonsense]]", "[[slow:two]]", "[[slow:accepted]]", "[[403-quota]]"]
)
async def test_a_marker_that_the_service_does_not_know_is_refused(
    http: httpx.AsyncClient, text: str
) -> None:
    response = await http.post("/api/v1/task", json=udio(text))
    assert response.status_code == 400
    assert "unknown sandbox marker" in response.json()["message"]
    response = await http.post("/suno/submit/music", json=suno("[[nonsense]]"))
    assert response.json()["message"] == "unknown sandbox marker 'nonsense'"


async def test_markers_work_in_lyrics_and_leave_no_trace_in_songs(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    body = udio("folk [[ok]]", lyrics_type="user", lyrics="Lamps [[capital-status]]")
    data = await completed(http, clock, body)
    assert data["status"] == "Completed"
    assert data["input"]["lyrics"] == "Lamps [[capital-status]]"
    assert "[[" not in str(data["output"])


REFUSALS = [
    ("400-lyrics-too-long", 400, "lyrics_too_long"),
    ("400-neg-tags", 400, "negative_tags_too_long"),
    ("401", 401, "bad_key"),
    ("insufficient-credits", 402, "insufficient_credits"),
    ("plan-limit", 429, "plan_limit"),
    ("503-maintenance", 503, "under_maintenance"),
    ("200-code-400", 200, "code_400_in_http_200"),
]


@pytest.mark.parametrize(("name", "status", "file"), REFUSALS)
async def test_piapi_refuses_in_the_documented_words(
    http: httpx.AsyncClient, sandbox: Sandbox, name: str, status: int, file: str
) -> None:
    response = await http.post("/api/v1/task", json=udio(f"x [[{name}]]"))
    assert response.status_code == status
    assert response.json() == example(f"piapi/refusals/{file}")
    assert sandbox.count("piapi") == 0
    assert sandbox.spent == 0


async def test_a_server_error_may_carry_a_task(http: httpx.AsyncClient) -> None:
    response = await http.post("/api/v1/task", json=udio("[[500-failed-task]]"))
    assert response.status_code == 500
    wanted = example("piapi/refusals/failed_to_do_request")
    assert differences(response.json(), wanted) == []


async def test_the_plan_limit_may_be_named(http: httpx.AsyncClient) -> None:
    response = await http.post("/api/v1/task", json=udio("[[plan-limit:7]]"))
    assert response.json()["message"] == "active task count 7 has reached the plan limit"


GATEWAY_REFUSALS = [
    ("401-openai-style", 401, "bad_key"),
    ("403-quota", 403, "quota_not_enough"),
    ("403-quota:insufficient_user_quota", 403, "insufficient_user_quota"),
    ("429-saturated", 429, "saturated"),
    ("429-quota", 429, "quota_behind_429"),
    ("503-no-channel", 503, "no_channel"),
    ("nested-json-message", 403, "upstream_refused"),
]


@pytest.mark.parametrize(("name", "status", "file"), GATEWAY_REFUSALS)
async def test_gptge_refuses_in_the_documented_words(
    http: httpx.AsyncClient, sandbox: Sandbox, name: str, status: int, file: str
) -> None:
    response = await http.post("/suno/submit/music", json=suno(f"x [[{name}]]"))
    assert response.status_code == status
    request_id = re.compile(r"\(request id: \w+\)")
    wanted = request_id.sub("", str(example(f"gptge/refusals/{file}")))
    assert request_id.sub("", str(response.json())) == wanted
    assert sandbox.count("gptge") == 0


@pytest.mark.parametrize(("name", "status"), [("html-502", 502), ("html-200", 200)])
async def test_a_web_page_may_come_in_place_of_json(
    http: httpx.AsyncClient, sandbox: Sandbox, name: str, status: int
) -> None:
    for path, body in (("/api/v1/task", udio), ("/suno/submit/music", suno)):
        response = await http.post(path, json=body(f"x [[{name}]]"))
        assert response.status_code == status
        assert response.headers["content-type"].startswith("text/html")
    assert not sandbox.accepted


async def test_a_refusal_may_come_after_the_task_was_accepted(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    response = await http.post("/api/v1/task", json=udio("[[html-502:accepted]]"))
    assert response.status_code == 502
    assert sandbox.count("piapi") == 1
    assert sandbox.spent == 500_000


async def test_slow_counts_looks_not_seconds(http: httpx.AsyncClient, clock: Clock) -> None:
    task_id = await create(http, udio("[[slow:2]]"))
    clock.advance(1000)
    seen = [(await task(http, task_id))["status"] for _ in range(3)]
    assert seen == ["processing", "processing", "completed"]
    other = await submit(http, suno("[[slow]]"))
    clock.advance(1000)
    states = [(await fetched(http, other))["status"] for _ in range(4)]
    assert states == ["IN_PROGRESS"] * 3 + ["SUCCESS"]


async def test_partial_breaks_the_second_song(http: httpx.AsyncClient, clock: Clock) -> None:
    data = await completed(http, clock, udio("[[partial]]"))
    wanted = example("piapi/answers/completed_one_song_failed")["data"]
    assert [d for d in differences(data, wanted) if not d.startswith("$.input")] == []
    good, bad = data["output"]["songs"]
    assert (good["finished"], bad["finished"]) == (True, False)
    assert (bad["song_path"], bad["error_code"]) == ("", "content_rejected")


async def test_a_failed_task_says_why_in_its_logs(http: httpx.AsyncClient, clock: Clock) -> None:
    data = await completed(http, clock, udio("[[fail-10000-logs]]"))
    wanted = example("piapi/answers/failed")["data"]
    assert data["error"] == wanted["error"]
    assert data["logs"] == wanted["logs"]
    assert data["output"] == wanted["output"]
    assert data["meta"]["usage"] == wanted["meta"]["usage"]
    assert data["status"] == "failed"


async def test_a_failed_task_may_say_nothing_or_speak_of_credits(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    silent = await completed(http, clock, udio("[[fail-empty-reason]]"))
    assert (silent["status"], silent["error"]["message"], silent["logs"]) == ("failed", "", None)
    poor = await completed(http, clock, udio("[[fail-credits]]"))
    assert poor["error"] == example("piapi/answers/failed_not_enough_credits")["data"]["error"]


async def test_an_unknown_status_is_shown_only_while_the_task_runs(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    task_id = await create(http, udio("[[unknown-status]]"))
    assert (await task(http, task_id))["status"] == "retry"
    clock.advance(1000)
    assert (await task(http, task_id))["status"] == "completed"


@pytest.mark.parametrize("name", ["legacy-clips", "audio_url-only", "empty-songs-completed"])
async def test_other_output_shapes_are_shown_once_the_task_has_ended(
    http: httpx.AsyncClient, clock: Clock, name: str
) -> None:
    task_id = await create(http, udio(f"[[{name}]]"))
    assert (await task(http, task_id))["output"] == {"generation_id": "", "songs": None}
    clock.advance(1000)
    output = (await task(http, task_id))["output"]
    if name == "legacy-clips":
        wanted = example("piapi/answers/completed_clip_map")["data"]["output"]["clips"]["c2"]
        empty, *clips = output["clips"].values()
        assert empty == {}
        assert [differences(clip, wanted) for clip in clips] == [[], []]
    elif name == "audio_url-only":
        assert (await http.get(output["audio_url"])).headers["content-type"] == "audio/mpeg"
    else:
        assert output["songs"] == []


async def test_songs_may_be_listed_before_they_are_finished(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    task_id = await create(http, udio("[[songs-early]]"))
    clock.advance(50)
    output = (await task(http, task_id))["output"]
    wanted = example("piapi/answers/processing_songs_listed")["data"]["output"]
    assert differences(output, wanted) == []
    assert {song["song_path"] for song in output["songs"]} == {""}


async def test_harmless_surprises_are_harmless_to_json(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    odd = await completed(http, clock, udio("[[odd-shapes]] [[extra-fields]]"))
    assert (odd["meta"], odd["logs"], odd["progress"]) == ({}, [], None)
    assert isinstance(odd["output"]["songs"][0]["tags"], str)
    assert isinstance(odd["output"]["songs"][0]["duration"], int)
    text = await completed(http, clock, udio("[[odd-text]]"))
    assert "\ud800" in text["output"]["songs"][0]["title"]


async def test_one_of_two_clips_may_be_an_error(http: httpx.AsyncClient, clock: Clock) -> None:
    data = await succeeded(http, clock, suno("[[two-clips-one-error]]"))
    assert data["status"] == "SUCCESS"
    assert [clip["status"] for clip in data["data"]] == ["complete", "error"]


async def test_data_may_be_null_to_the_end(http: httpx.AsyncClient, clock: Clock) -> None:
    data = await succeeded(http, clock, suno("[[null-data]]"))
    assert (data["status"], data["data"]) == ("SUCCESS", None)


async def test_both_clips_may_be_audible_from_the_first_look(http: httpx.AsyncClient) -> None:
    data = await fetched(http, await submit(http, suno("[[in-progress-with-audio]]")))
    assert data["status"] == "IN_PROGRESS"
    assert all("/media/stream/" in clip["audio_url"] for clip in data["data"])


async def test_failure_has_the_documented_shape(http: httpx.AsyncClient, clock: Clock) -> None:
    data = await succeeded(http, clock, suno("[[FAILURE]]"))
    assert differences(data, example("gptge/answers/failed")["data"]) == []
    assert (data["status"], data["progress"]) == ("FAILURE", "100%")
    silent = await succeeded(http, clock, suno("[[fail-empty-reason]]"))
    assert (silent["status"], silent["fail_reason"]) == ("FAILURE", "")
    half = await succeeded(http, clock, suno("[[failure-one-complete]]"))
    assert [clip["status"] for clip in half["data"]] == ["error", "complete"]


async def test_the_reason_may_come_one_look_before_the_failure(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    task_id = await submit(http, suno("[[fail_reason-before-FAILURE]]"))
    clock.advance(1000)
    first, second = await fetched(http, task_id), await fetched(http, task_id)
    wanted = example("gptge/answers/fail_reason_before_failure")["data"]
    assert differences(first | {"data": None}, wanted) == []
    same = ("status", "fail_reason", "finish_time", "progress")
    assert [first[key] for key in same] == [wanted[key] for key in same]
    assert (second["status"], second["fail_reason"]) == ("FAILURE", "time out")


async def test_unknown_is_no_end(http: httpx.AsyncClient, clock: Clock) -> None:
    task_id = await submit(http, suno("[[UNKNOWN]]"))
    assert (await fetched(http, task_id))["status"] == "UNKNOWN"
    clock.advance(1000)
    assert (await fetched(http, task_id))["status"] == "SUCCESS"


async def test_a_task_may_be_lost_or_left_out_of_batches(http: httpx.AsyncClient) -> None:
    lost, left_out, known = [
        await submit(http, suno(text)) for text in ("[[task_not_exist]]", "[[batch-missing]]", "x")
    ]
    assert (await http.get(f"/suno/fetch/{lost}")).json()["code"] == "task_not_exist"
    assert (await fetched(http, left_out))["task_id"] == left_out
    ids = {"ids": [lost, left_out, known]}
    batch = (await http.post("/suno/fetch", json=ids)).json()["data"]
    assert [item["task_id"] for item in batch] == [known]
    nothing = await submit(http, suno("[[batch-null]]"))
    answer = (await http.post("/suno/fetch", json={"ids": [known, nothing]})).json()
    assert answer == example("gptge/answers/many_none_found")


async def test_ids_may_have_other_forms(http: httpx.AsyncClient) -> None:
    prefixed = await submit(http, suno("[[task_ prefix id]]"))
    assert re.fullmatch(r"task_[0-9a-f]{32}", prefixed)
    assert re.fullmatch(r"[0-9a-f]{32}", await submit(http, suno("[[hex-id]]")))
    assert (await fetched(http, prefixed))["task_id"] == prefixed


async def test_newer_gateways_say_more(http: httpx.AsyncClient, clock: Clock) -> None:
    data = await succeeded(http, clock, suno("[[extra-fields]]"))
    wanted = example("gptge/answers/completed_extra_fields")["data"]
    assert differences(data, wanted) == ["$.notify_hook"]


async def test_progress_may_be_missing_and_times_in_milliseconds(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    data = await succeeded(http, clock, suno("[[odd-shapes]] [[odd-text]]"))
    assert "progress" not in data
    assert data["submit_time"] > 1e11
    assert float(data["data"][0]["metadata"]["duration"]) > 1
    assert "\u202e" in data["data"][0]["title"]


@pytest.mark.parametrize("name", ["timeout", "slow-lyrics-submit"])
async def test_a_held_answer_comes_in_the_end(
    http: httpx.AsyncClient, sandbox: Sandbox, name: str
) -> None:
    response = await http.post("/suno/submit/lyrics", json={"prompt": f"trams [[{name}]]"})
    assert response.json()["data"] == sandbox.accepted[0].task_id
    assert not sandbox.held


async def test_an_answer_may_hold_half_the_json(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    for name in ("half-json", "truncated-json"):
        response = await http.post("/api/v1/task", json=udio(f"[[{name}]]"))
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            response.json()
    assert sandbox.count("piapi") == 2


async def test_a_reset_follows_acceptance(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    with pytest.raises(ConnectionResetError):
        await http.post("/api/v1/task", json=udio("[[reset]]"))
    assert sandbox.count("piapi") == 1


async def test_a_twin_spoils_the_first_looks_only(http: httpx.AsyncClient) -> None:
    task_id = await create(http, udio("[[fetch-503-maintenance:2]]"))
    path = f"/api/v1/task/{task_id}"
    assert [(await http.get(path)).status_code for _ in range(3)] == [503, 503, 200]
    other = await submit(http, suno("[[fetch-429-saturated]]"))
    ids = {"ids": [other]}
    seen = [(await http.post("/suno/fetch", json=ids)).status_code for _ in range(2)]
    assert seen == [429, 200]


PIAPI_SHAPES = [name for name, row in piapi_answers.MARKERS.items() if row.shape or row.fails]
GPTGE_SHAPES = [name for name, row in gptge_answers.MARKERS.items() if row.shape or row.fails]


@pytest.mark.parametrize("name", PIAPI_SHAPES)
async def test_every_shape_of_piapi_holds_from_the_first_look_to_the_last(
    http: httpx.AsyncClient, clock: Clock, name: str
) -> None:
    ids = [await create(http, body(f"x [[{name}]]")) for body in (udio, udio_lyrics)]
    for _ in range(8):
        assert {(await task(http, task_id))["task_id"] for task_id in ids} == set(ids)
        clock.advance(20)


@pytest.mark.parametrize("name", GPTGE_SHAPES)
async def test_every_shape_of_gptge_holds_from_the_first_look_to_the_last(
    http: httpx.AsyncClient, clock: Clock, name: str
) -> None:
    song = await submit(http, suno(f"x [[{name}]]"))
    ids = [song, await submit(http, {"prompt": f"x [[{name}]]"}, "lyrics")]
    for _ in range(8):
        assert {(await fetched(http, task_id))["task_id"] for task_id in ids} == set(ids)
        clock.advance(20)


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [("media-404", 404, "text/plain"), ("media-html", 200, "text/html")],
)
async def test_files_may_be_gone_or_a_web_page(
    http: httpx.AsyncClient, clock: Clock, name: str, status: int, kind: str
) -> None:
    songs: list[Json] = (await completed(http, clock, udio(f"[[{name}]]")))["output"]["songs"]
    response = await http.get(songs[0]["song_path"])
    assert response.status_code == status
    assert response.headers["content-type"].startswith(kind)
