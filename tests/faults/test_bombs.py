"""Replies that are too long, too slow or not what they claim end at the cap or the deadline.

Each is asked by a process of its own (`eater`), whose memory is measured; the deadline is part of
the question, and short.
"""

import gzip
import json
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import anyio
import anyio.abc
import pytest
from anyio.to_thread import run_sync

from song_mcp.providers.http import BODY_CAP_BYTES
from tests.children import output_of
from tests.faults.scale import scaled

MIB = 2**20
CAPS = {"service": BODY_CAP_BYTES, "media": 8 * MIB, "naive": BODY_CAP_BYTES}
MOST_GROWTH_BYTES = 20_000_000
DEADLINE_S = 2.5
CHUNK = bytes(64 * 1024)
EMPTY_BLOCKS = b"\x00\x00\x00\xff\xff" * 10_000  # deflate's, of nothing

GZIP_FORMAT, ZLIB_FORMAT = zlib.MAX_WBITS | 16, zlib.MAX_WBITS


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines]).encode() + b"\r\n\r\n"


@cache
def bomb(decoded_mib: int, wbits: int) -> bytes:
    """Pack so many MiB of zeros into a thousandth of it."""
    packer = zlib.compressobj(9, wbits=wbits)
    return b"".join([packer.compress(bytes(MIB)) for _ in range(decoded_mib)]) + packer.flush()


def big_bomb() -> bytes:
    """Return 1 MB that unpacks to 1 GB, or the part of it that this run does."""
    return bomb(scaled(1024, least=100), GZIP_FORMAT)


def deflate_bomb() -> bytes:
    return bomb(64, ZLIB_FORMAT)


def bomb_in_a_bomb() -> bytes:
    return gzip.compress(bomb(64, GZIP_FORMAT))


async def once(whole: bytes) -> AsyncIterator[bytes]:
    yield whole


async def endless(first: bytes, part: bytes = CHUNK) -> AsyncIterator[bytes]:
    yield first
    while True:
        yield part


async def packed(how: str, make: Callable[[], bytes]) -> AsyncIterator[bytes]:
    content = await run_sync(make)
    yield head(f"Content-Encoding: {how}", f"Content-Length: {len(content)}")
    yield content


async def nothing() -> AsyncIterator[bytes]:
    await anyio.sleep_forever()
    yield b""


async def drip(first: bytes) -> AsyncIterator[bytes]:
    """Send one byte a second: that is the fault, and nobody waits for its end."""
    yield first
    while True:
        yield b" "
        await anyio.sleep(1)


GZIP = head("Content-Encoding: gzip")
CHUNKED = head("Transfer-Encoding: chunked")
SMALL = head("Content-Length: 2") + b"{}"
HALF = gzip.compress(b"{}")[:-9]
LINES = b"X-A: b\r\n" * 500
BAD_ANSWERS: dict[str, Callable[[], AsyncIterator[bytes]]] = {
    "bomb": partial(packed, "gzip", big_bomb),
    "bomb of deflate": partial(packed, "deflate", deflate_bomb),
    "bomb in a bomb": partial(packed, "gzip, gzip", bomb_in_a_bomb),
    "packed otherwise": partial(packed, "br", partial(bytes, 1000)),
    "packed badly": partial(packed, "gzip", partial(bytes, 1000)),
    "packed nothing": partial(endless, GZIP + gzip.compress(b"")[:10], EMPTY_BLOCKS),
    "packed and more": partial(endless, GZIP + gzip.compress(b"{}")),
    "endless": partial(endless, head()),
    "endless chunks": partial(endless, CHUNKED, b"10000\r\n" + CHUNK + b"\r\n"),
    "endless head": partial(endless, b"HTTP/1.1 200 OK\r\n", LINES),
    "endless header": partial(endless, b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 5000),
    "endless status": partial(endless, b"HTTP/1.1 ", b"2" * 5000),
    "endless hints": partial(endless, b"", head(status="103 Early Hints")),
    "drip": partial(drip, head() + b"{"),
    "drip, packed": partial(drip, GZIP + HALF),
    "drip in the head": partial(drip, b"HTTP/1.1 200 OK\r\nX-A: "),
    "silence": nothing,
    "no HTTP": partial(endless, b"SSH-2.0-x\r\n"),
    "length of a petabyte": partial(endless, head(f"Content-Length: {10**15}")),
    "length too long": partial(once, head("Content-Length: 5000") + b"{}"),
    "length too short": partial(endless, head("Content-Length: 2") + b"{}"),
    "length below zero": partial(endless, head("Content-Length: -1")),
    "two lengths": partial(endless, head("Content-Length: 2", "Content-Length: 9")),
}
ENDS = {
    "bomb": ("no json", "too long"),
    "bomb of deflate": ("no json", "too long"),
    "bomb in a bomb": ("no json", "packed"),
    "packed otherwise": ("no json", "packed"),
    "packed badly": ("broken", "audio"),
    "packed nothing": ("no json", "too long"),
    "packed and more": ("json", "audio"),
    "endless": ("no json", "too long"),
    "endless chunks": ("no json", "too long"),
    "endless head": ("broken", "broken"),
    "endless header": ("broken", "broken"),
    "endless status": ("broken", "broken"),
    "endless hints": ("deadline", "deadline"),
    "drip": ("deadline", "deadline"),
    "drip, packed": ("deadline", "deadline"),
    "drip in the head": ("deadline", "deadline"),
    "silence": ("deadline", "deadline"),
    "no HTTP": ("broken", "broken"),
    "length of a petabyte": ("no json", "too long"),
    "length too long": ("broken", "broken"),
    "length too short": ("json", "audio"),
    "length below zero": ("broken", "broken"),
    "two lengths": ("broken", "broken"),
}
"""The result of each bad reply: from a service, and as audio."""


async def serve(stream: anyio.abc.SocketStream) -> None:
    async with stream:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await stream.receive()
        name = unquote(request.split(b" ")[1].decode().strip("/"))
        make = BAD_ANSWERS.get(name, partial(once, SMALL))
        try:
            async for part in make():
                await stream.send(part)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the other side has hung up, which is what is tested


@asynccontextmanager
async def open_server() -> AsyncIterator[str]:
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


@dataclass(frozen=True)
class Eaten:
    outcomes: list[str]
    taken: int
    grown: int


def question(url: str, fault: str, end: str) -> dict[str, Any]:
    """Ask several times for a fault, or once if it takes long."""
    deadline_s, times = (DEADLINE_S, 1) if end == "deadline" else (120.0, scaled(10))
    return {"url": f"{url}/{quote(fault)}", "deadline_s": deadline_s, "times": times}


async def eaten(manner: str, ends: Mapping[str, str]) -> dict[str, Eaten]:
    """Ask for every fault, each in a process of its own."""
    program = str(Path(__file__).with_name("eater.py"))
    async with open_server() as url:
        questions = [json.dumps(question(url, fault, end)) for fault, end in ends.items()]
        command = [sys.executable, program, manner, str(CAPS[manner])]
        status, said = await output_of(command, sent="\n".join(questions).encode())
    assert status == 0, said
    found = {}
    for line in said.splitlines():
        told = json.loads(line)
        fault = unquote(told.pop("url").rpartition("/")[2])
        found[fault] = Eaten(**told)
        print(
            f"{manner}, {fault}: {', '.join(found[fault].outcomes)}; {found[fault].taken:,} bytes "
            f"taken, memory grown by {found[fault].grown:,} bytes"
        )
    return found


@pytest.mark.at_size
@pytest.mark.parametrize("manner", ["service", "media"])
async def test_a_bad_answer_ends_at_the_cap_or_the_deadline(manner: str) -> None:
    assert ENDS.keys() == BAD_ANSWERS.keys()
    ends = {fault: end[manner == "media"] for fault, end in ENDS.items()}
    found = await eaten(manner, ends)
    worst = max(eaten.grown for eaten in found.values())
    print(f"{manner}: {len(found)} bad answers, memory grown by {worst:,} bytes at most")
    assert {fault: eaten.outcomes for fault, eaten in found.items()} == {
        fault: [end] for fault, end in ends.items()
    }
    assert max(eaten.taken for eaten in found.values()) <= CAPS[manner] + MIB
    assert worst <= MOST_GROWTH_BYTES


async def test_the_same_bomb_fills_the_memory_of_who_is_careless() -> None:
    found = await eaten("naive", {"bomb": "too long"})
    assert found["bomb"].grown > MOST_GROWTH_BYTES
