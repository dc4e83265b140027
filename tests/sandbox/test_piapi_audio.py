"""ACE-Step and DiffRhythm in the sandbox: what is taken and refused, prices, audio, uploads."""

import base64

import httpx
import pytest

from song_mcp.sandbox.app import Rules, Sandbox
from song_mcp.sandbox.piapi_audio import frames_in
from tests.sandbox.driving import (
    Clock,
    Json,
    completed,
    create,
    differences,
    example,
    heard,
    succeeded,
    suno,
    task,
    udio,
)

UPLOAD = "/api/ephemeral_resource"
HERE = "http://127.0.0.1:9"


def ace(task_type: str = "txt2audio", **given: object) -> Json:
    """A submission for ACE-Step, of the least length that has a sound of its own."""
    least: Json = {"style_prompt": "slow waltz", "lyrics": "[inst]"}
    least |= {"right_extend_duration": 1} if task_type == "extend" else {"duration": 1}
    return {"model": "Qubico/ace-step", "task_type": task_type, "input": least | given}


def rhythm(task_type: str = "txt2audio-base", **given: object) -> Json:
    least: Json = {"style_prompt": "folk", "lyrics": "[00:01.00] Lamps"}
    return {"model": "Qubico/diffrhythm", "task_type": task_type, "input": least | given}


async def refusal(http: httpx.AsyncClient, body: Json) -> str:
    answer = await http.post("/api/v1/task", json=body)
    assert answer.status_code == answer.json()["code"] == 400
    return str(answer.json()["message"])


async def audio(http: httpx.AsyncClient, shown: Json) -> bytes:
    answer = await http.get(shown["output"]["audio_url"])
    assert answer.status_code == 200
    return answer.content


def seconds(mp3: bytes) -> float:
    return heard(mp3).length


async def upload(http: httpx.AsyncClient, content: bytes, name: str = "a.mp3") -> httpx.Response:
    data = base64.b64encode(content).decode()
    return await http.post(UPLOAD, json={"file_name": name, "file_data": data})


# Tasks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["ace_step", "ace_step_instrumental", "diffrhythm", "diffrhythm_full"]
)
async def test_every_documented_request_is_accepted(http: httpx.AsyncClient, name: str) -> None:
    body = example(f"piapi/requests/{name}")
    answer = await http.post("/api/v1/task", json=body)
    wanted = example("piapi/answers/ace_step_created")
    assert [d for d in differences(answer.json(), wanted) if "$.data.input" not in d] == []
    data = answer.json()["data"]
    assert (data["model"], data["status"], data["output"]) == (body["model"], "pending", {})
    assert data["input"] == body["input"]


@pytest.mark.parametrize(
    ("body", "points"),
    [
        (ace(duration=30), 150_000),
        (ace(duration=240), 1_200_000),
        (ace("extend", audio=f"{HERE}/media/x.mp3", right_extend_duration=30), 150_000),
        (ace("audio2audio", style_audio=f"{HERE}/media/x.mp3", duration=60), 300_000),
        (rhythm(), 200_000),
        (rhythm("txt2audio-full"), 200_000),
    ],
)
async def test_a_task_freezes_its_price(
    http: httpx.AsyncClient, sandbox: Sandbox, body: Json, points: int
) -> None:
    shown = await task(http, await create(http, body))
    assert shown["meta"]["usage"] == {"type": "point", "frozen": points, "consume": 0}
    assert sandbox.spent == points


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (ace(style_prompt=""), "style_prompt is required"),
        (ace(style_prompt=7), "style_prompt must be a string"),
        (ace(duration=241), "duration must be a number of at most 240"),
        (ace(duration=0), "duration must be"),
        (ace(duration="60"), "duration must be"),
        (ace(duration=True), "duration must be"),
        (ace("extend"), "audio is required"),
        (ace("extend", audio="https://x.example/a.mp3", right_extend_duration=-1), "right_extend"),
        (ace("audio2audio"), "style_audio is required"),
        (ace("edit"), "invalid task_type"),
        (ace("generate_music"), "invalid task_type"),
        (rhythm("txt2audio"), "invalid task_type"),
        (rhythm(lyrics=None), "lyrics is required"),
        (rhythm(lyrics="Lamps along the quay"), "lyrics must have a time in each line"),
        (rhythm(style_prompt=""), "style_prompt or style_audio is required"),
        (ace() | {"model": "Qubico/other"}, "invalid model"),
    ],
)
async def test_what_the_real_one_would_refuse_is_refused_unpaid(
    http: httpx.AsyncClient, sandbox: Sandbox, body: Json, words: str
) -> None:
    assert words in await refusal(http, body)
    assert (sandbox.spent, len(sandbox.accepted)) == (0, 0)


@pytest.mark.parametrize("lyrics", ["", "[inst]", "[00:01.00] Lamps\n[01:02.5]and rain\n"])
async def test_diffrhythm_takes_no_lyrics_or_timed_ones(
    http: httpx.AsyncClient, lyrics: str
) -> None:
    assert await create(http, rhythm(lyrics=lyrics))


async def test_a_song_has_one_link_to_audio_of_the_asked_length(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    shown = await completed(http, clock, ace(duration=2))
    assert list(shown["output"]) == ["audio_url"]
    assert seconds(await audio(http, shown)) == pytest.approx(2, abs=0.03)
    assert shown["meta"]["usage"]["consume"] == 10_000


async def test_it_is_ready_before_a_song_of_udio_would_be(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    task_id = await create(http, ace())
    clock.advance(41)
    assert (await task(http, task_id))["status"] == "completed"


async def test_an_extension_is_the_original_and_what_was_added(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    first = await completed(http, clock, ace(duration=2))
    link = first["output"]["audio_url"]
    longer = await completed(http, clock, ace("extend", audio=link, right_extend_duration=1.2))
    original, mp3 = await audio(http, first), await audio(http, longer)
    assert seconds(mp3) == pytest.approx(3.2, abs=0.05)
    assert mp3[: len(original) // 2] == original[: len(original) // 2]


async def test_an_extension_of_an_uploaded_file_begins_with_it_without_its_tags(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    original = await audio(http, await completed(http, clock, ace(duration=2)))
    tags = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)
    url = (await upload(http, tags + original)).json()["data"]["url"]
    longer = await completed(http, clock, ace("extend", audio=url))
    mp3 = await audio(http, longer)
    assert mp3.startswith(original)
    assert seconds(mp3) == pytest.approx(3, abs=0.05)
    again = await completed(http, clock, ace("extend", audio=longer["output"]["audio_url"]))
    assert seconds(await audio(http, again)) == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("service", ["udio", "suno"])
async def test_a_cover_takes_the_audio_of_any_clip_of_the_sandbox(
    http: httpx.AsyncClient, clock: Clock, service: str
) -> None:
    if service == "udio":
        link = (await completed(http, clock, udio()))["output"]["songs"][0]["song_path"]
    else:
        link = (await succeeded(http, clock, suno()))["data"][0]["audio_url"]
    shown = await completed(http, clock, ace("audio2audio", style_audio=link))
    assert shown["status"] == "completed"
    assert seconds(await audio(http, shown)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/a.mp3",
        f"{HERE}/media/nothing.mp3",
        f"{HERE}/ephemeral/nothing.mp3",
        "not an address",
        "http://[",
    ],
)
async def test_audio_that_it_cannot_reach_fails_the_task_and_gives_the_points_back(
    http: httpx.AsyncClient, clock: Clock, sandbox: Sandbox, link: str
) -> None:
    shown = await completed(http, clock, ace("extend", audio=link))
    wanted = example("piapi/answers/ace_step_no_input")["data"]
    assert [each for each in differences(shown, wanted) if "$.input" not in each] == []
    assert (shown["status"], shown["error"]["message"]) == ("failed", "failed to get input audio")
    assert sandbox.spent == 0


async def test_an_upload_that_is_no_mp3_is_no_audio(http: httpx.AsyncClient, clock: Clock) -> None:
    url = (await upload(http, b"GIF89a")).json()["data"]["url"]
    assert (await completed(http, clock, ace("extend", audio=url)))["status"] == "failed"


async def test_a_link_may_be_there_before_the_end_and_leads_nowhere(
    http: httpx.AsyncClient,
) -> None:
    shown = await task(http, await create(http, ace(style_prompt="x [[output-early]]")))
    assert shown["status"] == "pending"
    assert (await http.get(shown["output"]["audio_url"])).status_code == 404


async def test_the_history_names_the_model_and_can_be_asked_for_one(
    http: httpx.AsyncClient,
) -> None:
    made = [await create(http, ace()), await create(http, udio()), await create(http, rhythm())]

    async def listed(**query: str) -> list[Json]:
        answer = await http.get("/api/open/tasks/histories", params=query)
        return list(answer.json()["data"]["data"])

    assert [each["task_id"] for each in await listed()] == made[::-1]
    (only,) = await listed(model="Qubico/ace-step")
    assert (only["task_id"], only["task_model"]) == (made[0], "Qubico/ace-step")


# Uploads -------------------------------------------------------------------------------------


async def test_an_upload_answers_as_documented_and_is_served_without_a_key(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    answer = await http.post(UPLOAD, json=example("piapi/requests/upload"))
    assert differences(answer.json(), example("piapi/answers/uploaded")) == []
    served = await http.get(answer.json()["data"]["url"], headers={"x-api-key": ""})
    assert served.content == b"ID3"
    assert sandbox.spent == 0


async def test_a_file_may_have_ten_megabytes(http: httpx.AsyncClient) -> None:
    assert (await upload(http, bytes(10_000_000))).status_code == 200
    assert (await upload(http, bytes(10_000_001))).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"file_name": "a.mp3"},
        {"file_name": "a.mp3", "file_data": 7},
        {"file_name": "a.mp3", "file_data": "%%%"},
        {"file_name": "a.exe", "file_data": "SUQz"},
        {"file_name": "a" * 125 + ".mp3", "file_data": "SUQz"},
        {"file_name": 7, "file_data": "SUQz"},
    ],
)
async def test_an_upload_of_another_form_is_refused(http: httpx.AsyncClient, body: object) -> None:
    assert (await http.post(UPLOAD, json=body)).status_code == 400


async def test_an_upload_needs_a_key(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        UPLOAD, json=example("piapi/requests/upload"), headers={"x-api-key": ""}
    )
    assert answer.status_code == 401


async def test_only_the_last_uploads_are_kept(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    for number in range(20):
        await upload(http, bytes([number]))
    assert list(sandbox.uploads.values()) == [bytes([number]) for number in range(12, 20)]


@pytest.mark.parametrize("rules", [Rules(may_upload=False)])
async def test_a_plan_may_allow_no_uploads(http: httpx.AsyncClient) -> None:
    answer = await http.post(UPLOAD, json=example("piapi/requests/upload"))
    assert answer.status_code == 403
    assert answer.json() == example("piapi/refusals/upload_needs_plan")


async def test_a_marker_in_the_tags_of_the_file_spoils_the_answer(http: httpx.AsyncClient) -> None:
    refused = await upload(http, b"ID3 Trams [[upload-403]]")
    assert refused.json() == example("piapi/refusals/upload_needs_plan")
    on_top = await upload(http, b"ID3 Trams [[Upload url-on-top]] [[media-404]] [[nobody]]")
    assert differences(on_top.json(), example("piapi/answers/uploaded_on_top")) == []
    moved = await upload(http, b"ID3 [[upload-redirect]]")
    assert moved.status_code == 307


def test_frames_are_what_is_behind_the_tags() -> None:
    assert frames_in(b"\xff\xfbframes") == b"\xff\xfbframes"
    assert frames_in(b"ID3\x04\x00\x00\x00\x00\x00\x02xx\xff\xfb") == b"\xff\xfb"
    assert [frames_in(each) for each in (b"", b"\xff", b"RIFF", b"ID3")] == [b""] * 4
