"""The desk: how a command without an assistant works with the studio.

Such a command is a client of the studio, as a tool is: what it asks for is a call
(`studio.Call`). Its answer was delivered once it is printed. If the command is interrupted, or the
answer cannot be printed, the call was cut off, and the same wish again joins what it began.

Only a command that waits for a song opens a studio that works: looks at tasks, saves clips,
recovers what dead processes left. All others ask the journal and nothing else.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from song_mcp.clock import Clock
from song_mcp.commands.screen import Screen, quiet
from song_mcp.commands.terminal import complain
from song_mcp.commands.typed import typed
from song_mcp.errors import SongError
from song_mcp.system import STOPS

if TYPE_CHECKING:
    from song_mcp.settings import Settings
    from song_mcp.studio import Answer, Call, Studio

T = TypeVar("T")

NOT_MADE = 1
"""The exit status if a song was not made, or something else did not work."""
SIGNALLED = 128
"""The exit status after a signal is this plus the signal's number, as in shells."""
PIPE_CLOSED = 141
"""The exit status if nobody reads what is printed, as in shells."""


@dataclass
class Desk:
    """A person's terminal and settings; without `clock` the system's clock is used."""

    settings: "Settings"
    screen: Screen
    clock: Clock | None = None

    async def with_studio(self, use: "Callable[[Studio], Awaitable[T]]") -> T:
        """Return what `use` returns of a studio that does nothing by itself; raises what it does.

        It raises so outside of the studio's groups of tasks, which would wrap it.
        """
        return await self._opened(use, is_working=False)

    async def waiting(
        self, work: "Callable[[Studio], Awaitable[Answer]]", show: "Callable[[Answer], None]"
    ) -> int:
        """Have the studio work on one call, and show its answer; returns the exit status.

        A signal ends the waiting: what was begun goes on, and the person is told how to get it. A
        submission is never left alone before its service has answered. Raises SongError, and
        OSError if the answer cannot be shown.
        """
        leaving = _Leaving()

        async def use(studio: "Studio") -> int:
            return await self._call(studio, leaving, work, show)

        with leaving.noticed():
            status = await self._opened(use, is_working=True)
        return SIGNALLED + leaving.number if leaving.number else status

    async def _opened(self, use: "Callable[[Studio], Awaitable[T]]", *, is_working: bool) -> T:
        from song_mcp.compose import open_studio

        async with open_studio(self.settings, self.clock, is_working=is_working) as studio:
            try:
                return await use(studio)
            except (SongError, OSError) as error:
                failure = error
        raise failure

    async def _call(
        self,
        studio: "Studio",
        leaving: "_Leaving",
        work: "Callable[[Studio], Awaitable[Answer]]",
        show: "Callable[[Answer], None]",
    ) -> int:
        """Make one call: it is delivered when its answer is shown, and lost in any other case."""
        from song_mcp.studio import Call, calling

        call = Call()
        answer: Answer | None = None
        try:
            with leaving.scope, calling(call):
                answer = await work(studio)
            if answer is None:
                await self._leave(studio, sorted(call.begun))
            else:
                _tells(call, answer)
                show(answer)
        except BaseException:
            studio.lost(call)
            raise
        if answer is None:
            studio.lost(call)
            return NOT_MADE
        studio.delivered(call)
        every = (answer.task, *answer.others)
        return NOT_MADE if all(each.status in NO_SONG for each in every) else 0

    async def _leave(self, studio: "Studio", begun: list[str]) -> None:
        """Say how to get what goes on, and that it is waited for while it is sent."""
        tasks = [await studio.task(local_id) for local_id in begun]
        self.screen.redraw("")
        for task in tasks:
            if task.status == "submitting":
                self.screen.say(
                    "It is being sent: song-mcp ends when the service has answered, so that the "
                    "answer is not lost."
                )
            elif not task.is_open:
                self.screen.say(f"It is {task.status}: song-mcp get {task.public_id} shows it.")
                continue
            self.screen.say(
                f"It goes on being made, and the same wish again would join it: song-mcp get "
                f"{task.public_id} waits for it."
            )
        if not tasks:
            self.screen.say("Stopped. Nothing was sent or paid.")


NO_SONG = frozenset({"rejected", "in_doubt", "failed", "abandoned"})
"""The statuses of a task of which no song is known to be made."""


def _tells(call: "Call", answer: "Answer") -> None:
    """Write down of which tasks and of which ends the answer tells, as a tool's result does."""
    from song_mcp.server.delivery import ended_tasks, told_tasks
    from song_mcp.server.results import as_json, task_result

    structured = as_json(task_result(answer))
    call.told, call.ended = told_tasks(structured), ended_tasks(structured)


class _Leaving:
    """What a signal does while a command waits: the first one ends the waiting, others nothing."""

    def __init__(self) -> None:
        self.number = 0
        self.scope = anyio.CancelScope()

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Notice signals, but those that this process was started to ignore."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        def stop(number: int, _: object) -> None:
            loop.call_soon_threadsafe(self._stop, number)

        heard = [each for each in _signals() if signal.getsignal(each) != signal.SIG_IGN]
        before = {each: signal.signal(each, stop) for each in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int) -> None:
        self.number = self.number or number
        self.scope.cancel()


def _signals() -> tuple[signal.Signals, ...]:
    """Return what ends the waiting: also the end of the terminal, where there is such a signal."""
    hang_up = getattr(signal, "SIGHUP", None)
    return (*STOPS, hang_up) if hang_up is not None else STOPS


def here() -> Desk:
    """Return the desk of this process."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # scanning for plugins is slow
    from song_mcp.settings import Settings

    desk = Desk(Settings.read(), Screen(sys.stdout, sys.stderr, sys.stdin))
    for remark in desk.settings.remarks:
        desk.screen.say(f"Counts as not set: {remark}")
    return desk


def at_desk(desk: Desk, work: Callable[[], Awaitable[int]]) -> int:
    """Do the work of a command; returns the exit status, after a complaint if it failed."""
    try:
        return anyio.run(work)
    except SongError as error:
        desk.screen.redraw("") if desk.screen.is_live else None
        return complain(typed(str(error)))
    except BrokenPipeError:
        quiet(desk.screen.out)
        return PIPE_CLOSED
    except OSError as error:
        desk.screen.say(
            f"The answer could not be printed ({error.strerror or error}). Whatever was made is in "
            "the journal: song-mcp songs lists it."
        )
        quiet(desk.screen.out)
        return NOT_MADE


def json_text(values: Mapping[str, Any]) -> str:
    """Return values as JSON that every code page can show."""
    return json.dumps(values, indent=2, ensure_ascii=True)
