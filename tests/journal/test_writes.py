"""What each write of the journal changes, and what it leaves as it is."""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from song_mcp.errors import InvalidRequestError, JournalError
from song_mcp.journal import Journal, NewTask, Orphaned
from song_mcp.journal.values import Again
from song_mcp.songs import Clip, Lyrics, Report, Status, Task
from tests.manual_clock import START, ManualClock

NEW = NewTask(
    "piapi", "udio", "song", "print", "Quay", "waltz", {"description": "waltz"},
    wire={"path": "/p", "body": {}, "deadline_s": 60.0}, account="ours", owner="me",
)  # fmt: skip
CLIP = Clip(
    "c1", "completed", "Quay", "Theirs", 9.5, "https://x/a.mp3", "https://x/a.png",
    "https://x/a.mp4", ("slow", "sad"), "Lamps", "", "udio-130",
)  # fmt: skip
RUNNING = Report("t1", "processing", "working", progress_percent=40)
DONE = Report(
    "t1", "completed", "finished", clips=(CLIP,), lyrics=Lyrics("Quay", "Lamps"),
    charged="yes", cost_usd=0.05, asked="waltz", progress_percent=100,
)  # fmt: skip
FAILED = Report("t1", "failed", "broken", error="It broke.", charged="no")

Step = Callable[[Journal, str], Awaitable[object]]


async def prepared(journal: Journal, new: NewTask = NEW) -> str:
    return (await journal.prepare(new, join=False)).task.local_id


async def now(journal: Journal, local_id: str) -> Task:
    found = await journal.find(local_id)
    assert found is not None
    return found


async def accepted(journal: Journal, new: NewTask = NEW, task_id: str = "t1") -> str:
    local_id = await prepared(journal, new)
    await journal.accept(local_id, new, task_id, None)
    return local_id


# The state machine --------------------------------------------------------------------------


WHY = Orphaned(sent="?", unsent="not sent", free="free")


async def merge(journal: Journal, local_id: str) -> None:
    found = (await journal.adopt("piapi", "ours", replace(DONE, task_id="far"))).task
    await journal.merge(await now(journal, local_id), found)


async def orphan_sent(journal: Journal, local_id: str) -> None:
    await journal.begin(local_id, NEW.owner, None)
    await journal.orphan([local_id], WHY)


EVENTS: Mapping[str, Step] = {
    "accept": lambda journal, key: journal.accept(key, NEW, "t2", None),
    "reject": lambda journal, key: journal.reject(key, NEW, "no"),
    "doubt": lambda journal, key: journal.doubt(key, NEW, "?"),
    "orphan": lambda journal, key: journal.orphan([key], WHY),
    "orphan sent": orphan_sent,
    "abandon": lambda journal, key: journal.abandon(key, "closed"),
    "run": lambda journal, key: journal.record(key, RUNNING),
    "wait": lambda journal, key: journal.record(key, replace(RUNNING, status="pending")),
    "complete": lambda journal, key: journal.record(key, DONE),
    "fail": lambda journal, key: journal.record(key, FAILED),
    "merge": merge,
}
WAYS: Mapping[Status, tuple[str, ...]] = {
    "submitting": (),
    "in_doubt": ("doubt",),
    "abandoned": ("doubt", "abandon"),
    "rejected": ("reject",),
    "pending": ("accept",),
    "processing": ("accept", "run"),
    "completed": ("accept", "complete"),
    "failed": ("accept", "fail"),
}
MOVES: Mapping[Status, Mapping[str, Status]] = {
    "submitting": {
        "accept": "pending", "reject": "rejected", "doubt": "in_doubt", "orphan": "rejected",
        "orphan sent": "in_doubt",
    },
    "in_doubt": {
        "accept": "pending", "reject": "rejected", "abandon": "abandoned", "merge": "completed",
    },
    "abandoned": {"accept": "pending"},
    "rejected": {},
    "pending": {"wait": "pending", "run": "processing", "complete": "completed", "fail": "failed"},
    "processing": {
        "run": "processing", "wait": "pending", "complete": "completed", "fail": "failed",
    },
    "completed": {},
    "failed": {},
}  # fmt: skip
"""To which status each event leads; what is not named leaves the task as it is."""


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("status", WAYS)
async def test_each_event_moves_a_task_only_from_where_it_may(
    journal: Journal, status: Status, event: str
) -> None:
    local_id, other = await prepared(journal), await prepared(journal)
    for key in (local_id, other):
        for step in WAYS[status]:
            await EVENTS[step](journal, key)
    before, bystander = await now(journal, local_id), await now(journal, other)
    assert before.status == status
    await EVENTS[event](journal, local_id)
    after = await now(journal, local_id)
    assert after.status == MOVES[status].get(event, status)
    if event not in MOVES[status]:
        if (status, event) == ("failed", "complete"):
            after = replace(after, clips=before.clips)  # finished audio is taken over
        assert replace(after, looked_at=None) == replace(before, looked_at=None)
    assert await now(journal, other) == bystander


# Submitting ---------------------------------------------------------------------------------


async def test_a_new_task_is_written_with_all_that_is_known_of_it(
    journal: Journal, clock: ManualClock
) -> None:
    task = (await journal.prepare(NEW, join=True)).task
    assert task == Task(
        task.local_id, "piapi", "udio", "song", "submitting", START,
        title="Quay", description="waltz", request={"description": "waltz"}, followed_by="ours",
    )  # fmt: skip
    assert task.local_id.startswith("local-")
    assert len(task.local_id) == len("local-") + 20
    clock.elapsed_s += 1.0
    other = replace(NEW, service="gptge", model="suno-v5", kind="lyrics", linked_to="local-1")
    task = (await journal.prepare(other, join=False)).task
    assert (task.service, task.model, task.kind, task.linked_to) == (
        *("gptge", "suno-v5"), *("lyrics", "local-1"),
    )  # fmt: skip


async def test_a_task_is_sent_once_by_its_owner_while_it_is_being_submitted(
    journal: Journal,
) -> None:
    local_id, other = await prepared(journal), await prepared(journal)
    assert not await journal.begin(local_id, "another", 1.0)
    assert await journal.begin(local_id, "me", 2.5)
    assert (await now(journal, local_id)).balance_usd == 2.5
    assert (await now(journal, other)).balance_usd is None
    await journal.doubt(local_id, NEW, "?")
    assert not await journal.begin(local_id, "me", 3.5)
    assert not await journal.begin("local-unknown", "me", 3.5)
    assert (await now(journal, local_id)).balance_usd == 2.5


async def test_what_is_being_submitted_is_listed_with_its_owner_and_time(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await prepared(journal)
    await accepted(journal)
    (row,) = await journal.submitting()
    assert (row.local_id, row.owner, row.created_at) == (local_id, "me", START.timestamp())


async def test_acceptance_of_a_closed_task_opens_it_again(journal: Journal) -> None:
    local_id = await prepared(journal)
    await journal.doubt(local_id, NEW, "?")
    closed = await journal.abandon(local_id, "closed")
    assert (closed.error, closed.finished_at) == ("? closed", START)
    task = (await journal.accept(local_id, NEW, "t1", None)).task
    assert (task.status, task.task_id, task.charged) == ("pending", "t1", "yes")
    assert (task.error, task.finished_at, task.looked_at) == ("", None, None)


@pytest.mark.parametrize("event", ["accept", "reject", "doubt"])
async def test_a_row_that_is_gone_is_written_anew(journal: Journal, event: str) -> None:
    await EVENTS[event](journal, "local-gone")
    task = await now(journal, "local-gone")
    assert task.status == MOVES["submitting"][event]
    assert (task.title, task.request) == ("Quay", {"description": "waltz"})


async def test_the_answer_of_a_submission_can_end_the_task(journal: Journal) -> None:
    recorded = await journal.accept(await prepared(journal), NEW, "t1", DONE)
    assert recorded.ended_now
    assert (recorded.task.status, recorded.task.looked_at) == ("completed", START)


async def test_acceptance_takes_in_the_same_task_made_elsewhere(journal: Journal) -> None:
    await journal.adopt("piapi", "ours", DONE)
    await journal.adopt("gptge", "ours", DONE)
    await journal.adopt("piapi", "ours", replace(DONE, task_id="t2"))
    mine = await accepted(journal, NEW, "t3")
    local_id = await accepted(journal)
    await journal.accept(mine, NEW, "t3", None)
    found = await journal.search("", 9)
    assert sorted((task.service, task.task_id) for task in found.tasks) == [
        *(("gptge", "t1"), ("piapi", "t1")), *(("piapi", "t2"), ("piapi", "t3")),
    ]  # fmt: skip
    assert (await now(journal, local_id)).clips == ()
    kept = [task for task in found.tasks if task.local_id not in {mine, local_id}]
    assert [len(task.clips) for task in kept] == [1, 1]
    with closing(sqlite3.connect(journal.path)) as db:
        assert db.execute("SELECT count(*) FROM clips").fetchone() == (2,), "none is left alone"


async def test_a_task_of_ours_with_the_same_id_is_never_taken_in(journal: Journal) -> None:
    await accepted(journal)
    await accepted(journal)
    assert (await journal.search("", 9)).total == 2


# Doubts -------------------------------------------------------------------------------------


async def test_submitting_again_writes_the_same_task_and_closes_the_doubt(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await prepared(journal)
    await journal.doubt(local_id, NEW, "?")
    clock.elapsed_s += 60.0
    again = await journal.submit_again(local_id, "ours", "another", None)
    assert again.written is not None
    task, new = again.written
    assert new == replace(NEW, owner="another", linked_to=local_id)
    assert task == Task(
        task.local_id, "piapi", "udio", "song", "submitting", START + timedelta(seconds=60),
        title="Quay", description="waltz", request={"description": "waltz"}, linked_to=local_id,
        followed_by="ours",
    )  # fmt: skip
    closed = await now(journal, local_id)
    assert (closed.status, closed.finished_at) == ("abandoned", task.created_at)
    assert closed.error == f"? Submitted again as {task.local_id}."
    assert await journal.submit_again(local_id, "ours", "me", None) == Again()
    assert (await journal.search("", 9)).total == 2


async def test_another_account_is_asked_about_once_and_the_next_one_again(
    journal: Journal,
) -> None:
    local_id = await prepared(journal)
    await journal.doubt(local_id, NEW, "?")
    for account in ("theirs", "hers"):
        asked = await journal.submit_again(local_id, account, "me", None)
        assert asked == Again(must_ask=True)
    assert [task.status for task in (await journal.search("", 9)).tasks] == ["in_doubt"]
    again = await journal.submit_again(local_id, "hers", "me", None)
    assert again.written is not None
    assert again.written[1].account == "hers"


async def test_what_the_journal_does_not_know_whole_is_asked_about_by_nobody(
    journal: Journal,
) -> None:
    local_id = await prepared(journal, replace(NEW, wire={}))
    await journal.doubt(local_id, NEW, "?")
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match="does not have what was sent"):
            await journal.submit_again(local_id, "theirs", "me", None)


async def test_of_a_task_whose_account_is_not_known_nobody_is_asked(journal: Journal) -> None:
    local_id = await prepared(journal, replace(NEW, account=""))
    await journal.doubt(local_id, NEW, "?")
    assert (await journal.submit_again(local_id, "ours", "me", None)).written is not None


async def test_a_doubt_takes_everything_from_the_task_that_it_turns_out_to_be(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await prepared(journal)
    await journal.unfollow(local_id)
    await journal.doubt(local_id, NEW, "?")
    made = replace(DONE, task_id="far", created_at=START)
    found = (await journal.adopt("piapi", "ours", made)).task
    bystander = (await journal.adopt("piapi", "ours", replace(made, task_id="near"))).task
    await journal.deliver(["far"])
    merged = await journal.merge(await now(journal, local_id), found)
    expected = replace(found, local_id=local_id, model="udio", title="Quay", description="waltz")
    assert merged == replace(expected, request={"description": "waltz"}, lost_at=START)
    assert await journal.find(found.local_id) is None
    assert await now(journal, bystander.local_id) == bystander
    assert not (await journal.prepare(NEW, join=True)).joined, "its end was delivered"


async def test_a_merged_task_that_runs_is_looked_at_when_the_found_one_was_to_be(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await prepared(journal)
    await journal.doubt(local_id, NEW, "?")
    clock.elapsed_s += 100.0
    found = (await journal.adopt("piapi", "ours", replace(RUNNING, task_id="far"))).task
    await journal.claim_looks("piapi", "ours", 0.0, 9, lambda age_s: age_s + 25.0)
    await journal.merge(await now(journal, local_id), found)
    assert await journal.next_look_s("piapi", "ours") == 25.0


async def test_a_task_is_not_merged_unless_it_is_in_doubt(journal: Journal) -> None:
    local_id = await accepted(journal)
    found = (await journal.adopt("piapi", "ours", replace(DONE, task_id="far"))).task
    merged = await journal.merge(await now(journal, local_id), found)
    assert merged.status == "pending"
    assert await now(journal, found.local_id) == found


async def test_doubts_are_listed_newest_first(journal: Journal, clock: ManualClock) -> None:
    keys = [await prepared(journal) for _ in range(2)]
    clock.jumped_s -= 9.0
    keys.append(await prepared(journal))
    await accepted(journal)
    for key in keys:
        await journal.doubt(key, NEW, "?")
    assert [task.local_id for task in await journal.in_doubt()] == keys[::-1]


async def test_up_to_ten_running_tasks_of_a_service_are_listed_oldest_first(
    journal: Journal, clock: ManualClock
) -> None:
    for number in range(11):
        await accepted(journal, NEW, f"t{number}")
    await journal.record((await journal.running("piapi"))[1].local_id, RUNNING)
    await journal.record((await journal.running("piapi"))[2].local_id, FAILED)
    await prepared(journal)
    await accepted(journal, replace(NEW, service="gptge"), "s1")
    assert [task.task_id for task in await journal.running("gptge")] == ["s1"]
    running = [task.task_id for task in await journal.running("piapi")]
    assert running == ["t0", "t1", *(f"t{number}" for number in range(3, 11))]
    clock.jumped_s -= 9.0
    await accepted(journal, NEW, "t11")
    ids = [task.task_id for task in await journal.running("piapi")]
    assert ids == running, "it is the youngest, whatever the clock says"


# Reports ------------------------------------------------------------------------------------


async def test_a_report_is_written_with_all_that_it_says(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal, replace(NEW, model=""))
    clock.elapsed_s += 5.0
    running = await journal.record(local_id, replace(RUNNING, model="theirs"))
    assert not running.ended_now
    assert (running.task.status, running.task.provider_status) == ("processing", "working")
    assert (running.task.progress_percent, running.task.model) == (40, "theirs")
    assert (running.task.finished_at, running.task.looked_at) == (None, clock.now())
    clock.elapsed_s += 5.0
    ended = await journal.record(local_id, replace(DONE, model="other"))
    assert ended.ended_now
    task = ended.task
    assert (task.status, task.provider_status) == ("completed", "finished")
    assert (task.charged, task.cost_usd, task.progress_percent) == ("yes", 0.05, 100)
    assert (task.lyrics, task.clips, task.model) == (Lyrics("Quay", "Lamps"), (CLIP,), "theirs")
    assert (task.finished_at, task.looked_at) == (clock.now(), clock.now())
    clock.elapsed_s += 5.0
    late = (await journal.record(local_id, FAILED)).task
    assert late == replace(task, looked_at=clock.now()), "only that it was asked"


async def test_a_service_says_itself_when_a_task_was_made_and_ended(
    journal: Journal, clock: ManualClock
) -> None:
    made, ended = START - timedelta(hours=2), START - timedelta(hours=1)
    report = replace(FAILED, created_at=made, finished_at=ended, model="theirs", kind="extension")
    task = (await journal.adopt("piapi", "theirs", report)).task
    assert (task.created_at, task.finished_at) == (made, ended)
    assert (task.status, task.error, task.charged) == ("failed", "It broke.", "no")
    assert (task.model, task.kind, task.task_id) == ("theirs", "extension", "t1")
    other = (await journal.adopt("piapi", "theirs", replace(RUNNING, task_id="t2"))).task
    assert (other.created_at, other.request, other.title) == (START, {}, "")


async def test_what_a_later_report_does_not_know_stays(journal: Journal) -> None:
    local_id = await accepted(journal)
    await journal.record(local_id, replace(DONE, status="processing"))
    task = (await journal.record(local_id, replace(RUNNING, error="hm"))).task
    assert (task.charged, task.cost_usd, task.error) == ("yes", 0.05, "hm")
    assert (task.lyrics, task.clips) == (Lyrics("Quay", "Lamps"), (CLIP,))


async def test_a_clip_gets_the_services_title_when_that_is_known(journal: Journal) -> None:
    local_id = await accepted(journal, replace(NEW, title=""))
    await journal.record(local_id, replace(RUNNING, clips=(Clip("c1"),)))
    (clip,) = (await journal.record(local_id, DONE)).task.clips
    assert (clip.title, clip.service_title) == ("Theirs", "Theirs")


async def test_a_later_report_replaces_a_clip_and_keeps_the_order_of_the_service(
    journal: Journal,
) -> None:
    local_id = await accepted(journal)
    early = Clip("c1", "processing", title="Quay")
    other = Clip("c2", "processing", title="Quay")
    first = replace(RUNNING, clips=(early, other))
    assert (await journal.record(local_id, first)).task.clips == (early, other)
    broken = replace(early, status="failed", error="It broke.")
    second = replace(RUNNING, clips=(broken, other))
    assert (await journal.record(local_id, second)).task.clips == (broken, other)
    task = (await journal.record(local_id, replace(DONE, clips=(other, CLIP)))).task
    assert task.clips == (other, CLIP)


@pytest.mark.parametrize("lyrics", [Lyrics("Tram", ""), Lyrics("", "Verse")])
async def test_half_of_the_lyrics_are_lyrics(journal: Journal, lyrics: Lyrics) -> None:
    local_id = await accepted(journal)
    assert (await journal.record(local_id, replace(DONE, lyrics=lyrics))).task.lyrics == lyrics


async def test_every_draft_of_the_lyrics_is_kept_until_a_report_has_others(
    journal: Journal,
) -> None:
    local_id = await accepted(journal)
    drafts = Lyrics("One", "first", (Lyrics("Two", "second"), Lyrics("", "")))
    running = replace(RUNNING, lyrics=drafts)
    assert (await journal.record(local_id, running)).task.lyrics == drafts
    assert not drafts.is_whole
    assert (await journal.record(local_id, RUNNING)).task.lyrics == drafts
    ended = await journal.record(local_id, DONE)
    assert ended.task.lyrics == DONE.lyrics == Lyrics("Quay", "Lamps")
    assert ended.task.lyrics.is_whole


@pytest.mark.parametrize(
    ("told", "charged", "cost_usd"),
    [
        (replace(FAILED, charged="unknown"), "unknown", None),
        (FAILED, "no", None),
        (replace(FAILED, charged="yes", cost_usd=0.02), "yes", 0.02),
    ],
)
async def test_of_a_failure_only_its_own_report_tells_the_money(
    journal: Journal, told: Report, charged: str, cost_usd: float | None
) -> None:
    local_id = await accepted(journal)
    frozen = replace(RUNNING, charged="yes", cost_usd=0.05)
    assert (await journal.record(local_id, frozen)).task.charged == "yes"
    task = (await journal.record(local_id, told)).task
    assert (task.charged, task.cost_usd) == (charged, cost_usd)


async def test_what_a_task_cost_in_units_stays_known(journal: Journal) -> None:
    local_id = await accepted(journal)
    await journal.record(local_id, replace(RUNNING, cost_units=0.1))
    assert (await journal.record(local_id, DONE)).task.cost_units == 0.1


async def test_the_reports_of_several_tasks_are_written_together(journal: Journal) -> None:
    keys = [await accepted(journal, NEW, key) for key in ("t1", "t2")]
    recorded = await journal.record_all({keys[0]: DONE, keys[1]: RUNNING})
    assert [each.task.local_id for each in recorded] == keys
    assert [each.ended_now for each in recorded] == [True, False]


async def test_polling_is_stopped_for_an_open_task_and_once(
    journal: Journal, clock: ManualClock
) -> None:
    open_keys = [
        await prepared(journal), await accepted(journal), await accepted(journal, NEW, "t2"),
    ]  # fmt: skip
    await journal.record(open_keys[2], replace(RUNNING, task_id="t2"))
    ended, bystander = await accepted(journal, NEW, "t3"), await accepted(journal, NEW, "t4")
    await journal.record(ended, replace(DONE, task_id="t3"))
    for _ in range(2):
        for key in (*open_keys, ended):
            await journal.unfollow(key)
        clock.elapsed_s += 5.0
    assert [(await now(journal, key)).unfollowed_at for key in open_keys] == [START] * 3
    assert (await now(journal, ended)).unfollowed_at is None
    assert (await now(journal, bystander)).unfollowed_at is None


async def test_of_the_first_delivery_alone_the_time_is_kept(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal)
    await journal.record(local_id, DONE)
    await journal.deliver([])
    assert (await journal.prepare(NEW, join=True)).joined
    await journal.deliver([local_id, "t1"])
    assert not (await journal.prepare(NEW, join=True)).joined


# Clips --------------------------------------------------------------------------------------


async def test_where_a_clip_is_saved_is_written_for_that_clip_alone(journal: Journal) -> None:
    local_id, other = await accepted(journal), await accepted(journal, NEW, "t2")
    unmeasured = replace(CLIP, duration_s=None)
    twin = replace(unmeasured, clip_id="c2")
    for key in (local_id, other):
        await journal.record(key, replace(DONE, clips=(unmeasured, twin)))
    saved = replace(
        unmeasured, file=Path("/m/a.mp3"), cover=Path("/m/a.png"), mime_type="audio/mpeg",
        lyrics_file=Path("/m/a.lrc"), duration_s=9.25, save_error="",
    )  # fmt: skip
    assert (await journal.save_clip(local_id, saved)).clips == (saved, twin)
    assert (await now(journal, other)).clips == (unmeasured, twin)
    failed = replace(
        saved, file=None, cover=None, lyrics_file=None, duration_s=1.0, save_error="It is gone."
    )
    told = (await journal.save_clip(local_id, failed)).clips[0]
    assert replace(told, next_try_at=None) == replace(failed, duration_s=9.25)
    assert told.next_try_at == START + timedelta(seconds=2)


# Finding ------------------------------------------------------------------------------------


async def test_a_task_is_found_by_either_id_at_one_service_or_any(journal: Journal) -> None:
    mine = await accepted(journal)
    suno = (await journal.adopt("gptge", "ours", DONE)).task.local_id
    assert (await now(journal, "t1")).local_id == suno, "the newer one"
    for service, key in (("piapi", mine), ("gptge", suno)):
        for any_id in ("t1", key):
            task = await journal.find(any_id, service)
            assert task is not None
            assert task.local_id == key
    assert await journal.find(mine, "gptge") is None
    await prepared(journal)
    assert await journal.find("") is None
    assert await journal.find("unknown") is None


async def test_of_one_id_the_newest_task_is_found(journal: Journal, clock: ManualClock) -> None:
    await accepted(journal)
    clock.jumped_s -= 9.0
    later = await accepted(journal)
    assert (await now(journal, "t1")).local_id == later, "whatever the clock says"


async def test_adopting_a_task_of_ours_reports_on_it(journal: Journal) -> None:
    local_id = await accepted(journal)
    recorded = await journal.adopt("piapi", "ours", DONE)
    assert (recorded.task.local_id, recorded.ended_now) == (local_id, True)
    assert (await journal.search("", 9)).total == 1


@pytest.mark.parametrize("reports", [(), (DONE,), (FAILED,), (RUNNING, DONE, DONE)])
async def test_what_costs_nothing_is_never_charged_whatever_a_service_says(
    journal: Journal, reports: tuple[Report, ...]
) -> None:
    local_id = await accepted(journal, replace(NEW, wire={**NEW.wire, "is_free": True}))
    assert (await now(journal, local_id)).charged == "no"
    for each in reports:
        await journal.record(local_id, replace(each, charged="yes"))
        assert (await now(journal, local_id)).charged == "no"


async def test_a_failure_that_costs_nothing_is_known_to_cost_nothing(journal: Journal) -> None:
    local_id = await accepted(journal, replace(NEW, wire={**NEW.wire, "is_free": True}))
    await journal.record(local_id, replace(FAILED, charged="unknown"))
    assert (await now(journal, local_id)).charged == "no"


async def test_an_unknown_task_cannot_be_changed(journal: Journal) -> None:
    for write in (journal.record("x", DONE), journal.abandon("x", "closed")):
        with pytest.raises(JournalError, match="no task x"):
            await write


@pytest.mark.parametrize(
    "query",
    ["t1", "local-", "quay", "WALTZ", "lamps", "verse", "tram", "take", "theirs", "sung quay"],
)
async def test_every_text_of_a_task_and_its_clips_can_be_searched_for(
    journal: Journal, query: str
) -> None:
    new = replace(NEW, request={"lyrics": "Lamps"})
    local_id = await accepted(journal, new)
    other = replace(NEW, title="", description="polka")
    clip = replace(CLIP, clip_id="take", lyrics="Sung")  # ids of ours are of hex digits
    done = replace(DONE, clips=(clip,), lyrics=Lyrics("Tram", "Verse"))
    await journal.record(local_id, done)
    await accepted(journal, other, "x2")
    found = await journal.search(query, 9)
    assert [task.local_id for task in found.tasks][-1] == local_id
    assert found.total == (2 if query == "local-" else 1)
    assert (await journal.search(f"{query} polka", 9)).total == (1 if query == "local-" else 0)


async def test_a_journal_that_is_closed_holds_no_file_and_can_be_used_again(
    journal: Journal,
) -> None:
    local_id = await prepared(journal)
    held = len(list(Path("/dev/fd").iterdir()))
    await journal.close()
    assert len(list(Path("/dev/fd").iterdir())) < held
    assert (await now(journal, local_id)).status == "submitting"
