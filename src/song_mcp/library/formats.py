"""What kind of audio a file is, recognised by its bytes alone.

What `recognise` accepts begins as one of the kinds in `AUDIO`, and is as long as it says. Host, URL
and MIME type are never trusted: an expired link can answer 200 with an HTML page, which a player
would take for a song. What a download has in front of the audio, and lengths that are wrong, are
mended before (`mending`).
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import SEEK_END
from typing import BinaryIO

from song_mcp.errors import LibraryError, NotYetError
from song_mcp.library import adts, ebml, signs
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
OGG_FLAC = Format("audio/ogg", ".oga")
M4A = Format("audio/mp4", ".m4a")
AAC = Format("audio/aac", ".aac")
AIFF = Format("audio/aiff", ".aiff")
WEBM = Format("audio/webm", ".webm")
MATROSKA = Format("audio/matroska", ".mka")
AUDIO = (MP3, WAV, FLAC, VORBIS, OPUS, OGG_FLAC, M4A, AAC, AIFF, WEBM, MATROSKA)

KINDS = "MP3, WAV, FLAC, Ogg, M4A, AAC, AIFF or WebM"

PARTS_LIMIT = 100_000
"""The most tags, chunks, blocks or pages read in one file; a song has a few thousand."""


def recognise(file: BinaryIO) -> Format:
    """Return the format of the audio in `file`, which must be seekable.

    Raises LibraryError, which says what the file is instead, for anything else; NotYetError if the
    file is cut off, or is something that its host says in place of the audio.
    """
    size = file.seek(0, SEEK_END)
    start = bytes_at(file, 0, 12)
    if not start:
        raise _later("is empty")
    for sign, kinds, read in STARTS:
        if start.startswith(sign) and (not kinds or start[8:] in kinds):
            return read(file, size)
    if start[4:8] == b"ftyp" or (start[4:8] in BOXES_FIRST and _has_movie(file)):
        return _m4a(file, start[8:])
    return _frames(file, size)


def _later(what: str) -> NotYetError:
    return NotYetError(f"The clip was not saved: the download {what}. The clip keeps its link.")


def _refusal(what: str) -> LibraryError:
    return LibraryError(f"The clip was not saved: the download {what}. The clip keeps its link.")


def _cut_off() -> NotYetError:
    return _later("is cut off in the middle")


def bytes_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Return up to `count` bytes from `offset` on."""
    file.seek(offset)
    return file.read(count)


# MP3 and AAC -------------------------------------------------------------------------------

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
TAGS_LIMIT = 10_000
"""The most ID3 tags that are read in front of one file; a song has one or two."""
HAS_FRAMES, HAS_BYTES = 1, 2
"""What the flags of a Xing header say about the numbers after them."""


def mp3_start(file: BinaryIO, offset: int = 0) -> int:
    """Return the position after the ID3v2 tags (there may be several) that begin at `offset`."""
    for _ in range(TAGS_LIMIT):
        header = bytes_at(file, offset, 10)
        if len(header) < 10 or header[:3] != b"ID3":
            break
        offset += 10 + syncsafe(header[6:]) + (10 if header[5] & 0x10 else 0)
    return offset


def syncsafe(number: bytes) -> int:
    """Return a number of ID3, which has seven bits in each of its four bytes."""
    first, second, third, last = number
    return (first & 0x7F) << 21 | (second & 0x7F) << 14 | (third & 0x7F) << 7 | last & 0x7F


def _frames(file: BinaryIO, size: int) -> Format:
    """Recognise a file that is nothing but frames, behind ID3 tags."""
    start = mp3_start(file)
    if size <= start:
        raise _cut_off()
    window = bytes_at(file, start, SEARCHED_BYTES if start else 1)
    for offset in (start + index for index, byte in enumerate(window) if byte == 0xFF):
        if _is_mp3(file, offset):
            _check_length(file, offset, size)
            return MP3
        if _are_frames(file, offset, adts.HEAD, adts.frame_bytes):
            _, end = adts.counted(bytes_at(file, 0, size), offset)
            if end > size:
                raise _cut_off()
            return AAC
    raise _unknown(bytes_at(file, 0, signs.SEEN_BYTES))


def _is_mp3(file: BinaryIO, offset: int) -> bool:
    return _are_frames(file, offset, 4, frame_bytes)


def _are_frames(file: BinaryIO, offset: int, head: int, length_of: Callable[[bytes], int]) -> bool:
    for _ in range(FRAMES_IN_A_ROW):
        length = length_of(bytes_at(file, offset, head))
        if not length:
            return False
        offset += length
    return True


def frame_bytes(header: bytes) -> int:
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


def _unknown(start: bytes) -> LibraryError:
    """Return the error for a file that begins so, and is no audio."""
    if what := signs.other_kind(start):
        return _refusal(f"is {what}, not audio")
    if what := signs.words(start):
        return _later(what)
    return _refusal(f"is not audio of a kind known here ({KINDS}), or it is cut off")


# WAV and AIFF ------------------------------------------------------------------------------

UNKNOWN_SIZES = {0, 0xFFFFFFFF}
"""What a WAV writer that streams puts in place of the length."""
PLACEHOLDER = 2**28
"""A length from this on is one too: such writers put many numbers there. No clip has as much."""
CHUNKS_LIMIT = 10_000
"""The most chunks read in one file; a song has some ten."""
AIFF_KINDS = {b"AIFF", b"AIFC"}
AFTER_ODD = {b"data", b"fact", b"LIST", b"id3 ", b"SSND", b"COMM"}
"""Chunks that begin at once behind one of odd length, if a writer forgot to fill that up."""


def is_placeholder(length: int) -> bool:
    """Tell whether a length stands for one that its writer did not know."""
    return length in UNKNOWN_SIZES or length >= PLACEHOLDER


def wav_chunks(file: BinaryIO, order: str = "<") -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and length of each chunk of a WAV file; its last one may be a lie.

    With `order` ">" those of an AIFF file, whose lengths are written the other way round.
    """
    offset = 12
    for _ in range(CHUNKS_LIMIT):
        header = bytes_at(file, offset, 8)
        if len(header) < 8:
            break
        kind, length = struct.unpack(f"{order}4sI", header)
        yield kind, offset + 8, length
        offset += 8 + length
        if length % 2 and bytes_at(file, offset, 4) not in AFTER_ODD:
            offset += 1


def _wav(file: BinaryIO, size: int) -> Format:
    has_format = False
    for kind, start, length in wav_chunks(file):
        has_format = has_format or kind == b"fmt "
        if kind == b"data" and has_format and start < size:
            if is_placeholder(length) or start + length <= size:
                return WAV
            break
    raise _cut_off()


def _aiff(file: BinaryIO, size: int) -> Format:
    kinds = set()
    for kind, start, length in wav_chunks(file, ">"):
        kinds.add(kind)
        if kind == b"SSND" and not (start < size and start + length <= size):
            break
        if kinds >= {b"COMM", b"SSND"}:
            return AIFF
    raise _cut_off()


# FLAC and Ogg ------------------------------------------------------------------------------

STREAM_INFO = 0
"""The kind of the first block of a FLAC file."""
FLAC_FRAME_STARTS = {b"\xff\xf8", b"\xff\xf9"}
OGG_CODECS = {b"\x01vorbis": VORBIS, b"OpusHead": OPUS, b"\x7fFLAC": OGG_FLAC}
OGG_FILMS = (b"\x80theora", b"BBCD\0", b"\x80daala", b"OVP80")
"""What the first packet of a video's stream begins with."""
STREAMS_LIMIT = 20
"""The pages at the beginning among which each stream begins."""
BEGINS_STREAM = 2
"""The flag of a page that begins a stream."""


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


def _flac(file: BinaryIO, _: int) -> Format:
    for index, (kind, _, end, is_last) in enumerate(flac_blocks(file)):
        if index == 0 and kind != STREAM_INFO:
            break
        if is_last and bytes_at(file, end, 2) in FLAC_FRAME_STARTS:
            return FLAC
    raise _cut_off()


def _ogg(file: BinaryIO, size: int) -> Format:
    offset, kind = 0, None
    for index in range(PARTS_LIMIT):
        header = bytes_at(file, offset, 27)
        if header[:4] != b"OggS" and index > 1 and kind:
            return kind
        if header[:4] != b"OggS" or len(header) < 27:
            break
        segments = header[26]
        if index == 0 or (index < STREAMS_LIMIT and header[5] & BEGINS_STREAM):
            found = _stream_kind(bytes_at(file, offset + 27 + segments, 8))
            kind = kind or found
        elif kind is None:
            raise _refusal("is Ogg, but neither Vorbis nor Opus nor FLAC")
        offset += 27 + segments + sum(bytes_at(file, offset + 27, segments))
        if offset > size:
            break
    raise _cut_off()


def _stream_kind(packet: bytes) -> Format | None:
    """Return the format of a stream by its first packet, None if it is not known."""
    if packet.startswith(OGG_FILMS):
        raise _refusal("is a video (Ogg), not audio")
    return next((kind for sign, kind in OGG_CODECS.items() if packet.startswith(sign)), None)


# WebM --------------------------------------------------------------------------------------

EBML_KINDS = {b"webm": WEBM, b"matroska": MATROSKA}


def _webm(file: BinaryIO, _: int) -> Format:
    film = ebml.film(file)
    kind = EBML_KINDS.get(film.doc_type.rstrip(b"\0"))
    if ebml.VIDEO in film.tracks:
        raise _refusal("is a video (WebM or Matroska), not audio")
    if not film.is_whole:
        raise _cut_off()
    if kind is None or ebml.SOUND not in film.tracks:
        raise _refusal("is WebM or Matroska, but without sound")
    return kind


# M4A ---------------------------------------------------------------------------------------

BOXES_FIRST = {b"styp", b"free", b"skip", b"wide", b"mdat", b"moov"}
"""What a file may begin with in place of `ftyp`: QuickTime has none, and pieces have it behind."""
PLAIN_CODECS = {
    *(b"mp4a", b"alac", b"fLaC", b"Opus", b"ac-3", b"ec-3", b".mp3"),
    *(b"sowt", b"twos", b"lpcm", b"ipcm", b"fpcm", b"in24", b"in32", b"fl32", b"fl64", b"raw "),
}
"""Those of the second row are bare samples, as QuickTime names them."""
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
    if any(handler == b"vide" for handler, _ in tracks):
        raise _refusal("is a video (MP4), not audio")
    if not codecs & PLAIN_CODECS:
        raise _refusal("is MP4, but not plain audio")
    return M4A


def _has_movie(file: BinaryIO) -> bool:
    try:
        return {b"moov", b"mdat"} <= {kind for kind, _, _ in file_boxes(file)}
    except ValueError:
        return False


def _codec(walk: Walk, media: memoryview) -> bytes:
    return bytes(walk.inside(media, b"minf", b"stbl", b"stsd")[12:16])


STARTS: tuple[tuple[bytes, set[bytes], Callable[[BinaryIO, int], Format]], ...] = (
    (b"RIFF", {b"WAVE"}, _wav),
    (b"FORM", AIFF_KINDS, _aiff),
    (b"fLaC", set(), _flac),
    (b"OggS", set(), _ogg),
    (ebml.START, set(), _webm),
)
"""What files begin with, the kinds that are read where there are others, and what reads them."""
