"""How long the audio of a file plays, as the file says, if that is to be believed.

A file may say anything, up to 2^36 seconds. A length beyond what its bytes can hold, or beyond that
of any clip, is none: an extension that is paid for starts at the end of a clip.
"""

import math
import struct
from collections.abc import Callable
from io import SEEK_END
from typing import BinaryIO

from song_mcp.library import adts, ebml, formats
from song_mcp.library.boxes import Walk, movie
from song_mcp.library.formats import Format, bytes_at
from song_mcp.library.tags import mutagen, unreadable
from song_mcp.songs import LONGEST_CLIP_S

LEAST_BYTES_PER_S = 500
"""Less than the lowest bitrates: 8 kbit/s of MP3 are 1,000 of them, 6 kbit/s of Opus are 750."""
OPUS_RATE = 48_000
"""Opus counts in these samples a second, whatever it was made from."""
SIP_BYTES = 2**13
"""The most bytes of an MP3 read at once: the table of a VBR header has a few hundred."""
PLAIN_SAMPLES = {1, 3, 6, 7, 0xFFFE}
"""What a WAV file calls samples that all take the same bytes.

Others are packed, and how many there are stands in a chunk of its own.
"""
OGG_TAIL_BYTES = 2**17
"""The last page of an Ogg file begins in here: one has less than half of it."""


def measured_s(file: BinaryIO, kind: Format) -> float | None:
    """Return how many seconds the audio plays, or None if that is not said or not believed."""
    size = file.seek(0, SEEK_END)
    try:
        length = MEASURES[kind](file, size)
    except (ArithmeticError, LookupError, ValueError, struct.error):
        return None
    return length if 0 < length <= min(LONGEST_CLIP_S, size / LEAST_BYTES_PER_S) else None


def _mp3_s(file: BinaryIO, _: int) -> float:
    """Ask mutagen, which looks for frames in the first MiB after the tags, and at a few of them."""
    try:
        return float(mutagen("mp3").MPEGInfo(_Sips(file), formats.mp3_start(file)).length)
    except unreadable() as error:
        raise ValueError("no frames") from error


class _Sips:
    """A file that returns only a little at a time.

    Mutagen reads thousands of tables of a VBR header, each as long as the header says it is.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer than asked for if that is much."""
        return self._file.read(min(size, SIP_BYTES))


def _wav_s(file: BinaryIO, size: int) -> float:
    codec = rate = bytes_a_second = 0
    for kind, start, told in formats.wav_chunks(file):
        if kind == b"fmt ":
            codec, rate, frame_bytes = struct.unpack("<HxxI4xH", bytes_at(file, start, 14))
            bytes_a_second = rate * frame_bytes
        elif codec in PLAIN_SAMPLES and kind == b"data" and bytes_a_second:
            there = size - start
            played = there if formats.is_placeholder(told) else min(told, there)
            return played / bytes_a_second
        elif codec not in PLAIN_SAMPLES and kind == b"fact" and rate:
            return int.from_bytes(bytes_at(file, start, 4), "little") / rate
    raise ValueError("no samples")


def _aiff_s(file: BinaryIO, _: int) -> float:
    """Read the number of frames and how many a second there are: a number of 80 bits."""
    for kind, start, _ in formats.wav_chunks(file, ">"):
        if kind == b"COMM":
            frames, exponent, fraction = struct.unpack(">IxxHQ", bytes_at(file, start + 2, 16))
            return float(frames / math.ldexp(fraction, exponent - 16_383 - 63))
    raise ValueError("no description")


def _aac_s(file: BinaryIO, size: int) -> float:
    start = formats.mp3_start(file)
    content = bytes_at(file, 0, size)
    blocks, _ = adts.counted(content, start)
    return blocks * adts.BLOCK_SAMPLES / adts.rate(content[start : start + adts.HEAD])


def _webm_s(file: BinaryIO, _: int) -> float:
    length_s = ebml.film(file).length_s
    if length_s is None:
        raise ValueError("no length")
    return length_s


def _flac_s(file: BinaryIO, _: int) -> float:
    packed = int.from_bytes(bytes_at(file, 18, 8), "big")
    rate, samples = packed >> 44, packed & (1 << 36) - 1
    return samples / rate


def _ogg_flac_s(file: BinaryIO, size: int) -> float:
    """Read the rate where the first packet has it: in a block like that of a FLAC file."""
    rate = int.from_bytes(bytes_at(file, 55, 3), "big") >> 4
    return _ogg_samples(file, size) / rate


def _vorbis_s(file: BinaryIO, size: int) -> float:
    rate = int.from_bytes(bytes_at(file, 40, 4), "little")
    return _ogg_samples(file, size) / rate


def _opus_s(file: BinaryIO, size: int) -> float:
    skipped = int.from_bytes(bytes_at(file, 38, 2), "little")
    return (_ogg_samples(file, size) - skipped) / OPUS_RATE


def _ogg_samples(file: BinaryIO, size: int) -> int:
    """Return how many samples have been played at the end of the file's last page."""
    stream = int.from_bytes(bytes_at(file, 14, 4), "little")
    tail = bytes_at(file, max(0, size - OGG_TAIL_BYTES), OGG_TAIL_BYTES)
    end = len(tail)
    while (end := tail.rfind(b"OggS\0", 0, end)) >= 0:
        samples, serial = struct.unpack("<qI", tail[end + 6 : end + 18].ljust(12, b"\0"))
        if serial == stream and samples >= 0:
            return int(samples)
    raise ValueError("no page of the stream ends a packet")


def _m4a_s(file: BinaryIO, _: int) -> float:
    walk = Walk()
    sound = (media for handler, media in walk.tracks(movie(file)) if handler == b"soun")
    media = next(sound, memoryview(b""))
    times = bytes(walk.inside(media, b"mdhd")[:32])
    scale, length = struct.unpack(*((">IQ", times[20:32]) if times[0] else (">II", times[12:20])))
    return float(length / scale)


MEASURES: dict[Format, Callable[[BinaryIO, int], float]] = {
    formats.MP3: _mp3_s,
    formats.WAV: _wav_s,
    formats.FLAC: _flac_s,
    formats.VORBIS: _vorbis_s,
    formats.OPUS: _opus_s,
    formats.OGG_FLAC: _ogg_flac_s,
    formats.AAC: _aac_s,
    formats.AIFF: _aiff_s,
    formats.WEBM: _webm_s,
    formats.MATROSKA: _webm_s,
    formats.M4A: _m4a_s,
}
