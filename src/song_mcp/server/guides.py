"""The guides: what to write into a description and into lyrics, and how much of it fits.

Every limit in a guide is read from `songs`, which also checks requests against it, so a guide never
promises what is refused. What a guide says of a service is in `docs/providers.md`; the rest is
general advice on writing songs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from song_mcp.server.caching import PUBLISHED, Text
from song_mcp.songs import (
    MODELS,
    NEGATIVE_TAGS_LIMIT,
    SERVICES,
    Ability,
    Model,
    names,
)

STYLES_GUIDE = """\
# Describing a style

A good description is concrete and has no contradictions. Name, in this order, what matters most:

1. **Genre and era**: `1970s Brazilian bossa nova`, not `nice music`. Two genres at most.
2. **Mood and energy**: `wistful`, `driving`, `tender, then triumphant`.
3. **Instruments**, two to five: `nylon guitar, upright bass, brushed drums`.
4. **Voice**: `breathy female alto`, `male choir`, `duet`. For no voice: `instrumental=true`.
5. **Tempo and metre**: `slow waltz, 3/4`, `around 120 bpm`.
6. **Sound**: `dry and close`, `lo-fi tape`, `live in a small hall`, `wide reverb`.
7. **Course**: `starts with solo piano, strings from the second verse, a quiet end`.

Good: `slow harbour waltz, 3/4, wistful, accordion and upright bass, husky baritone, live in a bar`

Weak: `an amazing, epic song that is not boring`: nothing in it can be played.

- Describe how an artist sounds and leave the name out: a service may refuse names.
- In a new song without own lyrics the description is also the topic: say what the song is about.
- Beside own lyrics, and in an extension by Suno, it is the style alone: the words have the topic.
- What to avoid goes into `negative_tags`, with commas and without `no` (`drums, rap`), where the
  model takes it; elsewhere say in the description what is wanted in its place.
- For the same sound again, give the same description. A `seed`, where taken, promises nothing.

## Limits

{limits}
"""

LYRICS_GUIDE = """\
# Writing lyrics

Lyrics are sung as they stand. Structure tags in square brackets, each on a line of its own, say
what a part is:

| tag | part | usual length |
|---|---|---|
| `[Intro]` | opening, often without words | 0-2 lines |
| `[Verse]`, `[Verse 2]` | tells the story: new words to the same tune | 4-8 lines |
| `[Pre-Chorus]` | leads up to the chorus | 2-4 lines |
| `[Chorus]` | the heart, with the title in it; the same words each time | 4-6 lines |
| `[Bridge]` | something new, once, before the last chorus | 2-4 lines |
| `[Instrumental]`, `[Solo]` | no words | 0 lines |
| `[Outro]` | the end | 0-4 lines |

```
[Verse]
Lamps along the quay, the last boat gone
Rope and rust and radio on low

[Chorus]
Leave the light on, leave the light on
Somebody still has to row
```

- Write the chorus out each time. Keep lines that answer each other equally long: 4 to 10 words.
- Rhyme where it comes freely (ABAB or AABB), and read it aloud: stresses fall on the beats.
- Outside brackets stands nothing that is not to be sung: no chords, no `x2`, no remarks.
- No service has published a list of tags, so keep to these usual ones; how closely they are
  followed differs from take to take.
- How the music sounds goes into `description`, which has a limit of its own.
- A line mostly takes two bars, about 5 s at 100 bpm: two verses and two choruses fill two minutes.
  The songs of udio on record lasted 131 s. More comes with `extend_song`: for udio 32 s a call.
- A model with timed lyrics (below) sings each line at its time: `[00:12.50]Lamps along the quay`.
  Without times, the lines are spread over the song, and tags are pauses. The times are kept as a
  `.lrc` file beside the audio, and as `song://clips/last/lyrics.lrc`.
- An extension gets the lyrics of the new part alone. Suno sings nothing in it that is not given.
  ACE-Step and DiffRhythm never sing what is not given.
  `join_song` makes one file of a song's parts, free.
- `generate_lyrics` has lyrics written by the service, for money; writing them here is free.

## Limits

Tags, spaces and line breaks count too. What is longer is refused before anything is paid.

{limits}
"""

COLUMNS = (
    "model",
    "at",
    "lyrics",
    "description beside lyrics",
    "without lyrics",
    "title",
    "takes or does",
    "price of a submission",
    "state",
)
SAID: Mapping[Ability, str] = {
    "instrumental": "instrumental",
    "negative_tags": "negative_tags",
    "seed": "seed",
    "duration": "duration_seconds",
    "timed_lyrics": "timed lyrics",
    "vocal_gender": "vocal_gender",
    "style_weight": "style_weight",
    "weirdness": "weirdness",
    "extend": "extend_song",
    "cover": "cover_song",
    "repaint": "cover_song of a part",
    "lyrics_maker": "generate_lyrics",
}
"""What a model can do beside a description and own lyrics, by what a call names for it."""


@dataclass(frozen=True)
class Guide:
    """A page of Markdown for whoever writes a song: its URI, and what it is about."""

    uri: str
    title: str
    description: str
    text: Callable[[], str]

    async def read(self) -> Text:
        """Return the page, which is the same until the next version."""
        return Text(self.text(), PUBLISHED)


def styles(models: Iterable[Model] = MODELS.values()) -> str:
    """Return the page on descriptions, with the limits of `models`."""
    return STYLES_GUIDE.format(limits=_limits(models))


def lyrics(models: Iterable[Model] = MODELS.values()) -> str:
    """Return the page on lyrics, with the limits of `models`."""
    return LYRICS_GUIDE.format(limits=_limits(models))


GUIDES = (
    Guide(
        "song://guide/styles",
        "Guide: describing a style",
        "What describes a style well, and the limits of each model; read it before a description",
        styles,
    ),
    Guide(
        "song://guide/lyrics",
        "Guide: writing lyrics",
        "Structure tags, craft, and the limits of each model; read it before writing lyrics",
        lyrics,
    ),
)


def table(models: Iterable[Model] = MODELS.values()) -> str:
    """Return a table of models in Markdown: limits, abilities, price and state."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(_row(model) for model in models)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _limits(models: Iterable[Model]) -> str:
    models = tuple(models)
    return (
        f"{table(models)}\n\nLengths are characters at most; negative_tags, where taken, may have "
        f"{NEGATIVE_TAGS_LIMIT}{_more_negative(models)}, and a seed has 32 bits. The description "
        "of an extension is always as short as beside lyrics."
    )


def _more_negative(models: Iterable[Model]) -> str:
    """Return which models take more negative_tags than usual."""
    able = [each for each in models if each.can("negative_tags")]
    limits = sorted({each.negative_tags_limit for each in able} - {NEGATIVE_TAGS_LIMIT})
    return "".join(
        f" ({limit} for {names(each for each in able if each.negative_tags_limit == limit)})"
        for limit in limits
    )


def _row(model: Model) -> tuple[str, ...]:
    style = model.description_limit if model.style_limit is None else model.style_limit
    limits = (model.lyrics_limit, style, model.description_limit, model.title_limit)
    label = SERVICES[model.service].label
    return (model.name, label, *map(str, limits), _abilities(model), _price(model), _state(model))


def _abilities(model: Model) -> str:
    said = [words for ability, words in SAID.items() if model.can(ability)]
    if model.durations is not None:
        shortest, longest = model.durations
        bounds = f"duration_seconds {shortest:g}-{longest:g}"
        said = [bounds if words == "duration_seconds" else words for words in said]
    return ", ".join(said)


def _price(model: Model) -> str:
    if model.is_free:
        price = "free"
    elif model.usd_per_second is not None:
        price = f"${model.usd_per_second:g} a second"
    else:
        price = "not told" if model.usd is None else f"${model.usd:g}"
    made = max(model.clips, model.most_takes)
    up_to = "up to " if model.most_takes > 1 else ""
    return price if made == 1 else f"{price}, {up_to}{made} clips"


def _state(model: Model) -> str:
    if model.state == "current":
        return "current"
    if model.state == "retired":
        return f"retired {model.since}"
    return f"unsure: last sign {model.since}"
