"""A server killed at every step of its work, and what the next one on its journal makes of it.

The steps are those of `song_mcp.journal.failpoints`, each with a scenario that reaches it. Every
other client takes handles instead of waiting. The next server on the journal looks after the dead
one's tasks, is asked again whatever got no answer, and is the next to die.
"""

import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest

from song_mcp.journal.failpoints import Failpoint
from song_mcp.songs import MODELS, SERVICES
from tests.faults.fault_service import Fault, FaultService, serving
from tests.faults.harness import (
    Call,
    GoneError,
    Home,
    Json,
    Row,
    Server,
    broken_promises,
    by_marker,
    cared_for,
    integrity_of,
    nursery,
    rows_in,
    started,
)
from tests.faults.scale import report, scaled
from tests.limits import HANGS_S

KILLS = 20
LANES = 6
PATIENCE = 5
"""How often a scenario is played at most until the server dies of it."""

DROPPED = {"unseen": Fault.DROP_BEFORE, "unheard": Fault.DROP_AFTER}
"""What happens to the first submission with a marker, by the end of the marker."""
KNOWN = "known by its id"

Ask = tuple[str, Json]


def faults(marker: str, number: int) -> Fault | None:
    return DROPPED.get(marker.rpartition("-")[2]) if number == 1 else None


@dataclass
class Lane:
    """Servers that die one after the other at one point, on one journal."""

    point: Failpoint
    service: FaultService
    home: Home
    broken: list[str] = field(default_factory=list)
    asked_again: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    model: str = "udio"
    """The model of the newest request."""
    marker: str = ""
    unanswered: Ask | None = None

    @property
    def armed(self) -> Path:
        return self.home.folder / "armed"

    @property
    def takes_handles(self) -> bool:
        """Whether the client does: both kinds meet every service, whatever the number of kills."""
        is_turn = (self.kills ^ self.kills >> 1) & 1 == 1
        return is_turn or self.point in {Failpoint.BEFORE_UNFOLLOW, Failpoint.AFTER_UNFOLLOW}

    def rows(self) -> list[Row]:
        return rows_in(self.home.journal)

    def arm(self) -> None:
        self.armed.touch()

    async def ask(self, server: Server, tool: str, **arguments: Any) -> Call:  # noqa: ANN401
        """Call a tool, and remember the call while it has no answer."""
        self.unanswered = (tool, arguments)
        call = await server.call(tool, **arguments)
        if call.handle:  # its end is read later
            waits = {key: arguments[key] for key in {"wait_seconds"} & set(arguments)}
            await server.call("get_task", task_id=call.handle, **waits)
        self.unanswered = None
        return call

    def choose(self, models: Sequence[str]) -> str:
        """Return the model whose turn it is: at each point one after the other."""
        self.model = models[(self.kills + POINTS.index(self.point)) % len(models)]
        return self.model

    def new_text(self, fate: str) -> str:
        """A description that nobody used before; with some fates, its reply is lost."""
        ending = fate if fate in DROPPED else "song"
        number = next(NUMBERS)
        self.marker = f"song-{self.point}-{number}-{ending}"
        return f"{self.marker} {'open' if fate in DROPPED else fate}"

    async def run(self, kills: int) -> None:
        scenario = SCENARIOS[self.point]
        for _ in range(kills):
            async with self._server(scenario.dies_at or self.point) as server:
                await self._take_over(server)
                await self._die(server, scenario)
            if scenario.dies_at:
                await self._die_at_start()
        async with self._server(self.point) as server:
            await self._take_over(server)
            await server.hang_up()
            status = await server.ended()
            if status:
                self.broken.append(f"{self.point}: the last server ended with {status}")
        found = broken_promises(self.rows(), self.service, self.asked_again)
        self.broken += [words for words in found if f"song-{self.point}-" in words]

    def _server(self, point: Failpoint) -> Any:  # noqa: ANN401 - a context manager
        nth = 1 if point is not self.point or not SCENARIOS[point].repeats else 1 + self.kills % 2
        return started(self.home, point, str(nth), str(self.armed))

    # Dying -------------------------------------------------------------------------------------

    async def _die(self, server: Server, scenario: "Scenario") -> None:
        """Play until the server kills itself at its point; no other server may die there."""
        with suppress(GoneError):
            for _ in range(PATIENCE):
                await scenario.play(self, server)
                await server.ping()
            self.broken.append(f"{self.point} was not reached: {self.marker}")
            return
        self._count(await server.ended(), is_it=not scenario.dies_at)

    async def _die_at_start(self) -> None:
        """Let a server die at a step that it takes without being asked."""
        self.arm()
        async with self._server(self.point) as server:
            self._count(await server.ended(), is_it=True)

    def _count(self, status: int, *, is_it: bool) -> None:
        self.armed.unlink(missing_ok=True)
        if status != -signal.SIGKILL:
            self.broken.append(f"{self.point}: ended with {status}")
        elif is_it:
            self.kills += 1

    # Taking over -------------------------------------------------------------------------------

    async def _take_over(self, server: Server) -> None:
        """See that the fresh server finds things right, and leaves them right when asked again."""
        await server.hello(takes_handles=self.takes_handles)
        if self.kills == 0:
            return
        rows = by_marker(await cared_for(server, self.home)).get(self.marker, [])
        self._check_statuses(rows)
        sent = self.service.submissions[self.marker]
        if self.unanswered is not None:
            tool, arguments = self.unanswered
            await self.ask(server, tool, **arguments)
            if tool.startswith("generate") and _is_joined(rows):
                self._expect(self.service.submissions[self.marker], sent, "submissions")
        self._expect(integrity_of(self.home.journal), "ok", "integrity")

    def _check_statuses(self, rows: Sequence[Row]) -> None:
        found = sorted(KNOWN if row["task_id"] else row["status"] for row in rows)
        allowed = [sorted(each) for each in self._allowed()]
        if found not in allowed:
            self.broken.append(f"{self.marker}: found {found}, not one of {allowed}")

    def _allowed(self) -> Iterator[Sequence[str]]:
        """Yield what may be found, for the service of the model: what costs nothing is no doubt.

        A song that came with the answer is known without the row that says so.
        """
        model = MODELS[self.model]
        for each in SCENARIOS[self.point].leaves:
            lost = "rejected" if model.is_free else "in_doubt"
            yield [lost if status == "in_doubt" else status for status in each]
            if SERVICES[model.service].answers_with_audio:
                yield [KNOWN if status == "in_doubt" else status for status in each]

    def _expect(self, found: object, expected: object, what: str) -> None:
        if found != expected:
            self.broken.append(f"{self.marker}: {what} {found!r} instead of {expected!r}")


NUMBERS = count()


def _is_joined(rows: Sequence[Row]) -> bool:
    return any(row["status"] in {"pending", "processing", "in_doubt"} for row in rows)


# The scenarios -------------------------------------------------------------------------------

Play = Callable[[Lane, Server], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """How a point is reached, and what it may leave in the journal after recovery.

    `repeats`: the point can be reached more than once, so every second server survives the first
    time. `dies_at`: a first server dies there, and the one that is meant on its start.
    """

    play: Play
    leaves: Sequence[Sequence[str]]
    repeats: bool = True
    dies_at: Failpoint | None = None


def submitting(fate: str, *models: str) -> Play:
    """Submit a song; its service changes from one death to the next."""

    async def play(lane: Lane, server: Server) -> None:
        model = lane.choose(models)
        lane.arm()
        await lane.ask(server, "generate_song", description=lane.new_text(fate), model=model)

    return play


def covering(tool: str) -> Play:
    """Make something of a clip of the library, whose audio goes along."""

    async def play(lane: Lane, server: Server) -> None:
        is_cover = tool == "cover_song"
        text, by = lane.new_text("ends"), "suno-v5" if is_cover else "ace-step"
        made = await lane.ask(server, "generate_song", description=text, model=by)
        task = made.task
        while not all(clip.get("file") for clip in task.get("clips") or [{}]):
            looked = await lane.ask(server, "get_task", task_id=task["task_id"], wait_seconds=3)
            task = looked.task
        model = {"model": lane.choose(COVERING)} if is_cover else {}
        clip_id, text = task["clips"][0]["clip_id"], lane.new_text("open")
        lane.arm()
        await lane.ask(server, tool, clip_id=clip_id, description=text, **model)

    return play


async def save(lane: Lane, server: Server) -> None:
    """Save the clip of a song, which may have come with the answer."""
    model = lane.choose(EACH)
    if not SERVICES[MODELS[model].service].answers_with_audio:
        await look(lane, server, model)
        return
    lane.arm()
    text = lane.new_text("ends")
    await lane.ask(server, "generate_song", description=text, model=model, wait_seconds=3)


async def look(lane: Lane, server: Server, model: str = "") -> None:
    """Look at a song that has ended, so that its clip has to be saved."""
    model = model or lane.choose(WITH_TASKS)
    text = lane.new_text("ends")
    call = await lane.ask(server, "generate_song", description=text, model=model)
    lane.arm()
    await lane.ask(server, "get_task", task_id=call.task["task_id"], wait_seconds=3)


async def follow(lane: Lane, server: Server) -> None:
    """Wait for the end of a song, which is polled, or look at it at once."""
    if lane.kills % 2 == 0:
        await look(lane, server)
        return
    lane.arm()
    text = lane.new_text("ends")
    await lane.ask(server, "generate_song", description=text, model="suno-v5", wait_seconds=3)


async def adopt(lane: Lane, server: Server) -> None:
    """Look at a song that was made elsewhere."""
    task_id = lane.service.make_elsewhere(lane.new_text("ends"))
    lane.arm()
    await lane.ask(server, "get_task", task_id=task_id)


async def deliver(lane: Lane, server: Server) -> None:
    """Deliver the end of a task to the client."""
    lane.model = "suno-v5"
    lane.armed.unlink(missing_ok=True)  # an end that was told at once lets the play before live on
    call = await lane.ask(server, "generate_lyrics", topic=lane.new_text("ends"), model="suno-v5")
    with anyio.fail_after(HANGS_S):  # what the call told is written too, and may be sent until then
        while not any(
            row["task_id"] and row["told_at"] for row in by_marker(lane.rows())[lane.marker]
        ):
            await server.ping()
    lane.arm()
    if call.handle:
        while (await server.ask("tasks/get", taskId=call.handle))["status"] == "working":
            await server.ping()
    else:
        await lane.ask(server, "get_task", task_id=call.task["task_id"], wait_seconds=3)
    with anyio.fail_after(HANGS_S):
        while not any(row["delivered_at"] for row in by_marker(lane.rows())[lane.marker]):
            await server.ping()


async def settle(lane: Lane, server: Server) -> None:
    """Settle a doubt in each of the three ways."""
    action = ("abandon", "submit_again", "check")[lane.kills % 3]
    fate = "unseen" if action == "abandon" else "unheard"
    text = lane.new_text(fate)
    call = await lane.ask(server, "generate_song", description=text, model="udio")
    if action == "check":
        await lane.ask(server, "get_task", task_id=lane.service.accepted[lane.marker][0])
    if action == "submit_again":
        lane.asked_again[lane.marker] += 1
    lane.arm()
    await lane.ask(server, "resolve_task", task_id=call.task["task_id"], action=action)


async def unfollow(lane: Lane, server: Server) -> None:
    """Stop polling a song."""
    call = await lane.ask(server, "generate_song", description=lane.new_text("open"), model="udio")
    lane.arm()
    await server.ask("tasks/cancel", taskId=call.handle)


WITH_TASKS = ("udio", "suno-v5", "ace-step", "ace-step-local")
EACH = (*WITH_TASKS, "minimax-3", "minimax-3-free")
LASTING = ("udio", "suno-v5", "ace-step", "diffrhythm", "minimax-3")
"""Models whose songs are paid."""
COVERING = ("ace-step", "minimax-3", "ace-step-local")
POINTS = tuple(Failpoint)
DOUBT = [["in_doubt"]]
UNSENT = [["rejected"]]
TAKEN = [[KNOWN]]
TAKEN_OR_DOUBT = [[KNOWN], ["in_doubt"], []]
SONG = submitting("open", *EACH)

SCENARIOS: Mapping[Failpoint, Scenario] = {
    Failpoint.BEFORE_PREPARE: Scenario(submitting("open", *EACH), [[]]),
    Failpoint.AFTER_PREPARE: Scenario(submitting("open", *EACH), UNSENT),
    Failpoint.BEFORE_ATTACH: Scenario(covering("cover_song"), UNSENT),
    Failpoint.AFTER_ATTACH: Scenario(covering("extend_song"), UNSENT),
    Failpoint.BEFORE_BEGIN: Scenario(submitting("open", *LASTING), UNSENT),
    Failpoint.AFTER_BEGIN: Scenario(submitting("open", *LASTING), DOUBT),
    Failpoint.BEFORE_POST: Scenario(submitting("open", *EACH), DOUBT),
    Failpoint.AFTER_POST: Scenario(submitting("open", *EACH), DOUBT),
    Failpoint.BEFORE_ACCEPT: Scenario(submitting("open", *EACH), DOUBT),
    Failpoint.AFTER_ACCEPT: Scenario(submitting("open", *EACH), TAKEN),
    Failpoint.BEFORE_REJECT: Scenario(submitting("refused", *EACH), DOUBT),
    Failpoint.AFTER_REJECT: Scenario(submitting("refused", *EACH), [["rejected"]]),
    Failpoint.BEFORE_DOUBT: Scenario(submitting("unheard", *LASTING), DOUBT),
    Failpoint.AFTER_DOUBT: Scenario(submitting("unseen", *LASTING), DOUBT),
    Failpoint.BEFORE_ORPHAN: Scenario(SONG, DOUBT, repeats=False, dies_at=Failpoint.AFTER_BEGIN),
    Failpoint.AFTER_ORPHAN: Scenario(SONG, UNSENT, repeats=False, dies_at=Failpoint.AFTER_PREPARE),
    Failpoint.BEFORE_CLAIM: Scenario(follow, TAKEN_OR_DOUBT),
    Failpoint.AFTER_CLAIM: Scenario(follow, TAKEN_OR_DOUBT),
    Failpoint.BEFORE_RECORD: Scenario(look, TAKEN_OR_DOUBT),
    Failpoint.AFTER_RECORD: Scenario(look, TAKEN_OR_DOUBT),
    Failpoint.BEFORE_ADOPT: Scenario(adopt, [[]]),
    Failpoint.AFTER_ADOPT: Scenario(adopt, TAKEN),
    Failpoint.BEFORE_SAVE: Scenario(save, TAKEN_OR_DOUBT),
    Failpoint.AFTER_SAVE: Scenario(save, TAKEN_OR_DOUBT),
    Failpoint.BEFORE_DELIVER: Scenario(deliver, TAKEN),
    Failpoint.AFTER_DELIVER: Scenario(deliver, TAKEN),
    Failpoint.BEFORE_SETTLE: Scenario(settle, [["in_doubt"], ["in_doubt", KNOWN]]),
    Failpoint.AFTER_SETTLE: Scenario(
        settle, [["abandoned"], ["abandoned", "rejected"], ["abandoned", "in_doubt"], [KNOWN]]
    ),
    Failpoint.BEFORE_UNFOLLOW: Scenario(unfollow, TAKEN, repeats=False),
    Failpoint.AFTER_UNFOLLOW: Scenario(unfollow, TAKEN, repeats=False),
}


def test_no_point_is_without_a_scenario() -> None:
    assert set(SCENARIOS) == set(Failpoint)


@pytest.mark.first
async def test_at_whatever_step_a_server_dies_nothing_is_paid_twice_or_lost(tmp_path: Path) -> None:
    kills = scaled(KILLS)
    with nursery() as forks:
        async with serving(FaultService(faults)) as service:
            homes = {point: Home(tmp_path / point, service.base_url, forks) for point in Failpoint}
            lanes = [Lane(point, service, home) for point, home in homes.items()]
            await run_all(lanes, kills)
    report(
        f"killed at each of {len(lanes)} points: {sum(lane.kills for lane in lanes)} kills, "
        f"{service.submissions.total()} submissions, {service.accepted_count} accepted"
    )
    report(f"  fewest at one point: {min(lane.kills for lane in lanes)}")
    assert [words for lane in lanes for words in lane.broken] == []
    assert {lane.point: lane.kills for lane in lanes} == dict.fromkeys(Failpoint, kills)


async def run_all(lanes: Sequence[Lane], kills: int) -> None:
    at_once = anyio.CapacityLimiter(LANES)

    async def run(lane: Lane) -> None:
        async with at_once:
            await lane.run(kills)

    async with anyio.create_task_group() as group:
        for lane in lanes:
            group.start_soon(run, lane)
