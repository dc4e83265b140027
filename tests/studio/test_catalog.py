"""What the catalog reads of a clip: all of its audio, a part, its cover, and nothing else."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

from song_mcp.clock import Clock
from song_mcp.compose import open_studio
from song_mcp.errors import InvalidRequestError, LibraryError, NotFoundError
from song_mcp.journal import Journal, NewTask
from song_mcp.settings import Settings
from song_mcp.songs import Clip, Report
from song_mcp.studio.catalog import Catalog
from tests import recordings
from tests.house import environment

SONG = recordings.mp3(2)
PNG = recordings.PNG
NEW = NewTask("piapi", "udio", "song", "", "Quay", "waltz", {})
CLIP = Clip("c1", "completed")


@dataclass
class Room:
    """A catalog whose journal has the clip `c1`, with a file of its own."""

    catalog: Catalog
    journal: Journal
    local_id: str
    file: Path

    async def keep(self, **changes: object) -> None:
        await self.journal.save_clip(self.local_id, replace(CLIP, **changes))  # type: ignore[arg-type]


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    settings = Settings(**environment(tmp_path, "http://127.0.0.1:9", keys=False))  # type: ignore[arg-type]  # by the variables' names
    file = tmp_path / "Quay.mp3"
    await anyio.Path(file).write_bytes(SONG)
    journal = Journal(settings.journal_path, Clock().now)
    local_id = (await journal.prepare(NEW, join=False)).task.local_id
    report = Report("t1", "completed", "completed", clips=(CLIP,))
    await journal.accept(local_id, NEW, "t1", report)
    async with open_studio(settings) as studio:
        room = Room(studio.catalog, journal, local_id, file)
        await room.keep(file=file, mime_type="audio/mpeg")
        yield room
    await journal.close()


async def test_parts_in_a_row_are_the_whole_file(room: Room) -> None:
    content = b""
    while len(content) < len(SONG):
        part = await room.catalog.part("quay", len(content), 5000)
        assert (part.total_bytes, part.mime_type) == (len(SONG), "audio/mpeg")
        assert 0 < len(part.content) <= 5000
        content += part.content
    assert content == SONG == (await room.catalog.audio("c1"))[0]


async def test_a_part_beyond_the_end_is_told_with_the_size(room: Room) -> None:
    with pytest.raises(LibraryError, match=f"has {len(SONG)} bytes"):
        await room.catalog.part("c1", len(SONG), 1)


@pytest.mark.parametrize(("offset", "size"), [(-1, 5), (0, 0), (0, -1)])
async def test_a_part_that_cannot_be_is_refused(room: Room, offset: int, size: int) -> None:
    with pytest.raises(InvalidRequestError, match="A part"):
        await room.catalog.part("c1", offset, size)


async def test_a_link_to_another_file_is_not_followed(room: Room, tmp_path: Path) -> None:
    other = tmp_path / "other.mp3"
    room.file.rename(other)
    room.file.symlink_to(other)
    with pytest.raises(LibraryError, match="no longer has"):
        await room.catalog.part("c1", 0, 5)


async def test_a_file_that_is_no_audio_is_not_read(room: Room) -> None:
    await anyio.Path(room.file).write_text("the diary of somebody" * 100)
    with pytest.raises(LibraryError, match="no longer audio"):
        await room.catalog.part("c1", 0, 5)


async def test_a_clip_that_was_never_saved_says_why(room: Room) -> None:
    await room.keep(file=None, save_error="The disk is full.")
    with pytest.raises(LibraryError, match="The disk is full"):
        await room.catalog.part("c1", 0, 5)


async def test_a_cover_is_told_by_its_bytes(room: Room, tmp_path: Path) -> None:
    cover = tmp_path / "Quay.jpg"
    await anyio.Path(cover).write_bytes(PNG)
    await room.keep(file=room.file, mime_type="audio/mpeg", cover=cover)
    assert await room.catalog.cover("quay") == (PNG, "image/png")


@pytest.mark.parametrize("content", [None, b"", b"<svg/>", b"\xff\xd8\xff" + bytes(5 * 2**20)])
async def test_what_is_no_picture_of_the_library_is_no_cover(
    room: Room, tmp_path: Path, content: bytes | None
) -> None:
    cover = tmp_path / "Quay.jpg"
    if content is not None:
        await anyio.Path(cover).write_bytes(content)
    await room.keep(file=room.file, mime_type="audio/mpeg", cover=cover)
    with pytest.raises(NotFoundError, match="no cover of clip c1"):
        await room.catalog.cover("c1")


async def test_a_link_is_no_cover(room: Room, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    await anyio.Path(secret).write_bytes(PNG)
    cover = tmp_path / "Quay.png"
    cover.symlink_to(secret)
    await room.keep(file=room.file, mime_type="audio/mpeg", cover=cover)
    with pytest.raises(NotFoundError, match="no cover"):
        await room.catalog.cover("c1")
