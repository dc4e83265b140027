"""Downloads: audio and covers from hosts that a service named, without a key.

Every host was checked before it is asked (`addresses`, `connections`), that of a redirect too. What
arrives is taken as it is, never unpacked, and never more of it than was allowed.

No message holds an address or an exception's own text. Times are seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from song_mcp.downloads.addresses import Origins, check_host, is_under
from song_mcp.errors import LibraryError
from song_mcp.providers.transport import Transport, as_sent, new_request
from song_mcp.text import clean

if TYPE_CHECKING:
    import httpx

REDIRECTS = 3
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
OK = 200
LONGEST_URL = 8_000


@dataclass(frozen=True)
class Reach:
    """Which hosts downloads may ask, and how.

    `home` are the origins on this machine that may be asked, by plain http too. If there are
    `host_suffixes`, only public hosts that end with one may be asked. `proxy` is the URL of a
    proxy, "" for none.
    """

    home: Origins = frozenset()
    host_suffixes: tuple[str, ...] = ()
    proxy: str = ""


PUBLIC = Reach()


@dataclass(frozen=True)
class Downloaded:
    """A download: the type that its host claims ("" if it claims none) and the size in bytes."""

    mime_type: str
    size: int


async def download(
    url: str,
    sink: Callable[[bytes], None],
    *,
    cap_bytes: int,
    deadline_s: float,
    reach: Reach = PUBLIC,
    transport: Transport | None = None,
) -> Downloaded:
    """Pass the bytes at `url` to `sink`, without a key, in at most `deadline_s` seconds.

    The address and each of at most three redirects must pass `check_url`. Raises what `sink`
    raises, and LibraryError for every other failure, also if there are more than `cap_bytes`. By
    then part of the audio may have reached `sink`.
    """
    from song_mcp.downloads.connections import CONNECTION_ERRORS, MediaTransport

    try:
        with anyio.fail_after(deadline_s):
            async with transport or MediaTransport(reach.home, reach.proxy) as opened:
                response = await _follow(opened, url, reach)
                try:
                    return await _pour(response, sink, cap_bytes)
                finally:
                    await response.aclose()
    except TimeoutError:
        raise LibraryError(f"The audio was not there within {deadline_s:.0f} s.") from None
    except CONNECTION_ERRORS:
        raise LibraryError("The connection to the audio's host failed or broke.") from None


def check_url(url: str, reach: Reach = PUBLIC) -> None:
    """Raise LibraryError unless `url` is https at port 443 of a host that may be public.

    The origins of `reach.home` may be asked as well. Nothing is looked up here: the addresses of
    the host are checked when a connection is made.
    """
    from song_mcp.downloads.connections import origin_of

    parsed = _parsed(url)
    if parsed.userinfo:
        raise LibraryError("The audio's address has a user name in it, so it was not asked.")
    if parsed.scheme in {"http", "https"} and origin_of(parsed) in reach.home:
        return
    if parsed.scheme != "https" or parsed.port is not None:
        raise LibraryError("The audio's address is not a plain https address, so it was not asked.")
    host, _ = origin_of(parsed)
    check_host(host)
    if reach.host_suffixes and not is_under(host, reach.host_suffixes):
        raise LibraryError("The audio's host is not one that SONG_MCP_MEDIA_HOSTS allows.")


def _parsed(url: str) -> "httpx.URL":
    import httpx

    try:
        if len(url) <= LONGEST_URL:
            return httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        pass
    raise LibraryError("The audio's address is not a usable URL.")


async def _follow(transport: Transport, url: str, reach: Reach) -> "httpx.Response":
    """Return the first response that is no redirect; its body is still to be read and closed."""
    for _ in range(REDIRECTS + 1):
        check_url(url, reach)
        request = new_request(url, {})
        response = await transport.handle_async_request(request)
        if response.status_code not in REDIRECT_STATUSES:
            return response
        await response.aclose()
        url = _joined(request.url, response.headers.get("location", ""))
    raise LibraryError(f"The audio's address redirected more than {REDIRECTS} times.")


def _joined(base: "httpx.URL", location: str) -> str:
    try:
        return str(base.join(str(_parsed(location))))
    except ValueError:  # from the standard library, which httpx uses
        raise LibraryError("The audio's address redirected to no usable URL.") from None


async def _pour(
    response: "httpx.Response", sink: Callable[[bytes], None], cap_bytes: int
) -> Downloaded:
    _check_head(response, cap_bytes)
    size = 0
    async for chunk in as_sent(response):
        size += len(chunk)
        if size > cap_bytes:
            raise _too_long(cap_bytes)
        sink(chunk)
    mime_type = response.headers.get("content-type", "").partition(";")[0].lower()
    return Downloaded(clean(mime_type, limit=100, lines=False), size)


def _check_head(response: "httpx.Response", cap_bytes: int) -> None:
    """Raise LibraryError if the head says that this is not the whole audio, unpacked."""
    if response.status_code != OK:
        raise LibraryError(
            f"The audio's host said HTTP {response.status_code}; the link may have expired."
        )
    if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise LibraryError("The audio's host sent it compressed, although it was asked not to.")
    length = response.headers.get("content-length", "")[:20]
    if length.isdecimal() and int(length) > cap_bytes:
        raise _too_long(cap_bytes)


def _too_long(cap_bytes: int) -> LibraryError:
    return LibraryError(f"The audio has more than the {cap_bytes} bytes that are allowed.")
