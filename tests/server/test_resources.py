"""Clips and tasks as resources, in both protocol eras."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import BlobResourceContents, TextResourceContents

from tests.house import House, open_house


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
    song = await house.ok("generate_song", lyrics="[Verse]\nLamps", title="Quay")
    clip = song["clips"][0]
    found = await read_json(house, clip["resource_uri"])
    assert {key: found[key] for key in clip} == clip
    assert found["service_title"] != "Quay"
    assert "Lamps" in found["lyrics"]
    assert found["request"] == {"model": "udio", "lyrics": "[Verse]\nLamps", "title": "Quay"}
    assert found["task"]["task_id"] == song["task_id"]
    assert Path(found["cover"]).is_file()


async def test_the_audio_is_the_file_with_its_own_type(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    clip = song["clips"][0]
    (content,) = (await house.client.read_resource(f"{clip['resource_uri']}/audio")).contents
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == "audio/mpeg"
    assert base64.b64decode(content.blob) == Path(clip["file"]).read_bytes()


async def test_a_clip_still_being_saved_is_waited_for(house: House) -> None:
    song = await house.ok("generate_song", description="x", wait_seconds=3)
    while song["status"] != "completed":
        song = await house.ok("get_task", task_id=song["task_id"], wait_seconds=1)
    uri = f"{song['clips'][1]['resource_uri']}/audio"
    (content,) = (await house.client.read_resource(uri)).contents
    assert isinstance(content, BlobResourceContents)
    assert base64.b64decode(content.blob)[:3] == b"ID3"


async def test_a_task_is_there_with_its_clips_also_while_it_runs(tmp_path: Path) -> None:
    async with open_house(tmp_path, song_seconds=60) as house:
        song = await house.ok("generate_song", description="x", wait_seconds=0)
        found = await read_json(house, f"song://tasks/{song['task_id']}")
        assert found["status"] in {"pending", "processing"}
        assert found["request"]["description"] == "x"
        assert found["clips"] == []


async def test_finished_clips_are_listed_newest_first_in_a_stable_order(house: House) -> None:
    first = await house.ok("generate_song", description="x", title="First")
    second = await house.ok("generate_song", description="y", model="suno-v5", title="Second")
    listed = (await house.client.list_resources()).resources
    uris = [clip["resource_uri"] for song in (second, first) for clip in song["clips"]]
    assert [resource.uri for resource in listed] == uris
    assert listed[0].title == "Second"
    assert listed[0].description is not None
    assert "gpt.ge" in listed[0].description
    assert "PiAPI" in (listed[-1].description or "")
    assert (await house.client.list_resources()).resources == listed


async def test_templates_are_listed(house: House) -> None:
    templates = (await house.client.list_resource_templates()).resource_templates
    assert {template.uri_template for template in templates} == {
        "song://clips/{clip_id}",
        "song://clips/{clip_id}/audio",
        "song://tasks/{task_id}",
    }
    assert all(template.description and template.title for template in templates)


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


async def test_audio_that_is_gone_says_so(house: House) -> None:
    song = await house.ok("generate_song", description="x")
    clip = song["clips"][0]
    Path(clip["file"]).unlink()
    with pytest.raises(MCPError, match=r"gone|not there|no longer"):
        await house.client.read_resource(f"{clip['resource_uri']}/audio")


async def test_audio_over_the_cap_names_its_file(tmp_path: Path) -> None:
    settings = {"SONG_MCP_BLOB_BYTES": str(2**20)}
    async with open_house(tmp_path, settings=settings) as house:
        clip = (await house.ok("generate_song", description="x"))["clips"][0]
        Path(clip["file"]).write_bytes(Path(clip["file"]).read_bytes() + bytes(2**20))
        size = Path(clip["file"]).stat().st_size
        with pytest.raises(MCPError) as caught:
            await house.client.read_resource(f"{clip['resource_uri']}/audio")
    assert f"has {size} bytes, too many for a resource" in str(caught.value)
    assert clip["file"] in str(caught.value)


async def test_what_a_client_asks_for_is_cleaned_in_the_answer(house: House) -> None:
    with pytest.raises(MCPError) as caught:
        await house.client.read_resource("song://clips/a%E2%80%AE%1B%5B31mb")
    assert 'There is no clip "ab" in the journal' in str(caught.value)
