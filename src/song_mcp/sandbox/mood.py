"""The mood of a song: tempo, metre, key and band, read from the words of its description.

A mood is a pure function of the text. What words such as "slow", "waltz", "piano", "sad" or
"120 bpm" do not settle, a hash of the whole text does, so any two descriptions differ.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

Thing = TypeVar("Thing")

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
HELD = frozenset({"organ", "accordion", "strings", "brass", "pad", "flute"})
"""Instruments that hold a chord; the others strike or pluck it."""

_SLOW, _FAST = 0.72, 1.34
_PACE = {
    **dict.fromkeys(("slow", "slowly", "ballad", "lullaby", "ambient", "calm", "sleepy"), _SLOW),
    **dict.fromkeys(("sad", "melancholy", "gentle", "soft", "night", "dreamy"), 0.84),
    **dict.fromkeys(("upbeat", "cheerful", "happy", "dance", "disco", "house", "pop"), 1.15),
    **dict.fromkeys(("fast", "quick", "punk", "techno", "energetic", "metal", "polka"), _FAST),
}
_METRE: dict[str, int] = dict.fromkeys(("waltz", "minuet", "lullaby", "shanty"), 3)
_SCALE = {
    **dict.fromkeys(("sad", "dark", "melancholy", "minor", "night", "winter", "metal"), "minor"),
    **dict.fromkeys(("happy", "cheerful", "summer", "major", "sunny", "children", "pop"), "major"),
    **dict.fromkeys(("jazz", "funk", "medieval", "dorian", "soul"), "dorian"),
    **dict.fromkeys(("blues", "rock", "shanty", "celtic", "mixolydian", "folk"), "mixolydian"),
}
_LEAD = {
    **dict.fromkeys(("piano", "keys"), "piano"),
    **dict.fromkeys(("guitar", "acoustic", "folk", "country"), "guitar"),
    **dict.fromkeys(("harp", "celtic"), "harp"),
    **dict.fromkeys(("bells", "bell", "glockenspiel", "christmas", "lullaby"), "bells"),
    **dict.fromkeys(("organ", "church"), "organ"),
    **dict.fromkeys(("accordion", "harbour", "shanty", "polka", "harmonica"), "accordion"),
    **dict.fromkeys(("strings", "violin", "orchestra", "cello", "classical"), "strings"),
    **dict.fromkeys(("flute", "whistle", "pan-flute"), "flute"),
    **dict.fromkeys(("brass", "trumpet", "saxophone", "sax", "jazz", "march"), "brass"),
    **dict.fromkeys(("synth", "synthwave", "techno", "electronic", "house", "chiptune"), "synth"),
}
_KIT = {
    **dict.fromkeys(("ambient", "lullaby", "solo", "choir", "classical", "church"), "none"),
    **dict.fromkeys(("rock", "punk", "metal", "pop", "indie", "blues"), "rock"),
    **dict.fromkeys(("techno", "house", "dance", "disco", "electronic", "synthwave"), "dance"),
    **dict.fromkeys(("jazz", "soul", "bossa", "swing"), "brushes"),
    **dict.fromkeys(("folk", "acoustic", "country", "calm", "soft", "gentle"), "soft"),
}
_SWINGING = frozenset({"jazz", "swing", "blues", "shanty"})

_ROADS: dict[str, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (0, 2, 3, 4), (3, 0, 4, 5)),
    "minor": ((0, 5, 2, 6), (0, 3, 6, 2), (0, 6, 5, 6), (0, 3, 0, 6), (5, 6, 0, 0)),
    "dorian": ((0, 3, 0, 3), (0, 2, 3, 6), (0, 6, 3, 0)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3), (0, 4, 6, 3)),
}
_LEADS = ("piano", "guitar", "harp", "bells", "accordion", "strings", "flute", "brass", "synth")
_BACKINGS = ("piano", "guitar", "harp", "organ", "strings", "pad")
_KITS = ("soft", "soft", "rock", "dance", "brushes")


@dataclass(frozen=True, slots=True)
class Mood:
    """What every take of one description has in common."""

    bpm: float
    beats: int
    """Beats in a bar: 3 or 4."""
    tonic: int
    """MIDI pitch of the key note, 45 to 56."""
    scale: str
    road: tuple[int, ...]
    """Chords of four bars, as steps of the scale."""
    lead: str
    backing: str
    kit: str
    swings: bool

    @property
    def key(self) -> str:
        """Name the key, as in "Eb minor"."""
        return f"{KEYS[self.tonic % 12]} {self.scale}"


def words(text: str) -> list[str]:
    """Split into lower-case words, in their order."""
    return re.findall(r"[^\W_]+(?:-[^\W_]+)*", text.lower())


def _said(said: Sequence[str], table: Mapping[str, Thing]) -> Thing | None:
    return next((table[word] for word in said if word in table), None)


def _bpm(said: Sequence[str], text: str, dice: Random) -> float:
    if number := re.search(r"\b(\d{2,3})\s*bpm\b", text.lower()):
        return min(200.0, max(50.0, float(number[1])))
    usual = dice.uniform(88, 124)
    return min(172.0, usual * (_said(said, _PACE) or 1.0))


def _backing(lead: str, said: Sequence[str], dice: Random) -> str:
    named = [_LEAD[word] for word in said if word in _LEAD and _LEAD[word] != lead]
    return named[0] if named else dice.choice([b for b in _BACKINGS if b != lead])


def mood(text: str) -> Mood:
    """Return the mood of a description."""
    said, dice = words(text), Random(f"mood {text}")  # nosec B311 # dice for music, not for a secret
    scale = _said(said, _SCALE) or dice.choice(("major", "minor", "dorian", "mixolydian", "major"))
    lead = _said(said, _LEAD) or dice.choice(_LEADS)
    return Mood(
        bpm=_bpm(said, text, dice),
        beats=_said(said, _METRE) or dice.choice((4, 4, 4, 3)),
        tonic=45 + dice.randrange(12),
        scale=scale,
        road=dice.choice(_ROADS[scale]),
        lead=lead,
        backing=_backing(lead, said, dice),
        kit=_said(said, _KIT) or dice.choice(_KITS),
        swings=not _SWINGING.isdisjoint(said),
    )
