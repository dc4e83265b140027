"""What two balances say of a doubt: nothing untrue, whatever else was paid on the account.

The service keeps the purse, so what it charged is compared with what is said of it.
"""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from song_mcp.errors import (
    Charged,
    InvalidRequestError,
    NoAnswerError,
    RefusedError,
    ServiceError,
)
from song_mcp.providers import Accepted, Account, Submission
from song_mcp.songs import MODELS, Report, ServiceStatus, SongRequest, Task
from song_mcp.studio import reconcile
from tests.memory_services import spare_the_disk
from tests.studio.teller import Teller
from tests.studio.test_one_post import Till, open_till

SONG_USD = 0.05
LOST = NoAnswerError("Nothing came.")
CHARGED = "very probably charged"
NOT_CHARGED = "very probably not charged"
NO_HINT = "the balance is no hint"


WISHES = count()


def new_wish() -> SongRequest:
    """Return a request that nobody made before."""
    return SongRequest(MODELS["udio"], f"waltz {next(WISHES)}")


@dataclass
class Purse:
    """An account at the service, and how often it was charged."""

    usd: float = 9.0
    charges: int = 0

    def charge(self) -> None:
        self.usd -= SONG_USD
        self.charges += 1

    def refund(self) -> None:
        self.usd += SONG_USD


@dataclass
class Shop(Teller):
    """A service that charges each submission to its purse, unless `refuses`, and then answers."""

    purse: Purse = field(default_factory=Purse)
    refuses: bool = False

    async def submit(self, submission: Submission) -> Accepted:
        if not self.refuses:
            self.purse.charge()
        return await super().submit(submission)

    async def account(self) -> Account | None:
        await self.before_post()
        return Account(balance_usd=self.purse.usd)


def done(
    key: str, *, status: ServiceStatus = "completed", cost_usd: float | None = SONG_USD
) -> Report:
    charged: Charged = "no" if status == "failed" else "yes"
    return Report(key, status, status, charged=charged, cost_usd=cost_usd)


def made(key: str) -> Accepted:
    return Accepted(key, done(key))


def running(key: str) -> Accepted:
    return Accepted(key, done(key, status="processing"))


@pytest.fixture
async def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    spare_the_disk(monkeypatch)
    async with open_till(tmp_path) as opened:
        yield opened


async def doubt(till: Till, shop: Shop) -> Task:
    """Pay with `shop`, whose answer is lost; return the task in doubt."""
    shop.answer = LOST
    task = await till.settled(shop, new_wish())
    assert task.status == "in_doubt"
    return task


async def sell(till: Till, shop: Shop, *answers: Accepted | Exception) -> None:
    for answer in answers:
        shop.answer = answer
        await till.settled(shop, new_wish())


async def said(till: Till, shop: Shop, task: Task) -> str:
    checked, words = await reconcile.check(till.journal, shop, task, till.clock.now)
    assert checked == await till.task(task.local_id), "a balance settles nothing"
    assert (CHARGED in words) + (NOT_CHARGED in words) + (NO_HINT in words) == 1
    return words


# What it says -------------------------------------------------------------------------------


@pytest.mark.parametrize("refuses", [False, True])
async def test_what_the_service_did_is_told_beside_what_else_was_paid(
    till: Till, *, refuses: bool
) -> None:
    shop = Shop(refuses=refuses)
    await sell(till, shop, made("t0"), RefusedError("No."))
    task = await doubt(till, shop)
    shop.refuses = False
    await sell(till, shop, made("t1"), made("t2"))
    shop.refuses = True
    await sell(till, shop, RefusedError("No."))
    words = await said(till, shop, task)
    assert (NOT_CHARGED if refuses else CHARGED) in words
    assert "explain $0.10" in words


async def test_what_another_account_paid_explains_nothing(till: Till) -> None:
    ours, theirs = Shop(account_tag="ours"), Shop(account_tag="theirs")
    task = await doubt(till, ours)
    await sell(till, theirs, made("t1"))
    assert (ours.purse.charges, theirs.purse.charges) == (1, 1)
    assert CHARGED in await said(till, ours, task)


async def test_a_refund_of_what_an_earlier_key_of_the_account_paid_makes_it_no_hint(
    till: Till,
) -> None:
    earlier = Shop(account_tag="earlier", answer=running("t0"))
    shop = Shop(purse=earlier.purse)
    old = await till.settled(earlier, new_wish())
    await till.journal.record_all({old.local_id: done("t0", status="processing")}, "ours")
    task = await doubt(till, shop)
    await till.journal.record_all({old.local_id: done("t0", status="failed")}, "ours")
    shop.purse.refund()
    assert "Task t0 of the same account may have been refunded" in await said(till, shop, task)


async def test_the_balance_of_another_account_is_compared_with_nothing(till: Till) -> None:
    task = await doubt(till, Shop(account_tag="ours"))
    words = await said(till, Shop(account_tag="theirs"), task)
    assert "another key or base URL of PiAPI" in words
    assert "$" not in words


async def test_what_was_paid_while_the_balance_was_read_makes_it_no_hint(till: Till) -> None:
    shop = Shop()
    other = Shop(purse=shop.purse, answer=made("t1"))

    async def another_call_is_quicker() -> None:
        shop.before_post = nothing_more
        await till.settled(other, new_wish())

    async def nothing_more() -> None:
        """Read the balance and nothing else."""

    shop.before_post = another_call_is_quicker
    task = await doubt(till, shop)
    assert shop.purse.charges == 2
    words = await said(till, shop, task)
    assert "task t1 of the same account was being submitted" in words.casefold()


async def test_what_is_sent_when_the_balance_is_read_makes_it_no_hint(till: Till) -> None:
    shop = Shop()
    await sell(till, shop, made("t0"))
    tasks: list[Task] = []

    async def ours_is_doubtful() -> None:
        tasks.append(await doubt(till, Shop(purse=shop.purse)))

    other = Shop(purse=shop.purse, answer=made("t1"), at_post=ours_is_doubtful)
    await till.settled(other, new_wish())
    assert shop.purse.charges == 3
    assert "Task t1" in await said(till, shop, tasks[0])


async def test_what_is_being_submitted_now_makes_it_no_hint(till: Till) -> None:
    shop = Shop()
    task = await doubt(till, shop)
    words: list[str] = []

    async def check() -> None:
        words.append(await said(till, Shop(purse=shop.purse), task))

    shop.at_post = check
    await sell(till, shop, made("t1"))
    assert len(words) == 1
    assert "was being submitted" in words[0]


async def test_what_is_paid_while_the_balance_is_compared_is_told(till: Till) -> None:
    shop = Shop()
    task = await doubt(till, shop)

    async def another_call_pays() -> None:
        await sell(till, Shop(purse=Purse()), made("t1"))

    words = await said(till, Shop(purse=shop.purse, before_post=another_call_pays), task)
    assert "just now" in words
    assert "check again" in words


@pytest.mark.parametrize("seconds", [0.0, 3600.0, 8 * 3600.0, -8 * 3600.0, 40 * 365 * 86400.0])
async def test_no_clock_decides_what_came_before_the_balance(till: Till, seconds: float) -> None:
    shop = Shop()
    await sell(till, shop, made("t0"))
    till.clock.jumped_s += seconds
    task = await doubt(till, shop)
    till.clock.jumped_s -= 2 * seconds
    await sell(till, shop, made("t1"))
    words = await said(till, shop, task)
    assert CHARGED in words
    assert "explain $0.05" in words


# Refunds and other doubts -------------------------------------------------------------------


async def test_a_song_that_still_runs_is_looked_at_for_a_refund(till: Till) -> None:
    shop = Shop()
    task = await doubt(till, shop)
    await sell(till, shop, running("t1"))
    shop.shown["t1"] = done("t1", status="processing")
    assert CHARGED in await said(till, shop, task)
    shop.purse.refund()
    shop.shown["t1"] = done("t1", status="failed")
    assert "Task t1 of the same account may have been refunded" in await said(till, shop, task)
    shop.shown["t1"] = ServiceError("It is down.")
    assert "may have been refunded" in await said(till, shop, task)


@pytest.mark.parametrize(("number", "verdict"), [(5, CHARGED), (6, NO_HINT)])
async def test_no_more_than_five_running_songs_are_looked_at(
    till: Till, number: int, verdict: str
) -> None:
    shop = Shop()
    task = await doubt(till, shop)
    keys = [f"t{number}" for number in range(number)]
    await sell(till, shop, *map(running, keys))
    shop.shown |= {key: done(key, status="processing") for key in keys}
    assert verdict in await said(till, shop, task)


async def test_a_song_from_before_counts_only_if_it_was_refunded_since(till: Till) -> None:
    shop = Shop()
    await sell(till, shop, running("t0"))
    (before,) = (await till.journal.search("", 9)).tasks
    task = await doubt(till, shop)
    shop.shown["t0"] = done("t0", status="processing")
    assert CHARGED in await said(till, shop, task)
    await till.journal.record(before.local_id, done("t0"))
    await sell(till, shop, made("t1"))
    words = await said(till, shop, task)
    assert CHARGED in words
    assert "explain $0.05" in words


async def test_a_song_from_before_that_failed_since_makes_it_no_hint(till: Till) -> None:
    shop = Shop()
    await sell(till, shop, running("t0"))
    (before,) = (await till.journal.search("", 9)).tasks
    task = await doubt(till, shop)
    shop.purse.refund()
    await till.journal.record(before.local_id, done("t0", status="failed", cost_usd=0.0))
    assert "Task t0 of the same account may have been refunded" in await said(till, shop, task)


async def test_a_song_that_was_refunded_before_explains_nothing(till: Till) -> None:
    shop = Shop()
    await sell(till, shop, Accepted("t0", done("t0", status="failed", cost_usd=0.0)))
    shop.purse.refund()
    assert CHARGED in await said(till, shop, await doubt(till, shop))


async def test_a_song_that_failed_since_and_was_refunded_explains_nothing(till: Till) -> None:
    shop = Shop()
    task = await doubt(till, shop)
    await sell(till, shop, Accepted("t1", done("t1", status="failed", cost_usd=0.0)))
    shop.purse.refund()
    assert CHARGED in await said(till, shop, task)


async def test_a_song_whose_price_is_not_known_makes_it_no_hint(till: Till) -> None:
    shop = Shop()
    task = await doubt(till, shop)
    await sell(till, shop, Accepted("t1", done("t1", cost_usd=None)))
    assert "What task t1 of the same account cost is not known" in await said(till, shop, task)


@pytest.mark.parametrize("hours", [0.0, 2.0])
async def test_of_two_doubts_neither_balance_is_a_hint(till: Till, hours: float) -> None:
    shop = Shop()
    first = await doubt(till, shop)
    till.clock.elapsed_s += 3600.0 * hours
    second = await doubt(till, shop)
    for task, other in ((first, second), (second, first)):
        assert f"Whether {other.local_id}" in await said(till, shop, task)


@pytest.mark.parametrize(("hours", "verdict"), [(0.9, NO_HINT), (1.0, CHARGED)])
async def test_a_doubt_that_was_closed_is_no_reason_after_an_hour(
    till: Till, hours: float, verdict: str
) -> None:
    shop = Shop()
    closed = await doubt(till, shop)
    await till.journal.abandon(closed.local_id, "closed")
    till.clock.elapsed_s += 3600.0 * hours
    task = await doubt(till, shop)
    assert verdict in await said(till, shop, task)


@pytest.mark.parametrize("hours", [0.0, 2.0])
async def test_a_doubt_that_was_closed_since_makes_it_no_hint(till: Till, hours: float) -> None:
    shop = Shop()
    task = await doubt(till, shop)
    till.clock.elapsed_s += 3600.0 * hours
    closed = await doubt(till, shop)
    await till.journal.abandon(closed.local_id, "closed")
    assert NO_HINT in await said(till, shop, task)


# Made elsewhere -----------------------------------------------------------------------------


async def test_a_song_made_elsewhere_that_is_found_since_makes_it_no_hint(till: Till) -> None:
    shop = Shop()
    shop.shown["far0"] = done("far0", status="processing")
    await till.journal.adopt("piapi", "ours", done("far0", status="processing"))
    task = await doubt(till, shop)
    assert CHARGED in await said(till, shop, task)
    await till.journal.adopt("piapi", "theirs", done("far1"))
    assert CHARGED in await said(till, shop, task)
    far = done("far2")
    await till.journal.adopt("piapi", "ours", far)
    assert "Task far2 of the same account was made elsewhere" in await said(till, shop, task)


@pytest.mark.parametrize("moments", [["submitting"], ["sent"], ["submitting", "sent", "in_doubt"]])
async def test_of_a_doubt_from_before_moments_were_ordered_nothing_is_told(
    till: Till, moments: Sequence[str]
) -> None:
    shop = Shop()
    task = await doubt(till, shop)
    forget(till, moments)
    assert "does not tell what else was paid" in await said(till, shop, task)


async def test_what_had_ended_before_moments_were_ordered_explains_nothing(till: Till) -> None:
    shop = Shop()
    await sell(till, shop, made("t0"))
    forget(till, ["submitting", "sent", "pending", "completed"])
    assert CHARGED in await said(till, shop, await doubt(till, shop))


def forget(till: Till, moments: Sequence[str]) -> None:
    """Leave the journal as a version without moments wrote it."""
    with closing(sqlite3.connect(till.journal.path)) as db, db:
        for what in moments:
            db.execute("DELETE FROM moments WHERE what = ?", (what,))


# Paying again -------------------------------------------------------------------------------


async def test_paying_again_from_another_account_is_asked_once_and_survives_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare_the_disk(monkeypatch)
    shop, other = Shop(), Shop(account_tag="theirs", answer=made("t1"))
    async with open_till(tmp_path) as till:
        task = await doubt(till, shop)
        with pytest.raises(InvalidRequestError, match="another key or base URL") as caught:
            await till.submitter.pay_again(task, other)
        assert "Nothing was sent or paid" in str(caught.value)
        assert "PIAPI_API_KEY" in str(caught.value)
        assert (await till.task(task.local_id)).status == "in_doubt"
    async with open_till(tmp_path) as till:
        assert other.posts == []
        again = await till.submitter.pay_again(task, other)
        assert again is not None
        assert (await till.ended(again.local_id)).status == "completed"
    assert len(other.posts) == other.purse.charges == 1
    assert len(shop.posts) == 1


async def test_paying_again_from_the_same_account_asks_nothing(till: Till) -> None:
    shop = Shop()
    task = await doubt(till, shop)
    shop.answer = made("t1")
    again = await till.submitter.pay_again(task, shop)
    assert again is not None
    await till.ended(again.local_id)
    assert len(shop.posts) == 2
