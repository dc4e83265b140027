"""Covers: an own clip in another style, by a model that can, and never paid for by mistake."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests import solo
from tests.house import House, open_house
from tests.limits import HANGS_S
from tests.solo import Shop
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("what a tool does is behind the protocol")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    return solo.rows(monkeypatch)


@pytest.fixture
async def house(tmp_path: Path, shop: Shop) -> AsyncIterator[House]:
    assert shop.posts == []
    async with open_house(tmp_path) as opened:
        yield opened


async def test_a_clip_of_one_service_is_covered_by_another_which_gets_its_file(
    house: House, shop: Shop
) -> None:
    song = await house.song(description="waltz")
    clip = song["clips"][0]
    cover = await house.ok(
        "cover_song", clip_id=clip["clip_id"], description="ska", model="solo", wait_seconds=0
    )
    assert (cover["kind"], cover["service"], cover["model"]) == ("cover", "gptge", "solo")
    (post,) = shop.posts
    assert post.body == {"about": "ska", "seconds": None, "takes": 1, "part": None}
    assert post.audio is not None
    assert post.audio.clip_id == clip["clip_id"]
    assert shop.attached == [clip["file"]]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"from_seconds": 0.2, "to_seconds": 0.5}, (0.2, 0.5)),
        ({"to_seconds": 0.5}, (0.0, 0.5)),
        ({"from_seconds": 0}, (0.0, pytest.approx(1.0, abs=0.1))),
    ],
)
async def test_a_part_is_made_anew_from_and_to_what_is_said(
    house: House, shop: Shop, arguments: dict[str, float], part: tuple[float, float]
) -> None:
    await house.song(description="waltz")
    await house.ok("cover_song", clip_id="last", description="x", wait_seconds=0, **arguments)
    assert shop.posts[0].body["part"] == part


async def test_a_model_that_makes_no_covers_is_refused_and_those_that_can_are_named(
    house: House, shop: Shop
) -> None:
    await house.song(description="waltz")
    for arguments, said in (
        ({"model": "udio"}, "udio makes no covers, or use the model "),
        ({"model": "udio", "to_seconds": 0.5}, "udio makes no part of a clip anew, or use the "),
        ({"from_seconds": 99}, "There is no part from 99 s to"),
        ({"lyrics": "la", "instrumental": True}, "exclude each other"),
    ):
        error = await house.error("cover_song", clip_id="last", description="x", **arguments)
        assert said in error
        assert "solo" in error or "model" not in arguments
        assert error.endswith("Nothing was sent or paid.")
    assert (shop.posts, len(house.posts())) == ([], 1)


async def test_a_clip_that_is_not_finished_or_not_known_is_not_covered(
    house: House, shop: Shop
) -> None:
    house.hold()
    song = await house.ok("generate_song", description="x", wait_seconds=0)
    for name in ("last", "5b1f0c52-0000-4000-8000-0000000000a1", song["task_id"]):
        error = await house.error("cover_song", clip_id=name, description="x")
        assert "Nothing was sent or paid" in error
    assert shop.posts == []


async def test_a_repeated_cover_joins_the_first_and_the_last_song_is_not_guessed(
    house: House, shop: Shop
) -> None:
    song = await house.song(description="waltz")
    clip = song["clips"][0]["clip_id"]
    first = await house.ok(
        "cover_song", clip_id=clip, description="ska", model="solo", wait_seconds=0
    )
    again = await house.ok(
        "cover_song", clip_id=clip, description="ska", model="solo", wait_seconds=0
    )
    assert again["task_id"] == first["task_id"]
    shop.is_done = True
    with anyio.fail_after(HANGS_S):
        while await is_open(house, first["task_id"]):
            await a_moment()
    error = await house.error("cover_song", clip_id="last", description="ska")
    assert f"The end of the cover {first['task_id']} was never shown" in error
    assert len(shop.posts) == 1


async def is_open(house: House, task_id: str) -> bool:
    """Whether a task goes on, as the journal has it: no client is told."""
    async with house.journal() as journal:
        task = await journal.find(task_id)
    return task is None or task.is_open


async def test_a_duration_is_told_to_the_models_that_take_one(house: House, shop: Shop) -> None:
    await house.ok(
        "generate_song", description="x", model="solo", duration_seconds=60, wait_seconds=0
    )
    assert shop.posts[0].body["seconds"] == 60
    error = await house.error("generate_song", description="x", duration_seconds=60)
    assert "udio takes no duration_seconds: leave it out, or use the model" in error
    assert "solo" in error
