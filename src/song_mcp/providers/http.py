"""Talking to a service over HTTP, with its key; httpx is imported on first use, not at start.

The promise of the money path: a POST is repeated only if no byte of it can have left. The only
proof of that is a connection that was never made (`docs/providers.md` 4.2). Therefore each paid
request gets a fresh connection: on a pooled one, a server that hung up cannot be told from a lost
reply. And requests go to httpx's transport, not to its client: the client looks at redirects even
if it does not follow them, and fails on odd ones as if nothing had left. What is not proven unsent
is in doubt.

The key goes only to the base URL's own origin: a path is put behind it with a slash, and no
redirect is followed. A body is unpacked here and not by httpx, which unpacks all that one read
returns, to a thousand times its size. So little more than `BODY_CAP_BYTES` is ever in memory,
however the body was packed.

No message holds an address, a header, a key or an exception's own text. Times are seconds.
"""

import json
import re
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import anyio
import anyio.to_thread

from song_mcp.errors import Charged, NoAnswerError, NotSentError
from song_mcp.providers.transport import (
    CONNECT_S,
    Inline,
    Transport,
    Upload,
    as_sent,
    new_request,
    service_transport,
)
from song_mcp.providers.waits import http_date, retry_after_s
from song_mcp.songs import Service
from song_mcp.text import clean

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

HIGHEST_PORT = 65_535
READ_S = 20.0
LATE_S = 1.0
"""How long, in seconds, what is there may still be read after a deadline has ended."""
RETRY_PAUSES_S = (0.3, 1.0)
RETRY_NEEDS_S = 2 * CONNECT_S + 5.0  # a deadline that strikes while connecting looks like a doubt
BODY_CAP_BYTES = 4 * 1024 * 1024
VALUES_CAP = 250_000
EVENTS = re.compile(r"\s*(?:data|event|id|retry)?:")
"""How server-sent events begin."""
EVENT = re.compile(r"^data: ?([\[{].*)$", re.MULTILINE)
EVENTS_CAP = 200_000
"""In how many characters of server-sent events JSON is looked for."""
"""How many commas and opening brackets a body may have. Fifty songs with their lyrics, the most
that is asked for at once, have some ten thousand."""
PIECE_BYTES = 64 * 1024
LARGE_BYTES = 32 * 1024
"""A larger body is read in a thread; a song with two clips has some 5 kB."""
LONGEST_WHOLE, LONGEST_READ = 400, 4_300
"""How many digits a whole number may have, which are more than the largest double has; and with how
many more a body is still JSON."""
READERS = 2
"""How many large bodies are read at once."""
EXCERPT = 300
PAGE = 4_000
"""How many characters of a page are kept, to know who wrote it."""
SHORTEST_SECRET = 4
"""How long a secret must be to be replaced: shorter ones would garble ordinary words."""

ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>]+"  # a URL
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"  # IPv4, with or without port
    r"|\[[0-9a-f:.%]*:[0-9a-f:.%]*\](?::\d+)?"  # IPv6, as Go writes it
    r"|(?<=lookup )[^\s:]+",  # Go's resolver
    re.IGNORECASE,
)
CHANNEL_ID = re.compile(r"((?:channel|渠道)\s*(?:id)?\s*[:#：]\s*#?)\d+", re.IGNORECASE)  # noqa: RUF001

UNUSABLE = "its base URL, the key or the request cannot be used"
Purpose = Literal["pay", "look"]
Json = Mapping[str, object]
DOUBT_ADVICE = (
    "Call resolve_task with check, which pays nothing; do not repeat the request, which may have "
    "been accepted and charged."
)
"""What a message says of a submission that may have been accepted."""
LOST_LOOK = "Looking changes and costs nothing: ask again in a while."


def doubt_advice(service: Service) -> str:
    """Return what a message says of a submission to this service that may have been accepted.

    Where nothing can be looked up, what to do depends on whether it costs anything, so whoever
    knows that says it.
    """
    return "" if service.answers_with_audio else DOUBT_ADVICE


class Sieve(Protocol):
    """Takes out of an answer, while it comes, what is too large to be held."""

    @property
    def limit(self) -> int:
        """How many bytes of the answer are read at most."""
        ...

    def take(self, data: bytes, /) -> bytes:
        """Take the next piece; return what of it is left in the answer."""
        ...

    def end(self) -> bytes:
        """Return what is still left, when the answer has ended."""
        ...


@dataclass(frozen=True)
class Bulk:
    """What of one exchange is never in memory: a file that is sent, and what a sieve takes out."""

    upload: Upload | Inline | None = None
    sieve: Sieve | None = None


NO_BULK = Bulk()


@dataclass(frozen=True)
class Reply:
    """What a service sent, whatever its status: `body` is the decoded JSON, None if it is not JSON.

    `text` is the cleaned start of what is not JSON, and `page` more of it, which is shown nowhere.
    `retry_after_s` is 0 to 120 or None. `sent` is the body that this answers, whose words it may
    repeat; it is empty for a GET. `size` is that of the reply's body in bytes. `date` is the
    time by the service's clock, if it tells it.
    """

    status: int
    body: object
    text: str
    retry_after_s: float | None
    is_json: bool
    sent: Json = field(default_factory=dict, compare=False)
    size: int = field(default=0, compare=False)
    page: str = field(default="", compare=False)
    date: datetime | None = field(default=None, compare=False)


async def unhurried(work: Callable[[], T], size: int) -> T:
    """Return what `work` makes of a body of so many bytes; a large one keeps nobody waiting.

    It is read in a thread of its own: a service decides how long that takes, and the event loop
    serves every other song and client meanwhile. Few are read at once, as each takes memory.
    """
    if size <= LARGE_BYTES:
        return work()
    return await anyio.to_thread.run_sync(work, limiter=_readers())


@cache
def _readers() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(READERS)


class ServiceHttp:
    """One service: its base URL, its headers, and separate connections for paying and for looking.

    `redact` hides the `secrets`. Transports and their TLS context are made on first use, and go
    through `proxy` if one is given. `pause` is awaited, with seconds, before a POST that never left
    is tried again.
    """

    def __init__(  # noqa: PLR0913 - a service, and the four ways in which tests and settings vary it
        self,
        service: Service,
        base_url: str,
        headers: Mapping[str, str],
        secrets: Sequence[str],
        transport: Transport | None = None,
        *,
        proxy: str = "",
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._service = service
        self._base_url = base_url.rstrip("/")
        self._headers = headers
        self._secrets = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        self._transport = transport
        self._proxy = proxy
        self._pause = pause
        self._transports: dict[Purpose, Transport] = {}

    async def post(
        self,
        path: str,
        json_body: Json,
        deadline_s: float,
        upload: Upload | Inline | None = None,
        sieve: Sieve | None = None,
    ) -> Reply:
        """Make one paid POST, in at most `deadline_s` seconds altogether.

        An `upload` goes along, in a form or within the JSON. A `sieve` is passed the answer's body.
        Raises NotSentError if no byte left, also in two more attempts, and NoAnswerError if the
        service may have received it: then it is never repeated.
        """
        ends_at, bulk = anyio.current_time() + deadline_s, Bulk(upload, sieve)
        for pause_s in RETRY_PAUSES_S:
            try:
                return await self._pay(path, json_body, ends_at, bulk)
            except NotSentError:
                if ends_at - anyio.current_time() < pause_s + RETRY_NEEDS_S:
                    raise
            await self._pause(pause_s)
        return await self._pay(path, json_body, ends_at, bulk)

    async def get(self, path: str, deadline_s: float = READ_S) -> Reply:
        """Look once, without a retry; raises NotSentError or NoAnswerError, which cost nothing."""
        return await self._exchange("look", path, None, deadline_s)

    async def post_read(self, path: str, json_body: Json, deadline_s: float = READ_S) -> Reply:
        """Look once by a POST that is free (`docs/providers.md` 3.6); raises as `get` does."""
        return await self._exchange("look", path, json_body, deadline_s)

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            await transport.aclose()

    def redact(self, text: str) -> str:
        """Return `text` on one line without key and addresses (`docs/providers.md` 3.3, 4.5)."""
        text = clean(text, limit=5_000, lines=False)
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return CHANNEL_ID.sub(r"\1[id]", ADDRESS.sub("[address]", text))

    async def _pay(self, path: str, json_body: Json, ends_at: float, bulk: Bulk) -> Reply:
        left_s = max(0.0, ends_at - anyio.current_time())
        return await self._exchange("pay", path, json_body, left_s, bulk)

    async def _exchange(
        self,
        purpose: Purpose,
        path: str,
        json_body: Json | None,
        deadline_s: float,
        bulk: Bulk = NO_BULK,
    ) -> Reply:
        """Send one request and read the whole reply; each failure becomes an error of ours."""
        transport, request = self._built(purpose, path, json_body, bulk.upload)
        response = None

        async def exchange() -> Reply:
            nonlocal response
            response = await transport.handle_async_request(request)
            return replace(await self._reply(response, bulk.sieve), sent=json_body or {})

        try:
            return await _in_time(exchange, deadline_s)
        except TimeoutError:
            raise self._lost(purpose, f"no answer within {deadline_s:.0f} s") from None
        except Exception as error:  # noqa: BLE001 - what is not known as unsent is in doubt
            if response is None and (reason := _why_unsent(error)):
                raise self._unsent(reason) from None
            raise self._lost(purpose, "the connection broke before the answer was there") from None

    def _built(
        self,
        purpose: Purpose,
        path: str,
        json_body: Json | None,
        upload: Upload | Inline | None,
    ) -> "tuple[Transport, httpx.Request]":
        """Return transport and request, a GET if there is no body; sends nothing."""
        import httpx

        try:
            if purpose not in self._transports:
                kept = 0 if purpose == "pay" else 5
                opened = self._transport or service_transport(kept, self._proxy)
                self._transports[purpose] = opened
            path = "/" + path.removeprefix("/")  # no path can become part of the host
            request = new_request(self._base_url + path, self._headers, json_body, upload)
        except (httpx.InvalidURL, ValueError, TypeError, OSError):
            raise self._unsent(UNUSABLE) from None
        if (request.url.port or 0) > HIGHEST_PORT:
            raise self._unsent(UNUSABLE)
        return self._transports[purpose], request

    async def _reply(self, response: "httpx.Response", sieve: Sieve | None) -> Reply:
        try:
            content = await (_read(response) if sieve is None else _sifted(response, sieve))
        finally:
            await response.aclose()
        is_json, body = await unhurried(partial(decoded, content), len(content))
        start = "" if is_json else content[: PAGE * 4].decode("utf-8", "replace")
        page = clean(self.redact(start), limit=PAGE, lines=False)
        return Reply(
            status=response.status_code,
            body=body,
            text=clean(page, limit=EXCERPT, lines=False),
            retry_after_s=retry_after_s(response.headers),
            is_json=is_json,
            size=len(content),
            page=page,
            date=http_date(response.headers.get("date", "")),
        )

    def _unsent(self, reason: str) -> NotSentError:
        return NotSentError(
            f"{self._service.label} could not be reached ({reason}). Nothing was sent or charged. "
            f"Check the network or {self._service.base_url_variable}, then ask again."
        )

    def _lost(self, purpose: Purpose, reason: str) -> NoAnswerError:
        said = f"{self._service.label} gave no usable answer ({reason})."
        advice = doubt_advice(self._service) if purpose == "pay" else LOST_LOOK
        charged: Charged = "unknown" if purpose == "pay" else "no"
        return NoAnswerError(f"{said} {advice}".rstrip(), charged=charged)


async def _in_time(work: Callable[[], Awaitable[T]], deadline_s: float) -> T:
    """Return what `work` returns; raises what it raises, or TimeoutError after the deadline.

    To a process that was paused, the end of a deadline and the answer that came meanwhile are there
    at once. So it is cancelled only `LATE_S` after the end was noticed: what is there is read.
    """
    results: list[T] = []
    errors: list[Exception] = []

    async def run() -> None:
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)
        both.cancel_scope.cancel()

    async with anyio.create_task_group() as both:
        both.start_soon(run)
        await anyio.sleep(deadline_s)
        await anyio.sleep(LATE_S)
        both.cancel_scope.cancel()
    for error in errors:
        raise error
    if not results:
        raise TimeoutError
    return results[0]


def _why_unsent(error: Exception) -> str:
    """Return why no byte of the request can have left, or "" if that is not certain.

    httpcore raises a local protocol error only while it builds the head of the request.
    """
    import httpx

    reasons = (
        ((httpx.ConnectTimeout,), f"no connection within {CONNECT_S:.0f} s"),
        ((httpx.ConnectError,), "connection refused or no network"),
        ((httpx.ProxyError,), "the proxy of SONG_MCP_PROXY refused to connect"),
        ((httpx.PoolTimeout,), "too many requests of our own at once"),
        ((httpx.UnsupportedProtocol, httpx.LocalProtocolError), UNUSABLE),
    )
    return next((reason for kinds, reason in reasons if isinstance(error, kinds)), "")


async def _read(response: "httpx.Response") -> bytes:
    """Return the unpacked body, or nothing if it is too long, packed or unpacked.

    Returns nothing either if it is packed in a way that is not in PACKINGS: we asked for none.
    """
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in PACKINGS:
        return b""
    unpacker = PACKINGS[packing]()
    content, taken = bytearray(), 0
    async for chunk in as_sent(response):
        taken += len(chunk)
        content += unpacker.decompress(chunk, BODY_CAP_BYTES + 1 - len(content))
        if max(taken, len(content)) > BODY_CAP_BYTES:
            return b""
        if unpacker.eof:
            break
    return bytes(content)


async def _sifted(response: "httpx.Response", sieve: Sieve) -> bytes:
    """Return what the sieve leaves of the unpacked body, or nothing as `_read` does."""
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in PACKINGS:
        return b""
    unpacker = PACKINGS[packing]()
    content, taken = bytearray(), 0
    async for chunk in as_sent(response):
        for piece in _unpacked(unpacker, chunk):
            taken += len(piece)
            content += sieve.take(piece)
            if taken > sieve.limit or len(content) > BODY_CAP_BYTES:
                return b""
        if unpacker.eof:
            break
    return bytes(content + sieve.end())


def _unpacked(unpacker: "_Unpacker", chunk: bytes) -> Iterator[bytes]:
    """Yield a chunk unpacked, in pieces: a small one may unpack to a thousand times its size."""
    while chunk:
        yield unpacker.decompress(chunk, PIECE_BYTES)
        chunk = unpacker.unconsumed_tail


class _Unpacker(Protocol):
    """What zlib returns: it unpacks at most `max_length` bytes at once, and knows the end."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _AsIs:
    """Unpacks what is not packed."""

    eof = False
    unconsumed_tail = b""

    def decompress(self, data: bytes, _max_length: int, /) -> bytes:
        return data


def _zlib() -> _Unpacker:
    return zlib.decompressobj(zlib.MAX_WBITS | 32)  # zlib's own format or gzip, by the first bytes


PACKINGS: Mapping[str, Callable[[], _Unpacker]] = {
    "": _AsIs,
    "identity": _AsIs,
    "gzip": _zlib,
    "x-gzip": _zlib,
    "deflate": _zlib,
}


def decoded(content: bytes) -> tuple[bool, object]:
    """Return whether this is JSON, and its value; NaN, Infinity and endless nesting are not.

    Nor are endless numbers, and what may have far too many values: nothing else runs while JSON is
    read. Of server-sent events the first that is JSON counts.
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > VALUES_CAP:
        return False, None
    try:
        text = content.decode("utf-8-sig")
    except ValueError:
        return False, None
    told = [text] if not EVENTS.match(text) else EVENT.findall(text, 0, EVENTS_CAP)
    for each in told:
        with suppress(ValueError, RecursionError):
            return True, json.loads(each, parse_constant=_refuse_constant, parse_int=_whole)
    return False, None


def _whole(digits: str) -> int | None:
    """Return a whole number; a longer one is not known, as reading it takes long.

    Raises ValueError for one that Python would not read at all.
    """
    if len(digits) > LONGEST_READ:
        raise ValueError(digits[:LONGEST_WHOLE])
    return int(digits) if len(digits) <= LONGEST_WHOLE else None


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
