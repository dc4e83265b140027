"""The files that the services of cases send: made from a short song of ours, or from `bytes/`."""

import struct
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path

from tests import recordings

BYTES = Path(__file__).with_name("bytes")
"""What needs an encoder that we do not have; made with ffmpeg from a tone."""


def mp3() -> bytes:
    return recordings.mp3(2.0)


def wav_of(claimed: int) -> bytes:
    """Return a WAV that claims so many bytes for its audio, and that and its head for itself."""
    honest = bytearray(recordings.wav(1.0))
    struct.pack_into("<I", honest, 4, min(claimed + 36, 0xFFFFFFFF))
    struct.pack_into("<I", honest, 40, claimed)
    return bytes(honest)


def rf64() -> bytes:
    """Return a WAV whose two lengths stand in a chunk ds64."""
    honest = recordings.wav(1.0)
    size = len(honest) - 44
    lengths = struct.pack("<QQQI", len(honest) + 28, size, size // 2, 0)
    start = b"RF64" + b"\xff" * 4 + b"WAVE" + struct.pack("<4sI", b"ds64", len(lengths)) + lengths
    return start + honest[12:40] + b"\xff" * 4 + honest[44:]


def aiff() -> bytes:
    sound = array("h", recordings.sine(1.0))
    sound.byteswap()
    rate = struct.pack(">HQ", 16383 + 15, recordings.RATE << 48)
    common = struct.pack(">hIh", 1, len(sound), 16) + rate
    body = b"AIFF" + _chunk(b"COMM", common) + _chunk(b"SSND", bytes(8) + sound.tobytes())
    return _chunk(b"FORM", body)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">4sI", kind, len(content)) + content


def id3() -> bytes:
    """Return an ID3v2 tag with a title."""
    frame = struct.pack(">4sI2x", b"TIT2", 5) + b"\x03Lamp"
    return b"ID3\x03\x00\x00" + bytes([0, 0, 0, len(frame)]) + frame


MADE: Mapping[str, Callable[[], bytes]] = {
    "good.mp3": mp3,
    "zeros-first.mp3": lambda: bytes(417) + mp3(),
    "crlf-first.mp3": lambda: b"\r\n" + mp3(),
    "wav-7fffffff.wav": lambda: wav_of(0x7FFFFFFF),
    "padding-first.mp3": lambda: bytes(100 * 1024) + mp3(),
    "only-zeros.mp3": lambda: bytes(100 * 1024),
    "wav-2000000000.wav": lambda: wav_of(2_000_000_000),
    "id3-wav.wav": lambda: id3() + recordings.wav(1.0),
    "rf64.wav": rf64,
    "short.aiff": aiff,
    "live.webm": lambda: recordings.webm(2.0, is_live=True),
    "film.webm": lambda: recordings.webm(
        2.0, recordings.webm_track(1, b"V_VP9"), recordings.webm_track(2, b"A_OPUS")
    ),
    "filled-first.mp3": lambda: b"\xff" * 5000 + mp3(),
    "wav-one-short.wav": lambda: recordings.wav(1.0)[:-1],
}


def content_of(name: str) -> bytes:
    """Return a file by its name; raises KeyError if there is none."""
    if name in MADE:
        return MADE[name]()
    if (BYTES / name).is_file():
        return (BYTES / name).read_bytes()
    raise KeyError(name)
