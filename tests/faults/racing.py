"""Worker processes for races: each gets an order, all say they are ready, and all start at once.

A worker imports song_mcp once and lives for many rounds. Orders and answers are lines of JSON on
its standard input and output: an order, "ready" in reply, "go", and the answer. It ends when its
standard input ends, or is killed by its own id.
"""

import json
import math
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

import song_mcp
from song_mcp.compose import open_studio
from song_mcp.errors import SongError
from song_mcp.journal import Journal, NewTask
from song_mcp.messages import JOINED
from song_mcp.settings import Settings
from song_mcp.songs import MODELS, Clip, Report, SongRequest, Task
from song_mcp.studio.studio import Studio
from tests import forks
from tests.harvest import log_everything
from tests.limits import HANGS_S

if TYPE_CHECKING:  # a worker does not need it
    from song_mcp.sandbox.state import Sandbox

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
SOURCE = Path(song_mcp.__file__).parents[1]
DEADLINE_S = 300.0
LONGEST_LINE = 2**24
NOBODY = 65534
LOOKS = frozenset({"/suno/fetch", "/query_result"})
"""Paths of looks that are POSTs."""
MODEL_NAMES = ("udio", "suno-v5")
PAID = (*MODEL_NAMES, "minimax-3", "ace-step")
FREE = ("ace-step-local", "minimax-3-free")


# In the test ---------------------------------------------------------------------------------


class Worker:
    """One process, seen from the test."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process = process
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def do(self, order: Json) -> Any:  # noqa: ANN401 - JSON
        """Send an order to this worker alone."""
        return (await race([self], [order]))[0]

    async def tell(self, message: object) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps(message).encode() + b"\n")

    async def hear(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(await self._lines.receive_until(b"\n", LONGEST_LINE))

    async def kill(self) -> None:
        """End it as `kill -9` does, and return when it is dead."""
        self.process.kill()
        await self.process.wait()


async def race(workers: Sequence[Worker], orders: Sequence[Json]) -> list[Any]:
    """Release one order per worker at the same moment; returns the answers in their order."""
    pairs = list(zip(workers, orders, strict=True))
    with anyio.fail_after(DEADLINE_S):
        for worker, order in pairs:
            await worker.tell(order)
        for worker in workers:
            assert await worker.hear() == "ready"
        for worker in workers:
            await worker.tell("go")
        return [await worker.hear() for worker in workers]


@asynccontextmanager
async def crew(size: int) -> AsyncIterator[list[Worker]]:
    """Start so many workers; in the end all are asked to leave at the same time."""
    path = os.pathsep.join((str(ROOT), str(SOURCE)))
    environment = os.environ | {"PYTHONPATH": path}
    async with AsyncExitStack() as stack:
        workers = []
        for _ in range(size):
            running = forks.server(
                module="tests.faults.racing", cwd=ROOT, env=environment, stderr=None
            )
            workers.append(Worker(await stack.enter_async_context(running)))
        yield workers
        for worker in workers:
            assert worker.process.stdin is not None
            await worker.process.stdin.aclose()


def paid_posts(sandbox: "Sandbox") -> int:
    """Count the submissions that came in, whatever became of them and whatever they cost."""
    received = (item for item in sandbox.requests if item.method == "POST")
    return sum(item.path not in LOOKS for item in received)


def song(number: int, words: str, models: Sequence[str] = MODEL_NAMES) -> Json:
    """A request that differs from those of other numbers; each number has its model."""
    return {"model": models[number % len(models)], "description": f"{words} {number}"}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return when the condition holds; raises TimeoutError when it never does."""
    with anyio.fail_after(HANGS_S):
        while not await condition():  # noqa: ASYNC110 - another process makes it true
            await anyio.sleep(0.02)


# In the worker -------------------------------------------------------------------------------


class Patience:
    """A call that waits for so many seconds and sends no progress."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def tell(self, elapsed_s: float, task: Task) -> None:
        pass


@dataclass
class Hands:
    """What a worker holds from one order to the next."""

    held: AsyncExitStack = field(default_factory=AsyncExitStack)
    studio: Studio | None = None
    journal: Journal | None = None


async def open_a_studio(hands: Hands, order: Json) -> None:
    """Open a studio on `settings`; the one held before is closed first."""
    await close(hands, order)
    hands.studio = await hands.held.enter_async_context(open_studio(Settings(**order["settings"])))


async def close(hands: Hands, _order: Json) -> None:
    await hands.held.aclose()
    hands.studio = None


async def submit(hands: Hands, order: Json) -> list[Json]:
    """Submit all `songs` at once, waiting for each song as long as `wait` says."""
    answers: list[Json] = [{} for _ in order["songs"]]

    async def one(place: int, wanted: Json) -> None:
        answers[place] = await _submitted(hands, wanted, order.get("wait", 0.0))

    async with anyio.create_task_group() as group:
        for place, wanted in enumerate(order["songs"]):
            group.start_soon(one, place, wanted)
    return answers


async def _submitted(hands: Hands, wanted: Json, wait_s: float) -> Json:
    assert hands.studio is not None
    request = SongRequest(MODELS[wanted["model"]], wanted["description"])
    try:
        answer = await hands.studio.submit(request, Patience(wait_s), another_take=False)
    except SongError as error:
        return {"error": type(error).__name__, "text": str(error)}
    task = answer.task
    return {
        "local_id": task.local_id,
        "task_id": task.task_id,
        "status": task.status,
        "joined": answer.note == JOINED,
    }


async def find(hands: Hands, order: Json) -> str:
    """Look `id` up in the studio's journal; returns the task's status, "" if there is none."""
    assert hands.studio is not None
    try:
        return (await hands.studio.task(order["id"])).status
    except SongError as error:
        return f"{type(error).__name__}: {error}"


async def use(hands: Hands, order: Json) -> Json:
    """Use the journal at `path`, opened if it is not yet, for one transaction, `kind`."""
    journal = _journal(hands, Path(order["path"]))
    started = time.perf_counter()
    try:
        if order["kind"] == "read":
            answer = str((await journal.search("", 1)).total)
        else:
            answer = (await journal.prepare(_new(order["name"]), join=False)).task.local_id
    except SongError as error:
        return {"error": str(error)}
    finally:
        if order.get("close", True):
            await journal.close()
            hands.journal = None
    return {"answer": answer, "ms": _ms_since(started)}


async def load(hands: Hands, order: Json) -> Json:
    """Make at least `transactions` transactions of all kinds on the journal at `path`."""
    journal = _journal(hands, Path(order["path"]))
    times: dict[str, list[float]] = {}
    errors: list[str] = []
    for number in range(math.ceil(order["transactions"] / len(CYCLE))):
        await _cycle(journal, f"{order['name']}-{number}", times, errors)
    await journal.close()
    hands.journal = None
    return {"times": times, "errors": errors}


CYCLE = ("prepare", "find", "accept", "find", "find", "record", "find", "search")
"""What happens to one song in the load test, in this order."""
WORDS = "lantern by the quay"


async def _cycle(
    journal: Journal, name: str, times: dict[str, list[float]], errors: list[str]
) -> None:
    """Take one song from its submission to its end, timing each transaction."""
    key = name
    for step in CYCLE:
        started = time.perf_counter()
        try:
            key = await _step(journal, step, name, key)
        except SongError as error:
            errors.append(str(error))
        times.setdefault(step, []).append(_ms_since(started))


async def _step(journal: Journal, step: str, name: str, key: str) -> str:
    """Make one transaction on the task `key`; returns the id under which it is found next."""
    if step == "prepare":
        return (await journal.prepare(_new(name), join=True)).task.local_id
    if step == "accept":
        await journal.accept(key, _new(name), f"task-{name}", None)
    elif step == "record":
        clip = Clip(f"clip-{name}", "completed", duration_s=9.5, audio_url="https://x/a.mp3")
        report = Report(f"task-{name}", "completed", "completed", clips=(clip,), charged="yes")
        assert (await journal.record(key, report)).ended_now
    elif step == "find":
        assert await journal.find(key) is not None
    else:
        await journal.search(name if name.endswith("0") else "", 10)
    return key


async def become_nobody(hands: Hands, _order: Json) -> None:
    """Drop the administrator's rights, if this process has them."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


async def allow_files_of(hands: Hands, order: Json) -> None:
    """Let no file grow past `bytes`, as if the disk were full; None takes the limit away."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    soft = hard if order["bytes"] is None else order["bytes"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _journal(hands: Hands, path: Path) -> Journal:
    if hands.journal is None:
        hands.journal = Journal(path, lambda: datetime.now(UTC))
    return hands.journal


NEW = NewTask("piapi", "udio", "song", "", "Quay", WORDS, {"lyrics": "Lamps"}, {"path": "/x"})


def _new(name: str) -> NewTask:
    return replace(NEW, fingerprint=name, title=name)


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


ORDERS: dict[str, Callable[[Hands, Json], Awaitable[Any]]] = {
    "open": open_a_studio,
    "close": close,
    "submit": submit,
    "find": find,
    "use": use,
    "load": load,
    "become nobody": become_nobody,
    "allow files of": allow_files_of,
}


async def serve() -> None:
    """Follow orders until the standard input ends."""
    hands = Hands()
    async with hands.held:
        while line := await anyio.to_thread.run_sync(sys.stdin.buffer.readline):
            order = json.loads(line)
            _say("ready")
            await anyio.to_thread.run_sync(sys.stdin.buffer.readline)
            _say(await ORDERS[order["do"]](hands, order))


def _say(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    log_everything()
    anyio.run(serve)
