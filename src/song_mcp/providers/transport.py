"""Requests and connections of httpx, for services and downloads alike.

Nothing here reads the environment, follows a redirect or unpacks a body. httpx is imported on first
use: every chat starts the server, and few need it at once.
"""

import json
import logging
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ssl

    import httpx

    Transport = httpx.AsyncBaseTransport
else:
    Transport = object

CONNECT_S = 10.0
COMMON_HEADERS = {"User-Agent": "song-mcp", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class Upload:
    """A file that goes along with a POST: the field for it, its name there, and its bytes."""

    field: str
    name: str
    content: bytes


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
    upload: Upload | None = None,
) -> "httpx.Request":
    """Return a GET, or a POST of `json_body` in plain ASCII: no character can fail later.

    With an `upload` it is a form (multipart/form-data), whose fields are those of `json_body`.
    """
    import httpx

    _quieten_logs()
    timeout = httpx.Timeout(None, connect=CONNECT_S, pool=CONNECT_S).as_dict()
    extensions = {"timeout": timeout}
    if upload is not None:
        fields = {name: _in_a_form(value) for name, value in (json_body or {}).items()}
        files = {upload.field: (upload.name, upload.content)}
        own = {**COMMON_HEADERS, **headers}
        return httpx.Request(
            "POST", url, headers=own, data=fields, files=files, extensions=extensions
        )
    content = None if json_body is None else json.dumps(dict(json_body), allow_nan=False)
    kind = {} if content is None else {"Content-Type": "application/json"}
    return httpx.Request(
        "GET" if content is None else "POST",
        url,
        headers={**COMMON_HEADERS, **kind, **headers},
        content=content,
        extensions=extensions,
    )


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
