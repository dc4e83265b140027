"""Requests and connections of httpx, for services and downloads alike.

Nothing here reads the environment, follows a redirect or unpacks a body. httpx is imported on first
use: every chat starts the server, and few need it at once.
"""

import json
import logging
from base64 import b64encode
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ssl

    import httpx

    Transport = httpx.AsyncBaseTransport
else:
    Transport = object

CONNECT_S = 10.0
COMMON_HEADERS = {"User-Agent": "song-mcp", "Accept-Encoding": "identity"}
PIECE_BYTES = 3 * 64 * 1024
"""How much of a file is read at once: a multiple of three, so its base64 needs no padding."""


@dataclass(frozen=True)
class Upload:
    """A file that goes along with a POST: the field for it, its name there, and its bytes."""

    field: str
    name: str
    content: bytes


@dataclass(frozen=True)
class Inline:
    """A file that goes within a JSON body, as base64 in this field; it is never in memory."""

    field: str
    file: Path


def service_transport(
    kept: int, proxy: str = "", context: "ssl.SSLContext | None" = None
) -> Transport:
    """Return a transport that keeps `kept` idle connections, through `proxy` if one is given."""
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=kept)
    via = _proxy(proxy) if proxy else None
    return httpx.AsyncHTTPTransport(
        verify=context or tls(), trust_env=False, limits=limits, proxy=via
    )


@cache
def tls() -> "ssl.SSLContext":
    """Return the one TLS context of this process; it is shared, as reading certificates is slow."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


def new_request(
    url: str,
    headers: Mapping[str, str],
    json_body: Mapping[str, object] | None = None,
    upload: Upload | Inline | None = None,
) -> "httpx.Request":
    """Return a GET, or a POST of `json_body` in plain ASCII: no character can fail later.

    With an `Upload` it is a form (multipart/form-data), whose fields are those of `json_body`.
    Raises OSError if the file of an `Inline` cannot be read.
    """
    import httpx

    _quieten_logs()
    timeout = httpx.Timeout(None, connect=CONNECT_S, pool=CONNECT_S).as_dict()
    extensions = {"timeout": timeout}
    if isinstance(upload, Upload):
        fields = {name: _in_a_form(value) for name, value in (json_body or {}).items()}
        files = {upload.field: (upload.name, upload.content)}
        own = {**COMMON_HEADERS, **headers}
        return httpx.Request(
            "POST", url, headers=own, data=fields, files=files, extensions=extensions
        )
    content = None if json_body is None else json.dumps(dict(json_body), allow_nan=False)
    kind = {} if content is None else {"Content-Type": "application/json"}
    body: str | AsyncIterator[bytes] | None = content
    if content is not None and upload is not None:
        size = upload.file.stat().st_size
        before, after = f'{content[:-1]}, "{upload.field}": "'.encode(), b'"}'
        kind["Content-Length"] = str(len(before) + (size + 2) // 3 * 4 + len(after))
        body = _with_file(before, upload.file, size, after)
    return httpx.Request(
        "GET" if content is None else "POST",
        url,
        headers={**COMMON_HEADERS, **kind, **headers},
        content=body,
        extensions=extensions,
    )


async def _with_file(before: bytes, file: Path, size: int, after: bytes) -> AsyncIterator[bytes]:
    """Yield a body with a file in it; raises OSError if the file has become shorter meanwhile.

    Such an error is none of the network's, so a request that ended half-way is never called unsent.
    """
    yield before
    with file.open("rb") as opened:
        left = size
        while left:
            piece = opened.read(min(left, PIECE_BYTES))
            if not piece:
                raise OSError("the file has become shorter")
            left -= len(piece)
            yield b64encode(piece)
    yield after


def _in_a_form(value: object) -> str:
    """Return a value as the field of a form has it: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, allow_nan=False)


def _quieten_logs() -> None:
    """Keep httpx from logging whole URLs."""
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def as_sent(response: "httpx.Response") -> AsyncIterable[bytes]:
    """Return the body as it comes, still packed if it is packed."""
    return cast("httpx.AsyncByteStream", response.stream)  # as of every async transport


def _proxy(url: str) -> "httpx.Proxy":
    import httpx

    return httpx.Proxy(url, ssl_context=tls() if url.startswith("https:") else None)
