"""What a proxy learns: names to connect to, but neither the key nor anything of the request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import pytest

from song_mcp.downloads.connections import MediaTransport
from song_mcp.downloads.fetch import Reach, download
from song_mcp.errors import LibraryError, NotSentError
from song_mcp.providers.http import ServiceHttp
from song_mcp.providers.transport import service_transport
from song_mcp.songs import SERVICES
from tests.faults.canaries import GPTGE_KEY
from tests.faults.outside import (
    AUDIO,
    PUBLIC,
    Host,
    Resolver,
    answer,
    audio,
    client_context,
    open_hosts,
)
from tests.limits import HANGS_S

KEY = GPTGE_KEY
REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


class Proxy:
    """Connects every name to `host` if there is one, and records all that was sent to it."""

    def __init__(self, host: Host | None = None) -> None:
        self.host = host
        self.received = b""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://user:pass@127.0.0.1:{self.port}"

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            while not self.received.endswith(b"\r\n\r\n"):
                self.received += await stream.receive()
            if self.host is None:
                await stream.send(REFUSED)
                return
            await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
            async with (
                await anyio.connect_tcp("127.0.0.1", self.host.port) as beyond,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(self.pass_on, stream, beyond)
                await self.pass_on(beyond, stream)
                tasks.cancel_scope.cancel()

    async def pass_on(self, source: anyio.abc.SocketStream, target: anyio.abc.SocketStream) -> None:
        async for chunk in source:
            self.received += chunk
            await target.send(chunk)


@asynccontextmanager
async def open_proxy(proxy: Proxy) -> AsyncIterator[None]:
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        proxy.port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django
        tasks.start_soon(listener.serve, proxy.handle)
        try:
            with anyio.fail_after(HANGS_S):
                yield
        finally:
            tasks.cancel_scope.cancel()


def service(proxy: Proxy) -> ServiceHttp:
    transport = service_transport(0, proxy.url, client_context())
    headers = {"x-api-key": KEY}
    return ServiceHttp(
        SERVICES["piapi"], "https://media.example", headers, [KEY], transport, pause=at_once
    )


async def at_once(seconds: float) -> None:
    pass


async def fetched(url: str, proxy: Proxy, resolver: Resolver, reach: Reach | None = None) -> bytes:
    content = bytearray()
    reach = reach or Reach()
    transport = MediaTransport(reach.home, proxy.url, resolver=resolver, context=client_context())
    await download(
        url, content.extend, cap_bytes=10_000, deadline_s=HANGS_S, reach=reach, transport=transport
    )
    return bytes(content)


async def test_a_request_goes_through_the_proxy_and_stays_a_secret() -> None:
    host = Host(lambda _: answer(200, b"{}"))
    proxy = Proxy(host)
    async with open_hosts(host, tls=True), open_proxy(proxy):
        http = service(proxy)
        await http.post("/secret-path", {"a": 1}, 60)
        await http.close()
    assert KEY.encode() in host.received[0]
    assert proxy.received.startswith(b"CONNECT media.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz" in proxy.received
    assert KEY.encode() not in proxy.received
    assert b"secret-path" not in proxy.received
    assert b"dXNlcjpwYXNz" not in host.received[0]


async def test_a_proxy_that_refuses_proves_that_nothing_was_sent() -> None:
    proxy = Proxy()
    async with open_proxy(proxy):
        http = service(proxy)
        with pytest.raises(NotSentError, match="SONG_MCP_PROXY"):
            await http.post("/x", {"a": 1}, 20)
        await http.close()
    assert KEY.encode() not in proxy.received


async def test_audio_comes_through_the_proxy_by_its_hosts_name() -> None:
    host = Host(audio)
    proxy = Proxy(host)
    async with open_hosts(host, tls=True), open_proxy(proxy):
        resolver = Resolver({"media.example": [[PUBLIC]]})
        assert await fetched("https://media.example/a.mp3", proxy, resolver) == AUDIO
    assert proxy.received.startswith(b"CONNECT media.example:443 HTTP/1.1\r\n")


async def test_a_name_that_only_the_proxy_knows_is_left_to_it() -> None:
    host = Host(audio)
    proxy = Proxy(host)
    async with open_hosts(host, tls=True), open_proxy(proxy):
        assert await fetched("https://other.example/a.mp3", proxy, Resolver({})) == AUDIO


async def test_a_public_server_of_ones_own_is_asked_through_the_proxy_with_its_key() -> None:
    host = Host(audio)
    proxy = Proxy(host)
    reach = Reach(
        frozenset({("media.example", 443)}), keys={("https", "media.example", 443): "home-key-1"}
    )
    async with open_hosts(host, tls=True), open_proxy(proxy):
        assert await fetched("https://media.example/a.mp3", proxy, Resolver({}), reach) == AUDIO
    assert b"Bearer home-key-1" in host.received[0]
    assert b"home-key-1" not in proxy.received


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://[::1]/", "https://0x7f.1/", "https://home.example/"]
)
async def test_a_proxy_is_not_asked_for_what_is_not_public(url: str) -> None:
    proxy = Proxy()
    async with open_proxy(proxy):
        with pytest.raises(LibraryError, match="not on the public internet"):
            await fetched(url, proxy, Resolver({"home.example": [["192.168.1.1"]]}))
    assert proxy.received == b""


async def test_the_sandbox_is_asked_without_the_proxy() -> None:
    host, proxy = Host(audio), Proxy()
    async with open_hosts(host), open_proxy(proxy):
        reach = Reach(frozenset({("127.0.0.1", host.port)}))
        url = f"http://127.0.0.1:{host.port}/a.mp3"
        assert await fetched(url, proxy, Resolver({}), reach) == AUDIO
    assert proxy.received == b""
