"""A download as players want it: without what is in front of the audio, and with true lengths.

Some hosts send zeros, line ends or a tag of another format before the audio. Some programs write
WAV and AIFF as a stream, and put a number into the fields of lengths that they cannot know, and
some put tags of MP3 behind MP4. What needs no mending is returned as it is.
"""

import re
import struct
from io import BytesIO

from song_mcp.library import adts, ebml, formats, signs
from song_mcp.library.boxes import file_boxes

JUNK_LIMIT = 128 * 2**10
"""The most bytes that may be in front of the audio, besides ID3 tags."""
JUNK = b"\0\r\n\t "
STARTS = (b"RIFF", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS", ebml.START)
"""What audio that is not only frames begins with; of MP4 that is the kind of the first box."""
BOX_LENGTH = 4
"""The bytes before the kind of a box."""
SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb\xf0\xf1\xf8\xf9]")
"""How the header of a frame begins."""
FRAMES_IN_A_ROW = 8
"""How many frames must follow each other to be believed behind junk."""
CHECKS_LIMIT = 10_000
"""The most headers of frames that are read in vain."""

FRAMES = ((4, formats.frame_bytes), (adts.HEAD, adts.frame_bytes))
"""The bytes of a frame's header, and what tells the frame's length by them."""
BOXES = {
    *(b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"ssix", b"styp", b"emsg", b"prft", b"pdin"),
    *(b"free", b"skip", b"wide", b"uuid", b"meta", b"udta", b"ftyp"),
}
"""The boxes of a file: if the last one is one of these and too long, the file is cut off."""
RIFF_HEAD = 8
"""The bytes of a file of chunks that its length does not count."""
SSND_HEAD = 8
"""The bytes before the sound in its chunk of an AIFF file."""


def mended(content: bytes) -> bytes:
    """Return a download without what is in front of its audio, with true lengths in its header."""
    audio = content[_start(content) :]
    if audio[:4] in {b"RIFF", b"RF64", b"BW64"} and audio[8:12] == b"WAVE":
        return _patched(audio, _wav_patches(audio))
    if audio[:4] == b"FORM" and audio[8:12] in formats.AIFF_KINDS:
        return _patched(audio, _aiff_patches(audio))
    return audio[: _mp4_end(audio)] if audio[4:8] == b"ftyp" else audio


# In front ----------------------------------------------------------------------------------


def _start(content: bytes) -> int:
    """Return where the audio begins, behind tags and junk, 0 if that is not found."""
    file = BytesIO(content)
    tags = formats.mp3_start(file)
    start = _behind_junk(content, tags)
    if (behind := formats.mp3_start(file, start)) > start:  # tags behind junk
        tags = behind
        start = _behind_junk(content, tags)
    if content.startswith(STARTS, start):
        return start
    box = content.find(b"ftyp", start, start + 2 * BOX_LENGTH)
    if box >= BOX_LENGTH:
        return box - BOX_LENGTH
    seen = content[start : start + signs.SEEN_BYTES]
    if signs.other_kind(seen) or signs.is_markup(seen):
        return 0
    return _first_frame(content, start, tags + JUNK_LIMIT)


def _behind_junk(content: bytes, start: int) -> int:
    """Return the place of the first byte from `start` on that is no junk."""
    window = content[start : start + JUNK_LIMIT]
    return start + len(window) - len(window.lstrip(JUNK))


def _first_frame(content: bytes, start: int, end: int) -> int:
    """Return where from `start` to `end` frames of MP3 or AAC begin, 0 if nowhere."""
    checks = CHECKS_LIMIT
    for sign in SYNC.finditer(content, start, end + 2):
        for head, length_of in FRAMES:
            place, tried = sign.start(), 0
            needed = FRAMES_IN_A_ROW if place > start else formats.FRAMES_IN_A_ROW
            while tried < needed and (length := length_of(content[place : place + head])):
                place += length
                tried += 1
            if tried == needed:
                return sign.start()
            checks -= tried
        if checks < 0:
            break
    return 0


# Behind ------------------------------------------------------------------------------------


def _mp4_end(content: bytes) -> int:
    """Return where a film ends that something else is behind, else where the content ends."""
    kinds, end = set(), 0
    try:
        for kind, _, after in file_boxes(BytesIO(content)):
            kinds.add(kind)
            end = after
    except ValueError:
        kind = content[end + BOX_LENGTH : end + 2 * BOX_LENGTH]
        if kinds >= {b"moov", b"mdat"} and kind not in BOXES:
            return end
    return len(content)


# Lengths -----------------------------------------------------------------------------------


def _wav_patches(audio: bytes) -> dict[int, bytes]:
    """Return what of a WAV file has to be other, by its place; RF64 becomes plain WAV."""
    patches = {} if audio.startswith(b"RIFF") else {0: b"RIFF"}
    frame_bytes, wide = 1, 0
    for kind, start, told in formats.wav_chunks(BytesIO(audio)):
        if kind == b"ds64":
            wide = int.from_bytes(audio[start + 8 : start + 16], "little")
            patches[start - 8] = b"JUNK"
        elif kind == b"fmt ":
            frame_bytes = int.from_bytes(audio[start + 12 : start + 14], "little")
        elif kind == b"data":
            there = len(audio) - start
            is_with_head = told in {len(audio), len(audio) - RIFF_HEAD}
            known = there if is_with_head else told
            length = wide if 0 < wide <= there else _length(known, there, frame_bytes)
            if length > there:
                return {}  # it is cut off
            if length != told:
                patches[start - 4] = struct.pack("<I", length)
            break
    return _with_whole(patches, audio, "<")


def _aiff_patches(audio: bytes) -> dict[int, bytes]:
    """Return what of an AIFF file has to be other, by its place."""
    patches: dict[int, bytes] = {}
    described, frame_bytes = 0, 0
    for kind, start, told in formats.wav_chunks(BytesIO(audio), ">"):
        if kind == b"COMM":
            described = start
            channels, _, bits = struct.unpack(">HIH", audio[start : start + 8].ljust(8, b"\0"))
            frame_bytes = channels * ((bits + 7) // 8)
        elif kind == b"SSND":
            there = len(audio) - start - SSND_HEAD
            length = SSND_HEAD + _length(max(told - SSND_HEAD, 0), there, frame_bytes)
            if length > SSND_HEAD + there:
                return {}  # it is cut off
            if length != told:
                patches[start - 4] = struct.pack(">I", length)
                if described and frame_bytes and audio[8:12] == b"AIFF":
                    frames = (length - SSND_HEAD) // frame_bytes
                    patches[described + 2] = struct.pack(">I", frames)
            break
    return _with_whole(patches, audio, ">")


def _length(told: int, there: int, frame_bytes: int) -> int:
    """Return how many bytes of sound there are.

    They are as many as is told, unless that stands for an unknown number, or the last frame is
    short: then all whole frames count.
    """
    one = max(frame_bytes, 1)
    if formats.is_placeholder(told) or there < told <= there + one:
        return max(there - there % one, 0)
    return told


def _with_whole(patches: dict[int, bytes], audio: bytes, order: str) -> dict[int, bytes]:
    """Return the patches, with one of the length of the whole file if that is not true."""
    (told,) = struct.unpack(f"{order}I", audio[4:8])
    whole = len(audio) - 8
    if told != whole and (patches or told == 0 or told > whole):
        return {**patches, 4: struct.pack(f"{order}I", whole)}
    return patches


def _patched(content: bytes, patches: dict[int, bytes]) -> bytes:
    """Return the content with these bytes at these places."""
    if not patches:
        return content
    copy = bytearray(content)
    for place, patch in patches.items():
        copy[place : place + len(patch)] = patch
    return bytes(copy)
