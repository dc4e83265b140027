"""The promise as a state machine: submit, look, cancel, kill, restart, jump, in any order.

A death is played in this process: from one moment on nothing of the dead studio reaches the journal
or a service, its tasks are cancelled, and its lock is let go with its file left behind, as the
operating system does it. That covers what other processes see of a death, at any await and at every
failure point; it does not cover half-written files or a real signal. Real ones (SIGKILL, SIGTERM)
are in `test_fault_run.py` and `test_kill_points.py`.

The model is small: of each request how many submissions were called for, which tasks were
delivered, and what the services hold. What a repeated request must do is read off the rows just
before.
"""

import asyncio
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing, suppress
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from song_mcp.clock import Clock, Waitable
from song_mcp.compose import running
from song_mcp.downloads import download
from song_mcp.errors import SongError
from song_mcp.inbox import Inbox
from song_mcp.journal import Journal, failpoints
from song_mcp.journal.claims import DAY_S, POLLED_FOR_S
from song_mcp.journal.failpoints import Failpoint
from song_mcp.library.store import Library
from song_mcp.providers import Provider
from song_mcp.songs import ServiceName, SongRequest, Task
from song_mcp.studio import Call, Options, Studio, calling
from song_mcp.studio.results import Action, Answer
from tests.faults.scale import report, scaled
from tests.manual_clock import ManualClock, quiet
from tests.memory_services import Fault, MemoryServices, spare_the_disk
from tests.models import DEFAULT_SUNO, UDIO

T = TypeVar("T")

EXAMPLES = scaled(200, least=6)
STEPS = 30
PROCESSES = 3
DEAD_FOR_S = 30.0
LIMIT = 1000
REQUESTS: dict[str, ServiceName] = {
    "waltz": "gptge",
    "samba": "gptge",
    "fado": "piapi",
    "polka": "piapi",
}
FORWARD: dict[str, set[str]] = {
    "submitting": {"pending", "processing", "completed", "failed", "rejected", "in_doubt"},
    "pending": {"processing", "completed", "failed"},
    "processing": {"pending", "completed", "failed"},
    "in_doubt": {"pending", "processing", "completed", "failed", "abandoned"},
}
CUT_BY = ["cancelled", "hung up", "killed"]
"""How a call loses its answer; one whose client hung up may go on."""
Cut = tuple[int, str, Fault, float]
"""A call that is cut off: by which process it is made, how, what it meets, and after how long."""
OPEN = {"submitting", "pending", "processing", "in_doubt"}
PAY_FAULTS: list[Fault] = ["none", "none", "not reached", "lost before it was taken"]
PAY_FAULTS += ["lost after it was taken", "half an answer", "failed", "too many", "refused", "page"]
LOOK_FAULTS: list[Fault] = ["none", "not reached", "half an answer", "failed", "too many", "page"]
ON_THE_WAY = [
    point
    for point in Failpoint
    if point.partition("-")[2] in {"prepare", "begin", "post", "accept", "reject", "doubt"}
]
"""The failure points that a submission passes."""
COUNTS: Counter[str] = Counter()
Row = sqlite3.Row
ENDED = "ended_at"


def wordings_of(number: int) -> list[str]:
    """Return a wish of its own, in five wordings."""
    name = "zx" + "".join(chr(ord("a") + int(digit)) for digit in str(number)) + "q"
    return [
        f"a slow song about the {name} ferry at night",
        f"Slow: {name} ferry, night",
        f"the night ferry {name}, a slow tune",
        f"slow night song, ferry {name}",
        f"{name}, ferry of the night, slow song please",
    ]


class Died(BaseException):
    """The process is dead: nothing that it does has an effect from now on."""


class Waits:
    """A call that waits so long and gets no progress."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def tell(self, elapsed_s: float, task: Task) -> None:
        """Ignore progress."""


class MortalClock(Clock):
    """The clock as one process sees it: a dead one never wakes up."""

    def __init__(self, process: "Process", clock: ManualClock) -> None:
        super().__init__()
        self._process = process
        self._clock = clock

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def now(self) -> datetime:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        await self.wait(self._process.died, seconds)

    async def wait(self, event: Waitable, seconds: float) -> bool:
        happened = await self._clock.wait(event, seconds)
        self._process.check()
        return happened


class Process:
    """A studio that can die at any moment; see above what that covers."""

    def __init__(self, folder: Path, clock: ManualClock, services: MemoryServices) -> None:
        self.is_dead = False
        self.dies_at: Failpoint | None = None
        self.died = asyncio.Event()
        self.calls: set[asyncio.Task[object]] = set()
        self.journal = Journal(folder / "journal.sqlite3", clock.now)
        self._folder = folder
        self._manual_clock = clock
        self._clock = MortalClock(self, clock)
        self._services = services
        self._left = asyncio.Event()
        self._life = asyncio.create_task(self._live())

    def call(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Begin a call of a client."""
        token = CURRENT.set(self)
        call = asyncio.create_task(work)
        CURRENT.reset(token)
        self.calls.add(cast("asyncio.Task[object]", call))
        call.add_done_callback(lambda done: self.calls.discard(cast("asyncio.Task[object]", done)))
        return call

    def check(self) -> None:
        if self.is_dead:
            raise Died

    async def die(self) -> None:
        """Be dead, and leave what a dead process leaves: a free lock, its file, open rows."""
        self.is_dead = True
        self.died.set()
        self.work.cancel_scope.cancel()
        for call in list(self.calls):
            call.cancel()
        await asyncio.wait([self._life])
        lock = self.liveness._lock  # noqa: SLF001 - the system's part
        if lock is not None:
            lock.release()
        await self.journal.close()

    async def leave(self) -> None:
        """End as when the client hangs up: wait for submissions in flight."""
        self._left.set()
        await self._manual_clock.until(self._life.done, 200.0)
        await self.journal.close()

    async def _live(self) -> None:
        CURRENT.set(self)
        file = self.journal._file  # noqa: SLF001 - where a dead process must not reach
        file.write = self._mortal(file.write)  # type: ignore[method-assign, assignment]
        file.read = self._mortal(file.read)  # type: ignore[method-assign, assignment]
        try:
            await self._open()
        except BaseExceptionGroup as group:
            other = group.split(Died)[1]
            if other is not None:
                raise other from None
        except Died:
            pass

    async def _open(self) -> None:
        library = Library(self._folder / "library", cast("Any", download), cap_bytes=1)
        options = Options(None, 0.0, LIMIT, 1, library.folder)
        inbox = Inbox(self._folder / "inbox", cap_bytes=1)
        opened = running(options, self._providers(), self.journal, library, inbox, self._clock)
        async with opened as self.studio:
            self.work = self.studio._work  # noqa: SLF001 - the dead let go of both in `die`
            self.liveness = self.studio._submitter._liveness  # noqa: SLF001
            self.studio.settled = self._settled  # type: ignore[method-assign]
            await self._left.wait()

    async def _settled(self) -> None:
        """Wait for submissions in flight, unless the process is dead."""
        if not self.is_dead:
            await Studio.settled(self.studio)

    def _providers(self) -> dict[ServiceName, Provider]:
        providers = self._services.providers()
        for provider in providers.values():
            http = cast("Any", provider)._http  # noqa: SLF001 - the network of this process
            http._transport = Wire(self, http._transport)  # noqa: SLF001
            http._pause = self._clock.sleep  # noqa: SLF001
        return providers

    def _mortal(self, work: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def done(*values: Any) -> T:  # noqa: ANN401 - as the journal's file
            self.check()
            result = await work(*values)
            self.check()
            return result

        return done


class Wire(httpx.AsyncBaseTransport):
    """The network of one process: a dead one sends and receives nothing."""

    def __init__(self, process: Process, services: httpx.AsyncBaseTransport) -> None:
        self._process = process
        self._services = services

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._process.check()
        answer = asyncio.create_task(self._services.handle_async_request(request))
        died = asyncio.create_task(self._process.died.wait())
        try:
            await asyncio.wait([answer, died], return_when=asyncio.FIRST_COMPLETED)
            self._process.check()
            return await answer
        finally:
            died.cancel()
            answer.cancel()


CURRENT: ContextVar[Process] = ContextVar("process")


def die_where_told(point: Failpoint) -> None:
    """The hook of the failure points: end the process that has reached its last one."""
    process = CURRENT.get(None)
    if process is None:
        return
    process.check()
    if process.dies_at is point:
        process.is_dead = True
        COUNTS["deaths at a failure point"] += 1
        raise Died


class Promise(RuleBasedStateMachine):
    """Whatever happens: at most one paid submission for each that was called for, none lost."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.called_for: Counter[str] = Counter()
        self.delivered: set[str] = set()
        self.seen: dict[str, str] = {}
        self.dead_since: dict[str, float] = {}
        self.alive_since = 0.0
        self.processes: list[Process] = []

    @initialize(latency_s=st.sampled_from([0.0, 0.5, 4.0]))
    def open(self, latency_s: float) -> None:
        self.runner.run(self._open(latency_s))

    async def _open(self, latency_s: float) -> None:
        self.clock = ManualClock()
        self.services = MemoryServices(self.clock, song_s=20.0, latency_s=latency_s)
        await self._start()

    async def _start(self) -> None:
        if not self.processes:
            self.alive_since = self.clock.elapsed_s
        self.processes.append(Process(Path(self.folder.name), self.clock, self.services))
        await quiet()

    # What happens ------------------------------------------------------------------------

    @precondition(lambda self: len(self.processes) < PROCESSES)
    @rule()
    def start(self) -> None:
        COUNTS["starts"] += 1
        self.runner.run(self._start())

    @precondition(lambda self: self.processes)
    @rule(
        who=st.integers(0, 9),
        asked=st.sampled_from(sorted(REQUESTS)),
        fault=st.sampled_from(PAY_FAULTS),
        again=st.sampled_from([False, False, False, True]),
        waits_s=st.sampled_from([0.0, 20.0]),
        then_s=st.sampled_from([0.0, 0.3, 5.0]),
    )
    def submit(
        self,
        who: int,
        asked: str,
        fault: Fault,
        again: bool,  # noqa: FBT001 - the machine draws it
        waits_s: float,
        then_s: float,
    ) -> None:
        self.runner.run(self._submit(self._one(who), asked, fault, again=again, waits_s=waits_s))
        self.runner.run(self._pass(then_s))

    async def _submit(
        self, process: Process, asked: str, fault: Fault, *, again: bool, waits_s: float = 0.0
    ) -> None:
        joins = self._joinable(asked, another_take=again)
        is_refused = again and not joins and bool(self._with_status("in_doubt", asked=asked))
        before = {row["local_id"] for row in self._rows(asked)}
        self.services.faults.clear()
        self.services.faults.extend(["not reached"] * 3 if fault == "not reached" else [fault])
        call = process.call(self._call(process, asked, again=again, waits_s=waits_s))
        await quiet()
        new = {row["local_id"] for row in self._rows(asked)} - before
        if is_refused:
            COUNTS["other takes refused"] += 1
            assert not new, "another take was paid for while an equal task was in doubt"
        else:
            self._count_submission(process, asked, new, joins=joins)
        self.last_call = call

    def _count_submission(
        self, process: Process, asked: str, new: set[str], *, joins: bool
    ) -> None:
        COUNTS["joins" if joins else "submissions"] += 1
        self.called_for[asked] += not joins
        if joins:
            assert not new, "a repeated request made a new task"
        elif not process.is_dead:
            assert len(new) == 1, "a new request made no task"

    async def _call(
        self, process: Process, asked: str, *, again: bool, waits_s: float
    ) -> Answer | None:
        model = DEFAULT_SUNO if REQUESTS[asked] == "gptge" else UDIO
        with suppress(SongError, Died):
            request = SongRequest(model, asked)
            return await process.studio.submit(request, Waits(waits_s), another_take=again)
        return None

    @precondition(lambda self: self.processes)
    @rule(who=st.integers(0, 9), asked=st.sampled_from(sorted(REQUESTS)))
    def make_a_song(self, who: int, asked: str) -> None:
        self.runner.run(self._submit(self._one(who), asked, "none", again=False))
        self.runner.run(self._pass(40.0))

    @precondition(lambda self: self.processes)
    @rule(
        who=st.integers(0, 9),
        asked=st.sampled_from(sorted(REQUESTS)),
        point=st.sampled_from(ON_THE_WAY),
        fault=st.sampled_from(PAY_FAULTS),
    )
    def submit_and_die(self, who: int, asked: str, point: Failpoint, fault: Fault) -> None:
        process = self._one(who)
        process.dies_at = point
        self.runner.run(self._submit(process, asked, fault, again=False))
        self.runner.run(self._pass(6.0))

    @precondition(lambda self: self.processes)
    @rule(who=st.integers(0, 9))
    def cancel(self, who: int) -> None:
        self.runner.run(self._cancel(self._one(who)))

    async def _cancel(self, process: Process) -> None:
        for call in list(process.calls):
            COUNTS["cancelled calls"] += 1
            call.cancel()
        await quiet()

    @precondition(lambda self: self.processes)
    @rule(who=st.integers(0, 9))
    def kill(self, who: int) -> None:
        COUNTS["kills"] += 1
        self.runner.run(self._bury(self._one(who)))

    @precondition(lambda self: self.processes)
    @rule(who=st.integers(0, 9))
    def hang_up(self, who: int) -> None:
        COUNTS["ends"] += 1
        process = self._one(who)
        self.processes.remove(process)
        self.runner.run(process.leave())
        self.runner.run(self._bury_the_dead())

    @rule(seconds=st.sampled_from([0.4, 3.0, 15.0, 45.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.runner.run(self._pass(seconds))

    @rule(hours=st.sampled_from([-30.0, -2.0, -0.1, 0.1, 2.0, 30.0]))
    def jump(self, hours: float) -> None:
        COUNTS["clock jumps"] += 1
        self.clock.jumped_s += hours * 3600
        self.runner.run(self._pass(0.0))

    @rule(fault=st.sampled_from(LOOK_FAULTS))
    def looks_meet(self, fault: Fault) -> None:
        self.services.look_fault = fault

    @precondition(lambda self: self.processes and self.seen)
    @rule(who=st.integers(0, 9), which=st.integers(0, 99))
    def look(self, who: int, which: int) -> None:
        COUNTS["polls"] += 1
        self.runner.run(self._look(self._one(who), self._rows()[which % len(self._rows())]))

    async def _look(self, process: Process, row: Row) -> None:
        async def look() -> None:
            with suppress(SongError, Died):
                await process.studio.look_up(row["local_id"], row["service"], Waits(0.0))

        call = process.call(look())
        await self._pass(5.0)
        assert call.done()

    @precondition(lambda self: self.processes and self._with_status("completed", "failed"))
    @rule(who=st.integers(0, 9), which=st.integers(0, 99))
    def deliver(self, who: int, which: int) -> None:
        COUNTS["deliveries"] += 1
        ended = self._with_status("completed", "failed")
        row, process = ended[which % len(ended)], self._one(who)

        async def note() -> None:
            process.studio.delivered(Call(ended=[row["task_id"]], told=[row["task_id"]]))

        self.runner.run(self._watched(process, note()))
        noted = {row["local_id"] for row in ended if self._is_delivered(row)}
        assert process.is_dead or row["local_id"] in noted
        self.delivered |= noted

    @precondition(lambda self: self.processes and self._with_status("in_doubt"))
    @rule(who=st.integers(0, 9), action=st.sampled_from(["check", "abandon", "submit_again"]))
    def settle(self, who: int, action: Action) -> None:
        COUNTS["doubts settled"] += 1
        row = self._with_status("in_doubt")[0]
        self.called_for[row["description"]] += action == "submit_again"
        self.services.faults.clear()
        process = self._one(who)
        call = process.studio.resolve(row["local_id"], action, Waits(0.0))
        self.runner.run(self._watched(process, call))

    async def _watched(self, process: Process, work: Coroutine[Any, Any, object]) -> None:
        """Let a call that must succeed come to its end."""
        call = process.call(work)
        await self._pass(6.0)
        if not process.is_dead:
            await call

    # One wish in other words -------------------------------------------------------------

    @precondition(lambda self: self.processes)
    @rule(
        cuts=st.lists(
            st.tuples(
                st.integers(0, 9),
                st.sampled_from(CUT_BY),
                st.sampled_from(PAY_FAULTS),
                st.sampled_from([0.0, 0.3, 5.0, 60.0]),
            ),
            min_size=1,
            max_size=3,
        ),
        who=st.integers(0, 9),
        service=st.sampled_from(["gptge", "piapi"]),
    )
    def reword(self, cuts: list[Cut], who: int, service: ServiceName) -> None:
        self.runner.run(self._reword(cuts, who, service))

    async def _reword(self, cuts: list[Cut], who: int, service: ServiceName) -> None:
        """Make one wish in other words until an answer arrives, then one more, which is honest."""
        COUNTS["wishes reworded"] += 1
        *wordings, last, honest = wordings_of(COUNTS["wishes reworded"])
        for wording, (by, way, fault, after_s) in zip(wordings, cuts, strict=False):
            await self._cut_off(by, service, wording, fault, way, after_s)
            if not self.processes:
                await self._start()
        self.services.faults.clear()
        answer = await self._answered(self._one(who), service, last)
        paid = [made for words in (*wordings, last) for made in self.services.accepted(words)]
        assert len(paid) <= 1, "one wish was paid twice"
        if answer is None or answer.task.status == "rejected" or not self.processes:
            return
        assert await self._answered(self._one(who), service, honest) is None or (
            self._rows(honest)
        ), "a wish after an answered one was held back"

    async def _cut_off(
        self, by: int, service: ServiceName, wording: str, fault: Fault, way: str, after_s: float
    ) -> None:
        """Make a call whose answer does not reach its client."""
        COUNTS[f"cut off: {way}"] += 1
        process, asking = self._one(by), Call()
        self.services.faults.clear()
        self.services.faults.extend(["not reached"] * 3 if fault == "not reached" else [fault])
        call = process.call(self._asked(process, asking, service, wording, waits_s=20.0))
        await self._pass(after_s)
        if way == "killed" and not process.is_dead:
            await self._bury(process)
            return
        if way == "cancelled":
            call.cancel()
            await quiet()
        if not process.is_dead:
            process.studio.lost(asking)
        await self._pass(0.0)

    async def _answered(self, process: Process, service: ServiceName, words: str) -> Answer | None:
        """Make a call whose answer its client gets; None if its process dies."""
        asking = Call()
        call = process.call(self._asked(process, asking, service, words, waits_s=0.0))
        await self._pass(6.0)
        if process.is_dead:
            return None
        answer = await call
        if answer is not None:
            asking.told = [answer.task.public_id]
            process.studio.delivered(asking)
            await self._pass(1.0)
        return answer

    async def _asked(
        self, process: Process, asking: Call, service: ServiceName, words: str, waits_s: float
    ) -> Answer | None:
        model = DEFAULT_SUNO if service == "gptge" else UDIO
        with suppress(SongError, Died), calling(asking):
            request = SongRequest(model, words)
            return await process.studio.submit(request, Waits(waits_s), another_take=False)
        return None

    # What always holds -------------------------------------------------------------------

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        for asked in REQUESTS if self.processes or self.seen else []:
            assert self.services.posts.count(asked) <= self.called_for[asked]
            assert len(self.services.accepted(asked)) <= self.called_for[asked]

    @invariant()
    def nothing_paid_is_lost(self) -> None:
        for asked in REQUESTS if self.processes or self.seen else []:
            rows = self._rows(asked)
            known = {row["task_id"] for row in rows}
            lost = [m for m in self.services.accepted(asked) if m.task_id not in known]
            shown = [r for r in rows if r["status"] in {"submitting", "in_doubt", "abandoned"}]
            assert len(lost) <= len(shown), "an accepted submission is neither known nor in doubt"

    @invariant()
    def a_status_only_moves_forward(self) -> None:
        rows = {row["local_id"]: row["status"] for row in self._rows()}
        assert self.seen.keys() <= rows.keys(), "a task has vanished"
        for local_id, was in self.seen.items():
            moved = was == rows[local_id] or rows[local_id] in FORWARD.get(was, set())
            assert moved, f"{was} became {rows[local_id]}"
        self.seen = rows

    @invariant()
    def an_end_is_the_services_own(self) -> None:
        for row in self._with_status("completed", "failed"):
            made = self.services.made[row["task_id"]]
            assert made.asked == row["description"], "a wrong id"
            assert made.ends_at_s <= self.clock.elapsed_s

    @invariant()
    def what_the_dead_were_submitting_is_soon_in_doubt(self) -> None:
        for row in self._with_status("submitting"):
            since = max(self.dead_since.get(row["owner"], 1e18), self.alive_since)
            assert not self.processes or self.clock.elapsed_s - since <= DEAD_FOR_S

    def teardown(self) -> None:
        try:
            if hasattr(self, "clock"):
                self.runner.run(self._end())
                self._check_the_end()
        finally:
            for process in list(self.processes):
                self.runner.run(self._bury(process))
            self.runner.close()
            self.folder.cleanup()

    async def _end(self) -> None:
        """Let a fresh process with a working service finish, and ask it for what is open."""
        self.services.look_fault = "none"
        await self._start()
        await self._pass(200.0)
        for row in self._with_status("pending", "processing"):
            age_s = self.clock.now().timestamp() - row["created_at"]
            assert age_s > POLLED_FOR_S or age_s < 0, "an open task is followed no longer"
            await self._look(self.processes[-1], row)

    def _check_the_end(self) -> None:
        assert self._with_status("submitting", "pending", "processing") == []
        self.nothing_is_paid_twice()
        self.nothing_paid_is_lost()
        self.a_status_only_moves_forward()
        self.an_end_is_the_services_own()
        COUNTS["accepted"] += len(self.services.made)
        COUNTS["in doubt or abandoned"] += len(self._with_status("in_doubt", "abandoned"))

    # Helpers -----------------------------------------------------------------------------

    def _one(self, who: int) -> Process:
        return self.processes[who % len(self.processes)]

    async def _pass(self, seconds: float) -> None:
        """Let time pass in small steps, and remove the processes that died meanwhile."""
        end = self.clock.elapsed_s + seconds
        await quiet()
        await self._bury_the_dead()
        while self.clock.elapsed_s < end:
            await self.clock.run(min(5.0, end - self.clock.elapsed_s))
            await self._bury_the_dead()

    async def _bury_the_dead(self) -> None:
        for process in [process for process in self.processes if process.is_dead]:
            await self._bury(process)

    async def _bury(self, process: Process) -> None:
        self.processes.remove(process)
        await process.die()
        await quiet()
        self.dead_since[process.liveness.token] = self.clock.elapsed_s

    def _joinable(self, asked: str, *, another_take: bool) -> bool:
        """Return whether a repetition of this request has to join a task.

        No call here has a client, so each other take is joined until an answer told of it.
        """
        since = self.clock.now().timestamp() - DAY_S
        return any(
            row["status"] in OPEN
            or (
                row["status"] in {"completed", "failed"}
                and row["local_id"] not in self.delivered
                and row[ENDED] > since
            )
            for row in self._rows(asked)
            if not another_take or (row["another_take"] and row["told_at"] is None)
        )

    def _is_delivered(self, row: Row) -> bool:
        now = next(r for r in self._rows() if r["local_id"] == row["local_id"])
        return now["delivered_at"] is not None

    def _with_status(self, *statuses: str, asked: str = "") -> list[Row]:
        return [row for row in self._rows(asked) if row["status"] in statuses]

    def _rows(self, asked: str = "") -> list[Row]:
        """Read the journal's file itself, without our code."""
        path = Path(self.folder.name) / "journal.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            query = "SELECT * FROM tasks WHERE ? IN (description, '') ORDER BY created_at, rowid"
            return db.execute(query, (asked,)).fetchall()


@pytest.mark.first
def test_the_promise_holds_whatever_happens_in_whatever_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spare_the_disk(monkeypatch)
    monkeypatch.setattr(failpoints, "hook", die_where_told)
    COUNTS.clear()
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a life that breaks the promise is printed as it was, at once
    )
    run_state_machine_as_test(Promise, settings=chosen)
    report(
        f"{EXAMPLES} lives of {STEPS} steps: " + ", ".join(f"{n} {k}" for k, n in COUNTS.items())
    )
    assert COUNTS["accepted"] >= EXAMPLES / 2
