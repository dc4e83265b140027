"""What a repeated, doubtful or too frequent paid call does, through the tools."""

import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from filelock import FileLock

from song_mcp.sandbox.state import Rules
from tests.house import House, open_house, text
from tests.limits import HANGS_S
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("money and doubts are behind the protocol")

LOST = "slow waltz [[html-502:accepted]]"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def column(house: House, name: str) -> list[Any]:
    """A column of the journal's tasks, oldest first, read without the server."""
    with sqlite3.connect(house.folder / "home" / "journal.sqlite3") as db:
        rows = db.execute("SELECT * FROM tasks ORDER BY created_at, rowid")
        place = [item[0] for item in rows.description].index(name)
        found = [row[place] for row in rows]
    db.close()
    return found


async def in_doubt(house: House, description: str = LOST) -> dict[str, Any]:
    result = await house.call("generate_song", description=description)
    assert result.structured_content is not None
    assert result.structured_content["status"] == "in_doubt", text(result)
    return dict(result.structured_content)


# Repeated calls -----------------------------------------------------------------------------


@pytest.mark.both_eras
async def test_an_end_that_no_client_has_is_joined_and_then_delivered(house: House) -> None:
    await house.give_up("generate_song", description="x", wait_seconds=55)
    while column(house, "status") != ["completed"]:
        await a_moment()
    assert column(house, "delivered_at") == [None]
    again = await house.ok("generate_song", description="x")
    assert again["status"] == "completed"
    assert "cost nothing" in again["note"]
    with anyio.fail_after(HANGS_S):
        while column(house, "delivered_at") == [None]:
            await a_moment()
    assert len(house.posts()) == 1


@pytest.mark.both_eras
async def test_an_end_that_was_delivered_is_not_joined(house: House) -> None:
    first = await house.ok("generate_song", description="x")
    second = await house.ok("generate_song", description="x", wait_seconds=0)
    assert second["task_id"] != first["task_id"]
    assert len(house.posts()) == 2


async def test_waiting_differently_is_the_same_request(house: House) -> None:
    first = await house.ok("generate_song", description="x", wait_seconds=0)
    again = await house.ok("generate_song", description=" x", wait_seconds=0.5, seed=-1)
    assert again["task_id"] == first["task_id"]


@pytest.mark.both_eras
async def test_a_journal_that_fails_after_the_payment_is_not_told_as_nothing_paid(
    house: House,
) -> None:
    path = house.folder / "home" / "journal.sqlite3"
    aside = path.with_name("aside")
    answers: list[dict[str, Any]] = []

    async def ask() -> None:
        answers.append(
            await house.ok("generate_song", description="x [[timeout:2]]", wait_seconds=0)
        )

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        with anyio.fail_after(HANGS_S):
            while not any(item.method == "POST" for item in list(house.sandbox.requests)):
                await anyio.lowlevel.checkpoint()
            with FileLock(path.with_name(f"{path.name}.lock")):
                path.rename(aside)
                path.mkdir()
    assert answers[0]["status"] == "submitting"
    path.rmdir()
    aside.rename(path)
    with anyio.fail_after(HANGS_S):
        song = await house.ok("get_task", task_id=answers[0]["task_id"])
        while song["status"] != "completed":
            await a_moment()
            song = await house.ok("get_task", task_id=song["task_id"])
    assert len(house.posts()) == 1


async def test_what_reaches_the_wire_tells_requests_apart(house: House) -> None:
    for arguments in ({}, {"seed": 3}, {"negative_tags": "drums"}, {"instrumental": True}):
        await house.ok("generate_song", description="x", wait_seconds=0, **arguments)
    assert len(house.posts()) == 4


# The daily limit ----------------------------------------------------------------------------


async def test_the_limit_is_told_with_what_was_used_and_how_to_raise_it(tmp_path: Path) -> None:
    limit = {"SONG_MCP_DAILY_LIMIT": "2"}
    async with open_house(tmp_path, settings=limit) as house:
        for name in ("a", "b"):
            await house.ok("generate_song", description=name, wait_seconds=0)
        error = await house.error("generate_song", description="c", wait_seconds=0)
        assert "2 paid submissions" in error
        assert "limit of 2" in error
        assert "SONG_MCP_DAILY_LIMIT" in error
        assert len(house.posts()) == 2
        joined = await house.ok("generate_song", description="a", wait_seconds=0)
        assert "cost nothing" in joined["note"]


async def test_refused_submissions_do_not_count(tmp_path: Path) -> None:
    async with open_house(tmp_path, settings={"SONG_MCP_DAILY_LIMIT": "1"}) as house:
        await house.error("generate_song", description="x [[insufficient-credits]]")
        await house.ok("generate_song", description="x", wait_seconds=0)


# Settling a doubt ---------------------------------------------------------------------------


async def test_a_doubt_says_when_it_was_sent_and_is_listed(house: House) -> None:
    task = await in_doubt(house)
    assert re.match(r"Sent at \d\d:\d\d UTC\. .*Call resolve_task with check", task["error"])
    assert "resolve_task" in task["next_step"]
    (listed,) = (await house.ok("list_songs"))["tasks"]
    assert listed["status"] == "in_doubt"
    assert (await house.ok("check_account"))["in_doubt"][0]["task_id"] == task["task_id"]


async def test_checking_compares_the_balance_and_says_how_sure_that_is(house: House) -> None:
    task = await in_doubt(house)
    checked = await house.ok("resolve_task", task_id=task["task_id"], action="check")
    assert checked["status"] == "in_doubt"
    assert "very probably charged" in checked["note"]
    assert "$10.00" in checked["note"]
    assert "$9.95" in checked["note"]


async def test_checking_tells_a_submission_that_was_not_charged(house: House) -> None:
    task = await in_doubt(house, "slow waltz [[html-502]]")
    await house.ok("generate_song", description="another", wait_seconds=0)
    checked = await house.ok("resolve_task", task_id=task["task_id"], action="check")
    assert "very probably not charged" in checked["note"]


async def test_at_gptge_checking_says_where_to_look(house: House) -> None:
    result = await house.call("generate_song", description=LOST, model="suno-v5")
    assert result.structured_content is not None
    task_id = result.structured_content["task_id"]
    checked = await house.ok("resolve_task", task_id=task_id, action="check")
    assert "own pages" in checked["note"]


async def test_a_task_fetched_by_its_id_that_matches_settles_the_doubt(house: House) -> None:
    task = await in_doubt(house)
    real_id = house.sandbox.accepted[0].task_id
    await house.ok("get_task", task_id=real_id)
    settled = await house.ok("resolve_task", task_id=task["task_id"], action="check")
    assert (settled["task_id"], settled["charged"]) == (real_id, "yes")
    assert "very probably this one" in settled["note"]
    assert settled["status"] == "completed"
    assert len(settled["clips"]) == 2
    assert column(house, "task_id") == [real_id]
    assert len(house.posts()) == 1


async def test_abandoning_closes_the_doubt_and_pays_nothing(house: House) -> None:
    task = await in_doubt(house)
    closed = await house.ok("resolve_task", task_id=task["task_id"], action="abandon")
    assert (closed["status"], closed["charged"]) == ("abandoned", "unknown")
    assert closed["error"].count("Closed by the user, which paid nothing") == 1
    assert "note" not in closed
    assert len(house.posts()) == 1
    assert (await house.ok("check_account"))["in_doubt"] == []


async def test_submitting_again_makes_a_new_linked_task_and_says_so(house: House) -> None:
    task = await in_doubt(house)
    result = await house.call("resolve_task", task_id=task["task_id"], action="submit_again")
    assert result.structured_content is not None
    again = result.structured_content
    assert again["task_id"] != task["task_id"]
    assert "new payment" in again["note"]
    assert task["task_id"] in again["note"]
    assert house.posts()[0] == house.posts()[1]
    assert column(house, "linked_to") == ["", task["task_id"]]
    assert column(house, "status")[0] == "abandoned"


async def test_submitting_again_is_an_error_if_the_new_task_ends_in_doubt(house: House) -> None:
    task = await in_doubt(house)
    result = await house.call("resolve_task", task_id=task["task_id"], action="submit_again")
    assert result.structured_content is not None
    again = result.structured_content
    assert (again["task_id"] != task["task_id"], again["status"]) == (True, "in_doubt")
    assert result.is_error
    for action in ("check", "abandon"):
        await house.ok("resolve_task", task_id=again["task_id"], action=action)


async def test_submitting_the_last_one_again_names_it_so_that_a_repeated_call_pays_nothing(
    house: House,
) -> None:
    await in_doubt(house)
    for _ in range(2):
        error = await house.error("resolve_task", task_id="Last", action="submit_again")
        assert "Nothing was sent or paid." in error
    assert len(house.posts()) == 1
    checked = await house.ok("resolve_task", task_id="last", action="check")
    assert checked["status"] == "in_doubt"


async def test_only_a_doubt_is_settled(house: House) -> None:
    song = await house.ok("generate_song", description="x", wait_seconds=0)
    for action in ("check", "abandon", "submit_again"):
        error = await house.error("resolve_task", task_id=song["task_id"], action=action)
        assert "not in doubt" in error
    assert "action must be" in await house.error("resolve_task", task_id="t", action="refund")
    assert "no task" in await house.error("resolve_task", task_id="t", action="check")
    assert len(house.posts()) == 1


# The account --------------------------------------------------------------------------------


async def test_the_account_shows_money_keys_and_folders(tmp_path: Path) -> None:
    async with open_house(tmp_path, rules=Rules(clip_seconds=1.0, balance_usd=3.0)) as house:
        await house.ok("generate_song", description="x")
        state = await house.ok("check_account")
        piapi, gptge = state["accounts"][:2]
        assert (piapi["service"], piapi["has_key"], piapi["balance_usd"]) == ("piapi", True, 2.95)
        assert (gptge["service"], gptge["has_key"]) == ("gptge", True)
        assert (state["submissions_24h"], state["daily_limit"]) == (1, 50)
        assert state["cost_usd_24h"] == 0.05
        assert state["default_model"] == "udio"
        assert state["journal"] == str(tmp_path / "home" / "journal.sqlite3")
        assert state["library"] == str(tmp_path / "library")


async def test_an_account_that_cannot_be_read_is_told_and_costs_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path, settings={"PIAPI_API_KEY": "bad-key"}) as house:
        state = await house.ok("check_account")
        assert "PIAPI_API_KEY" in state["accounts"][0]["error"]
        assert "bad-key" not in str(state)


async def test_without_keys_the_account_says_so(tmp_path: Path) -> None:
    async with open_house(tmp_path, keys=False) as house:
        state = await house.ok("check_account")
        assert not any(account["has_key"] for account in state["accounts"])
