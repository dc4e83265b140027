"""Every song that the sandbox lets arrive late, or in an odd way, ends in the library.

All songs of a service are made at once, in one house: that costs a few seconds, and one by one each
would cost a second.
"""

from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.house import House, Json, open_house
from tests.limits import HANGS_S

BOTH = """
    media-403-first:2 media-404-first media-202-first media-503-first media-json-first
    media-empty-first media-reset-first media-expires media-gzip media-206 media-range-only
    media-browser-only media-redirect media-zeros media-crlf media-adts media-wav
    late-second-clip late-clips
"""
GPTGE = """
    withheld withheld-plain-entry streaming-in-success error-but-link words-but-complete never-ends
    no-batch no-batch-page no-batch-gate batch-missing batch-null shape-items shape-sunodata
    shape-camel shape-clips shape-clips-map shape-text shape-clip_id shape-twice new-api-2026
    extra-fields odd-shapes hex-id task_-prefix-id id-taskbatchid id-in-data id-on-top id-plain
    id-list id-text id-success-true id-code-1
"""
PIAPI = "output-text ids-at-the-end songs-early legacy-clips odd-shapes capital-status"
SOME = "media-empty-first media-reset-first media-expires"
SETTINGS = {"SONG_MCP_DAILY_LIMIT": "500"}


def saved(task: Json) -> list[Path]:
    return [Path(clip["file"]) for clip in task["clips"] if "file" in clip]


def as_told(missing: dict[str, Json]) -> str:
    """What was said of the songs that did not arrive, a line for each."""
    return "\n".join(f"{marker}: {task.get('note')}" for marker, task in missing.items())


async def arrive(house: House, model: str, marker: str, missing: dict[str, Json]) -> None:
    """Make a song and ask for it until both of its clips are saved; else it stays `missing`."""
    missing[marker] = {}
    wish = {"description": f"x [[{marker}]]", "model": model}
    task = missing[marker] = await house.ok("generate_song", **wish, wait_seconds=2)
    while len(saved(task)) < 2:
        task = missing[marker] = await house.ok("get_task", task_id=task["task_id"], wait_seconds=2)
    assert all([await anyio.Path(file).read_bytes() for file in saved(task)])
    del missing[marker]


@pytest.mark.parametrize(
    ("model", "markers"),
    [
        ("suno-v5", SOME),
        ("udio", SOME),
        pytest.param("suno-v5", BOTH + GPTGE, marks=pytest.mark.long, id="suno-v5-all"),
        pytest.param("udio", BOTH + PIAPI, marks=pytest.mark.long, id="udio-all"),
    ],
)
async def test_every_song_arrives_and_is_paid_once(
    tmp_path: Path, model: str, markers: str
) -> None:
    missing: dict[str, Json] = {}
    async with open_house(tmp_path, song_seconds=1.0, settings=SETTINGS) as house:
        with anyio.move_on_after(HANGS_S):
            async with anyio.create_task_group() as songs:
                for marker in markers.split():
                    songs.start_soon(partial(arrive, house, model, marker, missing))
        assert missing == {}, as_told(missing)
        assert len(house.posts()) == len(markers.split())
