"""Settling a doubt: only the very same request, of the same account and time, counts as it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from song_mcp.errors import Charged, InvalidRequestError, ServiceError
from song_mcp.journal import Journal, NewTask
from song_mcp.providers.base import Account
from song_mcp.songs import Clip, Report, Task
from song_mcp.studio import reconcile
from tests.manual_clock import START, ManualClock
from tests.memory_services import spare_the_disk
from tests.studio.teller import Teller

NEW = NewTask(
    "piapi", "udio", "song", "print", "Quay", "waltz", {"description": "waltz"},
    wire={"path": "/p", "body": {}, "deadline_s": 60.0}, account="ours", owner="me",
)  # fmt: skip
CLIP = Clip("c1", "completed", audio_url="https://x/a.mp3")
FOUND = Report(
    "far", "completed", "completed", clips=(CLIP,), charged="yes", cost_usd=0.05,
    created_at=START, asked="waltz",
)  # fmt: skip


@dataclass
class Desk:
    journal: Journal
    clock: ManualClock

    async def doubt(self, new: NewTask = NEW, balance_usd: float | None = None) -> Task:
        task = (await self.journal.prepare(new, join=False)).task
        await self.journal.begin(task.local_id, new.owner, balance_usd)
        return await self.journal.doubt(task.local_id, new, "Nothing came.")

    async def adopt(self, report: Report, account: str = "ours") -> None:
        await self.journal.adopt("piapi", account, report)

    async def check(self, task: Task, teller: Teller | None = None) -> tuple[Task, str]:
        return await reconcile.check(self.journal, teller, task, self.clock.now)

    async def is_joined(self, task: Task) -> bool:
        after, _ = await self.check(task)
        return after.status != "in_doubt"


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    spare_the_disk(monkeypatch)
    clock = ManualClock()
    journal = Journal(tmp_path / "j.sqlite3", clock.now)
    yield Desk(journal, clock)
    await journal.close()


# What became of it --------------------------------------------------------------------------


async def test_the_one_task_that_asked_for_the_same_then_is_joined_with_the_doubt(
    desk: Desk,
) -> None:
    task = await desk.doubt()
    await desk.adopt(FOUND)
    after, said = await desk.check(task)
    assert (after.local_id, after.task_id, after.status) == (task.local_id, "far", "completed")
    assert (after.charged, after.cost_usd, after.title) == ("yes", 0.05, "Quay")
    assert [clip.clip_id for clip in after.clips] == ["c1"]
    assert "Task far" in said
    assert (await desk.journal.search("", 9)).total == 1


async def test_an_answer_that_names_another_task_after_the_doubt_was_settled_is_kept(
    desk: Desk,
) -> None:
    task = await desk.doubt()
    await desk.adopt(FOUND)
    assert await desk.is_joined(task)
    for _ in range(2):
        recorded = await desk.journal.accept(task.local_id, NEW, "near", None)
        assert (recorded.task.task_id, recorded.task.charged) == ("near", "yes")
    joined = await desk.journal.find(task.local_id)
    assert joined is not None
    assert joined.task_id == "far"
    assert (await desk.journal.search("", 9)).total == 2


async def test_lyrics_of_our_own_are_what_is_compared(desk: Desk) -> None:
    new = replace(NEW, request={"description": "waltz", "lyrics": "Lamps"})
    task = await desk.doubt(new)
    await desk.adopt(FOUND)
    assert not await desk.is_joined(task)
    await desk.adopt(replace(FOUND, task_id="far2", asked="Lamps"))
    assert await desk.is_joined(task)


@pytest.mark.parametrize("seconds", [-60, 0, 600])
async def test_a_task_of_that_time_is_joined(desk: Desk, seconds: float) -> None:
    task = await desk.doubt()
    await desk.adopt(replace(FOUND, created_at=START + timedelta(seconds=seconds)))
    assert await desk.is_joined(task)


@pytest.mark.parametrize("seconds", [-61, 601, -86400, 86400])
async def test_a_task_of_another_time_is_not_joined(desk: Desk, seconds: float) -> None:
    task = await desk.doubt()
    await desk.adopt(replace(FOUND, created_at=START + timedelta(seconds=seconds)))
    assert not await desk.is_joined(task)


@pytest.mark.parametrize(
    "other",
    [replace(FOUND, asked="polka"), replace(FOUND, kind="extension"), replace(FOUND, asked="")],
)
async def test_a_task_that_asked_for_something_else_is_not_joined(
    desk: Desk, other: Report
) -> None:
    task = await desk.doubt(replace(NEW, description="") if not other.asked else NEW)
    await desk.adopt(other)
    assert not await desk.is_joined(task)


async def test_a_task_of_another_account_or_service_is_not_joined(desk: Desk) -> None:
    task = await desk.doubt()
    await desk.adopt(FOUND, account="theirs")
    await desk.journal.adopt("gptge", "ours", replace(FOUND, task_id="far2"))
    assert not await desk.is_joined(task)


async def test_a_task_that_was_made_here_is_not_joined(desk: Desk) -> None:
    task = await desk.doubt()
    other = (await desk.journal.prepare(NEW, join=False)).task
    await desk.journal.accept(other.local_id, NEW, "far", FOUND)
    assert not await desk.is_joined(task)


async def test_of_two_that_asked_for_the_same_none_is_joined(desk: Desk) -> None:
    task = await desk.doubt()
    await desk.adopt(FOUND)
    await desk.adopt(replace(FOUND, task_id="far2", created_at=START - timedelta(seconds=9)))
    await desk.adopt(replace(FOUND, task_id="far3", created_at=START + timedelta(seconds=9)))
    after, said = await desk.check(task)
    assert after == task
    assert "far2, far may be this one" in said


async def test_what_may_have_become_of_another_doubt_is_not_joined(desk: Desk) -> None:
    task = await desk.doubt()
    rival = await desk.doubt()
    await desk.adopt(FOUND)
    after, said = await desk.check(task)
    assert after == task
    assert "far may be this one" in said
    await desk.journal.abandon(rival.local_id, "closed")
    assert await desk.is_joined(task)


async def test_a_doubt_about_another_clip_in_the_same_words_is_a_rival(desk: Desk) -> None:
    """What a service shows of a task does not tell which clip went along."""

    def about(clip_id: str) -> NewTask:
        audio = {"clip_id": clip_id, "task_id": "", "service": "", "file": f"/{clip_id}.mp3"}
        return replace(NEW, fingerprint=clip_id, wire={**NEW.wire, "audio": audio})

    task, rival = await desk.doubt(about("one")), await desk.doubt(about("two"))
    await desk.adopt(FOUND)
    assert not await desk.is_joined(task)
    await desk.journal.abandon(rival.local_id, "closed")
    assert await desk.is_joined(task)


async def test_a_doubt_about_something_else_is_no_rival(desk: Desk) -> None:
    other = replace(NEW, fingerprint="other", wire={**NEW.wire, "body": {"prompt": "polka"}})
    await desk.doubt(other)
    task = await desk.doubt()
    await desk.doubt(other)
    await desk.adopt(FOUND)
    assert await desk.is_joined(task)


# The balance --------------------------------------------------------------------------------


async def hint(desk: Desk, before: float | None, after: Account | Exception | None) -> str:
    task = await desk.doubt(balance_usd=before)
    stored = await desk.journal.find(task.local_id)
    assert stored is not None
    checked, said = await desk.check(stored, Teller(balance=after))
    assert checked == stored, "a balance settles nothing"
    assert "task list on PiAPI's own pages" in said
    assert "call get_task with its id, then check again" in said
    return said


@pytest.mark.parametrize(
    ("left_usd", "verdict"),
    [
        (9.0, "very probably not charged"),
        (9.004, "very probably not charged"),
        (8.95, "very probably charged"),
        (8.954, "very probably charged"),
        (8.993, "unexplained"),
        (8.99, "unexplained"),
        (8.9, "unexplained"),
        (9.1, "unexplained"),
    ],
)
async def test_the_balance_before_and_after_is_a_hint(
    desk: Desk, left_usd: float, verdict: str
) -> None:
    said = await hint(desk, 9.0, Account(balance_usd=left_usd))
    assert f"was $9.00 just before and is ${left_usd:.2f} now" in said
    assert verdict in said


@pytest.mark.parametrize(
    ("before", "left_usd", "verdict"),
    [
        (9.0, 8.995, "very probably charged"),
        (1000.0, 999.995, "very probably charged"),
        (9.0, 8.9973, "unexplained"),
        (9.0, 8.999, "very probably not charged"),
    ],
)
async def test_a_song_for_half_a_cent_is_a_difference_too(
    desk: Desk, before: float, left_usd: float, verdict: str
) -> None:
    short = replace(NEW, model="ace-step", request={"duration_s": 10})
    stored = await desk.journal.find((await desk.doubt(short, before)).local_id)
    assert stored is not None
    _, said = await desk.check(stored, Teller(balance=Account(balance_usd=left_usd)))
    assert verdict in said


async def test_where_no_price_is_known_a_difference_stays_unexplained(desk: Desk) -> None:
    task = await desk.doubt(replace(NEW, service="gptge"), balance_usd=9.0)
    stored = await desk.journal.find(task.local_id)
    assert stored is not None
    _, said = await desk.check(stored, Teller("gptge", balance=Account(balance_usd=8.0)))
    assert "$1.00 is unexplained" in said


async def test_half_a_cent_is_a_difference(desk: Desk) -> None:
    said = await hint(desk, 0.005, Account(balance_usd=0.0))
    assert "unexplained" in said


async def spent(desk: Desk, key: str, cost_usd: float, charged: Charged = "yes") -> None:
    task = (await desk.journal.prepare(NEW, join=False)).task
    await desk.journal.begin(task.local_id, NEW.owner, None)
    report = Report(key, "completed", "completed", charged=charged, cost_usd=cost_usd)
    await desk.journal.accept(task.local_id, NEW, key, report)


async def test_what_other_songs_cost_since_then_explains_the_balance(desk: Desk) -> None:
    await spent(desk, "before", 5.0)
    desk.clock.elapsed_s += 1.0
    task = await desk.doubt(balance_usd=9.0)
    stored = await desk.journal.find(task.local_id)
    assert stored is not None
    await spent(desk, "since", 1.5)
    await spent(desk, "refunded", 2.0, "no")
    new = replace(NEW, service="gptge")
    elsewhere = (await desk.journal.prepare(new, join=False)).task
    gptge = Report("s1", "completed", "completed", charged="yes", cost_usd=4.0)
    await desk.journal.accept(elsewhere.local_id, new, "s1", gptge)
    _, said = await desk.check(stored, Teller(balance=Account(balance_usd=7.5)))
    assert "other songs made here since explain $1.50" in said
    assert "very probably not charged" in said


async def test_without_two_balances_there_is_no_hint(desk: Desk) -> None:
    for before, after in ((None, Account(balance_usd=9.0)), (9.0, None), (9.0, Account("plus"))):
        assert "no balance of PiAPI to compare" in await hint(desk, before, after)
    _, said = await desk.check(await desk.doubt(balance_usd=9.0))
    assert "no balance of PiAPI to compare" in said


async def test_a_balance_that_cannot_be_read_is_told_as_such(desk: Desk) -> None:
    said = await hint(desk, 9.0, ServiceError("It is down."))
    assert "could not be read: It is down." in said


async def test_only_a_doubt_can_be_settled(desk: Desk) -> None:
    task = await desk.doubt()
    reconcile.must_be_in_doubt(task)
    closed = await desk.journal.abandon(task.local_id, "closed")
    with pytest.raises(InvalidRequestError, match="abandoned, not in doubt"):
        reconcile.must_be_in_doubt(closed)
