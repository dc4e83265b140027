"""The state of one sandbox, which a test can look at too.

All state is in this object, in memory and bounded. Two sandboxes share nothing. No API key is kept:
headers with one are stored as "[redacted]".
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from starlette.requests import Request
from starlette.responses import Response

from song_mcp.sandbox.tasks import Catalog, Json, Stage, Task

Service = Literal["piapi", "gptge", "minimax", "acestep"]
Asked = Literal["piapi", "gptge", "minimax", "acestep", "media"]

BAD_KEY = "bad-key"
"""The one key that all services refuse if any other is accepted."""

POINTS_PER_DOLLAR = 10_000_000
SONG_POINTS = 500_000
"""Price of one generation at PiAPI: $0.05."""

_SECRET_HEADERS = frozenset({"x-api-key", "authorization", "cookie", "proxy-authorization"})
_REMEMBERED = 10_000
_UPLOADS = 8


@dataclass(frozen=True, slots=True)
class Rules:
    """How the sandbox behaves in what the real services leave open."""

    clip_seconds: float = 15.0
    """Length of a new song's audio."""
    extension_seconds: float = 8.0
    """Length of a continuation, which is the new part alone."""
    hold_seconds: float = 150.0
    """How long `[[timeout]]` holds an answer if its marker names no number."""
    balance_usd: float = 10.0
    """Balance at PiAPI at the start."""
    max_concurrent: int = 100
    """PiAPI's plan limit on tasks that have not ended."""
    max_tasks: int = 10_000
    """Tasks kept per service."""
    keys: frozenset[str] | None = None
    """The only keys accepted; None takes any but `BAD_KEY`."""
    suno_models: frozenset[str] | None = None
    """What gpt.ge's side takes as `mv`, None for any; it calls all others retired."""
    free_per_minute: int = 3
    """How many songs of free models MiniMax takes in a minute."""
    has_history: bool = True
    """Whether PiAPI lists past tasks; without, it knows no such path."""
    may_upload: bool = True
    """Whether the plan at PiAPI allows uploads."""
    home_key: str = ""
    """The key that ACE-Step's server wants, for its audio too; "" if it wants none."""
    queue_size: int = 200
    """How many tasks of ACE-Step may wait at the same time."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in."""

    service: Asked
    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case; keys redacted."""
    body: bytes
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """One submission that became a task, and was paid."""

    service: Service
    body: Json
    canonical: str
    """The body with its keys in order, for comparing."""
    task_id: str


class RefusalError(Exception):
    """The request is refused; holds the answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def _redacted(request: Request) -> dict[str, str]:
    return {
        name: "[redacted]" if name in _SECRET_HEADERS else value
        for name, value in request.headers.items()
    }


def _canonical(body: Json) -> str:
    return json.dumps(body, sort_keys=True)


class Sandbox:
    """All services' tasks and money, and what a test may want to count."""

    def __init__(self, song_seconds: float, rules: Rules, clock: Callable[[], float]) -> None:
        self.song_seconds = song_seconds
        self.rules = rules
        self.clock = clock
        self.piapi = Catalog(rules.max_tasks)
        self.gptge = Catalog(rules.max_tasks)
        self.minimax = Catalog(rules.max_tasks)
        self.free: list[float] = []
        """When MiniMax took songs of free models in the last minute, in Unix seconds."""
        self.acestep = Catalog(rules.max_tasks)
        self.requests: deque[Received] = deque(maxlen=_REMEMBERED)
        """What came in, oldest first; only the last 10,000."""
        self.accepted: deque[Accepted] = deque(maxlen=_REMEMBERED)
        """What became a task, oldest first; only the last 10,000."""
        self.held: set[asyncio.Transport | None] = set()
        """Connections whose answers are being held back."""
        self.uploads: dict[str, bytes] = {}
        """The last files that were uploaded to PiAPI, by name."""
        self._points = round(rules.balance_usd * POINTS_PER_DOLLAR)
        self._open: dict[str, Task] = {}

    @property
    def catalogs(self) -> Mapping[Service, Catalog]:
        """The tasks of each service."""
        return {
            "piapi": self.piapi,
            "gptge": self.gptge,
            "minimax": self.minimax,
            "acestep": self.acestep,
        }

    @property
    def points(self) -> int:
        """Return the credit left at PiAPI; 10,000,000 points are a dollar."""
        self.active()
        return self._points

    @property
    def spent(self) -> int:
        """Return the points spent or frozen at PiAPI so far."""
        return round(self.rules.balance_usd * POINTS_PER_DOLLAR) - self.points

    def count(self, service: Service, body: Json | None = None) -> int:
        """Count the accepted submissions of one service, all or those with exactly this body."""
        wanted = None if body is None else _canonical(body)
        mine = (item.canonical for item in self.accepted if item.service == service)
        return sum(wanted in {None, canonical} for canonical in mine)

    async def note(self, request: Request, service: Asked) -> None:
        """Remember a request."""
        body = await request.body()
        headers = _redacted(request)
        self.requests.append(
            Received(service, request.method, request.url.path, headers, body, self.clock())
        )

    def welcomes(self, key: str) -> bool:
        """Return whether an API key is accepted."""
        if self.rules.keys is not None:
            return key in self.rules.keys
        return key not in {"", BAD_KEY}

    def accept(self, service: Service, task: Task) -> None:
        """Add the task of an accepted submission, and freeze its price."""
        self.catalogs[service].add(task)
        self.accepted.append(Accepted(service, task.body, _canonical(task.body), task.id))
        if service == "piapi":
            self._points -= task.points
            self._open[task.id] = task

    def keep_upload(self, name: str, content: bytes) -> None:
        """Keep an uploaded file, and drop the oldest if there are too many."""
        self.uploads[name] = content
        while len(self.uploads) > _UPLOADS:
            del self.uploads[next(iter(self.uploads))]

    def active(self) -> list[Task]:
        """Return PiAPI's tasks that have not ended, after settling those that have."""
        now = self.clock()
        ended = [task for task in self._open.values() if task.stage(now) is Stage.ENDED]
        for task in ended:
            del self._open[task.id]
            self._points += task.points if task.fails else 0
        return list(self._open.values())


def sandbox_of(request: Request) -> Sandbox:
    """Find the sandbox that a request came to."""
    return cast("Sandbox", request.app.state.sandbox)
