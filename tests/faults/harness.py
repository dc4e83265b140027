"""Real servers on one journal, the calls that clients make, and the audit of their results."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests import forks
from tests.faults.canaries import ACESTEP_KEY, GPTGE_KEY, MINIMAX_KEY, PIAPI_KEY
from tests.faults.fault_service import FaultService, marker_in
from tests.harvest import gather
from tests.limits import HANGS_S, PATIENCE_S

Json = dict[str, Any]
Row = dict[str, Any]

LONGEST_LINE = 4 * 2**20
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {
        "extensions": {"io.modelcontextprotocol/tasks": {}}
    },
}
"""What a client that takes handles sends with each request."""
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "faults", "version": "1"},
}


GONE = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError)
"""The errors of a connection whose other end is closed."""


class GoneError(Exception):
    """The server ended before it answered, or the call was cancelled; with the message if any."""


@dataclass
class Call:
    """One tool call under way; `result` is there when it was answered."""

    number: int
    done: anyio.Event = field(default_factory=anyio.Event)
    result: Json | None = None
    error: str = ""
    """What the protocol says of a call that it does not answer."""

    @property
    def task(self) -> Json:
        """The task in the result; empty if the result is a text alone."""
        if self.handle:
            return {"task_id": self.handle}
        return dict((self.result or {}).get("structuredContent") or {})

    @property
    def tasks(self) -> list[Json]:
        """The task in the result, and those of other takes."""
        return [self.task, *(self.task.get("other_takes") or ())]

    @property
    def handle(self) -> str:
        """The handle that the call was answered with, or ""."""
        return str((self.result or {}).get("taskId", ""))

    @property
    def text(self) -> str:
        return json.dumps((self.result or {}).get("content"))


class Wire(ByteStream):
    """Our end of a socket pair.

    anyio's own stream waits with a future that a reader of the loop sets, also in the moment after
    its call was cancelled: on a busy machine that is an InvalidStateError now and then.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def from_socket(cls, end: socket.socket) -> "Wire":
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        try:
            received = await self._reader.read(max_bytes)
        except OSError as error:
            raise anyio.BrokenResourceError from error
        if not received:
            raise anyio.EndOfStream
        return received

    async def send(self, item: bytes) -> None:
        try:
            self._writer.write(item)
            await self._writer.drain()
        except OSError as error:
            raise anyio.BrokenResourceError from error

    async def send_eof(self) -> None:
        self._writer.write_eof()

    async def aclose(self) -> None:
        self._writer.close()


class Server:
    """A server process, spoken to line by line; many calls may be under way."""

    def __init__(self, stdin: Wire, stdout: Wire, news: Wire) -> None:
        self.gone = anyio.Event()
        self._stdin = stdin
        self._stdout = BufferedByteReceiveStream(stdout)
        self._news = BufferedByteReceiveStream(news)
        self._pid: int | None = None
        self._calls: dict[int, Call] = {}
        self._numbers = 0
        self._envelope: Json = {}
        self._writing = anyio.Lock()

    async def born(self) -> None:
        self._pid = await self._told()

    async def _told(self) -> int:
        return int(await self._news.receive_until(b"\n", LONGEST_LINE))

    async def listen(self) -> None:
        """Read every line until the server ends, also those that it left in the pipe."""
        with suppress(*GONE):
            while True:
                self._take(json.loads(await self._stdout.receive_until(b"\n", LONGEST_LINE)))
        self.gone.set()
        for call in self._calls.values():
            call.done.set()

    def _take(self, message: Json) -> None:
        gather("results", json.dumps(message))
        call = self._calls.get(message.get("id", 0)) if "method" not in message else None
        if call is not None:
            call.result = message.get("result")
            call.error = message.get("error", {}).get("message", "")
            call.done.set()

    async def hello(self, *, takes_handles: bool = False) -> None:
        """Shake hands, or be a client that takes handles, which starts without."""
        if takes_handles:
            self._envelope = {"_meta": ENVELOPE}
            return
        await self.finish(await self._request("initialize", HELLO))
        await self._send({"method": "notifications/initialized"})

    async def begin(self, tool: str, arguments: Json) -> Call:
        return await self._request("tools/call", {"name": tool, "arguments": arguments})

    async def finish(self, call: Call) -> Call:
        """Wait for the answer; raises GoneError if there will be none."""
        with anyio.fail_after(HANGS_S):
            await call.done.wait()
        if call.result is None:
            raise GoneError(call.error)
        return call

    async def call(self, tool: str, **arguments: Any) -> Call:  # noqa: ANN401 - JSON
        return await self.finish(await self.begin(tool, arguments))

    async def cancel(self, call: Call) -> None:
        """Cancel a call; returns when the server has read that, or has ended.

        An answer that came nevertheless is there: what an ending server wrote was read.
        """
        params = {"requestId": call.number, "reason": "the user changed their mind"}
        await self._send({"method": "notifications/cancelled", "params": params})
        with suppress(GoneError):
            await self.ping()
        call.done.set()

    async def ping(self) -> None:
        """Return when the server has written all that it had to write before."""
        method = "server/discover" if self._envelope else "ping"
        await self.finish(await self._request(method, {}))

    async def ask(self, method: str, **params: Any) -> Json:  # noqa: ANN401 - JSON
        """Make any request; returns its result."""
        call = await self.finish(await self._request(method, params))
        return call.result or {}

    async def hang_up(self) -> None:
        """Close stdin, as clients do to end a server."""
        await self._stdin.aclose()

    def kill(self, number: signal.Signals) -> None:
        if not self.gone.is_set():
            self._signal(number)

    def _signal(self, number: signal.Signals) -> None:
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

    async def end(self) -> None:
        """End the process, if it still runs, and close what belongs to it."""
        with anyio.CancelScope(shield=True):
            if self._pid is not None:
                self._signal(signal.SIGKILL)
                with anyio.move_on_after(PATIENCE_S), suppress(*GONE):
                    await self._told()
            for wire in (self._stdin, self._stdout, self._news):
                await wire.aclose()

    async def ended(self) -> int:
        """Wait for the end of the process, once; returns its exit status."""
        with anyio.fail_after(HANGS_S):
            await self.gone.wait()
            status = await self._told()
            self._pid = None
        return status

    async def _request(self, method: str, params: Json) -> Call:
        self._numbers += 1
        call = self._calls[self._numbers] = Call(self._numbers)
        if self.gone.is_set():
            call.done.set()
        params = params | self._envelope
        await self._send({"id": call.number, "method": method, "params": params})
        return call

    async def _send(self, message: Json) -> None:
        line = json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n"
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with self._writing:
                await self._stdin.send(line)


@dataclass(frozen=True)
class Home:
    """The folder that all servers of one test share."""

    folder: Path
    base_url: str
    nursery: "Nursery"
    key_ends: str = ""
    """What is behind each key: NEW_KEY is another one of the same account."""
    clock_ahead_s: float = 0.0
    clock_speed: float = 1.0

    @property
    def journal(self) -> Path:
        return self.folder / "journal.sqlite3"

    @property
    def lock(self) -> Path:
        """The lock that every writer of the journal holds while it writes."""
        return self.folder / "journal.sqlite3.lock"

    @property
    def log(self) -> Path:
        return self.folder / "stderr.txt"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PIAPI_API_KEY": PIAPI_KEY + self.key_ends,
            "PIAPI_BASE_URL": self.base_url,
            "PIAPI_UPLOAD_URL": self.base_url,
            "GPTGE_API_KEY": GPTGE_KEY + self.key_ends,
            "GPTGE_BASE_URL": self.base_url,
            "MINIMAX_API_KEY": MINIMAX_KEY + self.key_ends,
            "MINIMAX_BASE_URL": self.base_url,
            "ACESTEP_API_KEY": ACESTEP_KEY + self.key_ends,
            "ACESTEP_BASE_URL": self.base_url,
            "SONG_MCP_HOME": str(self.folder),
            "SONG_MCP_LIBRARY": str(self.folder / "library"),
            "SONG_MCP_DAILY_LIMIT": "1000000",
            "SONG_MCP_WAIT_SECONDS": "0",
        }


NEW_KEY, OTHER_ACCOUNT = "+new", "-of-another"
"""What may be behind a home's keys."""


def respelled(base_url: str) -> str:
    """Another spelling of the same address."""
    return base_url.replace("127.0.0.1", "localhost")


class Nursery:
    """Has servers forked by the process of `tests.forks`."""

    async def order(self, home: Home, arguments: Sequence[str]) -> Server:
        order = {
            "folder": str(home.folder),
            "environment": home.environment,
            "arguments": arguments,
            "clock": [home.clock_ahead_s, home.clock_speed],
        }
        pairs = [socket.socketpair() for _ in range(3)]
        with home.log.open("ab") as log:
            theirs = [pair[1].fileno() for pair in pairs]
            forks.order(order, [theirs[0], theirs[1], log.fileno(), theirs[2]])
        for _, end in pairs:
            end.close()
        with anyio.CancelScope(shield=True):  # or nobody would close what is open by then
            wires = [await Wire.from_socket(end) for end, _ in pairs]
        return Server(*wires)


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Yield who forks servers."""
    yield Nursery()


@asynccontextmanager
async def started(home: Home, *arguments: str) -> AsyncIterator[Server]:
    """Start a server, which may not be ready yet; it is ended with the block."""
    home.folder.mkdir(parents=True, exist_ok=True)
    server = await home.nursery.order(home, arguments)
    async with anyio.create_task_group() as group:
        try:
            await server.born()
            group.start_soon(server.listen)
            yield server
        finally:
            await server.end()


# The audit -----------------------------------------------------------------------------------


def rows_in(journal: Path) -> list[Row]:
    """The tasks in a journal, read without our code."""
    with closing(sqlite3.connect(journal, timeout=HANGS_S)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM tasks ORDER BY rowid")]


def clips_in(journal: Path) -> list[Row]:
    """The clips in a journal, read without our code."""
    with closing(sqlite3.connect(journal, timeout=HANGS_S)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM clips ORDER BY rowid")]


def integrity_of(journal: Path) -> str:
    with closing(sqlite3.connect(journal, timeout=HANGS_S)) as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])


def by_marker(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each request; a task made elsewhere has it in what its service repeats."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[marker_in(f"{row['description']} {row['wire']} {row['asked']}")].append(row)
    return found


MOST_SENDS = {"acestep": 3}
"""How often a submission may be sent, if more than once: where that costs nothing."""
OPEN_OR_ENDED = frozenset({"pending", "processing", "completed", "failed"})
DOUBTFUL = frozenset({"in_doubt", "abandoned"})


def broken_promises(
    rows: Sequence[Row], service: FaultService, asked_again: Mapping[str, int]
) -> list[str]:
    """Every way in which the journal and the service's own records show a broken promise.

    `asked_again` says how often somebody asked explicitly to pay again for a request. What costs
    nothing may be made more than once, but not more often than it was asked for.
    """
    grouped = by_marker(rows)
    broken = [*_wrong_rows(grouped, service)]
    for marker, ids in service.accepted.items():
        own, paid = grouped.get(marker, []), service.paid(marker)
        if len(paid) > 1 + asked_again.get(marker, 0):
            broken.append(f"{marker} was paid {len(paid)} times, rows {_brief(own)}")
        if service.submissions[marker] > sum(MOST_SENDS.get(row["service"], 1) for row in own):
            broken.append(f"{marker} was sent more often than asked for, rows {_brief(own)}")
        lost = set(ids) - {row["task_id"] for row in own}
        doubtful = [row for row in own if row["status"] in DOUBTFUL and not row["task_id"]]
        known = [*doubtful, *filter(has_own_name, own)]
        if ids and (not own or (paid and len(lost) > len(known))):
            broken.append(f"{marker} was paid and lost: {ids}, rows {_brief(own)}")
    return broken


def has_own_name(row: Row) -> bool:
    """Tell whether what was made has a name of ours, as its service's answer brought none."""
    return str(row["task_id"]).startswith(f"{row['service']}-")


def is_free(row: Row) -> bool:
    """Tell whether what a row says was sent costs nothing."""
    return bool(json.loads(row["wire"] or "{}").get("is_free"))


def _wrong_rows(grouped: Mapping[str, Sequence[Row]], service: FaultService) -> list[str]:
    wrong = []
    for marker, rows in grouped.items():
        ids = Counter(row["task_id"] for row in rows if row["task_id"])
        unknown = set(ids) - set(service.accepted[marker])
        unknown -= {row["task_id"] for row in rows if has_own_name(row)}
        if unknown or ids.total() != len(ids) or len(ids) > len(service.accepted[marker]):
            wrong.append(f"{marker} has wrong ids: {_brief(rows)}")
        for row in rows:
            if row["status"] == "submitting":
                wrong.append(f"{marker} is still being submitted by nobody")
            elif row["status"] in DOUBTFUL and is_free(row):
                wrong.append(f"{marker} costs nothing, and is in doubt: {_brief([row])}")
            elif (row["status"] in OPEN_OR_ENDED) != bool(row["task_id"]):
                wrong.append(f"{marker} has an impossible row: {_brief([row])}")
    return wrong


def _brief(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """What a failure shows of its rows: which calls made them, when, and who was told."""
    shown = ("status", "task_id", "request", "owner", "created_at", "told_at", "cut_at")
    return [tuple(str(row[name]) for name in shown) for row in rows]


async def cared_for(server: Server, home: Home) -> list[Row]:
    """Wait until no task of a dead process is `submitting` any more; returns the rows."""
    with anyio.fail_after(HANGS_S):
        while True:
            rows = rows_in(home.journal) if home.journal.exists() else []
            if all(row["status"] != "submitting" for row in rows):
                return rows
            await server.ping()
