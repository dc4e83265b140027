"""One wish, one POST: what is written before it, after it, and whatever happens meanwhile."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.abc
import pytest

from song_mcp.errors import (
    InvalidRequestError,
    JournalError,
    LimitReachedError,
    NoAnswerError,
    PlanLimitError,
    RefusedError,
    ServiceError,
)
from song_mcp.journal import Journal, Liveness, NewTask, Orphaned, Recorded
from song_mcp.messages import our_mistake
from song_mcp.providers import Accepted, Account, Submission
from song_mcp.songs import (
    MODELS,
    ExtensionRequest,
    Report,
    Request,
    ServiceName,
    SongRequest,
    Source,
    Task,
)
from song_mcp.studio import submitter as module
from song_mcp.studio.calls import Calls
from song_mcp.studio.poller import Poller
from song_mcp.studio.submitter import Submitter
from tests.manual_clock import ManualClock
from tests.memory_services import spare_the_disk
from tests.studio.teller import Teller

WALTZ = SongRequest(MODELS["udio"], title="Quay", description="waltz")


class Disk(Journal):
    """A journal on a disk that fails so many times, and tells at which seconds it was tried."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        super().__init__(path, clock.now)
        self._clock = clock
        self.failures: dict[str, int] = {}
        self.tried_at: list[float] = []

    def _fail(self, name: str) -> None:
        if name in self.failures:
            self.tried_at.append(self._clock.monotonic())
            self.failures[name] -= 1
            if self.failures[name] >= 0:
                raise JournalError("The disk is full.")

    async def begin(self, local_id: str, owner: str, balance_usd: float | None) -> bool:
        self._fail("begin")
        return await super().begin(local_id, owner, balance_usd)

    async def accept(
        self, local_id: str, new: NewTask, task_id: str, report: Report | None
    ) -> Recorded:
        self._fail("accept")
        return await super().accept(local_id, new, task_id, report)

    async def running(self, service: ServiceName) -> Sequence[Task]:
        self._fail("running")
        return await super().running(service)


@dataclass
class Told:
    """Stands in for the poller: keeps what was recorded as it is told."""

    tasks: list[Task] = field(default_factory=list)

    async def recorded(self, recorded: Recorded) -> None:
        self.tasks.append(recorded.task)


@dataclass
class Till:
    """A submitter at work, and what it tells the poller."""

    journal: Disk
    clock: ManualClock
    submitter: Submitter
    liveness: Liveness
    work: anyio.abc.TaskGroup
    poller: "Told"
    calls: Calls = field(default_factory=Calls)

    async def pay(self, teller: Teller, request: Request = WALTZ, *, join: bool = False) -> str:
        """Pay for another take, unless it is to join."""
        paid = self.submitter.pay(request, teller, another_take=not join, calls=self.calls)
        return (await paid).task.local_id

    async def settled(self, teller: Teller, request: Request = WALTZ) -> Task:
        """Pay, wait until it is known what came of it, and return the task."""
        return await self.ended(await self.pay(teller, request))

    async def ended(self, local_id: str) -> Task:
        with anyio.fail_after(60):
            while self.submitter.is_sending(local_id):
                await anyio.lowlevel.checkpoint()
        return await self.task(local_id)

    async def task(self, local_id: str) -> Task:
        found = await self.journal.find(local_id)
        assert found is not None
        return found

    async def doubtful(self) -> Task:
        task = await self.settled(Teller(answer=NoAnswerError("Nothing came.")))
        assert task.status == "in_doubt"
        return task


@asynccontextmanager
async def open_till(folder: Path, *, daily_limit: int = 50) -> AsyncIterator[Till]:
    clock = ManualClock()
    journal = Disk(folder / "journal.sqlite3", clock)
    told, liveness = Told(), Liveness(folder / "processes")
    async with anyio.create_task_group() as work:
        submitter = Submitter(
            journal=journal,
            liveness=liveness,
            clock=clock,
            work=work,
            poller=cast("Poller", told),
            daily_limit=daily_limit,
        )
        yield Till(journal, clock, submitter, liveness, work, told)
        work.cancel_scope.cancel()
    with anyio.CancelScope(shield=True):
        await submitter.settled()
        await journal.close()


@pytest.fixture
async def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    spare_the_disk(monkeypatch)
    async with open_till(tmp_path) as opened:
        yield opened


def lose_all_rows(till: Till) -> None:
    """As if the journal was damaged and set aside."""
    db = sqlite3.connect(till.journal.path)
    with db:
        db.execute("DELETE FROM tasks")
    db.close()


# What came of it ----------------------------------------------------------------------------


async def test_the_row_is_on_disk_with_the_balance_before_the_post(till: Till) -> None:
    seen: list[Task] = []

    async def look() -> None:
        seen.extend((await till.journal.search("", 9)).tasks)

    teller = Teller(balance=Account(balance_usd=9.5), at_post=look)
    await till.settled(teller)
    assert [(task.status, task.charged, task.balance_usd) for task in seen] == [
        ("submitting", "unknown", 9.5)
    ]


async def test_an_accepted_submission_is_charged_and_has_the_services_id(till: Till) -> None:
    teller = Teller()
    task = await till.settled(teller)
    assert (task.status, task.task_id, task.charged, task.error) == ("pending", "t1", "yes", "")
    assert teller.posts == [Submission("piapi", "/make", {"prompt": "waltz"}, 45.0)]
    assert (task.model, task.kind, task.title, task.description) == (
        *("udio", "song"), *("Quay", "waltz"),
    )  # fmt: skip
    assert task.request == {"model": "udio", "title": "Quay", "description": "waltz"}
    assert task.balance_usd is None
    assert till.poller.tasks == [task]


@pytest.mark.parametrize("given", [{"seed": 5}, {"seed": 0}, {"lyrics": "Lamps"}])
async def test_what_was_asked_for_is_recorded_and_no_default(
    till: Till, given: dict[str, Any]
) -> None:
    task = await till.settled(Teller(), SongRequest(MODELS["udio"], "waltz", **given))
    assert task.request == {"model": "udio", "description": "waltz", **given}


async def test_an_extension_is_recorded_with_its_source_and_place(till: Till) -> None:
    source = Source("c1", duration_s=9.0)
    places: list[dict[str, Any]] = [{}, {"continue_at_s": 0.0}]
    for given in places:
        request = ExtensionRequest(MODELS["udio"], "waltz", source=source, **given)
        recorded = dict((await till.settled(Teller(), request)).request)
        assert recorded.pop("source")["clip_id"] == "c1"
        assert recorded == {"model": "udio", "description": "waltz", **given}


async def test_what_the_answer_already_tells_is_recorded(till: Till) -> None:
    report = Report("t1", "processing", "staged", cost_usd=0.05)
    task = await till.settled(Teller(answer=Accepted("t1", report)))
    assert (task.status, task.provider_status, task.cost_usd) == ("processing", "staged", 0.05)


async def test_a_refused_submission_cost_nothing(till: Till) -> None:
    task = await till.settled(Teller(answer=RefusedError("It said no.")))
    assert (task.status, task.charged, task.error) == ("rejected", "no", "It said no.")
    assert till.poller.tasks == []


async def test_a_lost_answer_is_a_doubt(till: Till) -> None:
    task = await till.settled(Teller(answer=NoAnswerError("Nothing came.")))
    assert (task.status, task.charged) == ("in_doubt", "unknown")
    assert task.error.startswith("Sent at 10:00 UTC")
    assert "Nothing came." in task.error


async def test_a_mistake_of_our_own_while_the_answer_is_read_is_a_doubt(till: Till) -> None:
    task = await till.settled(Teller(answer=KeyError("songs")))
    assert (task.status, task.charged) == ("in_doubt", "unknown")
    assert our_mistake("piapi") in task.error


async def test_a_full_plan_is_told_with_the_songs_that_fill_it(till: Till) -> None:
    await till.settled(Teller(answer=Accepted("t9")))
    full = PlanLimitError("It is full.")
    task = await till.settled(Teller(answer=full))
    assert task.error == "It is full. Running now: t9 (Quay)."
    till.journal.failures["running"] = 9
    assert (await till.settled(Teller(answer=full))).error == "It is full."


# At most one POST ---------------------------------------------------------------------------


async def test_a_row_that_is_taken_for_a_dead_ones_is_not_sent(till: Till) -> None:
    async def another_process_takes_us_for_dead() -> None:
        (row,) = await till.journal.submitting()
        await till.journal.orphan(
            [row.local_id], Orphaned("It ended.", "It was not sent.", "It is free.")
        )

    teller = Teller(before_post=another_process_takes_us_for_dead)
    task = await till.settled(teller)
    assert teller.posts == []
    assert (task.status, task.charged, task.error) == ("rejected", "no", "It was not sent.")


async def test_an_equal_request_joins_and_sends_nothing(till: Till) -> None:
    teller = Teller()
    first = await till.pay(teller, join=True)
    assert await till.pay(teller, join=True) == first
    await till.ended(first)
    assert len(teller.posts) == 1
    assert await till.pay(teller, join=False) != first


async def test_beyond_the_limit_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare_the_disk(monkeypatch)
    async with open_till(tmp_path, daily_limit=1) as till:
        doubt = await till.doubtful()
        teller = Teller()
        with pytest.raises(LimitReachedError):
            await till.pay(teller, SongRequest(MODELS["udio"], "polka"))
        with pytest.raises(LimitReachedError):
            await till.submitter.pay_again(doubt, teller)
        assert teller.posts == []
        assert (await till.task(doubt.local_id)).status == "in_doubt"


async def test_a_journal_that_fails_before_the_post_sends_nothing(till: Till) -> None:
    till.journal.failures["begin"] = 1
    teller = Teller()
    task = await till.settled(teller)
    assert teller.posts == []
    assert (task.status, task.charged, task.error) == ("rejected", "no", "The disk is full.")


async def test_a_folder_that_cannot_be_written_sends_nothing(till: Till) -> None:
    (till.journal.path.parent / "processes").touch()
    teller = Teller()
    with pytest.raises(JournalError, match="nothing was sent or paid"):
        await till.pay(teller)
    assert teller.posts == []


# The balance --------------------------------------------------------------------------------


async def for_ever() -> None:
    await anyio.sleep_forever()


async def test_a_balance_that_never_comes_delays_the_post_by_its_bound_alone(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.BALANCE_S == 3.0
    monkeypatch.setattr(module, "BALANCE_S", 0.0)
    task = await till.settled(Teller(before_post=for_ever, balance=Account(balance_usd=1.0)))
    assert (task.status, task.balance_usd) == ("pending", None)


@pytest.mark.parametrize(
    ("failure", "mistakes"), [(ServiceError("It is down."), 0), (ValueError("no number"), 1)]
)
async def test_a_balance_that_cannot_be_read_keeps_no_song_from_being_made(
    till: Till, caplog: pytest.LogCaptureFixture, failure: Exception, mistakes: int
) -> None:
    task = await till.settled(Teller(balance=failure))
    assert (task.status, task.balance_usd) == ("pending", None)
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(logged) == mistakes, "only what is a mistake of ours is logged as one"


# A journal that lost the row, or cannot be written --------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status", "charged"),
    [
        (Accepted("t1"), "pending", "yes"),
        (NoAnswerError("Nothing came."), "in_doubt", "unknown"),
        (RefusedError("It said no."), "rejected", "no"),
    ],
)
async def test_a_row_that_was_lost_is_written_again_with_what_came_of_it(
    till: Till, answer: Accepted | Exception, status: str, charged: str
) -> None:
    async def lose() -> None:
        lose_all_rows(till)

    task = await till.settled(Teller(answer=answer, at_post=lose))
    assert (task.status, task.charged, task.title) == (status, charged, "Quay")


async def test_an_answer_is_written_again_and_again_until_the_disk_takes_it(till: Till) -> None:
    till.journal.failures["accept"] = 7
    teller = Teller()
    local_id = await till.pay(teller)
    await till.clock.until(lambda: not till.submitter.is_sending(local_id), 60.0)
    assert till.journal.tried_at == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5, 31.5]
    assert (await till.task(local_id)).task_id == "t1"
    assert len(teller.posts) == 1


async def test_at_the_end_of_the_process_insisting_ends_and_the_row_is_left_to_others(
    till: Till,
) -> None:
    till.journal.failures["accept"] = 1000
    local_id = await till.pay(Teller())
    await till.clock.run(0.0)
    await till.clock.result(till.submitter.settled())
    assert till.journal.tried_at == [0, 0, 0]
    assert (await till.task(local_id)).status == "submitting"


# Whoever waits, and who is seen to live ------------------------------------------------------


async def test_the_answer_is_recorded_though_all_work_is_cancelled_while_it_is_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare_the_disk(monkeypatch)
    posted, answers = anyio.Event(), anyio.Event()

    async def wait() -> None:
        posted.set()
        await answers.wait()

    async with open_till(tmp_path) as till:
        local_id = await till.pay(Teller(at_post=wait))
        await posted.wait()
        till.work.cancel_scope.cancel()
        answers.set()
    journal = Journal(tmp_path / "journal.sqlite3", till.clock.now)
    found = await journal.find(local_id)
    await journal.close()
    assert found is not None
    assert (found.status, found.task_id) == ("pending", "t1")


async def test_a_process_shows_that_it_lives_while_it_sends_and_no_longer(till: Till) -> None:
    others = Liveness(till.journal.path.parent / "processes")
    seen: list[tuple[bool, list[str]]] = []

    async def look() -> None:
        (row,) = await till.journal.submitting()
        seen.append((till.submitter.is_sending(row.local_id), await others.dead_among([row.owner])))

    await till.settled(Teller(at_post=look))
    assert seen == [(True, [])]
    assert not till.submitter.is_sending("another")
    await till.submitter.settled()
    token = till.liveness.token
    assert await others.dead_among([token]) == [token]


async def test_settled_returns_when_nothing_is_in_flight(till: Till) -> None:
    answers, order = anyio.Event(), list[str]()

    async def settle() -> None:
        await till.submitter.settled()
        order.append("settled")

    local_id = await till.pay(Teller(at_post=answers.wait))
    async with anyio.create_task_group() as group:
        group.start_soon(settle)
        await till.clock.run(0.0)
        order.append("answered")
        answers.set()
    assert order == ["answered", "settled"]
    assert (await till.task(local_id)).status == "pending"


# Paying again -------------------------------------------------------------------------------


async def test_a_doubt_is_submitted_again_as_it_was_and_closed(till: Till) -> None:
    doubt = await till.doubtful()
    teller = Teller(answer=Accepted("t2"))
    again = await till.submitter.pay_again(doubt, teller)
    assert again is not None
    assert till.submitter.is_sending(again.local_id)
    made = await till.ended(again.local_id)
    assert teller.posts == [Submission("piapi", "/make", {"prompt": "waltz"}, 45.0)]
    assert (made.status, made.task_id, made.linked_to) == ("pending", "t2", doubt.local_id)
    assert (made.title, made.request) == (doubt.title, doubt.request)
    closed = await till.task(doubt.local_id)
    assert closed.status == "abandoned"
    assert made.local_id in closed.error


async def test_a_doubt_that_is_settled_meanwhile_is_not_paid_again(till: Till) -> None:
    doubt = await till.doubtful()
    await till.journal.abandon(doubt.local_id, "closed")
    teller = Teller()
    assert await till.submitter.pay_again(doubt, teller) is None
    assert teller.posts == []
    assert (await till.journal.search("", 9)).total == 1


@pytest.mark.parametrize("missing", ["path", "body", "deadline_s"])
async def test_a_doubt_whose_submission_is_not_known_is_not_paid_again(
    till: Till, missing: str
) -> None:
    whole = {"path": "/make", "body": {}, "deadline_s": 45.0}
    wire = {name: value for name, value in whole.items() if name != missing}
    new = NewTask("piapi", "udio", "song", "p", "", "", {}, wire=wire, account="ours")
    doubt = (await till.journal.prepare(new, join=False)).task
    await till.journal.doubt(doubt.local_id, new, "?")
    with pytest.raises(InvalidRequestError):
        await till.submitter.pay_again(doubt, Teller())


async def test_paying_again_where_the_folder_cannot_be_written_sends_nothing(till: Till) -> None:
    doubt = await till.doubtful()
    await till.submitter.settled()
    processes = till.journal.path.parent / "processes"
    processes.rmdir()
    processes.touch()
    teller = Teller()
    with pytest.raises(JournalError, match="nothing was sent or paid"):
        await till.submitter.pay_again(doubt, teller)
    assert teller.posts == []
