"""Wishes that a service may ignore, and whether what it says of a clip repeats them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

CLOSE = 0.011
"""How far a weight from 0 to 1 may be from another and still be the same, if it was rounded."""
SINGERS: Mapping[str, str] = {
    "f": "f",
    "female": "f",
    "woman": "f",
    "m": "m",
    "male": "m",
    "man": "m",
}
"""How people and services call who sings."""
TEXTS, WEIGHTS = ("negative_tags", "vocal_gender"), ("style_weight", "weirdness")


@dataclass(frozen=True)
class Wishes:
    """What was asked for, or what a clip repeats of it; "" or None if nothing.

    `style_weight` and `weirdness` are from 0 to 1, `vocal_gender` is "m" or "f".
    """

    negative_tags: str = ""
    vocal_gender: str = ""
    style_weight: float | None = None
    weirdness: float | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The wishes that were given, as JSON values by their names."""
        return {name: value for name, value in asdict(self).items() if value not in {"", None}}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Wishes":
        """Return the wishes among JSON values, which may hold other things."""
        texts = {name: values[name] for name in TEXTS if isinstance(values.get(name), str)}
        weights = {
            name: values[name] for name in WEIGHTS if isinstance(values.get(name), int | float)
        }
        return cls(**texts, **weights)

    def unheeded(self, shown: Iterable["Wishes"]) -> tuple[str, ...]:
        """Return the names of those that none of the clips repeats."""
        clips = list(shown)
        return tuple(name for name in self.given if not any(_repeats(self, c, name) for c in clips))


def _repeats(asked: Wishes, shown: Wishes, name: str) -> bool:
    wish, said = getattr(asked, name), getattr(shown, name)
    if said in {"", None}:
        return False
    if name == "negative_tags":
        return _tags(wish) <= _tags(said)
    if name == "vocal_gender":
        return bool(SINGERS.get(said.casefold()) == wish)
    return any(abs(wish - weight) <= CLOSE for weight in (said, said / 100))


def _tags(text: str) -> set[str]:
    return {part.strip().casefold() for part in text.split(",")} - {""}
