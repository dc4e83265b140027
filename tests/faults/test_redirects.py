"""Where redirects lead: only the base URL's own origin sees a key, and nobody else a request."""

from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import anyio
import httpx
import pytest

from song_mcp.downloads import Reach, download
from song_mcp.downloads.connections import MediaTransport
from song_mcp.errors import LibraryError, ServiceError
from song_mcp.inbox import Inbox
from song_mcp.providers import Provider, Submission
from song_mcp.songs import MODELS, SERVICES, CoverRequest, Model, ServiceName, SongRequest, Source
from tests.faults.canaries import GPTGE_KEY
from tests.faults.outside import (
    AUDIO,
    PUBLIC,
    Host,
    Network,
    Resolver,
    answer,
    audio,
    client_context,
    open_hosts,
)
from tests.limits import HANGS_S
from tests.models import DEFAULT_SUNO, UDIO

KEY = GPTGE_KEY
TASK_ID = "11111111-2222-4333-8444-555555555555"
STATUSES = [301, 302, 303, 307, 308]
Ask = Callable[[str, Path], Awaitable[object]]


def adapter(service: ServiceName, base_url: str, **more: Any) -> Any:  # noqa: ANN401 - any adapter
    return resolve_name(SERVICES[service].adapter)(KEY, base_url, **more)


async def piapi_get(base_url: str, _: Path) -> object:
    return await adapter("piapi", base_url).fetch(TASK_ID)


async def piapi_post(base_url: str, _: Path) -> object:
    return await posted(adapter("piapi", base_url), UDIO)


async def piapi_post_to_ace_step(base_url: str, _: Path) -> object:
    return await posted(adapter("piapi", base_url), MODELS["ace-step"])


async def piapi_upload(base_url: str, folder: Path) -> object:
    asked = adapter("piapi", base_url, upload_url=base_url)
    return await asked.attach(cover(asked, MODELS["ace-step"], folder))


async def gptge_get(base_url: str, _: Path) -> object:
    return await adapter("gptge", base_url).fetch(TASK_ID)


async def gptge_post(base_url: str, _: Path) -> object:
    return await posted(adapter("gptge", base_url), DEFAULT_SUNO)


async def gptge_look_by_post(base_url: str, _: Path) -> object:
    return await adapter("gptge", base_url).fetch_many([TASK_ID])


async def minimax_post(base_url: str, folder: Path) -> object:
    asked = adapter("minimax", base_url, inbox=Inbox(folder, cap_bytes=2**20))
    return await posted(asked, MODELS["minimax-3"])


async def minimax_cover(base_url: str, folder: Path) -> object:
    asked = adapter("minimax", base_url, inbox=Inbox(folder, cap_bytes=2**20))
    return await asked.submit(cover(asked, MODELS["minimax-3"], folder))


async def acestep_post(base_url: str, _: Path) -> object:
    return await posted(adapter("acestep", base_url), MODELS["ace-step-local"])


async def acestep_cover(base_url: str, folder: Path) -> object:
    asked = adapter("acestep", base_url)
    return await asked.submit(cover(asked, MODELS["ace-step-local"], folder))


async def acestep_look_by_post(base_url: str, _: Path) -> object:
    return await adapter("acestep", base_url).fetch_many([TASK_ID])


async def posted(asked: Provider, model: Model) -> object:
    return await asked.submit(asked.prepare(SongRequest(model, description="a slow waltz")))


def cover(asked: Provider, model: Model, folder: Path) -> Submission:
    file = folder / "clip.mp3"
    file.write_bytes(b"ID3 audio")
    source = Source("c1", file=str(file))
    return asked.prepare(CoverRequest(model, "a slow waltz", source=source))


ASKS: list[Ask] = [
    *(piapi_get, piapi_post, piapi_post_to_ace_step, piapi_upload),
    *(gptge_get, gptge_post, gptge_look_by_post, minimax_post, minimax_cover),
    *(acestep_post, acestep_cover, acestep_look_by_post),
]


def leading(status: int, location: str) -> Callable[[bytes], bytes]:
    return lambda _: answer(status, b"{}", f"Location: {location}")


def places(home: Host, other: Host, tls: Host) -> dict[str, str]:
    """Where a redirect may lead, by what is other about it."""
    return {
        "same host": f"http://127.0.0.1:{home.port}/moved",
        "same host, relative": "/moved",
        "same host, another port": f"http://127.0.0.1:{other.port}/moved",
        "other host": f"http://localhost:{other.port}/moved",
        "other host, no scheme": f"//localhost:{other.port}/moved",
        "other host with a user": f"http://127.0.0.1:{home.port}@127.0.0.1:{other.port}/moved",
        "other scheme": f"https://127.0.0.1:{tls.port}/moved",
        "other scheme, other host": f"https://localhost:{tls.port}/moved",
    }


@pytest.mark.parametrize("ask", ASKS)
async def test_a_key_follows_no_redirect(ask: Ask, tmp_path: Path) -> None:
    home, other, tls = Host(audio), Host(audio), Host(audio)
    redirects = 0
    async with open_hosts(home, other), open_hosts(tls, tls=True):
        for status, location in product(STATUSES, places(home, other, tls).values()):
            redirects += 1
            home.reply = leading(status, location)
            with anyio.fail_after(HANGS_S), pytest.raises(ServiceError):
                await ask(f"http://127.0.0.1:{home.port}", tmp_path)
    elsewhere = other.connections + tls.connections
    print(f"{ask.__name__}: {redirects} redirects, the key seen by others {elsewhere} times")
    assert elsewhere == 0
    assert len(home.received) == redirects == 40
    assert all(KEY.encode() in request for request in home.received)
    assert not any(request.split(b" ")[1] == b"/moved" for request in home.received)


async def test_a_client_that_follows_would_have_shown_the_key() -> None:
    home, other = Host(audio), Host(audio)
    async with open_hosts(home, other):
        home.reply = leading(302, f"http://localhost:{other.port}/moved")
        headers = {"x-api-key": KEY}
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as client:
            await client.get(f"http://127.0.0.1:{home.port}", headers=headers)
    assert KEY.encode() in other.received[0]


FORBIDDEN = [
    "http://media.example/a.mp3",
    "http://127.0.0.1/a.mp3",
    "https://127.0.0.1/a.mp3",
    "https://[::1]/a.mp3",
    "https://169.254.169.254/latest/meta-data/",
    "https://2130706433/a.mp3",
    "https://home.example/a.mp3",
    "https://user:pass@media.example/a.mp3",
    "https://media.example:8443/a.mp3",
    "file:///etc/passwd",
]
NAMES = {"media.example": [[PUBLIC]], "home.example": [["192.168.1.1"]]}


async def fetched(network: Network) -> bytes:
    content = bytearray()
    with anyio.fail_after(HANGS_S):
        await download(
            "https://media.example/first",
            content.extend,
            cap_bytes=10_000,
            deadline_s=HANGS_S,
            transport=MediaTransport(
                resolver=Resolver(NAMES), network=network, context=client_context()
            ),
        )
    return bytes(content)


@pytest.mark.parametrize("status", STATUSES)
async def test_a_download_is_led_to_no_forbidden_place(status: int) -> None:
    host = Host(audio)
    async with open_hosts(host, tls=True):
        network = Network({PUBLIC: host.port})
        for location in FORBIDDEN:
            host.reply = leading(status, location)
            with pytest.raises(LibraryError):
                await fetched(network)
    print(
        f"HTTP {status}: {len(FORBIDDEN)} redirects of downloads, 0 connections to where they led"
    )
    assert network.connections == [(PUBLIC, 443)] * len(FORBIDDEN)
    assert {request.split(b" ")[1] for request in host.received} == {b"/first"}


@pytest.mark.parametrize("status", STATUSES)
async def test_a_download_is_led_to_another_public_host_without_a_secret(status: int) -> None:
    host = Host(
        lambda request: (
            answer(status, b"", "Location: https://media.example/second", "Set-Cookie: a=b")
            if b"/first" in request
            else audio(request)
        )
    )
    async with open_hosts(host, tls=True):
        assert await fetched(Network({PUBLIC: host.port})) == AUDIO
    second = host.received[1].lower()
    for word in (b"cookie", b"referer", b"authorization", b"x-api-key", KEY.encode()):
        assert word not in second


async def test_the_sandbox_leads_downloads_nowhere_on_this_machine() -> None:
    neighbour = Host(audio)
    sandbox = Host(audio)
    async with open_hosts(sandbox, neighbour):
        sandbox.reply = leading(302, f"http://127.0.0.1:{neighbour.port}/")
        with pytest.raises(LibraryError, match="not a plain https address"):
            await download(
                f"http://127.0.0.1:{sandbox.port}/",
                lambda _: None,
                cap_bytes=10_000,
                deadline_s=HANGS_S,
                reach=Reach(frozenset({("127.0.0.1", sandbox.port)})),
            )
    assert (sandbox.connections, neighbour.connections) == (1, 0)
