"""A conversation that reads nothing but the text of results, as in most clients.

Also where pages are declared: some that declare them run in a terminal and show none.
"""

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mcp.client.extension import ClientExtension

from tests.eras import APPS
from tests.house import House, open_house, text
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("what a text says is the same in both")

TASK = re.compile(r"^(?:song|extension|lyrics) (?:\"[^\"]*\" )?([\w-]+): (\w+)", re.MULTILINE)
CLIP = re.compile(r"^- clip ([\w-]+)[^\n]*\n  (/\S.*\.mp3)$", re.MULTILINE)
FILE = re.compile(r"/\S.*\.mp3$", re.MULTILINE)


class Reader:
    """Calls tools and sees their texts alone."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.said = ""

    async def call(self, tool: str, **arguments: Any) -> str:  # noqa: ANN401 - JSON
        result = await self._house.call(tool, **arguments)
        self.said = text(result)
        return self.said

    def task(self) -> tuple[str, str]:
        """The id and the status of the task that was told."""
        found = TASK.search(self.said)
        assert found, self.said
        return found[1], found[2]

    async def to_the_end(self) -> list[tuple[str, str]]:
        """Follow the next steps until the task has ended and is saved; returns clips with files."""
        while self.task()[1] != "completed" or "being saved" in self.said:
            assert "get_task" in self.said
            await a_moment()
            await self.call("get_task", task_id=self.task()[0])
        return CLIP.findall(self.said)


@pytest.fixture(params=[[APPS], []], ids=["pages declared", "no pages"])
async def reader(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reader]:
    extensions: Sequence[ClientExtension] = request.param
    async with open_house(tmp_path, extensions=extensions) as house:
        yield Reader(house)


async def test_the_text_alone_leads_from_a_wish_to_an_extended_song_in_one_file(
    reader: Reader,
) -> None:
    await reader.call("generate_song", description="waltz", model="suno-v6", wait_seconds=0)
    clips = await reader.to_the_end()
    assert len(clips) == 2
    assert all(Path(file).is_file() for _, file in clips)
    assert "extend_song" in reader.said
    wish = {"clip_id": clips[1][0], "description": "strings", "continue_at_seconds": 0.5}
    await reader.call("extend_song", **wish)
    parts = await reader.to_the_end()
    assert f"continues clip {clips[1][0]} from 0.5 s on" in reader.said
    assert "join_song" in reader.said
    whole = FILE.search(await reader.call("join_song", clip_id=parts[0][0]))
    assert whole
    assert Path(whole[0]).is_file()


async def test_the_text_alone_finds_plays_and_writes(reader: Reader) -> None:
    await reader.call("generate_song", description="slow waltz", title="Quay", wait_seconds=0)
    clips, (task_id, _) = await reader.to_the_end(), reader.task()
    listed = await reader.call("list_songs", query="Quay")
    assert 'song "Quay"' in listed
    assert reader.task() == (task_id, "completed")
    assert CLIP.findall(listed) == clips
    await reader.call("play_song", clip_id="last")
    assert CLIP.findall(reader.said) == clips
    assert any(f'last is "Quay", clip {clip};' in reader.said for clip, _ in clips)
    await reader.call("generate_lyrics", topic="a quay", model="suno-v5")
    assert "> " in reader.said
    assert "generate_song" in reader.said


async def test_the_text_alone_says_what_to_do_in_doubt(reader: Reader) -> None:
    told = await reader.call("generate_song", description="x [[html-502:accepted]]")
    task_id, status = reader.task()
    assert status == "in_doubt"
    assert "resolve_task" in told
    await reader.call("resolve_task", task_id=task_id, action="abandon")
    assert reader.task() == (task_id, "abandoned")
