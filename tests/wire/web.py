"""A `song-mcp serve` as a child process, and bare HTTP to speak to it with."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
from anyio.abc import Process, SocketStream
from mcp.client.streamable_http import streamable_http_client

from tests import forks
from tests.children import process
from tests.eras import MODERN
from tests.faults.canaries import HTTP_TOKEN
from tests.limits import HANGS_S
from tests.waiting import a_moment

Json = dict[str, Any]

SERVE = ("serve", "--port", "0")

LISTENS = re.compile(r"song-mcp listens on http://(?P<host>.+):(?P<port>\d+)/mcp;")
ACCEPT = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "Authorization": f"Bearer {HTTP_TOKEN}",
}
IDS = count(1)


@dataclass
class Web:
    """A started server; its stderr is in a file."""

    process: Process
    log: Path
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/mcp"

    @property
    def health(self) -> str:
        return f"http://{self.host}:{self.port}/health"

    def stderr(self) -> str:
        """What it printed, apart from where it listens and what clients must send."""
        return "\n".join(self.log.read_text(encoding="utf-8").splitlines()[3:])

    @asynccontextmanager
    async def transport(self) -> AsyncIterator[Any]:
        """How the SDK's client reaches it."""
        headers = {"Authorization": f"Bearer {HTTP_TOKEN}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=HANGS_S) as http,
            streamable_http_client(self.url, http_client=http) as streams,
        ):
            yield streams


@asynccontextmanager
async def serving(
    folder: Path, variables: Mapping[str, str], *arguments: str, command: Sequence[str] = ()
) -> AsyncIterator[Web]:
    """Serve with these variables and no others, from `folder`, while it is used.

    With `command` the server is started by that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    give_token(Path(variables["SONG_MCP_HOME"]))
    log = folder / "web.txt"
    with log.open("ab") as stderr:
        streams: Json = {"stdin": None, "stdout": None, "stderr": stderr}
        env = {"HOME": str(folder), **variables}
        if command:
            running = process([*command, *arguments], cwd=folder, env=env, **streams)
        else:
            running = forks.server(*SERVE, *arguments, cwd=folder, env=env, **streams)
        async with running as child:
            host, port = await _where(child, log)
            yield Web(child, log, host, port)


def give_token(home: Path) -> None:
    """Let the server with this home find `HTTP_TOKEN` as the one it made before."""
    if not home.is_file():
        home.mkdir(parents=True, exist_ok=True)
        file = home / "http-token"
        file.touch(mode=0o600)
        file.write_text(f"{HTTP_TOKEN}\n", encoding="ascii")


async def _where(process: Process, log: Path) -> tuple[str, int]:
    with anyio.fail_after(HANGS_S):
        while (found := LISTENS.search(log.read_text(encoding="utf-8"))) is None:
            assert process.returncode is None, log.read_text(encoding="utf-8")
            await a_moment()
    return found["host"], int(found["port"])


# Bare HTTP -----------------------------------------------------------------------------------


def request(era: str, method: str, params: Json, session: str = "") -> tuple[dict[str, str], Json]:
    """The headers and the body of a request as a client of this era sends it."""
    headers = {**ACCEPT, "MCP-Protocol-Version": era}
    if era == MODERN:
        meta = {
            "io.modelcontextprotocol/protocolVersion": era,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "bare", "version": "1"},
        }
        params = {**params, "_meta": meta | params.get("_meta", {})}
        headers["Mcp-Method"] = method
        if "name" in params:
            headers["Mcp-Name"] = params["name"]
    if session:
        headers["Mcp-Session-Id"] = session
    body = {"jsonrpc": "2.0", "id": next(IDS), "method": method, "params": params}
    return headers, body


async def session(web: Web, era: str) -> str:
    """Shake hands if the era has a handshake; returns the id that later requests carry."""
    if era == MODERN:
        return ""
    hello = {
        "protocolVersion": era,
        "capabilities": {},
        "clientInfo": {"name": "bare", "version": "1"},
    }
    async with httpx.AsyncClient(headers=ACCEPT, timeout=HANGS_S) as http:
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
        answer = await http.post(web.url, json=body)
        found = answer.headers["mcp-session-id"]
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await http.post(web.url, json=note, headers={"Mcp-Session-Id": found})
    return found


def tool(era: str, session: str, name: str, *, progress: bool = False, **arguments: Any) -> bytes:  # noqa: ANN401 - JSON
    """The bytes of a POST that calls a tool; with `progress` it asks for progress."""
    params: Json = {"name": name, "arguments": arguments}
    if progress:
        params["_meta"] = {"progressToken": "told"}
    return _bytes("POST", *request(era, "tools/call", params, session))


def listening(era: str, session: str) -> bytes:
    """The bytes of the request that opens a stream of notices."""
    params = {"notifications": {"resourcesListChanged": True}}
    headers, body = request(era, "subscriptions/listen", params, session)
    return _bytes("POST", headers, body) if era == MODERN else _bytes("GET", headers, None)


def _bytes(verb: str, headers: Mapping[str, str], body: Json | None) -> bytes:
    """A request for the path of the server; `posted` fills in its host."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{key}: {value}" for key, value in headers.items()]
    head = "\r\n".join([f"{verb} /mcp HTTP/1.1", *lines, f"Content-Length: {len(content)}"])
    return head.encode() + b"\r\nHost: %s\r\n\r\n" + content


@asynccontextmanager
async def posted(web: Web, content: bytes) -> AsyncIterator[SocketStream]:
    """Open a connection and send this request over it."""
    async with await anyio.connect_tcp(web.host, web.port) as stream:
        await stream.send(content.replace(b"%s", f"{web.host}:{web.port}".encode(), 1))
        yield stream


async def until_heard(stream: SocketStream, word: bytes) -> bytes:
    """Read until a word has come; returns everything up to then."""
    heard = b""
    while word not in heard:
        heard += await stream.receive()
    return heard
