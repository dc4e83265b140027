"""Takes of one call: equal submissions, of which each is found, doubted and settled for itself."""

from dataclasses import replace

import pytest

from song_mcp.errors import InvalidRequestError
from song_mcp.songs import Task
from song_mcp.studio import Studio
from tests.memory_services import Fault
from tests.processes import WALTZ, Patience, World

SECOND = replace(WALTZ, take=2)
LOST: Fault = "lost after it was taken"


async def both(world: World, studio: Studio, *, another_take: bool = False) -> tuple[Task, ...]:
    """Ask for two takes, and return their tasks."""
    call = studio.submit(WALTZ, Patience(0.0), another_take=another_take, more=[SECOND])
    answer = await world.clock.result(call)
    return answer.task, *answer.others


async def test_a_doubtful_take_is_not_taken_for_an_equal_one_that_is_in_doubt_too(
    world: World,
) -> None:
    world.services.history_lag_s = 3600.0
    async with world.process() as studio:
        world.services.faults += [LOST, "lost before it was taken"]
        tasks = await both(world, studio)
        assert {task.status for task in tasks} == {"in_doubt"}
        world.services.history_lag_s = 0.0
        for task in tasks:
            check = studio.resolve(task.local_id, "check", Patience(0.0))
            answer = await world.clock.result(check)
            assert answer.task.status == "in_doubt", "nobody knows which of the two it is"
            assert "another submission of the same request" in answer.note
        assert len(world.services.posts) == 2


async def test_no_further_take_is_paid_while_any_take_of_the_request_is_in_doubt(
    world: World,
) -> None:
    world.services.history_lag_s = 3600.0
    async with world.process() as studio:
        await world.clock.result(studio.submit(WALTZ, Patience(0.0), another_take=False))
        world.services.faults.append(LOST)
        second = (await both(world, studio))[1]
        assert second.status == "in_doubt"
        with pytest.raises(InvalidRequestError, match=f"{second.local_id}, is in doubt"):
            await studio.submit(WALTZ, Patience(0.0), another_take=True)
        assert len(world.services.posts) == 2


async def test_takes_begun_by_a_process_that_ended_are_joined_and_the_missing_one_is_paid(
    world: World,
) -> None:
    async with world.process() as studio:
        await world.clock.result(studio.submit(WALTZ, Patience(0.0), another_take=False))
    async with world.process() as studio:
        tasks = await both(world, studio)
        assert len({task.local_id for task in tasks}) == 2
        assert {task.status for task in tasks} == {"processing"}
    assert len(world.services.posts) == 2


async def test_two_processes_asked_for_the_same_takes_pay_each_once(world: World) -> None:
    async with world.process() as one, world.process() as two:
        first, second = await both(world, one), await both(world, two)
        assert {task.local_id for task in first} == {task.local_id for task in second}
    assert len(world.services.posts) == 2
