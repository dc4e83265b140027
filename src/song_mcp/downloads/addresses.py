"""Which hosts of the internet a download may go to, told from a name and from its addresses.

What is not known to be public counts as not public. An address is public if the IANA registries of
special addresses do not list it. An IPv6 address that carries an IPv4 one is judged by the IPv4
address if networks route it so (IPv4-mapped, NAT64), and refused if its kind is out of use (6to4,
Teredo, ISATAP). Hosts are spelled as httpx connects to them, in lower case and ASCII, so that the
host that is checked is the one that is asked.
"""

import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import anyio

from song_mcp.errors import LibraryError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host for a TCP port; raises OSError if it has none."""
Origins = frozenset[tuple[str, int]]
"""Hosts and ports of base URLs that may be asked for audio: of those on loopback, and of services
that serve it themselves."""

MOST_ADDRESSES = 64
LONGEST_NAME = 253
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?:{LABEL}\.)+{LABEL}")
NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""A host that resolvers may read as an IPv4 address: its last part is a number, maybe in hex."""
HERE_ONLY = re.compile(
    r".*\.(?:localhost|localdomain|local|internal|intranet|lan|home|corp|home\.arpa|onion)"
)
"""Names that only have a meaning within one network (RFC 6761, 6762, 8375, 9476)."""

SPECIAL_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' networks
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # public in the registry, but in Azure the machine's own host
        "169.254.0.0/16",  # link-local, and the clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
GLOBAL_V6 = IPv6Network("2000::/3")
SPECIAL_V6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3ffe::/16",  # the first test network, returned
        "3fff::/20",  # documentation
    )
]
NAT64 = IPv6Network("64:ff9b::/96")
ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The middle of an IPv6 address that carries an IPv4 one in its last 32 bits (RFC 5214)."""
LOOPBACK_NAME = "localhost"
FORBIDDEN = "The audio's host is not on the public internet, so it was not asked."


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: str) -> bool:
    """Return whether a literal address is on the public internet."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return _is_public_v4(parsed) if isinstance(parsed, IPv4Address) else _is_public_v6(parsed)


def check_host(host: str) -> None:
    """Raise LibraryError unless `host` is a public address, or a name that may have one.

    Only the usual spelling of an address passes: octal, hexadecimal, decimal and short forms are
    refused, and so are names without a dot or with one at the end.
    """
    if ":" in host or NUMBER.fullmatch(host):
        is_good = is_public(host)
    else:
        is_name = len(host) <= LONGEST_NAME and NAME.fullmatch(host)
        is_good = bool(is_name and not HERE_ONLY.fullmatch(host))
    if not is_good:
        raise LibraryError(FORBIDDEN)


def may_be_public(host: str) -> bool:
    """Tell whether a host passes `check_host`."""
    try:
        check_host(host)
    except LibraryError:
        return False
    return True


def check_addresses(addresses: Sequence[str], *, home: str = "") -> None:
    """Raise LibraryError unless every address is public, or one that the base URL `home` means.

    That is loopback for its name, the address itself for an address, and public for another name.
    One bad address among good ones is refused: a connection may use any of them.
    """
    is_good = partial(_is_meant, home) if home else is_public
    if len(addresses) > MOST_ADDRESSES or not all(map(is_good, addresses)):
        raise LibraryError(FORBIDDEN)


def is_under(host: str, suffixes: Sequence[str]) -> bool:
    """Return whether `host` is one of `suffixes` or a name below one."""
    return any(host == suffix or host.endswith("." + suffix) for suffix in suffixes)


def _is_public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in SPECIAL_V4)


def _is_public_v6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped:
        return _is_public_v4(address.ipv4_mapped)
    if address in NAT64:
        return _is_public_v4(IPv4Address(int(address) & 0xFFFFFFFF))
    is_isatap = (int(address) >> 32) & 0xFFFFFFFF in ISATAP
    is_special = is_isatap or any(address in network for network in SPECIAL_V6)
    return address in GLOBAL_V6 and not is_special


def _is_meant(home: str, address: str) -> bool:
    """Tell whether a connection to the host of a base URL may go to this address."""
    if home == LOOPBACK_NAME:
        return _is_loopback(address)
    try:
        return ip_address(address) == ip_address(home)
    except ValueError:
        return is_public(address)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
