"""Four servers on one journal, behind a network that breaks, with clients that repeat and die.

Every second request goes to one of the newer models. The servers have two accounts, two keys of one
of them, and two spellings of the address. Whatever happens, no request is paid twice, what was paid
is in the journal, with its own id or as in doubt, no id is another's, and no sentence about money
is untrue. The seed is printed; SONG_FAULTS_SEED chooses another one.
"""

import os
import random
import signal
import sqlite3
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from filelock import FileLock

from song_mcp.songs import LONGEST_WAIT_S, MODELS, SERVICES
from song_mcp.studio.history import MOST_LOOKS
from tests.faults.apis import Song
from tests.faults.claims import Claims
from tests.faults.fault_service import BLUES, OF_SUBMISSIONS, Fault, FaultService, serving
from tests.faults.harness import (
    NEW_KEY,
    OTHER_ACCOUNT,
    Call,
    GoneError,
    Home,
    Json,
    Row,
    Server,
    broken_promises,
    by_marker,
    cared_for,
    clips_in,
    integrity_of,
    nursery,
    respelled,
    rows_in,
    started,
)
from tests.faults.scale import report, scaled
from tests.limits import HANGS_S

SEED = os.environ.get("SONG_FAULTS_SEED", "7")
SUBMISSIONS = 2_000
FAULTS = 500
KILLS = 100
FIRST = 1000
"""The first request's number: no seed, or a marker would have one number less than another one, and
a request with it could be the other one in fewer words."""
SERVERS = 4
CLIENTS = 24

OLDER = ("udio", "suno-v3.5", "suno-v4.5", "suno-v5")
NEWER = ("ace-step", "diffrhythm", "minimax-3", "minimax-3-free", "ace-step-local")
ENDING = frozenset({"udio", "ace-step", "diffrhythm"})
"""Models whose tasks all end here: an account of PiAPI with many open ones settles no doubts."""
Clip = tuple[str, str]
"""A clip's id, and the model that made it."""
SOURCES = 40
"""From how many saved clips, the newest, something is made."""
PATIENCE = 50
"""How often a client repeats a call that gets no answer."""


def faults(marker: str, number: int) -> Fault | None:
    """Something goes wrong with two submissions in five and with one look in twenty."""
    dice = random.Random(f"{SEED} {marker} {number}")  # noqa: S311 - no secret
    if dice.random() >= (0.4 if marker else 0.05):
        return None
    return dice.choice([fault for fault in Fault if marker or fault not in OF_SUBMISSIONS])


def ways_to_pay(home: Home) -> tuple[Home, ...]:
    """The home itself, with a new key, with another spelling of the address, and as another."""
    return (
        home,
        replace(home, key_ends=NEW_KEY),
        replace(home, base_url=respelled(home.base_url)),
        replace(home, key_ends=OTHER_ACCOUNT),
    )


@dataclass
class Slot:
    """The place of one server: whenever it ends, another one replaces it, paying as it likes."""

    home: Home
    counts: Counter[str]
    dice: random.Random
    server: Server | None = None
    is_ready: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        while True:
            self.counts["servers started"] += 1
            async with started(self.dice.choice(ways_to_pay(self.home))) as server:
                self.server = server
                with suppress(GoneError):
                    await server.hello()
                    self.is_ready.set()
                    await server.gone.wait()
                    self.is_ready = anyio.Event()
                await server.ended()

    async def ready(self) -> Server:
        while True:
            await self.is_ready.wait()
            if self.server is not None and not self.server.gone.is_set():
                return self.server
            await anyio.lowlevel.checkpoint()


def reworded(request: "Request", arguments: Json) -> Json:
    """Return what a request asks for in other words than before."""
    words = {request.text: request.other_words, request.other_words: request.text}
    return {name: words.get(value, value) for name, value in arguments.items()}


@dataclass
class Request:
    """What one client wants, and all that is random about it."""

    marker: str

    sources: Sequence[Clip] = ()
    """Clips that are in the library."""

    def __post_init__(self) -> None:
        self.dice = dice = random.Random(f"{SEED} client {self.marker}")  # noqa: S311 - no secret
        self.model = MODELS[dice.choice(dice.choice((OLDER, NEWER)))]
        is_ending = self.model.name in ENDING
        is_at_once = SERVICES[self.model.service].answers_with_audio
        self.has_twin = dice.random() < 0.15 and not (is_ending or is_at_once)
        fates = ("ends", "ends", "fails") if is_ending else ("ends", "fails", "open")
        fate = "open" if self.has_twin else dice.choice(fates)
        self.tool = self._tool()
        words = dice.choice(BLUES) if dice.random() < 0.2 else "a song"
        self.text = f"{self.marker} {words} {fate}"
        self.other_words = f"please, {words}: {self.marker} {fate}"
        self.source = self._source()
        has_takes = self.tool == "generate_song" and self.model.clips == 1 and not self.has_twin
        self.takes = dice.choice((1, 1, 1, 1, 2, 3)) if has_takes else 1

    def is_asked_by(self, arguments: Json) -> bool:
        """Tell whether a call asks for this alone, so that it may be made in other words."""
        is_asked = not {self.text, self.other_words}.isdisjoint(arguments.values())
        return is_asked and not self.has_twin and not arguments.get("another_take")

    def _tool(self) -> str:
        luck = self.dice.random()
        if luck < 0.15 and self.model.can("lyrics_maker"):
            return "generate_lyrics"
        if 0.15 < luck < 0.5 and self.sources and self.model.can("cover"):
            is_extended = luck < 0.3 and self._own_clips()
            return "extend_song" if is_extended else "cover_song"
        return "generate_song"

    def _source(self) -> str:
        """Return the id of the clip that something is made of, "" if it is a new song."""
        clips = {"cover_song": self.sources, "extend_song": self._own_clips()}.get(self.tool)
        return self.dice.choice(clips)[0] if clips else ""

    def _own_clips(self) -> Sequence[Clip]:
        """Return those that this model extends: an extension is by the model of its clip."""
        return [clip for clip in self.sources if clip[1] == self.model.name == "ace-step"]

    def arguments(self) -> Json:
        name = "topic" if self.tool == "generate_lyrics" else "description"
        waits = self.dice.choice((0, 0, 0, 0, 0, 0, 0.5, 3))
        asked: Json = {name: self.text, "wait_seconds": waits}
        asked |= {"model": self.model.name} if self.tool != "extend_song" else {}
        asked |= {"clip_id": self.source} if self.source else {}
        return asked | ({"takes": self.takes} if self.takes > 1 else {})


class Run:
    """The clients, and what kills their servers."""

    def __init__(self, service: FaultService, home: Home) -> None:
        self.service = service
        self.counts: Counter[str] = Counter()
        self.asked_again: Counter[str] = Counter()
        self.told: list[tuple[str, str]] = []
        self.sources: deque[Clip] = deque(maxlen=SOURCES)
        self.unexpected: list[str] = []
        self.claims = Claims(service)
        self._dice = random.Random(f"{SEED} killer")  # noqa: S311 - no secret
        self.slots = [Slot(home, self.counts, self._dice) for _ in range(SERVERS)]
        self._markers = (f"song-{SEED}-{number}" for number in count(FIRST))

    @property
    def kills(self) -> int:
        return self.counts["SIGKILL"] + self.counts["SIGTERM"]

    @property
    def is_done(self) -> bool:
        return (
            self.service.submissions.total() >= scaled(SUBMISSIONS, least=80)
            and self.service.faults.total() >= scaled(FAULTS, least=20)
            and self.kills >= scaled(KILLS, least=4)
        )

    async def all(self) -> None:
        """Go on until enough has happened; in the end all servers are killed at work."""
        async with anyio.create_task_group() as houses:
            for slot in self.slots:
                houses.start_soon(slot.run)
            async with anyio.create_task_group() as work:
                for _ in range(CLIENTS):
                    work.start_soon(self.client)
                await self.kill()
                work.cancel_scope.cancel()
            houses.cancel_scope.cancel()

    async def kill(self) -> None:
        """Kill some server after every so many submissions."""
        mean = SUBMISSIONS / KILLS * 0.75
        while not self.is_done:
            await self.service.until_more(self._dice.randint(1, round(2 * mean - 1)))
            server = self._dice.choice(self.slots).server
            if server is not None and not server.gone.is_set():
                await self._end(server)

    async def _end(self, server: Server) -> None:
        way = self._dice.choice(
            ("SIGKILL", "SIGKILL", "SIGKILL", "SIGTERM", "SIGTERM", "SIGTERM", "stdin")
        )
        self.counts[way] += 1
        if way == "stdin":
            await server.hang_up()
        else:
            server.kill(signal.Signals[way])

    async def client(self) -> None:
        while True:
            request = Request(next(self._markers), tuple(self.sources))
            async with anyio.create_task_group() as both:
                both.start_soon(self.want, request)
                if request.has_twin:
                    self.counts["twins"] += 1
                    both.start_soon(self.want, request)

    async def want(self, request: Request) -> None:
        """Ask until there is an answer, as clients do, and go on from what it says."""
        self.counts[request.tool] += 1
        self.counts["takes in one call"] += request.takes - 1
        self.asked_again[request.marker] += request.takes - 1
        for _ in range(3):
            call = await self._answered(request.tool, request, **request.arguments())
            if call is None or call.task.get("status") != "rejected":
                break
            self.counts["asked again after a refusal"] += 1
            self.asked_again[request.marker] += request.takes - 1  # the others may have been made
        else:
            return
        if call is None:
            self.counts["never answered"] += 1
        elif not call.task:
            self.unexpected.append(call.text)
        elif not request.has_twin:
            await self._go_on(request, call.task)

    async def _answered(self, tool: str, request: Request, **arguments: Any) -> Call | None:  # noqa: ANN401
        """Repeat a call until it is answered; returns None if it never is.

        The first repetition, and each second one after it, is in other words, at the same server if
        that lives: another one may be quicker than the journal with a call that was just cancelled.
        """
        server: Server | None = None
        for number in range(PATIENCE):
            self.counts["calls"] += 1
            self.counts["repeated calls"] += number > 0
            is_reworded = number % 2 == 1 and request.is_asked_by(arguments)
            if is_reworded:
                self.counts["reworded calls"] += 1
                arguments = reworded(request, arguments)
            if server is None or server.gone.is_set() or not is_reworded:
                server = await self._dice.choice(self.slots).ready()
            try:
                call = await server.begin(tool, arguments)
                if number == 0 and request.dice.random() < 0.2:
                    await self._cancel(server, call, request)
                return self._note(request, await server.finish(call))
            except GoneError as error:
                self.counts[f"no answer {error}".strip()] += 1
        return None

    async def _cancel(self, server: Server, call: Call, request: Request) -> None:
        """Cancel at once, when the submission has arrived, or when it was accepted."""
        marker, moment = request.marker, request.dice.randint(0, 2)
        books = (self.service.submissions, self.service.accepted)[moment - 1]
        with anyio.move_on_after(1.0):
            await self.service.until(lambda: moment == 0 or marker in books)
        self.counts["cancelled"] += 1
        await server.cancel(call)

    def _note(self, request: Request, call: Call) -> Call:
        self.claims.hear(request.marker, call)
        for task_id in (task.get("task_id", "") for task in call.tasks):
            if task_id and not task_id.startswith("local-"):
                self.told.append((request.marker, task_id))
        clips = call.task.get("clips") or ()
        saved = (clip for clip in clips if clip.get("file"))
        self.sources.extend((clip["clip_id"], call.task["model"]) for clip in saved)
        return call

    async def _go_on(self, request: Request, task: Json) -> None:
        luck = request.dice.random()
        if task["status"] == "in_doubt":
            await self._settle(request, task["task_id"], luck)
        elif luck < 0.2:
            await self._answered("get_task", request, task_id=task["task_id"])
        elif luck < 0.25:
            await self._take_another(request)

    async def _settle(self, request: Request, task_id: str, luck: float) -> None:
        if luck < 0.1:
            await self._answered("resolve_task", request, task_id=task_id, action="check")
        elif luck < 0.2:
            await self._answered("resolve_task", request, task_id=task_id, action="abandon")
        elif luck < 0.4:
            again = {"task_id": task_id, "action": "submit_again"}
            await self._pay_once_more(request, "resolve_task", again)

    async def _take_another(self, request: Request) -> None:
        """Ask for another take, and repeat the very same call until it is answered."""
        self.asked_again[request.marker] += request.takes
        self.counts["other takes"] += 1
        take = {**request.arguments(), "another_take": True}
        await self._answered(request.tool, request, **take)

    async def _pay_once_more(self, request: Request, tool: str, arguments: Json) -> None:
        """Ask explicitly for another payment, once."""
        self.asked_again[request.marker] += 1
        self.counts["asked to pay again"] += 1
        server = await self._dice.choice(self.slots).ready()
        with suppress(GoneError):
            self._note(request, await server.call(tool, **arguments))

    def wrongly_told(self) -> Iterator[str]:
        for marker, task_id in self.told:
            is_known = task_id in self.service.accepted[marker]
            if not is_known and task_id.partition("-")[0] not in SERVICES:
                yield f"{marker} was told the id {task_id}, which is not its own"


@pytest.mark.first
@pytest.mark.at_size
async def test_nothing_is_paid_twice_or_lost_whatever_breaks(tmp_path: Path) -> None:
    with nursery() as forks:
        async with serving(FaultService(faults, is_odd=True)) as service:
            home = Home(tmp_path / "home", service.base_url, forks)
            run = Run(service, home)
            await run.all()
            left = Counter(row["status"] for row in rows_in(home.journal))
            service.calm_down()
            await take_over(home)
            await settle(home, run)
            await save_the_rest(home, run)
    rows = rows_in(home.journal)
    run.claims.judge(rows)
    say_what_happened(run, rows, left["submitting"])
    broken = broken_promises(rows, service, run.asked_again)
    assert not broken, "\n".join(broken)
    assert not run.claims.untrue, "\n".join(run.claims.untrue)
    assert list(run.wrongly_told()) == []
    assert run.unexpected == []
    assert list(still_lost(rows, service)) == []
    assert [*not_at_the_end(home, service, ""), *not_at_the_end(home, service, OTHER_ACCOUNT)] == []
    assert integrity_of(home.journal) == "ok"
    assert untyped_errors(home) == []
    assert run.is_done


async def test_a_call_cancelled_before_it_was_written_pays_nothing_later(tmp_path: Path) -> None:
    """Cancel while another process holds the journal, and release it only then."""
    with nursery() as forks:
        async with serving(FaultService()) as service:
            home = Home(tmp_path / "home", service.base_url, forks)
            async with started(home) as server:
                await server.hello()
                await server.call("generate_song", description="song-c-0 open", model="suno-v5")
                with FileLock(home.lock):
                    arguments = {"description": "song-c-1 open", "model": "suno-v5"}
                    await server.cancel(await server.begin("generate_song", arguments))
                await server.call("generate_song", description="song-c-2 open", model="suno-v5")
                await server.hang_up()
                assert await server.ended() == 0
    assert sorted(service.submissions) == ["song-c-0", "song-c-2"]
    assert len(rows_in(home.journal)) == 2


async def test_a_wish_whose_answer_crossed_its_cancellation_is_paid_once(tmp_path: Path) -> None:
    """What comes after a client's own time-out is thrown away, so the model asks again."""
    with nursery() as forks:
        async with serving(FaultService()) as service:
            home = Home(tmp_path / "home", service.base_url, forks)
            async with started(home) as server:
                await server.hello()
                wish = {"description": "song-c-0 open", "model": "suno-v5"}
                asked = await server.call("generate_song", **wish)
                await server.cancel(asked)
                wish["description"] = "please, a song: song-c-0 open"
                again = await server.call("generate_song", **wish)
                await server.hang_up()
                assert await server.ended() == 0
    assert again.task["task_id"] == asked.task["task_id"]
    assert sorted(service.submissions.elements()) == ["song-c-0"]


async def test_a_song_whose_end_crossed_the_cancellation_of_a_look_is_paid_once(
    tmp_path: Path,
) -> None:
    with nursery() as forks:
        async with serving(FaultService()) as service:
            home = Home(tmp_path / "home", service.base_url, forks)
            wish = {"description": "song-c-0 ends", "model": "udio"}
            async with started(home) as server:
                await server.hello()
                asked = await server.call("generate_song", **wish)
                task_id, looked = asked.task["task_id"], asked
                with anyio.fail_after(HANGS_S):
                    while looked.task["status"] != "completed":
                        looked = await server.call("get_task", task_id=task_id, wait_seconds=5)
                await server.cancel(looked)
                again = await server.call("generate_song", **wish)
                await server.hang_up()
                assert await server.ended() == 0
    assert again.task["task_id"] == task_id
    assert sorted(service.submissions.elements()) == ["song-c-0"]


async def take_over(home: Home) -> None:
    """Let a fresh server recover what the dead ones left."""
    async with started(home) as server:
        await server.hello()
        await cared_for(server, home)
        await server.hang_up()
        await server.ended()


async def settle(home: Home, run: Run) -> None:
    """Ask about each doubt at PiAPI, whose history may have the task, until no more is settled.

    The fewer tasks an account has that the journal does not know, the more a search can tell.
    """
    found = -1
    while found:
        doubts = len(doubts_at_piapi(home))
        for way in ways_to_pay(home):
            async with started(way) as server:
                await server.hello()
                for local_id in doubts_at_piapi(home):
                    await server.call("resolve_task", task_id=local_id, action="check")
        found = doubts - len(doubts_at_piapi(home))
        run.counts["doubts settled by the history"] += found


def doubts_at_piapi(home: Home) -> list[str]:
    return [row["local_id"] for row in rows_in(home.journal) if is_doubt_at_piapi(row)]


def is_doubt_at_piapi(row: Row) -> bool:
    return (row["service"], row["status"]) == ("piapi", "in_doubt")


def still_lost(rows: list[Row], service: FaultService) -> Iterator[str]:
    """Yield each Udio song that was paid, and whose doubt the history would have settled.

    One search looks at so many tasks that the journal does not know; if an account has more, no
    search can tell that there is no other match.
    """
    known = {row["task_id"] for row in rows}
    lost = Counter(
        song.account for key, song in service.songs.items() if song.is_udio and key not in known
    )
    for marker, own in by_marker(rows).items():
        unknown = set(service.accepted[marker]) - known
        doubts = [row for row in own if is_doubt_at_piapi(row)]
        if len(unknown) == len(doubts) == 1 == len(own):
            account = service.songs[next(iter(unknown))].account
            if lost[account] <= MOST_LOOKS:
                yield f"{marker} is in doubt, but the history has {unknown}: {doubts[0]['error']}"


async def save_the_rest(home: Home, run: Run) -> None:
    """Let somebody look at what is not at its end two hours later, with both accounts."""
    later = replace(home, clock_ahead_s=7200.0)
    for ends in ("", OTHER_ACCOUNT):
        async with started(replace(later, key_ends=ends)) as server:
            await server.hello()
            with anyio.fail_after(HANGS_S):
                while unsaved := not_at_the_end(home, run.service, ends):
                    await look_at_all(server, unsaved)
                    run.counts["looks at what was not saved"] += len(unsaved)
    run.counts["clips saved"] = sum(bool(clip["file"]) for clip in clips_in(home.journal))


async def clear_the_inbox(home: Home) -> None:
    """Let a server remove all audio that came with answers and is needed no more."""
    async with started(home) as server:
        await server.hello()
        with anyio.fail_after(HANGS_S):
            while any((home.folder / "inbox").iterdir()):
                await server.ping()


async def look_at_all(server: Server, task_ids: list[str]) -> None:
    async with anyio.create_task_group() as looks:
        for task_id in task_ids:
            waits = {"task_id": task_id, "wait_seconds": LONGEST_WAIT_S}
            looks.start_soon(partial(server.call, "get_task", **waits))


def not_at_the_end(home: Home, service: FaultService, ends: str) -> list[str]:
    """Return an account's tasks that are finished and not saved, or could be finished by now."""
    clips = clips_in(home.journal)
    unsaved = {clip["local_id"] for clip in clips if not clip["file"]}
    saved = {clip["local_id"] for clip in clips} - unsaved
    return [
        task_id
        for row in rows_in(home.journal)
        if (song := service.songs.get(task_id := row["task_id"]))
        and song.account.endswith(OTHER_ACCOUNT) == bool(ends)
        if _is_finished_and_unsaved(row, saved) or _could_be_finished(row, song)
    ]


def _is_finished_and_unsaved(row: Row, saved: set[str]) -> bool:
    is_song = row["status"] == "completed" and row["kind"] != "lyrics"
    return is_song and row["local_id"] not in saved


def _could_be_finished(row: Row, song: Song) -> bool:
    return row["status"] in {"pending", "processing"} and song.fate in {"ends", "fails"}


def untyped_errors(home: Home) -> list[str]:
    """Return what servers said of errors that are none of ours, with the stacks."""
    log = home.log.read_text(errors="replace")
    return log.splitlines() if "Traceback" in log else []


def say_what_happened(run: Run, rows: list[dict[str, Any]], left: int) -> None:
    service = run.service
    report(
        f"fault run, seed {SEED}: {service.submissions.total()} submissions, "
        f"{service.accepted_count} accepted, {service.faults.total()} faults "
        f"(and {service.faults_of_looks} of looks), {run.kills} kills"
    )
    report(f"  sent to: {_listed(sent_to(service))}")
    report(f"  uploads: {service.uploads}, with {service.faults_of_uploads} faults")
    report(f"  faults: {_listed(service.faults)}")
    report(f"  clients: {_listed(run.counts)}")
    report(f"  sentences about money: {run.claims.listed()}; untrue {len(run.claims.untrue)}")
    report(f"  journal: {_listed(Counter(row['status'] for row in rows))}")
    report(
        f"  links: {service.late_links} came late, {service.refused_links} were refused at first; "
        f"looks at the history: {service.history_looks}"
    )
    report(f"  left `submitting` by the last kill: {left}, SQLite {sqlite3.sqlite_version}")


def sent_to(service: FaultService) -> Counter[str]:
    return Counter({" ".join(key).strip(): number for key, number in service.sent_to.items()})


def _listed(counts: Counter[Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
