"""A song-mcp as a child process, spoken to over its pipes line by line, as a client would."""

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.types import jsonrpc_message_adapter

from tests import forks
from tests.children import process
from tests.eras import APPS, LEGACY, MODERN, now_tested
from tests.harvest import gather, server_arguments

Json = dict[str, Any]

SONG_MCP = (sys.executable, "-W", "error", *server_arguments())
LONGEST_LINE = 4 * 2**20
HELLO = {
    "protocolVersion": LEGACY,
    "capabilities": {},
    "clientInfo": {"name": "pipes", "version": "1"},
}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""What each request carries from 2026-07-28 on, as there is no handshake."""
SHOWS_PAGES = {"extensions": {APPS.identifier: APPS.settings()}}
"""The capabilities of a client that shows pages."""


@dataclass
class Child:
    """A started process; what it says on stdout is kept in `lines`, its stderr in a file.

    It is spoken to in the protocol era that is being tested.
    """

    process: Process
    log: Path
    lines: list[bytes] = field(default_factory=list)
    capabilities: Json = field(default_factory=dict)
    """What the client declares; set it before the first request."""

    def __post_init__(self) -> None:
        assert self.process.stdout is not None
        self._stdout = BufferedByteReceiveStream(self.process.stdout)
        self._ids = 0

    async def line(self) -> bytes:
        """The next line on stdout; raises IncompleteRead or EndOfStream if there is none."""
        line = await self._stdout.receive_until(b"\n", LONGEST_LINE)
        self.lines.append(line)
        gather("stdout", line.decode(errors="replace"))
        return line

    async def send(self, line: bytes | Json) -> None:
        assert self.process.stdin is not None
        text = line if isinstance(line, bytes) else json.dumps({"jsonrpc": "2.0"} | line).encode()
        await self.process.stdin.send(text + b"\n")

    async def hello(self) -> Json:
        """Begin as clients of the era do: with a handshake, or with `server/discover`."""
        if now_tested.era == MODERN:
            return await self.ask("server/discover", {})
        answer = await self.ask("initialize", HELLO | {"capabilities": self.capabilities})
        await self.send({"method": "notifications/initialized"})
        return answer

    async def request(self, method: str, params: Json) -> int:
        """Send a request without waiting for its answer; returns its id."""
        self._ids += 1
        if now_tested.era == MODERN:
            declared = {"io.modelcontextprotocol/clientCapabilities": self.capabilities}
            params = params | {"_meta": ENVELOPE | declared | params.get("_meta", {})}
        await self.send({"id": self._ids, "method": method, "params": params})
        return self._ids

    async def answer(self, request_id: int) -> Json:
        """The answer to a request; what comes before it is kept in `lines`."""
        while True:
            message: Json = json.loads(await self.line())
            if message.get("id") == request_id and "method" not in message:
                return message

    async def ask(self, method: str, params: Json) -> Json:
        return await self.answer(await self.request(method, params))

    async def tool(self, name: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
        """Call a tool; returns its result."""
        answer = await self.ask("tools/call", {"name": name, "arguments": arguments})
        result: Json = answer["result"]
        return result

    async def hang_up(self) -> None:
        """Close stdin, as clients do to end a server."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()

    async def ended(self) -> int:
        """Read what is left on stdout; returns the exit status."""
        try:
            while True:
                await self.line()
        except (anyio.EndOfStream, anyio.IncompleteRead):
            return await self.process.wait()

    def messages(self) -> list[Json]:
        """All messages on stdout; raises if a line is no JSON-RPC message."""
        for line in self.lines:
            jsonrpc_message_adapter.validate_json(line)
        return [json.loads(line) for line in self.lines]

    def stderr(self) -> str:
        return self.log.read_text(encoding="utf-8")


@asynccontextmanager
async def started(
    folder: Path, variables: Mapping[str, str], command: Sequence[str] = ()
) -> AsyncIterator[Child]:
    """Run a server in `folder`, its home, with these variables and no others, while it is used.

    With `command` it is started by that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "stderr.txt"
    values = {"HOME": str(folder), **variables}
    with log.open("ab") as stderr:
        if command:
            running = process(command, stderr=stderr, cwd=folder, env=values)
        else:
            running = forks.server(stderr=stderr, cwd=folder, env=values)
        async with running as child:
            yield Child(child, log)
