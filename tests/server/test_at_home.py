"""ACE-Step on the user's own machine, from the tool to the file: it costs nothing."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from song_mcp.compose import _reach
from song_mcp.settings import Settings
from tests.house import QUICK, House, Json, open_house, text

pytestmark = pytest.mark.one_era("what a service does is behind the protocol")

MODEL = "ace-step-local"
KEY = "home-key-0001"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, at_home=True) as opened:
        yield opened


def released(house: House) -> list[Json]:
    """The bodies that ACE-Step's server accepted, in order."""
    return [dict(item.body) for item in house.sandbox.accepted if item.service == "acestep"]


async def cover(house: House, **arguments: object) -> Json:
    """Make a cover, and return it when its clip is saved."""
    made = await house.ok("cover_song", model=MODEL, **arguments)
    while made["status"] != "completed" or not all(clip.get("file") for clip in made["clips"]):
        made = await house.ok("get_task", task_id=made["task_id"])
    return made


async def test_a_song_is_made_saved_and_not_charged(house: House) -> None:
    song = await house.song(description="trams at noon", model=MODEL, duration_seconds=30)
    assert (song["service"], song["model"], song["charged"]) == ("acestep", MODEL, "no")
    [clip] = song["clips"]
    assert Path(clip["file"]).is_file()
    [body] = released(house)
    assert body["sample_query"] == "trams at noon"
    assert body["audio_duration"] == 30


async def test_an_instrumental_and_own_lyrics_are_told_apart(house: House) -> None:
    await house.song(description="waltz", instrumental=True, seed=7, model=MODEL)
    await house.song(description="waltz", lyrics="[Verse]\nTrams", model=MODEL)
    silent, sung = released(house)
    assert (silent["lyrics"], silent["seed"]) == ("[Instrumental]", 7)
    assert (sung["lyrics"], sung["use_random_seed"]) == ("[Verse]\nTrams", True)


async def test_three_takes_are_one_submission(house: House) -> None:
    song = await house.song(description="waltz", model=MODEL, takes=3)
    [body] = released(house)
    assert body["batch_size"] == 3
    assert len({clip["file"] for clip in song["clips"]}) == 3
    assert len({Path(clip["file"]).read_bytes() for clip in song["clips"]}) == 3
    assert "payment" not in song.get("note", "")


async def test_more_takes_than_eight_are_refused(house: House) -> None:
    error = await house.error("generate_song", description="waltz", model=MODEL, takes=9)
    assert "8" in error
    assert released(house) == []


async def test_a_clip_of_another_service_is_covered_by_its_file(house: House) -> None:
    song = await house.song(description="waltz", model="udio")
    clip = song["clips"][0]
    made = await cover(house, clip_id=clip["clip_id"], description="big band")
    [body] = released(house)
    assert body["task_type"] == "cover"
    assert body["src_audio"]["size"] == Path(clip["file"]).stat().st_size
    assert (made["kind"], made["charged"], len(made["clips"])) == ("cover", "no", 1)


async def test_a_part_is_made_anew_within_the_length_of_the_clip(house: House) -> None:
    song = await house.song(description="waltz", model=MODEL, duration_seconds=12)
    clip = song["clips"][0]
    part = {"from_seconds": 0.25, "to_seconds": 0.75}
    await house.ok("cover_song", clip_id=clip["clip_id"], description="accordion", **part)
    repainted = released(house)[1]
    assert repainted["task_type"] == "repaint"
    assert (repainted["repainting_start"], repainted["repainting_end"]) == (0.25, 0.75)
    assert repainted["audio_duration"] == pytest.approx(clip["duration_seconds"])


async def test_a_clip_that_was_made_here_cannot_be_extended(house: House) -> None:
    song = await house.song(description="waltz", model=MODEL)
    error = await house.error("extend_song", clip_id=song["clips"][0]["clip_id"], description="x")
    assert "ACE-Step extends no clips" in error


async def test_a_lost_answer_has_it_sent_again_and_leaves_no_doubt(house: House) -> None:
    song = await house.song(description="waltz [[lost-first]]", model=MODEL)
    assert song["status"] == "completed"
    assert len(released(house)) == 2
    state = await house.ok("check_account")
    assert state["in_doubt"] == []


async def test_answers_that_are_all_lost_leave_no_doubt_either(house: House) -> None:
    error = await house.error("generate_song", description="waltz [[reset]]", model=MODEL)
    assert len(released(house)) == 3
    assert "It costs nothing: the same request may be made again." in error
    assert "resolve_task" not in error
    assert (await house.ok("check_account"))["in_doubt"] == []


async def test_what_costs_nothing_counts_towards_no_limit(tmp_path: Path) -> None:
    limit = {"SONG_MCP_DAILY_LIMIT": "1"}
    async with open_house(tmp_path, at_home=True, settings=limit) as house:
        for style in ("waltz", "polka", "tango"):
            await house.song(description=style, model=MODEL)
        assert (await house.ok("check_account"))["submissions_24h"] == 0
        await house.song(description="waltz", model="udio")
        assert "limit" in await house.error("generate_song", description="polka", model="udio")
        await house.song(description="foxtrot", model=MODEL)


async def test_a_full_queue_and_a_failure_are_told(house: House) -> None:
    full = await house.error("generate_song", description="x [[429-queue-full]]", model=MODEL)
    assert "queue is full" in full
    failed = await house.ok("generate_song", description="x [[failure]]", model=MODEL)
    assert (failed["status"], failed["charged"]) == ("failed", "no")
    assert failed["error"] == "CUDA out of memory"
    assert failed["next_step"] == "Tell the user why; it cost nothing, and nor does a new try."


async def test_the_key_goes_along_for_the_audio_and_is_kept_nowhere(tmp_path: Path) -> None:
    rules = replace(QUICK, home_key=KEY)
    own = {"ACESTEP_API_KEY": KEY}
    async with open_house(tmp_path, at_home=True, rules=rules, settings=own) as house:
        song = await house.song(description="waltz [[media-redirect:1]]", model=MODEL)
        assert Path(song["clips"][0]["file"]).is_file()
        audio = [each for each in house.sandbox.requests if each.path == "/v1/audio"]
        assert len(audio) == 2
        assert all("authorization" in each.headers for each in audio)
    journal = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert KEY.encode() not in journal


async def test_a_wrong_key_is_told_by_its_variable(tmp_path: Path) -> None:
    rules = replace(QUICK, home_key=KEY)
    async with open_house(tmp_path, at_home=True, rules=rules) as house:
        error = await house.error("generate_song", description="waltz", model=MODEL)
    assert "Check ACESTEP_API_KEY" in error


async def test_without_a_base_url_the_variable_is_named(tmp_path: Path) -> None:
    async with open_house(tmp_path, settings={"ACESTEP_API_KEY": KEY}) as house:
        error = await house.error("generate_song", description="waltz", model=MODEL)
        account = text(await house.call("check_account"))
    assert error.startswith("ACE-Step has no address: set ACESTEP_BASE_URL")
    assert "ACE-Step: off; ACESTEP_BASE_URL turns it on." in account


async def test_alone_it_is_the_default_and_needs_no_key(tmp_path: Path) -> None:
    default = {"SONG_MCP_DEFAULT_MODEL": ""}
    async with open_house(tmp_path, at_home=True, keys=False, settings=default) as house:
        song = await house.song(description="waltz")
        account = text(await house.call("check_account"))
    assert song["model"] == MODEL
    assert "ACE-Step: it runs." in account
    assert f"Default model: {MODEL}" in account


async def test_a_server_that_does_not_run_is_told(tmp_path: Path) -> None:
    nowhere = {"ACESTEP_BASE_URL": "http://127.0.0.1:9"}
    async with open_house(tmp_path, settings=nowhere) as house:
        error = await house.error("generate_song", description="waltz", model=MODEL)
        account = text(await house.call("check_account"))
    assert "Check the network or ACESTEP_BASE_URL" in error
    assert "ACE-Step could not be reached" in account


async def test_a_result_says_no_word_of_the_servers_address(house: House) -> None:
    song = await house.song(description="waltz", model=MODEL)
    shown = json.dumps(song | {"clips": [{**song["clips"][0], "audio_url": ""}]})
    assert house.base_url not in shown


def test_downloads_reach_this_one_private_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACESTEP_BASE_URL", "http://192.168.1.20:8001/ace")
    monkeypatch.setenv("ACESTEP_API_KEY", KEY)
    reach = _reach(Settings.read())
    assert reach.home == {("192.168.1.20", 8001)}
    assert dict(reach.keys) == {("http", "192.168.1.20", 8001): KEY}
    assert KEY not in repr(reach)
