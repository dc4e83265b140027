"""Downloads: audio and covers from hosts that a service named.

No key is sent, but for that of a service which serves its audio itself, to its own origin alone.

Every host was checked before it is asked (`addresses`, `connections`), that of a redirect too. A
host that refuses a plain request, or answers it with a part, is asked again as it wants to be
asked. What comes packed is unpacked, and never more of it taken than was allowed.

No message holds an address or an exception's own text. Times are seconds.
"""

import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from song_mcp.downloads.addresses import Origins, check_host, is_under
from song_mcp.downloads.unpacking import KNOWN_PACKINGS, Unpacker, packing_of
from song_mcp.errors import LibraryError, NotYetError
from song_mcp.providers.transport import Transport, as_sent, new_request
from song_mcp.providers.waits import retry_after_s
from song_mcp.text import clean

if TYPE_CHECKING:
    import httpx

REDIRECTS = 5
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
WHOLE = frozenset({200, 203})
PART, NOT_SATISFIABLE = 206, 416
RANGE_WANTED = frozenset({400, NOT_SATISFIABLE})
"""What a host that answers only ranges says to a request without one."""
REFUSALS = frozenset(range(400, 500)) - {404, 408, 410, 425, 429}
"""What a host may say to a program and not to a browser. The others are about the audio."""
REFUSED = ", to a browser's request too: the link may have expired, or it wants no programs"
WHY = {
    202: "the audio is not ready yet",
    404: "the audio is not there yet, or the link has expired",
    410: "the link has expired",
    425: "it is too early",
    429: "it was asked too often",
    500: "it is out of order",
    502: "it is out of order",
    503: "it is busy or out of order",
    504: "it is busy or out of order",
}
"""What some statuses mean for audio."""
LONGEST_URL = 8_000
STALLS_S = 30.0
"""How long, in seconds, a host may send nothing before the download is given up."""
PIECES_LIMIT = 1_000
"""The most pieces that audio is taken in: hosts that give pieces give about a MiB at once."""
CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36",
    "Accept": "audio/mpeg,audio/webm,audio/ogg,audio/wav,audio/*;q=0.9,*/*;q=0.5",
    "Accept-Language": "en-US,en;q=0.9",
}
"""What a browser sends with a request for audio."""
EVERYTHING = {"Range": "bytes=0-"}


@dataclass(frozen=True)
class Reach:
    """Which hosts downloads may ask, and how.

    `home` are the origins of base URLs that may be asked, by plain http and at any port too. If
    there are `host_suffixes`, only other hosts that end with one may be asked. `proxy` is the URL
    of a proxy, "" for none. `keys` are the bearer tokens for some of `home`, by scheme, host and
    port: nobody else is sent one, wherever a redirect leads.
    """

    home: Origins = frozenset()
    host_suffixes: tuple[str, ...] = ()
    proxy: str = ""
    keys: Mapping[tuple[str, str, int], str] = field(default_factory=dict, repr=False)

    def headers(self, url: "httpx.URL") -> dict[str, str]:
        """Return what the origin of an address is sent besides, and no other one."""
        from song_mcp.downloads.connections import origin_of

        key = self.keys.get((url.scheme, *origin_of(url)))
        return {"Authorization": f"Bearer {key}"} if key else {}


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
    """Pass the bytes at `url` to `sink`, in at most `deadline_s` seconds.

    The address and each of at most five redirects must pass `check_url`. Raises what `sink` raises,
    NotYetError for what may be otherwise at the next try, and LibraryError for every other failure,
    also if there are more than `cap_bytes`. By then part of the audio may have reached `sink`.
    """
    from song_mcp.downloads.connections import CONNECTION_ERRORS, MediaTransport

    try:
        with anyio.fail_after(deadline_s):
            async with transport or MediaTransport(reach.home, reach.proxy) as opened:
                return await _Download(opened, reach, sink, cap_bytes).run(url)
    except TimeoutError:
        raise LibraryError(f"The audio was not there within {deadline_s:.0f} s.") from None
    except CONNECTION_ERRORS:
        raise NotYetError("The connection to the audio's host failed or broke.") from None
    except zlib.error:
        raise NotYetError("The audio came packed, and cannot be unpacked.") from None


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


def _joined(base: "httpx.URL", location: str) -> str:
    try:
        return str(base.join(str(_parsed(location))))
    except ValueError:  # from the standard library, which httpx uses
        raise LibraryError("The audio's address redirected to no usable URL.") from None


@dataclass(frozen=True)
class _Piece:
    """What of the audio a response has: the bytes from `start` on, to its end or of `total`.

    `total` is None if it is not told.
    """

    start: int
    total: int | None
    is_to_the_end: bool

    @classmethod
    def of(cls, response: "httpx.Response") -> "_Piece":
        """Read the head; a part that is not described is all that was asked for."""
        told = CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
        if response.status_code != PART or not told:
            return cls(0, None, is_to_the_end=True)
        first, last, total = told.groups()
        size = None if total == "*" else int(total)
        return cls(int(first), size, is_to_the_end=int(last) + 1 == size)


class _Download:
    """One download: how its host is asked, and what was taken so far."""

    def __init__(
        self, transport: Transport, reach: Reach, sink: Callable[[bytes], None], cap_bytes: int
    ) -> None:
        self._transport = transport
        self._reach = reach
        self._sink = sink
        self._cap_bytes = cap_bytes
        self._headers: dict[str, str] = {}
        self._unpacker = Unpacker("")
        self._version = ""
        self._taken = self._size = 0

    async def run(self, url: str) -> Downloaded:
        """Take the audio, in pieces if its host gives no more at once."""
        response = await self._asked(url)
        self._unpacker = Unpacker(_packing(response))
        mime_type = response.headers.get("content-type", "").partition(";")[0].lower()
        is_whole = await self._pour(response)
        for _ in range(PIECES_LIMIT):
            if is_whole:
                self._end()
                return Downloaded(clean(mime_type, limit=100, lines=False), self._size)
            self._headers["Range"] = f"bytes={self._taken}-"
            is_whole = await self._pour(await self._follow(url))
        raise LibraryError("The audio's host sends it in too many pieces.")

    # Asking --------------------------------------------------------------------------------

    async def _asked(self, url: str) -> "httpx.Response":
        """Return the answer to a plain request, or to the last of those that its host wants."""
        response = await self._follow(url)
        while more := self._wanted(response):
            await response.aclose()
            self._headers.update(more)
            response = await self._follow(url)
        return response

    def _wanted(self, response: "httpx.Response") -> dict[str, str]:
        """Return headers that may lead to the whole audio, none if all of them were sent."""
        status = response.status_code
        is_part = status == PART and not _is_whole(response)
        if "Range" not in self._headers and (is_part or status in RANGE_WANTED):
            return EVERYTHING
        is_page = status in WHOLE and "text/html" in response.headers.get("content-type", "")
        if "Accept" not in self._headers and (is_page or status in REFUSALS):
            return BROWSER
        return {}

    async def _follow(self, url: str) -> "httpx.Response":
        """Return the first response that is no redirect; its body is yet to be read and closed."""
        for _ in range(REDIRECTS + 1):
            check_url(url, self._reach)
            request = new_request(url, self._headers | self._reach.headers(_parsed(url)))
            request.extensions["timeout"]["read"] = STALLS_S
            response = await self._transport.handle_async_request(request)
            if response.status_code not in REDIRECT_STATUSES:
                return response
            await response.aclose()
            url = _joined(request.url, response.headers.get("location", ""))
        raise LibraryError(f"The audio's address redirected more than {REDIRECTS} times.")

    # Taking --------------------------------------------------------------------------------

    async def _pour(self, response: "httpx.Response") -> bool:
        """Pass a body on and close it; return whether that was the end of the audio."""
        async with aclosing(response):
            if self._taken and response.status_code == NOT_SATISFIABLE:
                return True  # there is no more; no total was told
            piece = self._checked(response)
            async for chunk in as_sent(response):
                await self._take(chunk)
                if self._unpacker.is_done:
                    return True
        if self._taken == piece.start and piece.total:
            raise NotYetError("The audio's host sent an empty piece of it.")
        return piece.is_to_the_end if piece.total is None else self._taken >= piece.total

    def _checked(self, response: "httpx.Response") -> _Piece:
        """Return what a response has; raise LibraryError if that is not the next of the audio."""
        if response.status_code not in WHOLE | {PART}:
            raise _refusal(response)
        if (packing := _packing(response)) not in KNOWN_PACKINGS | {""}:
            said = clean(packing, limit=30, lines=False)
            raise LibraryError(f"The audio came packed in a way that is not known here ({said}).")
        length = response.headers.get("content-length", "")[:20]
        if length.isdecimal() and self._taken + int(length) > self._cap_bytes:
            raise self._too_long()
        piece = _Piece.of(response)
        if piece.start != self._taken:
            raise NotYetError("The audio's host sent another piece than the one it was asked for.")
        version = _version(response)
        if self._version and version and version != self._version:
            raise NotYetError("The audio was changed by its host while it was fetched.")
        self._version = version
        return piece

    async def _take(self, chunk: bytes) -> None:
        self._taken += len(chunk)
        if self._taken > self._cap_bytes:
            raise self._too_long()
        for part in self._unpacker.pieces(chunk):
            self._give(part)
            await anyio.lowlevel.checkpoint()

    def _give(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._cap_bytes:
            raise self._too_long()
        if part:
            self._sink(part)

    def _end(self) -> None:
        """Take what is left at the end; raise if there was nothing, or it breaks off."""
        try:
            self._give(self._unpacker.rest())
        except EOFError:
            raise NotYetError("The audio came packed, and breaks off in the middle.") from None
        if not self._size:
            raise NotYetError("The audio's host sent nothing.")

    def _too_long(self) -> LibraryError:
        return LibraryError(
            f"The audio has more than the {self._cap_bytes} bytes that are allowed."
        )


def _is_whole(response: "httpx.Response") -> bool:
    """Tell whether a part, as its head describes it, is all there is."""
    piece = _Piece.of(response)
    return piece.start == 0 and piece.total is not None and piece.is_to_the_end


def _packing(response: "httpx.Response") -> str:
    return packing_of(response.headers.get("content-encoding", ""))


def _version(response: "httpx.Response") -> str:
    """Return what changes when the audio is changed, "" if its host tells nothing of that."""
    return str(response.headers.get("etag") or response.headers.get("last-modified", ""))


def _refusal(response: "httpx.Response") -> NotYetError:
    """Return the error for an answer that has no audio."""
    status, wait_s = response.status_code, retry_after_s(response.headers)
    said = f"The audio's host said HTTP {status}"
    said += f": {WHY[status]}." if status in WHY else f"{REFUSED}." if status in REFUSALS else "."
    if wait_s is not None:
        said += f" It asks to wait {wait_s:.0f} s."
    return NotYetError(said, wait_s)
