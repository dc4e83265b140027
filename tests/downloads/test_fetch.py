"""Fetching audio without a key; sources: docs/providers.md 1.6."""

from collections.abc import AsyncIterator, Callable

import anyio
import httpx
import pytest

from song_mcp.downloads.fetch import Downloaded, Reach, check_url, download
from song_mcp.errors import LibraryError
from tests.limits import HANGS_S

AUDIO = b"ID3" + bytes(range(256)) * 8
REACH = Reach(frozenset({("127.0.0.1", 8123), ("localhost", 80)}))
URL = "https://storage.googleapis.com/udio/1/The%2520Untitled.mp3?sig=a%2Bb"


async def fetched(
    handler: Callable[[httpx.Request], httpx.Response], url: str = URL, cap_bytes: int = 10_000
) -> tuple[Downloaded, bytes]:
    content = bytearray()
    media = await download(
        url,
        content.extend,
        cap_bytes=cap_bytes,
        deadline_s=HANGS_S,
        reach=REACH,
        transport=httpx.MockTransport(handler),
    )
    return media, bytes(content)


def audio(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=AUDIO, headers={"content-type": "Audio/MPEG; q=1"})


def led(to: str, status: int = 302) -> Callable[[httpx.Request], httpx.Response]:
    """Lead every request for URL on to `to`, which has the audio."""

    def handler(request: httpx.Request) -> httpx.Response:
        if str(request.url) == URL:
            return httpx.Response(status, headers={"location": to})
        return audio(request)

    return handler


async def test_the_bytes_reach_the_sink_and_the_type_is_told() -> None:
    media, content = await fetched(audio)
    assert content == AUDIO
    assert media == Downloaded("audio/mpeg", len(AUDIO))


async def test_the_address_is_used_exactly_as_it_came_and_without_a_key() -> None:
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return audio(request)

    await fetched(handler)
    assert requests[0].url.raw_path == b"/udio/1/The%2520Untitled.mp3?sig=a%2Bb"
    assert requests[0].headers["accept-encoding"] == "identity"
    assert not {"x-api-key", "authorization", "cookie"} & requests[0].headers.keys()


async def test_a_host_that_claims_no_type_gives_an_empty_one() -> None:
    media, _ = await fetched(lambda _: httpx.Response(200, content=AUDIO))
    assert media.mime_type == ""


@pytest.mark.parametrize("status", [204, 206, 304, 403, 404, 410, 500])
async def test_everything_but_the_whole_thing_is_refused(status: int) -> None:
    with pytest.raises(LibraryError, match=f"HTTP {status}"):
        await fetched(lambda _: httpx.Response(status, content=b""))


async def test_the_cap_is_kept_while_streaming() -> None:
    content = bytearray()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)

    with anyio.fail_after(HANGS_S), pytest.raises(LibraryError, match="5000 bytes"):
        await download(
            URL,
            content.extend,
            cap_bytes=5000,
            deadline_s=HANGS_S,
            transport=httpx.MockTransport(lambda _: httpx.Response(200, content=endless())),
        )
    assert len(content) <= 5000


async def test_the_deadline_counts_the_whole_download() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"ID3"
        await anyio.sleep_forever()

    with anyio.fail_after(HANGS_S), pytest.raises(LibraryError, match="not there within 0 s"):
        await download(
            URL,
            lambda _: None,
            cap_bytes=5000,
            deadline_s=0.02,
            transport=httpx.MockTransport(lambda _: httpx.Response(200, content=stuck())),
        )


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("x"), httpx.ReadError("x"), ConnectionError()]
)
async def test_a_connection_that_fails_or_breaks_is_told_in_our_words(error: Exception) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(LibraryError, match="failed or broke"):
        await fetched(fail)


async def test_what_the_sink_raises_passes_through() -> None:
    def full(chunk: bytes) -> None:
        raise OSError(28, "disk full")

    with pytest.raises(OSError, match="disk full"):
        await download(
            URL, full, cap_bytes=9999, deadline_s=HANGS_S, transport=httpx.MockTransport(audio)
        )


@pytest.mark.parametrize("packing", ["gzip", "br", "zstd", "GZIP", "identity, gzip"])
async def test_audio_that_comes_packed_is_refused(packing: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield AUDIO

    with pytest.raises(LibraryError, match="sent it compressed"):
        await fetched(
            lambda _: httpx.Response(200, content=chunks(), headers={"content-encoding": packing})
        )


@pytest.mark.parametrize("length", ["10001", "9" * 19, "9" * 30])
async def test_audio_that_says_it_is_too_long_is_not_read(length: str) -> None:
    with pytest.raises(LibraryError, match="10000 bytes"):
        await fetched(lambda _: httpx.Response(200, headers={"content-length": length}))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_good_address_is_followed(status: int) -> None:
    _, content = await fetched(led("https://cdn.example/a%2520b.mp3", status))
    assert content == AUDIO


async def test_a_redirect_may_be_relative() -> None:
    _, content = await fetched(led("/elsewhere.mp3"))
    assert content == AUDIO


@pytest.mark.parametrize(
    "to",
    [
        "http://cdn.example/a.mp3",
        "https://cdn.example:8443/",
        "file:///etc/passwd",
        "https://a:x/",
        "https://]a/",
        "https://[",
        "/" * 9_000,
    ],
    ids=lambda to: to[:30],
)
async def test_a_redirect_is_held_to_the_same_rule(to: str) -> None:
    with pytest.raises(LibraryError):
        await fetched(led(to))


async def test_three_redirects_are_enough() -> None:
    hops: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hops.append(request.url.path)
        return httpx.Response(302, headers={"location": f"/{len(hops)}"})

    with pytest.raises(LibraryError, match="more than 3 times"):
        await fetched(handler)
    assert len(hops) == 4


async def test_a_redirect_to_nowhere_ends() -> None:
    with pytest.raises(LibraryError):
        await fetched(lambda _: httpx.Response(302))


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example/a.mp3",
        "https://cdn.example:443/a.mp3",
        "http://127.0.0.1:8123/a.mp3",
        "http://localhost/a.mp3",
        "http://localhost:80/a.mp3",
    ],
)
def test_plain_https_and_the_sandbox_may_be_asked(url: str) -> None:
    check_url(url, REACH)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cdn.example/a.mp3",
        "http://cdn.example/a.mp3",
        "https://cdn.example:8443/a.mp3",
        "https://user:pass@cdn.example/a.mp3",
        "http://127.0.0.1:8124/a.mp3",
        "http://localhost:8123/a.mp3",
        "ftp://127.0.0.1:8123/a.mp3",
        "file:///etc/passwd",
        "https:///a.mp3",
        "https://cdn.example:99999999/",
        "https://cdn.example/\x00",
        "https://cdn.example/\ud800",
        "https://" + "x" * 70_000,
    ],
    ids=lambda url: ascii(url[:40]),
)
def test_nothing_else_may_be_asked(url: str) -> None:
    with pytest.raises(LibraryError):
        check_url(url, REACH)


def test_without_a_sandbox_loopback_may_not_be_asked() -> None:
    with pytest.raises(LibraryError):
        check_url("http://127.0.0.1:8123/a.mp3")
