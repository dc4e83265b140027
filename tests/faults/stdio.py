"""song-mcp as a child process, spoken to in raw JSON-RPC lines, and a service of ours it asks."""

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream

from tests import forks
from tests.children import process
from tests.harvest import gather

Json = dict[str, Any]

ROOT = Path(__file__).parent.parent.parent
LONGEST_LINE = 32 * 2**20
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "0"},
}
DEBUGGED = (
    "import logging, sys; logging.basicConfig(level=1, stream=sys.stderr); "
    "from song_mcp.cli import main; sys.exit(main([]))"
)
"""A start with every logger at DEBUG."""


@dataclass
class Child:
    """The process: what it wrote, and the requests that it has not answered."""

    process: Process
    lines: list[bytes] = field(default_factory=list)
    complaints: bytes = b""
    replies: dict[int, Json] = field(default_factory=dict)
    _next_id: int = 0
    _arrived: anyio.Event = field(default_factory=anyio.Event)

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> Json:
        """Send a request; returns the whole answer."""
        self._next_id += 1
        number = self._next_id
        await self._send({"id": number, "method": method, "params": dict(params or {})})
        while number not in self.replies:
            await self._arrived.wait()
        return self.replies[number]

    async def call(self, tool: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
        """Call a tool; returns its result, errors too."""
        reply = await self.ask("tools/call", {"name": tool, "arguments": arguments})
        return dict(reply["result"])

    async def tell(self, method: str) -> None:
        await self._send({"method": method})

    async def _send(self, message: Json) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def hang_up(self) -> None:
        """Close stdin, as clients do to end a server."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()

    async def read_lines(self) -> None:
        assert self.process.stdout is not None
        stream = BufferedByteReceiveStream(self.process.stdout)
        while True:
            try:
                line = await stream.receive_until(b"\n", LONGEST_LINE)
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return
            self.lines.append(line)
            gather("stdout", line.decode(errors="replace"))
            message = json.loads(line.decode())
            if "id" in message and "method" not in message:
                self.replies[message["id"]] = message
                arrived, self._arrived = self._arrived, anyio.Event()
                arrived.set()

    async def read_complaints(self) -> None:
        assert self.process.stderr is not None
        async for chunk in self.process.stderr:
            self.complaints += chunk
            gather("printed", chunk.decode(errors="replace"))


@asynccontextmanager
async def child(values: Mapping[str, str], *, debug: bool = False) -> AsyncIterator[Child]:
    """Start the server with these settings, greet it, and end it by closing its stdin."""
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    environment = {**kept, "PYTHONPATH": str(ROOT / "src"), **values}
    if debug:
        running = process([sys.executable, "-c", DEBUGGED], env=environment)
    else:
        running = forks.server(cwd=Path.cwd(), env=environment)
    async with running as server, anyio.create_task_group() as group:
        started = Child(server)
        _listen(group, started)
        await started.ask("initialize", HELLO)
        await started.tell("notifications/initialized")
        yield started
        assert server.returncode is None, "the server ended by itself"
        await started.hang_up()
        await server.wait()


def _listen(group: TaskGroup, started: Child) -> None:
    group.start_soon(started.read_lines)
    group.start_soon(started.read_complaints)
