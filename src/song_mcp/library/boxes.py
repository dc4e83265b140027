"""The boxes that an MP4 file is made of, read in one pass and counted.

Nothing limits how many boxes a file may have, or how often they are nested. So they are counted,
and a walk ends at its limit.
"""

from collections.abc import Iterator
from io import SEEK_END
from typing import BinaryIO

FILE_BOXES_LIMIT = 100_000
"""The most boxes read on the top level of a file; a song in fragments has a few thousand."""
WALK_LIMIT = 10_000
"""The most boxes read in one walk through what describes the tracks; a song has some fifty."""
MOVIE_LIMIT = 16 * 2**20
"""The most bytes of tables and tags that are read of an MP4 file; a song has some 100 kB."""
HEAD = 8
"""The bytes of a box before its content: four of the length, four of the kind."""


def file_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the content of each box on the top level of the file.

    Raises ValueError if one is cut off.
    """
    offset, size = 0, file.seek(0, SEEK_END)
    for _ in range(FILE_BOXES_LIMIT):
        file.seek(offset)
        header = file.read(2 * HEAD)
        if len(header) < HEAD:
            break
        length, skipped = int.from_bytes(header[:4], "big"), HEAD
        if length == 1:
            length, skipped = int.from_bytes(header[HEAD:], "big"), 2 * HEAD
        end = offset + length if length else size
        if end < offset + skipped or end > size:
            raise ValueError("an MP4 box is cut off")
        yield header[4:HEAD], offset + skipped, end
        offset = end


def movie(file: BinaryIO) -> memoryview:
    """Return the content of the box that describes the tracks, empty if there is none.

    Raises ValueError as `file_boxes` does.
    """
    for kind, start, end in file_boxes(file):
        if kind == b"moov":
            file.seek(start)
            return memoryview(file.read(min(end - start, MOVIE_LIMIT)))
    return memoryview(b"")


class Walk:
    """Walks the boxes in the content of another; all that it reads is counted together."""

    def __init__(self) -> None:
        self._left = WALK_LIMIT

    def boxes(self, content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
        """Yield kind and content of each box; what is no box ends them."""
        offset = 0
        while self._left > 0:
            length = int.from_bytes(content[offset : offset + 4], "big")
            if length < HEAD:
                break
            self._left -= 1
            box = content[offset : offset + length]
            yield bytes(box[4:HEAD]), box[HEAD:]
            offset += length

    def inside(self, content: memoryview, *path: bytes) -> memoryview:
        """Return the content of the first box at each step of `path`, empty if there is none."""
        for wanted in path:
            found = (inner for kind, inner in self.boxes(content) if kind == wanted)
            content = next(found, memoryview(b""))
        return content

    def tracks(self, film: memoryview) -> Iterator[tuple[bytes, memoryview]]:
        """Yield the handler ("soun", "vide"...) and the media box of each track of a movie."""
        for kind, track in self.boxes(film):
            if kind == b"trak":
                media = self.inside(track, b"mdia")
                yield bytes(self.inside(media, b"hdlr")[8:12]), media
