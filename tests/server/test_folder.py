"""The folder is the person's: a renamed, a moved and a deleted file, told right everywhere."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import TextResourceContents

from song_mcp.sandbox.tasks import Catalog
from tests import solo
from tests.eras import APPS
from tests.house import House, Json, open_house, text

ASKS = "deleted by you; get it again?"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def resource(house: House, uri: str) -> Json:
    (content,) = (await house.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return dict(json.loads(content.text))


async def everywhere(house: House, song: Json) -> list[Any]:
    """What the tool, the list, the player, the resource of the clip and of the task say of it."""
    name = song["clips"][0]["clip_id"]
    listed = (await house.ok("list_songs"))["tasks"][0]
    played = await house.ok("play_song", clip_id=name)
    looked = await house.ok("get_task", task_id=song["task_id"])
    of_task = await resource(house, f"song://tasks/{song['task_id']}")
    found = [
        next(clip for clip in each["clips"] if clip["clip_id"] == name)
        for each in (listed, played, looked, of_task)
    ]
    return [*found, await resource(house, f"song://clips/{name}")]


@pytest.mark.parametrize("name", ["My song.mp3", "Waltzes/Any.mp3"])
async def test_a_renamed_or_moved_file_is_told_where_it_is(house: House, name: str) -> None:
    song = await house.song(description="x")
    file = Path(song["clips"][0]["file"])
    to = file.parent / name
    to.parent.mkdir(exist_ok=True)
    file.rename(to)
    for told in await everywhere(house, song):
        assert (told["file"], told.get("error")) == (str(to), None)
    async with house.another_client([APPS]) as page:
        chunk = await page.ok("read_clip", clip_id=song["clips"][0]["clip_id"])
    assert chunk["total_bytes"] == to.stat().st_size
    assert str(to) in text(await house.call("play_song", clip_id=song["clips"][0]["clip_id"]))
    joined = await house.ok("join_song", clip_id=song["clips"][0]["clip_id"])
    assert joined["file"] == str(to)
    assert "note" not in await house.ok("get_task", task_id=song["task_id"])


async def test_a_renamed_file_is_called_by_its_new_name_and_not_by_its_old_path(
    house: House,
) -> None:
    song = await house.song(description="x")
    file = Path(song["clips"][0]["file"])
    to = file.rename(file.with_name("Das Meer.mp3"))
    await house.ok("list_songs")
    for name in ("das meer", "Das Meer.mp3", str(to)):
        joined = await house.ok("join_song", clip_id=name)
        assert joined["file"] == str(to)
    cover = await house.ok("cover_song", clip_id="Das Meer.mp3", model="ace-step", description="x")
    told = await resource(house, f"song://tasks/{cover['task_id']}")
    assert "file" not in told["request"]["source"]


async def test_a_deleted_file_is_told_and_comes_back_only_when_asked(house: House) -> None:
    song = await house.song(description="x")
    clip = song["clips"][0]
    file = Path(clip["file"])
    content = file.read_bytes()
    file.unlink()
    for told in await everywhere(house, song):
        assert (told.get("file"), told["error"]) == (None, ASKS)
    assert not file.exists()
    looked = await house.ok("get_task", task_id=song["task_id"])
    assert f"get_task with task_id {clip['clip_id']} and get_again=true" in looked["note"]
    listed = await house.call("list_songs")
    assert text(listed).count(ASKS) == 2, "of the clip, and once how it is got again"
    assert listed.structured_content is not None
    assert listed.structured_content["note"] == looked["note"]
    for uri in ("audio", "cover"):
        with pytest.raises(MCPError, match="get_again=true"):
            await house.client.read_resource(f"song://clips/{clip['clip_id']}/{uri}")
    async with house.another_client([APPS]) as page:
        assert ASKS in await page.error("read_clip", clip_id=clip["clip_id"])
    assert ASKS in await house.error("join_song", clip_id=clip["clip_id"])
    posts = len(house.sandbox.accepted)
    again = await house.ok("get_task", task_id=clip["clip_id"], get_again=True)
    assert again["clips"][0]["file"] == str(file)
    assert "note" not in again
    assert file.read_bytes() == content
    assert len(house.sandbox.accepted) == posts


async def test_of_two_deleted_files_the_named_one_is_got_again(house: House) -> None:
    song = await house.song(description="x")
    files = [Path(clip["file"]) for clip in song["clips"]]
    for file in files:
        file.unlink()
    looked = await house.ok("get_task", task_id=song["task_id"])
    assert "get_task with task_id the clip's id and get_again=true" in looked["note"]
    name = song["clips"][1]["clip_id"]
    again = await house.ok("get_task", task_id=name, get_again=True)
    assert [clip.get("file") for clip in again["clips"]] == [None, str(files[1])]
    both = await house.ok("get_task", task_id=song["task_id"], get_again=True)
    assert [clip.get("file") for clip in both["clips"]] == list(map(str, files))


async def test_nothing_is_got_again_that_is_there(house: House) -> None:
    song = await house.song(description="x")
    again = await house.ok("get_task", task_id=song["task_id"], get_again=True)
    assert again["clips"] == song["clips"]


async def test_a_deletion_is_told_by_every_process_and_undone_by_the_trash(house: House) -> None:
    song = await house.song(description="x")
    file = Path(song["clips"][0]["file"])
    trash = file.rename(file.parent.parent / "trash.mp3")
    await house.ok("list_songs")
    async with house.another_client() as other:
        told = await other.ok("get_task", task_id=song["task_id"])
        assert told["clips"][0]["error"] == ASKS
        trash.rename(file)
        told = await other.ok("get_task", task_id=song["task_id"])
    assert (told["clips"][0]["file"], "note" in told) == (str(file), False)


async def test_a_folder_that_is_not_there_is_told_and_changes_nothing(house: House) -> None:
    song = await house.song(description="x")
    folder = Path(song["clips"][0]["file"]).parent
    elsewhere = folder.rename(folder.with_name("unplugged"))
    for told in await everywhere(house, song):
        assert told["error"] == "the library's folder is not there now"
    note = (await house.ok("list_songs"))["note"]
    assert str(folder) in note
    assert "Nothing was changed" in note
    assert not folder.exists(), "nothing is saved again"
    elsewhere.rename(folder)
    assert (await house.ok("get_task", task_id=song["task_id"]))["clips"] == song["clips"]


async def test_what_its_service_has_no_more_says_what_can_be_done(house: House) -> None:
    song = await house.song(description="x")
    clip = song["clips"][0]
    Path(clip["file"]).unlink()
    await house.ok("list_songs")
    house.sandbox.piapi = Catalog(10)
    again = await house.ok("get_task", task_id=clip["clip_id"], get_again=True, wait_seconds=60)
    assert "trash or a backup" in again["note"]
    assert "file" not in again["clips"][0]


async def test_a_cover_of_a_deleted_song_is_refused_before_anything_is_paid(
    house: House,
) -> None:
    song = await house.song(description="x")
    Path(song["clips"][0]["file"]).unlink()
    posts = len(house.sandbox.accepted)
    refused = await house.error(
        "cover_song", clip_id=song["clips"][0]["clip_id"], description="waltz"
    )
    assert ASKS in refused
    assert "Nothing was sent or paid" in refused
    assert len(house.sandbox.accepted) == posts


@pytest.mark.parametrize("has_its_name", [False, True], ids=["renamed", "swapped"])
async def test_a_cover_in_doubt_is_submitted_again_with_the_file_as_it_is_called_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_its_name: bool
) -> None:
    shop = solo.rows(monkeypatch)
    async with open_house(tmp_path) as house:
        song = await house.song(description="x", title="Waltz")
        mine, other = (Path(clip["file"]) for clip in song["clips"])
        name = song["clips"][0]["clip_id"]
        lost = await house.call("cover_song", clip_id=name, description=solo.LOST, model="solo")
        assert lost.structured_content is not None
        to = mine.rename(mine.with_name("Mine.mp3"))
        if has_its_name:
            other.rename(mine)
        doubt = lost.structured_content["task_id"]
        await house.call("resolve_task", task_id=doubt, action="submit_again")
    assert shop.attached == [str(mine), str(to)]


async def test_a_cover_in_doubt_whose_song_was_deleted_stays_in_doubt_and_unpaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = solo.rows(monkeypatch)
    async with open_house(tmp_path) as house:
        clip = (await house.song(description="x"))["clips"][0]
        lost = await house.call(
            "cover_song", clip_id=clip["clip_id"], description=solo.LOST, model="solo"
        )
        assert lost.structured_content is not None
        Path(clip["file"]).unlink()
        doubt = lost.structured_content["task_id"]
        refused = await house.error("resolve_task", task_id=doubt, action="submit_again")
        assert ASKS in refused
        assert refused.count("Nothing was sent or paid") == 1
        assert (await house.ok("get_task", task_id=doubt))["status"] == "in_doubt"
    assert len(shop.posts) == 1
