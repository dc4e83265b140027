"""Listening on this machine alone.

Invariant: no socket made here can be reached from another machine.
"""

import ipaddress
import socket

LOOPBACK = "127.0.0.1"


class NotLoopbackError(ValueError):
    """Others could reach an address that was to be listened on."""


def listen(host: str, port: int) -> socket.socket:
    """Give a socket that listens on a loopback address; `port` 0 takes any free one.

    Raises:
        NotLoopbackError: `host` is not a loopback address.
        OSError: the port is taken.
    """
    address = _loopback(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family)


def _loopback(host: str) -> str:
    address = LOOPBACK if host == "localhost" else host
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:
        pass
    raise NotLoopbackError(
        f"this is for loopback only, not for {host!r}: use 127.0.0.1, ::1 or localhost"
    )


def host_and_port(listener: socket.socket) -> tuple[str, int]:
    """Give where a socket listens, the host as URLs spell it."""
    address, port = listener.getsockname()[:2]
    return f"[{address}]" if ":" in address else address, port


def url(listener: socket.socket) -> str:
    """Give the base URL of what listens on this socket."""
    return "http://{}:{}".format(*host_and_port(listener))
