"""The tools, through the SDK's client in memory, in both protocol eras, against the sandbox."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import mutagen
import pytest
from mcp.shared.exceptions import MCPError

from song_mcp.clock import Clock
from song_mcp.studio.studio import PROGRESS_S
from tests.house import SPEED, House, open_house, text
from tests.limits import HANGS_S
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("what a tool does is behind the protocol")

CONFIG = {"service_mode": "public", "webhook_config": {"endpoint": "", "secret": ""}}
SONG_ID = "5b1f0c52-0000-4000-8000-0000000000a1"
WORDS = "[Verse]\nLamps along the quay"

ROUNDED_S = 0.1
"""Progress is told in tenths of a second."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


# generate_song ------------------------------------------------------------------------------


@pytest.mark.both_eras
async def test_a_description_becomes_two_saved_clips_at_piapi(house: House) -> None:
    task = await house.ok("generate_song", description="slow harbour waltz, accordion")
    assert (task["status"], task["service"], task["model"]) == ("completed", "piapi", "udio")
    assert (task["kind"], task["charged"], task["cost_usd"]) == ("song", "yes", 0.05)
    assert len(task["clips"]) == 2
    for clip in task["clips"]:
        audio = mutagen.File(clip["file"])
        assert audio.info.length == pytest.approx(clip["duration_seconds"], abs=0.1)
        assert Path(clip["file"]).parent == house.folder / "library"
        assert not {"audio_url", "image_url", "video_url", "tags"} & set(clip)
        assert clip["resource_uri"] == f"song://clips/{clip['clip_id']}"
    assert house.posts() == [
        {
            "model": "music-u",
            "task_type": "generate_music",
            "input": {
                "gpt_description_prompt": "slow harbour waltz, accordion",
                "negative_tags": "",
                "lyrics_type": "generate",
                "seed": -1,
            },
            "config": CONFIG,
        }
    ]


async def test_own_lyrics_go_to_piapi_in_both_fields_with_the_style_beside(house: House) -> None:
    await house.ok(
        "generate_song",
        lyrics=WORDS,
        description="folk, warm",
        negative_tags="metal",
        seed=7,
        title="Quay",
    )
    (post,) = house.posts()
    assert post["input"] == {
        "prompt": WORDS,
        "lyrics": WORDS,
        "gpt_description_prompt": "folk, warm",
        "negative_tags": "metal",
        "lyrics_type": "user",
        "seed": 7,
        "title": "Quay",
    }


async def test_an_instrumental_says_so_at_piapi(house: House) -> None:
    await house.ok("generate_song", description="night breeze", instrumental=True)
    assert house.posts()[0]["input"]["lyrics_type"] == "instrumental"


async def test_a_description_is_inspiration_mode_at_gptge(house: House) -> None:
    task = await house.ok("generate_song", description="weekend song", model="suno-v4")
    assert (task["service"], task["model"], task["status"]) == ("gptge", "suno-v4", "completed")
    body = {"gpt_description_prompt": "weekend song", "mv": "chirp-v4", "make_instrumental": False}
    assert house.posts() == [body]


async def test_own_lyrics_are_custom_mode_at_gptge(house: House) -> None:
    await house.ok(
        "generate_song", lyrics=WORDS, description="indie pop", title="Trams", model="suno-v4.5"
    )
    assert house.posts() == [
        {"prompt": WORDS, "title": "Trams", "tags": "indie pop", "mv": "chirp-auk"}
    ]


@pytest.mark.parametrize(
    ("model", "mv"),
    [("suno-v3", "chirp-v3-0"), ("suno-v3.5", "chirp-v3-5"), ("suno-v5", "chirp-crow")],
)
async def test_each_suno_model_has_its_mv(house: House, model: str, mv: str) -> None:
    await house.ok("generate_song", description="x", model=model, wait_seconds=0)
    assert house.posts()[0]["mv"] == mv


async def test_the_users_title_is_the_title_and_the_file_name(house: House) -> None:
    task = await house.ok("generate_song", description="x", title="Kaléidoscope / 夜")
    for clip in task["clips"]:
        assert clip["title"] == "Kaléidoscope / 夜"
        assert Path(clip["file"]).name.startswith("Kaléidoscope 夜")


async def test_empty_strings_nulls_and_explicit_defaults_are_no_reason_to_refuse(
    house: House,
) -> None:
    task = await house.ok(
        "generate_song",
        description="x",
        lyrics="",
        title=None,
        negative_tags="",
        seed=-1,
        model="suno-v5",
        wait_seconds=0,
        another_take=False,
        instrumental=False,
    )
    assert task["service"] == "gptge"


async def test_waiting_zero_seconds_still_gives_the_services_id(house: House) -> None:
    house.hold()
    task = await house.ok("generate_song", description="x", wait_seconds=0)
    assert task["status"] in {"pending", "processing"}
    assert not task["task_id"].startswith("local-")
    assert "get_task" in task["next_step"]
    assert task["clips"] == []


@pytest.mark.both_eras
async def test_progress_comes_again_and_again_and_only_grows(tmp_path: Path) -> None:
    told: list[tuple[float, float | None, str | None]] = []
    is_told = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))
        if len(told) == 3:
            is_told.set()

    async with open_house(tmp_path, song_seconds=60_000, clock=Clock(SPEED)) as house:
        arguments = {"description": "x", "wait_seconds": 55}
        call = partial(house.client.call_tool, "generate_song", arguments, progress_callback=note)
        with anyio.fail_after(HANGS_S):
            async with anyio.create_task_group() as group:
                group.start_soon(call)
                await is_told.wait()
                group.cancel_scope.cancel()
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(told)]
    assert min(gaps) > PROGRESS_S - 2 * ROUNDED_S
    assert all(total is None and message for _, total, message in told)


async def test_the_same_request_again_joins_the_open_task(house: House) -> None:
    first = await house.ok("generate_song", description=" x ", wait_seconds=0)
    again = await house.ok("generate_song", description="x", seed=-1, wait_seconds=1)
    assert again["task_id"] == first["task_id"]
    assert "another_take" in again["note"]
    assert len(house.posts()) == 1


async def test_another_take_pays_again(house: House) -> None:
    first = await house.ok("generate_song", description="x", wait_seconds=0)
    again = await house.ok("generate_song", description="x", another_take=True, wait_seconds=0)
    assert again["task_id"] != first["task_id"]
    assert len(house.posts()) == 2


@pytest.mark.both_eras
async def test_a_cancelled_call_loses_no_task(house: House) -> None:
    await house.give_up("generate_song", description="x", wait_seconds=55)
    (task,) = (await house.ok("list_songs"))["tasks"]
    done = await house.ok("get_task", task_id=task["task_id"], wait_seconds=55)
    assert done["status"] == "completed"
    assert len(house.posts()) == 1


# extend_song --------------------------------------------------------------------------------


async def test_a_clip_is_extended_at_piapi_from_zero_with_a_note(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    clip = song["clips"][0]["clip_id"]
    longer = await house.ok("extend_song", clip_id=clip, description="strings")
    assert (longer["kind"], longer["status"]) == ("extension", "completed")
    assert "0 s" in longer["note"]
    assert house.posts()[1]["input"] == {
        "gpt_description_prompt": "strings",
        "lyrics": "",
        "negative_tags": "",
        "lyrics_type": "generate",
        "seed": -1,
        "continue_song_id": clip,
        "continue_at": 0,
    }


async def test_a_clip_is_extended_at_gptge_from_its_end_with_its_task_and_model(
    house: House,
) -> None:
    song = await house.ok("generate_song", description="x", model="suno-v6-mini")
    clip = song["clips"][1]
    longer = await house.ok("extend_song", clip_id=clip["clip_id"], lyrics=WORDS, title="II")
    assert (longer["model"], longer["status"]) == ("suno-v6-mini", "completed")
    body = house.posts()[1]
    assert body.pop("continue_at") == pytest.approx(clip["duration_seconds"], abs=0.06)
    assert body == {
        "prompt": WORDS,
        "title": "II",
        "tags": "",
        "mv": "chirp-goose",
        "task_id": song["task_id"],
        "continue_clip_id": clip["clip_id"],
    }


@pytest.mark.parametrize("model", ["diffrhythm", "music-s"])
async def test_a_clip_of_another_model_at_piapi_is_not_extended_as_udio(
    house: House, model: str
) -> None:
    song = await house.ok("generate_song", description=f"x [[{model}]]", wait_seconds=0)
    async with house.beside("other") as other:  # to whom it is a task made elsewhere
        found = await other.ok("get_task", task_id=song["task_id"])
        assert model in found["model"]
        assert "next_step" not in found
        for name in ("last", found["clips"][0]["clip_id"]):
            error = await other.error("extend_song", clip_id=name, description="more")
            assert "extends only clips of udio" in error
            assert "generate_song" in error
            assert "Nothing was sent or paid" in error
        with pytest.raises(MCPError, match="extends only clips of udio"):
            await other.client.get_prompt("extend_to_full_song", {"clip_id": "last"})
    assert len(house.posts()) == 1


async def test_a_clip_that_piapi_gave_no_id_is_not_extended(house: House) -> None:
    song = await house.ok("generate_song", description="x [[audio_url-only]]")
    assert (song["status"], song.get("next_step")) == ("completed", None)
    error = await house.error("extend_song", clip_id="last", description="more")
    assert "told no id of clip" in error
    assert len(house.posts()) == 1


async def test_a_failed_clip_is_neither_offered_nor_taken_for_an_extension(house: House) -> None:
    asked = {"description": "x [[two-clips-one-error]]", "model": "suno-v5"}
    song = await house.ok("generate_song", **asked)
    assert "extend_song" in song["next_step"]
    broken = next(clip for clip in song["clips"] if clip["status"] == "failed")
    error = await house.error("extend_song", clip_id=broken["clip_id"], description="more")
    assert "is failed: only a finished clip can be extended" in error
    assert len(house.posts()) == 1


async def test_a_task_without_a_finished_clip_offers_no_extension(house: House) -> None:
    silent = await house.ok("generate_song", description="x [[empty-songs-completed]]")
    assert (silent["status"], silent.get("next_step")) == ("completed", None)
    words = await house.ok("generate_lyrics", topic="trams", model="suno-v5")
    assert "extend_song" not in words["next_step"]


async def test_a_description_that_the_oldest_relays_refuse_is_paid_with_a_note(
    house: House,
) -> None:
    brief = {"description": "x" * 200, "model": "suno-v5", "wait_seconds": 0}
    assert "relays" not in (await house.ok("generate_song", **brief)).get("note", "")
    longer = await house.ok("generate_song", **(brief | {"description": "x" * 201}))
    assert "has 201 characters: the oldest relays of Suno take 200 at most" in longer["note"]
    assert len(house.posts()) == 2


async def test_a_part_says_which_clip_it_continues_and_from_where(house: House) -> None:
    song = await house.ok("generate_song", description="x", model="suno-v5")
    source = song["clips"][0]
    assert "continues_clip_id" not in source
    asked = {"clip_id": source["clip_id"], "lyrics": WORDS, "continue_at_seconds": 0.53}
    result = await house.call("extend_song", **asked)
    part = (result.structured_content or {})["clips"][0]
    assert (part["continues_clip_id"], part["starts_at_seconds"]) == (source["clip_id"], 0.53)
    said = f"the new part alone: continues clip {source['clip_id']} from 0.5 s on"
    assert said in text(result)
    again = (await house.ok("get_task", task_id="last"))["clips"][0]
    assert again["continues_clip_id"] == source["clip_id"]


async def test_an_extension_that_holds_its_source_continues_none(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    asked = {"clip_id": song["clips"][0]["clip_id"], "description": "on [[holds-source]]"}
    longer = await house.ok("extend_song", **asked)
    assert longer["clips"][0]["duration_seconds"] > 32
    assert "continues_clip_id" not in longer["clips"][0]


async def test_an_unknown_clip_is_taken_as_a_song_of_piapi(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    clip = song["clips"][0]["clip_id"]
    async with house.beside("other") as other:
        longer = await other.ok("extend_song", clip_id=clip, description="x", wait_seconds=0)
    assert longer["service"] == "piapi"
    assert house.posts()[1]["input"]["continue_song_id"] == clip


async def test_a_task_id_in_place_of_a_clip_id_is_told_with_its_clips(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    error = await house.error("extend_song", clip_id=song["task_id"], description="x")
    assert all(clip["clip_id"] in error for clip in song["clips"])
    assert len(house.posts()) == 1


async def test_a_position_beyond_the_clip_is_refused_unpaid(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    clip = song["clips"][0]["clip_id"]
    for position in (-1, 500):
        error = await house.error(
            "extend_song", clip_id=clip, description="x", continue_at_seconds=position
        )
        assert "continue_at_seconds" in error
    assert len(house.posts()) == 1


async def test_no_extension_is_paid_from_the_end_of_a_clip_that_cannot_be_so_long(
    house: House,
) -> None:
    """An older journal may hold what a file said of itself."""
    song = await house.ok("generate_song", description="x", model="suno-v4")
    clip = song["clips"][0]["clip_id"]
    async with house.journal() as journal:
        with closing(sqlite3.connect(journal.path)) as db, db:
            db.execute("UPDATE clips SET duration_s = ?", (2.0**36,))
    error = await house.error("extend_song", clip_id=clip, description="x")
    assert "set continue_at_seconds" in error
    assert len(house.posts()) == 1
    await house.ok("extend_song", clip_id=clip, description="x", continue_at_seconds=9)
    assert house.posts()[1]["continue_at"] == 9


async def test_a_suno_clip_made_elsewhere_is_extended_after_fetching_its_task(
    house: House,
) -> None:
    song = await house.ok("generate_song", description="x", model="suno-v4")
    async with house.beside("other") as other:
        clip = song["clips"][0]["clip_id"]
        await other.ok("fetch_suno_task", task_id=song["task_id"], wait_seconds=0)
        longer = await other.ok("extend_song", clip_id=clip, description="x", wait_seconds=0)
        assert longer["service"] == "gptge"


# get_task, fetch_suno_task ------------------------------------------------------------------


async def test_an_ended_task_is_answered_without_asking_anybody(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    asked = len(house.sandbox.requests)
    again = await house.ok("get_task", task_id=song["task_id"])
    assert again["clips"] == song["clips"]
    assert len(house.sandbox.requests) == asked


async def test_a_task_is_known_under_our_own_id_for_ever(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    (entry,) = (await house.ok("list_songs", query=song["task_id"]))["tasks"]
    assert entry["task_id"] == song["task_id"]


async def test_get_task_knows_which_service_has_it(house: House) -> None:
    song = await house.ok("generate_song", description="x", model="suno-v5", wait_seconds=0)
    done = await house.ok("get_task", task_id=song["task_id"], wait_seconds=55)
    assert (done["service"], done["status"]) == ("gptge", "completed")


async def test_lyrics_come_only_when_asked_for(house: House) -> None:
    song = await house.ok("generate_song", lyrics=WORDS)
    assert "lyrics" not in song["clips"][0]
    again = await house.ok("get_task", task_id=song["task_id"], include_lyrics=True)
    assert "Lamps" in again["clips"][0]["lyrics"]


@pytest.mark.both_eras
async def test_an_unknown_task_says_what_to_call(house: House) -> None:
    assert "list_songs" in await house.error("get_task", task_id="nobody-knows")
    assert "list_songs" in await house.error("fetch_suno_task", task_id="nobody-knows")


async def test_a_task_made_elsewhere_is_fetched_kept_and_listed(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    async with house.beside("other") as other:
        found = await other.ok("get_task", task_id=song["task_id"])
        assert found["status"] == "completed"
        assert all(Path(clip["file"]).is_file() for clip in found["clips"])
        assert (await other.ok("list_songs"))["total"] == 1


async def test_a_failed_look_answers_what_is_known(house: House) -> None:
    song = await house.ok("generate_song", description="x [[fetch-html-502:50]]", wait_seconds=0)
    await house.ok("get_task", task_id=song["task_id"], wait_seconds=0.6)
    again = await house.ok("get_task", task_id=song["task_id"], wait_seconds=0)
    assert again["status"] in {"pending", "processing"}
    assert "As last known" in again["note"]


async def test_a_task_that_its_service_does_not_know_says_what_follows(house: House) -> None:
    house.hold()
    song = await house.ok(
        "generate_song", model="suno-v5", description="x [[forgotten]]", wait_seconds=0
    )
    again: dict[str, Any] = {}
    with anyio.fail_after(HANGS_S):
        while "note" not in again:
            await a_moment()
            again = await house.ok("get_task", task_id=song["task_id"], wait_seconds=0)
    assert again["note"].startswith("As last known: gpt.ge says that it does not know this task.")
    assert "two hours" in again["note"]


@pytest.mark.both_eras
async def test_a_failed_task_is_an_ordinary_result_that_says_why(house: House) -> None:
    task = await house.ok("generate_song", description="x [[fail-10000-logs]]", wait_seconds=55)
    assert (task["status"], task["charged"]) == ("failed", "no")
    assert "content" in task["error"]
    suno = await house.ok("generate_song", description="x [[FAILURE]]", model="suno-v5")
    assert suno["status"] == "failed"
    assert suno["error"]


# generate_lyrics ----------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["udio", "suno-v5"])
async def test_lyrics_have_a_title_and_a_text(house: House, model: str) -> None:
    task = await house.ok("generate_lyrics", topic="harbour at night", model=model)
    assert (task["kind"], task["status"]) == ("lyrics", "completed")
    assert task["lyrics"]["text"]
    assert isinstance(task["lyrics"]["title"], str)
    assert task["clips"] == []


# list_songs ---------------------------------------------------------------------------------


async def test_songs_are_listed_newest_first_with_open_ones(house: House) -> None:
    await house.ok("generate_song", description="slow waltz", title="Quay")
    await house.ok("generate_song", description="tram song", lyrics=WORDS, wait_seconds=0)
    listed = await house.ok("list_songs")
    assert listed["total"] == 2
    assert [task["title"] for task in listed["tasks"]] == ["tram song", "Quay"]
    assert "lyrics" not in str(listed["tasks"][1]["clips"])
    assert (await house.ok("list_songs", query="WALTZ"))["total"] == 1
    assert (await house.ok("list_songs", query="lamps quay"))["total"] == 1
    assert len((await house.ok("list_songs", limit=1))["tasks"]) == 1


# Bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("generate_song", {}, "description"),
        ("generate_song", {"promt": "x"}, "did you mean description?"),
        ("generate_lyrics", {"theme": "x"}, "did you mean topic?"),
        ("generate_song", {"zzz": "x"}, "the tool's schema has all"),
        ("generate_song", {"descripton": "x"}, "did you mean description?"),
        ("generate_song", {"description": "x", "seed": "many"}, "seed:"),
        ("generate_song", {"description": "x", "wait_seconds": "long"}, "wait_seconds:"),
        ("generate_song", {"description": "x", "model": "suno-v9"}, "diffrhythm, suno, minimax"),
        ("generate_song", {"description": {"x": "y"}}, "description:"),
        ("generate_song", {"lyrics": "x", "instrumental": True}, "exclude"),
        ("generate_song", {"lyrics": "x" * 1001}, "1000"),
        ("generate_song", {"description": "x", "model": "suno-v5", "seed": 3}, "seed"),
        ("generate_song", {"description": "x", "seed": 2**31}, "2147483647"),
        ("generate_song", {"description": "x", "seed": -(2**31) - 1}, "-2147483648"),
        ("generate_song", {"description": "x" * 501, "model": "suno-v5"}, "at most 500"),
        ("generate_song", {"description": "x", "title": "y" * 81, "model": "suno-v4"}, "80"),
        ("generate_song", {"lyrics": "x", "title": "y" * 101, "model": "suno-v5"}, "100"),
        ("generate_lyrics", {}, "topic"),
        ("extend_song", {"description": "x"}, "clip_id"),
        ("extend_song", {"clip_id": "..", "description": "x"}, "clip_id"),
        ("extend_song", {"clip_id": SONG_ID}, "description"),
        ("get_task", {"task_id": " "}, "task_id"),
        ("get_task", {"task_id": "a b"}, "task_id"),
        ("get_task", {"task_id": "x" * 500}, "task_id"),
        ("list_songs", {"limit": "all"}, "limit:"),
        ("no_such_tool", {}, "There is no tool"),
    ],
)
async def test_bad_input_is_told_before_anything_is_paid(
    house: House, tool: str, arguments: dict[str, Any], says: str
) -> None:
    error = await house.error(tool, **arguments)
    assert says in error
    assert "Error executing tool" not in error
    assert "pydantic" not in error
    assert house.posts() == []


@pytest.mark.parametrize("task_id", ["../account/info", "a/../../b", "x?y=z#f", "%2e%2e%2f"])
async def test_an_id_is_quoted_into_the_url_never_spliced(house: House, task_id: str) -> None:
    await house.error("get_task", task_id=task_id)
    await house.error("fetch_suno_task", task_id=task_id)
    paths = {received.path for received in house.sandbox.requests}
    assert all(path.startswith(("/api/v1/task/", "/suno/fetch/")) for path in paths)
    assert "/account/info" not in paths


# Refusals and doubts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marker", "model", "says"),
    [
        ("401", "udio", "PIAPI_API_KEY"),
        ("insufficient-credits", "udio", "credits"),
        ("plan-limit", "udio", "plan"),
        ("503-maintenance", "udio", "maintenance"),
        ("200-code-400", "udio", "refused"),
        ("401-openai-style", "suno-v5", "GPTGE_API_KEY"),
        ("403-quota", "suno-v5", "credits"),
        ("429-quota", "suno-v5", "credits"),
        ("429-saturated", "suno-v5", "rate-limiting requests"),
        ("503-no-channel", "suno-v5", "model"),
        ("nested-json-message", "suno-v5", "credits"),
    ],
)
async def test_a_refusal_says_what_happened_and_that_nothing_was_charged(
    house: House, marker: str, model: str, says: str
) -> None:
    result = await house.call("generate_song", description=f"x [[{marker}]]", model=model)
    assert result.is_error
    assert says.casefold() in text(result).casefold()
    assert result.structured_content is not None
    assert (result.structured_content["status"], result.structured_content["charged"]) == (
        "rejected",
        "no",
    )
    assert "harged" in text(result)
    assert not (await house.call("list_songs")).is_error


@pytest.mark.parametrize(
    ("marker", "model"),
    [
        ("html-502:accepted", "udio"),
        ("truncated-json", "udio"),
        ("reset", "udio"),
        ("html-200:accepted", "suno-v5"),
    ],
)
async def test_a_lost_answer_leaves_the_task_in_doubt_and_nothing_is_sent_again(
    house: House, marker: str, model: str
) -> None:
    result = await house.call("generate_song", description=f"x [[{marker}]]", model=model)
    assert result.is_error
    assert result.structured_content is not None
    task = result.structured_content
    assert (task["status"], task["charged"]) == ("in_doubt", "unknown")
    assert "may have been" in text(result)
    again = await house.call("generate_song", description=f"x [[{marker}]]", model=model)
    assert again.structured_content is not None
    assert again.structured_content["task_id"] == task["task_id"]
    assert len(house.posts()) == 1
    later = await house.ok("get_task", task_id=task["task_id"])
    assert later["status"] == "in_doubt"


async def test_a_refused_request_may_be_tried_again(house: House) -> None:
    for _ in range(2):
        assert "credits" in await house.error(
            "generate_song", description="x [[insufficient-credits]]"
        )
    assert (await house.ok("list_songs"))["total"] == 2


# Without keys -------------------------------------------------------------------------------


async def test_without_a_key_a_paid_call_says_which_variable_to_set(tmp_path: Path) -> None:
    async with open_house(tmp_path, keys=False) as house:
        assert len((await house.client.list_tools()).tools) == 11
        error = await house.error("generate_song", description="x")
        assert "GPTGE_API_KEY" in error
        assert "song-mcp demo" in error
        assert "PIAPI_API_KEY" in await house.error("generate_song", description="x", model="udio")
        assert "PIAPI_API_KEY" in await house.error("get_task", task_id="t")
        assert (await house.ok("list_songs"))["total"] == 0
        assert "fetch_suno_task" in await house.error("extend_song", clip_id="c", description="x")


async def test_a_query_beyond_all_reason_is_refused_at_once(house: House) -> None:
    error = await house.error("list_songs", query="lamp " * 200_000)
    assert "query has 999999 characters; at most 200 are searched for" in error
    found = await house.ok("list_songs", query=f"{' ' * 1000}{'lamp ' * 40}")
    assert found["total"] == 0


async def test_an_unknown_argument_is_compared_by_its_beginning(house: House) -> None:
    error = await house.error("list_songs", **{"querys" + "y" * 1_000_000: "x"})
    assert "There is no argument 'querysyyy" in error
    assert len(error) < 200
