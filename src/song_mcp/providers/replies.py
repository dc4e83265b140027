"""Values that services send, and lenient field types for them.

An optional field of a wrong type, or with an impossible value, counts as not known; the rest is
still read. Only what a reply cannot do without is required: if it is missing, an
UnreadableAnswerError names the field. Text is cleaned here. Of a link, what belongs in no address
is quoted or taken away, and all else stays as it was sent. Sources: `docs/providers.md` 2.4, 3.4,
3.10 and 5.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from song_mcp.errors import InvalidRequestError, UnreadableAnswerError
from song_mcp.providers.redaction import without_named
from song_mcp.songs import LONGEST_CLIP_S, checked_id
from song_mcp.text import clean

LYRICS_CAP = 20_000
MESSAGE_CAP = 500
TAG_CAP = 100
TAGS_CAP = 50
TAGS_TEXT_CAP = 20_000
CLIPS_CAP = 50
URL_CAP = 4_000
NESTING = 4
"""How many levels of lists and objects are searched for words."""
WIDTH = 10
"""How many items of each list are searched for words."""
SPOKEN_CAP = 20_000
ITEMS_CAP = 1_000
"""How many items of a list of clips, tasks, tags or lines are looked at."""
LONGEST_NUMBER = 60
MILLISECONDS_FROM = 1e11
"""A Unix time above this is in milliseconds (`docs/providers.md` 3.4)."""
YEARS = range(2000, 2101)

MARKUP = re.compile(r"[\[\]<>`\"]")

ADDRESS = re.compile(r"(https?://)([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
CLOSED = re.compile(r"(?:https?:)?//[^/?#]+(?:/[^?#]*)?/api/forbidden/?(?:[?#].*)?", re.IGNORECASE)
"""What Suno gives in place of a link that it closed (`docs/providers.md` 3.11)."""
BROKEN_OUT = re.compile(r"[<>\"`\\\x00-\x1f\x7f]|!\[|\]\(")
"""What no plain address has, but Markdown or HTML inside one, which a client could render."""
LINE_ENDS = re.compile(r"[\t\r\n]+")
AROUND = " \t\r\n\f\v\u00a0\u200b\u2060\u3000\ufeff"
"""What stands around a link by mistake, and shows nothing."""
MARKDOWN_LINK = re.compile(r"!?\[[^\]]*\]\((\S+)\)")
QUOTES = {'""', "''", "``", "<>", "\u201c\u201d", "\u2018\u2019"}
PRINTED = "".join(map(chr, range(0x21, 0x7F)))
SPOKEN_KEYS = (
    *("message", "msg", "error_msg", "text", "log", "error_message", "detail", "reason"),
    *("fail_reason", "failReason", "failMsg", "error", "raw_message", "description", "errors"),
    *("errorMessage", "errmsg"),
)
"""The keys that words are under, the most telling first (`docs/providers.md` 4.7)."""
PAGE = re.compile(r"\s*<(?:!doctype|html|head|body|h[1-6]|title|center|p)\b", re.IGNORECASE)
TAG = re.compile(r"<[^<>]{0,500}>")
CUT_OFF_WORDS = re.compile(
    rf"(\\{{0,8}}[\"'])(?:{'|'.join(SPOKEN_KEYS)})\1\s?:\s?(?P<quote>\\{{0,8}}[\"'])"
    r"(?P<words>[^{}\s][^{}]{0,2000}?)(?:(?P=quote)|$)",
    re.DOTALL,
)
"""Words in JSON that is cut off, or written with single quotes."""
NO_BRACES = str.maketrans("{}", "()")
JSON_TRIES = 8
"""At how many braces of a text JSON is looked for."""
JSON_CAP = 200_000
"""How long a text may be that is read as JSON."""


# Values ----------------------------------------------------------------------------------------


def to_text(value: object) -> str:
    """Return a string, or a whole number as one; "" for everything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def usable_id(value: object) -> str:
    """Return the trimmed id, or "" if a service cannot have meant this as one.

    It cannot have meant one without visible characters, or one that is a link or picture in
    Markdown.
    """
    try:
        usable = checked_id("id", to_text(value))
    except InvalidRequestError:
        return ""
    return "" if MARKUP.search(usable) or clean(usable, lines=False) != usable else usable


def to_number(value: object) -> float | None:
    """Return a finite number, also one in a string; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > LONGEST_NUMBER:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def to_amount(value: object) -> float | None:
    """Return a number that is not negative: seconds or points."""
    number = to_number(value)
    return number if number is not None and number >= 0 else None


def to_seconds(value: object) -> float | None:
    """Return how long a clip plays, in seconds, up to an hour; None for everything else."""
    number = to_amount(value)
    return number if number is not None and number <= LONGEST_CLIP_S else None


def to_percent(value: object) -> int | None:
    """Return 0 to 100 from "40%", "40" or 40; None for everything else."""
    number = to_number(value.strip().removesuffix("%") if isinstance(value, str) else value)
    return int(number) if number is not None and 0 <= number <= 100 else None  # noqa: PLR2004


def to_tags(value: object) -> tuple[str, ...]:
    """Return the tags of a list or of a string with commas."""
    parts = value[:TAGS_TEXT_CAP].split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        return ()
    tags = (clean(to_text(part), limit=TAG_CAP, lines=False) for part in parts[:ITEMS_CAP])
    return tuple(tag for tag in tags if tag)[:TAGS_CAP]


def to_when(value: object) -> datetime | None:
    """Return an aware UTC time from ISO text (also with nanoseconds) or Unix seconds.

    Year 1, 0 and "" mean "not reached yet", so every year outside 2000 to 2100 becomes None.
    """
    number = to_number(value)
    try:
        moment = _iso(to_text(value)) if number is None else _unix(number)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.year in YEARS else None


def _iso(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _unix(number: float) -> datetime:
    return datetime.fromtimestamp(number / 1000 if number > MILLISECONDS_FROM else number, UTC)


def to_url(value: object) -> str:
    """Return a link as it was sent, but for what no address has; "" if it is no http(s) address.

    Blanks and characters beyond ASCII are quoted, line ends and what stands around it are taken
    away. One without a scheme (`//host`) is https. A link that Suno closed is none. Of a list of
    links it is the first, of an object its `url`.
    """
    value = _unwrapped(value)
    url = _trimmed(value) if value else ""
    found = ADDRESS.fullmatch(f"https:{url}" if url.startswith("//") else url)
    if found is None or BROKEN_OUT.search(url) or CLOSED.fullmatch(url):
        return ""
    scheme, host, rest = found.groups()
    try:
        link = scheme + _ascii_host(host) + quote(rest, safe=PRINTED)
    except UnicodeError:
        return ""
    return link if len(link) <= URL_CAP else ""


def is_closed(value: object) -> bool:
    """Return whether this stands in place of a link to audio that Suno withholds."""
    return CLOSED.fullmatch(_trimmed(value)) is not None


def _unwrapped(value: object) -> object:
    """Return what a list begins with, and the `url` of an object; anything else as it is."""
    if isinstance(value, list) and value:
        value = value[0]
    return value.get("url") if isinstance(value, dict) else value


def _trimmed(value: object) -> str:
    url = value.strip(AROUND) if isinstance(value, str) and len(value) <= URL_CAP else ""
    if url[:1] + url[-1:] in QUOTES:
        url = url[1:-1].strip(AROUND)
    in_markdown = MARKDOWN_LINK.fullmatch(url)
    return LINE_ENDS.sub("", in_markdown[1] if in_markdown else url).replace("\\/", "/")


def _ascii_host(host: str) -> str:
    """Return a host's name as networks know it; raises UnicodeError if it can be no host's."""
    name, colon, port = host.partition(":")
    if host.isascii() and name and " " not in host:
        return host
    if not name or {" ", "@"} & set(host) or not port.isascii():
        raise UnicodeError
    return name.encode("idna").decode() + colon + port


def to_object(value: object) -> dict[str, Any]:
    """Return the object, or an empty one if `value` is not an object."""
    return value if isinstance(value, dict) else {}


def spoken(value: object, depth: int = NESTING) -> str:
    """Return the first words, as they are, in a text, a list, or an object's usual keys.

    The field that an error is about, as `loc` names it, is put before them.
    """
    if isinstance(value, dict) and depth:
        words = next(filter(None, (spoken(value.get(key), depth - 1) for key in SPOKEN_KEYS)), "")
        words = words or (spoken(value.get("title"), depth - 1) if _is_problem(value) else "")
        field = _field(value.get("loc")) if words else ""
        return f"{field}: {words}" if field else words
    if isinstance(value, list) and depth:
        return next(filter(None, (spoken(item, depth - 1) for item in value[:WIDTH])), "")
    words = to_text(value)[:SPOKEN_CAP].strip()
    return "" if words in {"0", "null", "None"} else words


def _is_problem(value: Mapping[str, object]) -> bool:
    """Tell whether an object is an error as RFC 9457 has it, whose title says what it is."""
    return {"type", "title", "status"} <= value.keys()


def to_message(value: object) -> str:
    """Return what is said of a failure, as one line for a person."""
    said = spoken(value)
    said = TAG.sub(" ", said) if PAGE.match(said) else said
    said = worded(without_named(said)) if "{" in said or "[" in said else said
    return clean(said, limit=MESSAGE_CAP, lines=False)


def _field(place: object) -> str:
    """Return the field that a web framework names by its place: `["body", "prompt"]`."""
    parts = [to_text(part) for part in place[:WIDTH]] if isinstance(place, list) else []
    named = parts[1:] if parts[:1] == ["body"] else parts
    return ".".join(filter(None, named))[:TAG_CAP]


def opened(value: object) -> object:
    """Return what a text holds if it is JSON of an object, a list or a text; else `value`."""
    is_json = isinstance(value, str) and len(value) <= JSON_CAP and value.lstrip()[:1] in {*'{["'}
    try:
        return json.loads(value) if is_json and isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def json_in(text: str) -> tuple[str, object]:
    """Return the JSON that a text holds, after what stands before it; None if there is none.

    It is an object anywhere in the text, or a list that the text begins with.
    """
    if text.lstrip()[:1] == "[" and isinstance(whole := opened(text), list):
        return "", whole
    place = -1
    for _ in range(JSON_TRIES):
        place = text.find("{", place + 1)
        if place < 0:
            break
        with suppress(ValueError, RecursionError):
            return text[:place], json.JSONDecoder().raw_decode(text, place)[0]
    return text, None


def worded(text: str, depth: int = NESTING) -> str:
    """Return what a text tells a person: the words of the JSON in it, and never a brace.

    What names secrets and accounts is to be taken out before, for the names are lost here.
    """
    before, inner = json_in(text) if depth else (text, None)
    if inner is None:
        cut_off = CUT_OFF_WORDS.search(text) if "{" in text else None
        return (cut_off["words"] if cut_off else text).translate(NO_BRACES).strip()
    return worded(spoken(inner), depth - 1) or before.rstrip(" :,-").translate(NO_BRACES).strip()


def to_line(limit: int) -> Callable[[object], str]:
    """Return what reads a text as one line of at most `limit` characters."""
    return lambda value: clean(to_text(value), limit=limit, lines=False)


Text = Annotated[str, BeforeValidator(to_text)]
Word = Annotated[str, BeforeValidator(to_line(TAG_CAP))]
Message = Annotated[str, BeforeValidator(to_message)]
Verse = Annotated[str, BeforeValidator(lambda value: clean(to_text(value), limit=LYRICS_CAP))]
Amount = Annotated[float | None, BeforeValidator(to_amount)]
Number = Annotated[float | None, BeforeValidator(to_number)]
When = Annotated[datetime | None, BeforeValidator(to_when)]
AsObject = BeforeValidator(to_object)


def _needed(value: object) -> str:
    word = clean(to_text(value), limit=TAG_CAP, lines=False)
    if not word:
        raise ValueError
    return word


NeededWord = Annotated[str, BeforeValidator(_needed)]


class Lenient(BaseModel):
    """A part of a reply: unknown keys are ignored, and every key may be missing."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Piece = TypeVar("Piece", bound=Lenient)


def parsed(piece: type[Piece], value: object, *, label: str, inside: str = "data") -> Piece:
    """Read `value`, which the service called `label` sent in the field `inside`.

    Raises UnreadableAnswerError, which names the first required field that is missing.
    """
    try:
        return piece.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join([inside, *(str(part) for part in first["loc"])])
    raise unreadable(label, field)


def unreadable(label: str, field: str) -> UnreadableAnswerError:
    """Return the error for a look whose reply lacks `field`."""
    text = f"{label} answered, but {field} is missing or not what it should be."
    return UnreadableAnswerError(
        f"{text} Looking cost and changed nothing: ask again later.", charged="no"
    )
