"""A machine that sleeps: a real server is stopped where it hurts, and goes on afterwards.

The services do not sleep meanwhile. What each of these has shown in the end: the song was paid
once, and each of its clips is saved once.
"""

import signal
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
from anyio.abc import Process
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Sandbox
from tests.harvest import echoed
from tests.house import QUICK, environment
from tests.voice import beep
from tests.waiting import a_moment
from tests.wire.child import Child, Json, started

RULES = replace(QUICK, has_history=True)
"""With a history: an answer may come too late for a server that slept."""
CLIPS = 2

Asleep = Callable[[], Awaitable[None]]
"""Returns when the machine slept long enough."""


@dataclass
class Gate:
    """Sends the first half of the first audio, and the rest when it is opened."""

    begun: anyio.Event = field(default_factory=anyio.Event)
    opened: anyio.Event = field(default_factory=anyio.Event)
    sent: anyio.Event = field(default_factory=anyio.Event)
    asked: int = 0
    """How often audio was asked for."""

    def before(self, app: ASGIApp) -> ASGIApp:
        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if not scope["path"].endswith(".mp3"):
                await app(scope, receive, send)
                return
            self.asked += 1
            await app(scope, receive, send if self.asked > 1 else self._slowly(send))

        return gated

    def _slowly(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            body = message.get("body", b"")
            if body:
                half = len(body) // 2
                await send({**message, "body": body[:half], "more_body": True})
                self.begun.set()
                await self.opened.wait()
                message = {**message, "body": body[half:]}
            await send(message)
            if body:
                self.sent.set()

        return sent


async def in_a_post_and_in_a_wait(folder: Path, asleep: Asleep) -> None:
    """Stop the server while the answer to its POST comes, and again while a call waits."""
    app = build_app(0.2, rules=RULES, press=beep)
    sandbox = app.state.sandbox
    async with (
        running(echoed(app)) as base_url,
        started(folder, environment(folder, base_url)) as child,
    ):
        await child.hello()
        asked = await ask_for_song(child, "waltz [[timeout:0.3]]")
        while not sandbox.accepted:
            await a_moment()
        with stopped(child.process):
            while not sandbox.held:  # its answer is being held back, and then leaves
                await a_moment()
            while sandbox.held:
                await a_moment()
            await asleep()
        while not any(each.path.startswith("/api/v1/task/") for each in sandbox.requests):
            await a_moment()
        with stopped(child.process):
            await asleep()
        await is_delivered(child, sandbox, await child.answer(asked), folder)


async def in_a_save(folder: Path, asleep: Asleep, *, goes_on_meanwhile: bool) -> None:
    """Stop the server in the middle of a download, whose rest comes meanwhile or afterwards."""
    app, gate = build_app(0.2, rules=RULES, press=beep), Gate()
    app.add_middleware(gate.before)
    async with (
        running(echoed(app)) as base_url,
        started(folder, environment(folder, base_url)) as child,
    ):
        await child.hello()
        asked = await ask_for_song(child, "waltz")
        await gate.begun.wait()
        with stopped(child.process):
            if goes_on_meanwhile:
                gate.opened.set()
                await gate.sent.wait()
            await asleep()
        gate.opened.set()
        await is_delivered(child, app.state.sandbox, await child.answer(asked), folder)
        assert gate.asked >= CLIPS


async def ask_for_song(child: Child, description: str) -> int:
    """Ask without waiting for the answer; returns the request's id."""
    words = {"description": description, "wait_seconds": 55}
    return await child.request("tools/call", {"name": "generate_song", "arguments": words})


@contextmanager
def stopped(process: Process) -> Iterator[None]:
    """Stop a process, and let it go on at the end of the block."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def is_delivered(child: Child, sandbox: Sandbox, answer: Json, folder: Path) -> None:
    """Look until the song is saved, and judge what was paid and what is in the library."""
    task = answer["result"]["structuredContent"]
    while not all(clip.get("file") for clip in task["clips"]) or task["status"] != "completed":
        seen = await child.tool("get_task", task_id=task["task_id"], wait_seconds=20)
        task = seen["structuredContent"]
    assert task["charged"] == "yes"
    assert sum(each.path == "/api/v1/task" for each in sandbox.requests) == 1
    assert len(sandbox.accepted) == 1
    await child.hang_up()
    assert await child.ended() == 0
    told = {clip["file"] for clip in task["clips"]}
    files = {str(file) for file in (folder / "library").rglob("*.mp3")}
    assert len(told) == CLIPS
    assert told == files == saved_in(folder / "home" / "journal.sqlite3")
    assert not [file for file in (folder / "library").rglob("*") if ".part" in file.name]


def saved_in(journal: Path) -> set[str]:
    with closing(sqlite3.connect(journal)) as db:
        return {file for (file,) in db.execute("SELECT file FROM clips")}
