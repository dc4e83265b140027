"""Timed lyrics as a client meets them: a file, a resource, and what the player gets."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import TextResourceContents

from tests.house import House, open_house, text
from tests.models import with_timed_lyrics

pytestmark = pytest.mark.one_era("what a resource tells is found behind the protocol")

TIMED = "[00:01.00]Trams at noon\n[00:01.50] Ring, ring"
LINES = "[00:01.00]Trams at noon\n[00:01.50]Ring, ring\n"
ASKED = {"lyrics": TIMED, "description": "folk", "title": "Trams"}


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    with_timed_lyrics(monkeypatch)
    async with open_house(tmp_path) as opened:
        yield opened


async def read(house: House, uri: str) -> tuple[str, str | None]:
    (content,) = (await house.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text, content.mime_type


@pytest.mark.both_eras
async def test_timed_lyrics_are_a_resource_and_the_same_file_beside_the_song(house: House) -> None:
    song = await house.song(**ASKED)
    clip = song["clips"][0]
    words, mime_type = await read(house, f"{clip['resource_uri']}/lyrics.lrc")
    assert mime_type == "text/plain"
    assert words.startswith("[ti:Trams]\n[length:00:01]\n")
    assert words.endswith(LINES)
    file = Path(clip["lyrics_file"])
    assert file == Path(clip["file"]).with_suffix(".lrc")
    assert file.read_text(encoding="utf-8") == words


async def test_timed_lyrics_are_found_by_whatever_the_clip_is_called(house: House) -> None:
    song = await house.song(**ASKED)
    for name in ("last", Path(song["clips"][0]["file"]).stem, Path(song["clips"][0]["file"]).name):
        words, _ = await read(house, f"song://clips/{quote(name, safe='')}/lyrics.lrc")
        assert words.endswith(LINES)


async def test_people_and_models_read_the_words_without_times(house: House) -> None:
    song = await house.song(**ASKED)
    told = await house.call("get_task", task_id=song["task_id"], include_lyrics=True)
    assert told.structured_content is not None
    assert told.structured_content["clips"][0]["lyrics"] == "Trams at noon\nRing, ring"
    assert "[00:" not in text(told)
    clip, _ = await read(house, song["clips"][0]["resource_uri"])
    assert '"lyrics": "Trams at noon\\nRing, ring"' in clip


async def test_the_player_gets_the_time_of_each_line(house: House) -> None:
    song = await house.song(**ASKED)
    told = await house.call("play_song")
    assert told.meta is not None
    extra = told.meta["song-mcp/player"]
    name = song["clips"][0]["clip_id"]
    assert [list(line) for line in extra["timed_lyrics"][name]] == [
        [1.0, "Trams at noon"],
        [1.5, "Ring, ring"],
    ]
    assert extra["lyrics"][name] == "Trams at noon\nRing, ring"


async def test_a_list_of_songs_leaves_the_file_out_to_stay_short(house: House) -> None:
    await house.song(**ASKED)
    listed = await house.ok("list_songs")
    assert not any("lyrics_file" in clip for clip in listed["tasks"][0]["clips"])


async def test_a_clip_without_timed_lyrics_says_where_its_words_are(house: House) -> None:
    song = await house.song(lyrics="Trams at noon", title="Plain")
    clip = song["clips"][0]
    assert "lyrics_file" not in clip
    with pytest.raises(MCPError, match=f"has no timed lyrics.*{clip['resource_uri']}") as caught:
        await house.client.read_resource(f"{clip['resource_uri']}/lyrics.lrc")
    assert caught.value.error.code == -32602
    told = await house.call("play_song")
    assert told.meta is not None
    assert "timed_lyrics" not in told.meta["song-mcp/player"]
