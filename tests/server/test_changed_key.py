"""A new key or another spelling of the base URL: an equal request joins what is not settled."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import House, open_house, text
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("money is behind the protocol")

NEVER_DONE = "slow waltz [[slow:100000]]"
LOST = "slow waltz [[html-502:accepted]]"
NEW_KEY = "another-key-of-the-same-account"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def test_a_request_under_a_new_key_joins_the_open_task_and_is_told_so(house: House) -> None:
    first = await house.ok("generate_song", description=NEVER_DONE, wait_seconds=0)
    async with house.another_client(PIAPI_API_KEY=NEW_KEY) as changed:
        again = await changed.ok("generate_song", description=NEVER_DONE, wait_seconds=0)
        assert again["task_id"] == first["task_id"]
        told = f"{first['task_id']} was paid with another PIAPI_API_KEY or PIAPI_BASE_URL"
        assert told in again["note"]
        assert len(house.posts()) == 1
        wish = {"description": NEVER_DONE, "another_take": True, "wait_seconds": 0}
        assert (await changed.ok("generate_song", **wish))["task_id"] != first["task_id"]
    assert len(house.posts()) == 2


async def test_a_request_under_a_new_key_joins_the_task_in_doubt(house: House) -> None:
    first = await house.call("generate_song", description=LOST)
    async with house.another_client(PIAPI_API_KEY=NEW_KEY) as changed:
        again = await changed.call("generate_song", description=LOST)
    assert again.structured_content is not None
    assert first.structured_content is not None
    assert again.structured_content["task_id"] == first.structured_content["task_id"]
    assert "was paid with another PIAPI_API_KEY" in text(again)
    assert len(house.posts()) == 1


async def test_another_spelling_of_the_base_url_is_the_same_account(house: House) -> None:
    first = await house.ok("generate_song", description=NEVER_DONE, wait_seconds=0)
    address = house.base_url.replace("http://127.0.0.1", "HTTP://LocalHost") + "/"
    async with house.another_client(PIAPI_BASE_URL=address) as spelled:
        again = await spelled.ok("generate_song", description=NEVER_DONE, wait_seconds=0)
    assert again["task_id"] == first["task_id"]
    assert "another PIAPI_API_KEY" not in again["note"]
    assert len(house.posts()) == 1


async def test_a_song_of_the_key_before_is_saved_by_the_server_with_the_new_one(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, song_seconds=60.0) as house:
        before = house.another_client(PIAPI_API_KEY=NEW_KEY)
        async with before as old:
            made = await old.ok("generate_song", description="slow waltz", wait_seconds=0)
        song = made
        while song["status"] != "completed" or not all(clip.get("file") for clip in song["clips"]):
            await a_moment()
            (song,) = (await house.ok("list_songs"))["tasks"]
    assert song["task_id"] == made["task_id"]
    assert len(house.posts()) == 1
