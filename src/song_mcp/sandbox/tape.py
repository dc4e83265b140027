"""Mixing: a stretch of sound is one big integer, and a mix is a sum.

A `Sound` is the exact integer sum of `sample[i] << (32 * i)`, with signed samples. Adding two
sounds therefore adds them sample by sample. Shifting left by 32 bits delays by one sample, and
multiplying by a small integer is a gain. Each is one pass of the interpreter's own C code, however
long the sound is, so pure Python can mix a song in milliseconds. A note peaks below 2**23 and a few
dozen sound at once, so the sums stay well inside 32 bits.
"""

from __future__ import annotations

from array import array

_BYTES = 4
_BITS = 8 * _BYTES
_PEAK = 29_000  # of 32767: about 1 dB of room for the overshoot of the MP3 encoder

Sound = int
"""Samples in one integer, earliest lowest; the empty sound is 0."""


def _bias(length: int) -> int:
    return int.from_bytes(b"\x00\x00\x00\x80" * length, "little")


def record(samples: array[int]) -> Sound:
    """Turn an array of 32-bit samples into a sound."""
    bias = _bias(len(samples))
    return (int.from_bytes(samples.tobytes(), "little") ^ bias) - bias


def play(sound: Sound, length: int) -> array[int]:
    """Return `length` 32-bit samples; the sound must not be longer than that."""
    bias = _bias(length)
    return array("i", ((sound + bias) ^ bias).to_bytes(length * _BYTES, "little"))


def delay(sound: Sound, samples: int) -> Sound:
    """Make the sound begin `samples` samples later."""
    return sound << (_BITS * samples)


def _high_halves(sound: Sound, length: int) -> array[int]:
    return array("h", play(sound, length).tobytes())[1::2]


def _loudest(samples: array[int]) -> int:
    highest, lowest = max(samples), min(samples)
    return max(highest, -lowest, 1)


def master(left: Sound, right: Sound, length: int) -> array[int]:
    """Bring both channels to one safe level; returns 16-bit samples, left and right interleaved.

    Only the upper half of each 32-bit sample is kept, so the gain below it is all the rounding
    there is. `length` is in samples per channel and must be at least 1.
    """
    loudest = max(_loudest(play(left, length)), _loudest(play(right, length)))
    gain = (_PEAK << 16) // loudest
    frames = array("h", bytes(4 * length))
    frames[0::2] = _high_halves(left * gain, length)
    frames[1::2] = _high_halves(right * gain, length)
    return frames
