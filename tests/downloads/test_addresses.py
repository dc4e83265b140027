"""What a public address is; sources: IANA's registries of special addresses, read 2026-11."""

import pytest

from song_mcp.downloads.addresses import (
    MOST_ADDRESSES,
    check_addresses,
    check_host,
    is_public,
    is_under,
)
from song_mcp.errors import LibraryError
from tests.faults import forbidden

PUBLIC = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "2a00:1450:4001:81c::200e",
    "::ffff:93.184.215.14",
    "64:ff9b::5db8:d70e",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_at_large_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [*forbidden.V4.values(), *forbidden.V6, *forbidden.wrapped()])
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(address)
    assert not is_public(address.replace("%25", "%"))


@pytest.mark.parametrize("address", ["", "x", "1.1.1.1 ", "01.1.1.1", "1.1.1", "１.1.1.1", "[::1]"])
def test_what_is_no_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "host", ["cdn.example", "a.b-c.example", "x_y.example", "1.example", "xn--mller-kva.example"]
)
def test_a_name_may_be_looked_up(host: str) -> None:
    check_host(host)


def test_one_bad_address_among_good_ones_is_enough() -> None:
    check_addresses(PUBLIC)
    for address in ("127.0.0.1", "::1", "fe80::1%eth0", "x"):
        with pytest.raises(LibraryError):
            check_addresses([*PUBLIC, address])


def test_a_name_with_a_crowd_of_addresses_is_refused() -> None:
    with pytest.raises(LibraryError):
        check_addresses(["1.1.1.1"] * (MOST_ADDRESSES + 1))


def test_at_localhost_every_address_is_loopback() -> None:
    check_addresses(["127.0.0.1", "::1"], home="localhost")
    for address in ("10.0.0.1", "1.1.1.1", "x"):
        with pytest.raises(LibraryError):
            check_addresses(["127.0.0.1", address], home="localhost")


@pytest.mark.parametrize("home", ["192.168.1.20", "127.0.0.1", "fd00::20"])
def test_an_address_as_home_means_itself_alone(home: str) -> None:
    check_addresses([home], home=home)
    for address in ("192.168.1.21", "127.0.0.2", "::1", "1.1.1.1", "x"):
        with pytest.raises(LibraryError):
            check_addresses([home, address], home=home)


def test_a_public_name_as_home_means_public_addresses() -> None:
    check_addresses(PUBLIC, home="music.example")
    for address in ("127.0.0.1", "192.168.1.20", "x"):
        with pytest.raises(LibraryError):
            check_addresses([*PUBLIC, address], home="music.example")


def test_a_suffix_is_whole_labels() -> None:
    assert is_under("media.example", ["media.example"])
    assert is_under("cdn.media.example", ["other.example", "media.example"])
    assert not is_under("xmedia.example", ["media.example"])
    assert not is_under("media.example.evil", ["media.example"])
