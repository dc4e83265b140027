"""Timed lyrics as a client meets them: a file, a resource, and what the player gets.

The stand-in's songs of DiffRhythm are as long as the real ones, so few are made here.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import TextResourceContents

from song_mcp import lrc
from tests.eras import APPS
from tests.house import House, open_house, text, uri_of

pytestmark = pytest.mark.one_era("what a resource tells is found behind the protocol")

TIMED = "[00:01.00]Trams at noon\n[00:01.50] Ring, ring"
LINES = "[00:01.00]Trams at noon\n[00:01.50]Ring, ring\n"
WORDS = "Trams at noon\nRing, ring"
ASKED = {"lyrics": TIMED, "description": "folk", "title": "Trams", "model": "diffrhythm"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, extensions=[APPS]) as opened:
        yield opened


async def read(house: House, uri: str) -> tuple[str, str | None]:
    (content,) = (await house.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text, content.mime_type


async def test_timed_lyrics_are_a_resource_and_the_same_file_beside_the_song(house: House) -> None:
    song = await house.song(**ASKED)
    clip = song["clips"][0]
    words, mime_type = await read(house, f"{uri_of(clip)}/lyrics.lrc")
    assert mime_type == "text/plain"
    assert words.startswith("[ti:Trams]\n[length:01:3")
    assert words.endswith(LINES)
    file = Path(clip["lyrics_file"])
    assert file == Path(clip["file"]).with_suffix(".lrc")
    assert file.read_text(encoding="utf-8") == words
    for name in ("last", file.stem, Path(clip["file"]).name, "Trams"):
        assert (await read(house, f"song://clips/{quote(name)}/lyrics.lrc"))[0] == words
    listed = await house.ok("list_songs")
    assert not any("lyrics_file" in each for each in listed["tasks"][0]["clips"])


async def test_people_and_models_read_words_alone_and_the_player_gets_the_times(
    house: House,
) -> None:
    """Of plain lyrics, the times are those that were sent."""
    song = await house.song(**ASKED | {"lyrics": f"[Verse]\n{WORDS}"})
    sent = lrc.lines(house.posts()[0]["input"]["lyrics"])
    found, _ = await read(house, f"song://tasks/{song['task_id']}")
    asked = json.loads(found)["request"]
    assert lrc.lines(asked["timed_lyrics"]) == sent
    told = await house.call("get_task", task_id=song["task_id"], include_lyrics=True)
    assert told.structured_content is not None
    (clip,) = told.structured_content["clips"]
    assert clip["lyrics"] == WORDS
    assert "[00:" not in text(told)
    assert told.meta is not None
    extra = told.meta["song-mcp/player"]
    assert extra["lyrics"] == {clip["clip_id"]: WORDS}
    assert [tuple(line) for line in extra["timed_lyrics"][clip["clip_id"]]] == list(sent)
    timed, _ = await read(house, f"{uri_of(clip)}/lyrics.lrc")
    assert lrc.lines(timed) == sent


async def test_a_clip_without_timed_lyrics_says_where_its_words_are(house: House) -> None:
    song = await house.song(lyrics=TIMED, title="Times mean nothing to Udio")
    clip = song["clips"][0]
    assert "lyrics_file" not in clip
    with pytest.raises(MCPError, match=f"has no timed lyrics.*{uri_of(clip)}") as caught:
        await house.client.read_resource(f"{uri_of(clip)}/lyrics.lrc")
    assert caught.value.error.code == -32602
    told = await house.call("play_song")
    assert told.meta is not None
    assert "timed_lyrics" not in told.meta["song-mcp/player"]
