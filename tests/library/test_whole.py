"""The file of a song that was joined: whole, tagged, and made once."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from mutagen.mp3 import MP3

from song_mcp.errors import LibraryError
from song_mcp.library import store
from song_mcp.library.names import key_of
from song_mcp.library.store import Library
from song_mcp.songs import Clip, Task
from tests import decoding, recordings

TASK = Task("l1", "gptge", "suno-v5", "extension", "completed", datetime(2026, 11, 22, tzinfo=UTC))
WHOLE = Clip("c2\0whole", "completed", title="Quay (whole)", lyrics="one\n\ntwo")
NAME = f"Quay whole {key_of(TASK, WHOLE)[:8]}.mp3"
FIRST, SECOND = decoding.mp3(1.5, 1), decoding.mp3(1.0, 2)


async def no_download(url: str, sink: object, *, cap_bytes: int) -> None:
    raise AssertionError(url)


class Room:
    """A library with the files of two parts."""

    def __init__(self, folder: Path, *, cap_bytes: int = 2**20) -> None:
        self.library = Library(folder, no_download, cap_bytes=cap_bytes)
        self.folder = folder
        folder.mkdir()
        self.parts = [
            (self.kept("First", FIRST), 1.0),
            (self.kept("Second", SECOND), None),
        ]

    def kept(self, name: str, content: bytes, extension: str = ".mp3") -> Clip:
        file, cover = self.folder / f"{name}{extension}", self.folder / f"{name}.png"
        file.write_bytes(content)
        cover.write_bytes(recordings.PNG)
        return Clip(name, "completed", file=file, cover=cover)

    async def join(self) -> store.Saved:
        return await self.library.join(TASK, WHOLE, self.parts)

    def wholes(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if "whole" in path.name]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "library")


async def test_the_whole_is_a_tagged_file_with_a_cover(room: Room) -> None:
    saved = await room.join()
    assert saved.file == room.folder / NAME
    assert saved.duration_s == pytest.approx(2.0, abs=0.1)
    assert saved.cover is not None
    assert saved.cover.read_bytes() == recordings.PNG
    assert decoding.packets(saved.file.read_bytes())[:30] == decoding.packets(FIRST)[:30]
    tags = MP3(saved.file)  # type: ignore[no-untyped-call]
    assert str(tags["TIT2"]) == "Quay (whole)"
    assert tags["UFID:song-mcp"].data.decode() == key_of(TASK, WHOLE)
    assert tags["APIC:"].data == recordings.PNG


async def test_the_whole_is_joined_once(room: Room) -> None:
    saved = await room.join()
    for clip, _ in room.parts:
        assert clip.file is not None
        clip.file.unlink()
    assert (await room.join()).file == saved.file
    assert len(room.wholes()) == 2  # the song and its cover


async def test_of_several_joins_at_once_one_file_comes(room: Room) -> None:
    found: list[Path] = []

    async def join() -> None:
        found.append((await room.join()).file)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(join)
    assert found == [room.folder / NAME] * 5
    assert len(room.wholes()) == 2


async def test_a_whole_without_a_tag_is_one_file_too(room: Room) -> None:
    wav = recordings.wav(0.2)
    room.parts = [(room.kept(name, wav, ".wav"), None) for name in ("a", "b")]
    files = {(await room.join()).file for _ in range(2)}
    assert [file.suffix for file in files] == [".wav"]


async def test_a_whole_that_was_removed_is_joined_anew(room: Room) -> None:
    content = (await room.join()).file.read_bytes()
    (room.folder / NAME).unlink()
    assert (await room.join()).file.read_bytes() == content


async def test_a_part_whose_file_is_gone_is_named(room: Room) -> None:
    (room.folder / "First.mp3").unlink()
    with pytest.raises(LibraryError, match=r"File 'First.mp3' of clip First is gone"):
        await room.join()
    assert room.wholes() == []


async def test_a_part_that_cannot_be_joined_is_named_with_its_file(room: Room) -> None:
    room.parts[1] = (room.kept("Other", decoding.mp3(1.0, rate=48_000)), None)
    with pytest.raises(LibraryError, match=r"'Other.mp3' \(clip Other\) is MPEG 1, 48000 Hz"):
        await room.join()
    assert room.wholes() == []


async def test_parts_that_are_too_large_together_are_not_read(tmp_path: Path) -> None:
    room = Room(tmp_path / "small", cap_bytes=len(FIRST) + len(SECOND) - 1)
    with pytest.raises(LibraryError, match=r"more than .* bytes .* together"):
        await room.join()
    assert room.wholes() == []
    room = Room(tmp_path / "large", cap_bytes=len(FIRST) + len(SECOND))
    await room.join()


async def test_without_a_cover_there_is_none(room: Room) -> None:
    room.parts = [(replace(clip, cover=None), until_s) for clip, until_s in room.parts]
    assert (await room.join()).cover is None


async def test_nothing_is_left_of_a_join_that_fails(room: Room) -> None:
    """Every name that the whole may have is taken by something else."""
    key = key_of(TASK, WHOLE)
    for length in (8, 16, 32, 52):
        (room.folder / f"Quay whole {key[:length]}.mp3").write_bytes(b"mine")
    before = set(room.folder.iterdir())
    with pytest.raises(LibraryError, match="is taken"):
        await room.join()
    assert set(room.folder.iterdir()) == before
