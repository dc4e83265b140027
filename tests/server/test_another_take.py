"""Another take: each wish is paid for once, though calls are cut off and repeated."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.house import House, open_house, text
from tests.limits import HANGS_S
from tests.waiting import a_moment

pytestmark = pytest.mark.both_eras

NEVER_DONE = "slow waltz [[slow:100000]]"
LOST = "slow waltz [[html-502:accepted]]"
ANOTHER: dict[str, Any] = {"description": NEVER_DONE, "another_take": True}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def take(house: House, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return await house.ok("generate_song", **{**ANOTHER, "wait_seconds": 0, **arguments})


async def test_three_wishes_of_which_two_were_cut_off_and_repeated_are_paid_three_times(
    house: House,
) -> None:
    ids = [(await take(house))["task_id"]]
    for _ in range(2):
        await house.give_up("generate_song", **ANOTHER, wait_seconds=55)
        again = await take(house)
        assert "cost nothing" in again["note"]
        assert "another_take=true" in again["note"]
        ids.append(again["task_id"])
    assert len(set(ids)) == len(house.posts()) == 3


async def test_calls_at_the_same_time_are_as_many_wishes(house: House) -> None:
    ids: list[str] = []

    async def want() -> None:
        ids.append((await take(house))["task_id"])

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(want)
    assert len(set(ids)) == len(house.posts()) == 8


async def test_a_wish_at_the_time_of_an_unanswered_one_is_another(house: House) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(partial(house.call, "generate_song", **ANOTHER, wait_seconds=55))
        while not house.posts():
            await anyio.lowlevel.checkpoint()
        await take(house)
        assert len(house.posts()) == 2
        group.cancel_scope.cancel()


async def test_two_wishes_cut_off_together_are_each_joined_by_one_repetition(house: House) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(partial(house.call, "generate_song", **ANOTHER, wait_seconds=55))
        while len(house.posts()) < 2:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    ids = {(await take(house))["task_id"] for _ in range(2)}
    assert len(ids) == len(house.posts()) == 2
    await take(house)
    assert len(house.posts()) == 3


async def test_a_take_that_a_look_showed_meanwhile_is_not_joined(house: House) -> None:
    await house.give_up("generate_song", **ANOTHER, wait_seconds=55)
    found = await house.ok("get_task", task_id="last", wait_seconds=0)
    again = await take(house)
    assert again["task_id"] != found["task_id"]
    assert len(house.posts()) == 2


async def test_a_take_that_only_a_list_showed_meanwhile_is_joined(house: House) -> None:
    """A list is shown to whoever asks; it is no answer to this wish."""
    await house.give_up("generate_song", **ANOTHER, wait_seconds=55)
    await house.ok("list_songs")
    assert "cost nothing" in (await take(house))["note"]
    assert len(house.posts()) == 1


async def test_a_plain_call_that_was_cut_off_is_no_other_take(house: House) -> None:
    await house.give_up("generate_song", description=NEVER_DONE, wait_seconds=55)
    await take(house)
    assert len(house.posts()) == 2


async def test_a_second_server_joins_what_the_first_never_answered(house: House) -> None:
    await house.give_up("generate_song", **ANOTHER, wait_seconds=55)
    async with house.another_client() as other:
        assert "cost nothing" in (await take(other))["note"]
        assert len(house.posts()) == 1
        with anyio.fail_after(HANGS_S):
            while told_at(house) is None:
                await a_moment()
        await take(house)
    assert len(house.posts()) == 2


def told_at(house: House) -> float | None:
    """When a client was told of the one task, as the journal has it."""
    with closing(sqlite3.connect(house.folder / "home" / "journal.sqlite3")) as db:
        (found,) = db.execute("SELECT told_at FROM tasks").fetchone()
    return None if found is None else float(found)


async def test_while_an_equal_task_is_in_doubt_no_other_take_is_paid(house: House) -> None:
    doubtful = await house.call("generate_song", description=LOST)
    assert doubtful.structured_content is not None
    local_id = doubtful.structured_content["task_id"]
    for _ in range(2):
        said = await house.error("generate_song", description=LOST, another_take=True)
        assert f"{local_id}, is in doubt" in said
        assert "Nothing was sent or paid" in said
        assert "resolve_task" in said
    assert len(house.posts()) == 1
    await house.ok("resolve_task", task_id=local_id, action="abandon")
    again = await house.call("generate_song", description=LOST, another_take=True)
    assert "is in doubt" not in text(again)
    assert len(house.posts()) == 2


async def test_a_take_in_doubt_whose_call_was_cut_off_is_told_before_all_else(
    house: House,
) -> None:
    await house.give_up("generate_song", description=LOST, another_take=True)
    again = await house.call("generate_song", description=LOST, another_take=True)
    assert again.structured_content is not None
    assert again.structured_content["status"] == "in_doubt"
    assert "Nothing was sent" in await house.error(
        "generate_song", description=LOST, another_take=True
    )
    assert len(house.posts()) == 1
