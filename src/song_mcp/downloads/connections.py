"""Connections for downloads: to public addresses alone.

A host's name is looked up once for a connection. Every address that it has must be public, and the
connection goes to one of these addresses, while TLS and the Host header use the name. So a name
cannot change between the check and the connection. A proxy looks up names itself; see
`MediaTransport`.

Nothing here reads the environment. This module imports httpx: it is loaded on first use.
"""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

import anyio
import httpcore
import httpx

from song_mcp.downloads.addresses import (
    Origins,
    Resolve,
    check_addresses,
    check_host,
    may_be_public,
    resolve,
)
from song_mcp.providers.transport import service_transport, tls

Connect = Callable[[str], Awaitable[httpcore.AsyncNetworkStream]]
DEFAULT_PORTS = {"http": 80, "https": 443}
ADDRESSES_TRIED = 4
PATIENCE_S = 3.0
"""How long a connection to one of several addresses may take, in seconds, before the next try."""
CONNECTION_ERRORS = (
    httpx.HTTPError,
    httpx.StreamError,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    ssl.SSLError,
    ConnectionError,
)
"""All errors that a connection can raise, made here or by httpx."""


def origin_of(url: httpx.URL) -> tuple[str, int]:
    """Return host and port, the host as it is connected to: lower case, ASCII, no brackets."""
    return url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS.get(url.scheme, 0)


class MediaTransport(httpx.AsyncBaseTransport):
    """Connects to public addresses, and to `home`, the origins of base URLs that serve audio.

    With `proxy`, everything goes through it, by name, but what of `home` is on this machine or in
    its own network. The name is looked up here too, and not asked if it has an address that is not
    public. But the proxy does its own look-up, which may find other addresses. A name that only the
    proxy knows is left to it. `resolver`, `network` and `context` replace the system's resolver,
    sockets and certificates.
    """

    def __init__(
        self,
        home: Origins = frozenset(),
        proxy: str = "",
        *,
        resolver: Resolve = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._home = home
        self._resolver = resolver
        self._proxied = service_transport(0, proxy, context) if proxy else None
        checked = _CheckedNetwork(home, resolver, network or httpcore.AnyIOBackend())
        self._direct = httpcore.AsyncConnectionPool(
            ssl_context=context or tls(), max_keepalive_connections=0, network_backend=checked
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; raises LibraryError before anything leaves to a non-public host."""
        origin = origin_of(request.url)
        is_near = origin in self._home and not may_be_public(origin[0])
        if self._proxied is None or is_near:
            return await self._ask(request, origin)
        check_host(origin[0])
        with suppress(OSError):
            check_addresses(await self._resolver(*origin))
        return await self._proxied.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._direct.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()

    async def _ask(self, request: httpx.Request, origin: tuple[str, int]) -> httpx.Response:
        host, port = origin
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=host, port=port, target=request.url.raw_path
        )
        response = await self._direct.handle_async_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, extensions=request.extensions
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))


class _Body(httpx.AsyncByteStream):
    """The body of a response, as it was sent."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Looks names up, and connects through `network` to addresses that were checked."""

    def __init__(
        self, home: Origins, resolver: Resolve, network: httpcore.AsyncNetworkBackend
    ) -> None:
        self._home = home
        self._resolver = resolver
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect within `timeout` seconds; raises LibraryError if that is not allowed."""
        try:
            with anyio.fail_after(timeout):
                addresses = await self._checked(host, port)
                connect = partial(
                    self._network.connect_tcp,
                    port=port,
                    timeout=PATIENCE_S,
                    local_address=local_address,
                    socket_options=socket_options,
                )
                return await _first(addresses, connect)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError from error

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        is_home = (host, port) in self._home
        if not is_home:
            check_host(host)
        addresses = await self._resolver(host, port)
        check_addresses(addresses, home=host if is_home else "")
        return addresses


async def _first(addresses: Sequence[str], connect: Connect) -> httpcore.AsyncNetworkStream:
    """Connect to the first of a few addresses that answers; raises OSError if none does."""
    for address in addresses[:ADDRESSES_TRIED]:
        with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
            return await connect(address)
    raise OSError
