"""Fetching audio without a key; sources: docs/providers.md 1.6."""

import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Mapping

import anyio
import httpx
import pytest

from song_mcp.downloads.fetch import Downloaded, Reach, check_url, download
from song_mcp.errors import LibraryError, NotYetError
from tests.limits import HANGS_S

AUDIO = b"ID3" + bytes(range(256)) * 8
REACH = Reach(frozenset({("127.0.0.1", 8123), ("localhost", 80)}))
PATH = "/udio/1/The%20Untitled.mp3"
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


OWN_KEY = "home-key-0001"
OWN = Reach(
    frozenset({("192.168.1.20", 8001), ("localhost", 80)}),
    keys={("http", "192.168.1.20", 8001): OWN_KEY},
)
OWN_URL = "http://192.168.1.20:8001/v1/audio?path=%2Ftmp%2Fa.mp3"


@pytest.mark.parametrize(
    "away",
    [
        URL,
        "https://192.168.1.20.example/a.mp3",
        "https://192.168.1.20:8001/a.mp3",
        "http://localhost/a.mp3",
    ],
)
async def test_a_servers_own_key_goes_to_its_own_origin_alone(away: str) -> None:
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if str(request.url) == OWN_URL:
            return httpx.Response(302, headers={"location": away})
        return audio(request)

    content = bytearray()
    await download(
        OWN_URL,
        content.extend,
        cap_bytes=10_000,
        deadline_s=HANGS_S,
        reach=OWN,
        transport=httpx.MockTransport(handler),
    )
    assert [each.headers.get("authorization") for each in asked] == [f"Bearer {OWN_KEY}", None]
    assert bytes(content) == AUDIO


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.1.20/a.mp3",
        "http://192.168.1.20:8002/a.mp3",
        "http://192.168.1.21:8001/a.mp3",
        "http://192.168.1.20.:8001/a.mp3",
        "http://user@192.168.1.20:8001/a.mp3",
        "http://[::ffff:192.168.1.20]:8001/a.mp3",
        "http://127.0.0.1:8001/a.mp3",
    ],
)
def test_no_private_origin_but_the_servers_own_is_asked(url: str) -> None:
    check_url(OWN_URL, OWN)
    with pytest.raises(LibraryError):
        check_url(url, OWN)


async def test_a_host_that_claims_no_type_gives_an_empty_one() -> None:
    media, _ = await fetched(lambda _: httpx.Response(200, content=AUDIO))
    assert media.mime_type == ""


@pytest.mark.parametrize("status", [202, 204, 304, 401, 403, 404, 410, 429, 500, 503])
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


@pytest.mark.parametrize("length", ["10001", "9" * 19, "9" * 30])
async def test_audio_that_says_it_is_too_long_is_not_read(length: str) -> None:
    with pytest.raises(LibraryError, match="10000 bytes"):
        await fetched(lambda _: httpx.Response(200, headers={"content-length": length}))


# What comes packed --------------------------------------------------------------------------


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


PACKED: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(AUDIO)),
    "gzip, loudly": ("GZIP", gzip.compress(AUDIO)),
    "gzip after nothing": ("identity, gzip", gzip.compress(AUDIO)),
    "gzip that nobody told of": ("", gzip.compress(AUDIO)),
    "gzip in parts": ("gzip", gzip.compress(AUDIO[:900]) + gzip.compress(AUDIO[900:])),
    "gzip and padding": ("gzip", gzip.compress(AUDIO) + bytes(50)),
    "called gzip, but as it is": ("gzip", AUDIO),
    "deflate": ("deflate", zlib.compress(AUDIO)),
    "deflate without a head": ("deflate", raw_deflate(AUDIO)),
    "deflate that is gzip": ("deflate", gzip.compress(AUDIO)),
}


def packed(packing: str, content: bytes, step: int = 7) -> httpx.Response:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), step):
            yield content[start : start + step]

    return httpx.Response(200, content=chunks(), headers={"content-encoding": packing})


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("name", PACKED)
async def test_audio_that_comes_packed_is_unpacked(name: str, step: int) -> None:
    media, content = await fetched(lambda _: packed(*PACKED[name], step))
    assert content == AUDIO
    assert media.size == len(AUDIO)


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
async def test_the_cap_counts_what_is_unpacked_and_no_more_is_unpacked(packing: str) -> None:
    zeros = bytes(2**24)
    bomb = gzip.compress(zeros) if packing == "gzip" else zlib.compress(zeros)
    content = bytearray()
    with pytest.raises(LibraryError, match="500000 bytes"):
        await download(
            URL,
            content.extend,
            cap_bytes=500_000,
            deadline_s=HANGS_S,
            transport=httpx.MockTransport(lambda _: packed(packing, bomb, 2**16)),
        )
    assert len(content) <= 500_000


@pytest.mark.parametrize(
    "word", ["utf-8", "aws-chunked", "none", "binary", "mp3", "identity, x", "x" * 5000]
)
async def test_a_word_for_no_packing_says_nothing(word: str) -> None:
    _, content = await fetched(lambda _: packed(word, AUDIO))
    assert content == AUDIO


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip", "x, br", "br, " * 1000])
async def test_audio_packed_in_another_way_is_refused(packing: str) -> None:
    with pytest.raises(LibraryError, match="packed in a way"):
        await fetched(lambda _: packed(packing, AUDIO))


@pytest.mark.parametrize("cut", [1, 9, 300])
async def test_packed_audio_that_breaks_off_may_come_whole_later(cut: int) -> None:
    with pytest.raises(NotYetError, match="breaks off"):
        await fetched(lambda _: packed("gzip", gzip.compress(AUDIO)[:-cut]))


async def test_packed_audio_that_is_broken_may_come_whole_later() -> None:
    with pytest.raises(NotYetError, match="cannot be unpacked"):
        await fetched(lambda _: packed("gzip", gzip.compress(AUDIO)[:20] + b"x" * 500))


# Hosts that want another request -----------------------------------------------------------


class Asked:
    """A host that answers each request by `answer`, and remembers the headers of all."""

    def __init__(self, answer: Callable[[Mapping[str, str]], httpx.Response]) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request.headers)


def ranged(
    headers: Mapping[str, str], most: int = 10_000, total: str = str(len(AUDIO)), **more: str
) -> httpx.Response:
    """Answer a range with at most so many bytes of it."""
    first = int(headers["range"].removeprefix("bytes=").removesuffix("-"))
    piece = AUDIO[first : first + most]
    if not piece:
        return httpx.Response(416)
    told = f"bytes {first}-{first + len(piece) - 1}/{total}"
    return httpx.Response(206, content=piece, headers={"content-range": told, **more})


@pytest.mark.parametrize("status", [400, 416])
async def test_a_host_that_answers_only_ranges_is_asked_for_all_bytes(status: int) -> None:
    host = Asked(lambda told: ranged(told) if "range" in told else httpx.Response(status))
    media, content = await fetched(host)
    assert (content, media.size) == (AUDIO, len(AUDIO))
    assert [request.headers.get("range") for request in host.requests] == [None, "bytes=0-"]


async def test_a_part_that_is_the_whole_is_taken_as_it_is() -> None:
    host = Asked(lambda told: ranged({"range": "bytes=0-", **told}))
    assert (await fetched(host))[1] == AUDIO
    assert len(host.requests) == 1


@pytest.mark.parametrize("told", ["", "bytes 0-99/5000", "bytes 5-99/100", "bytes 0-9/*", "x"])
async def test_a_part_that_nobody_asked_for_is_not_taken_for_the_whole(told: str) -> None:
    part = httpx.Response(206, content=b"ID3 part", headers={"content-range": told} if told else {})
    host = Asked(lambda told: ranged(told) if "range" in told else part)
    assert (await fetched(host))[1] == AUDIO


async def test_all_bytes_that_were_asked_for_are_the_whole_if_the_host_tells_no_range() -> None:
    assert (await fetched(lambda _: httpx.Response(206, content=AUDIO)))[1] == AUDIO


@pytest.mark.parametrize("total", [str(len(AUDIO)), "*"])
async def test_pieces_are_put_together(total: str) -> None:
    host = Asked(lambda told: ranged(told, 700, total) if "range" in told else httpx.Response(416))
    media, content = await fetched(host)
    assert (content, media.size) == (AUDIO, len(AUDIO))
    ranges = [request.headers.get("range") for request in host.requests[1:4]]
    assert ranges == ["bytes=0-", "bytes=700-", "bytes=1400-"]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (httpx.Response(200, content=AUDIO), "another piece"),
        (ranged({"range": "bytes=5-"}), "another piece"),
        (ranged({"range": "bytes=700-"}, 700, etag="b"), "changed"),
        (httpx.Response(403), "HTTP 403"),
        (
            httpx.Response(206, headers={"content-range": f"bytes 700-700/{len(AUDIO)}"}),
            "empty piece",
        ),
    ],
    ids=["whole", "other", "changed", "refused", "empty"],
)
async def test_pieces_that_do_not_fit_together_are_refused(
    second: httpx.Response, said: str
) -> None:
    def answer(told: Mapping[str, str]) -> httpx.Response:
        if "range" not in told:
            return httpx.Response(416)
        return ranged(told, 700, etag="a") if told["range"] == "bytes=0-" else second

    with pytest.raises(NotYetError, match=said):
        await fetched(Asked(answer))


async def test_a_host_of_tiny_pieces_is_given_up() -> None:
    host = Asked(lambda told: ranged(told, 1) if "range" in told else httpx.Response(416))
    with pytest.raises(LibraryError, match="too many pieces"):
        await fetched(host)
    assert len(host.requests) < 1100


async def test_pieces_count_towards_the_cap() -> None:
    host = Asked(lambda told: ranged(told, 700) if "range" in told else httpx.Response(416))
    with pytest.raises(LibraryError, match="1500 bytes"):
        await fetched(host, cap_bytes=1500)


@pytest.mark.parametrize("status", [401, 403, 405, 406])
async def test_a_host_that_refuses_programs_is_asked_as_a_browser_would(status: int) -> None:
    def answer(told: Mapping[str, str]) -> httpx.Response:
        is_browser = "Mozilla" in told["user-agent"] and "audio/" in told.get("accept", "")
        return httpx.Response(200, content=AUDIO) if is_browser else httpx.Response(status)

    host = Asked(answer)
    assert (await fetched(host))[1] == AUDIO
    assert len(host.requests) == 2
    for request in host.requests:
        assert not {"x-api-key", "authorization", "cookie"} & request.headers.keys()


async def test_a_host_that_shows_programs_a_page_is_asked_as_a_browser_would() -> None:
    def answer(told: Mapping[str, str]) -> httpx.Response:
        if "Mozilla" in told["user-agent"]:
            return httpx.Response(200, content=AUDIO)
        return httpx.Response(200, content=b"<html>", headers={"content-type": "text/html; a=b"})

    assert (await fetched(Asked(answer)))[1] == AUDIO


async def test_a_host_that_wants_a_browser_and_a_range_gets_both() -> None:
    def answer(told: Mapping[str, str]) -> httpx.Response:
        if "Mozilla" not in told["user-agent"]:
            return httpx.Response(403)
        return ranged(told, 700) if "range" in told else httpx.Response(416)

    assert (await fetched(Asked(answer)))[1] == AUDIO


async def test_each_request_that_is_made_again_may_lead_only_where_the_first_may() -> None:
    def answer(told: Mapping[str, str]) -> httpx.Response:
        if "Mozilla" in told["user-agent"]:
            return httpx.Response(302, headers={"location": "https://169.254.169.254/"})
        return httpx.Response(403)

    host = Asked(answer)
    with pytest.raises(LibraryError, match="not on the public internet"):
        await fetched(host)
    assert len(host.requests) == 2


@pytest.mark.parametrize(
    ("value", "waits_s"),
    [
        ("2", 2.0),
        ("1.5", 1.5),
        ("Thu, 26 Nov 2026 10:00:07 GMT", 7.0),
        ("soon", None),
        ("", None),
    ],
)
async def test_how_long_a_host_asks_to_wait_is_kept(value: str, waits_s: float | None) -> None:
    headers = {"retry-after": value, "date": "Thu, 26 Nov 2026 10:00:00 GMT"}
    with pytest.raises(NotYetError, match="HTTP 503") as caught:
        await fetched(lambda _: httpx.Response(503, headers=headers))
    assert caught.value.retry_after_s == waits_s


async def test_nothing_at_all_is_no_audio() -> None:
    with pytest.raises(NotYetError, match="sent nothing"):
        await fetched(lambda _: httpx.Response(200))


async def test_a_host_may_be_silent_for_half_a_minute_only() -> None:
    host = Asked(lambda _: httpx.Response(200, content=AUDIO))
    await fetched(host)
    assert host.requests[0].extensions["timeout"]["read"] == 30


# Redirects ---------------------------------------------------------------------------------


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


async def test_five_redirects_are_enough() -> None:
    hops: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hops.append(request.url.path)
        return httpx.Response(302, headers={"location": f"/{len(hops)}"})

    with pytest.raises(LibraryError, match="more than 5 times"):
        await fetched(handler)
    assert len(hops) == 6


async def test_audio_behind_five_redirects_is_fetched() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        hop = int(request.url.path.removeprefix("/") if request.url.path != PATH else 0)
        return audio(request) if hop == 5 else led(f"/{hop + 1}")(at(URL))

    def at(url: str) -> httpx.Request:
        return httpx.Request("GET", url)

    _, content = await fetched(handler)
    assert content == AUDIO


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
