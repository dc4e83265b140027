"""Bad days, one after the other, each with a service and a journal of its own.

On each of them something happens that a user would call bad luck: another account on the same
journal, a new key, a damaged file, a clock that is off. A day is a script, so it shows where the
fault run cannot what each answer had to say. Nothing is paid twice or lost, and no sentence about
money is untrue.
"""

import hashlib
import json
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from song_mcp.journal.schema import MIGRATIONS
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import MODELS, SongRequest
from tests.faults.canaries import KEYS, PIAPI_KEY
from tests.faults.claims import Claims
from tests.faults.fault_service import BLUES, Fault, FaultService, marker_in, serving
from tests.faults.harness import (
    NEW_KEY,
    OTHER_ACCOUNT,
    Call,
    GoneError,
    Home,
    Json,
    Nursery,
    Server,
    broken_promises,
    by_marker,
    cared_for,
    integrity_of,
    nursery,
    respelled,
    rows_in,
    started,
)
from tests.faults.scale import report, scaled
from tests.limits import HANGS_S
from tests.waiting import a_moment

ROUNDS = 60
"""How often each day comes in the whole run, which makes over 2,000 submissions."""
AT_ONCE = 4
"""How many days are lived at the same time, as some wait for a look that is due."""
PAID_TWICE = re.compile(r"was paid \d+ times")
TAKE: dict[str, Any] = {"another_take": True, "wait_seconds": 50}
LOST = (Fault.DROP_AFTER, Fault.DROP_BEFORE)
LOST_AFTER = (
    Fault.DROP_AFTER,
    Fault.RESET_AFTER,
    Fault.HALF,
    Fault.GARBAGE,
    Fault.BROKEN_AFTER,
    Fault.ECHO_AFTER,
    Fault.DOUBT_AFTER,
)
"""What loses the answer to a submission that was accepted."""
WAITED_FOR = 10
"""Every so manieth day waits for the first search that the server makes by itself."""
ECHOES = (Fault.ECHO_AFTER, Fault.ECHO_BEFORE)
AHEAD_S = {"8 h": 8 * 3600.0, "40 years": 40 * 365 * 86_400.0}
FAR_AHEAD = timedelta(days=70 * 365)
PAGE_BYTES = 4096
REPEATED = ("tasks_by_request", "sqlite_autoindex_tasks_1", "tasks_by_id", "tasks_by_age")
"""Indexes: whatever is on their pages, every row can still be read."""
LATER_VERSION = 99
LATER_TRIGGER = """
INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('trigger', 'later', 'tasks',
0, 'CREATE TRIGGER later AFTER INSERT ON tasks BEGIN SELECT WORDS OF ANOTHER SQLITE; END')
"""


@dataclass
class Day:
    """A day under way: its service, its journal, and what was wrong."""

    service: FaultService
    home: Home
    number: int
    faults: dict[str, Fault] = field(default_factory=dict)
    asked_again: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    songs: int = 0

    def __post_init__(self) -> None:
        self.claims = Claims(self.service)

    def expect(self, is_so: object, otherwise: str) -> None:
        if not is_so:
            self.wrong.append(otherwise)

    def new(self, fate: str, words: str = "", fault: Fault | None = None) -> str:
        """A description that nobody used before; `fault` is what its first submission meets."""
        self.songs += 1
        marker = f"song-day{self.number}-{self.songs}"
        text = " ".join(filter(None, (marker, words, fate)))
        if fault is not None:
            self.faults[marker_in(text)] = fault
        return text

    @asynccontextmanager
    async def server(self, home: Home | None = None) -> AsyncIterator[Server]:
        """Run a server on the day's journal, until its client hangs up."""
        async with started(home or self.home) as server:
            await server.hello()
            yield server
            await server.hang_up()
            await server.ended()

    async def ask(self, server: Server, text: str, tool: str, **arguments: Any) -> Call:  # noqa: ANN401
        """Call a tool about the song with this text, and judge what is said about money."""
        marker = marker_in(text)
        sent, accepted = self.service.submissions[marker], len(self.service.accepted[marker])
        call = await server.call(tool, **arguments)
        self.claims.hear(marker, call)
        self.claims.hear_of_call(
            marker,
            call,
            self.service.submissions[marker] - sent,
            len(self.service.accepted[marker]) - accepted,
        )
        return call

    async def song(self, server: Server, text: str, model: str = "udio", **more: Any) -> Json:  # noqa: ANN401
        """Ask for a song; returns the task once it is sent, empty if there is none.

        A call that does not wait may be answered before that, on a busy machine.
        """
        arguments = {"description": text, "model": model, "wait_seconds": 0} | more
        task = (await self.ask(server, text, "generate_song", **arguments)).task
        while task.get("status") == "submitting":
            await a_moment()
            look = {"task_id": task["task_id"], "wait_seconds": 0}
            task = (await self.ask(server, text, "get_task", **look)).task
        return task

    async def finished(self, server: Server, text: str, model: str = "udio") -> str:
        """Make a song to its end; returns its clip's id."""
        task = await self.song(server, text, model)
        return await self.seen_to_end(server, text, task["task_id"])

    async def seen_to_end(self, server: Server, text: str, task_id: str) -> str:
        call = await self.ask(server, text, "get_task", task_id=task_id, wait_seconds=50)
        return str(call.task["clips"][0]["clip_id"])

    async def resolve(self, server: Server, text: str, task_id: str, action: str) -> None:
        await self.ask(server, text, "resolve_task", task_id=task_id, action=action)

    async def must_not_send(self, server: Server, text: str, why: str) -> None:
        await self.song(server, text)
        self.expect(not self.service.submissions[marker_in(text)], f"{why} was paid from")

    def sent(self, text: str) -> int:
        return self.service.submissions[marker_in(text)]

    async def until_sent(self, text: str, count: int) -> None:
        await self.service.until(lambda: self.sent(text) >= count)

    async def until_balance_looks(self, count: int) -> None:
        await self.service.until(lambda: self.service.balance_looks >= count)


# The days --------------------------------------------------------------------------------------


async def two_accounts(day: Day) -> None:
    """Another account's song must not explain what happened to the balance of this one."""
    another = replace(day.home, key_ends=OTHER_ACCOUNT)
    async with day.server() as one, day.server(another) as two:
        for fault in LOST:
            text = day.new("open", fault=fault)
            task = await day.song(one, text)
            await day.song(two, day.new("open"))
            await day.resolve(one, text, task["task_id"], "check")


async def parallel_calls(day: Day) -> None:
    """A song that was charged before a balance was read does not explain what came after."""
    async with day.server() as server:
        for fault in LOST:
            text, read = day.new("open", fault=fault), anyio.Event()
            looks = day.service.balance_looks
            day.service.held.append(read)
            async with anyio.create_task_group() as group:
                group.start_soon(day.song, server, text)
                await day.until_balance_looks(looks + 1)
                await day.song(server, day.new("open"))
                read.set()
            (row,) = by_marker(rows_in(day.home.journal))[marker_in(text)]
            await day.resolve(server, text, row["local_id"], "check")


async def a_changed_key(day: Day) -> None:
    """What the balance of another account says of a doubt is nothing, and paying there is new."""
    async with day.server() as one:
        for ends in (OTHER_ACCOUNT, NEW_KEY):
            text = day.new("open", fault=LOST[day.number % 2])
            task_id = (await day.song(one, text))["task_id"]
            async with day.server(replace(day.home, key_ends=ends)) as two:
                await day.resolve(two, text, task_id, "check")
                await day.resolve(two, text, task_id, "submit_again")
                day.expect(day.sent(text) == 1, f"submit_again paid with another key ({ends})")
                await day.resolve(two, text, task_id, "submit_again")
            day.asked_again[marker_in(text)] += 1


async def another_spelling(day: Day) -> None:
    """With a new key, or another spelling of the address, open songs are followed and joined."""
    homes = (
        replace(day.home, key_ends=NEW_KEY, base_url=respelled(day.home.base_url)),
        replace(day.home, base_url=respelled(day.home.base_url)),
        replace(day.home, key_ends=NEW_KEY),
    )
    home = homes[day.number % len(homes)]
    wishes = {day.new("later"): "udio", day.new("later"): "suno-v5"}
    async with day.server() as one:
        for text, model in wishes.items():
            await day.song(one, text, model)
    let_a_minute_pass(day.home.journal)
    day.service.base_url = home.base_url  # links to its audio too
    async with day.server(home) as two:
        for text, model in wishes.items():
            await day.song(two, text, model)
        day.service.is_later = True
        day.expect(await are_saved(day, len(wishes)), "open songs were not followed and saved")


async def a_damaged_page(day: Day) -> None:
    """Nothing is paid until a person knows of it, and no row that can be read is lost."""
    doubtful, new = day.new("open", fault=LOST[day.number % 2]), day.new("open")
    wishes = [day.new("open"), day.new("open")]
    async with day.server() as one:
        for text in (*wishes, doubtful):
            await day.song(one, text)
        await day.finished(one, day.new("ends"))
    before = {row["local_id"] for row in rows_in(day.home.journal)}
    overwrite_index(day.home.journal, REPEATED[day.number % len(REPEATED)])
    async with day.server() as two:
        await day.song(two, new)
        kept = [file.name for file in day.home.folder.glob("*.damaged-*")]
        day.expect(not (kept and day.sent(new)), "a new journal was paid from, and nobody was told")
        for text in (*wishes, doubtful):
            await day.song(two, text)
        for name in kept:
            for tool in ("check_account", "list_songs"):
                told = (await two.call(tool)).text
                day.expect(name in told, f"{tool} does not tell of the damaged journal")
            await two.call("check_account", confirm_journal=name)
        for text in (*wishes, doubtful, new):
            await day.song(two, text)
        day.expect(day.sent(new) == 1, "nothing can be paid after the damage was confirmed")
    after = {row["local_id"] for row in rows_in(day.home.journal)}
    day.expect(before <= after, f"{len(before - after)} of {len(before)} rows were not saved")


async def a_newer_file(day: Day) -> None:
    """What a newer version wrote is neither changed nor paid from."""
    wish, new = day.new("open"), day.new("open")
    async with day.server() as one:
        await day.song(one, wish)
    ours = day.home.journal.read_bytes()
    make_newer(day.home.journal, is_odd=day.number % 2 == 0)
    theirs = day.home.journal.read_bytes()
    async with day.server() as two:
        await day.must_not_send(two, new, "a newer file")
        await day.song(two, wish)
    day.expect(day.home.journal.read_bytes() == theirs, "a newer file was changed")
    day.home.journal.write_bytes(ours)
    async with day.server() as three:
        await day.song(three, wish)


async def an_older_file(day: Day) -> None:
    """What an older version left open, or in doubt, is joined, whatever the address is called."""
    going, doubtful = day.new("open"), day.new("open")
    task_id = day.service.make_elsewhere(going)
    day.service.make_elsewhere(doubtful)
    write_older(day.home, {going: ("pending", task_id), doubtful: ("in_doubt", "")})
    homes = (replace(day.home, base_url=respelled(day.home.base_url)), day.home)
    async with day.server(homes[day.number % 2]) as server:
        for text in (going, doubtful, day.new("open")):
            await day.song(server, text)


async def another_take_after_a_cut(day: Day) -> None:
    """Three wishes are three payments, however often the calls for them are repeated."""
    text, number = day.new("later"), (signal.SIGKILL, signal.SIGTERM)[day.number % 2]
    for wishes in (1, 2, 3):
        async with started(day.home) as server, anyio.create_task_group() as group:
            await server.hello()
            if wishes > 1:
                await cared_for(server, day.home)
            day.service.is_later = True
            task = await day.song(server, text, **TAKE | {"another_take": wishes > 1})
            day.expect(day.sent(text) == wishes, f"{day.sent(text)} POSTs for {wishes} wishes")
            if task["status"] == "in_doubt":
                await day.resolve(server, text, task["task_id"], "abandon")
            if wishes < 3:
                day.service.is_later = False
                group.start_soon(take_another, day, server, text, wishes + 1)
                await day.until_sent(text, wishes + 1)
                day.asked_again[marker_in(text)] += 1
            server.kill(number)
            await server.ended()


async def echoes(day: Day) -> None:
    """What the user asked for is no refusal, when an error repeats it."""
    async with day.server() as server:
        for number, words in enumerate(BLUES):
            fault, model = ECHOES[(number + day.number) % 2], ("udio", "suno-v5")[number % 2]
            text = day.new("open", words, fault)
            for _ in range(2):
                await day.song(server, text, model)


async def a_clock_off(day: Day) -> None:
    """The last song is the one that was made last, whatever the clocks said."""
    async with day.server() as server:
        for ahead_s in AHEAD_S.values():
            async with day.server(replace(day.home, clock_ahead_s=ahead_s)) as ahead:
                await day.finished(ahead, day.new("ends"), "suno-v5")
            await extend_the_last(day, server, await day.finished(server, day.new("ends")))
        day.service.clock_ahead = FAR_AHEAD
        elsewhere = day.new("ends")
        await day.seen_to_end(server, elsewhere, day.service.make_elsewhere(elsewhere))
        day.service.clock_ahead = timedelta()
        await extend_the_last(day, server, await day.finished(server, day.new("ends")))


async def a_lost_answer(day: Day) -> None:
    """A song whose answer was lost is found in the history, and delivered without being paid."""
    lost = [day.new("ends", fault=fault) for fault in LOST_AFTER]
    again, not_taken = day.new("ends", fault=LOST[0]), day.new("ends", fault=LOST[1])
    async with day.server() as server:
        async with anyio.create_task_group() as group:
            for text in lost:
                group.start_soon(find, day, server, text)
        task_id = (await day.song(server, again))["task_id"]
        await day.resolve(server, again, task_id, "submit_again")
        await is_delivered_once(day, server, again, task_id)
        task_id = (await day.song(server, not_taken))["task_id"]
        await day.resolve(server, not_taken, task_id, "check")
        day.expect(day.sent(not_taken) == 1, "a search sent something")
        await day.resolve(server, not_taken, task_id, "submit_again")
        day.expect(day.sent(not_taken) == 2, "what was never accepted could not be sent again")
        day.expect(await are_saved(day, len(lost) + 2), "songs that were found were not saved")


async def two_services(day: Day) -> None:
    """Two servers on one journal, each with a key and a base URL of its own.

    A server may not fetch from the other's address on this machine, but may be the first to try. So
    people look at their songs, at their own server, until these are saved.
    """
    other = FaultService()
    other.submissions, other.accepted = day.service.submissions, day.service.accepted
    other.songs = day.service.songs  # so that no id is there twice
    async with serving(other):
        theirs = replace(day.home, base_url=other.base_url, key_ends=OTHER_ACCOUNT)
        async with day.server() as one, day.server(theirs) as two:
            made = [
                (server, *await song_at(day, server, service, model))
                for model in ("udio", "suno-v5")
                for server, service in ((one, day.service), (two, other))
            ]
            day.service.is_later = other.is_later = True
            for server, text, task_id in made:
                await is_saved_by(day, server, text, task_id)
    for service, ends in ((day.service, ""), (other, OTHER_ACCOUNT)):
        day.expect(service.fetched.total() == 2, f"audio was fetched {service.fetched} times")
        keys = {key + ends for key in KEYS}
        day.expect(service.asked_with <= keys, "a key went to the other's service")


Script = Callable[[Day], Awaitable[None]]

DAYS: tuple[Script, ...] = (
    two_accounts,
    parallel_calls,
    a_changed_key,
    another_spelling,
    a_damaged_page,
    a_newer_file,
    an_older_file,
    another_take_after_a_cut,
    echoes,
    a_clock_off,
    a_lost_answer,
    two_services,
)


# What happens on them --------------------------------------------------------------------------


async def are_saved(day: Day, clips: int) -> bool:
    """Wait for the files of so many clips; returns whether they came."""
    with anyio.move_on_after(HANGS_S):
        while files_of(day.home.journal) < clips:
            await a_moment()
        return True
    return False


def files_of(journal: Path) -> int:
    with closing(sqlite3.connect(journal, timeout=HANGS_S)) as db:
        return int(db.execute("SELECT count(*) FROM clips WHERE file != ''").fetchone()[0])


async def find(day: Day, server: Server, text: str) -> None:
    """Ask for a song whose answer is lost, and have it found."""
    task = await day.song(server, text)
    day.expect(task["status"] == "in_doubt", f"{text} is not in doubt: {task}")
    if day.number % WAITED_FOR:
        await day.resolve(server, text, task["task_id"], "check")
    await is_delivered_once(day, server, text, task["task_id"])


async def is_delivered_once(day: Day, server: Server, text: str, task_id: str) -> None:
    call = await day.ask(server, text, "get_task", task_id=task_id, wait_seconds=50)
    told = (call.task["status"], call.task["charged"])
    day.expect(told == ("completed", "yes"), f"what was accepted is {told}: {call.text}")
    day.expect(day.sent(text) == 1, f"{day.sent(text)} POSTs for what was accepted at once")
    (task,) = day.service.accepted[marker_in(text)]
    day.expect(call.task["task_id"] == task, f"{task} was taken for {call.task['task_id']}")


async def song_at(day: Day, server: Server, service: FaultService, model: str) -> tuple[str, str]:
    """Ask for a song twice, and see that its own service has it once; returns its words and id."""
    text = day.new("later")
    task = await day.song(server, text, model)
    song = service.songs.get(task["task_id"])
    day.expect(song and song.text == text, f"{text} is not at its own service: {task}")
    joined = await day.song(server, text, model)
    day.expect(joined["task_id"] == task["task_id"], f"{text} was not joined")
    return text, str(task["task_id"])


async def is_saved_by(day: Day, server: Server, text: str, task_id: str) -> None:
    """Look at a song, at the server that may see it, until its clips are saved."""
    with anyio.move_on_after(HANGS_S):
        while True:
            call = await day.ask(server, text, "get_task", task_id=task_id, wait_seconds=20)
            if call.task["clips"] and all(clip.get("file") for clip in call.task["clips"]):
                break
    told = (call.task["status"], call.task["charged"], call.task["task_id"])
    day.expect(told == ("completed", "yes", task_id), f"{text} is {told}: {call.text}")
    day.expect(all(clip.get("file") for clip in call.task["clips"]), f"{text} is not saved")


async def extend_the_last(day: Day, server: Server, newest: str) -> None:
    text = day.new("ends")
    arguments = {"clip_id": "last", "description": text, "wait_seconds": 0}
    call = await day.ask(server, text, "extend_song", **arguments)
    continued = day.service.continued.get(marker_in(text))
    day.expect(continued == newest, f"`last` was {continued}, not {newest}: {call.text}")
    if call.task:
        await day.seen_to_end(server, text, call.task["task_id"])


async def take_another(day: Day, server: Server, text: str, wishes: int) -> None:
    """Ask for another take until one is paid for; the server ends before it answers."""
    with suppress(GoneError):
        while day.sent(text) < wishes:
            await day.song(server, text, **TAKE)


def let_a_minute_pass(journal: Path) -> None:
    """Make all tasks and their next looks a minute older, while no server runs."""
    with closing(sqlite3.connect(journal)) as db:
        db.execute(
            "UPDATE tasks SET created_at = created_at - 60, next_look_at = next_look_at - 60"
        )
        db.commit()


def overwrite_index(journal: Path, name: str) -> None:
    """Write nonsense over the first page of an index."""
    with closing(sqlite3.connect(journal)) as db:
        found = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        page = int(db.execute(found, (name,)).fetchone()[0])
    with journal.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"\xa5" * PAGE_BYTES)


def make_newer(journal: Path, *, is_odd: bool) -> None:
    """Make the file one of a later version; an odd one has what this SQLite cannot read."""
    with closing(sqlite3.connect(journal)) as db:
        db.execute(f"PRAGMA user_version = {LATER_VERSION}")
        if is_odd:
            db.execute("PRAGMA writable_schema = ON")
            db.execute(LATER_TRIGGER)
        db.commit()


def write_older(home: Home, songs: dict[str, tuple[str, str]]) -> None:
    """Write a file of the second version, with these songs by status and id."""
    home.folder.mkdir(parents=True)
    mark = hashlib.sha256(f"piapi {home.base_url} {PIAPI_KEY}".encode()).hexdigest()[:12]
    with closing(sqlite3.connect(home.journal, isolation_level=None)) as db:
        for script in MIGRATIONS[:2]:
            db.executescript(script)
        db.execute("PRAGMA user_version = 2")
        for number, (text, (status, task_id)) in enumerate(songs.items()):
            sent = Piapi(PIAPI_KEY, home.base_url).prepare(SongRequest(MODELS["udio"], text))
            wire = {"path": sent.path, "body": sent.body, "deadline_s": sent.deadline_s}
            values = {
                "local_id": f"local-older{number}",
                "service": "piapi",
                "task_id": task_id,
                "model": "udio",
                "kind": "song",
                "status": status,
                "fingerprint": sent.fingerprint,
                "description": text,
                "charged": "yes" if task_id else "unknown",
                "created_at": time.time() - 60,
                "sent_at": time.time() - 60,
                "account": mark,
                "wire": json.dumps(wire),
            }
            places = ", ".join(f":{name}" for name in values)
            db.execute(f"INSERT INTO tasks ({', '.join(values)}) VALUES ({places})", values)  # noqa: S608


# The run ---------------------------------------------------------------------------------------


@dataclass
class Totals:
    """What came of the days of one kind."""

    days: int = 0
    sent: int = 0
    charged: int = 0
    twice: int = 0
    lost: int = 0
    untrue: int = 0
    sentences: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, day: Day) -> None:
        rows = rows_in(day.home.journal)
        day.claims.judge(rows)
        broken = broken_promises(rows, day.service, day.asked_again)
        self.days += 1
        self.sent += day.service.submissions.total()
        self.charged += day.service.accepted_count
        self.twice += sum(PAID_TWICE.search(words) is not None for words in broken)
        self.lost += sum("paid and lost" in words for words in broken)
        self.untrue += len(day.claims.untrue)
        self.sentences += len(day.claims.said)
        self.wrong += [*broken, *day.claims.untrue, *day.wrong]
        if integrity_of(day.home.journal) != "ok":
            self.wrong.append("the journal is damaged in the end")

    def table(self, name: str) -> str:
        return (
            f"bad day: {name:<24} {self.days} lived, {self.sent} sent, "
            f"{self.charged} charged, {self.twice} paid twice, {self.lost} lost, "
            f"{self.untrue} of {self.sentences} sentences about money untrue"
        )


async def live(script: Script, number: int, folder: Path, forks: Nursery) -> Day:
    """Live through one day, and return what it was like."""
    faults: dict[str, Fault] = {}

    def fault_of(marker: str, count: int) -> Fault | None:
        return faults.get(marker) if count == 1 else None

    async with serving(FaultService(fault_of)) as service:
        day = Day(service, Home(folder / f"day-{number}", service.base_url, forks), number, faults)
        await script(day)
    return day


@pytest.fixture(scope="module")
def forks() -> Iterator[Nursery]:
    with nursery() as running:
        yield running


@pytest.mark.xdist_group("bad days")
@pytest.mark.parametrize("script", DAYS, ids=lambda script: script.__name__)
async def test_no_bad_day_costs_money_a_song_or_an_untrue_sentence(
    script: Script, forks: Nursery, tmp_path: Path
) -> None:
    totals, limit = Totals(), anyio.CapacityLimiter(AT_ONCE)

    async def one(number: int) -> None:
        async with limit:
            totals.add(await live(script, number, tmp_path, forks))

    async with anyio.create_task_group() as group:
        for number in range(scaled(ROUNDS)):
            group.start_soon(one, number)
    report(totals.table(script.__name__.replace("_", " ")))
    assert not totals.wrong, "\n".join(totals.wrong)
