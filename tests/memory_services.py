"""Both services, in memory, with what they accepted, what they were asked, and faults.

They stand behind the real adapters as an HTTP transport, so no part of song-mcp is replaced.
"""

import json
import sqlite3
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache, partial
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest

from song_mcp.clock import Clock
from song_mcp.journal import file
from song_mcp.providers import Provider
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import ServiceName
from tests.faults.canaries import GPTGE_KEY, PIAPI_KEY

Fault = Literal[
    "none",
    "not reached",
    "lost before it was taken",
    "lost after it was taken",
    "half an answer",
    "failed",
    "too many",
    "refused",
    "page",
    "hangs",
]
PAID_PATHS = frozenset({"/api/v1/task", "/suno/submit/music", "/suno/submit/lyrics"})
FOREVER_S = 10_000_000.0
PAGE = "<html>Bad gateway</html>"


@dataclass
class Made:
    """A task that a service accepted, and charged.

    At gpt.ge `shows` is the data of its looks in turn, and none knows it if it `is_forgotten`.
    """

    task_id: str
    service: ServiceName
    asked: str
    ends_at_s: float
    fails: bool = False
    body: dict[str, Any] = field(default_factory=dict)
    made_at: float = 0.0
    is_forgotten: bool = False
    shows: list[object] = field(default_factory=list)

    def data(self) -> object:
        """Return what is shown of a task of gpt.ge; the last repeats."""
        return self.shows.pop(0) if len(self.shows) > 1 else next(iter(self.shows), None)


@dataclass
class MemoryServices:
    """Both services on one clock; `faults` holds what the next paid POSTs meet, in order.

    `song_s` is how long a song takes, `latency_s` an answer; `look_fault` is what looks meet.
    PiAPI's history meets `history_fault`, and shows what was made `history_lag_s` ago and before.
    The services' clock is `ahead_s` ahead.
    """

    clock: Clock
    song_s: float = 100.0
    latency_s: float = 0.0
    look_fault: Fault = "none"
    history_fault: Fault = "none"
    history_lag_s: float = 0.0
    ahead_s: float = 0.0
    retry_after: str = ""
    faults: deque[Fault] = field(default_factory=deque)
    made: dict[str, Made] = field(default_factory=dict)
    posts: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    looks: Counter[ServiceName] = field(default_factory=Counter)
    asked_ids: list[list[str]] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    most_at_once: Counter[str] = field(default_factory=Counter)
    listed_at_s: list[float] = field(default_factory=list)

    def providers(self, new: str = "") -> dict[ServiceName, Provider]:
        """Return the real adapters of one process, which talk to these services.

        With `new` at their end the keys are others, which these services take as well.
        """
        piapi = httpx.MockTransport(partial(self._handle, "piapi"))
        gptge = httpx.MockTransport(partial(self._handle, "gptge"))
        return {
            "piapi": Piapi(PIAPI_KEY + new, "https://api.piapi.ai", transport=piapi),
            "gptge": Gptge(GPTGE_KEY + new, "https://api.gpt.ge", gptge),
        }

    @property
    def now(self) -> datetime:
        """The time by the services' clock."""
        return self.clock.now() + timedelta(seconds=self.ahead_s)

    def accept(
        self,
        service: ServiceName,
        asked: str = "",
        song_s: float | None = None,
        body: dict[str, Any] | None = None,
    ) -> Made:
        """Accept a submission."""
        task_id = str(UUID(int=len(self.made) + 1, version=4))
        ends_at_s = self.clock.monotonic() + (self.song_s if song_s is None else song_s)
        made = Made(task_id, service, asked, ends_at_s, body=body or {})
        made.made_at = self.now.timestamp()
        self.made[task_id] = made
        return made

    def accepted(self, asked: str) -> list[Made]:
        """Return what was accepted of one request, found by its description."""
        return [made for made in self.made.values() if made.asked == asked]

    async def _handle(self, service: ServiceName, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/account/info":
            return _enveloped("piapi", {"equivalent_in_usd": 10.0})
        if request.url.path == "/api/open/tasks/histories":
            return await self._listed(request)
        if request.url.path in PAID_PATHS and request.method == "POST":
            return await self._submitted(service, json.loads(request.content))
        return await self._looked(service, request)

    # Submissions -------------------------------------------------------------------------

    async def _submitted(self, service: ServiceName, body: dict[str, Any]) -> httpx.Response:
        asked = _asked(body)
        fault = self.faults.popleft() if self.faults else "none"
        if fault == "not reached":
            raise httpx.ConnectError("refused")
        self.posts.append(asked)
        self.bodies.append(body)
        if fault == "lost before it was taken":
            raise httpx.ReadError("reset")
        if fault in {"none", "lost after it was taken", "half an answer", "hangs"}:
            made = self.accept(service, asked, body=body)
            return await self._answered_late(service, made, fault)
        return self._refusal(service, fault)

    async def _answered_late(
        self, service: ServiceName, made: Made, fault: Fault
    ) -> httpx.Response:
        await self.clock.sleep(FOREVER_S if fault == "hangs" else self.latency_s)
        if fault == "lost after it was taken":
            raise httpx.ReadError("reset")
        if fault == "half an answer":
            return httpx.Response(200, content=b'{"code": "success", "da')
        data = made.task_id if service == "gptge" else self._piapi_task(made)
        return _enveloped(service, data)

    def _refusal(self, service: ServiceName, fault: Fault) -> httpx.Response:
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        if fault == "page":
            return httpx.Response(502, html=PAGE)
        status = {"failed": 500, "too many": 429, "refused": 400}[fault]
        code: object = status if service == "piapi" else "invalid_request"
        body = {"code": code, "data": None, "message": fault}
        return httpx.Response(status, json=body, headers=headers)

    # The history -------------------------------------------------------------------------

    async def _listed(self, request: httpx.Request) -> httpx.Response:
        self.listed_at_s.append(self.clock.monotonic())
        if self.history_fault == "hangs":
            await self.clock.sleep(FOREVER_S)
        if self.history_fault != "none":
            return self._refusal("piapi", self.history_fault)
        first, last = (float(request.url.params[key]) for key in ("start_time", "end_time"))
        last = min(last, self.now.timestamp() - self.history_lag_s)
        entries = [
            {"task_id": made.task_id, "task_model": "music-u", "created_at": made.made_at}
            for made in self.made.values()
            if made.service == "piapi" and first <= made.made_at <= last
        ]
        answer = _enveloped("piapi", {"data": entries, "total": len(entries)})
        answer.headers["Date"] = format_datetime(self.now, usegmt=True)
        return answer

    # Looks -------------------------------------------------------------------------------

    async def _looked(self, service: ServiceName, request: httpx.Request) -> httpx.Response:
        ids = _ids(request)
        self.looks[service] += 1
        self.asked_ids.append(ids)
        fault = self.look_fault
        if fault in {"not reached", "lost before it was taken", "lost after it was taken"}:
            raise httpx.ConnectError("refused")
        if fault == "half an answer":
            return httpx.Response(200, content=b'{"code": 200, "da')
        if fault not in {"none", "hangs"}:
            return self._refusal(service, fault)
        await self._take_time(ids, fault)
        return self._shown(service, ids, is_batch=request.method == "POST")

    async def _take_time(self, ids: Sequence[str], fault: Fault) -> None:
        self.under_way.update(ids)
        self.most_at_once |= self.under_way
        await self.clock.sleep(FOREVER_S if fault == "hangs" else self.latency_s)
        self.under_way.subtract(ids)

    def _shown(self, service: ServiceName, ids: list[str], *, is_batch: bool) -> httpx.Response:
        """Show the tasks that are known, in an order of the service's own."""
        known = [self.made[key] for key in reversed(ids) if key in self.made]
        known = [made for made in known if not made.is_forgotten]
        shown = [_gptge_task(m, self._status(m)) for m in known if m.service == "gptge"]
        if is_batch:
            return _enveloped(service, shown)
        if not known:
            code = 404 if service == "piapi" else "task_not_exist"
            status = 404 if service == "piapi" else 400
            return httpx.Response(status, json={"code": code, "data": None, "message": "unknown"})
        data = shown[0] if service == "gptge" else self._piapi_task(known[0])
        return _enveloped(service, data)

    def _status(self, made: Made) -> str:
        if self.clock.monotonic() < made.ends_at_s:
            return "running"
        return "failed" if made.fails else "completed"

    def _piapi_task(self, made: Made) -> dict[str, object]:
        words = {"running": "processing", "failed": "failed", "completed": "completed"}
        return {
            "task_id": made.task_id,
            "model": "music-u",
            "task_type": "generate_music",
            "status": words[self._status(made)],
            "input": made.body.get("input", {}),
            "output": {"songs": None},
            "meta": {"created_at": datetime.fromtimestamp(made.made_at, UTC).isoformat()},
        }


def _gptge_task(made: Made, status: str) -> dict[str, object]:
    words = {"running": "IN_PROGRESS", "failed": "FAILURE", "completed": "SUCCESS"}
    shown = {"task_id": made.task_id, "action": "MUSIC", "status": words[status]}
    return shown | {"data": made.data()}


def _enveloped(service: ServiceName, data: object) -> httpx.Response:
    code: object = 200 if service == "piapi" else "success"
    return httpx.Response(200, json={"code": code, "data": data, "message": ""})


def _asked(body: dict[str, Any]) -> str:
    fields = body.get("input") or body
    return str(fields.get("gpt_description_prompt", ""))


def _ids(request: httpx.Request) -> list[str]:
    if request.method == "POST":
        return [str(key) for key in json.loads(request.content)["ids"]]
    return [request.url.path.rpartition("/")[2]]


def spare_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let journals leave syncing to the system: what is shown does not need a power cut.

    And let new ones be copies of one: to make each step by step is half of what many tests cost.
    """
    monkeypatch.setattr(file, "SYNCHRONOUS", "PRAGMA synchronous=OFF")
    monkeypatch.setattr(file, "_migrate", _copied_or_migrated)


_migrate = file._migrate  # noqa: SLF001 - what is spared where it would do the same again


def _copied_or_migrated(db: sqlite3.Connection, to: int | None = None) -> None:
    is_new = db.execute("PRAGMA schema_version").fetchone()[0] == 0
    if to is None and is_new:
        _new_journal().backup(db)
    else:
        _migrate(db, to)


@cache
def _new_journal() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _migrate(db)
    return db
