"""Studios on one journal, each like a process of its own, with services and a clock in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from song_mcp.compose import running
from song_mcp.inbox import Inbox
from song_mcp.journal import Journal
from song_mcp.library import Library
from song_mcp.library.store import Download
from song_mcp.songs import SongRequest, Task
from song_mcp.studio import Options, Studio
from tests.manual_clock import ManualClock, quiet
from tests.memory_services import MemoryServices
from tests.models import UDIO

WALTZ = SongRequest(UDIO, "waltz")


async def never(_url: str, _sink: Callable[[bytes], None], *, cap_bytes: int) -> None:
    """Download for ever."""
    await anyio.sleep_forever()


@dataclass
class Patience:
    """How long a call waits, and the progress that it was sent, with times."""

    seconds: float
    told: list[tuple[float, str]] = field(default_factory=list)

    async def tell(self, elapsed_s: float, task: Task) -> None:
        self.told.append((elapsed_s, task.status))


@dataclass
class Call:
    """A call that waits, and its answer, with the time."""

    patience: Patience
    answered_at_s: float | None = None
    task: Task | None = None

    @property
    def end(self) -> tuple[str, float] | None:
        """The status of the task that it was answered with, and when; None while it waits."""
        if self.task is None or self.answered_at_s is None:
            return None
        return self.task.status, round(self.answered_at_s, 1)


@dataclass
class World:
    """A journal in `folder`, services in memory, and a clock that stands still."""

    folder: Path
    clock: ManualClock
    services: MemoryServices
    theirs: Journal

    @asynccontextmanager
    async def process(self, download: Download = never, new_key: str = "") -> AsyncIterator[Studio]:
        """Run a studio; with `new_key` its keys are others."""
        journal = Journal(self.theirs.path, self.clock.now)
        library = Library(self.folder / "library", download, cap_bytes=10**6, clock=self.clock)
        options = Options(None, 0.0, 10, 1, library.folder)
        providers = self.services.providers(new_key)
        inbox = Inbox(self.folder / "home" / "inbox", cap_bytes=10**6)
        try:
            async with running(options, providers, journal, library, inbox, self.clock) as studio:
                yield studio
        finally:
            with anyio.CancelScope(shield=True):
                await journal.close()

    @asynccontextmanager
    async def waiting(
        self, work: Callable[[Patience], Awaitable[Task]], seconds: float, *, calls: int = 1
    ) -> AsyncIterator[list[Call]]:
        """Make so many calls that wait so long; yields their outcomes."""
        made = [Call(Patience(seconds)) for _ in range(calls)]

        async def wait(call: Call) -> None:
            call.task = await work(call.patience)
            call.answered_at_s = self.clock.elapsed_s

        async with anyio.create_task_group() as group:
            for call in made:
                group.start_soon(wait, call)
            await quiet()
            yield made
            group.cancel_scope.cancel()

    async def only_task(self) -> Task:
        """Return the one task that there is, as the journal has it."""
        (task,) = (await self.theirs.search("", 2)).tasks
        return task


def submitting(studio: Studio) -> Callable[[Patience], Awaitable[Task]]:
    async def call(patience: Patience) -> Task:
        return (await studio.submit(WALTZ, patience, another_take=False)).task

    return call
