"""Suno's models through the tools: which one is asked for, and which one made the song."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.house import QUICK, House, open_house, text

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
    assert "suno, minimax" in said
    assert "chirp-..." in said
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


# What is told of a key ---------------------------------------------------------------------------


async def account(house: House, key: str) -> tuple[dict[str, Any], str]:
    """What is told of gpt.ge with this key, as data and in the text."""
    async with house.another_client(GPTGE_API_KEY=key) as other:
        result = await other.call("check_account")
    assert result.structured_content is not None
    (found,) = [
        each for each in result.structured_content["accounts"] if each["service"] == "gptge"
    ]
    (line,) = [line for line in text(result).splitlines() if line.startswith("gpt.ge")]
    return found, line


async def test_what_is_left_on_a_key_is_told_in_the_gateways_own_unit(house: House) -> None:
    await house.song(description="x", model="suno-v6")
    for key in ("sk-x", "sk-x[[balance-of-key]]"):
        found, line = await account(house, key)
        assert found == {"service": "gptge", "has_key": True, "balance_units": 12.4}
        assert line == "gpt.ge: about 12.4 left (the gateway's own unit)."
    assert len(house.posts()) == 1


@pytest.mark.parametrize("marker", ["balance-error", "balance-flag", "balance-page"])
async def test_nothing_is_said_of_a_key_of_which_nothing_is_told(house: House, marker: str) -> None:
    found, line = await account(house, f"sk-x[[{marker}]]")
    assert found == {"service": "gptge", "has_key": True}
    assert line == "gpt.ge: key set."


async def test_a_key_without_a_limit_and_one_without_suno_are_told_as_such(house: House) -> None:
    found, line = await account(house, "sk-x[[balance-unlimited]][[lists-no-suno]]")
    assert (found["is_unlimited"], "balance_units" in found) == (True, False)
    assert line == (
        "gpt.ge: no limit on this key. Among the models of this key gpt.ge lists no suno_music, so "
        "it may refuse songs."
    )


async def test_a_song_is_submitted_without_a_look_at_the_key(house: House) -> None:
    await house.song(description="x", model="suno-v6")
    asked = {(each.method, each.path) for each in house.sandbox.requests if each.service == "gptge"}
    assert not any("billing" in path or "usage" in path for _, path in asked)


# A relay with names of its own -------------------------------------------------------------------


async def test_a_relay_that_takes_only_its_own_names_makes_songs_by_the_setting(
    tmp_path: Path,
) -> None:
    rules = replace(QUICK, suno_models=frozenset({"chirp-v6", "chirp-v6-mini"}))
    settings = {"SONG_MCP_SUNO_NAMES": "suno-v6=chirp-v6"}
    async with open_house(tmp_path, rules=rules, settings=settings) as house:
        song = await house.song(description="x", model="suno-v6")
        raw = await house.song(description="y", model="chirp-v6-mini")
        refused = await house.call("generate_song", description="z", model="suno-v6-mini")
    assert (song["model"], raw["model"]) == ("suno-v6", "chirp-v6-mini")
    assert "note" not in song | raw
    assert refused.structured_content is not None
    assert refused.structured_content["status"] == "rejected"
    assert [post["mv"] for post in house.posts()] == ["chirp-v6", "chirp-v6-mini"]


async def test_the_model_that_made_a_clip_is_told_where_it_is_another(house: House) -> None:
    song = await house.song(description="x [[other-model]]", model="suno-v6-wild")
    assert song["model"] == "suno-v6-wild"
    assert {clip["made_with"] for clip in song["clips"]} == {"chirp-hawk"}
    told = "Asked for suno-v6-wild, made by chirp-hawk, as the clip's own data say."
    assert song["note"].count(told) == 1
    assert told in text(await house.call("get_task", task_id=song["task_id"]))
