"""Audio files and covers made to cost memory or time: equal seeds make equal files.

Each file is made when it is asked for, and none is larger than a few MiB. Some are songs that a
player would play, with a hostile part; others only begin as songs do.
"""

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from tests import recordings
from tests.recordings import box, ogg_page

KIB, MIB = 2**10, 2**20
SIZES = {"64 KiB": 64 * KIB, "1 MiB": MIB, "4.9 MiB": 49 * MIB // 10}
SEED = 20261126
ENDLESS = 0xFFFFFFFF
Kind = Literal["audio", "cover"]
Make = Callable[[int], bytes]


@dataclass(frozen=True)
class CraftedFile:
    """A file, what it is meant to be taken for, and a name that says what is wrong with it."""

    name: str
    data: bytes
    kind: Kind


def files(
    seed: int = SEED, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[CraftedFile]:
    """Yield some 200 files, each made when its turn comes; only those whose name is `wanted`."""
    for name, make in BULKY.items():
        for size, number in SIZES.items():
            if wanted(f"{name}, {size}"):
                yield CraftedFile(f"{name}, {size}", make(number), "audio")
    for name, build in LIARS.items():
        if wanted(name):
            yield CraftedFile(name, build(), "audio")
    for name, build in COVERS.items():
        if wanted(name):
            yield CraftedFile(name, build(), "cover")
    spoiled = _spoiled(random.Random(seed))  # noqa: S311 - a shuffle, not a secret
    yield from (file for file in spoiled if wanted(file.name))


# FLAC --------------------------------------------------------------------------------------

FRAME = b"\xff\xf8\xc9\x08" + bytes(4000)
"""Where the audio of a FLAC file begins."""
VENDOR = struct.pack("<I", 4) + b"none"


def stream_info(samples: int = recordings.RATE, rate: int = recordings.RATE) -> bytes:
    return struct.pack(">HH6xQ16x", 4096, 4096, rate << 44 | 15 << 36 | samples)


def block(kind: int, content: bytes, size: int | None = None, *, last: bool = False) -> bytes:
    """One metadata block; `size` is what it says of its length, if that is a lie."""
    told = len(content) if size is None else size
    return bytes([kind | 0x80 * last]) + told.to_bytes(3, "big") + content


def flac(*blocks: bytes, info: bytes = b"") -> bytes:
    start = b"fLaC" + block(0, info or stream_info())
    return start + b"".join(blocks) + block(1, b"", last=True) + FRAME


def comments(comment: bytes, count: int, told: int | None = None) -> bytes:
    one = struct.pack("<I", len(comment)) + comment
    return VENDOR + struct.pack("<I", count if told is None else told) + one * count


def many_comments(comment: bytes) -> Make:
    return lambda size: flac(block(4, comments(comment, size // (4 + len(comment)))))


def _other_names(size: int) -> bytes:
    """Comments that all have names of their own."""
    listed = [b"%06d=" % number for number in range(size // 11)]
    content = b"".join(struct.pack("<I", len(one)) + one for one in listed)
    return flac(block(4, VENDOR + struct.pack("<I", len(listed)) + content))


def _titles_behind_others(size: int) -> bytes:
    """Comments that a tagger replaces, and removes one by one, each after a search."""
    number = size // 21
    listed = [b"A=%07d" % each for each in range(number)] + [b"TITLE="] * (number // 2)
    content = b"".join(struct.pack("<I", len(one)) + one for one in listed)
    return flac(block(4, VENDOR + struct.pack("<I", len(listed)) + content))


def flac_picture(size: int, told: int | None = None) -> bytes:
    head = struct.pack(">II9sI20s", 3, 9, b"image/png", 0, struct.pack(">5I", 1, 1, 24, 0, size))
    return block(6, head + bytes(size), told)


def _repeated_block(piece: bytes) -> Make:
    return lambda size: flac(*[piece] * (size // len(piece)))


# MP4 ---------------------------------------------------------------------------------------

EMPTY = box(b"free")
FTYP = box(b"ftyp", b"M4A ", bytes(4), b"M4A ")
MDAT = box(b"mdat", bytes(8000))
SOUND = recordings.mp4_track(b"soun", b"mp4a", 1)


def m4a(*boxes: bytes, track: bytes = SOUND) -> bytes:
    return FTYP + box(b"moov", box(b"mvhd", bytes(100)), track, *boxes) + MDAT


def ilst(content: bytes) -> bytes:
    return box(b"udta", box(b"meta", bytes(4), box(b"ilst", content)))


def table_in_track(kind: bytes, content: bytes) -> bytes:
    """A track whose table of samples has one more box."""
    entry = box(b"mp4a", bytes(28), box(b"free", bytes(4)))
    table = box(b"stbl", box(b"stsd", struct.pack(">II", 0, 1), entry), box(kind, content))
    times = box(b"mdhd", struct.pack(">12xIII", 44_100, 44_100, 0))
    who = box(b"hdlr", bytes(8), b"soun", bytes(13))
    return box(b"trak", box(b"mdia", times, who, box(b"minf", table)))


def _nested(kind: bytes) -> Make:
    """Boxes of one kind, each inside the one before: as many as the size allows, to 200,000."""

    def make(size: int) -> bytes:
        depth = min(size // 8, 200_000)
        heads = (struct.pack(">I4s", 8 * (depth - level), kind) for level in range(depth))
        return m4a(b"".join(heads))

    return make


def _long(seconds: int, scale: int = 1) -> bytes:
    """A song that says so many seconds in wide fields."""
    times = box(b"mdhd", struct.pack(">B3x16xIQI", 1, scale, seconds, 0))
    who = box(b"hdlr", bytes(8), b"soun", bytes(13))
    entry = box(b"mp4a", bytes(28), box(b"free", bytes(4)))
    table = box(b"stbl", box(b"stsd", struct.pack(">II", 0, 1), entry))
    return m4a(track=box(b"trak", box(b"mdia", times, who, box(b"minf", table))))


FRAGMENT = box(b"moof", box(b"traf", box(b"tfhd", bytes(8))))
OFFSETS = struct.pack(">II", 0, 4)

# Ogg ---------------------------------------------------------------------------------------

OPUS_HEAD = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 0, 48_000, 0, 0)
VORBIS_HEAD = struct.pack("<7sIBIiiiBB", b"\x01vorbis", 0, 1, 44_100, 0, 64_000, 0, 0xB8, 1)
PAGE_BYTES = 255 * 255


def packet_pages(packet: bytes, number: int) -> Iterator[bytes]:
    """Yield the pages of one packet, which goes on from page to page."""
    for start in range(0, len(packet) + 1, PAGE_BYTES):
        piece = packet[start : start + PAGE_BYTES]
        lacing = bytes([255]) * (len(piece) // 255)
        if len(piece) < PAGE_BYTES:
            lacing += bytes([len(piece) % 255])
        flags = 1 if start else 0
        head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, 1, number, 0, len(lacing))
        yield head + lacing + piece
        number += 1


def opus(tags: bytes, *more: bytes, granule: int = 48_000) -> bytes:
    pages = b"".join(packet_pages(b"OpusTags" + tags, 1))
    last = ogg_page(bytes(200), 9000, granule, 4)
    return ogg_page(OPUS_HEAD, 0, 0, 2) + pages + b"".join(more) + last


def vorbis(tags: bytes, granule: int = 44_100, head: bytes = VORBIS_HEAD) -> bytes:
    pages = b"".join(packet_pages(b"\x03vorbis" + tags + b"\x01", 1))
    setup = ogg_page(b"\x05vorbis" + bytes(20), 8000)
    last = ogg_page(bytes(200), 9000, granule, 4)
    return ogg_page(head, 0, 0, 2) + pages + setup + last


def ogg_flac(size: int) -> bytes:
    """Ogg FLAC with many pages, each of which begins a stream of its own."""
    page = ogg_page(b"\x7fFLAC", 0, 0, 2)
    return recordings.ogg_flac()[:79] + page * (size // len(page))


# WAV ---------------------------------------------------------------------------------------


def chunk(kind: bytes, content: bytes = b"", told: int | None = None) -> bytes:
    return struct.pack("<4sI", kind, len(content) if told is None else told) + content


def wav_format(rate: int = 44_100, byte_rate: int = 88_200, align: int = 2) -> bytes:
    return chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, rate, byte_rate, align, 16))


SAMPLES = chunk(b"data", bytes(88_200))


def wav(*chunks: bytes, told: int | None = None) -> bytes:
    content = b"".join(chunks)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(content) if told is None else told, b"WAVE") + (
        content
    )


# AIFF --------------------------------------------------------------------------------------


def aiff_chunk(kind: bytes, content: bytes = b"", told: int | None = None) -> bytes:
    return struct.pack(">4sI", kind, len(content) if told is None else told) + content


def aiff_format(frames: int = 44_100, rate: bytes = b"\x40\x0e\xac\x44") -> bytes:
    return aiff_chunk(b"COMM", struct.pack(">HIH", 1, frames, 16) + rate.ljust(10, b"\0"))


AIFF_SOUND = aiff_chunk(b"SSND", bytes(88_208))


def aiff(*chunks: bytes) -> bytes:
    content = b"".join(chunks)
    return struct.pack(">4sI4s", b"FORM", 4 + len(content), b"AIFF") + content


# WebM --------------------------------------------------------------------------------------

EBML_HEAD = recordings.element(b"\x1a\x45\xdf\xa3", recordings.element(b"\x42\x82", b"webm"))
WEBM_SOUND = recordings.webm()[len(EBML_HEAD) + 12 :]
VOID = recordings.element(b"\xec")


def webm(*elements: bytes, sound: bytes = WEBM_SOUND) -> bytes:
    return EBML_HEAD + recordings.element(b"\x18\x53\x80\x67", *elements, sound)


def _nested_elements(size: int) -> bytes:
    """Descriptions of tracks, each inside the one before, as deep as the size allows."""
    depth = min(size // 12, 100_000)
    heads = (
        b"\x16\x54\xae\x6b" + (1 << 56 | 12 * (depth - level)).to_bytes(8, "big")
        for level in range(1, depth + 1)
    )
    return webm(b"".join(heads))


# AAC ---------------------------------------------------------------------------------------

AAC_FRAME = recordings.adts_frame(b"")


def aac(size: int) -> bytes:
    """As many frames as there can be, of a header and nothing else."""
    return AAC_FRAME * (size // len(AAC_FRAME))


# MP3 ---------------------------------------------------------------------------------------

MP3 = recordings.mp3(1)


def syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3(content: bytes, *, told: int | None = None, version: int = 4, flags: int = 0) -> bytes:
    size = syncsafe(len(content) if told is None else told)
    return b"ID3" + bytes([version, 0, flags]) + size + content


def id3_frame(name: bytes, content: bytes, flags: int = 0) -> bytes:
    return name + syncsafe(len(content)) + struct.pack(">H", flags) + content


def frames(name: bytes, content: bytes = b"") -> Make:
    one = id3_frame(name, content)
    return lambda size: id3(one * (size // len(one))) + MP3


def _bomb(size: int) -> bytes:
    """A frame that unpacks to a thousand times the size of the file."""
    packer = zlib.compressobj(9)
    packed = packer.compress(bytes(MIB)) + packer.flush()
    content = syncsafe(MIB) + packed
    one = id3_frame(b"UFID", content, 0x0009) + id3_frame(b"TXXX", content, 0x0009)
    return id3(one * (size // len(one))) + MP3


def ape(items: bytes, count: int, told: int | None = None) -> bytes:
    size = len(items) + 32 if told is None else told
    head = struct.pack("<8sIIII8x", b"APETAGEX", 2000, size, count, 0xA0000000)
    return head + items + struct.pack("<8sIIII8x", b"APETAGEX", 2000, size, count, 0x80000000)


def ape_items(size: int) -> bytes:
    count = size // 12
    return MP3 + ape(struct.pack("<II3sB", 0, 0, b"abc", 0) * count, count)


def xing(told_frames: int, told_bytes: int) -> bytes:
    frame = bytearray(MP3[:208])
    frame[21:37] = b"Xing" + struct.pack(">III", 3, told_frames, told_bytes)
    return bytes(frame) + MP3


def vbri(told_frames: int) -> bytes:
    frame = bytearray(MP3[:208])
    frame[36:62] = struct.pack(">4sHHHIIHHHH", b"VBRI", 1, 0, 0, 9, told_frames, 0, 1, 2, 1)[:26]
    return bytes(frame) + MP3


def _long_tables(size: int) -> bytes:
    """Frames, three in a row each time, whose VBR headers name a table as long as the rest."""
    entries = 0x1000
    entry_bytes = max(5, (size - MIB) // entries)
    frame = bytearray(104)
    frame[:4] = b"\xff\xf3\x40\xc4"
    frame[36:62] = struct.pack(">4s14xHHHH", b"VBRI\0\1", entries, 1, entry_bytes, 1)
    group = bytes(frame) * 3 + bytes(8)
    return (group * (min(size, MIB) // len(group))).ljust(size, b"\0")


# Audio -------------------------------------------------------------------------------------

BULKY: dict[str, Make] = {
    "FLAC of empty comments": many_comments(b""),
    "FLAC of comments of one name": many_comments(b"A="),
    "FLAC of comments without a sign": many_comments(b"nothing"),
    "FLAC of comments with names of their own": _other_names,
    "FLAC of titles behind other comments": _titles_behind_others,
    "FLAC of empty blocks": _repeated_block(block(2, b"")),
    "FLAC of blocks of comments": _repeated_block(block(4, comments(b"A=1", 1))),
    "FLAC of pictures": _repeated_block(flac_picture(1)),
    "FLAC of paddings": _repeated_block(block(1, b"")),
    "FLAC with one picture": lambda size: flac(flac_picture(size)),
    "FLAC with a table of places": lambda size: flac(block(3, bytes(18) * (size // 18))),
    "FLAC with a cue sheet": lambda size: flac(block(5, b"\xff" * size)),
    "M4A of empty boxes": lambda size: m4a(EMPTY * (size // 8)),
    "M4A of empty boxes at the top": lambda size: m4a() + EMPTY * (size // 8),
    "M4A of empty tags": lambda size: m4a(ilst(box(b"\xa9nam") * (size // 8))),
    "M4A of free tags": lambda size: m4a(ilst(box(b"----", bytes(24)) * (size // 32))),
    "M4A of tags of one name": lambda size: m4a(
        ilst(box(b"\xa9nam", box(b"data", bytes(8), b"x")) * (size // 25))
    ),
    "M4A of empty tracks": lambda size: m4a(box(b"trak") * (size // 8)),
    "M4A of tracks": lambda size: m4a(SOUND * (size // len(SOUND))),
    "M4A of empty lists in a track": lambda size: m4a(box(b"trak", box(b"ilst") * (size // 8))),
    "M4A of nested lists": _nested(b"ilst"),
    "M4A of nested films": _nested(b"moov"),
    "M4A of nested tracks": _nested(b"trak"),
    "M4A of fragments": lambda size: m4a() + FRAGMENT * (size // len(FRAGMENT)),
    "M4A with a table of offsets": lambda size: m4a(
        track=table_in_track(
            b"stco", struct.pack(">II", 0, size // 4) + b"\0\x10\0\0" * (size // 4)
        )
    ),
    "M4A of tables of offsets": lambda size: m4a(
        track=table_in_track(b"free", box(b"stco", OFFSETS, bytes(16)) * (size // 32))
    ),
    "M4A with a long table of sounds": lambda size: m4a(track=table_in_track(b"stsz", bytes(size))),
    "Opus of empty comments": lambda size: opus(comments(b"", size // 4)),
    "Opus of comments of one name": lambda size: opus(comments(b"A=", size // 6)),
    "Opus of empty pages": lambda size: opus(comments(b"", 0), ogg_page(b"", 3) * (size // 28)),
    "Vorbis of empty comments": lambda size: vorbis(comments(b"", size // 4)),
    "Vorbis of comments of one name": lambda size: vorbis(comments(b"A=", size // 6)),
    "WAV of empty chunks before the sound": lambda size: wav(
        wav_format(), chunk(b"junk") * (size // 8), SAMPLES
    ),
    "WAV of empty chunks after the sound": lambda size: wav(
        wav_format(), SAMPLES, chunk(b"junk") * (size // 8)
    ),
    "WAV with a list of empty chunks": lambda size: wav(
        wav_format(), chunk(b"LIST", b"INFO" + chunk(b"INAM") * (size // 8)), SAMPLES
    ),
    "WAV with an ID3 tag of empty frames": lambda size: wav(
        wav_format(), SAMPLES, chunk(b"id3 ", id3(id3_frame(b"TIT2", b"") * (size // 10)))
    ),
    "Ogg FLAC of beginnings of streams": ogg_flac,
    "AIFF of empty chunks before the sound": lambda size: aiff(
        aiff_format(), aiff_chunk(b"APPL") * (size // 8), AIFF_SOUND
    ),
    "AIFF of empty chunks after the sound": lambda size: aiff(
        aiff_format(), AIFF_SOUND, aiff_chunk(b"APPL") * (size // 8)
    ),
    "AIFF of odd chunks": lambda size: aiff(
        aiff_format(), aiff_chunk(b"APPL", b"x\0", 1) * (size // 10), AIFF_SOUND
    ),
    "AIFF of descriptions": lambda size: aiff(aiff_format() * (size // 26), AIFF_SOUND),
    "AIFF with an ID3 tag of empty frames": lambda size: aiff(
        aiff_format(),
        AIFF_SOUND,
        aiff_chunk(b"ID3 ", id3(id3_frame(b"TIT2", b"") * (size // 10))),
    ),
    "AAC of empty frames": aac,
    "AAC behind empty tags": lambda size: id3(b"") * (size // 10) + aac(9000),
    "WebM of empty elements": lambda size: webm(VOID * (size // 9)),
    "WebM of empty elements in a track": lambda size: webm(
        recordings.element(b"\x16\x54\xae\x6b", recordings.element(b"\xae", VOID * (size // 9)))
    ),
    "WebM of tracks": lambda size: webm(
        recordings.element(b"\x16\x54\xae\x6b", recordings.webm_track(2, b"A_OPUS") * (size // 36))
    ),
    "WebM of clusters": lambda size: webm(
        sound=WEBM_SOUND + recordings.element(b"\x1f\x43\xb6\x75") * (size // 12)
    ),
    "WebM of nested elements": _nested_elements,
    "MP3 behind zeros": lambda size: bytes(min(size, 2**17)) + MP3 * (size // len(MP3)),
    "MP3 behind the beginnings of frames": lambda size: (
        (b"\xff\xfb\x90" * (min(size, 2**17) // 3)) + MP3 * (size // len(MP3))
    ),
    "MP3 behind fours of frames": lambda size: (
        (MP3[208 : 208 + 4 * 208] + b"x") * (min(size, 2**17) // 900) + MP3 * (size // len(MP3))
    ),
    "junk and tags in turn": lambda size: (b"\r\n" + id3(b"")) * (size // 12),
    "nothing but zeros": bytes,
    "nothing but what begins frames": lambda size: b"\xff" * size,
    "nothing but heads of AAC": lambda size: b"\xff\xf1\x50\x80\0\x3f\xfc" * (size // 7),
    "MP3 with empty frames in its tag": frames(b"TIT2"),
    "MP3 with comments in its tag": frames(b"COMM", b"\x03eng\0x"),
    "MP3 with frames that nobody knows": frames(b"ABCD", b"x"),
    "MP3 with keys in its tag": frames(b"UFID", b"song-mcp\0x"),
    "MP3 with packed frames": _bomb,
    "MP3 with a padded tag": lambda size: id3(bytes(size)) + MP3,
    "MP3 with a tag that is not in step": lambda size: (
        id3(b"\xff\0" * (size // 2), flags=0x80) + MP3
    ),
    "MP3 with many tags": lambda size: id3(b"x") * (size // 11) + MP3,
    "MP3 with many empty tags": lambda size: id3(b"") * (size // 10) + MP3,
    "MP3 with an APE tag of many items": ape_items,
    "MP3 with many APE tags": lambda size: MP3 + ape(b"", 0) * (size // 64),
    "MP3 of frames with long tables": _long_tables,
    "MP3 with many old tags": lambda size: MP3 + (b"TAG" + bytes(125)) * (size // 128),
    "MP3 after many signs that look like its own": lambda size: (
        id3(b"\xff\xfb\x90\0" * (size // 4)) + MP3
    ),
}
"""What costs more the larger it is; each is made in all of `SIZES`."""

LIARS: dict[str, Callable[[], bytes]] = {
    "FLAC of 2^36 samples": lambda: flac(info=stream_info(2**36 - 1)),
    "FLAC of 2^36 seconds": lambda: flac(info=stream_info(2**36 - 1, 1)),
    "FLAC at 0 Hz": lambda: flac(info=stream_info(rate=0)),
    "FLAC with 2^32 comments": lambda: flac(block(4, comments(b"A=1", 9, ENDLESS))),
    "FLAC with a comment of 2^32 bytes": lambda: flac(
        block(4, VENDOR + struct.pack("<II", 1, ENDLESS) + b"A=1")
    ),
    "FLAC with a block of comments that says 0 bytes": lambda: flac(
        block(4, comments(b"A=1", 200_000), 0)
    ),
    "FLAC with a picture that says 0 bytes": lambda: flac(flac_picture(MIB, 0)),
    "FLAC with a block beyond its end": lambda: flac(block(2, b"", 2**24 - 1)),
    "FLAC without an end of its blocks": lambda: b"fLaC" + block(0, stream_info()) + bytes(4 * MIB),
    "FLAC with two tables of places": lambda: flac(block(3, bytes(18)), block(3, bytes(18))),
    "M4A with a box of 0 bytes inside": lambda: m4a(b"\0\0\0\0free" + bytes(40)),
    "M4A with boxes in boxes": lambda: m4a(
        box(b"trak", box(b"trak", box(b"trak", box(b"trak", box(b"trak", box(b"trak"))))))
    ),
    "M4A with a film of 0 bytes": lambda: FTYP + MDAT + b"\0\0\0\0moov" + SOUND,
    "M4A with a wide box of 2^64 bytes": lambda: m4a(
        struct.pack(">I4sQ", 1, b"trak", 2**64 - 1) + bytes(90)
    ),
    "M4A with a box beyond its end": lambda: m4a(struct.pack(">I4s", ENDLESS, b"udta") + bytes(90)),
    "M4A with a table of 2^32 offsets": lambda: m4a(
        track=table_in_track(b"stco", struct.pack(">II", 0, ENDLESS) + bytes(64))
    ),
    "M4A with a tag of 0 bytes": lambda: m4a(ilst(box(b"\xa9nam", b"\0\0\0\0data" + bytes(64)))),
    "M4A of 2^63 seconds": lambda: _long(2**63),
    "M4A of 2^36 seconds": lambda: _long(2**36),
    "M4A of 0 steps a second": lambda: _long(1000, 0),
    "Opus with 2^32 comments": lambda: opus(comments(b"A=1", 1, ENDLESS)),
    "Opus with a vendor of 2^32 bytes": lambda: opus(struct.pack("<I", ENDLESS) + b"none"),
    "Opus of 2^62 samples": lambda: opus(comments(b"", 0), granule=2**62),
    "Opus of 2^36 seconds": lambda: opus(comments(b"", 0), granule=48_000 * 2**36),
    "Opus that ends at -1": lambda: opus(comments(b"", 0), granule=-1),
    "Vorbis of 2^36 seconds": lambda: vorbis(comments(b"", 0), 44_100 * 2**36),
    "Vorbis at 0 Hz": lambda: vorbis(
        comments(b"", 0), head=VORBIS_HEAD[:12] + bytes(4) + VORBIS_HEAD[16:]
    ),
    "Vorbis at 1 Hz": lambda: vorbis(
        comments(b"", 0), head=VORBIS_HEAD[:12] + b"\1\0\0\0" + VORBIS_HEAD[16:]
    ),
    "Ogg whose packet never ends": lambda: (
        ogg_page(OPUS_HEAD, 0, 0, 2)
        + b"".join(packet_pages(b"OpusTags" + bytes(40 * PAGE_BYTES - 8), 1))
    ),
    "WAV of 2^32 bytes": lambda: wav(wav_format(), chunk(b"data", bytes(9000), ENDLESS)),
    "WAV at 1 byte a second": lambda: wav(wav_format(1, 1, 1), SAMPLES),
    "WAV at 0 bytes a second": lambda: wav(wav_format(0, 0, 0), SAMPLES),
    "WAV that says 0 bytes": lambda: wav(wav_format(), SAMPLES, told=0),
    "WAV with a chunk beyond its end": lambda: wav(
        wav_format(), chunk(b"junk", b"", ENDLESS - 1), SAMPLES
    ),
    "WAV of 2^31 bytes": lambda: wav(wav_format(), chunk(b"data", bytes(9000), 2**31)),
    "WAV for long recordings of 2^64 bytes": lambda: (
        b"RF64\xff\xff\xff\xffWAVE"
        + chunk(b"ds64", struct.pack("<QQQI", 2**64 - 1, 2**64 - 1, 0, 0))
        + wav_format()
        + chunk(b"data", bytes(9000), ENDLESS)
    ),
    "AIFF of 2^32 bytes": lambda: aiff(aiff_format(), aiff_chunk(b"SSND", bytes(9000), ENDLESS)),
    "AIFF of 2^32 frames": lambda: aiff(aiff_format(ENDLESS), AIFF_SOUND),
    "AIFF at 0 Hz": lambda: aiff(aiff_format(rate=b"\0"), AIFF_SOUND),
    "AIFF at 2^16383 Hz": lambda: aiff(aiff_format(rate=b"\x7f\xfe\xff"), AIFF_SOUND),
    "AIFF at 2^-16383 Hz": lambda: aiff(aiff_format(rate=b"\0\1\xff"), AIFF_SOUND),
    "AIFF of 2^16 channels": lambda: aiff(
        aiff_chunk(b"COMM", struct.pack(">HIH10x", 2**16 - 1, 0, 2**16 - 1)),
        aiff_chunk(b"SSND", bytes(9000), 0),
    ),
    "AIFF without words in its description": lambda: aiff(aiff_chunk(b"COMM"), AIFF_SOUND),
    "WebM of an endless length": lambda: webm(
        recordings.element(
            b"\x15\x49\xa9\x66", recordings.element(b"\x44\x89", struct.pack(">d", 1e308))
        )
    ),
    "WebM of no number as its length": lambda: webm(
        recordings.element(
            b"\x15\x49\xa9\x66",
            recordings.element(b"\x44\x89", struct.pack(">d", float("nan"))),
        )
    ),
    "WebM with an element of 2^56 bytes": lambda: webm(recordings.element(b"\xec", told=2**56 - 2)),
    "WebM with a value of 1 MiB": lambda: webm(
        recordings.element(b"\x15\x49\xa9\x66", recordings.element(b"\x2a\xd7\xb1", b"\xff" * MIB))
    ),
    "AAC with a frame beyond its end": lambda: AAC_FRAME * 9 + recordings.adts_frame(b"x" * 90)[:9],
    "AAC of 2^4 blocks a frame": lambda: (AAC_FRAME[:6] + b"\xff") * 9000,
    "MP3 of 2^32 frames": lambda: xing(ENDLESS, 1000),
    "MP3 of 2^24 frames": lambda: xing(2**24, 1000),
    "MP3 of 2^32 frames, told otherwise": lambda: vbri(ENDLESS),
    "MP3 with a tag beyond its end": lambda: id3(b"", told=2**28 - 1) + MP3,
    "MP3 with a tag of 0 bytes": lambda: id3(bytes(MIB), told=0) + MP3,
    "MP3 with an APE tag of 2^32 bytes": lambda: MP3 + ape(b"", ENDLESS, ENDLESS),
}
"""Small files whose fields lie about what is there."""


# Covers ------------------------------------------------------------------------------------


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )  # fmt: skip


def png(width: int, height: int, *before: bytes, is_painted: bool = False) -> bytes:
    """A picture of one bit a pixel; if it `is_painted`, with all of its pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    painted = [packer.compress(row * 500) for _ in range(height // 500 if is_painted else 0)]
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = b"".join(painted) + packer.flush()
    chunks = [_png_chunk(b"IHDR", head), *before, _png_chunk(b"IDAT", pixels)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _png_chunk(b"IEND", b"")


def segment(code: int, content: bytes) -> bytes:
    return bytes([0xFF, code]) + struct.pack(">H", len(content) + 2) + content


def frame_segment(width: int, height: int, code: int = 0xC0) -> bytes:
    return segment(code, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0))


def jpeg(*segments: bytes) -> bytes:
    start = b"\xff\xd8" + segment(0xE0, b"JFIF\0" + bytes(9))
    return start + b"".join(segments) + segment(0xDA, bytes(6)) + bytes(20) + b"\xff\xd9"


def webp(kind: bytes, content: bytes) -> bytes:
    inside = b"WEBP" + chunk(kind, content)
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


def webp_canvas(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", bytes(4) + sides)


def webp_lossless(width: int, height: int) -> bytes:
    packed = (width - 1) | (height - 1) << 14
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", packed) + bytes(20))


def webp_lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(20))


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3) + b"\x3b"


THUMBNAIL = segment(0xE1, b"Exif\0\0" + jpeg(frame_segment(160, 160)))

COVERS: dict[str, Callable[[], bytes]] = {
    "PNG of 20,000 x 20,000": lambda: png(20_000, 20_000, is_painted=True),
    "PNG of 4,097 x 1": lambda: png(4097, 1),
    "PNG of 1 x 4,097": lambda: png(1, 4097),
    "PNG of 2^31 x 2^31": lambda: png(2**31 - 1, 2**31 - 1),
    "PNG of 0 x 0": lambda: png(0, 0),
    "PNG with a packed text": lambda: png(
        20_000, 20_000, _png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(4 * MIB)))
    ),
    "PNG of many chunks": lambda: png(5000, 5000, _png_chunk(b"tEXt", b"") * 50_000),
    "PNG that begins otherwise": lambda: b"\x89PNG\r\n\x1a\n" + _png_chunk(b"tEXt", b"a\0b"),
    "JPEG of 65,535 x 65,535": lambda: jpeg(frame_segment(65_535, 65_535)),
    "JPEG of 65,535 x 1": lambda: jpeg(frame_segment(65_535, 1)),
    "JPEG in steps of 30,000 x 30,000": lambda: jpeg(frame_segment(30_000, 30_000, 0xC2)),
    "JPEG with a small picture in front": lambda: jpeg(THUMBNAIL, frame_segment(30_000, 30_000)),
    "JPEG whose height comes later": lambda: jpeg(frame_segment(30_000, 0)),
    "JPEG of many segments": lambda: jpeg(segment(0xFE, b"") * MIB, frame_segment(9000, 9000)),
    "JPEG of filling": lambda: jpeg(b"\xff" * (4 * MIB), frame_segment(9000, 9000)),
    "JPEG without a size": jpeg,
    "JPEG with a segment of 0 bytes": lambda: b"\xff\xd8" + b"\xff\xe0\0\0" * MIB,
    "WebP of 2^24 x 2^24": lambda: webp_canvas(2**24, 2**24),
    "WebP of 5,000 x 5,000": lambda: webp_canvas(5000, 5000),
    "WebP, lossless, of 16,384 x 16,384": lambda: webp_lossless(2**14, 2**14),
    "WebP, lossy, of 16,383 x 16,383": lambda: webp_lossy(2**14 - 1, 2**14 - 1),
    "WebP of nothing": lambda: webp(b"JUNK", bytes(90)),
    "GIF of 65,535 x 65,535": lambda: gif(65_535, 65_535),
    "GIF of 1 x 1": lambda: gif(1, 1),
}  # fmt: skip
"""Pictures that a program would need much memory to show, or to understand."""


# Honest files, spoiled ---------------------------------------------------------------------

HONEST: dict[str, Callable[[], bytes]] = {
    "MP3": lambda: id3(id3_frame(b"TIT2", b"\x03Quay")) + MP3,
    "WAV": lambda: wav(wav_format(), chunk(b"LIST", b"INFO"), SAMPLES),
    "FLAC": lambda: flac(block(4, comments(b"A=1", 3))),
    "Opus": lambda: opus(comments(b"A=1", 3)),
    "Vorbis": lambda: vorbis(comments(b"A=1", 3)),
    "M4A": lambda: m4a(ilst(box(b"\xa9nam", box(b"data", bytes(8), b"x")))),
    "Ogg FLAC": recordings.ogg_flac,
    "AIFF": lambda: aiff(aiff_format(), AIFF_SOUND),
    "AAC": recordings.aac,
    "WebM": recordings.webm,
    "WAV behind a tag": lambda: id3(bytes(20)) + wav(wav_format(), SAMPLES),
    "MP3 behind zeros": lambda: bytes(90) + MP3,
}
SPOILED_EACH = 3
LENGTHS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\x80\0\0\0")


def _spoiled(dice: random.Random) -> Iterator[CraftedFile]:
    """Yield honest songs some of whose first fields are as large or as small as can be."""
    for name, build in HONEST.items():
        for number in range(SPOILED_EACH):
            content = bytearray(build())
            for _ in range(dice.randint(1, 3)):
                place = dice.randrange(12, 300)
                content[place : place + 4] = dice.choice(LENGTHS)
            yield CraftedFile(f"{name}, spoiled {number}", bytes(content), "audio")
