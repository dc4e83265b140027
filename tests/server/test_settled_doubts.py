"""A lost answer is found in the service's history: paid once, delivered, and told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from song_mcp.clock import Clock
from tests.house import QUICK, House, open_house
from tests.limits import HANGS_S
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("the search is behind the protocol")

SONG_POINTS = 500_000
LISTED = "/api/open/tasks/histories"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, rules=replace(QUICK, has_history=True)) as opened:
        yield opened


@pytest.fixture
async def slow_house(tmp_path: Path) -> AsyncIterator[House]:
    """Open a house in which nothing is searched for by itself for the first 10 s."""
    rules = replace(QUICK, has_history=True)
    async with open_house(tmp_path, rules=rules, clock=Clock(), song_seconds=0.1) as opened:
        yield opened


def sent(house: House) -> int:
    """Count the submissions that arrived, accepted or not."""
    return sum(each.method == "POST" for each in house.sandbox.requests)


async def settled(house: House, task_id: str) -> dict[str, object]:
    with anyio.fail_after(HANGS_S):
        while (task := await house.ok("get_task", task_id=task_id))["status"] == "in_doubt":
            await a_moment()
    return task


@pytest.mark.parametrize("marker", ["reset", "half-json", "html-502:accepted", "truncated-json"])
async def test_a_lost_answer_is_paid_once_found_and_delivered(house: House, marker: str) -> None:
    lost = (await house.call("generate_song", description=f"waltz [[{marker}]]")).structured_content
    assert lost is not None
    assert lost["status"] == "in_doubt"
    assert "PiAPI's history about it after 10 s" in str(lost)
    task = await settled(house, str(lost["task_id"]))
    while not all(clip.get("file") for clip in task["clips"]):  # type: ignore[attr-defined]  # JSON
        await a_moment()
        task = await house.ok("get_task", task_id=task["task_id"])
    assert (task["status"], task["charged"], task["cost_usd"]) == ("completed", "yes", 0.05)
    assert "it was accepted once, and nothing was sent again" in str(task["note"])
    assert len(house.posts()) == 1
    assert house.sandbox.spent == SONG_POINTS
    assert (await house.ok("check_account"))["in_doubt"] == []


async def test_a_history_that_lags_and_fails_is_asked_again(house: House) -> None:
    words = "waltz [[reset]] [[history-lags]]"
    lost = (await house.call("generate_song", description=words)).structured_content
    assert lost is not None
    note = str((await house.ok("resolve_task", task_id=lost["task_id"], action="check"))["note"])
    assert "history tells nothing about it now" in note
    assert (await settled(house, str(lost["task_id"])))["charged"] == "yes"
    assert len(house.posts()) == 1


async def test_what_was_not_accepted_is_not_paid_by_the_search(house: House) -> None:
    await house.song(description="polka")
    lost = (await house.call("generate_song", description="waltz [[html-502]]")).structured_content
    assert lost is not None
    checked = await house.ok("resolve_task", task_id=lost["task_id"], action="check")
    assert checked["status"] == "in_doubt"
    assert "does not show it so far" in checked["note"]
    assert len(house.posts()) == 1
    listed = [each for each in house.sandbox.requests if each.path == LISTED]
    assert {each.method for each in listed} == {"GET"}
    assert house.sandbox.spent == SONG_POINTS


async def test_nothing_of_the_account_is_in_what_a_client_reads_or_the_journal_keeps(
    house: House,
) -> None:
    lost = (await house.call("generate_song", description="waltz [[reset]]")).structured_content
    assert lost is not None
    task = await settled(house, str(lost["task_id"]))
    journal = (house.folder / "home" / "journal.sqlite3").read_bytes()
    for private in ("4343", "api_key_id", "account_id"):
        assert private not in str(task)
        assert private.encode() not in journal


async def test_what_was_accepted_is_found_before_it_is_submitted_again(slow_house: House) -> None:
    house = slow_house
    lost = (await house.call("generate_song", description="waltz [[reset]]")).structured_content
    assert lost is not None
    song = await house.ok("resolve_task", task_id=lost["task_id"], action="submit_again")
    assert (song["status"], song["charged"]) == ("completed", "yes")
    assert "it was accepted once, and nothing was sent again" in song["note"]
    assert all(clip["file"] for clip in song["clips"])
    assert (sent(house), len(house.posts()), house.sandbox.spent) == (1, 1, SONG_POINTS)
    told = await house.error("resolve_task", task_id=lost["task_id"], action="submit_again")
    assert "not in doubt" in told
    assert sent(house) == 1


async def test_what_the_history_does_not_show_is_submitted_again(slow_house: House) -> None:
    house = slow_house
    await house.song(description="polka")
    lost = (await house.call("generate_song", description="waltz [[html-502]]")).structured_content
    assert lost is not None
    again = await house.call("resolve_task", task_id=lost["task_id"], action="submit_again")
    assert "this is a new payment" in str(again.structured_content)
    assert (sent(house), len(house.posts()), house.sandbox.spent) == (3, 1, SONG_POINTS)
    assert sum(each.path == LISTED for each in house.sandbox.requests) == 1


async def test_if_the_history_cannot_be_read_a_task_is_submitted_again(slow_house: House) -> None:
    house = slow_house
    words = "waltz [[reset]] [[history-fails]]"
    lost = (await house.call("generate_song", description=words)).structured_content
    assert lost is not None
    again = await house.call("resolve_task", task_id=lost["task_id"], action="submit_again")
    assert "this is a new payment" in str(again.structured_content)
    assert (sent(house), len(house.posts()), house.sandbox.spent) == (2, 2, 2 * SONG_POINTS)
