"""ACE-Step and DiffRhythm at PiAPI through the tools: songs, extensions, covers, and the money."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from song_mcp.sandbox.state import Received
from tests.house import QUICK, House, open_house
from tests.limits import HANGS_S
from tests.sandbox.driving import heard
from tests.waiting import a_moment

Json = dict[str, Any]

pytestmark = pytest.mark.one_era("the models are behind the protocol")

UPLOADS = "/api/ephemeral_resource"
A_SECOND = 5_000
"""Points that a second of ACE-Step costs."""
WORDS = "[Verse]\nTrams at noon\n[Chorus]\nRing, ring"
ACE = {"model": "ace-step", "description": "slow waltz", "duration_seconds": 10}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def uploads(house: House) -> list[Received]:
    return [each for each in house.sandbox.requests if each.path == UPLOADS]


async def made(house: House, task: Json) -> Json:
    """Wait until a task has ended and its clips are in the library."""
    with anyio.fail_after(HANGS_S):
        while task["status"] in {"submitting", "pending", "processing", "in_doubt"} or any(
            clip["status"] == "completed" and not clip.get("file") for clip in task["clips"]
        ):
            await a_moment()
            task = await house.ok("get_task", task_id=task["task_id"])
    return task


def length(clip: Json) -> float:
    return heard(Path(clip["file"]).read_bytes()).length


async def test_ace_step_makes_one_clip_of_the_asked_length_and_tells_its_price(
    house: House,
) -> None:
    begun = await house.ok("generate_song", **ACE, lyrics=WORDS, wait_seconds=0)
    assert "about $0.005 for 10 s, at $0.0005 a second" in begun["note"]
    song = await made(house, begun)
    (clip,) = song["clips"]
    assert (song["status"], song["model"], clip["clip_id"]) == (
        *("completed", "ace-step"),
        song["task_id"],
    )
    assert (song["charged"], song["cost_usd"]) == ("yes", 0.005)
    assert clip["duration_seconds"] == 10
    assert length(clip) == pytest.approx(10, abs=0.1)
    assert house.sandbox.spent == 10 * A_SECOND
    assert "no voice" not in begun["note"]


async def test_without_lyrics_it_is_instrumental_and_as_long_as_is_usual_which_is_told(
    house: House,
) -> None:
    begun = await house.ok("generate_song", model="ace-step", description="waltz", wait_seconds=0)
    assert "sings only lyrics that are given, so this has no voice" in begun["note"]
    assert "about $0.03 for 60 s" in begun["note"]
    (body,) = house.posts()
    assert (body["input"]["lyrics"], body["input"]["duration"]) == ("[inst]", 60)


async def test_what_it_costs_is_told_while_it_is_made(house: House) -> None:
    house.hold()
    begun = await house.ok("generate_song", **ACE, wait_seconds=0)
    shown = await house.ok("get_task", task_id=begun["task_id"], wait_seconds=0)
    assert shown["status"] in {"pending", "processing"}
    assert (shown["charged"], shown["cost_usd"]) == ("yes", 0.005)


async def test_a_task_whose_audio_was_not_reachable_is_told_as_failed_and_free(
    house: House,
) -> None:
    await house.song(model="suno-v6", description="waltz")
    words = "ska [[fail-no-input]]"
    failed = await house.ok("cover_song", clip_id="last", description=words, wait_seconds=0)
    failed = await made(house, failed)
    assert (failed["status"], failed["charged"], failed["kind"]) == ("failed", "no", "cover")
    assert "failed to get input audio" in failed["error"]
    assert (len(house.posts()), house.sandbox.spent) == (2, 0)


async def test_a_wrong_length_is_refused_with_the_price_and_nothing_is_paid(house: House) -> None:
    told = await house.error("generate_song", **(ACE | {"duration_seconds": 241}))
    assert "ace-step makes 10 to 240 s, at $0.0005 a second. diffrhythm" in told
    told = await house.error("generate_song", model="ace-step", lyrics=WORDS)
    assert "needs a description of how it sounds" in told
    assert house.posts() == []


async def test_an_extension_holds_the_clip_which_piapi_fetches_from_its_own_link(
    house: House,
) -> None:
    song = await made(house, await house.ok("generate_song", **ACE))
    longer = await house.ok(
        *("extend_song",),
        clip_id="last",
        description="more bells",
        duration_seconds=10,
        wait_seconds=0,
    )
    assert "about $0.005 for 10 s more" in longer["note"]
    longer = await made(house, longer)
    (clip,) = longer["clips"]
    assert (longer["kind"], longer["status"], longer["model"]) == (
        *("extension", "completed"),
        "ace-step",
    )
    assert length(clip) == pytest.approx(20, abs=0.2)
    assert clip["duration_seconds"] == pytest.approx(20, abs=0.2)
    assert "continues_clip_id" not in clip
    body = house.posts()[1]
    source = house.sandbox.piapi.task(song["task_id"])
    assert source is not None
    assert body["input"]["audio"] == f"{house.base_url}/media/{source.clips[0].id}.mp3"
    assert uploads(house) == []
    assert house.sandbox.spent == 20 * A_SECOND


async def test_the_plan_for_a_whole_song_asks_for_seconds_and_names_their_price(
    house: House,
) -> None:
    song = await made(house, await house.ok("generate_song", **ACE))
    asked = {"clip_id": song["task_id"], "target_seconds": "300"}
    found = await house.client.get_prompt("extend_to_full_song", asked)
    text = str(found.messages[0].content)
    assert "2 x extend_song with duration_seconds 145" in text
    assert "each new clip holds the one that it continues" in text
    assert "Leave continue_at_seconds out" in text
    assert "All 2 cost about $0.145" in text
    assert "ace-step sings only lyrics that are given" in text


async def test_a_cover_of_another_services_clip_goes_by_an_upload_with_the_key(
    house: House,
) -> None:
    song = await house.song(model="suno-v6", description="waltz", title="Trams")
    cover = await house.ok("cover_song", clip_id=song["clips"][0]["clip_id"], description="ska")
    cover = await made(house, cover)
    (clip,) = cover["clips"]
    assert (cover["kind"], cover["status"], cover["model"]) == ("cover", "completed", "ace-step")
    assert length(clip) == pytest.approx(10, abs=0.1)
    (upload,) = uploads(house)
    assert upload.headers["x-api-key"] == "[redacted]"
    given = house.posts()[1]["input"]
    assert given["style_audio"].startswith(f"{house.base_url}/ephemeral/")
    assert house.sandbox.spent == 10 * A_SECOND


@pytest.mark.parametrize("marker", ["upload-403", "upload-reset", "upload-redirect"])
async def test_an_upload_that_fails_pays_nothing(house: House, marker: str) -> None:
    song = await house.song(model="suno-v6", description="waltz", title=f"Trams [[{marker}]]")
    clip_id = song["clips"][0]["clip_id"]
    told = await house.error("cover_song", clip_id=clip_id, description="ska")
    expected = {
        "upload-403": "needs its Creator plan or a higher one",
        "upload-reset": "gave no usable answer, and costs nothing",
        "upload-redirect": "answered with a redirect, which is not followed with a key",
    }
    assert expected[marker] in told
    assert "Nothing was paid" in told
    assert len(uploads(house)) == 1
    assert not [each for each in house.sandbox.requests if each.path == "/elsewhere"]
    assert (len(house.posts()), house.sandbox.spent) == (1, 0)
    assert (await house.ok("check_account"))["in_doubt"] == []


async def test_an_address_at_the_top_of_the_answer_is_read(house: House) -> None:
    await house.song(model="suno-v6", description="waltz", title="Trams [[upload-url-on-top]]")
    cover = await made(house, await house.ok("cover_song", clip_id="last", description="ska"))
    assert cover["status"] == "completed"


async def test_a_plan_without_uploads_is_told_as_that(tmp_path: Path) -> None:
    async with open_house(tmp_path, rules=replace(QUICK, may_upload=False)) as house:
        await house.song(model="suno-v6", description="waltz")
        told = await house.error("cover_song", clip_id="last", description="ska")
        assert "Creator plan" in told
        assert house.sandbox.spent == 0


async def test_a_clip_without_a_file_and_a_link_is_refused_before_anything_is_paid(
    house: House,
) -> None:
    song = await house.ok("generate_song", model="suno-v6", description="x [[media-404]]")
    told = await house.error("cover_song", clip_id=song["clips"][0]["clip_id"], description="ska")
    assert "Nothing was" in told
    assert (len(house.posts()), uploads(house)) == (1, [])


async def test_equal_covers_join_though_their_links_differ(house: House) -> None:
    song = await house.song(model="suno-v6", description="waltz")
    asked = {"clip_id": song["clips"][0]["clip_id"], "description": "ska [[slow:1000]]"}
    first = await house.ok("cover_song", **asked, wait_seconds=0)
    again = await house.ok("cover_song", **asked, wait_seconds=0)
    other = asked | {"clip_id": song["clips"][1]["clip_id"]}
    others = await house.ok("cover_song", **other, wait_seconds=0)
    assert first["task_id"] == again["task_id"] != others["task_id"]
    assert "cost nothing" in again["note"]
    assert len(house.posts()) == 3


@pytest.mark.parametrize("marker", ["reset", "half-json", "html-502:accepted"])
async def test_a_lost_answer_is_found_in_the_history_of_its_model(
    tmp_path: Path, marker: str
) -> None:
    async with open_house(tmp_path, rules=replace(QUICK, has_history=True)) as house:
        asked = ACE | {"description": f"waltz [[{marker}]]"}
        lost = (await house.call("generate_song", **asked)).structured_content
        assert lost is not None
        assert lost["status"] == "in_doubt"
        song = await made(house, dict(lost))
        assert (song["status"], song["charged"], song["cost_usd"]) == ("completed", "yes", 0.005)
        assert (len(house.posts()), house.sandbox.spent) == (1, 10 * A_SECOND)


async def test_a_lost_cover_is_found_though_its_link_is_not_kept(tmp_path: Path) -> None:
    async with open_house(tmp_path, rules=replace(QUICK, has_history=True)) as house:
        await house.song(model="suno-v6", description="waltz")
        call = await house.call("cover_song", clip_id="last", description="ska [[reset]]")
        assert call.structured_content is not None
        cover = await made(house, dict(call.structured_content))
        assert (cover["status"], cover["kind"], cover["charged"]) == ("completed", "cover", "yes")
        assert len(house.posts()) == 2
        journal = (house.folder / "home" / "journal.sqlite3").read_bytes()
        assert b"/ephemeral/" not in journal


async def test_submitting_again_uploads_again(house: House) -> None:
    await house.song(model="suno-v6", description="waltz")
    call = await house.call("cover_song", clip_id="last", description="ska [[reset]]")
    assert call.structured_content is not None
    lost = dict(call.structured_content)
    assert lost["status"] == "in_doubt"
    await house.call("resolve_task", task_id=lost["task_id"], action="submit_again")
    first, second = (post["input"]["style_audio"] for post in house.posts()[1:])
    assert first != second
    assert len(uploads(house)) == 2


async def test_a_link_before_the_end_is_not_believed(house: House) -> None:
    song = await house.ok("generate_song", **(ACE | {"description": "x [[output-early]]"}))
    song = await made(house, song)
    assert song["status"] == "completed"
    assert not [each for each in house.sandbox.requests if each.path == "/media/early.mp3"]


async def test_an_address_that_piapi_cannot_reach_fails_the_task_uncharged(house: House) -> None:
    song = await made(house, await house.ok("generate_song", **ACE))
    house.sandbox.uploads.clear()
    async with house.another_client(PIAPI_UPLOAD_URL="http://localhost:1") as other:
        told = await other.error("extend_song", clip_id=song["task_id"], description="more")
    assert "PiAPI's upload could not be reached" in told
    assert "PIAPI_UPLOAD_URL" in told
    assert len(house.posts()) == 1


@pytest.mark.parametrize(
    ("seconds", "task_type", "longest"), [(None, "base", 95), (95, "base", 95), (96, "full", 285)]
)
async def test_diffrhythm_gets_plain_lyrics_with_the_time_of_each_line(
    house: House, seconds: float | None, task_type: str, longest: float
) -> None:
    house.hold()
    asked: Json = {"model": "diffrhythm", "description": "folk", "lyrics": WORDS}
    if seconds is not None:
        asked["duration_seconds"] = seconds
    await house.ok("generate_song", **asked, wait_seconds=0)
    (body,) = house.posts()
    lines = body["input"]["lyrics"].splitlines()
    assert body["task_type"] == f"txt2audio-{task_type}"
    assert [line[10:].strip() for line in lines] == ["Trams at noon", "Ring, ring"]
    assert all(line.startswith("[0") for line in lines)
    assert house.sandbox.spent == 200_000


async def test_diffrhythm_makes_a_song_of_timed_lyrics_as_they_are(house: House) -> None:
    timed = "[00:10.00] Trams at noon\n[01:36.50] Ring, ring"
    begun = await house.ok(
        "generate_song", model="diffrhythm", description="folk", lyrics=timed, wait_seconds=0
    )
    song = await made(house, begun)
    (body,) = house.posts()
    assert body["input"]["lyrics"] == timed
    assert body["task_type"] == "txt2audio-full"
    assert (song["status"], song["cost_usd"], len(song["clips"])) == ("completed", 0.02, 1)
    (clip,) = song["clips"]
    assert length(clip) == pytest.approx(285, abs=0.5)
    lines = Path(clip["lyrics_file"]).read_text(encoding="utf-8").splitlines()
    assert lines[-2:] == ["[00:10.00]Trams at noon", "[01:36.50]Ring, ring"]
