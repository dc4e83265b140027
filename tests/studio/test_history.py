"""Searching a history: by the words, within the time, and nothing follows from what fails."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from song_mcp.errors import ServiceError, UnknownTaskError
from song_mcp.journal import Doubt, Journal
from song_mcp.providers import History, Likeness, Past, Remembering, Submission
from song_mcp.songs import Report, ServiceName, Task
from song_mcp.studio.history import MOST_LOOKS, search
from tests.studio.teller import Teller

SENT = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
LOST = SENT + timedelta(seconds=20)
HOUR = 3600.0
DAY = 24 * HOUR


class Known(Journal):
    """A journal that knows some ids of a service."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = ids

    async def unknown_ids(self, service: ServiceName, task_ids: Sequence[str]) -> Sequence[str]:
        assert service == "piapi"
        return [key for key in task_ids if key not in self.ids]


@dataclass
class Archive(Teller):
    """A service with a history: the tasks by id, with the likeness of each and its time.

    Times are seconds after the submission was sent, by our clock; the service's own clock is
    `ahead_s` ahead of it, and it tells the time only if `tells_time`. `shown_s` are times that a
    look shows in place of the list's.
    """

    tasks: dict[str, tuple[Likeness | Exception, float | None]] = field(default_factory=dict)
    ahead_s: float = 0.0
    tells_time: bool = True
    is_whole: bool = True
    narrow_s: float = 0.0
    error: Exception | None = None
    hangs: bool = False
    shown_s: dict[str, float | None] = field(default_factory=dict)
    asked: list[tuple[float, float]] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    now_s: float = 30.0

    async def history(self, since: datetime, until: datetime, submission: Submission) -> History:
        assert submission.path == "/p"
        if self.error is not None:
            raise self.error
        if self.hangs:
            await anyio.sleep_forever()
        self.asked.append(((since - SENT).total_seconds(), (until - SENT).total_seconds()))
        listed = tuple(Past(key, self._time(at)) for key, (_, at) in self.tasks.items())
        listed = tuple(
            past for past in listed if past.made_at is None or since <= past.made_at <= until
        )
        is_whole = self.is_whole or (until - since).total_seconds() <= self.narrow_s
        now = self._time(self.now_s) if self.tells_time else None
        return History(listed, is_whole, is_empty=not listed, now=now)

    async def compare(self, task_id: str, submission: Submission) -> tuple[Likeness, Report]:
        assert submission == Submission("piapi", "/p", {"input": {}})
        self.looked.append(task_id)
        likeness, at = self.tasks[task_id]
        if isinstance(likeness, Exception):
            raise likeness
        made_at = self._time(self.shown_s.get(task_id, at))
        return likeness, Report(task_id, "processing", "processing", created_at=made_at)

    def _time(self, at: float | None) -> datetime | None:
        return None if at is None else SENT + timedelta(seconds=at + self.ahead_s)

    async def outcome(
        self, known: Sequence[str] = (), lost_at: datetime | None = LOST
    ) -> tuple[str, list[str]]:
        assert isinstance(self, Remembering)
        task = Task("local-1", "piapi", "udio", "song", "in_doubt", SENT, lost_at=lost_at)
        doubt = Doubt(task, "ours", {"path": "/p", "body": {"input": {}}}, SENT)
        trace = await search(
            Known(known), self, doubt, lambda: SENT + timedelta(seconds=self.now_s)
        )
        return trace.outcome, [report.task_id for report in trace.reports]


def archive(**tasks: tuple[Likeness | Exception, float | None]) -> Archive:
    return Archive(tasks=tasks)


async def test_the_one_task_with_these_words_is_the_lost_one() -> None:
    service = archive(a=("other", 1), b=("same", 2), c=("other", 3))
    assert await service.outcome() == ("found", ["b"])


@pytest.mark.parametrize("at", [-2, 0, 20, 80])
async def test_it_may_arrive_until_a_minute_after_the_loss(at: float) -> None:
    assert await archive(a=("same", at)).outcome() == ("found", ["a"])


@pytest.mark.parametrize("at", [-2.5, 80.5, HOUR, -HOUR, None])
async def test_the_same_words_at_another_time_are_told_and_not_taken(at: float | None) -> None:
    service = archive(a=("same", at))
    assert await service.outcome() == ("possible", ["a"])


async def test_without_a_time_of_the_loss_ten_minutes_count() -> None:
    for lost_at in (None, SENT - timedelta(days=1), SENT + timedelta(days=3)):
        assert await archive(a=("same", 660)).outcome(lost_at=lost_at) == ("found", ["a"])
        assert (await archive(a=("same", 661)).outcome(lost_at=lost_at))[0] == "possible"


async def test_two_with_these_words_are_told() -> None:
    service = archive(a=("same", 1), b=("same", 2))
    assert await service.outcome() == ("several", ["a", "b"])


async def test_one_that_the_journal_knows_is_not_looked_at() -> None:
    service = archive(a=("same", 1), b=("same", 2))
    assert await service.outcome(known=["a"]) == ("found", ["b"])
    assert service.looked == ["b"]


async def test_a_history_without_such_a_task_says_none() -> None:
    assert await archive(a=("other", 1), b=("other", -HOUR)).outcome() == ("none", [])
    assert await archive(a=("same", 1)).outcome(known=["a"]) == ("none", [])


async def test_what_cannot_be_compared_wholly_is_told_beside_none_and_forgotten_beside_one() -> (
    None
):
    assert await archive(a=("unclear", 1)).outcome() == ("possible", ["a"])
    assert await archive(a=("unclear", 1), b=("same", 2)).outcome() == ("found", ["b"])


async def test_nothing_follows_from_an_empty_or_failing_history() -> None:
    assert await archive().outcome() == ("unknown", [])
    service = archive(a=("same", 1))
    service.error = ServiceError("It is down.")
    assert await service.outcome() == ("unknown", [])


@pytest.mark.parametrize("error", [ServiceError("Down."), UnknownTaskError("Which?")])
async def test_a_look_that_fails_leaves_it_open(error: Exception) -> None:
    assert await archive(a=(error, 1), b=("other", 2)).outcome() == ("unknown", [])
    assert await archive(a=(error, 1), b=("same", 2)).outcome() == ("possible", ["b"])
    assert await archive(a=(error, -HOUR), b=("same", 2)).outcome() == ("found", ["b"])


async def test_those_of_that_time_are_looked_at_first_and_not_more_than_twenty() -> None:
    tasks = {f"old{number}": ("other", -HOUR) for number in range(30)}
    service = Archive(tasks=tasks | {"b": ("same", 2)})  # type: ignore[arg-type]  # literals
    assert await service.outcome() == ("found", ["b"])
    assert service.looked[0] == "b"
    assert len(service.looked) == MOST_LOOKS == 20
    service = Archive(tasks=tasks | {"b": ("other", 2)})  # type: ignore[arg-type]  # literals
    assert await service.outcome() == ("unknown", []), "ten of them were not looked at"
    near = {f"near{number}": ("other", 1) for number in range(MOST_LOOKS)}
    service = Archive(tasks=near | {"b": ("same", 2)})  # type: ignore[arg-type]  # literals
    assert (await service.outcome())[0] == "unknown"


@pytest.mark.parametrize("ahead_s", [-HOUR, 90.0, -90.0, 8 * HOUR, 3 * DAY, -400 * DAY])
async def test_the_difference_of_the_clocks_is_taken_from_the_answer(ahead_s: float) -> None:
    service = archive(a=("same", 1), b=("other", 2))
    service.ahead_s = ahead_s
    assert await service.outcome() == ("found", ["a"])


@pytest.mark.parametrize("ahead_s", [90.0, -90.0, 8 * HOUR])
async def test_without_its_date_another_clock_is_not_guessed(ahead_s: float) -> None:
    service = archive(a=("same", 1))
    service.ahead_s, service.tells_time = ahead_s, False
    assert (await service.outcome())[0] == "possible"


async def test_our_clock_set_since_the_loss_hides_nothing() -> None:
    service = archive(a=("same", 1))
    service.ahead_s, service.tells_time = 0.0, True
    service.now_s = 30.0
    assert (await service.outcome())[0] == "found"
    for set_on_s in (-6 * HOUR, 6 * HOUR):  # the journal's times are of the clock as it was
        service = archive(a=("same", 1 - set_on_s))
        assert (await service.outcome())[0] == "possible"


async def test_a_day_before_and_after_is_listed() -> None:
    service = archive(a=("other", 1))
    await service.outcome()
    assert service.asked == [(-2.0 - DAY, 80.0 + DAY)]


async def test_only_a_clock_that_is_off_by_more_than_an_hour_has_the_list_asked_for_again() -> None:
    first, last = -2.0 - DAY, 80.0 + DAY
    for ahead_s, again in ((90.0, False), (-HOUR, False), (HOUR, False), (-1.5 * HOUR, True)):
        service = archive(a=("same", 1))
        service.ahead_s = ahead_s
        assert await service.outcome() == ("found", ["a"])
        lists = [(first, last), (first + ahead_s, last + ahead_s)]
        assert service.asked == (lists if again else lists[:1])


async def test_a_history_that_shows_nothing_is_asked_once() -> None:
    service = archive()
    service.is_whole = False
    assert await service.outcome() == ("unknown", [])
    assert len(service.asked) == 1


async def test_without_a_whole_list_it_is_not_said_that_there_is_none() -> None:
    service = archive(a=("other", 1))
    service.is_whole = False
    assert await service.outcome() == ("unknown", [])


async def test_a_loss_at_either_end_of_its_time_counts() -> None:
    for lost_at, last_s in ((SENT, 60.0), (SENT + timedelta(minutes=10), 660.0)):
        service = archive(a=("same", last_s))
        assert (await service.outcome(lost_at=lost_at))[0] == "found"
        service = archive(a=("same", last_s + 1))
        assert (await service.outcome(lost_at=lost_at))[0] == "possible"


async def test_a_list_that_is_too_long_is_asked_for_those_seconds_alone() -> None:
    service = archive(a=("same", 1), b=("other", HOUR))
    service.is_whole, service.narrow_s = False, 120.0
    assert await service.outcome() == ("found", ["a"])
    assert service.asked[-1] == (-2.0, 80.0)
    assert service.looked == ["a"]
    service.tasks["a"] = ("other", 1)
    assert await service.outcome() == ("unknown", []), "a clock may have been set since"


async def test_a_list_of_which_no_part_is_whole_decides_nothing() -> None:
    service = archive(a=("same", 1))
    service.is_whole = False
    assert await service.outcome() == ("possible", ["a"])


async def test_a_search_that_takes_too_long_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("song_mcp.studio.history.SEARCH_S", 0.01)
    service = archive(a=("same", 1))
    service.hangs = True
    assert await service.outcome() == ("unknown", [])


async def test_the_time_that_a_look_tells_counts_before_that_of_the_list() -> None:
    service = archive(a=("same", 8 * HOUR))  # of another zone
    service.shown_s["a"] = 1
    assert await service.outcome() == ("found", ["a"])
    service = archive(a=("same", 1))
    service.shown_s["a"] = 8 * HOUR
    assert (await service.outcome())[0] == "possible"
    service.shown_s["a"] = None
    assert await service.outcome() == ("found", ["a"])
