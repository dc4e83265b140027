"""Timed lyrics: lines that say when they are sung, in the form of LRC files.

A line is `[mm:ss.cc]text`. `spread` makes such lines of plain lyrics, for models that take no
others; `lines` reads them from whatever a person or a service wrote. Times are in seconds from the
beginning of the song. Nothing here raises an error because of a text, and what a text can cost is
limited.
"""

import re
import unicodedata
from collections.abc import Iterator

EXTENSION = ".lrc"
LONGEST_TEXT = 100_000
"""How many characters of a text are read, and are in the timed lines that are read of it."""
MOST_LINES = 5_000
"""How many timed lines are read of one text."""
LEAD_IN_S = END_S = 5.0
"""How long nothing is sung at the beginning and at the end of a song, at most."""
SHARE = 0.1
"""The most that each of the two takes of a song."""
LINE, PAUSE = 8, 16
"""What a line costs beside its characters, and what a pause costs, counted in characters."""
WIDE = 3
"""How many letters a character of Chinese, Japanese or Korean is counted as: it is a syllable."""

STAMP = re.compile(r"\s*\[\s*([0-9]{1,2}):([0-5]?[0-9])(?:[.:]([0-9]{1,3}))?\s*\]")
TIDY = re.compile(r"\[[0-9]{2}:[0-5][0-9]\.[0-9]{2}\](?!\s*\[)")
WORD_STAMP = re.compile(r"<[0-9]{1,2}:[0-5]?[0-9](?:[.:][0-9]{1,3})?>")
TAGS = re.compile(r"(?:\s*\[+[^\[\]]*\]+)+")
"""What is in square brackets where a line begins: sections, stamps, or facts such as `[ar:...]`."""
SPACES = re.compile(r"\s+")
ROUND = str.maketrans("[]", "()")
"""For brackets inside those of a fact."""

Line = tuple[float, str]
"""When a line begins, in seconds, and its text; "" if nothing is sung from then on."""


def spread(lyrics: str, seconds: float) -> str:
    """Return plain lyrics as timed lines, spread over a song of this length.

    A longer line takes longer. A section tag such as `[Verse]` or an empty line is a pause, and
    becomes no line. Every stamp is within the song. Stamps that `lyrics` has are not used. The
    same arguments always return the same text, which is "" if nothing is to be sung.
    """
    first = min(LEAD_IN_S, SHARE * max(seconds, 0.0))
    sung_s = max(seconds, 0.0) - first - min(END_S, SHARE * max(seconds, 0.0))
    placed = list(_placed(lyrics))
    whole = max((end for _, end, _ in placed), default=0)
    return "\n".join(f"{stamp(first + sung_s * at / whole)}{text}" for at, _, text in placed)


def is_timed(text: str) -> bool:
    """Tell whether these are timed lyrics: whether each line that is sung has a stamp."""
    stamped = [STAMP.match(line) is not None for line in _split(text) if _is_sung(line)]
    return bool(stamped) and all(stamped)


def lines(text: str) -> tuple[Line, ...]:
    """Return the timed lines of a text, in the order in which they are sung.

    A line with several stamps is sung several times. Lines without a stamp, and facts such as
    `[ar:...]` or `[offset:...]`, are left out, and so is everything behind the first 5,000 lines or
    100,000 characters: a text may have each of its lines sung a thousand times.
    """
    return tuple(sorted(_timed(text), key=lambda line: line[0]))


def plain(text: str) -> str:
    """Return timed lyrics without their stamps, in the order in which they are sung.

    A text that is not timed is returned as it is.
    """
    if not is_timed(text):
        return text
    return "\n".join(words for _, words in lines(text)).strip("\n")


def tidy(text: str) -> str:
    """Return timed lyrics as lines of one `[mm:ss.cc]` each, for readers that take nothing else.

    A text that is so already is returned as it is.
    """
    if all(map(TIDY.match, text.splitlines())):
        return text
    return "\n".join(f"{stamp(at)}{words}" for at, words in lines(text))


def document(text: str, *, title: str = "", length_s: float | None = None) -> str:
    """Return timed lyrics as the content of a file: the song's title and length, then each line."""
    name = SPACES.sub(" ", title).strip().translate(ROUND)
    facts = [f"[ti:{name}]"] if name else []
    facts += [f"[length:{stamp(length_s)[1:6]}]"] if length_s is not None else []
    return "\n".join([*facts, *(f"{stamp(at)}{words}" for at, words in lines(text)), ""])


def stamp(seconds: float) -> str:
    """Return `[mm:ss.cc]` for a time that is 0 or more; what is below 0.01 s is left out."""
    hundredths = int(seconds * 100 + 1e-6)  # 0.29 * 100 is 28.999...
    return f"[{hundredths // 6000:02}:{hundredths // 100 % 60:02}.{hundredths % 100:02}]"


def _split(text: str) -> Iterator[str]:
    """Yield the lines of a text without the blanks around them, empty ones as well."""
    return (line.strip() for line in text[:LONGEST_TEXT].lstrip("\ufeff").splitlines())


def _placed(lyrics: str) -> Iterator[tuple[int, int, str]]:
    """Yield where each line to be sung begins and ends, counted in characters, and its text."""
    at, is_pause = 0, False
    for line in _split(lyrics):
        text = _sung(line)
        is_pause = is_pause or not text or (text != line and not STAMP.match(line))
        if text:
            at += PAUSE if is_pause and at else 0
            end = at + LINE + sum(map(_letters, text))
            yield at, end, SPACES.sub(" ", text)
            at, is_pause = end, False


def _sung(line: str) -> str:
    """Return a line without the tags and stamps with which it begins."""
    tags = TAGS.match(line)
    return line[tags.end() :].strip() if tags else line


def _is_sung(line: str) -> bool:
    """Tell whether something is sung in a line, or nothing from its time on."""
    return STAMP.match(line) is not None or bool(_sung(line))


def _letters(char: str) -> int:
    return WIDE if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def _timed(text: str) -> Iterator[Line]:
    lines_left, room = MOST_LINES, LONGEST_TEXT
    for line in _split(text):
        times, end = _stamps(line)
        words = SPACES.sub(" ", WORD_STAMP.sub("", line[end:])).strip()
        for at in times:
            lines_left, room = lines_left - 1, room - len(words)
            if lines_left < 0 or room < 0:
                return
            yield at, words


def _stamps(line: str) -> tuple[list[float], int]:
    """Return the times of the stamps with which a line begins, and where its text begins."""
    times, end = list[float](), 0
    while found := STAMP.match(line, end):
        minutes, seconds, part = found.groups(default="")
        times.append(int(minutes) * 60 + float(f"{seconds}.{part or 0}"))
        end = found.end()
    return times, end
