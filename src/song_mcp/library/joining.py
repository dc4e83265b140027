"""The parts of a song joined into one file, without decoding anything.

MP3 is joined at the borders of its frames (`mp3`), and WAV at those of its samples. Parts of other
kinds, or of different ones, are not joined: that would need a decoder and an encoder.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

from song_mcp.errors import LibraryError
from song_mcp.library import formats, mp3
from song_mcp.library.formats import Format

PLAIN_SAMPLES = {1, 3}
"""What a WAV file calls whole numbers and fractions: its samples can be counted."""
EXTENSIBLE = 0xFFFE
"""Says that the kind of the samples stands further behind, at SUBFORMAT."""
SUBFORMAT = 24
READ_LIMIT = 2 * mp3.FRAMES_LIMIT
"""The most frames of all parts that are read: some are cut off, and the whole may have half."""
HEADS_LIMIT = 64
"""The most bytes of a description of samples that are kept; usual are 16 to 40."""


@dataclass(frozen=True)
class Piece:
    """A part of a song: the bytes of its file, and up to how many seconds it plays, None for all.

    `name` is what people call it. The last piece of a song plays to its end.
    """

    name: str
    content: bytes
    until_s: float | None = None


def joined(pieces: Sequence[Piece]) -> bytes:
    """Return one file that plays the pieces one after the other.

    Raises LibraryError, which says why, if they cannot be joined as they are.
    """
    kinds = [formats.recognise(BytesIO(piece.content)) for piece in pieces]
    for piece, kind in zip(pieces, kinds, strict=True):
        _same(pieces[0], _called(kinds[0]), piece, _called(kind))
    join = JOINS.get(kinds[0])
    if join is None:
        known = " and ".join(_called(each) for each in JOINS)
        msg = f"The parts are {_called(kinds[0])}, and only {known} can be joined"
        raise LibraryError(f"{msg}: {_anew()}")
    return join(pieces)


def _called(kind: Format) -> str:
    return kind.extension[1:].upper()


def _anew() -> str:
    return (
        "the rest would have to be encoded anew, which loses quality. Each part has its own file."
    )


def _same(first: Piece, its: object, other: Piece, others: object) -> None:
    """Raise LibraryError unless two pieces have the same parameters."""
    if its != others:
        msg = f"{first.name} is {its}, and {other.name} is {others}. So they cannot be joined"
        raise LibraryError(f"{msg}: {_anew()}")


# MP3 ---------------------------------------------------------------------------------------


def _joined_mp3(pieces: Sequence[Piece]) -> bytes:
    sounds: list[mp3.Sound] = []
    for piece in pieces:
        sounds.append(_sound(piece))
        _same(pieces[0], sounds[0].shape, piece, sounds[-1].shape)
        if sum(len(sound.frames) for sound in sounds) > READ_LIMIT:
            raise LibraryError("The parts cannot be joined: together they have too many frames.")
    cuts = [piece.until_s for piece in pieces]
    try:
        return mp3.joined(list(zip(sounds, cuts, strict=True)))
    except ValueError as error:
        raise LibraryError(f"The parts cannot be joined: {error}.") from None


def _sound(piece: Piece) -> mp3.Sound:
    try:
        return mp3.sound_of(piece.content, formats.mp3_start(BytesIO(piece.content)))
    except ValueError as error:
        raise LibraryError(f"{piece.name} cannot be joined: {error}.") from None


# WAV ---------------------------------------------------------------------------------------


class _WavKind(NamedTuple):
    """What the samples of a WAV file are, and how many bytes one of each channel takes."""

    codec: int
    channels: int
    rate: int
    frame_bytes: int
    bits: int

    def __str__(self) -> str:
        """Say it in words."""
        channels = {1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        return f"WAV, {self.rate} Hz, {channels}, {self.bits} bits, kind {self.codec}"


def _joined_wav(pieces: Sequence[Piece]) -> bytes:
    read = [_samples(piece) for piece in pieces]
    head, kind, _ = read[0]
    for piece, (_, other, _) in zip(pieces, read, strict=True):
        _same(pieces[0], kind, piece, other)
    parts = [
        samples[: _cut(kind, piece.until_s, len(samples))]
        for piece, (_, _, samples) in zip(pieces, read, strict=True)
    ]
    size = sum(map(len, parts))
    chunks = struct.pack("<4sI", b"fmt ", len(head)) + head + struct.pack("<4sI", b"data", size)
    riff = struct.pack("<4sI4s", b"RIFF", 4 + len(chunks) + size + size % 2, b"WAVE")
    return b"".join([riff, chunks, *parts, bytes(size % 2)])


def _cut(kind: _WavKind, until_s: float | None, size: int) -> int:
    """Return up to which byte of `size` a part plays, at the border of a sample."""
    most = size // kind.frame_bytes
    return min(most, most if until_s is None else round(until_s * kind.rate)) * kind.frame_bytes


def _samples(piece: Piece) -> tuple[bytes, _WavKind, memoryview]:
    """Return the description of the samples, what it says, and the samples themselves."""
    head, kind = b"", None
    for name, start, told in formats.wav_chunks(BytesIO(piece.content)):
        if name == b"fmt ":
            head = piece.content[start : start + min(told, HEADS_LIMIT)]
            kind = _wav_kind(head)
        elif name == b"data":
            samples = memoryview(piece.content)[start:]
            if kind is None:
                break
            return head, kind, samples if told in formats.UNKNOWN_SIZES else samples[:told]
    raise LibraryError(f"{piece.name} cannot be joined: its samples cannot be counted.")


def _wav_kind(head: bytes) -> _WavKind | None:
    """Return what a description says, None for samples that are packed."""
    try:
        codec, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", head[:16])
    except struct.error:
        return None
    if codec == EXTENSIBLE:
        codec = int.from_bytes(head[SUBFORMAT : SUBFORMAT + 2], "little")
    is_plain = codec in PLAIN_SAMPLES and rate and frame_bytes
    return _WavKind(codec, channels, rate, frame_bytes, bits) if is_plain else None


JOINS: dict[Format, Callable[[Sequence[Piece]], bytes]] = {
    formats.MP3: _joined_mp3,
    formats.WAV: _joined_wav,
}
