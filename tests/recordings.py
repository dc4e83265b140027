"""Small files of every kind that the library handles, made here and not recorded anywhere."""

import math
import struct
import wave
from array import array
from functools import cache
from io import BytesIO

import lameenc

RATE = 44_100
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 600, 400) + bytes(9)
JPEG_FRAME = struct.pack(">HHBHH", 0xFFC0, 11, 8, 400, 600) + bytes(4)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(9) + JPEG_FRAME + b"\xff\xd9"
WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8 \x0e\0\0\0" + b"\0\0\0\x9d\x01\x2a\x58\x02\x90\x01" + bytes(4)


@cache
def sine(seconds: float, hertz: float = 440) -> bytes:
    """Mono 16-bit samples."""
    steps = range(round(seconds * RATE))
    samples = (round(9000 * math.sin(2 * math.pi * hertz * step / RATE)) for step in steps)
    return array("h", samples).tobytes()


@cache
def mp3(seconds: float = 1.0, hertz: float = 440) -> bytes:
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(64)
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(1)
    encoder.set_quality(7)
    encoder.silence()
    return bytes(encoder.encode(sine(seconds, hertz))) + bytes(encoder.flush())


def wav(seconds: float = 1.0) -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(sine(seconds))
    return file.getvalue()


def sound(seconds: float) -> bytes:
    """Stand for sound in a file that nobody decodes: as many bytes as the poorest of it has."""
    return bytes(100 + round(500 * seconds))


def flac(seconds: float = 1.0) -> bytes:
    """A whole header, and the beginning of frames: enough for everything except a decoder."""
    packed = RATE << 44 | 0 << 41 | 15 << 36 | round(seconds * RATE)
    info = struct.pack(">HH6xQ16x", 4096, 4096, packed)
    return b"fLaC" + b"\x80\x00\x00\x22" + info + b"\xff\xf8\xc9\x08" + sound(seconds)


def ogg_page(packet: bytes, number: int, granule: int = 0, flags: int = 0) -> bytes:
    lacing = bytes([255]) * (len(packet) // 255) + bytes([len(packet) % 255])
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, 1, number, 0, len(lacing))
    return header + lacing + packet


def opus(seconds: float = 1.0) -> bytes:
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 0, 48_000, 0, 0)
    tags = struct.pack("<8sI4sI", b"OpusTags", 4, b"none", 0)
    last = ogg_page(sound(seconds), 2, round(seconds * 48_000), 4)
    return ogg_page(head, 0, 0, 2) + ogg_page(tags, 1) + last


def vorbis(seconds: float = 1.0) -> bytes:
    head = struct.pack("<7sIBIiiiBB", b"\x01vorbis", 0, 1, RATE, 0, 64_000, 0, 0xB8, 1)
    tags = struct.pack("<7sI4sIB", b"\x03vorbis", 4, b"none", 0, 1)
    setup = b"\x05vorbis" + bytes(20)
    last = ogg_page(sound(seconds), 3, round(seconds * RATE), 4)
    return ogg_page(head, 0, 0, 2) + ogg_page(tags, 1) + ogg_page(setup, 2) + last


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", len(content) + 8, kind) + content


def mp4_track(handler: bytes, codec: bytes, seconds: float) -> bytes:
    times = box(b"mdhd", struct.pack(">12xIII", RATE, round(seconds * RATE), 0))
    who = box(b"hdlr", bytes(8), handler, bytes(13))
    entry = box(codec, bytes(16), struct.pack(">HHIH2x", 1, 16, 0, RATE), box(b"free", bytes(4)))
    table = box(b"stbl", box(b"stsd", struct.pack(">II", 0, 1), entry))
    return box(b"trak", box(b"mdia", times, who, box(b"minf", table)))


def m4a(
    seconds: float = 1.0,
    *,
    brand: bytes = b"M4A ",
    handler: bytes = b"soun",
    codec: bytes = b"mp4a",
) -> bytes:
    start = box(b"ftyp", brand, bytes(4), brand)
    movie = box(b"moov", box(b"mvhd", bytes(100)), mp4_track(handler, codec, seconds))
    return start + movie + box(b"mdat", sound(seconds))
