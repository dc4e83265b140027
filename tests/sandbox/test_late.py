"""Markers for songs that arrive late: what the first looks and the first requests find."""

import gzip
from io import BytesIO
from typing import Any

import httpx
import pytest
from mutagen.aac import AACInfo
from starlette.applications import Starlette

from song_mcp.errors import LibraryError
from song_mcp.library.formats import recognise
from song_mcp.sandbox.app import Rules, Sandbox, build_app
from tests.sandbox.driving import (
    Clock,
    Json,
    completed,
    create,
    fetched,
    heard,
    submit,
    succeeded,
    suno,
    task,
    udio,
)
from tests.voice import beep


@pytest.fixture
def app(clock: Clock, rules: Rules) -> Starlette:
    """A sandbox with a cheap voice: what is served how matters here, not what it sounds like."""
    return build_app(100.0, rules=rules, clock=clock, press=beep)


FORBIDDEN = "https://studio-api.prod.suno.com/api/forbidden"
FIRST = {
    "media-403-first": 403,
    "media-404-first": 404,
    "media-202-first": 202,
    "media-503-first": 503,
    "media-json-first": 200,
    "media-empty-first": 200,
}


async def link(http: httpx.AsyncClient, clock: Clock, marker: str) -> str:
    """The link of the first clip of a finished song at gpt.ge."""
    clips: list[Json] = (await succeeded(http, clock, suno(f"x [[{marker}]]")))["data"]
    return str(clips[0]["audio_url"])


@pytest.mark.parametrize(("name", "status"), FIRST.items())
async def test_the_first_request_for_the_audio_is_refused_and_the_next_is_not(
    http: httpx.AsyncClient, clock: Clock, name: str, status: int
) -> None:
    url = await link(http, clock, name)
    first, second = [await http.get(url) for _ in range(2)]
    assert first.status_code == status
    assert not first.content.startswith(b"\xff\xfb")
    assert heard(second.content).length > 1
    songs: list[Json] = (await completed(http, clock, udio(f"x [[{name}:2]]")))["output"]["songs"]
    seen = [(await http.get(songs[1]["song_path"])).content for _ in range(3)]
    assert [content.startswith(b"\xff\xfb") for content in seen] == [False, False, True]
    assert (await http.get(songs[1]["image_path"])).status_code == 200


async def test_a_busy_host_says_when_to_come_again(http: httpx.AsyncClient, clock: Clock) -> None:
    busy = await http.get(await link(http, clock, "media-503-first"))
    assert busy.headers["retry-after"] == "2"


async def test_a_first_request_may_get_no_answer(http: httpx.AsyncClient, clock: Clock) -> None:
    url = await link(http, clock, "media-reset-first")
    with pytest.raises(ConnectionResetError):
        await http.get(url)
    assert (await http.get(url)).status_code == 200


async def test_only_the_link_of_a_later_look_works(http: httpx.AsyncClient, clock: Clock) -> None:
    task_id = await submit(http, suno("[[media-expires]]"))
    clock.advance(1000)
    old, new = [(await fetched(http, task_id))["data"][0]["audio_url"] for _ in range(2)]
    assert [(await http.get(url)).status_code for url in (old, new, old)] == [403, 200, 403]
    other = await create(http, udio("[[media-expires]]"))
    clock.advance(1000)
    links = [(await task(http, other))["output"]["songs"][0]["song_path"] for _ in range(2)]
    assert [(await http.get(url)).status_code for url in links] == [403, 200]


async def test_audio_is_withheld_at_first(http: httpx.AsyncClient, clock: Clock) -> None:
    task_id = await submit(http, suno("[[withheld:2]]"))
    clock.advance(1000)
    looks = [(await fetched(http, task_id))["data"][1] for _ in range(3)]
    assert [clip["audio_url"] == FORBIDDEN for clip in looks] == [True, True, False]
    assert [entry["encoding"] for entry in looks[0]["media_urls"]] == ["1.0.0"]
    assert (await http.get(looks[2]["audio_url"])).status_code == 200


async def test_a_plain_file_may_be_beside_the_encrypted_one(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    clip = (await succeeded(http, clock, suno("[[withheld-plain-entry]]")))["data"][0]
    closed, plain = clip["media_urls"]
    assert (clip["audio_url"], closed["encoding"], plain["content_type"]) == (
        FORBIDDEN,
        "1.0.0",
        "mp3",
    )
    assert (await http.get(plain["url"])).status_code == 200


@pytest.mark.parametrize(("name", "counts"), [("late-second-clip", [1, 2]), ("late-clips", [0, 2])])
async def test_clips_may_come_after_the_end(
    http: httpx.AsyncClient, clock: Clock, name: str, counts: list[int]
) -> None:
    suno_id = await submit(http, suno(f"[[{name}]]"))
    udio_id = await create(http, udio(f"[[{name}]]"))
    clock.advance(1000)
    looks = [await fetched(http, suno_id) for _ in counts]
    assert [len(look["data"]) for look in looks] == counts
    assert {look["status"] for look in looks} == {"SUCCESS"}
    songs = [(await task(http, udio_id))["output"]["songs"] for _ in counts]
    assert [len(each) for each in songs] == counts


async def test_a_task_may_never_end_though_its_clips_are_complete(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    data = await succeeded(http, clock, suno("[[never-ends]]"))
    assert (data["status"], data["finish_time"]) == ("IN_PROGRESS", 0)
    assert [clip["status"] for clip in data["data"]] == ["complete", "complete"]


@pytest.mark.parametrize(
    ("name", "status"), [("streaming-in-success", "streaming"), ("error-but-link", "error")]
)
async def test_a_clip_of_an_ended_task_may_have_another_status_and_a_working_link(
    http: httpx.AsyncClient, clock: Clock, name: str, status: str
) -> None:
    data = await succeeded(http, clock, suno(f"[[{name}]]"))
    assert data["status"] == "SUCCESS"
    assert {clip["status"] for clip in data["data"]} == {status}
    assert (await http.get(data["data"][0]["audio_url"])).status_code == 200


async def test_a_service_may_forget_a_task(http: httpx.AsyncClient) -> None:
    lost, kept = await submit(http, suno("[[forgotten:2]]")), await submit(http, suno())
    for known in ([lost, kept], [lost, kept], [kept]):
        batch = (await http.post("/suno/fetch", json={"ids": [lost, kept]})).json()["data"]
        assert [each["task_id"] for each in batch] == known
    assert (await http.get(f"/suno/fetch/{lost}")).json()["code"] == "task_not_exist"
    other = f"/api/v1/task/{await create(http, udio('[[forgotten]]'))}"
    assert [(await http.get(other)).status_code for _ in range(2)] == [200, 404]


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("no-batch", 404, "application/json"),
        ("no-batch-page", 200, "text/html; charset=utf-8"),
        ("no-batch-gate", 404, "application/json"),
    ],
)
async def test_a_relay_may_have_no_batches(
    http: httpx.AsyncClient, name: str, status: int, kind: str
) -> None:
    task_id = await submit(http, suno(f"[[{name}]]"))
    batch = await http.post("/suno/fetch", json={"ids": [task_id]})
    assert (batch.status_code, batch.headers["content-type"]) == (status, kind)
    assert (await fetched(http, task_id))["task_id"] == task_id


# Files in other ways -------------------------------------------------------------------------


async def test_a_file_may_be_compressed_on_the_way(http: httpx.AsyncClient, clock: Clock) -> None:
    url = await link(http, clock, "media-gzip")
    async with http.stream("GET", url) as response:
        raw = b"".join([part async for part in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert heard(gzip.decompress(raw)).length > 1


async def test_a_file_may_come_as_a_part_unasked_or_only_as_one(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    unasked = await http.get(await link(http, clock, "media-206"))
    assert unasked.status_code == 206
    assert unasked.headers["content-range"] == f"bytes 0-{len(unasked.content) - 1}/" + str(
        len(unasked.content)
    )
    url = await link(http, clock, "media-range-only")
    assert (await http.get(url)).status_code == 416
    assert (await http.get(url, headers={"range": "bytes=0-"})).status_code == 206


async def test_a_host_may_serve_browsers_alone(http: httpx.AsyncClient, clock: Clock) -> None:
    url = await link(http, clock, "media-browser-only")
    browser = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    assert (await http.get(url)).status_code == 403
    assert (await http.get(url, headers=browser)).status_code == 200


async def test_a_link_may_lead_on_and_on(http: httpx.AsyncClient, clock: Clock) -> None:
    response = await http.get(await link(http, clock, "media-redirect:5"), follow_redirects=True)
    assert [each.status_code for each in response.history] == [307] * 5
    assert heard(response.content).length > 1


async def test_bytes_may_come_before_the_music(http: httpx.AsyncClient, clock: Clock) -> None:
    zeros = (await http.get(await link(http, clock, "media-zeros"))).content
    assert zeros[:417] == bytes(417)
    assert heard(zeros[417:]).length > 1
    assert (await http.get(await link(http, clock, "media-crlf"))).content.startswith(b"\r\n\xff")


async def test_audio_may_be_of_another_format(http: httpx.AsyncClient, clock: Clock) -> None:
    adts = (await http.get(await link(http, clock, "media-adts"))).content
    aac: Any = AACInfo(BytesIO(adts))
    assert (aac.sample_rate, aac.channels) == (44_100, 2)
    assert aac.length == pytest.approx(1.2, abs=0.1)
    wav = (await http.get(await link(http, clock, "media-wav"))).content
    assert (wav[:4], wav[4:8], wav[40:44]) == (b"RIFF", b"\xff\xff\xff\x7f", b"\xff\xff\xff\x7f")
    assert len(wav) == pytest.approx(44 + 1.2 * 16_000, abs=100)
    playlist = await http.get(await link(http, clock, "media-playlist"))
    assert playlist.text.startswith("#EXTM3U")
    film = await http.get(await link(http, clock, "media-video"))
    with pytest.raises(LibraryError, match=r"is a video \(MP4\), not audio"):
        recognise(BytesIO(film.content))


async def test_a_refusal_for_want_of_money_may_carry_a_task(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    refused = await http.post("/api/v1/task", json=udio("[[500-no-points]]"))
    assert refused.status_code == 500
    body = refused.json()
    assert body["data"]["task_id"]
    assert "credit not enough" in body["data"]["error"]["raw_message"]
    stopped = await http.post("/api/v1/task", json=udio("[[410-stopped]]"))
    assert (stopped.status_code, stopped.json()["code"]) == (410, 410)
    assert sandbox.spent == 0


async def test_piapis_output_may_be_text_or_without_ids_at_first(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    output = (await completed(http, clock, udio("[[output-text]]")))["output"]
    assert isinstance(output, str)
    task_id = await create(http, udio("[[ids-at-the-end]]"))
    clock.advance(50)
    assert [song["id"] for song in (await task(http, task_id))["output"]["songs"]] == ["", ""]
    clock.advance(1000)
    assert all(song["id"] for song in (await task(http, task_id))["output"]["songs"])
    failed = await completed(http, clock, udio("[[fail-no-usage]]"))
    assert (failed["status"], failed["meta"]) == ("failed", {})
