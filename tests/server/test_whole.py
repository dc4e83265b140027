"""Songs that were extended, joined into one file: by a tool, a resource, and the player."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import BlobResourceContents

from tests import decoding
from tests.eras import APPS
from tests.house import House, open_house, text, uri_of
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("how a song is joined does not depend on the protocol")

FRAME_S = 1152 / 48_000
Json = dict[str, Any]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def extended(house: House, clip: Json, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
    """Extend a clip, and return the first clip of the extension when it is saved."""
    task = await house.ok("extend_song", clip_id=clip["clip_id"], **arguments)
    while task["status"] != "completed" or not all(each.get("file") for each in task["clips"]):
        await a_moment()
        task = await house.ok("get_task", task_id=task["task_id"])
    return dict(task["clips"][0])


async def chain(house: House) -> list[Json]:
    """Make a Suno song, extend it at 0.5 s, and that at its end."""
    song = await house.song(description="slow waltz", model="suno-v5", title="Quay")
    first = song["clips"][0]
    second = await extended(house, first, lyrics="[Verse]\nTrams", continue_at_seconds=0.5)
    third = await extended(house, second, description="brass", title="Quay, the end")
    return [first, second, third]


def check_whole(content: bytes, clips: list[Json]) -> None:
    """Check that the frames of the whole are those of its clips, cut where they are continued."""
    found = [decoding.frames_decoded(Path(clip["file"]).read_bytes()) for clip in clips]
    lengths = [0.5, clips[1]["duration_seconds"], clips[2]["duration_seconds"]]
    frames = decoding.frames_decoded(content)
    assert abs(len(frames) * FRAME_S - sum(lengths)) <= FRAME_S
    start = 0
    for part, length in zip(found, lengths, strict=True):
        count = round(length / FRAME_S)
        assert frames[start + 1 : start + count] == part[1:count]
        start += count


@pytest.mark.both_eras
async def test_a_song_that_was_extended_twice_is_joined_into_one_file(house: House) -> None:
    clips = await chain(house)
    posts = len(house.posts())
    result = await house.call("join_song", clip_id=clips[2]["clip_id"])
    whole = result.structured_content or {}
    assert whole["title"] == "Quay (whole)"
    assert [part["clip_id"] for part in whole["parts"]] == [clip["clip_id"] for clip in clips]
    assert [part["file"] for part in whole["parts"]] == [clip["file"] for clip in clips]
    assert whole["parts"][0]["until_seconds"] == 0.5
    check_whole(Path(whole["file"]).read_bytes(), clips)
    assert abs(whole["duration_seconds"] - 0.5 - 2 * clips[1]["duration_seconds"]) <= FRAME_S
    assert whole["file"] in text(result)
    assert "the first 0.5 s" in text(result)
    assert len(house.posts()) == posts


@pytest.mark.both_eras
async def test_the_whole_is_a_resource_and_read_by_the_player(house: House) -> None:
    clips = await chain(house)
    uri = f"{uri_of(clips[2])}/whole"
    (content,) = (await house.client.read_resource(uri)).contents
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == "audio/mpeg"
    check_whole(base64.b64decode(content.blob), clips)
    async with house.another_client([APPS]) as page:
        chunk = await page.ok("read_clip", clip_id=clips[2]["clip_id"], part="whole")
    assert chunk["content"] == content.blob
    assert chunk["total_bytes"] == len(base64.b64decode(content.blob))
    whole = await house.ok("join_song", clip_id=clips[2]["clip_id"])
    assert whole["resource_uri"] == uri


async def test_the_whole_is_found_again_by_another_server(house: House) -> None:
    clips = await chain(house)
    whole = await house.ok("join_song", clip_id=clips[2]["clip_id"])
    for clip in clips:
        Path(clip["file"]).unlink()
    async with house.another_client() as other:
        again = await other.ok("join_song", clip_id=clips[2]["clip_id"])
    assert again.pop("parts") == [
        {name: value for name, value in part.items() if name != "file"}
        for part in whole.pop("parts")
    ]
    assert again == whole
    Path(whole["file"]).unlink()
    assert "deleted by you; get it again?" in await house.error(
        "join_song", clip_id=clips[2]["clip_id"]
    )


async def test_a_part_is_joined_with_what_it_continues_alone(house: House) -> None:
    clips = await chain(house)
    whole = await house.ok("join_song", clip_id=clips[1]["clip_id"])
    assert [part["clip_id"] for part in whole["parts"]] == [clip["clip_id"] for clip in clips[:2]]
    assert whole["file"] != (await house.ok("join_song", clip_id=clips[2]["clip_id"]))["file"]


async def test_a_song_of_one_clip_is_its_own_file(house: House) -> None:
    song = await house.song(description="waltz", model="suno-v5")
    clip = song["clips"][0]
    whole = await house.ok("join_song", clip_id="last")
    assert (whole["file"], whole["resource_uri"]) == (
        clip["file"],
        f"{uri_of(clip)}/audio",
    )
    assert "nothing was joined" in whole["note"]
    (content,) = (await house.client.read_resource("song://clips/last/whole")).contents
    assert isinstance(content, BlobResourceContents)
    assert base64.b64decode(content.blob) == Path(clip["file"]).read_bytes()


async def test_an_udio_extension_that_is_a_part_is_joined(house: House) -> None:
    song = await house.song(description="waltz", model="udio")
    first = song["clips"][0]
    part = await extended(house, first, description="brass", continue_at_seconds=0.6)
    whole = await house.ok("join_song", clip_id=part["clip_id"])
    assert [each["clip_id"] for each in whole["parts"]] == [first["clip_id"], part["clip_id"]]
    assert abs(whole["duration_seconds"] - 0.6 - part["duration_seconds"]) <= FRAME_S


async def test_a_clip_that_is_not_saved_is_told_with_what_to_call(house: House) -> None:
    clips = await chain(house)
    async with house.journal() as journal:
        task, clip = (await journal.meaning(clips[1]["clip_id"])).clips[0]
        await journal.save_clip(task.local_id, replace(clip, file=None, save_error="no room"))
    said = await house.error("join_song", clip_id=clips[2]["clip_id"])
    assert f"Clip {clips[1]['clip_id']} is not saved yet" in said
    assert f"get_task with task_id {task.task_id}" in said
    with pytest.raises(MCPError, match="is not saved yet"):
        await house.client.read_resource(f"{uri_of(clips[2])}/whole")


async def test_what_cannot_be_joined_is_told_plainly(house: House) -> None:
    clips = await chain(house)
    Path(clips[1]["file"]).write_bytes(decoding.mp3(0.5, channels=1))
    said = await house.error("join_song", clip_id=clips[2]["clip_id"])
    assert Path(clips[0]["file"]).name in said
    assert Path(clips[1]["file"]).name in said
    assert "mono" in said


async def test_an_unknown_clip_is_told(house: House) -> None:
    assert "list_songs" in await house.error("join_song", clip_id="nothing like this")
    with pytest.raises(MCPError) as caught:
        await house.client.read_resource("song://clips/nothing-like-this/whole")
    assert caught.value.error.code == -32602
