"""The internet for one test, all of it on loopback: names, public addresses, TLS hosts."""

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.abc
import httpcore
from anyio.streams.tls import TLSStream
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
AUDIO = b"ID3" + bytes(range(256)) * 8
NAMES = ["media.example", "cdn.media.example", "other.example", "xn--mller-kva.example", PUBLIC]


@dataclass
class Network(httpcore.AsyncNetworkBackend):
    """Sockets that connect public addresses to ports on loopback, and record every connection."""

    ports: Mapping[str, int]
    connections: list[tuple[str, int]] = field(default_factory=list)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connections.append((host, port))
        if host not in self.ports:
            raise httpcore.ConnectError
        backend = httpcore.AnyIOBackend()
        return await backend.connect_tcp("127.0.0.1", self.ports[host], timeout=timeout)


@dataclass
class Resolver:
    """Returns the addresses of `names`, and reads literal addresses in all forms that systems read.

    If a name has several lists, each look-up returns the next one, and then always the last.
    """

    names: Mapping[str, Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host in self.names:
            turns = self.names[host]
            return turns[min(self.asked.count(host), len(turns)) - 1]
        found = socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
        return [str(address[0]) for *_, address in found]


@dataclass
class Host:
    """A server on loopback: answers each request with `reply`, and records what it was sent.

    `names` are those that TLS clients asked for.
    """

    reply: Callable[[bytes], bytes]
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    names: list[str | None] = field(default_factory=list)

    async def accept(self, stream: anyio.abc.ByteStream) -> None:
        self.connections += 1
        await self.handle(stream)

    async def accept_tls(self, stream: anyio.abc.ByteStream) -> None:
        self.connections += 1
        async with stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError):
                wrapped = await TLSStream.wrap(
                    stream,
                    server_side=True,
                    ssl_context=server_context(self.names.append),
                    standard_compatible=False,
                )
                await self.handle(wrapped)

    async def handle(self, stream: anyio.abc.ByteStream) -> None:
        async with stream:
            request = b""
            async for chunk in stream:
                request += chunk
                if is_whole(request):
                    self.received.append(request)
                    await stream.send(self.reply(request))
                    return
            self.received.append(request)


def is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return False
    lengths = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    return len(body) >= sum(lengths)


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Return a whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def audio(_: bytes) -> bytes:
    return answer(200, AUDIO, "Content-Type: audio/mpeg")


@asynccontextmanager
async def open_hosts(*hosts: Host, tls: bool = False) -> AsyncIterator[None]:
    """Let the hosts listen on loopback; with `tls`, under the names of NAMES."""
    async with AsyncExitStack() as open_listeners, anyio.create_task_group() as tasks:
        for host in hosts:
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
            await open_listeners.enter_async_context(listener)
            host.port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django
            tasks.start_soon(listener.serve, host.accept_tls if tls else host.accept)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


def server_context(on_name: Callable[[str | None], None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: on_name(name)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "host.pem"
        path.write_bytes(b"".join(certificate()))
        context.load_cert_chain(path)
    return context


def client_context() -> ssl.SSLContext:
    """Trust the certificates of this module's hosts alone."""
    return ssl.create_default_context(cadata=certificate()[1].decode())


@cache
def certificate() -> tuple[bytes, bytes]:
    """Return a key and a certificate for NAMES, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(_alternatives()), critical=False)
    )
    signed = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, signed.public_bytes(serialization.Encoding.PEM)


def _alternatives() -> list[x509.GeneralName]:
    addresses = [x509.IPAddress(ipaddress.ip_address(PUBLIC))]
    return [*addresses, *(x509.DNSName(name) for name in NAMES if name != PUBLIC)]
