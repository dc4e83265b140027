"""Where an extension begins, as assistants say it: a time of the clock, a unit, or its end."""

import re
from pathlib import Path
from typing import Any

import pytest
from mcp.types import TextContent

from tests.house import open_house

pytestmark = pytest.mark.one_era("what is sent is behind the protocol")


def position(body: dict[str, Any]) -> float:
    """The position in a submission, whichever service it is for."""
    sent = body.get("continue_at") or body.get("input", {}).get("continue_at")
    return float(sent or 0)


@pytest.mark.parametrize("model", ["udio", "suno-v6"])
@pytest.mark.parametrize("end", ["end", "The end", "end of the clip"])
async def test_the_end_of_a_clip_is_its_end_at_every_service(
    tmp_path: Path, model: str, end: str
) -> None:
    async with open_house(tmp_path) as house:
        song = await house.song(description="waltz", model=model)
        [clip, _] = song["clips"]
        extended = {"clip_id": clip["clip_id"], "description": "more", "wait_seconds": 0}
        await house.ok("extend_song", **extended, continue_at_seconds=end)
        [_, sent] = house.posts()
        assert clip["duration_seconds"] > 0
        assert position(sent) == pytest.approx(clip["duration_seconds"], abs=0.5)


@pytest.mark.parametrize("model", ["udio", "suno-v6", "ace-step"])
async def test_the_prompt_has_an_extension_begin_where_the_clip_ends(
    tmp_path: Path, model: str
) -> None:
    async with open_house(tmp_path) as house:
        song = await house.song(description="waltz", model=model)
        clip_id = song["clips"][0]["clip_id"]
        said = await house.client.get_prompt("extend_to_full_song", {"clip_id": clip_id})
        content = said.messages[0].content
        assert isinstance(content, TextContent)
        named = re.search(r"continue_at_seconds ([\d.]+) \(its end\)", content.text)
        assert named or "eave continue_at_seconds out" in content.text
        extended = {"clip_id": clip_id, "description": "more", "wait_seconds": 0}
        as_told = {"continue_at_seconds": float(named[1])} if named else {}
        await house.ok("extend_song", **extended, **as_told)
        await house.ok("extend_song", **extended, continue_at_seconds="end", another_take=True)
        [_, told, ended] = house.posts()
        assert position(told) == pytest.approx(position(ended), abs=0.001)


async def test_a_position_may_be_a_time_of_the_clock(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        song = await house.song(description="waltz", model="suno-v6")
        clip_id = song["clips"][0]["clip_id"]
        for said in ("0:00.5", "0.5 s", "500ms", "0,5 sec"):
            extended = {"clip_id": clip_id, "description": said, "wait_seconds": 0}
            await house.ok("extend_song", **extended, continue_at_seconds=said)
        assert [position(each) for each in house.posts()[1:]] == [0.5] * 4
