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
from song_mcp.library.boxes import Walk, file_boxes, movie


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
"""The most tags, chunks, blocks or pages read in one file; a song has a few thousand."""


def recognise(file: BinaryIO) -> Format:
    """Return the format of the audio in `file`, which must be seekable.

    Raises LibraryError, which says what the file is instead, for anything else and for audio that
    is cut off.
    """
    size = file.seek(0, SEEK_END)
    start = bytes_at(file, 0, 12)
    if not start:
        raise _refusal("is empty")
    if start[:4] == b"RIFF" and start[8:] == b"WAVE":
        return _wav(file, size)
    if start[:4] == b"fLaC":
        return _flac(file)
    if start[:4] == b"OggS":
        return _ogg(file, size)
    if start[4:8] == b"ftyp":
        return _m4a(file, start[8:])
    return _mp3(file, size)


def _refusal(what: str) -> LibraryError:
    return LibraryError(
        f"The clip was not saved: the download {what}. The clip keeps its link; look at the "
        "task again in a while to save it."
    )


def _cut_off() -> LibraryError:
    return _refusal("is cut off in the middle")


def bytes_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Return up to `count` bytes from `offset` on."""
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
        header = bytes_at(file, offset, 10)
        if len(header) < 10 or header[:3] != b"ID3":
            break
        offset += 10 + syncsafe(header[6:]) + (10 if header[5] & 0x10 else 0)
    return offset


def syncsafe(number: bytes) -> int:
    """Return a number of ID3, which has seven bits in each of its four bytes."""
    first, second, third, last = number
    return (first & 0x7F) << 21 | (second & 0x7F) << 14 | (third & 0x7F) << 7 | last & 0x7F


def _mp3(file: BinaryIO, size: int) -> Format:
    start = mp3_start(file)
    if size <= start:
        raise _cut_off()
    window = bytes_at(file, start, SEARCHED_BYTES if start else 1)
    for offset in (start + index for index, byte in enumerate(window) if byte == 0xFF):
        if _is_mp3(file, offset):
            _check_length(file, offset, size)
            return MP3
    raise _refusal(_other(bytes_at(file, 0, 64)))


def _is_mp3(file: BinaryIO, offset: int) -> bool:
    for _ in range(FRAMES_IN_A_ROW):
        length = _frame_bytes(bytes_at(file, offset, 4))
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
    frame = bytes_at(file, offset, 48)
    mark = max(frame.find(b"Xing"), frame.find(b"Info"))
    if mark < 0:
        return
    flags, first, second = struct.unpack(">III", bytes_at(file, offset + mark + 4, 12))
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
STREAM_INFO = 0
"""The kind of the first block of a FLAC file."""
FLAC_FRAME_STARTS = {b"\xff\xf8", b"\xff\xf9"}


def wav_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and length of each chunk of a WAV file; its last one may be a lie."""
    offset = 12
    for _ in range(PARTS_LIMIT):
        header = bytes_at(file, offset, 8)
        if len(header) < 8:
            break
        kind, length = struct.unpack("<4sI", header)
        yield kind, offset + 8, length
        offset += 8 + length + length % 2


def _wav(file: BinaryIO, size: int) -> Format:
    has_format = False
    for kind, start, length in wav_chunks(file):
        has_format = has_format or kind == b"fmt "
        if kind == b"data" and has_format and start < size:
            if length in UNKNOWN_SIZES or start + length <= size:
                return WAV
            break
    raise _cut_off()


def flac_blocks(file: BinaryIO) -> Iterator[tuple[int, int, int, bool]]:
    """Yield kind, start and end of each metadata block of a FLAC file, and whether it is last."""
    offset = 4
    for _ in range(PARTS_LIMIT):
        header = bytes_at(file, offset, 4)
        if len(header) < 4:
            break
        start, is_last = offset + 4, header[0] >= 0x80
        offset = start + int.from_bytes(header[1:], "big")
        yield header[0] & 0x7F, start, offset, is_last
        if is_last:
            break


def _flac(file: BinaryIO) -> Format:
    for index, (kind, _, end, is_last) in enumerate(flac_blocks(file)):
        if index == 0 and kind != STREAM_INFO:
            break
        if is_last and bytes_at(file, end, 2) in FLAC_FRAME_STARTS:
            return FLAC
    raise _cut_off()


def _ogg(file: BinaryIO, size: int) -> Format:
    codec = bytes_at(file, 28, 8)
    if not codec.startswith((b"\x01vorbis", b"OpusHead")):
        raise _refusal("is Ogg, but neither Vorbis nor Opus")
    offset = 0
    for index in range(PARTS_LIMIT):
        header = bytes_at(file, offset, 27)
        if header[:4] != b"OggS" and index > 1:
            return OPUS if codec == b"OpusHead" else VORBIS
        if header[:4] != b"OggS" or len(header) < 27:
            break
        segments = header[26]
        offset += 27 + segments + sum(bytes_at(file, offset + 27, segments))
        if offset > size:
            break
    raise _cut_off()


# M4A ---------------------------------------------------------------------------------------

PLAIN_CODECS = {b"mp4a", b"alac", b"fLaC", b"Opus", b"ac-3", b"ec-3"}
ENCRYPTED = {b"enca", b"encv", b"drms", b"drmi"}


def _m4a(file: BinaryIO, brand: bytes) -> Format:
    try:
        kinds = {kind for kind, _, _ in file_boxes(file) if kind in {b"moov", b"mdat"}}
    except ValueError:
        raise _cut_off() from None
    if len(kinds) < 2:
        raise _refusal("is MP4, but without sound")
    walk = Walk()
    tracks = {(handler, _codec(walk, media)) for handler, media in walk.tracks(movie(file))}
    codecs = {codec for handler, codec in tracks if handler == b"soun"}
    if brand == b"M4P " or ENCRYPTED & {codec for _, codec in tracks}:
        raise _refusal("is encrypted")
    if any(handler == b"vide" for handler, _ in tracks) or not codecs & PLAIN_CODECS:
        raise _refusal("is MP4, but not plain audio")
    return M4A


def _codec(walk: Walk, media: memoryview) -> bytes:
    return bytes(walk.inside(media, b"minf", b"stbl", b"stsd")[12:16])
