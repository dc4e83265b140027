"""How alike two requests are: whether one may be the other in other words.

A call that was cut off is often made again, reworded. A reworded request has most of its words in
common with the first, in any order, and leaves out, adds or replaces a few. A different wish
replaces what the song is about. So sets of words are compared, after folding case, accents,
punctuation and endings. Words that any request may have (`FILLERS`: "a", "song", "about") count for
nothing, and those of style (`STYLES`: "pop", "happy", "guitar") for less than all others, which say
what it is about. Chinese, Japanese and Thai are cut at the words that are known, and what is left
into pairs of characters.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from song_mcp.songs.vocabulary import FILLERS, STYLES

ALIKE = 0.7
"""How alike (0 to 1) two requests are at least that count as one wish in other words."""
STYLE, TOPIC = 1.0, 2.0
"""What a word of style counts, and what any other one."""
SAME_LYRICS, SAME_STYLE = 0.7, 0.3
"""How alike the lyrics of one wish are at least, and then the descriptions that go with them."""
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Characters of scripts that have no blanks between words."""
HANGUL = "\uac00-\ud7af"
INDIC = "\u0900-\u0dff"
"""Scripts of India, in which vowels may be signs that are no letters to `re`."""
TOKEN = re.compile(
    rf"(?P<unspaced>[{UNSPACED}]+)|[{HANGUL}]+|(?:[^\W_{UNSPACED}{HANGUL}]|[{INDIC}])+"
)
PLAIN = str.maketrans("łøđıæœ", "lodiao")
"""Letters that are typed without their stroke or dot, though Unicode takes them for others."""
IS_UNSPACED, IS_KOREAN = re.compile(f"[{UNSPACED}]"), re.compile(f"[{HANGUL}]")
ENDINGS = re.compile(
    r"(?:ings?|ies|es|ed|(?<!s)s|en|er|em|[aeiouy]"
    r"|ами|ями|ого|его|ому|ему|ыми|ими|[аеоуыэюяиь][еиюямх]?)$"
)
"""Endings after which a word is the same one, in languages of Europe: the longest that fits."""
NUMBER = re.compile(r"(?P<ordinal>\d+)(?:st|nd|rd|th)|(?:19|20)(?P<decade>\d0s)")
PARTICLES = re.compile("(?:에서|에게|으로|하고|에|의|을|를|이|가|은|는|와|과|로|도|한)$")
"""The same in Korean."""
LONGEST_WORD = 8
"""No known word of a script without blanks has more characters."""
LEAST_STEM, LEAST_KOREAN = 3, 2
"""How many characters of a word are left at least."""
HEADING = re.compile(r"^\s*\[[^\]\n]*\]\s*$", re.MULTILINE)
"""A line of lyrics such as [Chorus], which is not sung."""
SAYS_INSTRUMENTAL = re.compile("instrumental|инструментал|器乐|器樂|纯音乐|純音樂|インスト|연주곡")
TELLING = ("seed", "vocal_gender", "continue_at_s")
"""Of these two that are given and differ make two wishes; one that is left out says nothing."""


def likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return how alike the words of two requests are, from 0 to 1: the same ones in any order.

    A request is given as the journal has it. Two are not alike if they differ in what nobody
    changes to reword a wish: the clip that is extended or covered and its part; whether anybody
    sings, unless the words say that; the seed, the singer and the position, where both name one;
    and the lyrics, if one has none or they are other ones. A duration may differ: after a call that
    was cut off, models ask for a shorter song.
    """
    if _is_plainly_other(one, other):
        return 0.0
    if one.get("lyrics") and other.get("lyrics"):
        alike = _alike(*(_words(HEADING.sub("", each["lyrics"])) for each in (one, other)))
        same_style = _alike(*(_words(each.get("description", "")) for each in (one, other)))
        has_styles = bool(one.get("description") and other.get("description"))
        is_other = alike < SAME_LYRICS or (has_styles and same_style < SAME_STYLE)
        return 0.0 if is_other else alike
    return _alike(_words(_text(one, other)), _words(_text(other, one)))


def _is_plainly_other(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two requests differ in something beside the words that no rewording changes."""
    named = ((one.get(name), other.get(name)) for name in TELLING)
    return (
        _made_of(one) != _made_of(other)
        or any(None not in pair and pair[0] != pair[1] for pair in named)
        or _is_sung(one, other) != _is_sung(other, one)
        or bool(one.get("lyrics")) != bool(other.get("lyrics"))
    )


def _made_of(request: Mapping[str, Any]) -> tuple[str, tuple[float, ...]]:
    """Return the clip that something is made of, "" for a new song, and the part of it."""
    source = request.get("source") or {}
    return source.get("clip_id", ""), tuple(request.get("part") or ())


def _is_sung(request: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether somebody sings; words that say no count if the other request sets it."""
    says_no = SAYS_INSTRUMENTAL.search(folded(request.get("description", "")))
    return not (request.get("instrumental") or (says_no and other.get("instrumental")))


def _text(request: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return the words to compare: a title, and what to avoid, only where both have them."""
    names = [name for name in ("title", "negative_tags") if request.get(name) and other.get(name)]
    names = ["topic", "description", *names]
    return "\n".join(str(request.get(name, "")) for name in names)


# Sets of words ------------------------------------------------------------------------------


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    """Return how alike two sets of words are; not at all if a number was replaced by another one.

    It is the mean of what they have in common of both, and of the smaller one: a wish that is told
    in more words is the same one more often than a wish in which words were replaced.
    """
    if not one or not other:
        return float(one == other)
    if all(map(_has_number, (one - other, other - one))):
        return 0.0
    common, first, second = (_weight(words) for words in (one & other, one, other))
    return (2 * common / (first + second) + common / min(first, second)) / 2


def _has_number(words: frozenset[str]) -> bool:
    return any(word.isdecimal() for word in words)


def _weight(words: frozenset[str]) -> float:
    styles = _known()[1]
    return sum(STYLE if word in styles or word.isdecimal() else TOPIC for word in words)


def _words(text: str) -> frozenset[str]:
    """Return the words of a text that count, folded and without their endings."""
    fillers = _known()[0]
    words = _tokens(folded(text))
    return frozenset(_stem(word) for word in words if word not in fillers)


def _tokens(text: str) -> Iterator[str]:
    for found in TOKEN.finditer(text):
        yield from _cut(found[0]) if found["unspaced"] else [found[0]]


def _stem(word: str) -> str:
    """Return a word without its ending; in languages of Europe without two of them: lov-er-s.

    30th is 30, and 1980s is 80s.
    """
    if number := NUMBER.fullmatch(word):
        return number["ordinal"] or number["decade"]
    if IS_UNSPACED.match(word):
        return word
    if IS_KOREAN.match(word):
        return _without(PARTICLES, word, LEAST_KOREAN)
    for _ in range(2):
        word = _without(ENDINGS, word, LEAST_STEM)
    is_doubled = len(word) > LEAST_STEM and word[-1] == word[-2]
    return word[:-1] if is_doubled else word


def _without(endings: re.Pattern[str], word: str, least: int) -> str:
    found = endings.search(word, least)
    return word[: found.start()] if found else word


def _cut(run: str) -> Iterator[str]:
    """Yield the known words of a run without blanks, the longest first, and pairs of the rest."""
    start = at = 0
    while at < len(run):
        length = _known_at(run, at)
        if length:
            yield from _pairs(run[start:at])
            yield run[at : at + length]
            start = at + length
        at += length or 1
    yield from _pairs(run[start:])


def _known_at(run: str, at: int) -> int:
    """Return how long the longest known word at this place is, 0 if there is none."""
    fillers, styles = _known()
    lengths = range(min(len(run) - at, LONGEST_WORD), 0, -1)
    return next((n for n in lengths if run[at : at + n] in fillers | styles), 0)


def _pairs(rest: str) -> Iterator[str]:
    if len(rest) == 1:
        yield rest
    yield from (rest[at : at + 2] for at in range(len(rest) - 1))


@cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """Return the fillers, folded, and the words of style without their endings too."""
    return frozenset(folded(FILLERS).split()), frozenset(map(_stem, folded(STYLES).split()))


def folded(text: str) -> str:
    """Return a text without differences of case, accents and width."""
    parts = unicodedata.normalize("NFKD", text.casefold().translate(PLAIN))
    return unicodedata.normalize("NFC", "".join(c for c in parts if not unicodedata.combining(c)))
