"""Cleaning of text from outside, at the place where it enters the program.

What `clean` returns can be encoded as UTF-8, does not control a terminal or the reading order, and
hides nothing. It has no control characters except newline and tab, no surrogates, no bidi controls
and no tag characters. Of the invisible characters it has only the joiners that Persian, Indic
scripts and emoji need.
"""

import re
import unicodedata
from urllib.parse import quote

ANSI_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
LINE_BREAK = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
JOINERS = "\u200c\u200d"
CUT_OFF = JOINERS + " \t\n" + "\u00a0\u202f\u3000"
"""What is removed before an ellipsis: spaces, and joiners, which would join nothing."""
# Characters of category Cf with a meaning in running text: Arabic number signs and end-of-ayah,
# Syriac abbreviation mark, Kaithi number signs. All others in Cf are invisible or reorder text.
VISIBLE_FORMAT = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2\U000110bd\U000110cd"
)
# Invisible although not in Cf: fillers and blanks that show nothing.
BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0\u034f")
# Spaces that are wide or unbreakable on purpose, as in Japanese, French and Mongolian titles.
WORD_SPACES = frozenset("\u00a0\u202f\u3000")
SPACES = re.compile(r"\s+")
# Mathematical symbols that occur in emoji sequences.
EMOJI_ARROWS = frozenset("\u2194")
# The gaps that `plain` fills with a space, so that Markdown sees no link, picture or HTML.
MARKUP_GAP = re.compile(r"(?<=\])(?=[(\[:])|(?<=!)(?=\[)|(?<=<)(?=[A-Za-z/!?])")
IPV6_HOST = re.compile(r"https?://\[[0-9a-f]*:[0-9a-f:.]+\](?=[:/?#]|$)", re.IGNORECASE)
IN_LINKS = "%:/?#@!$&*+,;=~"
"""What an address may need as it is, beside letters, digits and `-._`."""
ADDRESS = re.compile(
    r"(\b[a-zA-Z][\w+.-]*://)(?:[^\s/?#\"'<>@]*@)?([^\s?#\"'<>]*)([?#][^\s\"'<>]*)?"
)
# One after a character selects how it looks; several in a row can hide data.
VARIATION_SELECTORS = re.compile(r"([\ufe00-\ufe0f])[\ufe00-\ufe0f]*")


def clean(text: str, *, limit: int = 20_000, lines: bool = True) -> str:
    """Return `text` without harmful characters, cut to at most `limit` characters.

    With `lines` false, line breaks and tabs become single spaces: for titles, tags and messages.
    A text that was cut ends with an ellipsis, which counts towards the limit.
    """
    text = text[: limit * 4]
    if not (text.isascii() and text.isprintable()):  # most texts are, and need no more
        text = _harmless(text)
    text = text.strip() if lines else SPACES.sub(_one_space, text).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip(CUT_OFF) + "…"


def _harmless(text: str) -> str:
    """Remove what hides or reorders text or controls a terminal; tabs and line breaks stay."""
    text = ANSI_SEQUENCE.sub("", text)
    text = LINE_BREAK.sub("\n", text)
    text = "".join(char for char in text if _is_kept(char) or char in JOINERS)
    text = "".join(
        char for index, char in enumerate(text) if char not in JOINERS or _is_joining(text, index)
    )
    return VARIATION_SELECTORS.sub(r"\1", text)


def quoted(text: str, *, limit: int = 200) -> str:
    """Return a service's or a caller's words as one cleaned line in double quotes.

    At most `limit` characters are quoted. Double quotes inside become single ones, so that only the
    last one ends the quotation, and Markdown inside makes no link or picture.
    """
    return '"' + plain(clean(text, limit=limit, lines=False)).replace('"', "'") + '"'


def plain(text: str) -> str:
    """Return `text` with spaces put in, so that Markdown makes no link, picture or HTML of it."""
    return MARKUP_GAP.sub(" ", text)


def plain_link(url: str) -> str:
    """Return a link as it may be shown: the same address, of which Markdown makes nothing else.

    Everything is quoted that no address needs as it is: brackets, quotes, blanks and the like.
    Around an IPv6 address, brackets stay.
    """
    host = IPV6_HOST.match(url)
    start = host[0] if host else ""
    return start + quote(url.removeprefix(start), safe=IN_LINKS)


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
    """Tell whether it is a noncharacter or a supplementary variation selector: these hide data."""
    code = ord(char)
    return 0xE0100 <= code <= 0xE01EF or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _is_joining(text: str, index: int) -> bool:
    """Tell whether a script or an emoji needs the joiner at `index`."""
    if index == 0 or index + 1 >= len(text):
        return False
    before, after = text[index - 1], text[index + 1]
    return _is_joinable(before) and _is_joinable(after) and not VARIATION_SELECTORS.match(after)


def _is_joinable(char: str) -> bool:
    """Tell whether it is a letter without case, a mark or an emoji: only these take joiners."""
    if char in EMOJI_ARROWS:
        return True
    return unicodedata.category(char) in {"Lo", "Lm", "Mn", "Mc", "So", "Sk"}


def without_queries(text: str) -> str:
    """Return `text` with all addresses in it, but without what may be a secret in them.

    That is a user name with a password, and what is behind `?` or `#`.
    """
    return ADDRESS.sub(_place, text) if "://" in text else text


def _place(found: re.Match[str]) -> str:
    scheme, place, rest = found.groups()
    return f"{scheme}{place}{rest[0]}[hidden]" if rest else f"{scheme}{place}"
