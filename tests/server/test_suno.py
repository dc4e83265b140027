"""Suno's models through the tools: which one is asked for, and which one made the song."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import House, open_house, text

pytestmark = pytest.mark.one_era("which model is meant is decided behind the protocol")

RETIRED = "Suno retired suno-v5 on 2026-09-09: gpt.ge may refuse it"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(
        tmp_path, settings={"SONG_MCP_SUNO_NAMES": "v6-mini=chirp-v6-mini"}
    ) as opened:
        yield opened


async def test_a_relays_name_is_sent_and_ours_is_shown(house: House) -> None:
    song = await house.song(description="trams", model="suno-v6-mini")
    assert house.posts()[-1]["mv"] == "chirp-v6-mini"
    assert song["model"] == "suno-v6-mini"
    assert "note" not in song
    assert "made_with" not in song["clips"][0]


async def test_any_word_goes_out_as_it_is_and_extends_as_it_is(house: House) -> None:
    song = await house.song(description="trams", model="chirp-v7-x")
    clip_id = song["clips"][0]["clip_id"]
    more = await house.ok("extend_song", clip_id=clip_id, lyrics="more", wait_seconds=0)
    assert [post["mv"] for post in house.posts()] == ["chirp-v7-x", "chirp-v7-x"]
    assert (song["model"], more["model"]) == ("chirp-v7-x", "chirp-v7-x")
    shown = await house.call("get_task", task_id=song["task_id"])
    assert "chirp-v7-x at gpt.ge" in text(shown)
    assert "chirp-v7-x" in text(await house.call("list_songs"))


async def test_a_wrong_word_is_refused_and_nothing_is_sent(house: House) -> None:
    said = await house.error("generate_song", description="x", model="suno-v7")
    assert "suno-v6-wild" in said
    assert "any chirp-... word" in said
    assert house.posts() == []


async def test_a_retired_model_is_taken_with_a_note(house: House) -> None:
    song = await house.ok("generate_song", description="x", model="suno-v5", wait_seconds=0)
    assert house.posts()[-1]["mv"] == "chirp-crow"
    assert song["note"].startswith(RETIRED)
    assert "Current: suno-v6, suno-v6-wild or suno-v6-mini." in song["note"]


@pytest.mark.parametrize("marker", ["403-retired", "500-retired", "500-no-price"])
async def test_a_model_that_is_gone_is_refused_uncharged_and_not_in_doubt(
    house: House, marker: str
) -> None:
    result = await house.call("generate_song", description=f"x [[{marker}]]", model="suno-v5")
    assert result.structured_content is not None
    assert result.structured_content["status"] == "rejected"
    assert result.structured_content["charged"] == "no"
    assert "Try another model" in text(result)
    assert RETIRED in text(result)


async def test_a_clip_of_a_retired_model_is_continued_with_one_that_works(house: House) -> None:
    song = await house.song(description="trams", model="suno-v5")
    clip_id = song["clips"][0]["clip_id"]
    more = await house.ok("extend_song", clip_id=clip_id, lyrics="more", wait_seconds=0)
    assert [post["mv"] for post in house.posts()] == ["chirp-crow", "chirp-hawk"]
    assert more["model"] == "suno-v6"
    assert (
        "Suno retired suno-v5 on 2026-09-09, so the clip is continued with suno-v6." in more["note"]
    )


WISHES = {"negative_tags": "metal", "vocal_gender": "f", "style_weight": 0.65, "weirdness": 0.0}


async def test_wishes_are_sent_and_nothing_is_said_if_the_clips_repeat_them(house: House) -> None:
    song = await house.song(description="x", model="suno-v6", **WISHES)
    assert house.posts()[-1]["negative_tags"] == "metal"
    assert house.posts()[-1]["metadata"]["control_sliders"]["weirdness_constraint"] == 0
    assert "note" not in song


async def test_wishes_that_no_clip_repeats_are_told_at_each_look(house: House) -> None:
    song = await house.song(description="x [[ignores-wishes]]", model="chirp-v7", **WISHES)
    told = (
        "gpt.ge may have ignored negative_tags, vocal_gender, style_weight and weirdness: the "
        "clips' own data do not repeat that."
    )
    assert song["note"] == told
    assert told in text(await house.call("get_task", task_id=song["task_id"]))


async def test_wishes_are_refused_of_a_retired_model_and_nothing_is_sent(house: House) -> None:
    said = await house.error("generate_song", description="x", model="suno-v5", vocal_gender="f")
    assert "use the model suno-v6, suno-v6-wild or suno-v6-mini" in said
    assert house.posts() == []


async def test_the_model_that_made_a_clip_is_told_where_it_is_another(house: House) -> None:
    song = await house.song(description="x [[other-model]]", model="suno-v6-wild")
    assert song["model"] == "suno-v6-wild"
    assert {clip["made_with"] for clip in song["clips"]} == {"chirp-hawk"}
    told = "Asked for suno-v6-wild, made by chirp-hawk, as the clip's own data say."
    assert song["note"].count(told) == 1
    assert told in text(await house.call("get_task", task_id=song["task_id"]))
