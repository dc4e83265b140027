"""Instruments: how one note sounds.

Every note begins and ends at silence (no clicks) and has no harmonic above half the sample rate
(no aliasing). All instruments are about equally loud. A note is a loop of whole periods, repeated,
times an envelope.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise, repeat
from operator import mul
from random import Random

from song_mcp.sandbox import tape

RATE = 48_000
"""Samples per second."""

_TABLE = 1024  # points of one period; read with interpolation
_SINE = tuple(math.sin(2 * math.pi * i / _TABLE) for i in range(_TABLE))
_LOUDNESS = 700  # effective value of a period; its peaks stay below 4096
_ENVELOPE_TOP = 2047
_LOOP = 4096  # samples: tuned to a quarter of a cent
_VIBRATO_HZ = 5.4

Formant = tuple[float, float]
"""Centre in Hz and strength of one resonance of a singing voice."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A timbre and the way its notes rise and fall; times in seconds."""

    harmonics: tuple[float, ...]
    attack_s: float = 0.006
    decay_s: float = 0.0
    """Time to fade to a third while held; 0 for an instrument that holds its tone."""
    release_s: float = 0.08
    vibrato: float = 0.0
    """Depth as a fraction of the frequency."""
    bite: tuple[float, ...] = ()
    """Harmonics that fade right after the attack, such as a hammer's or a plectrum's."""
    formants: tuple[Formant, ...] = ()


def _reed(count: int, slope: float) -> tuple[float, ...]:
    return tuple(n**-slope for n in range(1, count + 1))


def _odd(count: int, slope: float) -> tuple[float, ...]:
    return tuple(n**-slope if n % 2 else 0.0 for n in range(1, count + 1))


def _string(count: int, pluck: float) -> tuple[float, ...]:
    return tuple(abs(math.sin(math.pi * n * pluck)) / n**1.4 for n in range(1, count + 1))


def _voice(*formants: Formant) -> Instrument:
    return Instrument(
        _reed(24, 1.1), 0.05, release_s=0.12, vibrato=0.006, formants=((280.0, 0.7), *formants)
    )


INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument(
        (1, 0.42, 0.2, 0.1, 0.05, 0.02), 0.004, 0.9, 0.18, bite=(0.2, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1)
    ),
    "guitar": Instrument(_string(10, 0.29), 0.004, 0.6, 0.12, bite=_string(18, 0.13)),
    "harp": Instrument(_string(7, 0.42), 0.005, 0.8, 0.3),
    "bells": Instrument((1, 0, 0.35, 0.6, 0, 0.22, 0, 0, 0.1), 0.003, 0.7, 0.4),
    "organ": Instrument((1, 0.8, 0.5, 0.45, 0, 0.3, 0, 0.25), 0.02, release_s=0.06),
    "accordion": Instrument(_reed(12, 0.95), 0.05, release_s=0.09, vibrato=0.003),
    "strings": Instrument(_reed(12, 1.25), 0.14, release_s=0.3, vibrato=0.003),
    "flute": Instrument((1, 0.32, 0.1, 0.03), 0.06, release_s=0.1, vibrato=0.005),
    "brass": Instrument(_reed(12, 1.15), 0.035, release_s=0.09, vibrato=0.002),
    "synth": Instrument(_odd(13, 1.25), 0.006, 1.4, 0.1),
    "pad": Instrument((1, 0.4, 0.3, 0.12, 0.1, 0.05), 0.25, release_s=0.4, vibrato=0.002),
    "bass": Instrument((1, 0.55, 0.3, 0.12, 0.05), 0.006, 1.1, 0.07, bite=(0.3, 0.5, 0.5, 0.4)),
    "synth-bass": Instrument(_reed(9, 1.1), 0.005, 0.7, 0.05),
    "voice-a": _voice((750, 1.0), (1200, 0.6), (2700, 0.25)),
    "voice-e": _voice((480, 1.0), (1900, 0.45), (2600, 0.3)),
    "voice-i": _voice((300, 1.0), (2200, 0.4), (3000, 0.3)),
    "voice-o": _voice((480, 1.0), (850, 0.7), (2600, 0.15)),
    "voice-u": _voice((320, 1.0), (700, 0.5), (2500, 0.1)),
}


def frequency(pitch: int) -> float:
    """Return the frequency in Hz of a MIDI pitch, 69 being 440 Hz."""
    return 440.0 * math.exp2((pitch - 69) / 12)


def _resonance(formants: Sequence[Formant], hertz: float) -> float:
    return 0.04 + sum(
        gain / (1 + ((hertz - centre) / (60 + 0.07 * centre)) ** 2) for centre, gain in formants
    )


def _shaped(harmonics: tuple[float, ...], formants: Sequence[Formant], hertz: float) -> list[float]:
    """Drop the harmonics that the sample rate cannot hold, and shape the rest by the formants."""
    heard = [gain for n, gain in enumerate(harmonics, 1) if n * hertz < RATE * 0.4]
    if not formants:
        return heard
    return [gain * _resonance(formants, n * hertz) for n, gain in enumerate(heard, 1)]


def _period(harmonics: Sequence[float]) -> list[float]:
    """Add up one period of the given harmonics at the common loudness."""
    points = [0.0] * _TABLE
    for n, gain in enumerate(harmonics, 1):
        if gain:
            points = [p + gain * s for p, s in zip(points, (_SINE * n)[::n], strict=True)]
    effective = math.sqrt(sum(p * p for p in points) / _TABLE) or 1.0
    return [p * _LOUDNESS / effective for p in points]


@lru_cache(maxsize=256)
def _loop(
    harmonics: tuple[float, ...], formants: tuple[Formant, ...], pitch: int, vibrato: float
) -> array[int]:
    """Sample whole periods of a tone, so many that they fill whole samples almost exactly."""
    hertz = frequency(pitch)
    rough = RATE / _VIBRATO_HZ if vibrato else _LOOP
    periods = max(1, round(hertz * rough / RATE))
    length = round(periods * RATE / hertz)
    swing = vibrato * hertz * _TABLE / (2 * math.pi * _VIBRATO_HZ)
    points = _period(_shaped(harmonics, formants, hertz))
    points.append(points[0])
    table = list(pairwise(points))
    step, turn = periods * _TABLE / length, _TABLE / length
    samples = array("h")
    for i in range(length):
        place = i * step + (swing * _SINE[int(i * turn)] if vibrato else 0.0)
        whole = math.floor(place)
        here, following = table[whole % _TABLE]
        samples.append(round(here + (following - here) * (place - whole)))
    return samples


@lru_cache(maxsize=32)
def _held(decay_s: float, length: int) -> array[int]:
    """Return the level of a note while it is held, over `length` samples."""
    if not decay_s:
        return array("h", (_ENVELOPE_TOP,)) * length
    factor = math.exp(-1.1 / (decay_s * RATE))
    levels = accumulate(repeat(factor, length - 1), mul, initial=float(_ENVELOPE_TOP))
    return array("h", map(int, levels))


@lru_cache(maxsize=64)
def _envelope(attack_s: float, decay_s: float, release_s: float, length: int) -> array[int]:
    """Rise, hold or fade, and fall to silence within `length` samples."""
    rise = max(1, min(length // 3, round(attack_s * RATE)))
    fall = max(1, min(length // 2, round(release_s * RATE)))
    curve = array("h", (_ENVELOPE_TOP * i // rise for i in range(rise)))
    curve += _held(decay_s, -(-length // RATE) * RATE)[: length - rise]
    for i in range(1, fall + 1):
        curve[-i] = curve[-i] * (i - 1) // fall
    return curve


def _layer(loop: array[int], envelope: array[int]) -> tape.Sound:
    repeated = loop * (len(envelope) // len(loop) + 1)
    return tape.record(array("i", map(mul, repeated, envelope)))


def note(instrument: Instrument, pitch: int, length: int) -> tape.Sound:
    """Play one note of `length` samples, its fall to silence included."""
    loop = _loop(instrument.harmonics, instrument.formants, pitch, instrument.vibrato)
    curve = _envelope(instrument.attack_s, instrument.decay_s, instrument.release_s, length)
    sound = _layer(loop, curve)
    if instrument.bite:
        short = min(length, RATE // 6)
        sharp = _envelope(0.003, 0.05, 0.03, short)
        sound += _layer(_loop(instrument.bite, (), pitch, 0.0), sharp)
    return sound


def _struck(length_s: float, decay_s: float) -> array[int]:
    return _envelope(0.001, decay_s, 0.02, round(length_s * RATE))


def _noise(length: int) -> list[int]:
    return list(array("b", Random("noise").randbytes(length)))  # nosec B311 # dice for music, not for a secret


def _drum(wave: Iterable[float], curve: array[int]) -> tape.Sound:
    """Shape a wave (effective value some hundreds) into a stroke."""
    return tape.record(array("i", (int(w) * c for w, c in zip(wave, curve, strict=False))))


def _kick() -> tape.Sound:
    """A tone that falls from 160 to 46 Hz."""
    curve = _struck(0.28, 0.13)
    times = (i / RATE for i in range(len(curve)))
    turns = (46 * t + 4.2 * (1 - math.exp(-t * 28)) for t in times)
    return _drum((1500 * math.sin(2 * math.pi * turn) for turn in turns), curve)


def _snare() -> tape.Sound:
    """Noise over a short tone."""
    curve = _struck(0.2, 0.07)
    pace = 2 * math.pi * 186 / RATE
    hiss = enumerate(_noise(len(curve)))
    return _drum((5 * n + 260 * math.sin(i * pace) for i, n in hiss), curve)


def _hiss(length_s: float, decay_s: float, loudness: int) -> tape.Sound:
    """Noise without its low half: a hat or a shaker."""
    curve = _struck(length_s, decay_s)
    hiss = _noise(len(curve) + 2)
    bright = (a - 2 * b + c for a, b, c in zip(hiss, hiss[1:], hiss[2:], strict=False))
    return _drum((n * loudness for n in bright), curve)


def _rim() -> tape.Sound:
    """A click of two high tones."""
    curve = _struck(0.05, 0.015)
    places = range(len(curve))
    return _drum((500 * math.sin(i * 0.22) + 300 * math.sin(i * 0.347) for i in places), curve)


@lru_cache(maxsize=1)
def drums() -> dict[str, tape.Sound]:
    """Return the drum kit; each drum lasts less than 0.3 s."""
    return {
        "kick": _kick(),
        "snare": _snare(),
        "hat": _hiss(0.06, 0.022, 2),
        "open": _hiss(0.25, 0.11, 2),
        "shaker": _hiss(0.09, 0.045, 1),
        "rim": _rim(),
    }
