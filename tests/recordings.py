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


def ogg_flac(seconds: float = 1.0) -> bytes:
    head = b"\x7fFLAC\x01\x00" + struct.pack(">H", 1) + flac(seconds)[:42]
    comments = b"\x84" + (12).to_bytes(3, "big") + struct.pack("<I4sI", 4, b"none", 0)
    last = ogg_page(b"\xff\xf8" + sound(seconds), 2, round(seconds * RATE), 4)
    return ogg_page(head, 0, 0, 2) + ogg_page(comments, 1) + last


def adts_frame(payload: bytes, rate_index: int = 4) -> bytes:
    """One frame of AAC with the header that stands in front of each."""
    length = 7 + len(payload)
    packed = 0xFFF1 << 40 | 1 << 38 | rate_index << 34 | 1 << 30 | length << 13 | 0x7FF << 2
    return packed.to_bytes(7, "big") + payload


def aac(seconds: float = 1.0) -> bytes:
    """As many frames of 1,024 samples as that takes; nobody decodes what is in them."""
    frames = -(-round(seconds * RATE) // 1024)
    return b"".join(adts_frame(bytes(20 + number % 7)) for number in range(frames))


def aiff(seconds: float = 1.0, kind: bytes = b"AIFF") -> bytes:
    samples = array("h", sine(seconds))
    samples.byteswap()
    rate = struct.pack(">HQ", 16_383 + 15, RATE << 48)
    packing = b"NONE\0\0" if kind == b"AIFC" else b""
    common = struct.pack(">HIH", 1, len(samples), 16) + rate + packing
    chunks = [(b"FVER", b"\xa2\x80\x51\x40")] if packing else []
    chunks += [(b"COMM", common), (b"SSND", bytes(8) + samples.tobytes())]
    content = b"".join(struct.pack(">4sI", name, len(what)) + what for name, what in chunks)
    return struct.pack(">4sI4s", b"FORM", 4 + len(content), kind) + content


def element(name: bytes, *contents: bytes, told: int | None = None) -> bytes:
    """One element of WebM; `told` is its length if that is a lie, -1 if it is left open."""
    content = b"".join(contents)
    length = len(content) if told is None else told
    size = 2**56 - 1 if length < 0 else length
    return name + (size | 1 << 56).to_bytes(8, "big") + content


def webm_track(kind: int, codec: bytes) -> bytes:
    values = element(b"\x83", bytes([kind])), element(b"\x86", codec)
    return element(b"\xae", *values)


def webm(
    seconds: float = 1.0,
    *tracks: bytes,
    doc_type: bytes = b"webm",
    is_live: bool = False,
) -> bytes:
    """A file with a cluster of sound; one that `is_live` tells neither lengths nor the time."""
    open_end = -1 if is_live else None
    scale = element(b"\x2a\xd7\xb1", (1_000_000).to_bytes(4, "big"))
    length = b"" if is_live else element(b"\x44\x89", struct.pack(">d", seconds * 1000))
    described = element(b"\x15\x49\xa9\x66", scale, length)
    listed = element(b"\x16\x54\xae\x6b", *(tracks or [webm_track(2, b"A_OPUS")]))
    block = element(b"\xa3", b"\x81\0\0\x80" + sound(seconds))
    cluster = element(b"\x1f\x43\xb6\x75", element(b"\xe7", b"\0"), block, told=open_end)
    segment = element(b"\x18\x53\x80\x67", described, listed, cluster, told=open_end)
    return element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", doc_type)) + segment


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
