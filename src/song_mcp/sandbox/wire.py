"""Answers that fail: closed, cut short, held back, or a web page in place of JSON.

Each of them is a Starlette response, so a handler may return it in place of any other one. To close
the socket they need the connection itself, which `serve` puts into the ASGI state under
`TRANSPORT`. If there is none (an app called in-process), `Reset` raises ConnectionResetError and
`Cut` ends the body early.
"""

import asyncio
import json
import socket
import struct

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

ODD_TEXT = "\u202eSand\u200bbox\x07\ud800 "
"""What no title should have: a bidi override, a zero-width space, a bell, half a surrogate."""

TRANSPORT = "sandbox_transport"
"""Key in the ASGI scope's state: the asyncio transport of the connection."""

_NO_LINGER = struct.pack("ii", 1, 0)  # close() then sends RST and throws away what is unsent


async def _gone(receive: Receive) -> None:
    """Wait until the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def transport_of(scope: Scope) -> asyncio.Transport | None:
    """Return the connection of a request, None if the app was called without one."""
    found = scope.get("state", {}).get(TRANSPORT)
    return found if isinstance(found, asyncio.Transport) else None


class Reset(Response):
    """No answer at all: the connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Reset the connection."""
        transport = transport_of(scope)
        if transport is None:
            raise ConnectionResetError("the sandbox closed the connection without an answer")
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
        )
        transport.abort()
        await _gone(receive)


class Cut(Response):
    """The first half of another response, which promises its whole length; then the end."""

    def __init__(self, whole: Response, size: int | None = None) -> None:
        """Keep status and headers of `whole`, the content length included.

        With `size`, so many bytes are sent in place of the half.
        """
        super().__init__(bytes(whole.body), whole.status_code)
        self.raw_headers = whole.raw_headers
        self._size = len(self.body) // 2 if size is None else size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half, and hang up."""
        transport = transport_of(scope)
        half = bytes(self.body)[: self._size]
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        more = transport is not None
        await send({"type": "http.response.body", "body": half, "more_body": more})
        if transport is not None:
            transport.close()
            await _gone(receive)


class Held(Response):
    """Another response, some seconds later; nothing if the client hangs up before."""

    def __init__(self, inner: Response, seconds: float | None) -> None:
        """Hold `inner` back; None: for the time in the sandbox's rules."""
        super().__init__()
        self._inner = inner
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then send."""
        if await self._waited(scope, receive):
            await self._inner(scope, receive, send)

    async def _waited(self, scope: Scope, receive: Receive) -> bool:
        """Wait; return whether the client is still connected."""
        sandbox, transport = scope["app"].state.sandbox, transport_of(scope)
        held: set[asyncio.Transport | None] = sandbox.held
        seconds = sandbox.rules.hold_seconds if self._seconds is None else self._seconds
        held.add(transport)
        try:
            async with asyncio.timeout(seconds):
                await _gone(receive)
        except TimeoutError:
            return True
        finally:
            held.discard(transport)
        return False


class EscapedJSON(JSONResponse):
    """JSON in plain ASCII, which can hold what UTF-8 cannot: half of a surrogate pair."""

    def render(self, content: object) -> bytes:
        """Write the JSON."""
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def read_json(raw: bytes) -> object:
    """Read JSON as Go does: half of a surrogate pair becomes a question mark.

    Raises:
        ValueError: this is no JSON.
    """
    value = json.loads(raw)
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def half_of(whole: Response) -> Response:
    """Return a complete HTTP answer whose body is only the first half of another's."""
    body = bytes(whole.body)
    return Response(body[: len(body) // 2], whole.status_code, media_type="application/json")


def bad_gateway() -> Response:
    """Return the error page of a proxy that cannot reach the service."""
    title = "502 Bad Gateway"
    return HTMLResponse(
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1>"
        "</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
        status_code=502,
    )


def web_page() -> Response:
    """Return the gateway's web page, its answer (with 200) for every path without a route."""
    return HTMLResponse(
        '<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>New API</title></head>'
        '<body><noscript>You need to enable JavaScript to run this app.</noscript><div id="root">'
        "</div></body></html>"
    )
