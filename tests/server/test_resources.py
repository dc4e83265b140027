"""Clips and tasks as resources, in both protocol eras."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import BlobResourceContents, TextResourceContents

from song_mcp.rights import rights_in
from tests.eras import LEGACY, MODERN
from tests.house import House, open_house, uri_of

pytestmark = pytest.mark.one_era("what a resource tells is found behind the protocol")

FIXED = 2
"""How many resources come before the clips in the list."""
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def read_json(house: House, uri: str) -> dict[str, Any]:
    (content,) = (await house.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return dict(json.loads(content.text))


async def test_a_clip_tells_everything_known_of_it(house: House) -> None:
    song = await house.song(lyrics="[Verse]\nLamps", title="Quay")
    clip = song["clips"][0]
    found = await read_json(house, uri_of(clip))
    assert {key: found[key] for key in clip} == clip
    assert found["service_title"] != "Quay"
    assert "Lamps" in found["lyrics"]
    assert found["request"] == {"model": "udio", "lyrics": "[Verse]\nLamps", "title": "Quay"}
    assert found["task"]["task_id"] == song["task_id"]
    assert Path(found["cover"]).is_file()


@pytest.mark.both_eras
async def test_the_audio_is_the_file_with_its_own_type(house: House) -> None:
    song = await house.song(description="x")
    clip = song["clips"][0]
    (content,) = (await house.client.read_resource(f"{uri_of(clip)}/audio")).contents
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == "audio/mpeg"
    assert base64.b64decode(content.blob) == Path(clip["file"]).read_bytes()


async def test_a_clip_says_what_made_it_of_which_words_when_and_what_is_known_of_its_rights(
    house: House,
) -> None:
    song = await house.song(description="slow waltz", model="suno-v5")
    found = await read_json(house, uri_of(song["clips"][0]))
    made = found["task"]
    assert (made["service"], made["model"]) == ("gptge", "suno-v5")
    assert made["created_at"] == song["created_at"]
    assert found["request"]["description"] == "slow waltz"
    assert made["rights"] == rights_in("gptge", "suno-v5").line
    assert song["rights"] == rights_in("gptge", "suno-v5").brief


async def test_a_list_tells_once_what_is_known_of_the_rights_in_several_songs(
    house: House,
) -> None:
    for title in ("One", "Two"):
        await house.song(description="x", title=title)
    await house.song(description="y", model="suno-v5")
    listed = await house.ok("list_songs")
    assert listed["rights"] == [rights_in(*of).brief for of in (("gptge", ""), ("piapi", "udio"))]
    assert not any("rights" in task for task in listed["tasks"])


async def test_nothing_is_said_of_the_rights_in_a_song_that_is_not_there(house: House) -> None:
    house.hold()
    song = await house.ok("generate_song", description="x", wait_seconds=0)
    assert "rights" not in song
    assert "rights" not in await house.ok("list_songs")


async def test_a_clip_still_being_saved_is_waited_for(house: House) -> None:
    song = await house.ok("generate_song", description="x", wait_seconds=3)
    while song["status"] != "completed":
        song = await house.ok("get_task", task_id=song["task_id"], wait_seconds=1)
    uri = f"{uri_of(song['clips'][1])}/audio"
    (content,) = (await house.client.read_resource(uri)).contents
    assert isinstance(content, BlobResourceContents)
    assert base64.b64decode(content.blob)[:3] == b"ID3"


async def test_a_task_is_there_with_its_clips_also_while_it_runs(house: House) -> None:
    house.hold()
    song = await house.ok("generate_song", description="x", wait_seconds=0)
    found = await read_json(house, f"song://tasks/{song['task_id']}")
    assert found["status"] in {"pending", "processing"}
    assert found["request"]["description"] == "x"
    assert found["clips"] == []


async def test_a_seed_and_a_position_of_zero_are_kept_as_what_was_asked_for(house: House) -> None:
    song = await house.song(description="x", seed=0)
    clip_id = song["clips"][0]["clip_id"]
    extended = await house.ok(
        "extend_song", clip_id=clip_id, description="y", continue_at_seconds=0, wait_seconds=0
    )
    found = await read_json(house, f"song://tasks/{song['task_id']}")
    assert found["request"] == {"model": "udio", "description": "x", "seed": 0}
    found = await read_json(house, f"song://tasks/{extended['task_id']}")
    assert found["request"]["continue_at_s"] == 0
    assert "seed" not in found["request"]


@pytest.mark.both_eras
async def test_finished_clips_are_listed_newest_first_in_a_stable_order(house: House) -> None:
    first = await house.ok("generate_song", description="x", title="First")
    second = await house.ok("generate_song", description="y", model="suno-v5", title="Second")
    listed = (await house.client.list_resources()).resources[FIXED:]
    uris = [uri_of(clip) for song in (second, first) for clip in song["clips"]]
    assert [resource.uri for resource in listed] == uris
    assert listed[0].title == "Second"
    assert listed[0].description is not None
    assert "gpt.ge" in listed[0].description
    assert "PiAPI" in (listed[-1].description or "")
    assert (await house.client.list_resources()).resources[FIXED:] == listed


@pytest.mark.both_eras
async def test_templates_are_listed(house: House) -> None:
    templates = (await house.client.list_resource_templates()).resource_templates
    assert {template.uri_template for template in templates} == {
        "song://clips/{clip_id}",
        "song://clips/{clip_id}/audio",
        "song://clips/{clip_id}/whole",
        "song://clips/{clip_id}/cover",
        "song://clips/{clip_id}/lyrics.lrc",
        "song://tasks/{task_id}",
    }
    assert all(template.description and template.title for template in templates)
    assert all(template.annotations and template.annotations.audience for template in templates)


async def test_a_listed_clip_tells_its_size_and_when_it_was_finished(house: House) -> None:
    song = await house.song(description="x")
    *_, listed = (await house.client.list_resources()).resources
    (content,) = (await house.client.read_resource(listed.uri)).contents
    assert isinstance(content, TextResourceContents)
    assert listed.size == len(content.text.encode())
    assert listed.annotations is not None
    finished_at = datetime.fromisoformat(listed.annotations.last_modified or "")
    assert finished_at.replace(microsecond=0) == datetime.fromisoformat(song["finished_at"])


async def test_a_clip_is_read_by_whatever_it_is_called(house: House) -> None:
    song = await house.song(description="x", model="suno-v4")
    first, second = song["clips"]
    for name in (first["clip_id"][:8], Path(first["file"]).stem, "last", first["title"]):
        found = await read_json(house, f"song://clips/{quote(name, safe='')}")
        assert found["clip_id"] == first["clip_id"]
    title = quote(second["title"].upper(), safe="")
    (content,) = (await house.client.read_resource(f"song://clips/{title}/audio")).contents
    assert isinstance(content, BlobResourceContents)
    assert base64.b64decode(content.blob) == Path(second["file"]).read_bytes()
    found = await read_json(house, "song://tasks/last")
    assert found["task_id"] == song["task_id"]


async def test_an_ambiguous_title_is_told_with_what_it_can_mean(house: House) -> None:
    await house.song(description="x", title="Quay")
    with pytest.raises(MCPError, match='"Quay" can mean 2 clips') as caught:
        await house.client.read_resource("song://clips/Quay")
    assert caught.value.error.code == -32602


@pytest.mark.both_eras
async def test_a_cover_is_the_picture_with_the_type_of_its_bytes(house: House) -> None:
    song = await house.song(description="x")
    clip = song["clips"][0]
    (content,) = (await house.client.read_resource(f"{uri_of(clip)}/cover")).contents
    assert isinstance(content, BlobResourceContents)
    picture = base64.b64decode(content.blob)
    assert (content.mime_type, picture[:4]) == ("image/png", b"\x89PNG")
    cover = Path((await read_json(house, uri_of(clip)))["cover"])
    assert picture == cover.read_bytes()
    cover.unlink()
    with pytest.raises(MCPError, match="no cover") as caught:
        await house.client.read_resource("song://clips/last/cover")
    assert caught.value.error.code == -32602


@pytest.mark.only_in(MODERN)
async def test_clients_keep_what_is_named_by_its_id_and_ended_alone(tmp_path: Path) -> None:
    async with open_house(tmp_path, song_seconds=60) as house:
        running = await house.ok("generate_song", description="x", wait_seconds=0)
        task = await house.client.read_resource(f"song://tasks/{running['task_id']}")
        assert (task.ttl_ms, task.cache_scope) == (0, "private")
        song = await house.song(description="x")
        assert song["task_id"] == running["task_id"]
        uri = uri_of(song["clips"][0])
        for name, ttl_ms in (
            (f"song://tasks/{song['task_id']}", 0),  # it names files, which people move
            (uri, 0),
            (f"{uri}/audio", DAY_MS),
            (f"{uri}/cover", DAY_MS),
            ("song://clips/last", 0),
            ("song://clips/last/audio", 0),
            ("song://tasks/last", 0),
        ):
            read = await house.client.read_resource(name)
            assert (read.ttl_ms, read.cache_scope) == (ttl_ms, "private"), name


@pytest.mark.only_in(MODERN)
async def test_clients_may_share_what_comes_with_the_version_alone(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        client = house.client
        for result in (
            await client.list_resource_templates(),
            await client.list_prompts(),
            await client.read_resource("song://guide/styles"),
        ):
            assert (result.ttl_ms, result.cache_scope) == (HOUR_MS, "public")
        offered = await client.list_tools()  # which depend on what the client can do
        assert (offered.ttl_ms, offered.cache_scope) == (HOUR_MS, "private")
        listed = await client.list_resources()
        assert (listed.ttl_ms, listed.cache_scope) == (0, "private")


@pytest.mark.only_in(LEGACY)
async def test_nothing_of_caching_reaches_an_older_client(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.song(description="x")
        for result in (
            await house.client.read_resource("song://clips/last"),
            await house.client.list_resources(),
            await house.client.list_tools(),
        ):
            assert not {"ttl_ms", "cache_scope"} & result.model_fields_set


@pytest.mark.both_eras
@pytest.mark.parametrize(
    "uri",
    [
        "song://clips/nobody",
        "song://clips/nobody/audio",
        "song://tasks/nobody",
        "song://clips/..%2F..%2Fetc%2Fpasswd/audio",
        "song://elsewhere/x",
    ],
)
async def test_an_unknown_id_is_resource_not_found(house: House, uri: str) -> None:
    with pytest.raises(MCPError) as caught:
        await house.client.read_resource(uri)
    assert caught.value.error.code == -32602


@pytest.mark.both_eras
async def test_audio_that_is_gone_says_so(house: House) -> None:
    song = await house.song(description="x")
    clip = song["clips"][0]
    Path(clip["file"]).unlink()
    with pytest.raises(MCPError, match=r"gone|not there|no longer"):
        await house.client.read_resource(f"{uri_of(clip)}/audio")


async def test_audio_over_the_cap_names_its_file(tmp_path: Path) -> None:
    settings = {"SONG_MCP_BLOB_BYTES": str(2**20)}
    async with open_house(tmp_path, settings=settings) as house:
        clip = (await house.song(description="x"))["clips"][0]
        Path(clip["file"]).write_bytes(Path(clip["file"]).read_bytes() + bytes(2**20))
        size = Path(clip["file"]).stat().st_size
        with pytest.raises(MCPError) as caught:
            await house.client.read_resource(f"{uri_of(clip)}/audio")
    assert f"has {size} bytes, too many for a resource" in str(caught.value)
    assert clip["file"] in str(caught.value)


async def test_what_a_client_asks_for_is_cleaned_in_the_answer(house: House) -> None:
    with pytest.raises(MCPError) as caught:
        await house.client.read_resource("song://clips/a%E2%80%AE%1B%5B31mb")
    assert 'There is no clip "ab" in the journal' in str(caught.value)
