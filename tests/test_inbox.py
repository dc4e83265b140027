"""The inbox: audio that came within an answer, until the library has it."""

import errno
import os
import stat
from io import FileIO
from pathlib import Path

import pytest

from song_mcp.errors import LibraryError
from song_mcp.inbox import Inbox, is_link
from tests.held_open import as_on_windows

MIB = 2**20


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "home" / "inbox", cap_bytes=MIB)


def received(inbox: Inbox, name: str, *pieces: bytes) -> str:
    incoming = inbox.receive(name)
    for piece in pieces:
        incoming.write(piece)
    return incoming.keep()


async def content(inbox: Inbox, link: str, cap_bytes: int = MIB) -> bytes:
    sink = bytearray()
    await inbox.fetch(link, sink.extend, cap_bytes=cap_bytes)
    return bytes(sink)


async def test_what_is_kept_is_read_by_its_link(inbox: Inbox) -> None:
    link = received(inbox, "local-1", b"ab", b"cd")
    assert is_link(link)
    assert inbox.link("local-1") == link
    assert await content(inbox, link) == b"abcd"


def test_a_file_and_its_folder_are_for_the_user_alone(inbox: Inbox) -> None:
    received(inbox, "local-1", b"ab")
    assert stat.S_IMODE(inbox.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((inbox.folder / "local-1").stat().st_mode) == 0o600


def test_a_file_that_is_still_being_received_has_no_link(inbox: Inbox) -> None:
    incoming = inbox.receive("local-1")
    incoming.write(b"ab")
    assert inbox.link("local-1") == ""
    assert inbox.names() == ["local-1"]
    incoming.discard()
    assert inbox.names() == []


def test_the_bytes_are_on_the_disk_before_the_file_has_its_name(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append("synced")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        done.append("named")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    assert received(inbox, "local-1", b"ab")
    assert done == ["synced", "named", "synced"]  # the bytes, the name, the folder


def test_what_was_kept_stays_when_the_rest_is_discarded(inbox: Inbox) -> None:
    incoming = inbox.receive("local-1")
    incoming.write(b"ab")
    assert incoming.keep()
    incoming.discard()
    assert inbox.link("local-1")


def test_more_than_the_cap_is_not_kept_and_says_so(inbox: Inbox) -> None:
    incoming = inbox.receive("local-1")
    incoming.write(bytes(MIB))
    incoming.write(b"x")
    incoming.write(b"x")
    assert incoming.keep() == ""
    assert incoming.fault == f"it has more than {MIB} bytes (SONG_MCP_CLIP_BYTES)"
    assert inbox.names() == []


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "has no room left"), (errno.EIO, "cannot be written")]
)
def test_a_disk_that_fails_is_named_and_leaves_nothing(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    incoming = inbox.receive("local-1")
    incoming.write(b"ab")

    def failing(_self: FileIO, _data: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("song_mcp.inbox._pour", failing)
    incoming.write(b"cd")
    incoming.write(b"ef")
    assert incoming.keep() == ""
    assert said in incoming.fault
    assert str(inbox.folder) in incoming.fault
    assert inbox.names() == []


def test_a_folder_that_cannot_be_made_is_a_fault_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    incoming = Inbox(tmp_path / "file" / "inbox", cap_bytes=MIB).receive("local-1")
    incoming.write(b"ab")
    assert incoming.keep() == ""
    assert "cannot be written" in incoming.fault


def test_nothing_at_all_is_not_kept(inbox: Inbox) -> None:
    incoming = inbox.receive("local-1")
    assert incoming.keep() == ""
    assert incoming.fault == "it was empty"


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a\0b", "x" * 101])
async def test_no_name_leads_out_of_the_folder(inbox: Inbox, name: str) -> None:
    link = received(inbox, name, b"ab")
    assert link.removeprefix("inbox:") != name
    assert await content(inbox, link) == b"ab"
    assert inbox.link(name) == ""
    with pytest.raises(LibraryError, match="no longer in the inbox"):
        await content(inbox, f"inbox:{name}")


async def test_a_file_that_is_gone_or_a_symlink_is_not_there(inbox: Inbox, tmp_path: Path) -> None:
    link = received(inbox, "local-1", b"ab")
    inbox.remove("local-1")
    assert inbox.link("local-1") == ""
    with pytest.raises(LibraryError, match="no longer in the inbox"):
        await content(inbox, link)
    (tmp_path / "secret").write_bytes(b"secret")
    (inbox.folder / "local-1").symlink_to(tmp_path / "secret")
    with pytest.raises(LibraryError, match="no longer in the inbox"):
        await content(inbox, link)


async def test_a_file_is_not_read_beyond_what_may_be_read(inbox: Inbox) -> None:
    link = received(inbox, "local-1", bytes(101))
    with pytest.raises(LibraryError, match="more than 100 bytes"):
        await content(inbox, link, cap_bytes=100)


def test_a_file_of_a_dead_process_is_listed_and_removed(inbox: Inbox) -> None:
    received(inbox, "local-2", b"ab")
    (inbox.folder / "local-1.part").write_bytes(b"ab")
    assert inbox.names() == ["local-1", "local-2"]
    inbox.remove("local-1")
    inbox.remove("local-2")
    assert inbox.names() == []


@pytest.mark.parametrize("name", ["CON", "nul", "Com1", "LPT9", "aux"])
def test_no_file_has_the_name_of_a_device(inbox: Inbox, name: str) -> None:
    link = received(inbox, name, b"ab")
    assert link.removeprefix("inbox:") != name
    assert inbox.names() == [link.removeprefix("inbox:")]


async def test_a_file_that_another_program_looks_into_is_kept_when_it_is_free(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_on_windows(monkeypatch)
    incoming = inbox.receive("local-1")
    incoming.write(b"ab")
    looked_into = (inbox.folder / "local-1.part").open("rb")
    monkeypatch.setattr("time.sleep", lambda _: looked_into.close())
    assert await content(inbox, incoming.keep()) == b"ab"


def test_a_file_that_another_program_holds_is_named_and_nothing_is_lost_later(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_on_windows(monkeypatch)
    incoming = inbox.receive("local-1")
    incoming.write(b"ab")
    with (inbox.folder / "local-1.part").open("rb"):
        assert incoming.keep() == ""
        assert "cannot be written" in incoming.fault
    inbox.remove("local-1")
    assert inbox.names() == []


async def test_no_symlink_is_read_where_the_system_cannot_refuse_one(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_on_windows(monkeypatch)
    received(inbox, "local-1", b"ab")
    (tmp_path / "secret").write_bytes(b"secret")
    (inbox.folder / "local-2").symlink_to(tmp_path / "secret")
    with pytest.raises(LibraryError, match="no longer in the inbox"):
        await content(inbox, "inbox:local-2")
    assert await content(inbox, "inbox:local-1") == b"ab"
