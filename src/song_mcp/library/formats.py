"""What kind of audio a file is, recognised by its bytes alone.

What `recognise` accepts begins as one of five kinds of audio, and is as long as it says. Host, URL
and MIME type are never trusted: an expired link can answer 200 with an HTML page, which a player
would take for a song.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END
from typing import BinaryIO

from song_mcp.errors import LibraryError


@dataclass(frozen=True)
class Format:
    """A kind of file: its MIME type, and its extension with the dot."""

    mime_type: str
    extension: str


MP3 = Format("audio/mpeg", ".mp3")
WAV = Format("audio/wav", ".wav")
FLAC = Format("audio/flac", ".flac")
VORBIS = Format("audio/ogg", ".ogg")
OPUS = Format("audio/ogg", ".opus")
M4A = Format("audio/mp4", ".m4a")
AUDIO = (MP3, WAV, FLAC, VORBIS, OPUS, M4A)

PARTS_LIMIT = 100_000
"""The most tags, chunks, pages or boxes read in one file; a song has a few thousand."""


def recognise(file: BinaryIO) -> Format:
    """Return the format of the audio in `file`, which must be seekable.

    Raises LibraryError, which says what the file is instead, for anything else and for audio that
    is cut off.
    """
    size = file.seek(0, SEEK_END)
    start = _at(file, 0, 12)
    if not start:
        raise _refusal("is empty")
    if start[:4] == b"RIFF" and start[8:] == b"WAVE":
        return _wav(file, size)
    if start[:4] == b"fLaC":
        return _flac(file)
    if start[:4] == b"OggS":
        return _ogg(file, size)
    if start[4:8] == b"ftyp":
        return _m4a(file, size, start[8:])
    return _mp3(file, size)


def _refusal(what: str) -> LibraryError:
    return LibraryError(
        f"The clip was not saved: the download {what}. The clip keeps its link; look at the "
        "task again in a while to save it."
    )


def _cut_off() -> LibraryError:
    return _refusal("is cut off in the middle")


def _at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


# MP3 ---------------------------------------------------------------------------------------

BITRATES = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Kilobits per second by MPEG version (2.5 has those of 2), from the header's value 1 on."""
SAMPLE_RATES = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}
"""Hertz by the header's number of the MPEG version: 3 is 1, 2 is 2, 0 is 2.5."""
FRAMES_IN_A_ROW = 3
SEARCHED_BYTES = 4096
"""How many bytes after an ID3 tag the first frame may begin: encoders pad, some count wrongly."""
PROMISE_KEPT = 0.95
"""How much of the length in a Xing header must be there: encoders count slightly differently."""
HAS_FRAMES, HAS_BYTES = 1, 2
"""What the flags of a Xing header say about the numbers after them."""


def mp3_start(file: BinaryIO) -> int:
    """Return the position after the ID3v2 tags (there may be several) that begin an MP3 file."""
    offset = 0
    for _ in range(PARTS_LIMIT):
        header = _at(file, offset, 10)
        if len(header) < 10 or header[:3] != b"ID3":
            break
        length = sum(byte << shift for byte, shift in zip(header[6:], (21, 14, 7, 0), strict=True))
        offset += 10 + length + (10 if header[5] & 0x10 else 0)
    return offset


def _mp3(file: BinaryIO, size: int) -> Format:
    start = mp3_start(file)
    if size <= start:
        raise _cut_off()
    window = _at(file, start, SEARCHED_BYTES if start else 1)
    for offset in (start + index for index, byte in enumerate(window) if byte == 0xFF):
        if _is_mp3(file, offset):
            _check_length(file, offset, size)
            return MP3
    raise _refusal(_other(_at(file, 0, 64)))


def _is_mp3(file: BinaryIO, offset: int) -> bool:
    for _ in range(FRAMES_IN_A_ROW):
        length = _frame_bytes(_at(file, offset, 4))
        if not length:
            return False
        offset += length
    return True


def _frame_bytes(header: bytes) -> int:
    """Return the length in bytes of the Layer III frame with this header, 0 if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version not in SAMPLE_RATES or bitrate in {0, 15} or rate == 3:
        return 0
    kilobits = BITRATES[1 if version == 3 else 2][bitrate - 1]
    bits_per_hertz = 144_000 if version == 3 else 72_000
    return kilobits * bits_per_hertz // SAMPLE_RATES[version][rate] + (header[2] >> 1 & 1)


def _check_length(file: BinaryIO, offset: int, size: int) -> None:
    """Raise unless an MP3 has the bytes that the Xing header of its first frame announces."""
    frame = _at(file, offset, 48)
    mark = max(frame.find(b"Xing"), frame.find(b"Info"))
    if mark < 0:
        return
    flags, first, second = struct.unpack(">III", _at(file, offset + mark + 4, 12))
    promised = second if flags & HAS_FRAMES else first
    if flags & HAS_BYTES and size - offset < PROMISE_KEPT * promised:
        raise _cut_off()


def _other(start: bytes) -> str:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return "is a web page, not audio (the link may have expired)"
    if text.startswith((b"{", b"[")):
        return "is a message of the host, not audio (the link may have expired)"
    return "is not audio of a kind known here (MP3, WAV, FLAC, Ogg or M4A), or it is cut off"


# WAV, FLAC, Ogg ----------------------------------------------------------------------------

UNKNOWN_SIZES = {0, 0xFFFFFFFF}
"""What a WAV writer that streams puts in place of the length."""
FLAC_FRAME_STARTS = {b"\xff\xf8", b"\xff\xf9"}


def _wav(file: BinaryIO, size: int) -> Format:
    offset, has_format = 12, False
    for _ in range(PARTS_LIMIT):
        kind, length = struct.unpack("<4sI", _at(file, offset, 8).ljust(8, b"\0"))
        offset += 8
        has_format = has_format or kind == b"fmt "
        if kind == b"data" and has_format and offset < size:
            if length in UNKNOWN_SIZES or offset + length <= size:
                return WAV
            break
        offset += length + length % 2
    raise _cut_off()


def _flac(file: BinaryIO) -> Format:
    offset = 4
    for index in range(PARTS_LIMIT):
        header = _at(file, offset, 4)
        if len(header) < 4 or (index == 0 and header[0] & 0x7F):
            break
        offset += 4 + int.from_bytes(header[1:], "big")
        if header[0] & 0x80 and _at(file, offset, 2) in FLAC_FRAME_STARTS:
            return FLAC
        if header[0] & 0x80:
            break
    raise _cut_off()


def _ogg(file: BinaryIO, size: int) -> Format:
    codec = _at(file, 28, 8)
    if not codec.startswith((b"\x01vorbis", b"OpusHead")):
        raise _refusal("is Ogg, but neither Vorbis nor Opus")
    offset = 0
    for index in range(PARTS_LIMIT):
        header = _at(file, offset, 27)
        if header[:4] != b"OggS" and index > 1:
            return OPUS if codec == b"OpusHead" else VORBIS
        if header[:4] != b"OggS" or len(header) < 27:
            break
        segments = header[26]
        offset += 27 + segments + sum(_at(file, offset + 27, segments))
        if offset > size:
            break
    raise _cut_off()


# M4A ---------------------------------------------------------------------------------------

MOVIE_LIMIT = 16 * 2**20
"""The most bytes of tables and tags that are read of an M4A file; a song has some 100 kB."""
PLAIN_CODECS = {b"mp4a", b"alac", b"fLaC", b"Opus", b"ac-3", b"ec-3"}
ENCRYPTED = {b"enca", b"encv", b"drms", b"drmi"}


def _m4a(file: BinaryIO, size: int, brand: bytes) -> Format:
    boxes = {kind: (start, end) for kind, start, end in _file_boxes(file, size)}
    if not {b"moov", b"mdat"} <= boxes.keys():
        raise _refusal("is MP4, but without sound")
    start, end = boxes[b"moov"]
    movie = _at(file, start, min(end - start, MOVIE_LIMIT))
    tracks = [_track(trak) for kind, trak in _boxes(movie) if kind == b"trak"]
    codecs = {codec for handler, codec in tracks if handler == b"soun"}
    if brand == b"M4P " or ENCRYPTED & {codec for _, codec in tracks}:
        raise _refusal("is encrypted")
    if any(handler == b"vide" for handler, _ in tracks) or not codecs & PLAIN_CODECS:
        raise _refusal("is MP4, but not plain audio")
    return M4A


def _file_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each box on the top level; raise if one is cut off."""
    offset = 0
    for _ in range(PARTS_LIMIT):
        header = _at(file, offset, 16)
        if len(header) < 8:
            break
        length, skipped = int.from_bytes(header[:4], "big"), 8
        if length == 1:
            length, skipped = int.from_bytes(header[8:], "big"), 16
        end = offset + length if length else size
        if end < offset + skipped or end > size:
            raise _cut_off()
        yield header[4:8], offset + skipped, end
        offset = end


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of each box in the content of another."""
    offset = 0
    while (length := int.from_bytes(content[offset : offset + 4], "big")) >= 8:
        yield content[offset + 4 : offset + 8], content[offset + 8 : offset + length]
        offset += length


def _inside(content: bytes, *path: bytes) -> bytes:
    for wanted in path:
        content = next((inner for kind, inner in _boxes(content) if kind == wanted), b"")
    return content


def _track(trak: bytes) -> tuple[bytes, bytes]:
    """Return the handler ("soun", "vide"...) and the codec of a track."""
    handler = _inside(trak, b"mdia", b"hdlr")[8:12]
    return handler, _inside(trak, b"mdia", b"minf", b"stbl", b"stsd")[12:16]
