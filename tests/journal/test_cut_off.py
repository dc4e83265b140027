"""A call in nearly the same words as one that was cut off: when it joins that one's task."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from song_mcp.errors import InvalidRequestError
from song_mcp.journal import Journal, NewTask
from song_mcp.journal.claims import CUT_OFF
from song_mcp.journal.schema import MIGRATIONS
from song_mcp.songs import ALIKE, Report, ServiceStatus, Task, likeness
from tests.manual_clock import ManualClock

NUMBERS = count()
TEN_MIN_S = 600.0
DAY_S = 24 * 3600.0
FIRST = NewTask(
    "piapi", "udio", "song", "first", "", "a happy pop song about dogs",
    {"description": "a happy pop song about dogs"},
    wire={"path": "/p", "body": {}, "deadline_s": 60.0}, account="ours", owner="me",
)  # fmt: skip
AGAIN = replace(
    FIRST, fingerprint="again", request={"description": "Happy pop about dogs!"}, owner="other"
)
OTHER = replace(
    FIRST,
    fingerprint="other",
    request={"description": "a happy pop song about cats"},
    owner="other",
)


def nobody(*_: str) -> bool:
    return False


async def begun(journal: Journal, new: NewTask = FIRST) -> str:
    return (await journal.prepare(new, join=False)).task.local_id


async def cut(journal: Journal, new: NewTask = FIRST) -> str:
    """Begin a task whose call loses its answer."""
    local_id = await begun(journal, new)
    await journal.cut_off([local_id])
    return local_id


async def joined(
    journal: Journal, new: NewTask = AGAIN, *, answered: Sequence[str] = (), ended: str = "nobody"
) -> Task | None:
    """The task that a request in new words joins, or None: its own is then closed at once."""
    new = replace(new, fingerprint=f"again {next(NUMBERS)}")
    found = await journal.prepare(
        new, join=True, answered=set(answered), is_over=lambda _, owner: owner == ended
    )
    if found.joined:
        assert found.is_near
        return found.task
    await journal.reject(found.task.local_id, new, "no")
    return None


async def is_joined(journal: Journal, new: NewTask = AGAIN, **others: Any) -> bool:  # noqa: ANN401
    return await joined(journal, new, **others) is not None


async def test_a_reworded_request_joins_the_task_of_a_call_that_was_cut_off(
    journal: Journal,
) -> None:
    local_id = await cut(journal)
    found = await journal.prepare(AGAIN, join=True)
    assert (found.task.local_id, found.joined, found.is_near) == (local_id, True, True)
    assert (found.is_of_another, found.lost) == (False, None)
    assert (await journal.search("", 9)).total == 1
    equal = await journal.prepare(FIRST, join=True)
    assert (equal.joined, equal.is_near) == (True, False), "an equal one joins as ever"


async def test_it_joins_no_call_that_is_still_being_answered(journal: Journal) -> None:
    await begun(journal)
    assert not await is_joined(journal)


async def test_it_joins_none_of_another_wish(journal: Journal) -> None:
    await cut(journal)
    assert not await is_joined(journal, OTHER)


async def test_words_that_are_alike_at_seven_tenths_are_near(journal: Journal) -> None:
    """Three words of the matter and one of style are the same, one of each is another."""
    first = {"description": "slow, harbour, lamp, ferry, jazz, night"}
    near = {"description": "slow, harbour, lamp, ferry, blues, rain"}
    assert likeness(first, near) == ALIKE
    await cut(journal, replace(FIRST, request=first))
    assert await is_joined(journal, replace(AGAIN, request=near))


async def test_what_is_cut_off_is_one_task(journal: Journal) -> None:
    await begun(journal)
    await cut(journal, OTHER)
    assert not await is_joined(journal)


async def test_it_joins_none_if_another_take_is_asked_for(journal: Journal) -> None:
    await cut(journal)
    assert not await is_joined(journal, replace(AGAIN, another_take=True))


@pytest.mark.parametrize(
    "change", [{"model": "suno-v5"}, {"kind": "lyrics"}, {"kind": "extension"}, {"kind": "cover"}]
)
async def test_it_joins_none_of_another_model_or_tool(
    journal: Journal, change: dict[str, Any]
) -> None:
    await cut(journal)
    assert not await is_joined(journal, replace(AGAIN, **change))


async def test_it_joins_the_task_whatever_the_key(journal: Journal) -> None:
    ours = await cut(journal)
    theirs = replace(AGAIN, account="theirs")
    found = await journal.prepare(theirs, join=True)
    assert (found.task.local_id, found.is_of_another) == (ours, True)
    own = await cut(journal, replace(FIRST, account="theirs"))
    await cut(journal)
    found = await journal.prepare(replace(theirs, fingerprint="third"), join=True)
    assert (found.task.local_id, found.is_of_another) == (own, False)


async def test_ten_minutes_later_it_is_a_wish_of_its_own(
    journal: Journal, clock: ManualClock
) -> None:
    await cut(journal)
    clock.elapsed_s += TEN_MIN_S - 1
    assert await is_joined(journal)
    clock.elapsed_s += 1
    assert not await is_joined(journal), "after exactly ten minutes"


async def test_the_ten_minutes_begin_when_the_newest_call_was_cut_off(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await cut(journal)
    clock.elapsed_s += TEN_MIN_S
    await journal.cut_off([local_id])
    clock.elapsed_s += TEN_MIN_S - 1
    assert await is_joined(journal)


async def test_what_was_begun_a_day_ago_is_joined_by_an_equal_request_alone(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await begun(journal)
    clock.elapsed_s += DAY_S
    await journal.cut_off([local_id])
    assert not await is_joined(journal)


# What was told --------------------------------------------------------------------------------


@pytest.mark.parametrize("is_ours", [True, False])
async def test_after_an_answer_about_the_task_it_is_joined_no_more(
    journal: Journal, *, is_ours: bool
) -> None:
    local_id = await cut(journal)
    await journal.accept(local_id, FIRST, "t1", None)
    await journal.deliver([], ["another"])
    assert await is_joined(journal)
    await journal.deliver([], [local_id if is_ours else "t1"])
    assert not await is_joined(journal)
    assert not await is_joined(journal, ended="me")


async def test_one_answer_tells_of_no_other_task(journal: Journal) -> None:
    await cut(journal)
    told = await cut(journal, OTHER)
    await journal.deliver([], [told])
    assert await is_joined(journal)


async def test_a_call_that_joined_a_task_already_told_of_and_was_cut_off_counts(
    journal: Journal,
) -> None:
    local_id = await begun(journal)
    await journal.deliver([], [local_id])
    assert not await is_joined(journal)
    await journal.cut_off([local_id])
    assert await is_joined(journal)
    await journal.deliver([], [local_id])
    assert not await is_joined(journal)


async def test_it_joins_no_task_of_which_a_client_is_being_told(journal: Journal) -> None:
    local_id = await cut(journal)
    await journal.accept(local_id, FIRST, "t1", None)
    assert not await is_joined(journal, answered=["t1"])
    assert not await is_joined(journal, answered=[local_id])
    assert await is_joined(journal, answered=["another"])


# The same words again -------------------------------------------------------------------------


async def test_the_words_that_were_held_back_are_then_equal_to_the_tasks_own(
    journal: Journal,
) -> None:
    """The call is repeated, as clients do, when its first answer was told or lost."""
    local_id = await cut(journal)
    assert (await journal.prepare(AGAIN, join=True)).is_near
    await journal.deliver([], [local_id])
    again = await journal.prepare(AGAIN, join=True)
    assert (again.task.local_id, again.joined, again.is_near) == (local_id, True, False)
    assert not await is_joined(journal)
    await journal.accept(local_id, FIRST, "t1", Report("t1", "completed", "completed"))
    assert (await journal.prepare(AGAIN, join=True)).joined
    await journal.deliver(["t1"])
    assert not (await journal.prepare(AGAIN, join=True)).joined


async def test_other_words_were_not_asked_of_the_task(journal: Journal) -> None:
    local_id = await cut(journal)
    for _ in range(2):
        assert (await journal.prepare(AGAIN, join=True)).joined
    other = await cut(journal, OTHER)
    assert (await journal.prepare(AGAIN, join=True)).task.local_id == local_id
    assert (await journal.prepare(OTHER, join=True)).task.local_id == other
    await journal.deliver([], [local_id])
    assert not await is_joined(journal)


async def test_another_take_in_the_same_words_is_refused_while_their_task_is_in_doubt(
    journal: Journal,
) -> None:
    local_id = await cut(journal)
    await journal.doubt(local_id, FIRST, "?")
    again = replace(AGAIN, wire={**AGAIN.wire, "body": {"other": "words"}})
    assert (await journal.prepare(again, join=True)).is_near
    with pytest.raises(InvalidRequestError, match=f"{local_id}, is in doubt.*Nothing was sent"):
        await journal.prepare(replace(again, another_take=True), join=True)


# Who ended ------------------------------------------------------------------------------------


async def test_what_a_process_that_ended_told_nobody_counts_as_cut_off(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await begun(journal)
    assert await is_joined(journal, ended="me")
    assert not await is_joined(journal, ended="other")
    clock.elapsed_s += TEN_MIN_S
    assert not await is_joined(journal, ended="me")
    await journal.deliver([], [local_id])
    again = await begun(journal)
    await journal.deliver([], [again])
    assert not await is_joined(journal, ended="me")


async def test_only_tasks_in_such_words_are_asked_about_their_process(journal: Journal) -> None:
    await begun(journal)
    alike = await begun(journal, replace(FIRST, owner="third"))
    await begun(journal, OTHER)
    asked: list[tuple[str, str]] = []

    def is_over(local_id: str, owner: str) -> bool:
        asked.append((local_id, owner))
        return owner == "third"

    found = await journal.prepare(AGAIN, join=True, is_over=is_over)
    assert found.task.local_id == alike
    assert {owner for _, owner in asked} <= {"me", "third"}


async def test_a_task_made_elsewhere_was_cut_off_by_nobody(journal: Journal) -> None:
    await journal.adopt("piapi", "ours", Report("far", "processing", "processing"))
    change(journal, "UPDATE tasks SET model = 'udio', request = ?", json_of(FIRST))
    assert not await is_joined(journal, ended="")


async def test_what_an_older_version_that_still_runs_writes_was_cut_off_by_nobody(
    journal: Journal,
) -> None:
    """It does not keep of which tasks a client was told."""
    local_id = await begun(journal)
    change(journal, "UPDATE tasks SET keeps_told = 0")
    assert not await is_joined(journal, ended="me")
    await journal.cut_off([local_id])
    assert await is_joined(journal), "a call of ours that joined it was"


# What became of the task ----------------------------------------------------------------------


async def test_it_joins_a_task_that_is_open_or_in_doubt(journal: Journal) -> None:
    local_id = await cut(journal)
    assert await is_joined(journal), "submitting"
    await journal.accept(local_id, FIRST, "t1", None)
    assert await is_joined(journal), "pending"
    await journal.record(local_id, Report("t1", "processing", "processing"))
    assert await is_joined(journal), "processing"


async def test_it_joins_a_doubt_until_that_is_closed(journal: Journal) -> None:
    local_id = await cut(journal)
    await journal.doubt(local_id, FIRST, "?")
    assert await is_joined(journal)
    await journal.abandon(local_id, "closed")
    assert not await is_joined(journal)


async def test_it_joins_none_that_was_refused(journal: Journal) -> None:
    """Models reword what was refused, and nothing was paid."""
    local_id = await cut(journal)
    await journal.reject(local_id, FIRST, "no")
    assert not await is_joined(journal)


@pytest.mark.parametrize("ended", ["completed", "failed"])
async def test_it_joins_an_end_until_a_client_has_it(
    journal: Journal, ended: ServiceStatus
) -> None:
    local_id = await cut(journal)
    await journal.accept(local_id, FIRST, "t1", None)
    await journal.record(local_id, Report("t1", ended, ended))
    assert await is_joined(journal)
    await journal.deliver(["t1"])
    assert not await is_joined(journal), "a list may have shown it"


async def test_it_joins_none_that_its_service_does_not_know(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await cut(journal)
    await journal.accept(local_id, FIRST, "t1", None)
    for _ in range(2):
        await journal.record_unknown(local_id, "unknown")
        clock.elapsed_s += 2 * 3600.0
        await journal.cut_off([local_id])
    await journal.record_unknown(local_id, "unknown")
    (task,) = (await journal.search("", 9)).tasks
    assert task.status == "failed"
    assert not await is_joined(journal)


async def test_a_task_that_is_joined_is_polled_again(journal: Journal) -> None:
    local_id = await cut(journal)
    await journal.accept(local_id, FIRST, "t1", None)
    await journal.unfollow(local_id)
    found = await joined(journal)
    assert found is not None
    assert found.unfollowed_at is None


# Which of several -----------------------------------------------------------------------------


async def test_the_most_alike_is_joined_and_of_two_equal_ones_the_newest(journal: Journal) -> None:
    fewer = replace(FIRST, request={"description": "a happy pop song about dogs and the sea"})
    near = await cut(journal)
    await cut(journal, fewer)
    assert await is_it(journal, near)
    newest = await cut(journal)
    assert await is_it(journal, newest)


async def is_it(journal: Journal, local_id: str, new: NewTask = AGAIN) -> bool:
    found = await joined(journal, new)
    return found is not None and found.local_id == local_id


async def test_each_take_joins_the_one_of_its_number_and_none_joins_its_own_call(
    journal: Journal,
) -> None:
    second = replace(FIRST, request={**FIRST.request, "take": 2})
    takes = [await cut(journal), await cut(journal, second)]
    assert await is_it(journal, takes[0])
    assert await is_it(journal, takes[1], replace(AGAIN, request={**AGAIN.request, "take": 2}))
    takes[0] = await cut(journal)
    assert await is_it(journal, takes[1], replace(AGAIN, request={**AGAIN.request, "take": 2}))
    again = replace(AGAIN, request={**AGAIN.request, "take": 2}, beside=(takes[0],))
    assert await is_it(journal, takes[1], again)
    third = replace(again, request={**AGAIN.request, "take": 3})
    assert await is_it(journal, takes[1], third)
    all_of_them = tuple(task.local_id for task in (await journal.search("", 9)).tasks)
    assert not await is_joined(journal, replace(third, beside=all_of_them))


async def test_the_limit_and_the_journals_state_matter_only_to_what_is_paid(
    journal: Journal,
) -> None:
    await cut(journal)
    found = await journal.prepare(AGAIN, join=True, daily_limit=0)
    assert found.joined


# Helpers --------------------------------------------------------------------------------------


def json_of(new: NewTask) -> tuple[str]:
    description = new.request["description"]
    return (f'{{"description": "{description}"}}',)


def change(journal: Journal, statement: str, values: Sequence[str] = ()) -> None:
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute(statement, values)


def test_what_may_be_cut_off_is_found_by_its_index_however_long_the_journal_is() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        for script in MIGRATIONS:
            db.executescript(script)
        names = ("kind", "model", "since", "since_near", "answered", "beside", "most")
        values = dict.fromkeys(names, "[]")
        plan = db.execute(f"EXPLAIN QUERY PLAN {CUT_OFF}", values).fetchall()
    assert any("INDEX tasks_cut" in step[-1] for step in plan)
    assert not any("SCAN tasks" in step[-1] or "TEMP B-TREE" in step[-1] for step in plan)
