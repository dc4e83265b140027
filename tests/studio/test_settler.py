"""Doubts settle themselves: when histories are asked, by whom, what is told, and what is paid."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import anyio
import pytest

from song_mcp.errors import InvalidRequestError
from song_mcp.journal import Journal, NewTask, Orphaned, Recorded
from song_mcp.messages import not_found
from song_mcp.songs import Task
from song_mcp.studio import Feed, Poller, Settler, Studio
from tests.manual_clock import ManualClock
from tests.memory_services import MemoryServices, spare_the_disk
from tests.models import DEFAULT_SUNO
from tests.processes import WALTZ, Patience, World, submitting

DAY_S = 24 * 3600.0
ERROR = "Nothing came."


# The settler by itself ----------------------------------------------------------------------


@dataclass
class Told:
    """Stands in for the poller: keeps what was found as it is told."""

    tasks: list[Task] = field(default_factory=list)

    async def recorded(self, recorded: Recorded) -> None:
        self.tasks.append(recorded.task)


@dataclass
class Desk:
    """A journal, a service with a history in memory, and settlers like those of processes."""

    clock: ManualClock
    services: MemoryServices
    journal: Journal
    told: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.provider = self.services.providers()["piapi"]
        sent = self.provider.prepare(WALTZ)
        self.body = dict(sent.body)
        wire = {"path": sent.path, "body": self.body, "deadline_s": sent.deadline_s}
        self.new = NewTask(
            "piapi", "udio", "song", sent.fingerprint, "", "waltz", {"description": "waltz"},
            wire=wire, account=self.provider.account_tag, owner="me",
        )  # fmt: skip

    async def sent(self) -> Task:
        """Return a task that is being submitted."""
        task = (await self.journal.prepare(self.new, join=False)).task
        assert await self.journal.begin(task.local_id, "me", None)
        return task

    async def lost(self, *, accepted: bool = True) -> Task:
        """Return a task in doubt."""
        task = await self.sent()
        if accepted:
            self.accept()
        return await self.journal.doubt(task.local_id, self.new, ERROR)

    def accept(self) -> str:
        return self.services.accept("piapi", "waltz", body=self.body).task_id

    def fill(self) -> None:
        """Have the history show a task that asked for something else."""
        body = {"input": {"gpt_description_prompt": "polka", "lyrics_type": "generate"}}
        self.services.accept("piapi", "polka", body=body)

    async def stands(self, task: Task) -> Task:
        found = await self.journal.find(task.local_id)
        assert found is not None
        return found

    @asynccontextmanager
    async def process(self, processes: int = 1) -> AsyncIterator[None]:
        journals = [Journal(self.journal.path, self.clock.now) for _ in range(processes)]
        async with anyio.create_task_group() as group:
            for journal in journals:
                poller = cast("Poller", self.told)
                providers = self.services.providers()
                feed = Feed(journal, self.clock)
                settler = Settler(providers, journal, self.clock, poller, feed)
                group.start_soon(settler.run)
            yield
            group.cancel_scope.cancel()
        for journal in journals:
            await journal.close()


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    spare_the_disk(monkeypatch)
    clock = ManualClock()
    journal = Journal(tmp_path / "journal.sqlite3", clock.now)
    yield Desk(clock, MemoryServices(clock, song_s=3600.0), journal)
    await journal.close()


async def test_a_lost_submission_is_found_ten_seconds_after_the_loss(desk: Desk) -> None:
    async with desk.process():
        task = await desk.lost()
        await desk.clock.run(9.0)
        assert (await desk.stands(task)).status == "in_doubt"
        await desk.clock.run(2.0)
        found = await desk.stands(task)
        (made,) = desk.services.accepted("waltz")
        assert (found.status, found.task_id) == ("processing", made.task_id)
        assert (found.charged, found.error) == ("yes", "")
        assert found.found_at is not None
        assert [each.task_id for each in desk.told.tasks] == [made.task_id]
        assert desk.services.listed_at_s == [10.0]


async def test_what_was_never_accepted_is_searched_three_times_and_stays_for_the_user(
    desk: Desk,
) -> None:
    desk.fill()
    async with desk.process():
        task = await desk.lost(accepted=False)
        await desk.clock.run(599.0)
        assert (await desk.stands(task)).error == ERROR
        await desk.clock.run(30.0)
        after = await desk.stands(task)
        assert (after.status, after.charged) == ("in_doubt", "unknown")
        assert after.error == f"{ERROR} {not_found('piapi')}"
        assert "very probably not sent, not charged" in after.error
        await desk.clock.run(700.0)
        assert [round(at) for at in desk.services.listed_at_s] == [10, 60, 600]


@pytest.mark.parametrize("fault", ["none", "page", "failed", "too many", "not reached"])
async def test_an_empty_or_failing_history_says_nothing_and_is_asked_again(
    desk: Desk, fault: str
) -> None:
    desk.services.history_fault = fault  # type: ignore[assignment]  # one of the faults
    async with desk.process():
        task = await desk.lost(accepted=False)
        for seconds in (10.0, 50.0, 540.0, 600.0, 600.0):
            desk.clock.elapsed_s += seconds - 1.0
            await desk.clock.run(12.0)
        assert (await desk.stands(task)).error == ERROR
        assert len(desk.services.listed_at_s) >= 5
        desk.clock.elapsed_s += DAY_S
        await desk.clock.run(12.0)
        asked = len(desk.services.listed_at_s)
        desk.clock.elapsed_s += 700.0
        await desk.clock.run(12.0)
        assert len(desk.services.listed_at_s) == asked, "after a day it rests"


async def test_a_history_that_lags_is_asked_until_it_shows_the_task(desk: Desk) -> None:
    desk.services.history_lag_s = 120.0
    desk.fill()
    async with desk.process():
        task = await desk.lost()
        await desk.clock.run(70.0)
        assert (await desk.stands(task)).status == "in_doubt"
        desk.clock.elapsed_s += 529.0
        await desk.clock.run(12.0)
        assert (await desk.stands(task)).status == "processing"


async def test_of_several_processes_exactly_one_searches(desk: Desk) -> None:
    desk.fill()
    async with desk.process(processes=3):
        await desk.lost(accepted=False)
        await desk.clock.run(90.0)
        assert [round(at) for at in desk.services.listed_at_s] == [10, 60]


async def test_a_restart_goes_on_with_the_next_search(desk: Desk) -> None:
    desk.services.history_lag_s = 30.0
    async with desk.process():
        task = await desk.lost()
        await desk.clock.run(20.0)
    async with desk.process():
        await desk.clock.run(30.0)
        assert [round(at) for at in desk.services.listed_at_s] == [10]
        await desk.clock.run(20.0)
        assert (await desk.stands(task)).status == "processing"


async def test_a_process_that_was_away_searches_when_it_starts(desk: Desk) -> None:
    task = await desk.lost()
    desk.clock.elapsed_s += 5 * 3600.0
    async with desk.process():
        await desk.clock.run(3.0)
        assert (await desk.stands(task)).charged == "yes"


async def test_what_a_process_left_when_it_died_is_searched_for(desk: Desk) -> None:
    task = await desk.sent()
    desk.accept()
    await desk.journal.orphan([task.local_id], Orphaned("It died.", "Never sent.", "Free."))
    async with desk.process():
        await desk.clock.run(12.0)
        assert (await desk.stands(task)).charged == "yes"


async def test_of_two_doubts_with_the_same_words_none_takes_the_one_task(desk: Desk) -> None:
    async with desk.process():
        first, second = await desk.lost(), await desk.lost(accepted=False)
        await desk.clock.run(15.0)
        (made,) = desk.services.accepted("waltz")
        for task in (first, second):
            now = await desk.stands(task)
            assert now.status == "in_doubt"
            assert made.task_id in now.error
            assert "another submission of the same request" in now.error
        await desk.journal.abandon(second.local_id, "Closed.")
        await desk.clock.run(60.0)
        assert (await desk.stands(first)).task_id == made.task_id


async def test_what_is_still_under_way_is_not_taken_for_the_lost_one(desk: Desk) -> None:
    desk.fill()
    async with desk.process():
        first, second = await desk.lost(accepted=False), await desk.sent()
        task_id = desk.accept()
        await desk.clock.run(15.0)
        assert (await desk.stands(first)).status == "in_doubt"
        await desk.journal.accept(second.local_id, desk.new, task_id, None)
        await desk.clock.run(60.0)
        assert (await desk.stands(first)).status == "in_doubt"
        assert (await desk.stands(second)).task_id == task_id
        desk.clock.elapsed_s += 529.0
        await desk.clock.run(12.0)
        assert (await desk.stands(first)).error == f"{ERROR} {not_found('piapi')}"


async def test_two_tasks_with_the_same_words_are_told_and_not_decided(desk: Desk) -> None:
    async with desk.process():
        task = await desk.lost()
        desk.accept()
        await desk.clock.run(12.0)
        now = await desk.stands(task)
        assert now.status == "in_doubt"
        assert all(made.task_id in now.error for made in desk.services.accepted("waltz"))
        assert "more than one" in now.error


async def test_another_account_is_not_asked_about_it(desk: Desk) -> None:
    desk.new = replace(desk.new, account="another")
    async with desk.process():
        task = await desk.lost()
        await desk.clock.run(70.0)
        assert (await desk.stands(task)).status == "in_doubt"
        assert desk.services.listed_at_s == []


@pytest.mark.parametrize("ahead_s", [-3600.0, 8 * 3600.0, -40 * DAY_S])
async def test_another_clock_at_the_service_hides_nothing(desk: Desk, ahead_s: float) -> None:
    desk.services.ahead_s = ahead_s
    async with desk.process():
        task = await desk.lost()
        await desk.clock.run(12.0)
        assert (await desk.stands(task)).charged == "yes"


@pytest.mark.parametrize("set_on_s", [DAY_S, -DAY_S, 3600.0, -3600.0])
async def test_our_clock_set_meanwhile_never_makes_it_not_sent(desk: Desk, set_on_s: float) -> None:
    async with desk.process():
        task = await desk.lost()
        desk.clock.jumped_s += set_on_s
        desk.services.ahead_s -= set_on_s
        for _ in range(4):
            desk.clock.elapsed_s += 590.0
            await desk.clock.run(21.0)
        now = await desk.stands(task)
        (made,) = desk.services.accepted("waltz")
        assert "not charged" not in now.error
        assert now.status == "in_doubt"
        assert made.task_id in now.error, "it is told as one that may be it"


# In the studio ------------------------------------------------------------------------------


async def lose(world: World, studio: Studio, *, accepted: bool = True) -> Task:
    """Submit a song whose answer is lost."""
    world.services.faults.append(
        "lost after it was taken" if accepted else "lost before it was taken"
    )
    task = await world.clock.result(submitting(studio)(Patience(0.0)))
    assert task.status == "in_doubt"
    return task


async def test_a_song_that_was_found_is_followed_to_its_end_and_was_paid_once(
    world: World,
) -> None:
    world.services.song_s = 30.0
    async with world.process() as studio:
        task = await lose(world, studio)
        assert "history about it after 10 s, 60 s and 10 min" in task.error
        await world.clock.run(45.0)
        answer = await world.clock.result(studio.look_up(task.local_id, "piapi", Patience(0.0)))
        assert answer.task.status == "completed"
        assert "history shows this task with exactly what was sent" in answer.note
        assert world.services.posts == ["waltz"]
        assert len(world.services.made) == 1


async def test_a_call_about_a_doubt_waits_for_the_first_search_and_then_for_the_song(
    world: World,
) -> None:
    world.services.song_s = 20.0
    async with world.process() as studio:
        task = await lose(world, studio)

        async def look(patience: Patience) -> Task:
            return (await studio.look_up(task.local_id, "piapi", patience)).task

        async with world.waiting(look, 60.0) as calls:
            await world.clock.run(40.0)
            assert calls[0].task is not None
            assert calls[0].task.status == "completed"


async def test_a_call_about_a_doubt_waits_no_longer_than_the_first_search(world: World) -> None:
    async with world.process() as studio:
        task = await lose(world, studio, accepted=False)

        async def look(patience: Patience) -> Task:
            return (await studio.look_up(task.local_id, "piapi", patience)).task

        async with world.waiting(look, 60.0) as calls:
            await world.clock.run(15.0)
            assert calls[0].end == ("in_doubt", 10.0)
        async with world.waiting(look, 60.0) as calls:
            assert calls[0].end == ("in_doubt", 15.0)


async def test_an_equal_request_joins_while_it_is_searched_for_and_after(world: World) -> None:
    async with world.process() as studio:
        task = await lose(world, studio)
        for seconds in (0.0, 5.0, 20.0):
            await world.clock.run(seconds)
            joined = await studio.submit(WALTZ, Patience(0.0), another_take=False)
            assert joined.task.local_id == task.local_id
        assert world.services.posts == ["waltz"]


async def test_another_take_is_refused_until_the_lost_one_is_found(world: World) -> None:
    async with world.process() as studio:
        await lose(world, studio)
        with pytest.raises(InvalidRequestError, match="in doubt"):
            await studio.submit(WALTZ, Patience(0.0), another_take=True)
        await world.clock.run(20.0)
        await world.clock.result(studio.submit(WALTZ, Patience(0.0), another_take=True))
        assert world.services.posts == ["waltz", "waltz"]


async def test_a_task_that_get_task_brought_in_is_merged_by_the_search(world: World) -> None:
    async with world.process() as studio:
        task = await lose(world, studio)
        (made,) = world.services.accepted("waltz")
        await world.clock.result(studio.look_up(made.task_id, "piapi", Patience(0.0)))
        await world.clock.run(20.0)
        found = await world.theirs.find(task.local_id)
        assert found is not None
        assert found.task_id == made.task_id
        assert (await world.theirs.search("", 9)).total == 1


async def test_check_searches_at_once_and_the_song_is_followed(world: World) -> None:
    async with world.process() as studio:
        task = await lose(world, studio)
        answer = await world.clock.result(studio.resolve(task.local_id, "check", Patience(0.0)))
        assert answer.task.charged == "yes"
        assert "accepted once, and nothing was sent again" in answer.note
        looks = world.services.looks["piapi"]
        await world.clock.run(10.0)
        assert world.services.looks["piapi"] > looks
        assert world.services.posts == ["waltz"]


async def test_check_says_so_if_the_history_shows_nothing_or_cannot_be_asked(world: World) -> None:
    async with world.process() as studio:
        task = await lose(world, studio, accepted=False)

        async def checked() -> str:
            call = studio.resolve(task.local_id, "check", Patience(0.0))
            return (await world.clock.result(call)).note

        assert "PiAPI's history tells nothing" in await checked()
        world.services.accept("piapi", "polka", body={"input": {"gpt_description_prompt": "polka"}})
        said = await checked()
        assert "does not show it so far" in said
        assert "task list on PiAPI's own pages" in said


async def test_a_service_without_a_history_says_so(world: World) -> None:
    world.services.faults.append("lost after it was taken")
    async with world.process() as studio:
        request = replace(WALTZ, model=DEFAULT_SUNO)
        call = studio.submit(request, Patience(0.0), another_take=False)
        task = (await world.clock.result(call)).task
        assert "gpt.ge has no history" in task.error
        await world.clock.run(15.0)
        after = await world.theirs.find(task.local_id)
        assert after is not None
        assert (after.status, after.error) == ("in_doubt", task.error)
        assert world.services.listed_at_s == []


async def test_an_instrumental_made_elsewhere_with_the_same_words_is_not_the_lost_song(
    desk: Desk,
) -> None:
    async with desk.process():
        task = await desk.lost(accepted=False)
        body = {**desk.body, "input": {**desk.body["input"], "lyrics_type": "instrumental"}}
        other = desk.services.accept("piapi", "waltz", body=body).task_id
        report = replace(await desk.clock.result(desk.provider.fetch(other)), asked="waltz")
        await desk.journal.adopt("piapi", desk.provider.account_tag, report)
        assert [found.task_id for found in await desk.journal.matches(task)] == [other]
        await desk.clock.run(15.0)
        after = await desk.stands(task)
        assert (after.status, after.charged) == ("in_doubt", "unknown")
        assert await desk.journal.find(other)
