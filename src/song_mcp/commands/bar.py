"""The bar: how a song that is waited for stands, and for how long it has been made."""

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from song_mcp.commands.screen import Screen
from song_mcp.errors import JournalError

if TYPE_CHECKING:
    from song_mcp.songs import Task
    from song_mcp.studio import Studio

LENGTH = 20
"""How many characters the bar has."""
NEARLY = 0.95
"""How full it is at most before the song is there."""
TICK_S = 1.0


class Bar:
    """Waits up to `seconds`, and shows on the screen what is told meanwhile.

    If nobody looks at the screen, a line tells each change instead.
    """

    def __init__(self, screen: Screen, studio: "Studio", seconds: float) -> None:
        self.seconds = seconds
        self._screen = screen
        self._studio = studio
        self._task: Task | None = None
        self._expected_s: float | None = None
        self._said = ""

    async def tell(self, elapsed_s: float, task: "Task") -> None:  # noqa: ARG002 - its age tells more
        """Show how a task stands."""
        if self._task is None or self._task.local_id != task.local_id:
            with suppress(JournalError):
                self._expected_s = await self._studio.catalog.expected_s(task)
        self._task = task
        self._draw()

    async def tick(self) -> None:
        """Let the time go on, until cancelled."""
        while True:
            await anyio.sleep(TICK_S)
            self._draw()

    def clear(self) -> None:
        """Remove the bar: what follows is printed in its place."""
        if self._screen.is_live and self._task is not None:
            self._screen.redraw("")

    def _draw(self) -> None:
        task = self._task
        if task is None:
            return
        stands = _stands(task)
        if not self._screen.is_live:
            if stands != self._said:
                self._screen.say(f"{task.public_id}: {stands}")
            self._said = stands
            return
        age_s = max(0.0, self._studio.age_s(task))
        self._screen.redraw(f"{self._filled(task, age_s)}{self._time(age_s)}  {stands}")

    def _filled(self, task: "Task", age_s: float) -> str:
        share = None if self._expected_s is None else min(NEARLY, age_s / self._expected_s)
        if task.progress_percent is not None:
            share = task.progress_percent / 100
        share = share if task.is_open else 1.0
        if share is None:
            return ""
        full, empty = ("█", "░") if self._screen.can_show("█░") else ("#", "-")
        count = round(share * LENGTH)
        return f"{full * count}{empty * (LENGTH - count)} "

    def _time(self, age_s: float) -> str:
        usual = self._expected_s
        return clock_time(age_s) + (f" of about {clock_time(usual)}" if usual else "")


def clock_time(seconds: float) -> str:
    """Return seconds as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _stands(task: "Task") -> str:
    """Return how a task stands, in the words of results."""
    from song_mcp.messages import SAVING
    from song_mcp.studio import going

    return going(task) if task.is_open else SAVING
