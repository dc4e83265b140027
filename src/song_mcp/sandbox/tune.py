"""The synthesiser: a tune is a plan of what to play, and pressing it makes an MP3.

The same tune always makes the same bytes, and they last exactly `duration_s`: the plan counts MP3
frames of 24 ms, and the MP3 has exactly that many.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil

from song_mcp.sandbox import tape
from song_mcp.sandbox.instruments import INSTRUMENTS, RATE, drums, note
from song_mcp.sandbox.mood import mood
from song_mcp.sandbox.score import Note, score

FRAME = 1152
"""Samples in an MP3 frame: 24 ms at 48 kHz."""

_KBITS = 128
_FRAME_BYTES = _KBITS * 1000 // 8 * FRAME // RATE  # 384, never padded at this rate
_GRAIN = RATE // 100  # lengths of notes are rounded to 10 ms, so that more of them are the same
_WINDOW_S = 2.0  # notes are summed in short stretches first: short integers add faster
_SHORTEST = RATE // FRAME  # a piece has room for a drum, which is why it is not cut from less
_FADE = RATE // 25
_DELAY = 1105  # samples by which encoding and decoding an MP3 puts everything later


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of music in one go, of which the first `kept` frames are heard."""

    style: str
    """The description that sets the mood."""
    take: str
    """What tells this take from others of the same style."""
    lyrics: str | None
    """The words to sing; None for an instrumental."""
    frames: int
    kept: int


@dataclass(frozen=True, slots=True)
class Tune:
    """A whole clip: one piece, and one more for each time it was continued."""

    pieces: tuple[Piece, ...]

    @property
    def frames(self) -> int:
        """Count the MP3 frames of the clip."""
        return sum(piece.kept for piece in self.pieces)

    @property
    def duration_s(self) -> float:
        """Return the length of the audio in seconds."""
        return self.frames * FRAME / RATE

    def until(self, seconds: float) -> Tune:
        """Keep the beginning only, to the nearest frame; all of it if `seconds` is past the end."""
        left, kept = round(seconds * RATE / FRAME), []
        for piece in self.pieces:
            if left > 0:
                kept.append(replace(piece, kept=min(piece.kept, left)))
            left -= piece.kept
        return Tune(tuple(kept))

    def then(self, following: Tune) -> Tune:
        """Play another tune right after this one."""
        return Tune(self.pieces + following.pieces)


def compose(style: str, take: str, lyrics: str | None, seconds: float) -> Tune:
    """Plan a tune of about `seconds`, at least one frame."""
    kept = max(1, round(seconds * RATE / FRAME))
    return Tune((Piece(style, take, lyrics, max(kept, _SHORTEST), kept),))


class _Band:
    """Plays notes; each different note is made once."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._made: dict[tuple[str, int, int], tape.Sound] = {}

    def _sound(self, name: str, pitch: int, length: int) -> tape.Sound:
        key = (name, pitch, length)
        if key not in self._made:
            self._made[key] = note(INSTRUMENTS[name], pitch, length)
        return self._made[key]

    def play(self, played: Note) -> tuple[int, tape.Sound]:
        """Return the sample at which the note starts, and its sound, never past the end."""
        start = round(played.start_s * RATE)
        if played.instrument in drums():
            return min(start, self._length - RATE // 3), drums()[played.instrument]
        wished = ceil(played.length_s * RATE / _GRAIN) * _GRAIN
        length = max(1, min(wished, self._length - start))
        return start, self._sound(played.instrument, played.pitch, length)


def _mix(notes: list[Note], length: int) -> tuple[tape.Sound, tape.Sound]:
    """Add up all notes on two channels."""
    band, window = _Band(length), round(_WINDOW_S * RATE)
    left: defaultdict[int, tape.Sound] = defaultdict(int)
    right: defaultdict[int, tape.Sound] = defaultdict(int)
    for played in notes:
        start, sound = band.play(played)
        stretch, offset = divmod(max(0, start), window)
        placed = tape.delay(sound, offset)
        left[stretch] += placed * (played.gain * played.pan[0])
        right[stretch] += placed * (played.gain * played.pan[1])
    return _joined(left, window), _joined(right, window)


def _joined(stretches: dict[int, tape.Sound], window: int) -> tape.Sound:
    return sum(tape.delay(sound, n * window) for n, sound in stretches.items())


def _faded(frames: array[int], fade: int, silence: int) -> array[int]:
    """Bring both channels down to silence over `fade` samples, `silence` samples before the end."""
    for i in range(min(2 * (fade + silence), len(frames))):
        frames[-1 - i] = frames[-1 - i] * max(0, i // 2 - silence) // fade
    return frames


def perform(piece: Piece, silence: int = 0) -> array[int]:
    """Play the kept part of a piece: 16-bit samples, left and right interleaved.

    It fades out at its end, which includes `silence` samples of silence.
    """
    length = piece.frames * FRAME
    notes = score(mood(piece.style), piece.take, length / RATE, piece.lyrics)
    samples = tape.master(*_mix(notes, length), length)
    return _faded(samples[: 2 * FRAME * piece.kept], _FADE, silence)


def encode(tune: Tune, played: Iterable[array[int]]) -> bytes:
    """Make the MP3 of a tune from its pieces as they were played.

    It is 48 kHz, stereo, 128 kbit/s, and `duration_s` long to the frame.
    """
    import lameenc

    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(2)
    encoder.set_bit_rate(_KBITS)
    encoder.set_quality(7)
    encoder.silence()
    pressed = bytearray()
    for samples in played:
        pressed += encoder.encode(samples.tobytes())
    pressed += encoder.flush()
    return bytes(pressed[: tune.frames * _FRAME_BYTES])


def press(tune: Tune) -> bytes:
    """Play and encode a tune; it falls silent at its very end."""
    *first, last = tune.pieces
    return encode(tune, chain(map(perform, first), [perform(last, _DELAY)]))


def excerpt(pressed: bytes, share: float) -> bytes:
    """Return the first part of an MP3, cut between frames; `share` is between 0 and 1."""
    return pressed[: int(len(pressed) // _FRAME_BYTES * share) * _FRAME_BYTES]
