"""A journal restored from an older copy: what it does not know is looked for before it is paid."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.house import ENDLESS_S, QUICK, House, open_house

pytestmark = pytest.mark.one_era("what is paid is behind the protocol")

RULES = replace(QUICK, has_history=True)
SONG_POINTS = 500_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, rules=RULES) as opened:
        yield opened


def journal_of(house: House) -> Path:
    return house.folder / "home" / "journal.sqlite3"


def copied(house: House) -> Path:
    """Copy the journal as a backup does."""
    copy = house.folder / "yesterday.sqlite3"
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(journal_of(house))) as db, closing(sqlite3.connect(copy)) as other:
        db.backup(other)
    return copy


def restore(house: House, copy: Path) -> None:
    """Put the copy in the journal's place."""
    copy.replace(journal_of(house))


async def test_a_song_that_the_copy_does_not_know_is_found_and_not_paid_again(
    house: House,
) -> None:
    await house.song(description="polka")
    copy = copied(house)
    made = await house.song(description="waltz")
    restore(house, copy)
    again = await house.ok("generate_song", description="waltz")
    assert again["task_id"] == made["task_id"]
    assert (again["status"], again["charged"]) == ("completed", "yes")
    assert "older copy" in again["note"]
    assert "cost nothing" in again["note"]
    assert len(house.posts()) == 2
    twice = await house.ok("generate_song", description="waltz")
    assert twice["task_id"] == made["task_id"]
    assert len(house.posts()) == 2
    assert house.sandbox.spent == 2 * SONG_POINTS


async def test_a_copy_is_known_though_its_open_tasks_moved_before_anyone_asked(
    house: House,
) -> None:
    house.hold()
    known = [
        await house.ok("generate_song", description=each, wait_seconds=0)
        for each in ("polka", "rondo", "tango")
    ]
    copy = copied(house)
    made = await house.ok("generate_song", description="waltz", wait_seconds=0)
    restore(house, copy)
    house.end_all()
    for task in known:
        ended = await house.ok("get_task", task_id=task["task_id"], wait_seconds=50)
        assert ended["status"] == "completed"
    again = await house.ok("generate_song", description="waltz")
    assert again["task_id"] == made["task_id"]
    assert "older copy" in again["note"]
    assert len(house.posts()) == 4
    assert house.sandbox.spent == 4 * SONG_POINTS


async def test_what_the_history_does_not_show_is_paid_once(house: House) -> None:
    await house.song(description="polka")
    copy = copied(house)
    await house.song(description="waltz")
    restore(house, copy)
    new = await house.ok("generate_song", description="a third song")
    assert new["status"] in {"pending", "processing", "completed"}
    assert "older copy" in new["note"], "it is told in any case"
    assert len(house.posts()) == 3
    other = await house.ok("generate_song", description="waltz", another_take=True)
    assert other["charged"] == "yes"
    assert len(house.posts()) == 4, "who asks for another take gets it"


async def test_if_the_history_fails_nothing_is_paid_until_the_user_agrees(house: House) -> None:
    await house.song(description="polka")
    copy = copied(house)
    await house.song(description="waltz [[history-fails:2]]")
    restore(house, copy)
    told = await house.error("generate_song", description="a third song")
    assert "Nothing was sent or paid by this call" in told
    assert "older copy" in told
    name = told.rpartition("confirm_journal ")[2].rstrip(".")
    assert name.startswith("restored-")
    assert len(house.posts()) == 2
    assert name in str((await house.ok("check_account", confirm_journal="")) | {"name": name})
    await house.ok("check_account", confirm_journal=name)
    new = await house.ok("generate_song", description="a third song")
    assert "older copy" not in str(new.get("note"))
    assert len(house.posts()) == 3


async def test_a_service_without_a_history_is_not_paid_until_the_user_agrees(house: House) -> None:
    await house.song(description="polka", model="suno-v5")
    copy = copied(house)
    await house.song(description="waltz", model="suno-v5")
    restore(house, copy)
    told = await house.error("generate_song", description="waltz", model="suno-v5")
    assert "older copy" in told
    assert len(house.posts()) == 2
    await house.ok("check_account", confirm_journal=told.rpartition(" ")[2].rstrip("."))
    await house.ok("generate_song", description="waltz", model="suno-v5")
    assert len(house.posts()) == 3


async def test_a_task_that_the_copy_knows_is_joined_without_being_searched_for(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, rules=RULES, song_seconds=ENDLESS_S) as house:
        first = await house.ok("generate_song", description="waltz", wait_seconds=0)
        copy = copied(house)
        await house.ok("generate_song", description="polka", wait_seconds=0)
        restore(house, copy)
        joined = await house.ok("generate_song", description="waltz", wait_seconds=0)
        assert joined["task_id"] == first["task_id"]
        looks = [each.path for each in house.sandbox.requests if each.method == "GET"]
        before = looks.count(f"/api/v1/task/{first['task_id']}")
        await house.ok("generate_song", description="rondo", wait_seconds=0)
        looks = [each.path for each in house.sandbox.requests if each.method == "GET"]
        assert looks.count(f"/api/v1/task/{first['task_id']}") >= before
        assert len(house.posts()) == 3


async def test_a_doubt_in_an_older_copy_is_not_submitted_again_until_the_user_agrees(
    house: House,
) -> None:
    lost = await house.call("generate_song", description="waltz [[html-502]]", model="udio")
    assert lost.structured_content is not None
    task_id = lost.structured_content["task_id"]
    copy = copied(house)
    await house.song(description="polka")
    restore(house, copy)
    told = await house.error("resolve_task", task_id=task_id, action="submit_again")
    assert "older copy" in told
    assert len(house.posts()) == 1


async def test_a_journal_that_is_no_copy_is_never_taken_for_one(house: House) -> None:
    for description in ("polka", "waltz"):
        song = await house.song(description=description)
        assert "older copy" not in str(song)
    restore(house, copied(house))
    assert "older copy" not in str(await house.song(description="rondo"))
    journal_of(house).unlink()
    assert "older copy" not in str(await house.song(description="a new beginning"))
    (house.folder / "home" / "journal.sqlite3.mark").write_text("no number")
    assert "older copy" not in str(await house.song(description="on"))
    assert len(house.posts()) == 5
