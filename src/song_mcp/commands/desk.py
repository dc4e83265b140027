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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from song_mcp.clock import Clock
from song_mcp.commands.bar import Bar
from song_mcp.commands.screen import AS_THEY_ARE, Screen, quiet
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
    """A person's terminal and settings; without `clock` the system's clock is used.

    `whose` says whose keys the settings have, if they are not the terminal's.
    """

    settings: "Settings"
    screen: Screen
    clock: Clock | None = None
    whose: str = ""

    async def with_studio(self, use: "Callable[[Studio], Awaitable[T]]") -> T:
        """Return what `use` returns of a studio that does nothing by itself; raises what it does.

        It raises so outside of the studio's groups of tasks, which would wrap it.
        """
        return await self._opened(use, is_working=False)

    async def waiting(self, call: "Asked") -> int:
        """Have the studio work on one call, and show its answer; returns the exit status.

        A signal ends the waiting: what was begun goes on, and the person is told how to get it. A
        submission is never left alone before its service has answered. Raises SongError, and
        OSError if the answer cannot be shown.
        """
        leaving = _Leaving()

        async def use(studio: "Studio") -> int:
            return await self._call(studio, leaving, call)

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

    async def _call(self, studio: "Studio", leaving: "_Leaving", asked: "Asked") -> int:
        """Make one call: it is delivered when its answer is shown, and lost in any other case."""
        from song_mcp.studio import Call, calling

        call = Call()
        answer: Answer | None = None
        bar = Bar(self.screen, studio, asked.wait_s)
        try:
            with leaving.scope, calling(call):
                answer = await _beside(bar, asked.work(studio, bar))
            bar.clear()
            if answer is not None:
                note = " ".join(filter(None, (answer.note, await studio.warning())))
                answer = replace(answer, note=note)
                _tells(call, answer)
                self._show(answer, asked)
            else:
                await self._leave(studio, sorted(call.begun))
        except BaseException:
            bar.clear()
            studio.lost(call)
            raise
        if answer is None:
            studio.lost(call)
            return NOT_MADE
        studio.delivered(call)
        every = (answer.task, *answer.others)
        return NOT_MADE if all(each.status in asked.fails for each in every) else 0

    def _show(self, answer: "Answer", asked: "Asked") -> None:
        """Print an answer, as a tool returns it or in its words; raises OSError."""
        from song_mcp.server.results import as_json, task_result, task_text

        result = task_result(answer, include_lyrics=asked.include_lyrics)
        name = result.task_id
        if asked.as_json:
            values = as_json(result)
            told = {key: typed(values[key], name) for key in SENTENCES if key in values}
            self.screen.show(json_text(values | told))
            return
        first, *lines = task_text(result).split("\n")
        lines = [line if line.startswith(AS_THEY_ARE) else typed(line, name) for line in lines]
        self.screen.show_lines("\n".join([first, *lines]))

    async def _leave(self, studio: "Studio", begun: list[str]) -> None:
        """Say how to get what goes on, and that it is waited for while it is sent."""
        if not begun:
            self.screen.say("Stopped; this command began nothing.")
        for task in [await studio.task(local_id) for local_id in begun]:
            if task.status == "submitting":
                self.screen.say(
                    "It is being sent: song-mcp ends when the service has answered, so that the "
                    "answer is not lost."
                )
            how = "goes on being made" if task.is_open else f"is {task.status}"
            name = task.local_id if task.status == "submitting" else task.public_id
            self.screen.say(
                f"The song {how}, and the same wish again joins it: song-mcp get {name} gets it."
            )


SENTENCES = ("note", "next_step", "error")
"""What of a result is sentences of ours."""
NO_SONG = frozenset({"rejected", "in_doubt", "failed", "abandoned"})
"""The statuses of a task of which no song is known to be made."""


@dataclass(frozen=True)
class Asked:
    """What a command asks of the studio, and how its answer is shown.

    `work` is waited for up to `wait_s` seconds; `fails` are the statuses of a task that make the
    exit status an error.
    """

    work: "Callable[[Studio, Bar], Awaitable[Answer]]"
    wait_s: float
    as_json: bool = False
    include_lyrics: bool = False
    fails: frozenset[str] = NO_SONG


async def _beside(bar: Bar, work: Awaitable[T]) -> T:
    """Return what some work does while the bar's time goes on; raises what it raises."""
    async with anyio.create_task_group() as group:
        group.start_soon(bar.tick)
        try:
            return await work
        except SongError as error:
            failure = error
        finally:
            group.cancel_scope.cancel()
    raise failure


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
    from song_mcp.commands import entered

    settings, whose = entered.settings()
    desk = Desk(settings, screen(), whose=whose)
    for remark in desk.settings.remarks:
        desk.screen.say(f"Counts as not set: {remark}")
    return desk


def screen() -> Screen:
    """Return the screen of this process, which may have been started without streams.

    What is printed where no stdout is fails: it was not shown to anybody.
    """
    out = sys.stdout or open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - for always
    err = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - the same
    return Screen(out, err, sys.stdin)


def at_desk(desk: Desk, work: Callable[[], Awaitable[int]]) -> int:
    """Do the work of a command; returns the exit status, after a complaint if it failed."""
    try:
        return anyio.run(work)
    except SongError as error:
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
