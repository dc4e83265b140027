"""The clip's key in the tags of a file, read back without a tagger.

The file may have become any other since it was tagged, so no more is read than our own tags take.
"""

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import BinaryIO

from song_mcp.library import formats
from song_mcp.library.boxes import Walk, movie
from song_mcp.library.formats import Format, bytes_at, syncsafe

OWNER = "song-mcp"
VORBIS_KEY = "SONG_MCP_CLIP"
MP4_KEY = f"----:{OWNER}:clip"
MP4_PARTS = (b"mean", b"name", b"data")
KEY_BYTES = 64
"""The most bytes of a key."""
PARTS_LIMIT = 100
"""The most frames, blocks, comments or tags of a file that are read; ours have ten at most."""
COMMENTS_LIMIT = 2**20
"""The most bytes of a block of comments that are read: a song's words are in it."""
COMMENT_BLOCK = 4
"""The kind of the FLAC block that has comments."""


def clip_key(file: BinaryIO, kind: Format) -> str:
    """Return the `clip_key` that the file was tagged with, "" if it has none."""
    find = {
        formats.MP3: _mp3_keys,
        formats.FLAC: _flac_keys,
        formats.M4A: _m4a_keys,
        formats.AIFF: _aiff_keys,
    }.get(kind)
    try:
        key = next(find(file), b"") if find else b""
        return key.decode("ascii") if len(key) <= KEY_BYTES else ""
    except ValueError:
        return ""


def _mp3_keys(file: BinaryIO, offset: int = 0) -> Iterator[bytes]:
    """Yield what the frames for identifiers have of ours; the tag is at `offset`.

    It is ID3 2.4, or 2.3 once a tagger has written it again.
    """
    start = bytes_at(file, offset, 10)
    if start[:6] not in {b"ID3\x04\0\0", b"ID3\x03\0\0"}:
        return
    is_older = start[3] == 3
    offset += 10
    end = offset + syncsafe(start[6:])
    for _ in range(PARTS_LIMIT):
        head = bytes_at(file, offset, 10)
        if len(head) < 10 or offset >= end:
            return
        size = int.from_bytes(head[4:8]) if is_older else syncsafe(head[4:8])
        if head[:4] == b"UFID":
            content = bytes_at(file, offset + 10, min(size, len(OWNER) + 2 + KEY_BYTES))
            owner, _, key = content.partition(b"\0")
            if owner == OWNER.encode():
                yield key
        offset += 10 + size


def _aiff_keys(file: BinaryIO) -> Iterator[bytes]:
    for kind, start, _ in islice(formats.wav_chunks(file, ">"), PARTS_LIMIT):
        if kind == b"ID3 ":
            yield from _mp3_keys(file, start)


def _flac_keys(file: BinaryIO) -> Iterator[bytes]:
    for kind, start, end, _ in islice(formats.flac_blocks(file), PARTS_LIMIT):
        if kind == COMMENT_BLOCK:
            for comment in _comments(bytes_at(file, start, min(end - start, COMMENTS_LIMIT))):
                name, _, key = comment.partition(b"=")
                if name.upper() == VORBIS_KEY.encode():
                    yield key


def _comments(block: bytes) -> Iterator[bytes]:
    """Yield each comment in a block of them, after the name of the program that wrote it."""
    file = BytesIO(block)
    file.read(_number(file))
    for _ in range(min(_number(file), PARTS_LIMIT)):
        yield file.read(_number(file))


def _number(file: BytesIO) -> int:
    return int.from_bytes(file.read(4), "little")


def _m4a_keys(file: BinaryIO) -> Iterator[bytes]:
    """Yield the values of the free tags that have our name."""
    walk = Walk()
    meta = walk.inside(movie(file), b"udta", b"meta")
    for kind, tag in islice(walk.boxes(walk.inside(meta[4:], b"ilst")), PARTS_LIMIT):
        if kind == b"----":
            parts = dict(islice(walk.boxes(tag), 3))
            owner, name, value = (bytes(parts.get(part, b"")[:80]) for part in MP4_PARTS)
            if (owner[4:], name[4:]) == (OWNER.encode(), b"clip"):
                yield value[8:]
