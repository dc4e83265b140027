"""Chains: which clips an extended song is made of, and how much of each.

An extension may be the new part alone. Then the song is the clip that it continues, up to where the
extension starts, followed by the extension; and that clip may be an extension itself. What a clip
continues, and from where, is what was asked for: the journal has it. Whether a clip is the new part
alone is a fact of its service (`docs/providers.md` 2.3, 3.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from song_mcp import messages
from song_mcp.journal import Pair
from song_mcp.songs import Clip, Task

LONGEST = 50
"""The most clips of a chain."""


@dataclass(frozen=True)
class Continuation:
    """What a part continues: the clip `source_id` from `at_s` seconds on, None for its end."""

    source_id: str
    at_s: float | None


@dataclass(frozen=True)
class Stretch:
    """What a song has of one clip: its beginning, up to `until_s` seconds, None for all of it."""

    task: Task
    clip: Clip
    until_s: float | None = None

    @property
    def length_s(self) -> float | None:
        """How many seconds that is, None if it is not known."""
        lengths = [each for each in (self.until_s, self.clip.duration_s) if each is not None]
        return min(lengths, default=None)


@dataclass(frozen=True)
class Chain:
    """The stretches of a song in the order in which they play; the last one is the clip asked for.

    If `gap` is not "", clips are missing before the first of them, and it is the sentence on why.
    """

    parts: tuple[Stretch, ...]
    gap: str = ""

    @property
    def length_s(self) -> float | None:
        """How many seconds all parts play together, None if that is not known of one of them."""
        lengths = [part.length_s for part in self.parts]
        known = [each for each in lengths if each is not None]
        return sum(known) if len(known) == len(lengths) else None


@dataclass(frozen=True)
class Whole:
    """A song of which all parts are known, and `clip`: like a clip of its own, with its file."""

    chain: Chain
    clip: Clip


def continuation(task: Task, clip: Clip) -> Continuation | None:
    """Return what a clip of this task continues, None if the clip can be heard by itself.

    That is a new song, an extension that contains its source, and a clip that was made elsewhere.
    """
    source = task.source if task.kind == "extension" else None
    if source is None or _holds_source(task, clip):
        return None
    return Continuation(source.clip_id, task.continues_at_s)


def _holds_source(task: Task, clip: Clip) -> bool:
    """Tell whether an extension contains the clip that it continues.

    That shows if the service adds a fixed length: with its source a clip is as long as both. What
    lies between is believed to be what it is nearer to. Other services return the new part alone.
    """
    model = task.made_by
    if model is not None and model.takes_audio:
        return True
    adds_s = model.extension_adds_s if model else None
    if adds_s is None or clip.duration_s is None or task.source is None:
        return False
    before_s = task.continues_at_s or task.source.duration_s or adds_s
    return clip.duration_s > adds_s + before_s / 2


def chain_of(lineage: Sequence[Pair]) -> Chain:
    """Return the chain of the first clip of a `lineage`, which `Journal.lineage` returns."""
    parts: list[Stretch] = []
    until_s: float | None = None
    for task, clip in lineage[:LONGEST]:
        parts.insert(0, Stretch(task, clip, until_s))
        continued = continuation(task, clip)
        if continued is None:
            return Chain(tuple(parts))
        until_s = continued.at_s
    if len(lineage) > LONGEST:
        return Chain(tuple(parts), messages.too_many_parts(LONGEST))
    (task, clip), known = lineage[-1], {clip.clip_id for _, clip in lineage}
    source_id = task.source.clip_id if task.source else ""
    return Chain(
        tuple(parts), messages.unknown_source(clip, source_id, in_circle=source_id in known)
    )


def whole_clip(chain: Chain) -> Clip:
    """Return what a joined song is called and has, as a clip without a file yet.

    No clip of a service has its id: those are printable. It has the title of its first part.
    """
    titles = (part.clip.title or part.task.title for part in chain.parts)
    title = next(filter(None, titles), "")
    lyrics = dict.fromkeys(filter(None, (part.task.words(part.clip) for part in chain.parts)))
    return Clip(
        f"{chain.parts[-1].clip.clip_id}\0whole",
        "completed",
        title=f"{title} (whole)".strip(),
        duration_s=chain.length_s,
        lyrics="\n\n".join(lyrics),
    )
