"""Cleaning of text that comes from outside, at the edge where it comes in.

Invariant: what leaves `clean` can be encoded as UTF-8, changes no terminal and no reading
order, and hides nothing: no control characters (but newline and tab), no surrogates, no bidi
controls, no tag characters, no invisible characters, except the joiners that Persian, Indic
scripts and emoji need.
"""

import re
import unicodedata

ANSI_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
LINE_BREAK = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
JOINERS = "\u200c\u200d"
CUT_OFF = JOINERS + " \t\n" + "\u00a0\u202f\u3000"
"""What does not stand before an ellipsis: a joiner there joins nothing."""
# Cf that carries meaning in running text: Arabic number signs and end-of-ayah, Syriac
# abbreviation mark, Kaithi number signs. Everything else in Cf is invisible or reorders.
VISIBLE_FORMAT = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2\U000110bd\U000110cd"
)
# Invisible although not in Cf: fillers and blanks that render as nothing.
BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0\u034f")
# Wider or unbreakable on purpose: Japanese, French and Mongolian titles have them between words.
WORD_SPACES = frozenset("\u00a0\u202f\u3000")
SPACES = re.compile(r"\s+")
# Symbols of mathematics that emoji sequences are made of.
EMOJI_ARROWS = frozenset("\u2194")
# What makes links, pictures and HTML out of text in Markdown, parted by a space in `plain`.
MARKUP = re.compile(r"(?<=\])(?=[(\[:])|(?<=!)(?=\[)|(?<=<)(?=[A-Za-z/!?])")
# One after a character chooses how it looks; a run of them hides data.
VARIATION_SELECTORS = re.compile(r"([\ufe00-\ufe0f])[\ufe00-\ufe0f]*")


def clean(text: str, *, limit: int = 20_000, lines: bool = True) -> str:
    """Give `text` without anything that hides, reorders or breaks, at most `limit` characters.

    With `lines` false, line breaks and tabs become single spaces: for titles, tags and messages.
    A text that is cut ends with an ellipsis, inside the limit.
    """
    text = text[: limit * 4]
    if not (text.isascii() and text.isprintable()):  # most are, and have nothing to take out
        text = _harmless(text)
    text = text.strip() if lines else SPACES.sub(_one_space, text).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip(CUT_OFF) + "…"


def _harmless(text: str) -> str:
    """Take out whatever hides, reorders or breaks; tabs and line breaks stay."""
    text = ANSI_SEQUENCE.sub("", text)
    text = LINE_BREAK.sub("\n", text)
    text = "".join(char for char in text if _is_kept(char) or char in JOINERS)
    text = "".join(
        char for index, char in enumerate(text) if char not in JOINERS or _is_joining(text, index)
    )
    return VARIATION_SELECTORS.sub(r"\1", text)


def quoted(text: str, *, limit: int = 200) -> str:
    """Give a service's or a caller's words as one quoted, cleaned line of `limit` characters.

    Double quotes inside become single ones, so that the quotation ends where it seems to, and
    Markdown in it makes no link or picture.
    """
    return '"' + plain(clean(text, limit=limit, lines=False)).replace('"', "'") + '"'


def plain(text: str) -> str:
    """Give `text` so that Markdown makes no link, picture or HTML of it: brackets stand apart."""
    return MARKUP.sub(" ", text)


def _one_space(found: re.Match[str]) -> str:
    return found[0] if found[0] in WORD_SPACES else " "


def _is_kept(char: str) -> bool:
    if char in "\n\t":
        return True
    category = unicodedata.category(char)
    if category == "Cf":
        return char in VISIBLE_FORMAT
    return category not in {"Cc", "Cs", "Zl", "Zp"} and char not in BLANK and not _is_hidden(char)


def _is_hidden(char: str) -> bool:
    """Tell the variation selectors supplement, which smuggles data, and the noncharacters."""
    code = ord(char)
    return 0xE0100 <= code <= 0xE01EF or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _is_joining(text: str, index: int) -> bool:
    """Tell whether the joiner at `index` stands where a script or an emoji needs one."""
    if index == 0 or index + 1 >= len(text):
        return False
    before, after = text[index - 1], text[index + 1]
    return _is_joinable(before) and _is_joinable(after) and not VARIATION_SELECTORS.match(after)


def _is_joinable(char: str) -> bool:
    """Tell letters without case, marks and emoji: scripts with case do not use joiners."""
    if char in EMOJI_ARROWS:
        return True
    return unicodedata.category(char) in {"Lo", "Lm", "Mn", "Mc", "So", "Sk"}
