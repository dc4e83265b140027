"""What is missing at the end of a song comes later: who asks, how often, and what is told."""

from collections.abc import Callable
from dataclasses import dataclass, field

from song_mcp.errors import LibraryError
from song_mcp.songs import Clip, SongRequest, Task
from song_mcp.studio import Answer, Studio
from song_mcp.studio.saver import SAVE_TRIES
from tests import recordings
from tests.manual_clock import ManualClock
from tests.memory_services import Made
from tests.models import DEFAULT_SUNO
from tests.processes import Patience, World

ASKED = "a song of the sea"
REQUEST = SongRequest(DEFAULT_SUNO, ASKED)
SONG = recordings.mp3(2)
HOUR_S = 3600.0


def clip(name: str, link: str = "") -> dict[str, object]:
    """Return a clip as gpt.ge shows it."""
    url = f"https://media.example/{link or name}.mp3"
    return {"id": name, "title": "Sea", "status": "complete", "audio_url": url}


@dataclass
class Web:
    """What is behind the links: a song, but for those that are dead, after so long."""

    clock: ManualClock
    dead: set[str] = field(default_factory=set)
    takes_s: float = 0.0
    asked: list[tuple[float, str]] = field(default_factory=list)

    async def __call__(self, url: str, sink: Callable[[bytes], None], *, cap_bytes: int) -> None:
        name = url.rpartition("/")[2].removesuffix(".mp3")
        self.asked.append((self.clock.elapsed_s, name))
        assert cap_bytes
        if name in self.dead:
            raise LibraryError("The link is dead.")
        await self.clock.sleep(self.takes_s)
        sink(SONG)


async def begun(studio: Studio, world: World, *shows: object) -> Made:
    """Have a song submitted that is finished 1 s later, and shows this at its looks in turn."""
    world.services.song_s = 1.0
    answer = await submitted(studio, world)
    made = world.services.made[answer.task.task_id]
    made.shows = list(shows)
    return made


async def submitted(studio: Studio, world: World, request: SongRequest = REQUEST) -> Answer:
    return await world.clock.result(studio.submit(request, Patience(0.0), another_take=False))


async def looked(
    studio: Studio, world: World, made: Made, wait_s: float = 10.0, *, insists: bool = False
) -> Answer:
    call = studio.look_up(made.task_id, "gptge", Patience(wait_s), is_insisted=insists)
    return await world.clock.result(call)


def saved(task: Task) -> list[str]:
    return [each.clip_id for each in task.clips if each.is_saved]


def only(task: Task) -> Clip:
    (found,) = task.clips
    return found


# What comes late -----------------------------------------------------------------------------


async def test_a_look_brings_and_saves_the_clip_that_was_missing(world: World) -> None:
    async with world.process(Web(world.clock)) as studio:
        made = await begun(studio, world, [clip("a")], [clip("a"), clip("b")])
        await world.clock.run(5.0)
        assert saved(await world.only_task()) == ["a"]
        answer = await looked(studio, world, made)
    assert (saved(answer.task), answer.note) == (["a", "b"], "")


async def test_what_lacks_nothing_is_not_asked_about_again(world: World) -> None:
    async with world.process(Web(world.clock)) as studio:
        made = await begun(studio, world, [clip("a"), clip("b")])
        await world.clock.run(5.0)
        looks = world.services.looks.total()
        answers = []
        for _ in range(5):
            answers.append(await looked(studio, world, made))
            await world.clock.run(30.0)
    assert [(saved(each.task), each.note) for each in answers] == [(["a", "b"], "")] * 5
    assert world.services.looks.total() == looks


async def test_a_song_without_a_second_clip_says_so_for_an_hour(world: World) -> None:
    async with world.process(Web(world.clock)) as studio:
        made = await begun(studio, world, [clip("a")])
        await world.clock.run(5.0)
        assert "1 of the usual 2 clips" in (await looked(studio, world, made)).note
        world.clock.elapsed_s += HOUR_S
        assert (await looked(studio, world, made)).note == ""


async def test_looks_of_all_processes_ask_the_service_once_in_20_s(world: World) -> None:
    async with world.process(Web(world.clock)) as one, world.process(Web(world.clock)) as other:
        made = await begun(one, world, [clip("a")])
        await world.clock.run(5.0)
        before, started = world.services.looks.total(), world.clock.elapsed_s
        for _ in range(45):
            for studio in (one, other):
                await looked(studio, world, made)
            await world.clock.run(1.0)
    assert round(world.clock.elapsed_s - started, 2) == 45.0, "each look was answered at once"
    assert world.services.looks.total() - before == 3


async def test_a_service_that_does_not_answer_holds_up_no_look(world: World) -> None:
    async with world.process(Web(world.clock)) as studio:
        made = await begun(studio, world, [clip("a")])
        await world.clock.run(5.0)
        world.services.look_fault = "hangs"
        started = world.clock.elapsed_s
        answer = await looked(studio, world, made, wait_s=0.0)
    assert round(world.clock.elapsed_s - started, 2) == 5.0
    assert "gpt.ge has not answered yet" in answer.note


async def test_a_look_that_fails_is_told_and_nothing_is_lost(world: World) -> None:
    async with world.process(Web(world.clock)) as studio:
        made = await begun(studio, world, [clip("a")])
        await world.clock.run(5.0)
        world.services.look_fault = "not reached"
        answer = await looked(studio, world, made)
    assert saved(answer.task) == ["a"]
    assert "Asking gpt.ge for what is missing failed" in answer.note


async def test_an_equal_request_that_joins_looks_for_what_is_missing_too(world: World) -> None:
    async with world.process(Web(world.clock)) as studio:
        await begun(studio, world, [clip("a")], [clip("a"), clip("b")])
        await world.clock.run(5.0)
        again = studio.submit(REQUEST, Patience(10.0), another_take=False)
        answer = await world.clock.result(again)
    assert saved(answer.task) == ["a", "b"]
    assert len(world.services.posts) == 1


async def test_a_handle_that_was_told_the_end_is_not_at_work_again_for_a_late_clip(
    world: World,
) -> None:
    web = Web(world.clock, {"b"})
    async with world.process(web) as studio:
        made = await begun(studio, world, [clip("a")], [clip("a"), clip("b")])
        await world.clock.run(5.0)
        task = await world.only_task()
        assert studio.handles.standing_of(task).phase == "ended"
        await looked(studio, world, made)
        task = await world.only_task()
        assert [each.is_late for each in task.clips] == [False, True]
        assert studio.handles.standing_of(task).phase == "ended"


# What cannot be saved ------------------------------------------------------------------------


async def test_fifty_looks_at_a_song_that_cannot_be_saved_are_one_try_and_answered_at_once(
    world: World,
) -> None:
    web = Web(world.clock, {"a"})
    async with world.process(web) as studio:
        made = await begun(studio, world, [clip("a"), clip("a2", "a")])
        await world.clock.run(100.0)
        before, started = len(web.asked), world.clock.elapsed_s
        answers = [await looked(studio, world, made, wait_s=50.0) for _ in range(50)]
    assert round(world.clock.elapsed_s - started, 2) == 0.0
    assert len(web.asked) - before == 2, "one for each clip"
    assert {each.task.clips[0].save_error for each in answers} == {"The link is dead."}


async def test_a_look_gets_a_fresh_link_and_saves_from_it(world: World) -> None:
    web = Web(world.clock, {"old"})
    async with world.process(web) as studio:
        old = [clip("a", "old")]
        made = await begun(studio, world, old, old, old, [clip("a", "new")])
        await world.clock.run(30.0)
        assert saved(await world.only_task()) == []
        answer = await looked(studio, world, made)
    assert saved(answer.task) == ["a"]


async def test_by_itself_a_fresh_link_is_asked_for_before_each_further_try(world: World) -> None:
    web = Web(world.clock, {f"old{number}" for number in range(3)})
    async with world.process(web) as studio:
        await begun(studio, world, *([clip("a", f"old{number}")] for number in range(9)))
        await world.clock.run(120.0)
    assert saved(await world.only_task()) == ["a"]
    assert [name for _, name in web.asked if name.startswith("old")][-1] == "old3"
    first_s = web.asked[0][0]
    assert {round(at - first_s) for at, _ in web.asked} == {0, 2, 10, 60}


async def test_tries_are_shared_by_processes_and_go_on_after_a_restart(world: World) -> None:
    web = Web(world.clock, {"a"})
    async with world.process(web) as one, world.process(web):
        await begun(one, world, [clip("a")])
        await world.clock.run(30.0)
    async with world.process(web):
        await world.clock.run(100.0)
        web.dead.clear()
        await world.clock.run(600.0)
    first_s = web.asked[0][0]
    assert [round(at - first_s) for at, _ in web.asked] == [0, 2, 10, 60, 600]
    assert saved(await world.only_task()) == ["a"]


async def test_a_song_that_many_short_processes_begin_to_save_is_saved_by_the_first_that_can(
    world: World,
) -> None:
    """One process for each call: none but the last lives until the audio is there."""
    web, slow = Web(world.clock), Web(world.clock, takes_s=HOUR_S)
    async with world.process(slow) as studio:
        await begun(studio, world, [clip("a"), clip("b")])
    for _ in range(2 * SAVE_TRIES):
        async with world.process(slow):
            await world.clock.run(2.5)
    assert saved(await world.only_task()) == []
    async with world.process(web):
        await world.clock.run(1.0)
    assert saved(await world.only_task()) == ["a", "b"]
    assert len(slow.asked) >= SAVE_TRIES


async def test_a_look_by_the_next_process_waits_for_the_audio_that_the_last_one_left(
    world: World,
) -> None:
    async with world.process(Web(world.clock, takes_s=HOUR_S)) as studio:
        made = await begun(studio, world, [clip("a"), clip("b")])
        await world.clock.run(2.5)
    async with world.process(Web(world.clock, takes_s=3.0)) as studio:
        started = world.clock.elapsed_s
        answer = await looked(studio, world, made, wait_s=4.0)
    assert saved(answer.task) == ["a", "b"]
    assert round(world.clock.elapsed_s - started, 2) == 3.0


async def test_finished_clips_of_a_task_that_never_ends_are_saved(world: World) -> None:
    async with world.process(Web(world.clock)) as studio:
        answer = await submitted(studio, world)
        made = world.services.made[answer.task.task_id]
        made.shows = [[clip("a"), {"id": "b", "status": "streaming"}]]
        await world.clock.run(15.0)
        task = await world.only_task()
    assert (task.status, saved(task)) == ("processing", ["a"])


# What the service does not know --------------------------------------------------------------


async def forgotten(studio: Studio, world: World, *shows: object) -> Made:
    """Have a task that its service accepted and says at its first looks that it does not know."""
    made = await begun(studio, world, *shows)
    made.is_forgotten = True
    await world.clock.run(20.0)
    return made


async def pass_by(world: World, seconds: float) -> None:
    """Let so many seconds pass of which nobody sees anything, then half a minute."""
    world.clock.elapsed_s += seconds - 30.0
    await world.clock.run(30.0)


async def test_a_task_that_its_service_forgot_is_told_after_two_hours_and_paid_anew_if_wished(
    world: World,
) -> None:
    async with world.process(Web(world.clock)) as studio:
        await forgotten(studio, world)
        await pass_by(world, 2 * HOUR_S - 60.0)
        assert (await world.only_task()).status == "pending"
        joined = await submitted(studio, world)
        await pass_by(world, 90.0)
        task = await world.only_task()
        assert (task.status, task.charged, joined.task.local_id) == (
            "failed", "unknown", task.local_id,
        )  # fmt: skip
        assert "has said for two hours that it does not know it" in task.error
        again = await submitted(studio, world)
    assert again.task.local_id != task.local_id
    assert f"new payment: {task.public_id}" in again.note
    assert len(world.services.posts) == 2


async def test_a_forgotten_task_that_the_service_knows_again_is_a_song(world: World) -> None:
    async with world.process(Web(world.clock)) as studio:
        made = await forgotten(studio, world, [clip("a"), clip("b")])
        await pass_by(world, 2 * HOUR_S + 60.0)
        assert (await world.only_task()).status == "failed"
        made.is_forgotten = False
        answer = await looked(studio, world, made)
    assert (answer.task.status, saved(answer.task), answer.task.error) == (
        "completed", ["a", "b"], "",
    )  # fmt: skip


async def test_looks_with_another_key_or_that_fail_end_no_task(world: World) -> None:
    async with world.process() as studio:
        made = await forgotten(studio, world)
    async with world.process(new_key="-new") as studio:
        for _ in range(3):
            await pass_by(world, HOUR_S)
            assert (await looked(studio, world, made)).task.status == "pending"
    async with world.process() as studio:
        world.services.look_fault = "failed"
        await pass_by(world, HOUR_S)
        assert (await looked(studio, world, made)).task.status == "pending"
        world.services.look_fault = "none"
        await pass_by(world, HOUR_S)
        assert (await looked(studio, world, made)).task.status == "failed"


async def test_a_task_that_batches_leave_out_is_asked_about_by_itself(world: World) -> None:
    async with world.process() as studio:
        requests = [SongRequest(DEFAULT_SUNO, name) for name in ("one", "two", "three")]
        tasks = [(await submitted(studio, world, request)).task for request in requests]
        for made in world.services.made.values():
            made.ends_at_s = 10 * HOUR_S
        world.services.made[tasks[1].task_id].is_forgotten = True
        await world.clock.run(250.0)
        alone = [ids for ids in world.services.asked_ids if ids == [tasks[1].task_id]]
        await pass_by(world, 2 * HOUR_S + 60.0)
        found = [await world.theirs.find(task.local_id) for task in tasks]
    assert [each and each.status for each in found] == ["processing", "failed", "processing"]
    assert 2 <= len(alone) <= 4, "once a minute"
