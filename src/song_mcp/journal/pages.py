"""Reading records out of the bytes of a SQLite file, page by page.

SQLite stops at the first page that it cannot read, and behind a page of a tree's inside are
hundreds of rows. Here each page is read by itself, so a page that is damaged costs only what it
held. The format is described at https://www.sqlite.org/fileformat2.html.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

MAGIC = b"SQLite format 3\0"
HEADER = 100
"""The bytes of the file's header, at the beginning of page 1."""
USUAL_SIZE = 4096
INDEX_INSIDE, TABLE_INSIDE, INDEX_LEAF, TABLE_LEAF = 0x02, 0x05, 0x0A, 0x0D
BYTES = (0, 1, 2, 3, 4, 6, 8, 8)
"""How many bytes a null, an integer or a real number has, by its serial type."""
REAL, ZERO, ONE, BLOB = 7, 8, 9, 12
"""Serial types; from BLOB on even ones are bytes, and odd ones are text."""
VARINT_BYTES = 9


class Lost(Enum):
    """What stands for a value that is in the record but cannot be read."""

    LOST = 0


LOST = Lost.LOST
Value = None | int | float | str | bytes | Lost


@dataclass(frozen=True)
class Record:
    """A row of a table, or if `rowid` is None an entry of an index, which ends with its rowid."""

    rowid: int | None
    values: tuple[Value, ...]


class Pages:
    """The pages of the file with this content.

    `unread` is, after `records`, the number of pages that could not be read, or not wholly.
    """

    def __init__(self, content: bytes) -> None:
        self.unread = 0
        self._content = content
        self._has_header = content.startswith(MAGIC) and len(content) >= HEADER
        self._size = self._page_size()
        self._usable = self._size - (content[20] if self._has_header else 0)
        self._count = -(-len(content) // self._size)
        self._overflow: set[int] = set()
        self._torn: set[int] = set()

    def records(self) -> Iterator[Record]:
        """Return each record that is on a page in use; none is returned for garbage."""
        free, odd = self._free(), list[int]()
        for number in range(1, self._count + 1):
            start = HEADER if number == 1 else 0
            page = self._page(number)
            kind = page[start] if len(page) > start else 0
            if number in free or kind == TABLE_INSIDE:
                continue
            if kind in {INDEX_INSIDE, INDEX_LEAF, TABLE_LEAF}:
                yield from self._cells(number, page, start, kind)
            else:
                odd.append(number)
        self.unread = len(self._torn.union(odd) - self._overflow) + self._missing()

    def _missing(self) -> int:
        """Return how many pages the file should have beyond its end."""
        if not self._has_header or self._content[24:28] != self._content[92:96]:
            return 0  # by its header, the number of pages is not known
        return max(0, int.from_bytes(self._content[28:32], "big") - self._count)

    def _page_size(self) -> int:
        size = int.from_bytes(self._content[16:18], "big") if self._has_header else 0
        size = 2**16 if size == 1 else size
        is_possible = 2**9 <= size <= 2**16 and size & (size - 1) == 0
        return size if is_possible else USUAL_SIZE

    def _page(self, number: int) -> bytes:
        return self._content[(number - 1) * self._size : number * self._size]

    def _free(self) -> set[int]:
        """Return the pages that are not in use, or none if the list of them is not sound."""
        if not self._has_header:
            return set()
        found: list[int] = []
        trunk, count = struct.unpack_from(">II", self._content, 32)
        while 1 < trunk <= self._count and len(found) < count:
            page = self._page(trunk)
            if len(page) < self._size:
                return set()
            trunk_next, leaves = struct.unpack_from(">II", page)
            if leaves > self._size // 4 - 2:
                return set()
            found += [trunk, *struct.unpack_from(f">{leaves}I", page, 8)]
            trunk = trunk_next
        is_sound = trunk == 0 and len(found) == len(set(found)) == count
        return set(found) if is_sound else set()

    # Cells -------------------------------------------------------------------------------

    def _cells(self, number: int, page: bytes, start: int, kind: int) -> Iterator[Record]:
        first = start + (12 if kind == INDEX_INSIDE else 8)
        count = int.from_bytes(page[start + 3 : start + 5], "big")
        for place in range(first, min(first + 2 * count, len(page) - 1), 2):
            try:
                yield self._record(page, int.from_bytes(page[place : place + 2], "big"), kind)
            except (IndexError, ValueError, struct.error):
                self._torn.add(number)

    def _record(self, page: bytes, at: int, kind: int) -> Record:
        at += 4 if kind == INDEX_INSIDE else 0  # the number of the page below
        size, at = _varint(page, at)
        rowid = None
        if kind == TABLE_LEAF:
            rowid, at = _varint(page, at)
        return Record(rowid, _values(self._payload(page, at, size, kind), size))

    def _payload(self, page: bytes, at: int, size: int, kind: int) -> bytes:
        """Return the record's bytes; they end early if a page of its overflow is missing."""
        if size > len(self._content):
            raise ValueError("longer than the file")
        usable = self._usable
        most = usable - 35 if kind == TABLE_LEAF else (usable - 12) * 64 // 255 - 23
        if size <= most:
            return page[at : at + size]
        least = (usable - 12) * 32 // 255 - 23
        here = least + (size - least) % (usable - 4)
        here = here if here <= most else least
        payload, at = page[at : at + here], at + here
        (following,) = struct.unpack_from(">I", page, at)
        while len(payload) < size and 1 < following <= self._count:
            self._overflow.add(following)
            part = self._page(following)
            if len(part) < self._size:
                break
            payload += part[4:usable]
            (following,) = struct.unpack_from(">I", part)
        return payload[:size]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the signed integer at a place, and the place behind it."""
    value = 0
    for place in range(at, at + VARINT_BYTES - 1):
        byte = data[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return value, place + 1
    value = value << 8 | data[at + VARINT_BYTES - 1]
    return value - (1 << 64 if value >> 63 else 0), at + VARINT_BYTES


def _values(payload: bytes, size: int) -> tuple[Value, ...]:
    """Return the values of a record; raises ValueError or IndexError if it is none."""
    end, at = _varint(payload, 0)
    types = []
    while at < end:
        kind, at = _varint(payload, at)
        types.append(kind)
    sizes = [_size(kind) for kind in types]
    if at != end or end + sum(sizes) != size:
        raise ValueError("no record")
    values = []
    for kind, length in zip(types, sizes, strict=True):
        values.append(_value(kind, payload[end : end + length], length))
        end += length
    return tuple(values)


def _size(kind: int) -> int:
    if kind >= BLOB:
        return (kind - BLOB) // 2
    if kind in {ZERO, ONE}:
        return 0
    if not 0 <= kind < ZERO:
        raise ValueError("no serial type")
    return BYTES[kind]


def _value(kind: int, data: bytes, length: int) -> Value:
    if len(data) < length:
        return LOST
    if kind >= BLOB:
        return _text(data) if kind % 2 else data
    if kind == REAL:
        return float(struct.unpack(">d", data)[0])
    if kind in {ZERO, ONE}:
        return kind - ZERO
    return int.from_bytes(data, "big", signed=True) if kind else None


def _text(data: bytes) -> Value:
    """Return the text; none of ours has a zero in it, so one that has is damaged."""
    try:
        return LOST if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return LOST
