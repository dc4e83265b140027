"""Crafted files and answers, one after the other, beside a stream of honest songs.

One server over stdio is given a file or an answer that was made to stop it, again and again. All
honest songs are saved meanwhile, memory is bounded, and the server ends when its client hangs up,
though it was just given more of them. How soon it answers and ends is printed, and not asserted.
"""

import itertools
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.abc import SocketStream

from tests.faults.apis import Incoming, Song
from tests.faults.crafted_answers import ECHOED, CraftedAnswer, answers
from tests.faults.crafted_files import CraftedFile, files
from tests.faults.fault_service import FaultService, Json, marker_in, send_bytes, serving
from tests.faults.scale import report, scaled
from tests.faults.stdio import HELLO, Child
from tests.house import environment
from tests.limits import HANGS_S
from tests.wire.child import started

Crafted = CraftedFile | CraftedAnswer

OF_EACH = 200
LEAST = 6
"""How many files and answers are tried in the smallest run."""
AT_ONCE = 4
HONEST_AT_ONCE = 2
PINGS_EVERY_S = 0.05
LAST_FILES = 8
"""How many files the server is working on when its client hangs up."""
MOST_GROWTH_MIB = 150.0
"""Runs at full size measured 91 and 108 MiB: two answers are read at once, some 30 MiB each, and
what was read before waits to be used. While glibc kept what was freed, it was 158 to 205 MiB.
"""
MOST_ADDRESS_BYTES = 4 * 2**30
"""What the system lets the server have, so that a failure here harms nobody else."""
OF_SUBMISSIONS = ("echo", "piapi hostile id")
"""How the names of answers to a submission begin; the others answer a look."""
UNSAVED = "not in the library"
"""What a result says of a clip whose audio could not be saved."""


class HostileService(FaultService):
    """Serves what was crafted for a song, once, and else what an honest service does."""

    def __init__(self) -> None:
        super().__init__()
        self.crafted: dict[str, Crafted] = {}
        self.served: Counter[str] = Counter()

    async def _submitted(self, stream: SocketStream, incoming: Incoming) -> None:
        marker = marker_in(incoming.text)
        answer = self.crafted.get(marker)
        if isinstance(answer, CraftedAnswer) and answers_a_submission(answer):
            await self._serve(stream, marker, answer)
        else:
            await super()._submitted(stream, incoming)

    async def _looked_at(self, stream: SocketStream, incoming: Incoming) -> None:
        song = self.songs.get(incoming.path.rpartition("/")[2])
        marker = marker_in(song.text) if song else ""
        crafted = self.crafted.get(marker)
        place = incoming.path.split("/")[1]
        if isinstance(crafted, CraftedFile) and place == PLACE[crafted.kind]:
            self.served[marker] += 1
            await send_bytes(stream, 200, crafted.data, MEDIA)
        elif isinstance(crafted, CraftedAnswer) and not self.served[marker]:
            await self._serve(stream, marker, crafted)
        else:
            await super()._looked_at(stream, incoming)

    async def _serve(self, stream: SocketStream, marker: str, answer: CraftedAnswer) -> None:
        self.served[marker] += 1
        await send_bytes(stream, answer.status, answer.body, answer.headers)

    def fate(self, song: Song) -> str:
        """Let a task go on until its crafted look was seen, whoever asked."""
        marker = marker_in(song.text)
        is_waiting = isinstance(self.crafted.get(marker), CraftedAnswer) and not self.served[marker]
        return "open" if is_waiting else super().fate(song)

    def clip(self, song: Song) -> Json:
        crafted = self.crafted.get(marker_in(song.text))
        if not isinstance(crafted, CraftedFile) or crafted.kind != "cover":
            return super().clip(song)
        return super().clip(song) | {"image_url": f"{self.base_url}/image/{song.task_id}"}


PLACE = {"audio": "audio", "cover": "image"}
MEDIA = {"Content-Type": "application/octet-stream"}


def without_bytes(crafted: Crafted) -> Crafted:
    """Return what is left to know of it when it was tried."""
    if isinstance(crafted, CraftedFile):
        return replace(crafted, data=b"")
    return replace(crafted, body=b"")


def answers_a_submission(answer: CraftedAnswer) -> bool:
    return answer.name.startswith(OF_SUBMISSIONS)


# The run ---------------------------------------------------------------------------------------


@dataclass
class Run:
    """The server under attack, and what was counted."""

    server: Child
    service: HostileService
    folder: Path
    pings_s: list[float] = field(default_factory=list)
    growth_mib: float = 0.0
    children_mib: float = 0.0
    honest: int = 0
    saved: int = 0
    stuck: list[str] = field(default_factory=list)
    """What was never asked for, or neither saved nor given up."""
    is_over: bool = False
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def pid(self) -> int:
        return self.server.process.pid

    async def all(self) -> None:
        """Serve everything that was crafted, beside honest songs and pings."""
        await self.honest_song()
        before_mib = memory_mib(self.pid)
        async with anyio.create_task_group() as beside:
            beside.start_soon(self.ping)
            beside.start_soon(self.sample, before_mib)
            async with anyio.create_task_group() as work:
                for _ in range(HONEST_AT_ONCE):
                    work.start_soon(self.honest_songs)
                await self.serve(sample_of(files(), OF_EACH))
                await self.serve(sample_of(answers(), OF_EACH))
                self.is_over = True
            beside.cancel_scope.cancel()

    async def serve(self, crafted: Iterable[Crafted]) -> None:
        """Let the server meet each; what makes them may take long, so a thread does."""
        waiting = iter(crafted)
        turn = anyio.Lock()

        async def serve_some() -> None:
            while True:
                async with turn:
                    each = await anyio.to_thread.run_sync(next, waiting, None)
                if each is None or self.stuck:
                    return
                await self.meet(each)

        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(serve_some)

    async def meet(self, crafted: Crafted) -> None:
        """Have a song made of which the service sends this, and wait until it was tried."""
        marker, task = await self.begin(crafted)

        def was_met(task: Json) -> bool:
            is_answer = isinstance(crafted, CraftedAnswer)
            return self.service.served[marker] > 0 and (is_answer or was_tried(task))

        if not await self.until(was_met, task):
            self.stuck.append(crafted.name)
        self.service.crafted[marker] = without_bytes(crafted)

    async def begin(self, crafted: Crafted) -> tuple[str, Json]:
        """Ask for a song of which the service sends this; returns its marker and its task."""
        marker = f"song-crafted-{next(self.numbers)}"
        self.service.crafted[marker] = crafted
        is_answer = isinstance(crafted, CraftedAnswer)
        is_suno = is_answer and crafted.name.startswith(("gptge", "echo in gpt.ge"))
        words = f"{marker} {ECHOED} {'fails' if is_answer else 'ends'}"
        model = "suno-v5" if is_suno else "udio"
        task = await self.call("generate_song", description=words, model=model, wait_seconds=0)
        if task.get("task_id"):
            await self.call("get_task", task_id=task["task_id"], wait_seconds=0)
        return marker, task

    async def until(self, is_so: Callable[[Json], bool], task: Json) -> bool:
        """Look at a task until this is so; returns False if it never is."""
        task_id = task["task_id"]
        with anyio.move_on_after(2 * HANGS_S):
            while not is_so(task):
                task = await self.call("get_task", task_id=task_id, wait_seconds=1)
            return True
        return False

    async def honest_songs(self) -> None:
        while not self.is_over:
            await self.honest_song()

    async def honest_song(self) -> None:
        self.honest += 1
        words = f"song-honest-{next(self.numbers)} ends"
        task = await self.call("generate_song", description=words, model="udio", wait_seconds=0)
        if await self.until(is_saved, task):
            self.saved += 1

    async def call(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
        result = await self.server.call(tool, **arguments)
        return dict(result.get("structuredContent") or {})

    async def ping(self) -> None:
        while True:
            started_s = time.perf_counter()
            await self.server.ask("ping")
            self.pings_s.append(time.perf_counter() - started_s)
            await anyio.sleep(PINGS_EVERY_S)

    async def sample(self, before_mib: float) -> None:
        """Note the most that the server has, and the most that its children have together."""
        while True:
            self.growth_mib = max(self.growth_mib, memory_mib(self.pid, "VmHWM") - before_mib)
            self.children_mib = max(self.children_mib, sum(map(memory_mib, children_of(self.pid))))
            await anyio.sleep(PINGS_EVERY_S)

    async def hang_up(self) -> float | None:
        """Hang up on a server that is at work; returns the seconds that it took to end, or None."""
        audio = (each for each in files() if each.kind == "audio")
        for crafted in sample_of(audio, LAST_FILES, least=2):
            await self.begin(crafted)
        began_s = time.perf_counter()
        await self.server.hang_up()
        with anyio.move_on_after(HANGS_S):
            await self.server.process.wait()
            return time.perf_counter() - began_s
        return None


def sample_of(crafted: Iterable[Any], full: int, least: int = LEAST) -> Iterator[Any]:
    """Yield as many as this run does, one at a time, as all of them are large together.

    Files come in three sizes: the smallest run takes large ones.
    """
    step = OF_EACH // scaled(full, least)
    return itertools.islice(crafted, min(2, step - 1), None, step)


def is_saved(task: Json) -> bool:
    clips = task.get("clips") or []
    return bool(clips) and all(clip.get("file") for clip in clips)


def was_tried(task: Json) -> bool:
    return is_saved(task) or UNSAVED in task.get("note", "")


def memory_mib(pid: int, name: str = "VmRSS") -> float:
    """What a process has in memory, 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, file.read_text(encoding="ascii").split())
        except OSError:
            continue
    return found


@asynccontextmanager
async def attacked(folder: Path, service: HostileService) -> AsyncIterator[Run]:
    variables = environment(folder, service.base_url) | {"SONG_MCP_DAILY_LIMIT": "1000000"}
    async with started(folder, variables) as raw, anyio.create_task_group() as group:
        if sys.platform == "linux":
            resource.prlimit(raw.process.pid, resource.RLIMIT_AS, (MOST_ADDRESS_BYTES,) * 2)
        server = Child(raw.process)
        group.start_soon(server.read_lines)
        await server.ask("initialize", HELLO)
        await server.tell("notifications/initialized")
        yield Run(server, service, folder)
        group.cancel_scope.cancel()


@pytest.mark.first
@pytest.mark.at_size
async def test_crafted_files_and_answers_stop_neither_songs_nor_the_server(tmp_path: Path) -> None:
    async with serving(HostileService()) as service, attacked(tmp_path, service) as run:
        await run.all()
        exit_s = await run.hang_up()
    tell(run, exit_s)
    assert run.stuck == []
    assert run.saved == run.honest, "an honest song was not saved"
    assert run.growth_mib < MOST_GROWTH_MIB
    assert exit_s is not None, "the server did not end"


def tell(run: Run, exit_s: float | None) -> None:
    pings_ms = sorted(1000 * seconds for seconds in run.pings_s)
    kinds = Counter(type(each).__name__ for each in run.service.crafted.values())
    report(f"crafted: {dict(kinds)} beside {run.honest} honest songs, {run.saved} of them saved")
    report(
        f"  ping of {len(pings_ms)}: median {pings_ms[len(pings_ms) // 2]:.1f} ms, "
        f"99th percentile {pings_ms[len(pings_ms) * 99 // 100]:.1f} ms, most {pings_ms[-1]:.1f} ms"
    )
    ended = "never" if exit_s is None else f"within {exit_s:.1f} s"
    report(
        f"  memory grew by {run.growth_mib:.0f} MiB at most, children had {run.children_mib:.0f} "
        f"MiB; ended {ended} of the client's hanging up"
    )
