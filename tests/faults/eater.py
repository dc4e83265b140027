"""Asks bad servers, each in a process of its own, and reports the result and the memory used.

Run by `test_bombs`, as `eater.py MANNER CAP_BYTES`, with a question a line on standard input; it
prints a line of JSON for each. The processes are forked from one that has imported everything, a
few at a time.
"""

import json
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx

from song_mcp.downloads import Reach, download
from song_mcp.downloads.connections import MediaTransport
from song_mcp.downloads.fetch import Downloaded
from song_mcp.errors import LibraryError, ServiceError
from song_mcp.providers.http import Reply, ServiceHttp
from song_mcp.providers.transport import service_transport, tls
from song_mcp.songs import SERVICES

AT_ONCE = 4
SIGNS = {
    "within": "deadline",
    "broke": "broken",
    "allowed": "too long",
    "came packed": "packed",
}
"""A word of each of our errors, and what it says."""


class Counting(httpx.AsyncBaseTransport):
    """Counts what of the bodies is taken off the wire, as it comes."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self.taken = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        response.stream = _CountedBody(self, response.stream)
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()


class _CountedBody(httpx.AsyncByteStream):
    def __init__(self, counting: Counting, stream: object) -> None:
        assert isinstance(stream, httpx.AsyncByteStream)
        self._counting = counting
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._counting.taken += len(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def outcome_of(result: object) -> str:
    """Say in a word or two what became of a question."""
    if isinstance(result, Reply):
        return "json" if result.is_json else "no json"
    if isinstance(result, Downloaded):
        return "audio"
    return next((word for sign, word in SIGNS.items() if sign in str(result)), repr(result))


async def ask_service(url: str, transport: Counting, deadline_s: float, _cap: int) -> object:
    base_url, _, path = url.rpartition("/")
    http = ServiceHttp(SERVICES["piapi"], base_url, {}, [], transport)
    try:
        return await http.post("/" + path, {}, deadline_s)
    except ServiceError as error:
        return error


async def ask_media(url: str, transport: Counting, deadline_s: float, cap: int) -> object:
    try:
        return await download(
            url,
            lambda _: None,
            cap_bytes=cap,
            deadline_s=deadline_s,
            reach=Reach(home(url)),
            transport=transport,
        )
    except LibraryError as error:
        return error


async def ask_naively(url: str, transport: Counting, deadline_s: float, cap: int) -> object:
    """Do as one would without a thought, to show that the measure measures."""
    size = 0
    async with httpx.AsyncClient(transport=transport).stream("POST", url) as response:
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > cap:
                return LibraryError("more than allowed")
    return None


def home(url: str) -> frozenset[tuple[str, int]]:
    parts = urlsplit(url)
    return frozenset({(str(parts.hostname), parts.port or 80)})


def transport_for(manner: str, url: str) -> Counting:
    media = manner == "media"
    return Counting(MediaTransport(home(url)) if media else service_transport(0))


def restart_high_water() -> None:
    with suppress(OSError):  # only Linux can; elsewhere the start-up counts too
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def high_water_bytes() -> int:
    """Return the most memory that this process ever had, or had since the restart."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


async def eat(manner: str, cap: int, question: dict[str, Any]) -> None:
    """Ask `url` so many `times`, and print what came of it."""
    ask = {"service": ask_service, "media": ask_media, "naive": ask_naively}[manner]
    url, deadline_s = question["url"], question["deadline_s"]
    await ask(url.rpartition("/")[0] + "/small", transport_for(manner, url), 30, cap)
    restart_high_water()
    before = high_water_bytes()
    outcomes, taken = set(), 0
    for _ in range(question["times"]):
        transport = transport_for(manner, url)
        outcomes.add(outcome_of(await ask(url, transport, deadline_s, cap)))
        taken = max(taken, transport.taken)
        await transport.aclose()
    grown = high_water_bytes() - before
    told = {"url": url, "outcomes": sorted(outcomes), "taken": taken, "grown": grown}
    os.write(sys.stdout.fileno(), json.dumps(told).encode() + b"\n")  # whole, among the others'


def main(manner: str, cap: int) -> int:
    """Fork a process for each question; returns 0 if all ended well."""
    tls()
    at_work, worst = 0, 0
    for line in sys.stdin:
        if at_work == AT_ONCE:
            worst = max(worst, os.wait()[1])
            at_work -= 1
        if os.fork() == 0:
            anyio.run(eat, manner, cap, json.loads(line))
            return 0
        at_work += 1
    return max([worst, *(os.wait()[1] for _ in range(at_work))])


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1], int(sys.argv[2]))))
