"""A call that waits for a task: what wakes it, when it ends, and how often it sends progress."""

from dataclasses import dataclass, replace
from itertools import pairwise

import anyio
import pytest

from song_mcp.journal import News
from song_mcp.songs import Clip, Report
from song_mcp.studio.feed import CHANGES_EVERY_S
from song_mcp.studio.studio import PROGRESS_S, SUBMIT_GRACE_S
from tests.manual_clock import quiet
from tests.processes import World, submitting

CLIP = Clip("c1", "completed", audio_url="https://media.example/c1.mp3")


@dataclass
class Deaf:
    """A listener whose `tell` never ends, or fails."""

    fails: bool

    def is_heard(self) -> bool:
        return True

    async def tell(self, _: News) -> None:
        if self.fails:
            raise RuntimeError("a mistake of ours")
        await anyio.sleep_forever()


async def test_a_call_that_does_not_wait_returns_as_soon_as_the_service_answered(
    world: World,
) -> None:
    world.services.latency_s = 1.25
    async with world.process() as studio, world.waiting(submitting(studio), 0.0) as (call,):
        await world.clock.run(1.25)
        assert call.end == ("processing", 1.2)


async def test_a_call_that_does_not_wait_gives_a_silent_service_its_grace_and_no_more(
    world: World,
) -> None:
    world.services.latency_s = SUBMIT_GRACE_S + 1
    async with world.process() as studio, world.waiting(submitting(studio), 0.0) as (call,):
        await world.clock.run(SUBMIT_GRACE_S + 2)
        assert call.end == ("submitting", SUBMIT_GRACE_S)


async def test_a_call_that_waits_ends_with_the_look_that_ends_the_song(world: World) -> None:
    world.services.song_s = 24.0
    async with world.process() as studio, world.waiting(submitting(studio), 100.0) as (call,):
        await world.clock.run(60.0)
        assert call.end == ("completed", 25.0)


async def test_a_call_that_waits_is_told_at_least_every_five_seconds(world: World) -> None:
    async with world.process() as studio, world.waiting(submitting(studio), 58.0) as (call,):
        await world.clock.run(60.0)
        times = [at_s for at_s, _ in call.patience.told]
        assert call.answered_at_s == 58.0
        assert times[0] == 0.0
        gaps = [after - before for before, after in pairwise([*times, 58.0])]
        assert max(gaps) <= 5.0
        assert min(gaps[:-1]) >= PROGRESS_S, "and no more often"


async def test_an_end_that_another_process_writes_is_known_within_a_second(world: World) -> None:
    async with world.process() as studio, world.waiting(submitting(studio), 100.0) as (call,):
        await world.clock.run(12.5)
        task = await world.only_task()
        await world.theirs.record(task.local_id, Report(task.task_id, "failed", "failed"))
        await world.clock.run(CHANGES_EVERY_S)
        assert call.task is not None
        assert call.task.status == "failed"


async def test_a_call_waits_for_the_audio_and_is_told_when_another_process_saved_it(
    world: World,
) -> None:
    async with world.process() as studio, world.waiting(submitting(studio), 100.0) as (call,):
        await world.clock.run(12.5)
        task = await world.only_task()
        done = Report(task.task_id, "completed", "completed", clips=(CLIP,))
        await world.theirs.record(task.local_id, done)
        await world.clock.run(10.0)
        assert call.end is None
        await world.theirs.save_clip(task.local_id, replace(CLIP, save_error="No room."))
        await world.clock.run(CHANGES_EVERY_S)
        assert call.task is not None
        assert call.task.clips[0].save_error == "No room."


async def test_a_call_that_waits_for_a_task_ends_at_once_when_that_is_unfollowed(
    world: World,
) -> None:
    async with world.process() as studio, world.waiting(submitting(studio), 100.0) as (call,):
        await world.clock.run(12.5)
        await studio.handles.unfollow((await world.only_task()).local_id)
        await quiet()
        assert call.answered_at_s == 12.5


async def test_a_task_that_another_process_unfollows_is_waited_for_no_longer_than_till_progress(
    world: World,
) -> None:
    async with world.process() as studio, world.waiting(submitting(studio), 100.0) as (call,):
        await world.clock.run(12.5)
        await world.theirs.unfollow((await world.only_task()).local_id)
        await world.clock.run(PROGRESS_S)
        assert call.answered_at_s is not None


async def test_all_calls_that_wait_for_one_task_end_with_it(world: World) -> None:
    world.services.song_s = 24.0
    async with (
        world.process() as studio,
        world.waiting(submitting(studio), 99.0, calls=9) as calls,
    ):
        await world.clock.run(26.0)
        assert {call.end for call in calls} == {("completed", 25.0)}
        assert len(world.services.posts) == 1


async def test_while_the_journal_cannot_be_read_a_call_waits_and_then_ends(world: World) -> None:
    world.services.song_s = 24.0
    home, aside = world.theirs.path.parent, world.folder / "aside"
    async with world.process() as studio, world.waiting(submitting(studio), 100.0) as (call,):
        await world.clock.run(12.5)
        home.rename(aside)
        home.write_text("a file in its place", encoding="utf-8")
        await world.clock.run(20.0)
        assert call.end is None
        assert [at_s for at_s, _ in call.patience.told][-1] > 28.0
        home.unlink()
        aside.rename(home)
        await world.clock.run(10.0)
        assert call.task is not None
        assert call.task.status == "completed"


async def test_a_call_that_the_journal_fails_all_the_time_ends_when_it_should(
    world: World,
) -> None:
    home = world.theirs.path.parent
    async with world.process() as studio, world.waiting(submitting(studio), 40.0) as (call,):
        await world.clock.run(12.5)
        home.rename(world.folder / "aside")
        home.write_text("a file in its place", encoding="utf-8")
        await world.clock.run(40.0)
        assert call.end == ("processing", 40.0)
        home.unlink()


async def test_a_call_whose_journal_is_replaced_by_a_new_one_learns_what_the_service_answered(
    world: World,
) -> None:
    world.services.latency_s = 3.0
    async with world.process() as studio, world.waiting(submitting(studio), 0.0) as (call,):
        await world.clock.run(1.0)
        world.theirs.path.write_bytes(b"not a database, but long enough to be read as one" * 100)
        await world.clock.run(SUBMIT_GRACE_S)
        assert call.task is not None
        assert call.task.status == "processing"


@pytest.mark.parametrize("fails", [True, False])
async def test_a_listener_that_fails_or_hangs_keeps_nobody_waiting_beyond_the_next_progress(
    world: World, *, fails: bool
) -> None:
    world.services.song_s = 24.0
    async with world.process() as studio:
        studio.feed.listen(Deaf(fails))
        async with world.waiting(submitting(studio), 100.0) as (call,):
            await world.clock.run(25.0 + PROGRESS_S)
            assert call.task is not None
            assert call.task.status == "completed"


async def test_a_look_at_the_changes_that_is_given_up_keeps_nobody_waiting(world: World) -> None:
    world.services.song_s = 24.0
    async with world.process() as studio, world.waiting(submitting(studio), 100.0) as (call,):
        for _ in range(20):
            with anyio.move_on_after(0):
                await studio.feed.look()
        await world.clock.run(26.0)
        assert call.end == ("completed", 25.0)
