"""Files made to cost time and memory cost little of both, whatever they say of themselves."""

import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import FrameType

import anyio
import pytest

from song_mcp.errors import LibraryError
from song_mcp.library import formats
from song_mcp.library.keys import clip_key
from song_mcp.library.lengths import measured_s
from song_mcp.library.mending import mended
from song_mcp.library.pictures import picture_format
from song_mcp.library.store import Library
from song_mcp.library.tags import Tags, tagged
from song_mcp.songs import LONGEST_CLIP_S
from tests import recordings
from tests.faults import crafted_files
from tests.faults.crafted_files import MIB, CraftedFile, files
from tests.faults.names import AUDIO, CLIP, TASK, Web
from tests.faults.scale import SCALE, report
from tests.limits import HANGS_S

TAGS = Tags("Quay", "udio", "song-mcp", "la", "waltz", "k" * 52, recordings.PNG)
CALLS_LIMIT = 1_500_000
"""The most calls of functions that one file may cause, however large it is."""
COPIES, MORE_BYTES = 3, 16 * MIB
"""The most memory that a file may fill: so many copies of it, and so many bytes."""
LONGEST = "FLAC of titles behind other comments, 4.9 MiB"
KEPT = {
    "AIFF of empty chunks after the sound, 1 MiB",
    "AIFF with an ID3 tag of empty frames, 1 MiB",
    "AAC of empty frames, 1 MiB",
    "WebM of clusters, 1 MiB",
    "MP3 behind the beginnings of frames, 1 MiB",
    "MP3 behind fours of frames, 1 MiB",
    "MP3 behind zeros, 64 KiB",
    "FLAC of empty comments, 1 MiB",
    "FLAC of titles behind other comments, 1 MiB",
    "FLAC with a table of places, 1 MiB",
    "FLAC with one picture, 1 MiB",
    "M4A of empty boxes, 1 MiB",
    "M4A of tags of one name, 1 MiB",
    "M4A of nested lists, 1 MiB",
    "M4A with a table of offsets, 1 MiB",
    "MP3 with empty frames in its tag, 1 MiB",
    "MP3 with packed frames, 1 MiB",
    "MP3 with an APE tag of many items, 1 MiB",
    "Opus of empty comments, 1 MiB",
    "Vorbis of comments of one name, 1 MiB",
    "WAV of empty chunks after the sound, 1 MiB",
}
"""Songs that can be played: each is kept, and together they cost the others little time."""


class TooMuchWorkError(Exception):
    pass


@dataclass
class Work:
    """What was done: calls of functions, those in C too, and bytes that were in use at once."""

    calls: int = 0
    peak: int = 0


@contextmanager
def counted() -> Iterator[Work]:
    """Count the work of this thread; ends it by TooMuchWorkError at the limit."""
    work = Work()

    def count(_: FrameType, event: str, __: object) -> None:
        work.calls += event.endswith("call")
        if work.calls > CALLS_LIMIT:
            sys.setprofile(None)
            raise TooMuchWorkError(work)

    tracemalloc.start()
    sys.setprofile(count)
    try:
        yield work
    finally:
        sys.setprofile(None)
        work.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def handle(file: CraftedFile) -> tuple[bytes, float | None] | None:
    """Do with a file what the library does; returns what it keeps, and how long that plays."""
    if file.kind == "cover":
        return (file.data, None) if picture_format(file.data) else None
    audio = mended(file.data)
    try:
        kind = formats.recognise(BytesIO(audio))
    except LibraryError:
        return None
    content = tagged(audio, kind, TAGS) or audio
    assert clip_key(BytesIO(content), kind) in {"", TAGS.clip_key}
    return content, measured_s(BytesIO(content), kind)


def test_crafted_files_are_some_two_hundred_and_the_same_each_time() -> None:
    seen = [(file.name, len(file.data)) for file in files()]
    assert len({name for name, _ in seen}) == len(seen) > 200
    assert max(size for _, size in seen) < 6 * MIB
    first, again = ([*files(wanted=lambda name: "spoiled" in name)] for _ in range(2))
    assert first == again


def chosen() -> Iterator[CraftedFile]:
    """Yield all files at full size; otherwise those that are kept, and those of one size."""
    return files(
        wanted=lambda name: SCALE >= 1 or name in KEPT or not name.endswith(("KiB", "MiB"))
    )


@pytest.mark.at_size
def test_what_a_crafted_file_costs_does_not_grow_with_what_is_in_it() -> None:
    """Honest songs beside it, and the end of the server, wait for no more than this."""
    worst, kept = Work(), set()
    for file in chosen():
        with counted() as work:
            result = handle(file)
        worst = Work(max(worst.calls, work.calls), max(worst.peak, work.peak))
        assert work.peak <= COPIES * len(file.data) + MORE_BYTES, file.name
        if result is not None:
            kept.add(file.name)
            length = result[1]
            assert length is None or 0 < length <= LONGEST_CLIP_S, file.name
    report(f"crafted files: {worst.calls:,} calls and {worst.peak:,} bytes at most")
    assert kept >= KEPT
    assert not kept & crafted_files.COVERS.keys()


class Counting(BytesIO):
    """A file that counts the bytes that are read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.taken += len(content)
        return content


def test_the_tables_of_an_mp3_are_not_read_as_long_as_they_say() -> None:
    """Forty MiB of them took a minute, and the end of the server waited for it."""
    (attack,) = files(wanted="MP3 of frames with long tables, 4.9 MiB".__eq__)
    file = Counting(attack.data)
    assert formats.recognise(file) == formats.MP3
    measured_s(file, formats.MP3)
    assert file.taken < 64 * MIB


async def test_a_song_with_metadata_that_took_hours_is_saved_with_tags(tmp_path: Path) -> None:
    (attack,) = files(wanted=LONGEST.__eq__)
    library = Library(tmp_path, Web({AUDIO: attack.data}), cap_bytes=8 * MIB)
    with anyio.fail_after(HANGS_S):
        saved = await library.save(TASK, CLIP)
    content = saved.file.read_bytes()
    assert b"TITLE=Harbour Lights" in content
    assert content.endswith(crafted_files.FRAME)
    assert len(content) < 2 * len(crafted_files.FRAME)
