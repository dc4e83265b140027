"""The elements that a WebM or Matroska file is made of, read in one pass and counted.

Nothing limits how many elements a file may have, so a walk ends at its limit.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import SEEK_END
from typing import BinaryIO

START = b"\x1a\x45\xdf\xa3"
"""The identifier of the first element, which begins the file."""
DOC_TYPE, SEGMENT, INFO, TRACKS, CLUSTER = 0x4282, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
TIME_SCALE, DURATION = 0x2AD7B1, 0x4489
TRACK, TRACK_TYPE = 0xAE, 0x83
VIDEO, SOUND = 1, 2
"""Kinds of tracks."""
ELEMENTS_LIMIT = 10_000
"""The most elements read in one file; a song has some hundreds."""
VALUE_BYTES = 64
"""The most bytes of a value that are read."""
LONGEST_HEAD = 12
"""The most bytes of an identifier and a length, which are four and eight."""
DEFAULT_SCALE_NS = 1_000_000


@dataclass
class Film:
    """What a file says: its type, the kind of each track, its length in seconds if it tells one.

    `is_whole` is false if an element is cut off, or there is no sound behind the description.
    """

    doc_type: bytes = b""
    tracks: list[int] = field(default_factory=list)
    length_s: float | None = None
    is_whole: bool = False


def film(file: BinaryIO) -> Film:
    """Read what a file that begins with `START` says of itself."""
    return _Reader(file).read()


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, SEEK_END)
        self._left = ELEMENTS_LIMIT
        self._is_cut = False
        self._scale_ns, self._length = DEFAULT_SCALE_NS, 0.0

    def read(self) -> Film:
        found = Film()
        has_sound = False
        for kind, start, end in self._elements(0, self._size):
            if kind == int.from_bytes(START, "big"):
                values = self._elements(start, end)
                types = (self._value(at, to) for name, at, to in values if name == DOC_TYPE)
                found.doc_type = next(types, b"")
            elif kind == SEGMENT:
                has_sound = self._segment(start, end, found)
                break  # what is behind it, such as filling, is none of it
        if self._length:
            found.length_s = self._length * self._scale_ns / 1e9
        found.is_whole = has_sound and not self._is_cut
        return found

    def _segment(self, start: int, end: int, found: Film) -> bool:
        """Read what is in the segment; return whether it has sound."""
        has_sound = False
        for kind, at, to in self._elements(start, end):
            if kind == INFO:
                self._info(at, to)
            elif kind == TRACKS:
                found.tracks += self._tracks(at, to)
            has_sound = has_sound or kind == CLUSTER
        return has_sound

    def _info(self, start: int, end: int) -> None:
        for kind, at, to in self._elements(start, end):
            if kind == TIME_SCALE:
                self._scale_ns = int.from_bytes(self._value(at, to)[:8], "big")
            elif kind == DURATION and to - at in {4, 8}:
                (self._length,) = struct.unpack(">f" if to - at == 4 else ">d", self._value(at, to))

    def _tracks(self, start: int, end: int) -> Iterator[int]:
        for kind, at, to in self._elements(start, end):
            if kind == TRACK:
                values = self._elements(at, to)
                types = (self._value(*place) for name, *place in values if name == TRACK_TYPE)
                yield int.from_bytes(next(types, b"")[:8], "big")

    def _value(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(min(end - start, VALUE_BYTES))

    def _elements(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield identifier, start and end of the content of each element from `start` to `end`.

        One of unknown length goes to `end`. One that is longer ends the walk: the file is cut off.
        """
        while start < end and self._left > 0:
            self._left -= 1
            self._file.seek(start)
            head = self._file.read(LONGEST_HEAD)
            name_bytes = _width(head[:1])
            length_bytes = _width(head[name_bytes : name_bytes + 1])
            content = start + name_bytes + length_bytes
            mask = (1 << 7 * length_bytes) - 1
            length = int.from_bytes(head[name_bytes : content - start], "big") & mask
            after = end if length == mask else content + length
            if not name_bytes or not length_bytes or not content <= after <= end:
                self._is_cut = True
                return
            yield int.from_bytes(head[:name_bytes], "big"), content, after
            start = after


def _width(first: bytes) -> int:
    """Return how many bytes a number has that begins with this byte, 0 if none does."""
    return 9 - first[0].bit_length() if first and first[0] else 0
