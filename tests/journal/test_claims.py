"""Who joins whom, what counts to the limit, and who does what is due."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from song_mcp.errors import Charged, InvalidRequestError, LimitReachedError
from song_mcp.journal import Journal, NewTask, SaveClaim, SavesDue
from song_mcp.songs import Clip, Report, ServiceStatus, Task
from tests.manual_clock import START, ManualClock

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
NEW = NewTask(
    "piapi", "udio", "song", "print", "Quay", "waltz", {"description": "waltz"},
    wire={"path": "/p", "body": {}, "deadline_s": 60.0}, account="ours", owner="me",
)  # fmt: skip
CLIP = Clip("c1", "completed", audio_url="https://x/a.mp3")


def report(
    status: ServiceStatus,
    task_id: str = "t1",
    *,
    charged: Charged = "unknown",
    cost_usd: float | None = None,
    clips: tuple[Clip, ...] = (),
) -> Report:
    return Report(task_id, status, status, clips=clips, charged=charged, cost_usd=cost_usd)


async def prepared(journal: Journal, new: NewTask = NEW) -> str:
    return (await journal.prepare(new, join=False)).task.local_id


async def accepted(journal: Journal, new: NewTask = NEW, task_id: str = "t1") -> str:
    local_id = await prepared(journal, new)
    await journal.accept(local_id, new, task_id, None)
    return local_id


async def is_joined(journal: Journal, new: NewTask = NEW) -> bool:
    """Whether a request joins an earlier task; if it does not, its own is refused at once."""
    found = await journal.prepare(new, join=True)
    if not found.joined:
        await journal.reject(found.task.local_id, new, "no")
    return found.joined


# Joining ------------------------------------------------------------------------------------


async def test_an_equal_request_joins_a_task_in_each_open_status(journal: Journal) -> None:
    local_id = await prepared(journal)
    assert await is_joined(journal), "submitting"
    await journal.accept(local_id, NEW, "t1", None)
    assert await is_joined(journal), "pending"
    await journal.record(local_id, report("processing"))
    assert await is_joined(journal), "processing"


async def test_an_equal_request_joins_no_closed_task(journal: Journal) -> None:
    local_id = await prepared(journal)
    await journal.doubt(local_id, NEW, "?")
    assert await is_joined(journal)
    await journal.abandon(local_id, "closed")
    assert not await is_joined(journal)


async def test_an_equal_request_of_another_account_joins_unless_its_own_has_one(
    journal: Journal,
) -> None:
    """It may be the same account under a new key; the answer says that the key is another."""
    ours = await accepted(journal)
    theirs = replace(NEW, account="theirs")
    joined = await journal.prepare(theirs, join=True)
    assert (joined.task.local_id, joined.joined, joined.is_of_another) == (ours, True, True)
    own = await prepared(journal, theirs)
    later = await prepared(journal)
    joined = await journal.prepare(theirs, join=True)
    assert (joined.task.local_id, joined.is_of_another) == (own, False)
    assert (await journal.prepare(NEW, join=True)).task.local_id == later
    wish = replace(theirs, another_take=True)
    assert not (await journal.prepare(wish, join=True)).joined


@pytest.mark.parametrize("ended", ["completed", "failed"])
async def test_an_end_that_no_client_was_told_is_joined_for_a_day(
    journal: Journal, clock: ManualClock, ended: ServiceStatus
) -> None:
    local_id = await accepted(journal)
    clock.elapsed_s += HOUR_S
    await journal.record(local_id, report(ended))
    clock.elapsed_s += DAY_S - 1
    assert await is_joined(journal)
    clock.elapsed_s += 1
    assert not await is_joined(journal), "after exactly a day"


async def test_an_end_that_a_client_was_told_is_not_joined(journal: Journal) -> None:
    local_id = await accepted(journal)
    await journal.record(local_id, report("completed"))
    await journal.deliver(["t1"])
    assert not await is_joined(journal)


async def test_what_is_told_of_a_running_task_is_no_delivery_of_its_end(journal: Journal) -> None:
    local_id = await accepted(journal)
    await journal.deliver(["t1", local_id])
    await journal.record(local_id, report("completed"))
    assert await is_joined(journal)


@pytest.mark.parametrize("ended", ["completed", "failed"])
@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_delivery_is_told_by_either_id(
    journal: Journal, ended: ServiceStatus, *, is_ours: bool
) -> None:
    other = await accepted(journal, replace(NEW, fingerprint="other"), "t2")
    local_id = await accepted(journal)
    for key in (local_id, other):
        await journal.record(key, report(ended))
    await journal.deliver([local_id if is_ours else "t1"])
    assert not await is_joined(journal)
    assert await is_joined(journal, replace(NEW, fingerprint="other"))


async def test_of_several_tasks_the_newest_is_joined(journal: Journal, clock: ManualClock) -> None:
    await prepared(journal)
    later = await prepared(journal)
    assert (await journal.prepare(NEW, join=True)).task.local_id == later, "of one moment"
    clock.jumped_s -= 10.0
    newest = await prepared(journal)
    assert (await journal.prepare(NEW, join=True)).task.local_id == newest, "whatever the clock"


async def test_a_task_that_is_joined_is_polled_again(journal: Journal) -> None:
    local_id = await accepted(journal)
    await journal.unfollow(local_id)
    joined = await journal.prepare(NEW, join=True)
    assert joined.task.unfollowed_at is None
    assert await journal.next_look_s("piapi", "ours") is not None


async def test_joining_one_task_leaves_others_as_they_are(journal: Journal) -> None:
    other = await accepted(journal, replace(NEW, fingerprint="other"), "t2")
    mine = await accepted(journal)
    await journal.unfollow(other)
    await journal.unfollow(mine)
    await journal.prepare(NEW, join=True)
    assert [task.unfollowed_at for task in await found(journal, mine, other)] == [None, START]


# Another take -------------------------------------------------------------------------------

ANOTHER = replace(NEW, another_take=True)


async def take(journal: Journal, answered: set[str] | None = None, new: NewTask = ANOTHER) -> str:
    return (await journal.prepare(new, join=True, answered=answered)).task.local_id


async def test_another_take_joins_no_plain_task(journal: Journal) -> None:
    first = await accepted(journal)
    assert await take(journal) != first


async def test_another_take_joins_the_newest_one_of_which_no_client_was_told(
    journal: Journal,
) -> None:
    one = await take(journal)
    other = await take(journal, {one})
    assert one != other
    assert await take(journal) == other
    await journal.deliver([], [other])
    assert await take(journal) == one
    await journal.deliver([], [one])
    assert await take(journal) not in {one, other}


@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_take_is_told_by_either_id_and_by_no_others(
    journal: Journal, *, is_ours: bool
) -> None:
    local_id = await take(journal)
    await journal.accept(local_id, ANOTHER, "t1", None)
    await journal.deliver([], ["another"])
    assert await take(journal) == local_id
    await journal.deliver([], [local_id if is_ours else "t1"])
    assert await take(journal) != local_id


async def test_a_take_of_which_a_client_is_being_told_is_not_joined(journal: Journal) -> None:
    answered: set[str] = set()
    local_id = await take(journal, answered)
    assert answered == {local_id}, "in the transaction itself"
    await journal.accept(local_id, ANOTHER, "t1", None)
    assert await take(journal) == local_id
    assert await take(journal, {"t1"}) != local_id


async def test_another_take_is_refused_while_an_equal_task_is_in_doubt(journal: Journal) -> None:
    local_id = await prepared(journal)
    await journal.doubt(local_id, NEW, "?")
    with pytest.raises(InvalidRequestError, match=f"{local_id}, is in doubt.*Nothing was sent"):
        await take(journal)
    second = replace(ANOTHER, fingerprint="second", wire={**ANOTHER.wire, "take": 2})
    with pytest.raises(InvalidRequestError, match=f"{local_id}, is in doubt.*Nothing was sent"):
        await take(journal, None, second)
    other = replace(ANOTHER, fingerprint="other", wire={"path": "/other"})
    assert await take(journal, None, other)
    await journal.abandon(local_id, "closed")
    assert await take(journal) != local_id


async def test_a_take_in_doubt_of_which_no_client_was_told_is_joined(journal: Journal) -> None:
    local_id = await take(journal)
    await journal.doubt(local_id, ANOTHER, "?")
    assert await take(journal) == local_id


async def test_a_refused_take_is_not_joined_and_a_delivered_one_neither(journal: Journal) -> None:
    refused = await take(journal)
    await journal.reject(refused, ANOTHER, "no")
    ended = await take(journal)
    assert ended != refused
    await journal.accept(ended, ANOTHER, "t1", report("completed"))
    await journal.deliver(["t1"])
    assert await take(journal) not in {refused, ended}


async def found(journal: Journal, *local_ids: str) -> list[Task]:
    tasks = [await journal.find(local_id) for local_id in local_ids]
    return [task for task in tasks if task is not None]


# The limit ----------------------------------------------------------------------------------


async def test_the_limit_is_reached_by_as_many_as_it_says(journal: Journal) -> None:
    for _ in range(2):
        await journal.prepare(NEW, join=False, daily_limit=2)
    with pytest.raises(LimitReachedError, match="2 paid submissions"):
        await journal.prepare(NEW, join=False, daily_limit=2)
    assert (await journal.search("", 10)).total == 2
    assert (await journal.prepare(NEW, join=True, daily_limit=2)).joined


async def test_without_a_limit_nothing_is_refused(journal: Journal) -> None:
    for _ in range(3):
        await journal.prepare(NEW, join=False, daily_limit=None)


async def test_what_was_paid_for_counts_for_exactly_a_day(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal)
    clock.elapsed_s += DAY_S - 1
    assert (await journal.spending()).paid == 1
    clock.elapsed_s += 1
    assert (await journal.spending()).paid == 0


async def test_refused_submissions_and_tasks_made_elsewhere_do_not_count(
    journal: Journal,
) -> None:
    await journal.reject(await prepared(journal), NEW, "no")
    await journal.adopt("piapi", "ours", report("completed", "far", charged="yes", cost_usd=1.0))
    spent = await journal.spending()
    assert (spent.paid, spent.cost_usd) == (0, 0.0)
    await journal.prepare(NEW, join=False, daily_limit=1)


async def test_doubts_and_failures_count_and_what_was_given_back_costs_nothing(
    journal: Journal,
) -> None:
    await journal.doubt(await prepared(journal), NEW, "?")
    await journal.record(await accepted(journal), report("completed", charged="yes", cost_usd=0.05))
    refunded = report("failed", "t2", charged="no", cost_usd=0.25)
    await journal.record(await accepted(journal, NEW, "t2"), refunded)
    spent = await journal.spending()
    assert (spent.paid, spent.cost_usd) == (3, 0.05)


async def test_the_limit_holds_for_what_is_submitted_again(journal: Journal) -> None:
    local_id = await prepared(journal)
    await journal.doubt(local_id, NEW, "?")
    with pytest.raises(LimitReachedError):
        await journal.submit_again(local_id, "ours", "me", 1)
    assert [task.status for task in await found(journal, local_id)] == ["in_doubt"]
    assert (await journal.submit_again(local_id, "ours", "me", 2)).written is not None


# Looks --------------------------------------------------------------------------------------


def in_ten_seconds(age_s: float) -> float:
    return age_s + 10.0


async def claimed(journal: Journal, *, slack_s: float = 0.0, limit: int = 50) -> list[str]:
    tasks = await journal.claim_looks("piapi", "ours", slack_s, limit, in_ten_seconds)
    return [task.task_id for task in tasks]


async def test_the_first_look_is_due_after_two_seconds_and_claimed_once(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal)
    assert await journal.next_look_s("piapi", "ours") == 2.0
    clock.elapsed_s += 1.5
    assert await claimed(journal) == []
    clock.elapsed_s += 0.5
    assert await claimed(journal) == ["t1"]
    assert await claimed(journal) == []
    assert await journal.next_look_s("piapi", "ours") == 10.0


async def test_with_slack_what_is_due_soon_is_claimed_too(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal)
    clock.elapsed_s += 1.0
    assert await claimed(journal, slack_s=0.5) == []
    assert await claimed(journal, slack_s=1.0) == ["t1"]


async def test_claims_are_limited_and_the_longest_due_comes_first(
    journal: Journal, clock: ManualClock
) -> None:
    for key in ("t1", "t2"):
        await accepted(journal, NEW, key)
        clock.elapsed_s += 1.0
    assert await journal.next_look_s("piapi", "ours") == 0.0, "that of the first"
    clock.elapsed_s += 5.0
    assert await claimed(journal, limit=1) == ["t1"]
    assert await claimed(journal, limit=1) == ["t2"]


THEIRS = replace(NEW, account="theirs")


async def test_another_accounts_task_is_looked_at_when_its_own_has_not_for_long(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal, THEIRS)
    assert await journal.next_look_s("piapi", "ours") == 32.0
    clock.elapsed_s += 31.0
    assert await claimed(journal) == []
    clock.elapsed_s += 1.0
    assert await claimed(journal) == ["t1"]
    assert await journal.next_look_s("piapi", "theirs") == -30.0, "its own may look as before"
    assert [task.followed_by for task in await found(journal, local_id)] == ["theirs"]


async def test_an_account_that_sees_nothing_tries_ever_more_rarely(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal, THEIRS)
    clock.elapsed_s += 2.0
    tried = []
    for _ in range(7):
        clock.elapsed_s += await journal.next_look_s("piapi", "ours") or 0.0
        assert await claimed(journal) == ["t1"]
        assert await claimed(journal) == []
        tried.append(clock.elapsed_s - 2.0)
    assert tried == [30.0 * 2**number for number in range(7)]
    clock.elapsed_s += 30 * DAY_S
    assert await claimed(journal) == ["t1"], "also after the hour, as nobody has looked since"


async def test_an_account_that_was_able_to_look_follows_the_task(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal, THEIRS)
    clock.elapsed_s += 32.0
    assert await claimed(journal) == ["t1"]
    await journal.record_all({local_id: report("processing")}, "ours")
    assert [task.followed_by for task in await found(journal, local_id)] == ["ours"]
    assert await journal.next_look_s("piapi", "ours") == 5.0
    assert await journal.next_look_s("piapi", "theirs") == 35.0
    clock.elapsed_s += 5.0
    assert await claimed(journal) == ["t1"]
    await journal.record_all({local_id: report("processing")}, "ours")
    assert await journal.next_look_s("piapi", "ours") == 10.0, "as it was planned"


async def test_own_looks_go_first_and_no_other_service_is_looked_at(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal, THEIRS, "t1")
    clock.elapsed_s += 1.0
    await accepted(journal, NEW, "t2")
    assert await journal.next_look_s("gptge", "ours") is None
    clock.elapsed_s += 60.0
    assert await claimed(journal, limit=1) == ["t2"]
    assert await claimed(journal) == ["t1"]


async def test_a_look_for_another_account_delays_none_at_another_task(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal, THEIRS, "t1")
    clock.elapsed_s += 10.0
    await accepted(journal, THEIRS, "t2")
    clock.elapsed_s += 22.0
    assert await claimed(journal) == ["t1"]
    clock.elapsed_s += 10.0
    assert await claimed(journal) == ["t2"]


async def test_with_the_clock_set_back_another_account_looks_when_the_own_one_would(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal, THEIRS)
    clock.jumped_s = -HOUR_S
    assert await claimed(journal) == ["t1"]
    assert await journal.next_look_s("piapi", "ours") == 30.0


async def test_only_open_tasks_that_have_an_id_are_looked_at(
    journal: Journal, clock: ManualClock
) -> None:
    await prepared(journal)
    await journal.doubt(await prepared(journal), NEW, "?")
    await journal.record(await accepted(journal, NEW, "t1"), report("completed", "t1"))
    await journal.record(await accepted(journal, NEW, "t2"), report("failed", "t2"))
    await journal.record(await accepted(journal, NEW, "t3"), report("processing", "t3"))
    await accepted(journal, NEW, "t4")
    clock.elapsed_s += 2.0
    assert sorted(await claimed(journal)) == ["t3", "t4"]


async def test_a_task_that_is_polled_no_more_is_not_claimed(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal)
    await journal.unfollow(local_id)
    clock.elapsed_s += 2.0
    assert await journal.next_look_s("piapi", "ours") is None
    assert await claimed(journal) == []


async def test_after_an_hour_no_look_is_due_but_the_one_that_was_planned_in_it(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal)
    clock.elapsed_s += HOUR_S - 1.0
    assert await claimed(journal) == ["t1"], "planned at 2 s"
    assert await journal.next_look_s("piapi", "ours") == 10.0, "it is young still"
    clock.elapsed_s += 1.0
    assert await journal.next_look_s("piapi", "ours") is None, "planned for after the hour"
    clock.elapsed_s += HOUR_S
    assert await claimed(journal) == []


async def test_a_look_that_was_planned_within_the_hour_is_made_however_late(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal)
    clock.elapsed_s += HOUR_S - 10.0
    assert await claimed(journal) == ["t1"]
    clock.elapsed_s += 5 * HOUR_S
    assert await claimed(journal) == ["t1"], "it was planned for the very end of the hour"
    assert await claimed(journal) == []


async def test_a_look_planned_over_two_minutes_ahead_is_due_at_once(
    journal: Journal, clock: ManualClock
) -> None:
    await accepted(journal)
    clock.jumped_s = -118.0
    assert await journal.next_look_s("piapi", "ours") == 120.0
    assert await claimed(journal) == []
    clock.jumped_s = -118.5
    assert (await journal.next_look_s("piapi", "ours") or 0.0) < 0
    assert await claimed(journal) == ["t1"]
    assert await journal.next_look_s("piapi", "ours") == 5.0, "of a task that is not made yet"


# Clips --------------------------------------------------------------------------------------


async def finished(
    journal: Journal, clips: Sequence[Clip] = (CLIP,), *, status: ServiceStatus = "completed"
) -> str:
    local_id = await accepted(journal)
    await journal.record(local_id, report(status, clips=tuple(clips)))
    return local_id


async def saves(
    journal: Journal,
    owner: str = "me",
    local_id: str = "",
    dead: Sequence[str] = (),
    due: SavesDue = "planned",
) -> list[str]:
    claim = SaveClaim(local_id, owner, 3, dead, "Ended too often.", due)
    return [clip.clip_id for _, clip in await journal.claim_saves(claim)]


async def failed_try(journal: Journal, local_id: str) -> None:
    await journal.save_clip(local_id, replace(CLIP, save_error="The link is dead."))


async def test_a_try_that_failed_is_followed_by_six_more_within_six_hours_of_the_first(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await finished(journal)
    assert await saves(journal) == ["c1"]
    for due_s in (2.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0):
        await failed_try(journal, local_id)
        assert await journal.next_save_s(3) == pytest.approx(due_s - clock.elapsed_s)
        clock.elapsed_s = due_s - 0.5
        assert await saves(journal) == []
        clock.elapsed_s = due_s
        assert await saves(journal) == ["c1"]
    await failed_try(journal, local_id)
    clock.elapsed_s += 30 * DAY_S
    assert await saves(journal) == [], "seven tries and no more"


async def test_what_became_due_while_the_machine_slept_is_tried_once(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await finished(journal)
    await saves(journal)
    await failed_try(journal, local_id)
    clock.elapsed_s += 2 * HOUR_S
    assert await saves(journal) == ["c1"]
    await failed_try(journal, local_id)
    assert await journal.next_save_s(3) == pytest.approx(4 * HOUR_S)


async def test_a_clip_that_somebody_asks_for_is_tried_at_once_but_not_within_20_s_of_the_last_try(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await finished(journal)
    await saves(journal)
    clock.elapsed_s += 30.0
    assert await saves(journal, "other", due="asked") == [], "it is being tried"
    await failed_try(journal, local_id)
    clock.elapsed_s += 19.0
    assert await saves(journal, due="asked") == [], "the planned one is due at 60 s"
    clock.elapsed_s += 1.0
    assert await saves(journal, due="new") == []
    assert await saves(journal, due="asked") == ["c1"]
    assert await saves(journal, "other", due="asked") == []


async def test_a_try_from_before_the_clock_was_set_back_delays_none(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await finished(journal)
    await saves(journal)
    await failed_try(journal, local_id)
    clock.jumped_s = -DAY_S
    assert await saves(journal) == ["c1"]


async def test_a_try_whose_end_was_never_written_is_made_again_after_ten_minutes(
    journal: Journal, clock: ManualClock
) -> None:
    await finished(journal)
    await saves(journal)
    clock.elapsed_s += 599.0
    assert await saves(journal, "other") == []
    clock.elapsed_s += 1.0
    assert await saves(journal, "other") == ["c1"]


async def test_finished_clips_with_audio_are_claimed_whether_their_task_has_ended_or_not(
    journal: Journal,
) -> None:
    clips = [
        Clip("silent", "completed"),
        Clip("broken", "failed", audio_url="https://x/b.mp3"),
        Clip("good", "completed", audio_url="https://x/c.mp3"),
    ]
    await finished(journal, clips, status="failed")
    running = await accepted(journal, NEW, "t2")
    early = Clip("early", "completed", audio_url="https://x/d.mp3")
    await journal.record(running, report("processing", "t2", clips=(early,)))
    assert sorted(await saves(journal)) == ["early", "good"]


async def test_the_clips_of_one_task_can_be_claimed_alone(journal: Journal) -> None:
    mine = await finished(journal)
    other = await accepted(journal, NEW, "t2")
    await journal.record(other, report("completed", "t2", clips=(replace(CLIP, clip_id="c2"),)))
    assert await saves(journal, local_id=other) == ["c2"]
    assert await saves(journal, local_id=mine) == ["c1"]
    assert await saves(journal) == []


async def test_a_dead_process_loses_its_claim_and_a_living_one_does_not(
    journal: Journal, clock: ManualClock
) -> None:
    await finished(journal, [CLIP, replace(CLIP, clip_id="c2")])
    await saves(journal, "first")
    assert await journal.savers() == ["first"], "once for its two clips"
    assert await saves(journal, "second", dead=["nobody"]) == []
    assert await saves(journal, "second", dead=["first"]) == ["c1", "c2"]
    assert await journal.savers() == ["second"]
    assert await saves(journal, "third", dead=["first"]) == []
    clock.elapsed_s += DAY_S
    assert await saves(journal, "third") == ["c1", "c2"], "that was the second try"


async def test_what_dead_processes_tried_counts_and_after_the_last_try_the_clip_says_why(
    journal: Journal, clock: ManualClock
) -> None:
    """As a file does that ends every process which saves it."""
    local_id = await finished(journal)
    owners = [f"process {number}" for number in range(9)]
    claimed = []
    for owner in owners:
        assert (await found(journal, local_id))[0].clips[0].save_error == ""
        claimed.append(await saves(journal, owner, dead=owners[: owners.index(owner)]))
        if not claimed[-1]:
            break
    assert claimed == [["c1"]] * 3 + [[]]
    (clip,) = (await found(journal, local_id))[0].clips
    assert (clip.save_error, clip.audio_url) == ("Ended too often.", CLIP.audio_url)
    assert await journal.savers() == []
    clock.elapsed_s += DAY_S
    assert await saves(journal, "later", dead=owners) == []


async def test_a_clip_that_another_process_may_be_saving_is_not_given_up(journal: Journal) -> None:
    local_id = await finished(journal)
    for owner, dead in (("first", []), ("second", ["first"]), ("third", ["second"])):
        assert await saves(journal, owner, dead=dead) == ["c1"]
    assert await saves(journal, "fourth", dead=["first", "second"]) == []
    assert (await found(journal, local_id))[0].clips[0].save_error == ""
    assert await journal.savers() == ["third"]


async def test_a_try_that_failed_is_not_taken_over_from_a_process_that_died_later(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await finished(journal)
    await saves(journal, "first")
    await journal.save_clip(local_id, replace(CLIP, save_error="The link is dead."))
    assert await journal.savers() == []
    assert await saves(journal, "second", dead=["first"]) == []
    clock.elapsed_s += 2.0
    assert await saves(journal, "second", dead=["first"]) == ["c1"]


async def test_a_clip_that_was_saved_in_the_last_try_is_not_given_up(journal: Journal) -> None:
    """An older journal names who saved it."""
    local_id = await finished(journal)
    for owner, dead in (("first", []), ("second", ["first"]), ("third", ["second"])):
        await saves(journal, owner, dead=dead)
    await journal.save_clip(local_id, replace(CLIP, file=Path("a.mp3")))
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("UPDATE clips SET save_owner = 'third'")
    await saves(journal, "fourth", dead=["third"])
    assert (await found(journal, local_id))[0].clips[0].save_error == ""


async def test_what_is_saved_has_no_saver_and_is_not_claimed(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await finished(journal, [CLIP, replace(CLIP, clip_id="c2")])
    assert await journal.savers() == [], "nobody has begun"
    await saves(journal)
    task = (await found(journal, local_id))[0]
    await journal.save_clip(local_id, replace(task.clips[0], file=Path("a.mp3")))
    clock.elapsed_s += 600.0
    assert await saves(journal) == ["c2"]
    await journal.save_clip(local_id, replace(task.clips[1], file=Path("b.mp3")))
    assert await journal.savers() == []
