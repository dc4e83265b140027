"""A service made of a bare socket, which plays one script to everyone who connects."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from song_mcp.songs import ServiceName

Reads = Literal["nothing", "half", "all"]
Ends = Literal["close", "reset", "hold"]

RESET = struct.pack("ii", 1, 0)
ASKED_FIRST = frozenset({"piapi"})
ACCOUNT = b'{"code":200,"data":{"equivalent_in_usd":10.0},"message":"success"}'


@dataclass(frozen=True)
class Script:
    """How much of a request is read, what is sent for each service, and how it ends."""

    reads: Reads = "all"
    sends: Mapping[ServiceName, bytes] | bytes = b""
    ends: Ends = "close"

    def bytes_for(self, service: ServiceName) -> bytes:
        return self.sends if isinstance(self.sends, bytes) else self.sends[service]


@dataclass
class BareService:
    """Where it listens, and how many paid requests arrived, read or not."""

    port: int
    arrived: int = 0


def response(
    status: int, body: bytes | str = b"", *headers: str, length: int | None = None
) -> bytes:
    """Return an HTTP answer; `length` is what its head claims, if not the truth."""
    content = body.encode() if isinstance(body, str) else body
    claimed = len(content) if length is None else length
    lines = [f"HTTP/1.1 {status} Odd", f"Content-Length: {claimed}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + content


def chunked(*chunks: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    """Return an HTTP answer in chunks; `last` replaces the last one."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + last


@asynccontextmanager
async def playing(service: ServiceName, script: Script) -> AsyncIterator[BareService]:
    """Listen on loopback and play `script` to every paid request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.0)
        played = BareService(listener.getsockname()[1])
        player = asyncio.create_task(_accept(listener, played, service, script))
        try:
            yield played
        finally:
            player.cancel()
            with suppress(asyncio.CancelledError):
                await player


@asynccontextmanager
async def refusing() -> AsyncIterator[BareService]:
    """Yield a port of loopback at which nobody listens or can begin to listen."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield BareService(bound.getsockname()[1])


@asynccontextmanager
async def ignoring() -> AsyncIterator[BareService]:
    """Yield a port whose queue is full, so that a connection is never made."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.settimeout(0.0)
            waiting.connect_ex(listener.getsockname())
        yield BareService(listener.getsockname()[1])


async def _accept(
    listener: socket.socket, played: BareService, service: ServiceName, script: Script
) -> None:
    """Serve each connection in a task of its own; some services are first asked for an account."""
    loop, looks_first = asyncio.get_running_loop(), service in ASKED_FIRST
    async with asyncio.TaskGroup() as group:
        while True:
            connection, _ = await loop.sock_accept(listener)
            if looks_first:
                group.create_task(_show_account(connection))
            else:
                played.arrived += 1
                group.create_task(_play(connection, service, script))
            looks_first = False


async def _show_account(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        await _read_request(connection)
        await asyncio.get_running_loop().sock_sendall(connection, response(200, ACCOUNT))


async def _play(connection: socket.socket, service: ServiceName, script: Script) -> None:
    with connection, suppress(OSError):
        if script.reads == "half":
            await asyncio.get_running_loop().sock_recv(connection, 40)
        elif script.reads == "all":
            await _read_request(connection)
        await asyncio.get_running_loop().sock_sendall(connection, script.bytes_for(service))
        if script.ends == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif script.ends == "hold":
            await asyncio.get_running_loop().create_future()


async def _read_request(connection: socket.socket) -> None:
    """Read a request to its end, or what there is of something that is not a request."""
    got = b""
    while not _is_whole(got):
        more = await asyncio.get_running_loop().sock_recv(connection, 65536)
        if not more:
            return
        got += more


def _is_whole(got: bytes) -> bool:
    head, separator, body = got.partition(b"\r\n\r\n")
    if not separator:
        return got[:1] == b"\x16"  # the end of a TLS greeting cannot be recognised here
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if b"content-length" in line
    ]
    return len(body) >= sum(map(int, lengths))
