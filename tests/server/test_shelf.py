"""Naming clips and tasks through the tools, in both eras: what a name means, and what is free."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.house import House, open_house, text
from tests.limits import HANGS_S

pytestmark = pytest.mark.one_era("what a name means is decided behind the protocol")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def short_id(clip: dict[str, Any]) -> str:
    """The part of the key in the name of the clip's file."""
    return Path(clip["file"]).stem.rpartition(" ")[2]


async def continued(house: House, name: str) -> tuple[str, str]:
    """Extend the clip called `name`; returns the id that was sent, and the note."""
    longer = await house.ok("extend_song", clip_id=name, description=f"more {name}", wait_seconds=0)
    return str(house.posts()[-1]["input"]["continue_song_id"]), longer["note"]


async def test_a_clip_is_extended_by_whatever_it_is_called(house: House) -> None:
    song = await house.song(description="x", title="Quay")
    first, second = song["clips"]
    for clip in (first, second):
        names = [clip["clip_id"], clip["clip_id"][:8], short_id(clip), Path(clip["file"]).name]
        for name in names:
            assert (await continued(house, name))[0] == clip["clip_id"]


async def test_an_exact_title_means_the_one_clip_that_has_it(house: House) -> None:
    song = await house.song(description="slow harbour waltz")
    titles = [clip["title"] for clip in song["clips"]]
    assert len(set(titles)) == 2
    for clip in song["clips"]:
        assert (await continued(house, f" {clip['title'].upper()} "))[0] == clip["clip_id"]


async def test_last_extends_the_first_take_and_says_which_is_the_other(house: House) -> None:
    await house.song(description="x")
    song = await house.song(description="y", title="Lamps")
    first, second = (clip["clip_id"] for clip in song["clips"])
    sent, note = await continued(house, "last")
    assert sent == first
    assert f'last is "Lamps", clip {first}' in note
    assert f"other take is {second}" in note


async def test_a_repeated_extension_of_the_last_song_does_not_extend_itself(house: House) -> None:
    song = await house.song(description="x")
    asked: dict[str, Any] = {"clip_id": "last", "description": "strings", "wait_seconds": 0}
    longer = await house.ok("extend_song", **asked)
    with anyio.fail_after(HANGS_S):
        async with house.journal() as journal:
            while (task := await journal.find(longer["task_id"])) and task.is_open:
                pass
    error = await house.error("extend_song", **asked)
    assert longer["task_id"] in error
    assert "Nothing was sent or paid." in error
    assert [post["input"].get("continue_song_id") for post in house.posts()] == [
        None,
        song["clips"][0]["clip_id"],
    ]
    told = await house.ok("get_task", task_id=longer["task_id"])
    assert (await continued(house, "last"))[0] == told["clips"][0]["clip_id"]


async def test_an_extension_of_the_last_song_is_repeated_while_another_song_ends(
    house: House,
) -> None:
    first = await house.song(description="x")
    house.hold()
    second = await house.ok("generate_song", description="y", wait_seconds=0)
    asked: dict[str, Any] = {"clip_id": "last", "description": "strings", "wait_seconds": 0}
    longer = await house.ok("extend_song", **asked)
    house.end_all()
    with anyio.fail_after(HANGS_S):
        async with house.journal() as journal:
            while (task := await journal.find(second["task_id"])) and task.is_open:
                pass
    error = await house.error("extend_song", **asked)
    assert longer["task_id"] in error
    assert [post["input"].get("continue_song_id") for post in house.posts()] == [
        None,
        None,
        first["clips"][0]["clip_id"],
    ]


async def test_an_ambiguous_title_pays_nothing_and_lists_what_it_can_mean(house: House) -> None:
    song = await house.song(description="x", title="Quay")
    error = await house.error("extend_song", clip_id="quay", description="more")
    assert '"quay" can mean 2 clips' in error
    for clip in song["clips"]:
        assert f'{short_id(clip)} "Quay", {song["created_at"][:10]}' in error
    assert "Nothing was sent or paid." in error
    assert len(house.posts()) == 1


@pytest.mark.parametrize(
    "name", ["Kuay", "7c1e02aa", "..", "last ", "c", "\u200b", "local-00", "x" * 5000]
)
async def test_an_unknown_name_pays_nothing_and_says_what_to_do(house: House, name: str) -> None:
    error = await house.error("extend_song", clip_id=name, description="more")
    assert "Nothing was sent or paid." in error
    assert "list_songs" in error or "no finished song" in error
    assert house.posts() == []


async def test_an_id_nobody_knows_is_not_asked_of_piapi_without_its_key(tmp_path: Path) -> None:
    async with open_house(tmp_path, settings={"PIAPI_API_KEY": ""}) as house:
        unknown = "5b1f0c52-0000-4000-8000-0000000000a1"
        assert "list_songs" in await house.error("extend_song", clip_id=unknown, description="x")
        assert not house.sandbox.requests


async def test_a_task_of_ours_is_told_with_its_clips_under_either_id(house: House) -> None:
    for model in ("udio", "suno-v5"):
        song = await house.song(description="x", model=model)
        error = await house.error("extend_song", clip_id=song["task_id"], description="more")
        assert all(clip["clip_id"] in error for clip in song["clips"])
    assert len(house.posts()) == 2


async def test_a_task_is_looked_up_at_its_own_service_by_either_tool(house: House) -> None:
    for model, service in (("suno-v5", "gptge"), ("udio", "piapi")):
        song = await house.ok("generate_song", description="x", model=model, wait_seconds=0)
        for tool in ("get_task", "fetch_suno_task"):
            found = await house.ok(tool, task_id=song["task_id"], wait_seconds=55)
            assert (found["service"], found["status"]) == (service, "completed")


async def test_last_is_the_newest_task_for_every_tool_that_takes_one(house: House) -> None:
    for tool in ("get_task", "fetch_suno_task"):
        assert "list_songs" in await house.error(tool, task_id="last")
    assert not house.sandbox.requests
    await house.song(description="x")
    newest = await house.ok("generate_song", description="y", model="suno-v5", wait_seconds=0)
    for tool in ("get_task", "fetch_suno_task"):
        assert (await house.ok(tool, task_id="last"))["task_id"] == newest["task_id"]
    result = await house.call("resolve_task", task_id="last", action="check")
    assert newest["task_id"] in text(result)


async def test_a_clips_id_in_place_of_a_tasks_gives_the_task_that_made_it(house: House) -> None:
    song = await house.song(description="x")
    found = await house.ok("get_task", task_id=song["clips"][1]["clip_id"])
    assert found["task_id"] == song["task_id"]
