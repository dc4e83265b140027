"""Tasks and the clock that moves them.

A task's stage depends only on the time since it was accepted and on how many times it was looked
at. It never goes back, and nothing runs in the background.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

from song_mcp.sandbox.songs import Clip, Order

Json = dict[str, Any]


class Stage(IntEnum):
    """How far a task is, in the finer steps of gpt.ge; PiAPI shows three of them."""

    NEW = 0
    SUBMITTED = 1
    QUEUED = 2
    RUNNING = 3
    STREAMING = 4
    ENDED = 5


_BEGINS = {
    Stage.SUBMITTED: 0.04,
    Stage.QUEUED: 0.08,
    Stage.RUNNING: 0.15,
    Stage.STREAMING: 0.5,
}  # share of the whole time after which each stage begins


@dataclass(slots=True)
class Task:
    """One accepted submission."""

    id: str
    body: Json
    """What was submitted, unchanged."""
    order: Order
    clips: tuple[Clip, ...]
    """Empty for a lyrics task."""
    marks: Mapping[str, str]
    """Markers found in the body: name and argument."""
    submitted_at: float
    """Unix seconds."""
    span_s: float
    """Time from acceptance to the end."""
    points: int = 0
    """Price, frozen at acceptance and refunded on failure."""
    fails: bool = False
    reason: str = ""
    """Why it fails, if not for the usual reason."""
    least_looks: int = 0
    """How many looks it takes before the task may be seen ended."""
    files: Counter[str] = field(default_factory=Counter, init=False)
    """How often each of its files was asked for, by path."""
    listings: int = field(default=0, init=False)
    """How often the history was asked about the task's time."""
    looks: int = field(default=0, init=False)
    looks_after_end: int = field(default=0, init=False)
    ended_at: float | None = field(default=None, init=False)

    @property
    def kind(self) -> Literal["song", "lyrics"]:
        """What the task makes."""
        return "song" if self.clips else "lyrics"

    @property
    def audio_requests(self) -> int:
        """How often the audio of its clips was asked for."""
        return sum(number for path, number in self.files.items() if path.endswith(".mp3"))

    @property
    def started_at(self) -> float:
        """The Unix second at which work begins."""
        return self.submitted_at + _BEGINS[Stage.RUNNING] * self.span_s

    def stage(self, now: float) -> Stage:
        """Return how far the task is at a Unix second."""
        passed = now - self.submitted_at
        if self.ended_at is None and passed >= self.span_s and self.looks >= self.least_looks:
            self.ended_at = now if self.least_looks else self.submitted_at + self.span_s
        if self.ended_at is not None:
            return Stage.ENDED
        begun = (stage for stage, share in _BEGINS.items() if passed >= share * self.span_s)
        return max(begun, default=Stage.NEW)

    def look(self, now: float) -> Stage:
        """Return how far the task is, and count the look."""
        self.looks += 1
        stage = self.stage(now)
        self.looks_after_end += stage is Stage.ENDED
        return stage


class Catalog:
    """The tasks of one service and their clips; above `most` tasks the oldest are dropped."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: dict[str, Task] = {}
        self._clips: dict[str, Task] = {}

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def add(self, task: Task) -> None:
        """Add a task, and drop the oldest if there are too many."""
        self._tasks[task.id] = task
        self._clips |= {clip.id: task for clip in task.clips}
        if len(self._tasks) > self._most:
            oldest = self._tasks.pop(next(iter(self._tasks)))
            for clip in oldest.clips:
                del self._clips[clip.id]

    def task(self, task_id: str) -> Task | None:
        """Find a task by its id."""
        return self._tasks.get(task_id)

    def of_clip(self, clip_id: str) -> tuple[Task, Clip] | None:
        """Find a clip and the task that made it by the clip's id."""
        task = self._clips.get(clip_id)
        if task is None:
            return None
        return task, next(clip for clip in task.clips if clip.id == clip_id)
