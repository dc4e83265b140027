"""The files that the services of cases send: made from a short song of ours, or from `bytes/`."""

import struct
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


MADE: Mapping[str, Callable[[], bytes]] = {
    "good.mp3": mp3,
    "zeros-first.mp3": lambda: bytes(417) + mp3(),
    "crlf-first.mp3": lambda: b"\r\n" + mp3(),
    "wav-7fffffff.wav": lambda: wav_of(0x7FFFFFFF),
    "wav-one-short.wav": lambda: recordings.wav(1.0)[:-1],
}


def content_of(name: str) -> bytes:
    """Return a file by its name; raises KeyError if there is none."""
    if name in MADE:
        return MADE[name]()
    if (BYTES / name).is_file():
        return (BYTES / name).read_bytes()
    raise KeyError(name)
