"""A finished task can still get better, never worse; and it has no clips that nobody made."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from song_mcp.journal import Change, Journal, NewTask, SaveClaim
from song_mcp.songs import Clip, ClipStatus, Lyrics, Report, ServiceStatus, Task
from tests.manual_clock import START, ManualClock

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
NEW = NewTask(
    "gptge", "suno-v5", "song", "print", "Quay", "waltz", {"description": "waltz"},
    wire={"path": "/p", "body": {}, "deadline_s": 60.0}, account="ours", owner="me",
)  # fmt: skip
WHY = "It is not known."


def clip(name: str, link: str = "", **fields: object) -> Clip:
    """Return a finished clip if it has a link, else one that is being made."""
    status = "completed" if link else "processing"
    url = f"https://x/{link}" if link else ""
    return replace(Clip(name, status), audio_url=url, **fields)  # type: ignore[arg-type] # test


def report(status: ServiceStatus, *clips: Clip, **fields: object) -> Report:
    return replace(Report("t1", status, status), clips=clips, **fields)  # type: ignore[arg-type] # test


async def accepted(journal: Journal) -> str:
    local_id = (await journal.prepare(NEW, join=False)).task.local_id
    await journal.accept(local_id, NEW, "t1", None)
    return local_id


async def after(journal: Journal, *reports: Report) -> Task:
    """Return a task of which a service reported all this, one after the other."""
    local_id = await accepted(journal)
    for each in reports:
        await journal.record(local_id, each)
    return await now(journal, local_id)


async def now(journal: Journal, local_id: str) -> Task:
    task = await journal.find(local_id)
    assert task is not None
    return task


def names(task: Task) -> list[str]:
    return [each.clip_id for each in task.clips]


def links(task: Task) -> list[str]:
    return [each.audio_url.removeprefix("https://x/") for each in task.clips]


async def save(journal: Journal, task: Task, name: str) -> None:
    found = task.clip(name)
    assert found is not None
    await journal.save_clip(task.local_id, replace(found, file=Path(f"{name}.mp3")))


# Clips that come later -----------------------------------------------------------------------


async def test_a_clip_that_comes_after_the_end_is_taken_over_and_told(journal: Journal) -> None:
    task = await after(journal, report("completed", clip("a", "a1")))
    before = await journal.changes_since(None)
    recorded = await journal.record(
        task.local_id, report("completed", clip("a", "a1"), clip("b", "b1"))
    )
    assert (names(recorded.task), recorded.ended_now) == (["a", "b"], False)
    assert [each.is_late for each in recorded.task.clips] == [False, True]
    news = await journal.changes_since(before.number)
    assert (news.is_list_changed, news.changes) == (True, (Change((task.local_id, "t1"), ("b",)),))


@pytest.mark.parametrize("status", ["processing", "failed"])
async def test_a_clip_without_audio_at_the_end_gets_it_later(
    journal: Journal, status: ClipStatus
) -> None:
    silent = replace(clip("b"), status=status, error="No audio.")
    task = await after(
        journal,
        report("completed", clip("a", "a1"), silent),
        report("completed", clip("a", "a1"), clip("b", "b1")),
    )
    assert [(each.status, each.error) for each in task.clips] == [("completed", "")] * 2


async def test_a_task_without_clips_gets_them_later_and_loses_the_words_on_that(
    journal: Journal,
) -> None:
    task = await after(
        journal,
        report("completed", error="It gave no audio."),
        report("completed", clip("a", "a1")),
        report("completed", error="It gave no audio."),
    )
    assert (names(task), task.error) == (["a"], "")


async def test_lyrics_that_have_more_drafts_later_are_taken_over(journal: Journal) -> None:
    short = Lyrics("One", "first")
    long = replace(short, others=(Lyrics("Two", "second"),))
    task = await after(
        journal,
        report("completed", lyrics=short),
        report("completed", lyrics=long),
        report("completed", lyrics=short),
    )
    assert task.lyrics == long


# Links ---------------------------------------------------------------------------------------


async def test_a_newer_link_is_used_and_the_earlier_ones_are_kept_until_the_clip_is_saved(
    journal: Journal,
) -> None:
    looks = [report("completed", clip("a", f"a{number}")) for number in range(6)]
    task = await after(journal, *looks)
    (found,) = task.clips
    assert found.audio_url == "https://x/a5"
    assert found.earlier_urls == ("https://x/a4", "https://x/a3")
    await save(journal, task, "a")
    await journal.record(task.local_id, report("completed", clip("a", "a6")))
    (found,) = (await now(journal, task.local_id)).clips
    assert (found.audio_url, found.earlier_urls) == ("https://x/a6", ())


async def test_a_link_that_comes_back_is_kept_once(journal: Journal) -> None:
    looks = [report("completed", clip("a", link)) for link in ("old", "new", "old")]
    (found,) = (await after(journal, *looks)).clips
    assert (found.audio_url, found.earlier_urls) == ("https://x/old", ("https://x/new",))


@pytest.mark.parametrize("status", ["processing", "failed", "completed"])
@pytest.mark.parametrize("whole", ["processing", "completed", "failed"])
async def test_a_later_look_without_a_link_hides_none(
    journal: Journal, status: ClipStatus, whole: ServiceStatus
) -> None:
    empty = replace(clip("a"), status=status)
    shown = clip("a", "a1", duration_s=9.0, image_url="https://x/p", lyrics="la", tags=("folk",))
    for first in ("processing", "completed"):
        task = await after(journal, report(first, shown), report(whole, empty))
        (found,) = task.clips
        assert (found.status, found.audio_url) == ("completed", "https://x/a1")
        assert (found.duration_s, found.image_url, found.lyrics, found.tags) == (
            9.0, "https://x/p", "la", ("folk",),
        )  # fmt: skip


# Ghosts --------------------------------------------------------------------------------------


async def test_clips_whose_ids_change_while_the_task_runs_leave_no_ghost(journal: Journal) -> None:
    task = await after(
        journal,
        report("processing", clip("t1"), clip("t1-2")),
        report("completed", clip("a", "a1"), clip("b", "b1")),
    )
    assert names(task) == ["a", "b"]


@pytest.mark.parametrize("end", ["completed", "failed"])
async def test_clips_that_the_last_list_does_not_have_are_gone_at_the_end(
    journal: Journal, end: ServiceStatus
) -> None:
    broken = replace(clip("c"), status="failed", error="Broken.")
    running = report("processing", clip("a"), clip("b"), broken)
    assert names(await after(journal, running, report(end, clip("a", "a1")))) == ["a"]
    assert names(await after(journal, running, report(end))) == []


async def test_a_list_that_is_empty_for_a_moment_takes_no_clip_of_a_running_task(
    journal: Journal,
) -> None:
    task = await after(journal, report("processing", clip("a"), clip("b")), report("processing"))
    assert names(task) == ["a", "b"]


async def test_a_clip_with_a_link_stays_though_the_last_list_does_not_have_it(
    journal: Journal,
) -> None:
    both, one = [clip("a", "a1"), clip("b", "b1")], [clip("a", "a1")]
    for first in ("processing", "completed"):
        task = await after(journal, report(first, *both), report("completed", *one))
        assert names(task) == ["a", "b"]


async def failed_to_save(journal: Journal, task: Task, name: str, *, link_failed: bool) -> None:
    found = task.clip(name)
    assert found is not None
    failed = replace(found, save_error="It did not come.", link_failed=link_failed)
    await journal.save_clip(task.local_id, failed)


BOTH, ONE = (clip("a", "a1"), clip("b", "b1")), (clip("a", "a1"),)


async def test_a_clip_that_is_listed_no_more_is_gone_when_its_link_was_tried_in_vain(
    journal: Journal,
) -> None:
    task = await after(journal, report("completed", *BOTH), report("completed", *ONE))
    await failed_to_save(journal, task, "b", link_failed=True)
    await journal.record(task.local_id, report("completed", *ONE))
    assert names(await now(journal, task.local_id)) == ["a"]


@pytest.mark.parametrize(
    ("link_failed", "last"),
    [(False, ONE), (True, BOTH), (True, ()), (True, (clip("a", "a1"), clip("b", "b2")))],
    ids=["no room", "listed", "nothing listed", "a new link"],
)
async def test_a_clip_whose_link_failed_stays_while_something_may_come_of_it(
    journal: Journal, last: Sequence[Clip], *, link_failed: bool
) -> None:
    task = await after(journal, report("completed", *BOTH))
    await failed_to_save(journal, task, "b", link_failed=link_failed)
    await journal.record(task.local_id, report("completed", *last))
    assert names(await now(journal, task.local_id)) == ["a", "b"]


async def test_a_new_link_was_not_tried_in_vain(journal: Journal) -> None:
    task = await after(journal, report("completed", *BOTH))
    await failed_to_save(journal, task, "b", link_failed=True)
    await journal.record(task.local_id, report("completed", clip("a", "a1"), clip("b", "b2")))
    await failed_to_save(journal, task, "b", link_failed=True)  # of the link before
    for told in (ONE, ONE):
        await journal.record(task.local_id, report("completed", *told))
        assert names(await now(journal, task.local_id)) == ["a", "b"]


async def test_a_saved_clip_stays_though_the_last_list_does_not_have_it(journal: Journal) -> None:
    task = await after(journal, report("processing", clip("a", "a1"), clip("b")))
    await save(journal, task, "a")
    await journal.record(task.local_id, report("completed", clip("b", "b1")))
    assert sorted(names(await now(journal, task.local_id))) == ["a", "b"]


async def test_a_clip_that_gets_another_id_with_the_same_link_is_one_clip(
    journal: Journal,
) -> None:
    task = await after(journal, report("processing", clip("early", "a1")))
    await save(journal, task, "early")
    before = await journal.changes_since(None)
    await journal.record(task.local_id, report("completed", clip("a", "a1"), clip("b", "b1")))
    found = await now(journal, task.local_id)
    assert [(each.clip_id, each.is_saved) for each in found.clips] == [("a", True), ("b", False)]
    (change,) = (await journal.changes_since(before.number)).changes
    assert set(change.clip_ids) >= {"early", "a", "b"}, "who listens to the old id is told"


async def test_a_clip_without_an_id_of_its_own_is_the_one_in_its_place(journal: Journal) -> None:
    task = await after(journal, report("processing", clip("t1", "old1"), clip("t1-2", "old2")))
    for name in ("t1", "t1-2"):
        await save(journal, task, name)
    await journal.record(task.local_id, report("completed", clip("a", "a1"), clip("b", "b1")))
    found = await now(journal, task.local_id)
    files = [(each.clip_id, str(each.file)) for each in found.clips]
    assert files == [("a", "t1.mp3"), ("b", "t1-2.mp3")]


async def test_a_clip_that_is_called_otherwise_while_it_is_saved_is_saved(
    journal: Journal,
) -> None:
    task = await after(journal, report("processing", clip("early", "a1")))
    ((_, claimed),) = await journal.claim_saves(SaveClaim("", "me", 5))
    await journal.record(task.local_id, report("completed", clip("a", "a2"), clip("b", "a1")))
    await journal.record(task.local_id, report("completed", clip("a", "a2"), clip("b", "b2")))
    await journal.save_clip(task.local_id, replace(claimed, file=Path("a.mp3")))
    found = await now(journal, task.local_id)
    assert [each.clip_id for each in found.clips if each.is_saved] == ["b"]


async def test_a_clip_that_is_listed_twice_is_one_clip(journal: Journal) -> None:
    listed = [clip("a", "a1"), clip("a-2", "a1"), clip("b", "b1")]
    assert names(await after(journal, report("completed", *listed))) == ["a", "b"]


async def test_an_answer_from_before_the_end_brings_nothing_but_finished_audio(
    journal: Journal,
) -> None:
    ended = report("completed", clip("a", "a1"), clip("b"))
    late = report("processing", clip("t1"), clip("b", "b1"), clip("a"), progress_percent=40)
    task = await after(journal, ended, late)
    assert (names(task), links(task)) == (["a", "b"], ["a1", "b1"])
    assert (task.status, task.progress_percent, task.provider_status) == (
        "completed", None, "completed",
    )  # fmt: skip


# The money -----------------------------------------------------------------------------------


async def test_what_is_known_of_the_money_never_becomes_less(journal: Journal) -> None:
    charged = report("completed", clip("a", "a1"), charged="yes", cost_usd=0.05)
    task = await after(
        journal,
        charged,
        report("completed", clip("a", "a1"), charged="unknown"),
        report("completed", clip("a", "a1"), charged="no", cost_usd=0.0),
    )
    assert (task.charged, task.cost_usd) == ("yes", 0.05)
    task = await after(
        journal,
        report("failed", charged="no"),
        report("failed", charged="yes", cost_usd=0.05),
    )
    assert (task.charged, task.cost_usd) == ("yes", 0.05)


@pytest.mark.parametrize("end", ["completed", "failed"])
@pytest.mark.parametrize("later", ["pending", "processing", "completed", "failed"])
async def test_an_ended_task_keeps_its_status(
    journal: Journal, end: ServiceStatus, later: ServiceStatus
) -> None:
    task = await after(journal, report(end), report(later, clip("a", "a1"), error="?"))
    assert (task.status, names(task)) == (end, ["a"])


# Asking once more ----------------------------------------------------------------------------


async def test_an_ended_task_is_asked_about_once_in_20_s_by_all_processes(
    journal: Journal, clock: ManualClock
) -> None:
    task = await after(journal, report("completed"))
    other = Journal(journal.path, clock.now)
    asked: list[float] = []
    for _ in range(45):
        claimed = [await each.claim_again(task.local_id) for each in (journal, other)]
        asked += [clock.elapsed_s] * sum(claimed)
        clock.elapsed_s += 1.0
    await other.close()
    assert asked == [0.0, 20.0, 40.0]


async def test_a_clock_that_was_set_back_delays_no_question(
    journal: Journal, clock: ManualClock
) -> None:
    task = await after(journal, report("completed"))
    assert await journal.claim_again(task.local_id)
    clock.jumped_s = -DAY_S
    assert await journal.claim_again(task.local_id)
    assert not await journal.claim_again(task.local_id)


async def test_an_open_task_is_not_asked_about_once_more(journal: Journal) -> None:
    assert not await journal.claim_again(await accepted(journal))


# Tasks that their service does not know ------------------------------------------------------


async def unknown(
    journal: Journal, local_id: str, times: Sequence[float], clock: ManualClock
) -> Task:
    """Have the service say at these ages of the task, in seconds, that it does not know it."""
    for at in times:
        clock.elapsed_s = at
        await journal.record_unknown(local_id, WHY)
    return await now(journal, local_id)


async def test_a_task_that_is_unknown_for_two_hours_has_failed_and_its_price_is_unknown(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal)
    task = await unknown(journal, local_id, [2, 3600, 7201], clock)
    assert (task.status, task.charged, task.is_unknown) == ("pending", "yes", True)
    recorded = await journal.record_unknown(local_id, WHY)
    assert not recorded.ended_now
    clock.elapsed_s = 7202.0
    recorded = await journal.record_unknown(local_id, WHY)
    assert recorded.ended_now
    task = recorded.task
    assert (task.status, task.charged, task.error) == ("failed", "unknown", WHY)
    assert task.ended_at == task.finished_at == clock.now()
    assert (await journal.spending()).paid == 1, "it may have been paid"


async def test_any_other_answer_of_the_service_begins_the_two_hours_anew(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal)
    await unknown(journal, local_id, [2, 7000], clock)
    await journal.record(local_id, report("processing"))
    assert not (await now(journal, local_id)).is_unknown
    task = await unknown(journal, local_id, [7010, 14_209], clock)
    assert task.status == "processing"
    assert (await unknown(journal, local_id, [14_210], clock)).status == "failed"


async def test_a_clock_that_was_set_back_ends_no_task(journal: Journal, clock: ManualClock) -> None:
    local_id = await accepted(journal)
    await unknown(journal, local_id, [10], clock)
    clock.jumped_s = -DAY_S
    await unknown(journal, local_id, [20], clock)
    task = await unknown(journal, local_id, [7210], clock)
    assert task.status == "pending"
    assert (await unknown(journal, local_id, [7220], clock)).status == "failed"


async def test_what_has_ended_does_not_become_unknown(journal: Journal) -> None:
    task = await after(journal, report("completed", clip("a", "a1")))
    assert (await journal.record_unknown(task.local_id, WHY)).task == task


async def test_an_unknown_task_is_polled_until_the_two_hours_are_over(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal)
    await unknown(journal, local_id, [2], clock)
    looks = 0
    while (await now(journal, local_id)).is_open and clock.elapsed_s < DAY_S:
        clock.elapsed_s += 30.0
        for task in await journal.claim_looks("gptge", "ours", 0, 9, lambda age_s: age_s + 30):
            looks += 1
            await journal.record_unknown(task.local_id, WHY)
    assert 7202 <= clock.elapsed_s <= 7240
    assert looks > 200


async def test_an_equal_request_joins_an_unknown_task_only_until_it_has_failed(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal)
    await unknown(journal, local_id, [2, 7200], clock)
    assert (await journal.prepare(NEW, join=True)).task.local_id == local_id
    lost = await unknown(journal, local_id, [7202], clock)
    again = await journal.prepare(NEW, join=True)
    assert not again.joined
    assert again.lost == lost
    await journal.reject(again.task.local_id, NEW, "no")
    other = await journal.prepare(replace(NEW, fingerprint="other"), join=True)
    assert other.lost is None
    clock.elapsed_s += DAY_S
    assert (await journal.prepare(NEW, join=True)).lost is None, "nobody repeats that any more"


async def test_what_the_service_says_later_of_a_lost_task_is_taken(
    journal: Journal, clock: ManualClock
) -> None:
    local_id = await accepted(journal)
    await unknown(journal, local_id, [2, 7202], clock)
    await journal.record(local_id, report("failed", error="Timeout.", charged="no"))
    task = await now(journal, local_id)
    assert (task.status, task.error, task.charged, task.is_unknown) == (
        "failed", "Timeout.", "no", False,
    )  # fmt: skip
    assert task.created_at == START
