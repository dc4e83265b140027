"""Orders and the clips made from them: an order becomes some clips, each with a tune of its own.

A clip is complete from the moment its task is accepted; the services only choose when to show which
part of it. Equal orders make equal music; a repeated request differs in the seed of its order.
"""

import re
from dataclasses import dataclass
from uuid import uuid4

from song_mcp.sandbox import words
from song_mcp.sandbox.mood import mood
from song_mcp.sandbox.tune import Tune, compose

TAKES = 2
BYTES_A_SECOND = 16_000
"""Of an MP3 of 128 kbit/s, as all of this sandbox are."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One piece of audio, with all that a service says about it."""

    id: str
    title: str
    style: str
    """The description, without markers."""
    lyrics: str
    """Line breaks and section marks included; empty for an instrumental."""
    tags: tuple[str, ...]
    tune: Tune
    before: bytes = b""
    """The frames of an MP3 that are played before the tune."""

    @property
    def duration_s(self) -> float:
        """Return the length of the audio in seconds."""
        return self.tune.duration_s + len(self.before) / BYTES_A_SECOND


@dataclass(frozen=True, slots=True)
class Order:
    """What a service was asked for, in this package's own terms; its texts have no markers."""

    style: str
    lyrics: str | None = None
    """The given lyrics; None lets the service write them."""
    instrumental: bool = False
    title: str = ""
    """A title to keep; empty lets the service invent one."""
    seed: str = ""
    source: Clip | None = None
    """The clip to continue."""
    continue_at: float = 0.0
    """Seconds into the source; 0 stands for its end, because no service says what it means."""
    holds_source: bool = False
    """Whether a continuation begins with its source; else it is the new part alone."""
    before: bytes = b""
    """The frames of an uploaded MP3 that the clip begins with."""


def sung(order: Order, take: int) -> str:
    """Return the lyrics of one take; empty for an instrumental."""
    if order.instrumental:
        return ""
    return words.lyrics(order.style, take) if order.lyrics is None else order.lyrics


def _tune(order: Order, style: str, take: int, text: str, seconds: float) -> Tune:
    """Plan the audio: a continuation keeps the mood of its source, and brings a new melody."""
    origin = style if order.source is None else order.source.tune.pieces[0].style
    fresh = compose(origin, f"{style} {order.seed} {take}", text or None, seconds)
    if order.source is None or not order.holds_source:
        return fresh
    source = order.source.tune
    return source.until(order.continue_at or source.duration_s).then(fresh)


def _clip(order: Order, take: int, seconds: float) -> Clip:
    text = sung(order, take)
    style = order.style or plain(text) or order.title
    tune = _tune(order, style, take, text, seconds)
    return Clip(
        id=str(uuid4()),
        title=order.title or words.title(style, take),
        style=order.style,
        lyrics=text,
        tags=tuple(words.tags(style, mood(tune.pieces[0].style))),
        tune=tune,
        before=order.before,
    )


def make(order: Order, seconds: float, takes: int = TAKES) -> tuple[Clip, ...]:
    """Make the clips of an order; `seconds` is the length of what is new in each."""
    return tuple(_clip(order, take, seconds) for take in range(takes))


def plain(lyrics: str) -> str:
    """Remove section marks and line breaks, as PiAPI does."""
    return " ".join(re.sub(r"\[[^\]]*\]", " ", lyrics).split())
