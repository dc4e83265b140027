"""A soak: a hundred open tasks with 5 % faults, for as long as asked; `make soak` runs it.

One real server over stdio, one sandbox. Exit status 1 if a task was lost or paid twice, if
a call got no result, or if file descriptors or threads grew.
"""

import itertools
import random
import re
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import anyio
from starlette.applications import Starlette

from song_mcp.sandbox import media
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.cover import cover
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules, Sandbox
from song_mcp.sandbox.tune import compose
from tests.faults.scale import report
from tests.faults.stdio import HELLO, Child
from tests.house import environment
from tests.voice import beep
from tests.wire.child import started

Json = dict[str, Any]

OPEN_TASKS = 100
SONG_SECONDS = 15.0
FAULTS = 0.05
WARM_UP_S = 30.0
SAMPLE_S = 5.0
DRAIN_S = 60.0
MOST_TASKS = 10_000
"""What the sandbox remembers of what it accepted: past that, nothing could be compared."""
ENOUGH = str(10 * MOST_TASKS)
RULES = Rules(
    clip_seconds=1.0, balance_usd=1e6, max_concurrent=10 * OPEN_TASKS, max_tasks=MOST_TASKS
)
BAD_LOOKS = ("[[fetch-html-502:2]]", "[[fetch-reset]]", "[[fetch-truncated-json]]", "[[slow:5]]")
BAD_SUBMISSIONS = (
    *("[[html-502]]", "[[html-502:accepted]]", "[[html-200:accepted]]"),
    *("[[reset]]", "[[truncated-json]]", "[[half-json]]"),
)
TAKE = re.compile(r"take-\d+")
OPEN = frozenset({"submitting", "pending", "processing"})
MOST_GROWTH = {"file descriptors": 10.0, "threads": 5.0}
"""How much the last samples may exceed the first: the number of connections and workers varies."""


@dataclass
class Soak:
    """The soak under way: the server that is asked, and what it answered."""

    server: Child
    ends_at: float
    dice: random.Random
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    count: Counter[str] = field(default_factory=Counter)
    told: set[str] = field(default_factory=set)
    """The takes that were asked for."""

    @property
    def is_over(self) -> bool:
        return anyio.current_time() >= self.ends_at

    async def keep_one_open(self) -> None:
        """Make a song, wait for its end, and begin again."""
        while not self.is_over and len(self.told) < MOST_TASKS:
            await self._one()

    async def _one(self) -> None:
        take = f"take-{next(self.numbers)}"
        self.told.add(take)
        self.count["submitted"] += 1
        model = self.dice.choice(("udio", "suno-v5"))
        words = f"{take} {self._fault(BAD_LOOKS)} {self._fault(BAD_SUBMISSIONS)}"
        task = await self._call("generate_song", description=words, model=model, wait_seconds=0)
        while task.get("status") in OPEN:
            task = await self._call("get_task", task_id=task["task_id"], wait_seconds=20)
        self.count[task.get("status", "without a result")] += 1

    def _fault(self, markers: Sequence[str]) -> str:
        if self.dice.random() >= FAULTS:
            return ""
        self.count["faults"] += 1
        return self.dice.choice(markers)

    async def _call(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
        result = await self.server.call(tool, **arguments)
        self.count["calls"] += 1
        if "structuredContent" not in result and tool == "get_task":
            self.count["looks that failed"] += 1  # the service is left alone for a while
            await anyio.sleep(1)
            return {"status": "pending", **arguments}
        return dict(result.get("structuredContent", {}))


# Samples -------------------------------------------------------------------------------------


@dataclass
class Samples:
    """What the process had, every few seconds."""

    pid: int
    by_name: dict[str, list[float]] = field(default_factory=dict)

    async def take_all(self) -> None:
        await anyio.sleep(WARM_UP_S)
        while True:
            for name, value in measured(self.pid).items():
                self.by_name.setdefault(name, []).append(value)
            await anyio.sleep(SAMPLE_S)

    def table(self) -> list[str]:
        return [
            f"soak: {name}: first {values[0]:.1f}, median {median(values):.1f}, "
            f"last {values[-1]:.1f}, max {max(values):.1f} ({len(values)} samples)"
            for name, values in self.by_name.items()
        ]

    def grown(self) -> list[str]:
        """Return what grew by more than it may from the beginning to the end."""
        return [
            f"{name} grew"
            for name, most in MOST_GROWTH.items()
            if (values := self.by_name.get(name))
            and median(values[-3:]) > median(values[:3]) + most
        ]


def measured(pid: int) -> dict[str, float]:
    folder = Path("/proc") / str(pid)
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text(encoding="ascii").splitlines()
    )
    return {
        "memory in MB": int(status["VmRSS"].split()[0]) / 1024,
        "file descriptors": float(len(list((folder / "fd").iterdir()))),
        "threads": float(status["Threads"]),
    }


# What is compared at the end -----------------------------------------------------------------


def journal_rows(folder: Path) -> list[tuple[str, str, str]]:
    """Return the description, the service's id and the status of each task on disk."""
    path = folder / "home" / "journal.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        return list(db.execute("SELECT description, task_id, status FROM tasks"))


def clips_saved(folder: Path) -> tuple[int, int]:
    """Return how many clips of completed tasks have a file that is there, of how many."""
    path = folder / "home" / "journal.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        found = "SELECT file FROM clips JOIN tasks USING (local_id) WHERE tasks.status='completed'"
        files = [file for (file,) in db.execute(found)]
    return sum(bool(file) and (folder / "library" / file).is_file() for file in files), len(files)


def take_of(text: str) -> str:
    found = TAKE.search(text)
    assert found is not None, text
    return found[0]


def compare(soak: Soak, sandbox: Sandbox, rows: list[tuple[str, str, str]]) -> Counter[str]:
    """Compare what was asked, what was paid and what is in the journal."""
    paid = Counter(take_of(item.canonical) for item in sandbox.accepted)
    written = Counter(take_of(description) for description, _, _ in rows)
    ids = {task_id for _, task_id, _ in rows if task_id}
    doubted = {take_of(description) for description, _, status in rows if status == "in_doubt"}
    lost = soak.told - set(written)
    lost |= {
        take
        for item in sandbox.accepted
        if item.task_id not in ids and (take := take_of(item.canonical)) not in doubted
    }
    twice = {take for take in paid if max(paid[take], written[take]) > 1}
    return Counter({"paid": paid.total(), "lost": len(lost), "paid twice": len(twice)})


# The run -------------------------------------------------------------------------------------


@contextmanager
def sandbox_with_cheap_media() -> Iterator[Starlette]:
    """Build the sandbox; all clips have one audio and one cover: it is not what is measured."""
    audio = beep(compose("soak", "1", None, RULES.clip_seconds))
    app = build_app(SONG_SECONDS, rules=RULES, press=lambda _tune: audio)
    with patch.object(media, "cover", return_value=cover("soak")):
        yield app


@asynccontextmanager
async def server_beside(folder: Path, base_url: str) -> AsyncIterator[Child]:
    variables = environment(folder, base_url) | {"SONG_MCP_DAILY_LIMIT": ENOUGH}
    async with started(folder, variables) as raw, anyio.create_task_group() as group:
        server = Child(raw.process)
        group.start_soon(server.read_lines)
        await server.ask("initialize", HELLO)
        await server.tell("notifications/initialized")
        yield server
        await server.hang_up()
        with anyio.fail_after(DRAIN_S):
            await raw.process.wait()
    report(f"soak: the server's log has {len(raw.stderr().splitlines())} lines")


async def load(soak: Soak, samples: Samples) -> None:
    """Keep the tasks open for the given time, then let those that are open end."""
    with anyio.move_on_at(soak.ends_at + DRAIN_S):
        async with anyio.create_task_group() as group:
            for _ in range(OPEN_TASKS):
                group.start_soon(soak.keep_one_open)
            with anyio.move_on_at(soak.ends_at):
                await samples.take_all()


async def run(seconds: float, folder: Path) -> list[str]:
    """Run it all; returns what went wrong."""
    dice = random.Random(1)  # noqa: S311 - no secret
    with sandbox_with_cheap_media() as app:
        async with running(app) as base_url, server_beside(folder, base_url) as server:
            soak = Soak(server, anyio.current_time() + seconds, dice)
            samples = Samples(server.process.pid)
            await load(soak, samples)
    rows = journal_rows(folder)
    checked = compare(soak, app.state.sandbox, rows)
    left_open = sum(status in OPEN for _, _, status in rows)
    saved, clips = clips_saved(folder)
    tell(soak, samples, checked)
    report(
        f"soak: {len(rows)} in the journal, {left_open} left open; {saved} of {clips} clips saved"
    )
    wrong = [f"{checked[name]} {name}" for name in ("lost", "paid twice") if checked[name]]
    if unsaid := soak.count["without a result"]:
        wrong.append(f"{unsaid} without a result")
    if not samples.by_name:
        wrong.append(f"too short: the first sample is taken after {WARM_UP_S:.0f} s")
    return wrong + samples.grown()


def tell(soak: Soak, samples: Samples, checked: Counter[str]) -> None:
    ends = ("completed", "failed", "in_doubt", "rejected", "without a result")
    counted = ("submitted", *ends, "faults", "calls", "looks that failed")
    counts = ", ".join(f"{name} {soak.count[name]}" for name in counted)
    report(f"soak: {counts}")
    report(
        "soak: " + ", ".join(f"{name} {checked[name]}" for name in ("paid", "lost", "paid twice"))
    )
    for line in samples.table():
        report(line)


def main(arguments: Sequence[str]) -> int:
    seconds = float(arguments[0]) if arguments else 300.0
    if not Path("/proc/self/fd").is_dir():
        report("soak: needs /proc, which is Linux's")
        return 2
    report(f"soak: {OPEN_TASKS} open tasks, {FAULTS:.0%} faults, {seconds:.0f} s")
    with tempfile.TemporaryDirectory() as folder:
        wrong = anyio.run(run, seconds, Path(folder))
    for line in wrong:
        report(f"soak: WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
