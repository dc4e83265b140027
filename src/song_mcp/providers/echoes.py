"""Telling a service's own words from the user's, which an error may repeat.

An echo may be partial and changed on the way: in case, spaces, accents, or escaped as in JSON, HTML
or a URL. So texts are compared by their letters and digits alone, as they are and unescaped.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from urllib.parse import unquote_plus

JSON_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|[\"\\/bfnrt])", re.IGNORECASE)
WORD = re.compile("[a-z0-9]+")
SHORTEST_ECHO, PART_OF_ECHO = 3, 12
"""How many letters a whole echo has at least, and a part of a longer one."""
UNESCAPED_TIMES = 2
OUR_FIELDS = frozenset({"model", "mv", "task_type", "lyrics_type", "config"})
"""What is sent of names and settings, whose words are not the user's."""


def folded(text: str) -> str:
    """Return the letters and digits of `text`, without case, accents, spaces and signs."""
    return "".join(filter(str.isalnum, _plain(text)))


def _plain(text: str) -> str:
    """Return `text` without case and accents."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


def readings(text: str) -> Iterator[str]:
    """Yield the folded text as it is, and unescaped once and twice."""
    return map(folded, _unescapings(text))


def _unescapings(text: str) -> Iterator[str]:
    yield text
    for _ in range(UNESCAPED_TIMES):
        text = _unescaped(text)
        yield text


def texts_in(sent: object) -> Iterator[str]:
    """Yield every text of a JSON body that was sent."""
    if isinstance(sent, str):
        yield sent
    elif isinstance(sent, Mapping):
        for value in sent.values():
            yield from texts_in(value)
    elif isinstance(sent, list | tuple):
        for value in sent:
            yield from texts_in(value)


def wish_in(sent: object) -> object:
    """Return a JSON body that was sent without the names and settings in it."""
    if isinstance(sent, Mapping):
        return {key: wish_in(value) for key, value in sent.items() if key not in OUR_FIELDS}
    return sent


def letters_of(sent: object) -> str:
    """Return the letters and digits of all that was sent, in every reading."""
    return "".join("".join(readings(text)) for text in texts_in(sent))


def repeats(said: str, sent: object) -> bool:
    """Return whether `said` repeats a text that was sent, or a part of one.

    A short text in Latin letters must be whole words of it: "quest" is in each "request id".
    """
    heard = " ".join(readings(said))
    known = {reading for text in texts_in(sent) for reading in readings(text)}
    short = {text for text in known if len(text) < PART_OF_ECHO and text.isascii()}
    if any(piece in heard for text in known - short for piece in _pieces(text)):
        return True
    words = (WORD.findall(_plain(each)) for each in _unescapings(said))
    spoken = set(chain.from_iterable(map(_joined, words)))
    return any(len(text) >= SHORTEST_ECHO and text in spoken for text in short)


def _pieces(text: str) -> set[str]:
    """Return a short text itself, and each part of a longer one."""
    if len(text) < SHORTEST_ECHO:
        return set()
    last = max(0, len(text) - PART_OF_ECHO)
    return {text[start : start + PART_OF_ECHO] for start in range(last + 1)}


def _joined(words: Sequence[str]) -> Iterator[str]:
    """Yield each short text that successive words are together."""
    for start in range(len(words)):
        for end in range(start + 1, min(len(words), start + PART_OF_ECHO) + 1):
            text = "".join(words[start:end])
            if len(text) >= PART_OF_ECHO:
                break
            yield text


def _unescaped(text: str) -> str:
    text = JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", text)
    return unquote_plus(html.unescape(text))
