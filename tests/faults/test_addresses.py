"""Downloads go to public https hosts alone, whatever a URL, a redirect or a name says."""

import re
from collections.abc import Sequence

import anyio
import httpcore
import httpx
import pytest

from song_mcp.downloads import Reach, download
from song_mcp.downloads.connections import MediaTransport
from song_mcp.downloads.fetch import Downloaded
from song_mcp.errors import LibraryError
from tests.faults import forbidden
from tests.faults.outside import (
    AUDIO,
    PUBLIC,
    PUBLIC_V6,
    Host,
    Network,
    Resolver,
    answer,
    audio,
    client_context,
    open_hosts,
)
from tests.limits import HANGS_S

GOOD_NAMES = {
    "media.example": [[PUBLIC]],
    "cdn.media.example": [[PUBLIC_V6, PUBLIC]],
    "other.example": [[PUBLIC]],
    "xn--mller-kva.example": [[PUBLIC]],
}
ALLOWED = [
    "https://media.example/a.mp3",
    "https://media.example:443/a%2520b.mp3?sig=a%2Bb",
    "HTTPS://MEDIA.example/a.mp3",
    "https://cdn.media.example/a.mp3",
    "https://müller.example/a.mp3",
    "https://xn--mller-kva.example/a.mp3",
    f"https://{PUBLIC}/a.mp3",
]


async def fetched(
    url: str, network: Network, resolver: Resolver, reach: Reach | None = None
) -> Downloaded:
    """Download `url`; the real transport, with another resolver, sockets and certificates."""
    reach = reach or Reach()
    context = client_context()
    with anyio.fail_after(HANGS_S):
        return await download(
            url,
            lambda _: None,
            cap_bytes=10_000,
            deadline_s=HANGS_S,
            reach=reach,
            transport=MediaTransport(
                reach.home, resolver=resolver, network=network, context=context
            ),
        )


async def refused(urls: Sequence[str], network: Network, resolver: Resolver) -> None:
    for url in urls:
        with pytest.raises(LibraryError):
            await fetched(url, network, resolver)


async def test_no_forbidden_address_gets_a_connection() -> None:
    urls = forbidden.urls()
    network = Network({})
    await refused(urls, network, Resolver(GOOD_NAMES | forbidden.NAMES))
    print(f"forbidden URLs: {len(urls)}, connections: {len(network.connections)}")
    assert len(urls) == len(set(urls)) >= 120
    assert network.connections == []


async def test_the_connection_itself_is_held_to_the_rule() -> None:
    network = Network({})
    transport = MediaTransport(
        resolver=Resolver(GOOD_NAMES | forbidden.NAMES), network=network, context=client_context()
    )
    hosts = [*forbidden.V4.values(), *forbidden.NAMES, *forbidden.wrapped(), "0x7f.1", "127.1"]
    for host in hosts:
        url = httpx.URL(scheme="https", host=host)
        with pytest.raises(LibraryError, match="not on the public internet"):
            await transport.handle_async_request(httpx.Request("GET", url))
    print(f"hosts that no check of the URL came before: {len(hosts)}, connections: 0")
    assert network.connections == []


async def test_a_name_that_takes_for_ever_ends_with_the_time_to_connect() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await anyio.sleep_forever()
        raise NotImplementedError

    transport = MediaTransport(resolver=never, network=Network({}), context=client_context())
    timeout = httpx.Timeout(None, connect=0.02).as_dict()
    request = httpx.Request("GET", "https://media.example/", extensions={"timeout": timeout})
    with anyio.fail_after(HANGS_S), pytest.raises(httpcore.ConnectTimeout):
        await transport.handle_async_request(request)


async def test_no_redirect_leads_to_a_forbidden_address() -> None:
    fit = [url for url in forbidden.urls() if url.isascii() and url.isprintable()]
    targets = [url for url in fit if re.match(r"[a-z+]+://[^/]", url, re.IGNORECASE)]
    targets = [url for url in targets if len(url) < 9_000]  # of a head that is read at all
    host = Host(lambda request: answer(302, b"", f"Location: {targets[number_in(request)]}"))
    async with open_hosts(host, tls=True):
        network = Network({PUBLIC: host.port})
        urls = [f"https://media.example/{number}" for number in range(len(targets))]
        await refused(urls, network, Resolver(GOOD_NAMES | forbidden.NAMES))
    print(f"redirects to forbidden URLs: {len(urls)}, connections: 0 but the first of each")
    assert len(urls) >= 120
    assert network.connections == [(PUBLIC, 443)] * len(urls)
    assert host.connections == len(urls)


def number_in(request: bytes) -> int:
    return int(request.split(b" ")[1].removeprefix(b"/"))


@pytest.mark.parametrize("url", ALLOWED)
async def test_an_allowed_address_is_asked_under_its_name(url: str) -> None:
    host = Host(audio)
    async with open_hosts(host, tls=True):
        network = Network({PUBLIC: host.port})
        media = await fetched(url, network, Resolver(GOOD_NAMES))
    assert media == Downloaded("audio/mpeg", len(AUDIO))
    assert {port for _, port in network.connections} == {443}
    named = url.lower().replace("ü", "").split("/")[2].removesuffix(":443")
    assert b"\r\nHost: " in host.received[0]
    if named not in {PUBLIC, "mller.example"}:
        assert host.names == [named]
        assert f"\r\nHost: {named}\r\n".encode() in host.received[0]


async def test_a_host_that_is_not_who_it_should_be_is_not_believed() -> None:
    host = Host(audio)
    async with open_hosts(host, tls=True):
        network = Network({PUBLIC: host.port})
        with pytest.raises(LibraryError, match="failed or broke"):
            await fetched("https://a.example/", network, Resolver({"a.example": [[PUBLIC]]}))
    assert host.received == []


@pytest.mark.parametrize("later", ["127.0.0.1", "10.0.0.1", "::1", "169.254.169.254"])
async def test_a_name_that_changes_after_the_check_changes_nothing(later: str) -> None:
    host = Host(audio)
    async with open_hosts(host, tls=True):
        network = Network({PUBLIC: host.port})
        resolver = Resolver({"media.example": [[PUBLIC], [later]]})
        await fetched("https://media.example/a.mp3", network, resolver)
        assert resolver.asked == ["media.example"]
        with pytest.raises(LibraryError, match="not on the public internet"):
            await fetched("https://media.example/a.mp3", network, resolver)
    assert network.connections == [(PUBLIC, 443)]


async def test_a_name_that_changes_between_redirects_is_checked_again() -> None:
    host = Host(lambda _: answer(302, b"", "Location: /again"))
    async with open_hosts(host, tls=True):
        network = Network({PUBLIC: host.port})
        resolver = Resolver({"media.example": [[PUBLIC], [PUBLIC], ["127.0.0.1"]]})
        with pytest.raises(LibraryError, match="not on the public internet"):
            await fetched("https://media.example/a.mp3", network, resolver)
    assert network.connections == [(PUBLIC, 443)] * 2


async def test_an_address_that_does_not_answer_is_passed_over_for_the_next() -> None:
    host = Host(audio)
    async with open_hosts(host, tls=True):
        network = Network({PUBLIC: host.port})
        await fetched("https://cdn.media.example/", network, Resolver(GOOD_NAMES))
    assert [address for address, _ in network.connections] == [PUBLIC_V6, PUBLIC]


async def test_a_name_without_an_address_is_a_connection_that_failed() -> None:
    with pytest.raises(LibraryError, match="failed or broke"):
        await fetched("https://nobody.example/", Network({}), Resolver({}))


async def test_the_hosts_of_the_setting_are_the_only_ones() -> None:
    reach = Reach(host_suffixes=("media.example",))
    host = Host(audio)
    async with open_hosts(host, tls=True):
        network = Network({PUBLIC: host.port})
        for url in ("https://media.example/", "https://cdn.media.example/"):
            await fetched(url, network, Resolver(GOOD_NAMES), reach)
        asked = len(network.connections)
        for url in ("https://other.example/", "https://xmedia.example/", f"https://{PUBLIC}/"):
            with pytest.raises(LibraryError, match="SONG_MCP_MEDIA_HOSTS"):
                await fetched(url, network, Resolver(GOOD_NAMES), reach)
    assert len(network.connections) == asked


async def test_a_sandbox_is_asked_at_its_own_port_only() -> None:
    sandbox, neighbour = Host(audio), Host(audio)
    async with open_hosts(sandbox, neighbour):
        home = frozenset({("127.0.0.1", sandbox.port), ("localhost", sandbox.port)})
        for host in ("127.0.0.1", "localhost"):
            await at_home(f"http://{host}:{sandbox.port}/", home, ["127.0.0.1"])
        for url in (
            f"http://127.0.0.1:{neighbour.port}/",
            f"http://127.0.0.2:{sandbox.port}/",
            f"http://2130706433:{sandbox.port}/",
            "http://localhost/",
            "https://localhost/",
        ):
            with pytest.raises(LibraryError):
                await at_home(url, home, ["127.0.0.1"])
        with pytest.raises(LibraryError, match="not on the public internet"):
            await at_home(f"http://localhost:{sandbox.port}/", home, ["10.0.0.1"])
    assert (sandbox.connections, neighbour.connections) == (2, 0)


async def at_home(url: str, home: frozenset[tuple[str, int]], addresses: Sequence[str]) -> None:
    await download(
        url,
        lambda _: None,
        cap_bytes=10_000,
        deadline_s=HANGS_S,
        reach=Reach(home),
        transport=MediaTransport(home, resolver=Resolver({"localhost": [addresses]})),
    )
