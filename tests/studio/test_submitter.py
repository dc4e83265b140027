"""Paying: one POST for one request, and whatever happens, the journal says what came of it."""

import json
import logging
import re
import sqlite3
from collections.abc import Awaitable
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial

import anyio
import pytest

from song_mcp.errors import BadKeyError, InvalidRequestError, NoAnswerError
from song_mcp.providers import Submission
from song_mcp.providers.base import SourceAudio
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import Request, SongRequest, Task
from song_mcp.studio import Answer, Studio
from song_mcp.studio.submitter import _new_task
from tests.manual_clock import quiet
from tests.processes import WALTZ, Patience, World, submitting

HIDDEN_S = 3600.0
"""So long the history does not show a task that was made."""


async def in_doubt(world: World, by: Studio, hidden_s: float = HIDDEN_S) -> Task:
    """Make a submission whose reply is lost, and that the history does not show for some time."""
    world.services.history_lag_s = hidden_s
    world.services.faults.append("lost after it was taken")
    task = (await world.clock.result(by.submit(WALTZ, Patience(0.0), another_take=False))).task
    assert task.status == "in_doubt"
    return task


def rewrite(world: World, wire: str) -> None:
    """Let the journal's only task say that this was sent."""
    with closing(sqlite3.connect(world.theirs.path)) as db, db:
        db.execute("UPDATE tasks SET wire = ?", (wire,))


def wires(world: World) -> list[object]:
    with closing(sqlite3.connect(world.theirs.path)) as db:
        return [json.loads(wire) for (wire,) in db.execute("SELECT wire FROM tasks")]


async def test_what_is_submitted_again_is_what_was_submitted_before(world: World) -> None:
    async with world.process() as studio:
        doubtful = await in_doubt(world, studio)
        again = studio.resolve(doubtful.local_id, "submit_again", Patience(0.0))
        task = (await world.clock.result(again)).task
        assert (task.status, task.linked_to) == ("processing", doubtful.local_id)
        first, second = wires(world)
        assert first == second
        assert world.services.bodies[0] == world.services.bodies[1]


@pytest.mark.parametrize("wire", ["", "{}", '{"path": "/api/v1/task", "deadline_s": 60}'])
async def test_what_is_not_known_whole_is_not_submitted_again_and_stays_in_doubt(
    world: World, wire: str
) -> None:
    async with world.process() as studio:
        doubtful = await in_doubt(world, studio)
        rewrite(world, wire)
        with pytest.raises(InvalidRequestError, match="does not have what was sent"):
            await studio.resolve(doubtful.local_id, "submit_again", Patience(0.0))
        assert await world.only_task() == doubtful
        assert len(world.services.posts) == 1


async def test_a_doubt_is_submitted_again_once_however_many_ask_at_once(world: World) -> None:
    answers: list[str] = []

    async def ask(studio: Studio, doubtful: Task) -> None:
        with suppress(InvalidRequestError):  # raised to callers that come after it is settled
            answer = await studio.resolve(doubtful.local_id, "submit_again", Patience(0.0))
            answers.append(answer.task.status)

    async with world.process() as one, world.process() as two:
        doubtful = await in_doubt(world, one)
        async with anyio.create_task_group() as group:
            for studio in (one, two, one, two):
                group.start_soon(ask, studio, doubtful)
            await world.clock.run(10.0)
        assert len(world.services.posts) == 2
        assert answers.count("processing") == 1
        assert set(answers) <= {"processing", "abandoned"}


async def test_a_doubt_that_the_history_shows_is_not_paid_again_however_many_ask_at_once(
    world: World,
) -> None:
    answers: list[str] = []

    async def ask(studio: Studio, doubtful: Task) -> None:
        with suppress(InvalidRequestError):  # raised to callers that come after it is settled
            answer = await studio.resolve(doubtful.local_id, "submit_again", Patience(0.0))
            answers.append(answer.task.status)

    async with world.process() as one, world.process() as two:
        doubtful = await in_doubt(world, one, hidden_s=0.0)
        async with anyio.create_task_group() as group:
            for studio in (one, two, one, two):
                group.start_soon(ask, studio, doubtful)
            await world.clock.run(10.0)
        assert len(world.services.posts) == 1
        assert set(answers) == {"processing"}
        assert (await world.only_task()).task_id in world.services.made


async def test_an_answer_that_cannot_be_written_for_long_is_written_in_the_end(
    world: World,
) -> None:
    world.services.latency_s = 3.0
    home, aside = world.theirs.path.parent, world.folder / "aside"
    async with world.process() as studio, world.waiting(submitting(studio), 0.0) as (call,):
        await world.clock.run(1.0)
        home.rename(aside)
        home.write_text("a file in its place", encoding="utf-8")
        await world.clock.run(120.0)
        assert call.end == ("submitting", 5.0)
        home.unlink()
        aside.rename(home)
        await world.clock.run(20.0)
        task = await world.only_task()
        assert (task.status, task.charged) == ("processing", "yes")
        assert len(world.services.posts) == 1


async def test_what_was_accepted_but_cannot_be_written_when_the_client_leaves_is_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.services.latency_s = 3.0
    path, aside = world.theirs.path, world.folder / "aside"
    async with anyio.create_task_group() as group, world.process() as studio:
        await studio.begin(WALTZ, another_take=False)
        await quiet()
        path.rename(aside)
        path.mkdir()
        group.start_soon(world.clock.run, 60.0)
    path.rmdir()
    aside.rename(path)
    (task_id,) = world.services.made
    task = await world.only_task()
    (told,) = {line.getMessage() for line in caplog.records if task_id in line.getMessage()}
    assert told.startswith(f"{task.local_id} was accepted by PiAPI as task {task_id}, but")
    assert {line.levelno for line in caplog.records if line.getMessage() == told} == {logging.ERROR}
    assert not re.search("nothing was (sent|paid)", caplog.text, re.IGNORECASE)
    assert len(world.services.posts) == 1
    async with world.process():
        await quiet()
        assert (await world.only_task()).status == "in_doubt"


async def test_leaving_waits_for_the_answer_to_a_submission_and_shows_life_till_then(
    world: World,
) -> None:
    world.services.latency_s = 40.0
    async with anyio.create_task_group() as group:
        async with world.process() as studio:
            await studio.begin(WALTZ, another_take=False)
            await quiet()
            group.start_soon(world.clock.run, 60.0)
        assert world.clock.elapsed_s >= 40.0
    task = await world.only_task()
    assert (task.status, task.task_id) == ("processing", next(iter(world.services.made)))
    assert list((world.theirs.path.parent / "processes").glob("*.lock")) == []


async def test_a_call_that_is_given_up_pays_once_and_its_repetition_joins(world: World) -> None:
    world.services.latency_s = 3.0
    async with world.process() as studio:
        async with world.waiting(submitting(studio), 60.0):
            await world.clock.run(1.0)
        repeated = partial(studio.submit, WALTZ, Patience(0.0), another_take=False)
        task = (await world.clock.result(repeated())).task
        assert task.status == "processing"
        assert len(world.services.posts) == 1


async def test_a_wish_whose_process_died_before_it_was_sent_is_free_again(world: World) -> None:
    provider = world.services.providers()["piapi"]
    new = _new_task(WALTZ, provider.prepare(WALTZ), provider.account_tag, "dead")
    await world.theirs.prepare(new, join=True)
    async with world.process() as studio:
        await quiet()
        assert ((await world.only_task()).status, world.services.posts) == ("rejected", [])
        call = studio.submit(WALTZ, Patience(0.0), another_take=False)
        assert (await world.clock.result(call)).task.status == "processing"
        assert len(world.services.posts) == 1


async def test_what_costs_nothing_leaves_no_doubt_and_counts_towards_no_limit(
    world: World,
) -> None:
    free = replace(WALTZ, model=replace(WALTZ.model, is_free=True))
    async with world.process() as studio:
        world.services.faults.append("lost after it was taken")
        lost = (await world.clock.result(by_free(studio, free))).task
        assert lost.status == "rejected"
        assert "costs nothing" in lost.error
        again = (await world.clock.result(by_free(studio, free))).task
        assert again.status == "processing"
        assert (await studio.state()).paid == 0


def by_free(studio: Studio, request: SongRequest) -> Awaitable[Answer]:
    return studio.submit(request, Patience(0.0), another_take=False)


class Attaching(Piapi):
    """An adapter that adds a link to the clip, or fails to."""

    fails_with: Exception | None = None

    def prepare(self, request: Request) -> Submission:
        return replace(super().prepare(request), audio=SourceAudio("clip-1"))

    async def attach(self, submission: Submission) -> Submission:
        if self.fails_with is not None:
            raise self.fails_with
        return replace(submission, body={**submission.body, "audio": "https://cdn.example/1.mp3"})


@pytest.mark.parametrize(
    "error",
    [NoAnswerError("The upload got no answer."), BadKeyError("A plan is needed."), ValueError("x")],
)
async def test_a_clip_that_cannot_be_attached_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("tests.memory_services.Piapi", Attaching)
    monkeypatch.setattr(Attaching, "fails_with", error)
    async with world.process() as studio:
        task = (await world.clock.result(by_free(studio, WALTZ))).task
        assert (task.status, task.charged) == ("rejected", "no")
        assert world.services.bodies == []
        monkeypatch.setattr(Attaching, "fails_with", None)
        task = (await world.clock.result(by_free(studio, WALTZ))).task
        assert task.status == "processing"
        [body] = world.services.bodies
        assert body["audio"] == "https://cdn.example/1.mp3"
        assert "audio" not in wires(world)[-1]["body"]  # type: ignore[index]
