"""The score: which note sounds when. A mood and a take become a list of notes and drum strokes.

All times are in beats of a bar until the end. Then one factor turns them into seconds, so that
whole bars and a closing chord fill the piece exactly. Nothing sounds past its end.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from song_mcp.sandbox.mood import HELD, SCALES, Mood

_CLOSING_S = 1.6  # the last chord's share of the piece, at most a third of it
_GRID: dict[int, tuple[tuple[tuple[float, float], ...], ...]] = {
    4: (
        ((0, 1), (1, 1), (2, 2)),
        ((0, 1.5), (1.5, 0.5), (2, 1), (3, 1)),
        ((0, 0.5), (0.5, 0.5), (1, 1), (2, 0.5), (2.5, 0.5), (3, 1)),
        ((0, 2), (2, 1), (3, 1)),
        ((0.5, 0.5), (1, 1), (2, 1.5), (3.5, 0.5)),
        ((0, 0.5), (0.5, 1), (1.5, 1), (2.5, 1.5)),
    ),
    3: (
        ((0, 1), (1, 1), (2, 1)),
        ((0, 2), (2, 1)),
        ((0, 1.5), (1.5, 0.5), (2, 1)),
        ((0, 1), (1, 0.5), (1.5, 0.5), (2, 1)),
        ((0, 0.5), (0.5, 0.5), (1, 2)),
    ),
}
_STROKES: dict[tuple[str, int], dict[str, str]] = {
    ("rock", 4): {"kick": "x..x.x..", "snare": "..x...x.", "hat": "xoxoxoxo"},
    ("rock", 3): {"kick": "x.....", "snare": "..x.x.", "hat": "xoxoxo"},
    ("dance", 4): {"kick": "x.x.x.x.", "snare": "..o...o.", "open": ".o.o.o.o", "hat": "o.o.o.o."},
    ("dance", 3): {"kick": "x.x.x.", "open": ".o.o.o"},
    ("soft", 4): {"kick": "o...o...", "shaker": "xoxoxoxo", "rim": "..o...o."},
    ("soft", 3): {"kick": "o.....", "shaker": "x.x.x.", "rim": "..o.o."},
    ("brushes", 4): {"kick": "o...o...", "shaker": "x.xox.xo", "hat": "..x...x."},
    ("brushes", 3): {"kick": "o.....", "shaker": "x.xox.", "hat": "..x.x."},
}
_DRUM_GAIN = {"kick": 5, "snare": 3, "hat": 1, "open": 1, "shaker": 2, "rim": 2}
_LEFT, _MIDDLE, _RIGHT = (3, 1), (2, 2), (1, 3)

Pan = tuple[int, int]
"""Gain on the left and on the right, 1 to 3."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note or drum stroke; `instrument` names either, and a drum has pitch 0."""

    start_s: float
    length_s: float
    instrument: str
    pitch: int
    gain: int
    pan: Pan = _MIDDLE


@dataclass(frozen=True, slots=True)
class _Frame:
    """The timing of a piece: whole bars of one length, then the closing chord."""

    mood: Mood
    bars: int
    beat_s: float
    seconds: float

    def at(self, bar: int, beat: float) -> float:
        """Return the second at which a beat of a bar falls; off-beats are late if it swings."""
        late = 0.16 if self.mood.swings and beat % 1 == 0.5 else 0.0
        return (bar * self.mood.beats + beat + late) * self.beat_s

    @property
    def bar_s(self) -> float:
        return self.mood.beats * self.beat_s


def _frame(mood: Mood, seconds: float) -> _Frame:
    """Adjust the tempo a little, so that whole bars fit."""
    playing = seconds - min(_CLOSING_S, seconds / 3)
    bars = max(1, round(playing * mood.bpm / 60 / mood.beats))
    return _Frame(mood, bars, playing / bars / mood.beats, seconds)


def _pitch(mood: Mood, step: int) -> int:
    """Return the MIDI pitch of a step of the scale, counted from the key note."""
    scale = SCALES[mood.scale]
    return mood.tonic + 12 * (step // len(scale)) + scale[step % len(scale)]


def _between(pitch: int, low: int) -> int:
    """Move by octaves to `low` or up to eleven semitones above."""
    return low + (pitch - low) % 12


def _chord(mood: Mood, root: int, low: int) -> list[int]:
    return sorted(_between(_pitch(mood, root + third), low) for third in (0, 2, 4))


def _roots(frame: _Frame) -> list[int]:
    return [frame.mood.road[bar % len(frame.mood.road)] for bar in range(frame.bars)]


def _held_chords(frame: _Frame, instrument: str, gain: int) -> Iterator[Note]:
    for bar, root in enumerate(_roots(frame)):
        for pitch, pan in zip(_chord(frame.mood, root, 55), (_LEFT, _RIGHT, _MIDDLE), strict=True):
            yield Note(frame.at(bar, 0), frame.bar_s * 1.03, instrument, pitch, gain, pan)


def _broken_chords(frame: _Frame, instrument: str, dice: Random) -> Iterator[Note]:
    order = dice.choice(((0, 1, 2, 1), (0, 2, 1, 2), (2, 1, 0, 1), (0, 1, 2, 0)))
    for bar, root in enumerate(_roots(frame)):
        chord = _chord(frame.mood, root, 57)
        for eighth in range(2 * frame.mood.beats):
            pan = _LEFT if eighth % 2 else _RIGHT
            pitch = chord[order[eighth % 4]]
            yield Note(frame.at(bar, eighth / 2), frame.beat_s * 1.4, instrument, pitch, 3, pan)


def _strummed_chords(frame: _Frame, instrument: str, dice: Random) -> Iterator[Note]:
    beats = dice.choice(((0, 1.5, 2.5), (0, 1, 2, 3), (1, 3), (0.5, 1.5, 2.5, 3.5)))
    for bar, root in enumerate(_roots(frame)):
        for beat in (b for b in beats if b < frame.mood.beats):
            for i, pitch in enumerate(_chord(frame.mood, root, 55)):
                start = frame.at(bar, beat) + i * 0.014
                yield Note(start, frame.beat_s, instrument, pitch, 3, _RIGHT if i % 2 else _LEFT)


def _waltz_chords(frame: _Frame, instrument: str) -> Iterator[Note]:
    for bar, root in enumerate(_roots(frame)):
        for beat in range(1, frame.mood.beats):
            for pitch in _chord(frame.mood, root, 55):
                yield Note(frame.at(bar, beat), frame.beat_s * 0.7, instrument, pitch, 3, _RIGHT)


def _backing(frame: _Frame, dice: Random) -> Iterator[Note]:
    instrument = frame.mood.backing
    if frame.mood.beats == 3 and dice.random() < 0.6:
        yield from _waltz_chords(frame, instrument)
    elif instrument in HELD:
        yield from _held_chords(frame, instrument, 2)
    elif dice.random() < 0.5:
        yield from _broken_chords(frame, instrument, dice)
    else:
        yield from _strummed_chords(frame, instrument, dice)
    if instrument not in HELD:
        yield from _held_chords(frame, "pad", 1)


def _bass_figure(mood: Mood, dice: Random) -> tuple[tuple[float, int, float], ...]:
    """Choose the bass of one bar: beat, step above the root, length in beats."""
    if mood.kit == "dance":
        return tuple((beat / 2, 0, 0.5) for beat in range(2 * mood.beats))
    half = mood.beats - 2
    fifths = ((0, 0, half), (half, 4, 2))
    whole = ((0, 0, mood.beats),)
    pushed = ((0, 0, 1.5), (1.5, 0, 1.5))
    return dice.choice((fifths, whole, pushed))


def _bass(frame: _Frame, dice: Random) -> Iterator[Note]:
    instrument = "synth-bass" if frame.mood.kit == "dance" else "bass"
    figure = _bass_figure(frame.mood, dice)
    for bar, root in enumerate(_roots(frame)):
        for beat, step, length in figure:
            pitch = _between(_pitch(frame.mood, root + step), 33)
            yield Note(frame.at(bar, beat), length * frame.beat_s, instrument, pitch, 5)


def _drums(frame: _Frame) -> Iterator[Note]:
    strokes = _STROKES.get((frame.mood.kit, frame.mood.beats), {})
    for bar in range(1 if frame.bars > 3 else 0, frame.bars):
        for drum, line in strokes.items():
            for eighth, stroke in enumerate(line):
                if stroke != ".":
                    gain = _DRUM_GAIN[drum] * (2 if stroke == "x" else 1)
                    yield Note(frame.at(bar, eighth / 2), 0.3, drum, 0, gain)


@dataclass(frozen=True, slots=True)
class _Motif:
    """A rhythm and its steps up or down the scale: what a listener recognises."""

    rhythm: tuple[tuple[float, float], ...]
    steps: tuple[int, ...]


def _motif(beats: int, dice: Random) -> _Motif:
    rhythm = dice.choice(_GRID[beats])
    steps = tuple(dice.choice((-2, -1, -1, 0, 1, 1, 2)) for _ in rhythm)
    return _Motif(rhythm, steps)


def _nearest_chord_step(step: int, root: int) -> int:
    """Move to the closest step of the scale that belongs to the chord."""
    nearby = (step, step - 1, step + 1, step - 2, step + 2)
    return next(s for s in nearby if (s - root) % 7 in {0, 2, 4})


def _within(step: int, low: int, high: int) -> int:
    if step < low:
        return step + 7 if step + 7 <= high else low
    return step - 7 if step > high else step


def _walk(frame: _Frame, dice: Random) -> Iterator[tuple[int, float, float, int]]:
    """Lead a melody through the chords; yields bar, beat, length in beats and step."""
    motifs = [_motif(frame.mood.beats, dice), _motif(frame.mood.beats, dice)]
    plan = dice.choice(((0, 0, 1, 0), (0, 1, 0, 1), (0, 0, 0, 1)))
    step = dice.choice((7, 9, 11))
    roots = _roots(frame)
    for bar in range(1 if frame.bars > 3 else 0, frame.bars):
        motif = motifs[plan[bar % 4]]
        for (beat, length), move in zip(motif.rhythm, motif.steps, strict=True):
            step = _within(step + move, 5, 14)
            if beat % 1 == 0 or length >= 1:
                step = _nearest_chord_step(step, roots[bar])
            yield bar, beat, length, step


def singers(lyrics: str) -> list[str]:
    """Return the voices that sing the vowels of the lyrics, in order; at least one."""
    return [f"voice-{vowel}" for vowel in re.findall("[aeiou]", lyrics.lower())] or ["voice-a"]


def _lead(frame: _Frame, voices: Sequence[str], dice: Random) -> Iterator[Note]:
    """Play or sing the melody, with a quiet echo of it half a beat later."""
    sung = voices[0].startswith("voice")
    lift = 0 if sung else _between(frame.mood.tonic, 50) - frame.mood.tonic
    for i, (bar, beat, length, step) in enumerate(_walk(frame, dice)):
        pitch, start = _pitch(frame.mood, step) + lift, frame.at(bar, beat)
        voice, held = voices[i % len(voices)], length * frame.beat_s
        yield Note(start, held * 0.98, voice, pitch, 5)
        yield Note(start + frame.beat_s * 0.75, held * 0.9, voice, pitch, 1, _RIGHT)


def _closing(frame: _Frame, voices: Sequence[str]) -> Iterator[Note]:
    """End on the chord of the key, with the key note on top."""
    start = frame.at(frame.bars, 0)
    length = frame.seconds - start
    chord, low = _chord(frame.mood, 0, 55), _between(frame.mood.tonic, 33)
    yield Note(start, length, "bass", low, 5)
    for pitch, pan in zip(chord, (_LEFT, _MIDDLE, _RIGHT), strict=True):
        yield Note(start, length, frame.mood.backing, pitch, 2, pan)
    yield Note(start, length * 0.8, voices[0], _between(frame.mood.tonic, 60), 5)
    if frame.mood.kit != "none":
        yield Note(start, 0.3, "kick", 0, 6)


def score(mood: Mood, take: str, seconds: float, lyrics: str | None) -> list[Note]:
    """Write one piece; `lyrics` None is an instrumental, and the mood's lead plays the melody."""
    dice, frame = Random(f"take {take}"), _frame(mood, seconds)  # nosec B311 # dice for music, not for a secret
    voices = [mood.lead] if lyrics is None else singers(lyrics)
    parts = (
        _backing(frame, dice),
        _bass(frame, dice),
        _lead(frame, voices, dice),
        _drums(frame),
        _closing(frame, voices),
    )
    return [note for part in parts for note in part if note.start_s < seconds - 0.05]
