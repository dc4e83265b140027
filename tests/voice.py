"""A cheap voice for the sandbox: a tune as plain tones, in a tenth of the synthesiser's time.

What it makes is as real as the synthesiser's: an MP3 of just the tune's frames, with a tone for
each piece that differs between takes, styles and continuations. How songs really sound is tested
in tests/sandbox/test_tune.py.
"""

from __future__ import annotations

from array import array
from zlib import crc32

from song_mcp.sandbox.instruments import RATE
from song_mcp.sandbox.tune import FRAME, Piece, Tune, encode

_LOUD = 6000
_QUICKEST = RATE // 1000
"""Samples in a period of the highest tone."""


def _tone(piece: Piece) -> array[int]:
    """Play a square wave; the text of a piece says how high and how loud."""
    number = crc32(repr((piece.style, piece.take, piece.lyrics)).encode())
    half, level = _QUICKEST + number % 997, _LOUD + number // 997 % _LOUD
    period = array("h", [level, level] * half + [-level, -level] * half)
    samples = piece.kept * FRAME
    return (period * (samples // (2 * half) + 1))[: 2 * samples]


def beep(tune: Tune) -> bytes:
    """Make the MP3, as the synthesiser's `press` does."""
    return encode(tune, map(_tone, tune.pieces))
