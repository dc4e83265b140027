"""The service's own words: titles, tags and lyrics, made from the words of a description.

These are pure functions of their text, and what they make says that it comes from a sandbox.
"""

from random import Random

from song_mcp.sandbox.mood import Mood, words

_SMALL = frozenset(
    words(
        "a about an and are as at be but by for from has have i in into is it its like me my no"
        " not of off on or our song so some that the their them then there this to up we with"
        " you your"
    )
)
_TITLES = ("{a} at Dusk", "All the {a}", "{a} and {b}", "A Little {a}", "Where the {a} Goes", "{a}")
_COUPLETS = (
    ("I found the {a} beside the door", "It sounded like the year before"),
    ("We left our coats along the quay", "And {a} was all that we could see"),
    ("There's {b} on every window pane", "And nobody will ask my name"),
    ("You said the {a} would never stay", "I kept the {b} anyway"),
    ("The {b} came down the hill at ten", "And {a} went up the hill again"),
)
_CHORUS = (
    "Oh {a}, oh {a}, carry me home",
    "Sing it till the morning comes",
    "{b} in the distance, {b} in my bones",
    "I can hear it in the drums",
)


def _meant(text: str) -> list[str]:
    """Return the words that carry the meaning."""
    large = (word for word in words(text) if word not in _SMALL and not word.isdigit())
    return [*dict.fromkeys(large)]


def _themes(text: str) -> list[str]:
    """Return two to six words to write about."""
    meant = _meant(text)[:6]
    return meant if len(meant) > 1 else [*meant, "evening", "harbour"]


def title(text: str, take: int) -> str:
    """Invent a title; each take of one text gets its own."""
    dice = Random(f"title {text}")  # nosec B311 # dice for music, not for a secret
    themes = _themes(text)
    form = dice.sample(_TITLES, len(_TITLES))[take % len(_TITLES)]
    a, b = dice.sample(themes, 2)
    return "Sandbox: " + form.format(a=a.title(), b=b.title())


def lyrics(text: str, take: int = 0) -> str:
    """Write a verse, a chorus and a verse about the text, with the usual marks before each."""
    dice = Random(f"lyrics {text} {take}")  # nosec B311 # dice for music, not for a secret
    a, b = dice.sample(_themes(text), 2)
    one, two, three, four = dice.sample(_COUPLETS, 4)
    song = ("[Verse]", *one, *two, "", "[Chorus]", *_CHORUS, "", "[Verse 2]", *three, *four)
    lines = (line.format(a=a, b=b) for line in song)
    return "\n".join(line[:1].upper() + line[1:] for line in lines)


def tags(text: str, heard: Mood) -> list[str]:
    """Name the style: "sandbox" first, then words of the text, the key and the metre."""
    metre = ["waltz"] if heard.beats == 3 else []
    return [*dict.fromkeys(["sandbox", *_meant(text)[:4], heard.key, *metre])]
