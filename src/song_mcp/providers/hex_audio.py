"""Audio as hexadecimal digits inside JSON, taken out of an answer while it comes.

A song of five minutes has 10 MB, and twice as many digits. A JSON reader would hold them as one
string: those that read in pieces (`ijson`) cut an answer at its values, and this is one value. So
the value of the key `audio` is taken out here, before JSON is read, and an empty string is left
in its place. In JSON, a quote inside a string has a backslash before it; so where the key stands
with its quotes and a colon, it is the key. What does not begin as an object is no JSON: such an
answer has no audio, whatever it repeats. Nothing is held but the last few bytes.
"""

import re
from collections.abc import Callable

KEY = re.compile(rb'(?<!\\)"audio"\s{0,16}:\s{0,16}"(?=(.))', re.DOTALL)
"""The key, up to the first character of its value."""
LONGEST_KEY = 48
LONGEST_BEGINNING = 68
BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}\{")
OTHER = re.compile(rb"[^0-9A-Fa-f]")
QUOTE = b'"'


class HexAudio:
    """Passes the audio of an answer to `sink` as bytes; each piece is passed to `take` in turn.

    `has_begun` tells that the answer has digits of audio, and `is_whole` that they came to their
    end. Audio that is sent as an address is left in the answer.
    """

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self.has_begun = False
        self.is_whole = False
        self._sink = sink
        self._take = self._beginning
        self._kept = b""
        self._is_broken = False

    def take(self, data: bytes) -> bytes:
        """Take a piece of the answer; return what of it is not audio."""
        return self._take(data)

    def end(self) -> bytes:
        """Return what was held back, when the answer has ended."""
        return b"" if self.has_begun else self._kept

    def _beginning(self, data: bytes) -> bytes:
        """Pass nothing on before it is known whether the answer begins as an object."""
        data = self._kept + data
        if len(data) < LONGEST_BEGINNING and b"{" not in data:
            self._kept = data
            return b""
        self._kept = b""
        self._take = self._before if BEGINNING.match(data) else _unchanged
        return self._take(data)

    def _before(self, data: bytes) -> bytes:
        data = self._kept + data
        found = KEY.search(data)
        if found is None:
            until = max(0, len(data) - LONGEST_KEY)
            self._kept = data[until:]
            return data[:until]
        self._kept = b""
        if OTHER.match(found[1]):  # an address, or nothing
            self._take = _unchanged
            return data
        self.has_begun = True
        self._take = self._inside
        return data[: found.end()] + self._inside(data[found.end() :])

    def _inside(self, data: bytes) -> bytes:
        other = OTHER.search(data)
        self._decode(data if other is None else data[: other.start()])
        if other is None:
            return b""
        rest = data[other.start() :]
        if rest[:1] != QUOTE:
            self._is_broken = True
            self._take = self._skipped
            return self._skipped(rest)
        self.is_whole = not (self._kept or self._is_broken)
        self._take = _unchanged
        return rest

    def _decode(self, digits: bytes) -> None:
        digits = self._kept + digits
        even = len(digits) // 2 * 2
        self._kept = digits[even:]
        if even:
            self._sink(bytes.fromhex(digits[:even].decode("ascii")))

    def _skipped(self, data: bytes) -> bytes:
        """Skip what is no audio, up to the end of its string."""
        _, quote, after = data.partition(QUOTE)
        if not quote:
            return b""
        self._take = _unchanged
        return quote + after


def _unchanged(data: bytes) -> bytes:
    return data
