"""Listening on this machine alone.

No socket made here can be reached from another machine, and no other program can listen on the
same address.
"""

import ipaddress
import socket

LOOPBACK = "127.0.0.1"


class NotLoopbackError(ValueError):
    """The address to listen on could be reached from other machines."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a loopback address; `port` 0 takes any free one.

    Raises:
        NotLoopbackError: `host` is not a loopback address.
        OSError: the port is taken or not allowed.
    """
    address = _loopback(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    alone = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
    if alone is None:
        return socket.create_server((address, port), family=family)
    return _alone(socket.socket(family), alone, (address, port))


def _alone(listener: socket.socket, option: int, address: tuple[str, int]) -> socket.socket:
    """Let a socket listen where no other program can: on Windows one could, and get the keys."""
    try:
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
        listener.bind(address)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _loopback(host: str) -> str:
    address = LOOPBACK if host == "localhost" else host
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise NotLoopbackError(
        f"this listens on loopback only, not on {host!r}: use 127.0.0.1, ::1 or localhost"
    )


def host_and_port(listener: socket.socket) -> tuple[str, int]:
    """Return the host, as URLs spell it, and the port that a socket listens on."""
    address, port = listener.getsockname()[:2]
    return f"[{address}]" if ":" in address else address, port


def url(listener: socket.socket) -> str:
    """Return the base URL of what listens on this socket."""
    return "http://{}:{}".format(*host_and_port(listener))
