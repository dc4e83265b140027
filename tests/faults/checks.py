"""What must never come out, defined here again and independently of `song_mcp.text`."""

import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
ZERO_WIDTH = frozenset("\u00ad\u034f\u115f\u1160\u180e\u200b\u2060\u2061\u2062\u2063\u2064\ufeff")
BLANKS = frozenset("\u17b4\u17b5\u3164\uffa0\u2028\u2029\u0085")
NUMBER_SIGNS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
JOINERS = frozenset("\u200c\u200d")


def is_forbidden(char: str) -> bool:
    """Tell controls but newline and tab, surrogates, bidi, tags, fillers and noncharacters."""
    code, category = ord(char), unicodedata.category(char)
    return (
        (category in {"Cc", "Cs", "Zl", "Zp"} and char not in "\n\t")
        or char in BIDI | ZERO_WIDTH | BLANKS
        or (category == "Cf" and char not in NUMBER_SIGNS | JOINERS and code < 0x11000)
        or 0xE0000 <= code <= 0xE01EF
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE
    )


def forbidden_in(text: str) -> set[str]:
    """Return what of `text` must not be there, joiners without neighbours among it."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return set()
    lonely = {
        char
        for index, char in enumerate(text)
        if char in JOINERS and not _stands_between(text, index)
    }
    return lonely | {char for char in text if is_forbidden(char)}


def _stands_between(text: str, index: int) -> bool:
    """Return whether there are letters, marks or symbols on both sides."""
    beside = text[index - 1 : index] + text[index + 1 : index + 2]
    return len(beside) == 2 and all(unicodedata.category(char)[0] in "LMS" for char in beside)


def texts_in(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a value, keys of maps too, each with the name of its place.

    Raises AssertionError for numbers that JSON has not, and for times that cannot be.
    """
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, float):
        assert math.isfinite(value), path
        assert value >= 0 or "duration" not in path, path
    elif isinstance(value, datetime):
        assert value.tzinfo is not None, path
        assert 1970 < value.year < 2101, (path, value)
    elif is_dataclass(value):
        for each in fields(value):
            yield from texts_in(getattr(value, each.name), f"{path}.{each.name}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts_in(key, f"{path}[key]")
            yield from texts_in(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_in(item, path)
