"""What a download is that is no audio, told from its first bytes, for the words of a refusal."""

import json

from song_mcp.text import quoted

SEEN_BYTES = 4096
"""How much of a download's beginning is looked at."""
SIGNS: tuple[tuple[str, dict[int, bytes]], ...] = (
    ("a video (AVI)", {0: b"RIFF", 8: b"AVI "}),
    ("a video (FLV)", {0: b"FLV\1"}),
    ("a video (MPEG)", {0: b"\0\0\1\xba"}),
    ("a video (MPEG)", {0: b"\0\0\1\xb3"}),
    ("a video or a piece of a stream (MPEG-TS)", {0: b"G", 188: b"G", 376: b"G"}),
    ("a video or a piece of a stream (MPEG-TS)", {4: b"G", 196: b"G", 388: b"G"}),
    ("a video (QuickTime)", {4: b"moov"}),
    ("a video (QuickTime)", {4: b"mdat"}),
    ("a video (QuickTime)", {4: b"wide"}),
    ("a video (RealMedia)", {0: b".RMF"}),
    ("a video or a song of Windows Media", {0: b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"}),
    ("a picture", {0: b"RIFF", 8: b"WEBP"}),
    ("a picture", {0: b"\x89PNG"}),
    ("a picture", {0: b"\xff\xd8\xff"}),
    ("a picture", {0: b"GIF8"}),
    ("an archive", {0: b"PK\3\4"}),
    ("an archive", {0: b"Rar!"}),
    ("an archive", {0: b"7z\xbc\xaf"}),
    ("an archive", {0: b"\x1f\x8b"}),
    ("a PDF document", {0: b"%PDF"}),
    ("a MIDI file", {0: b"MThd"}),
)
"""What has these bytes at these places. Recognisers from elsewhere know more, but not these: what
is a film or a list to one of them is audio to another, and none looks behind junk."""
LISTS = (
    *(b"#extm3u", b"[playlist]", b"[reference]", b"<asx", b"<mpd", b"<smil"),
    *(b"http://", b"https://"),
)
LIST_MARKS = (b"<playlist", b"<mpd", b"<smil")
"""What lists of pieces or songs begin with, and what some have behind a head of XML. The simplest
of them are only links."""
PAGE = (b"<",)
JSON = (b"{", b"[", b'"')
WORDS = ("message", "msg", "error", "detail", "status", "code")
"""The fields in which hosts say what is the matter, in the order in which they are asked for."""


def other_kind(start: bytes) -> str:
    """Return what a file that begins so is, "" if that is not known; it will not become audio."""
    text = _text(start)
    if text.startswith(LISTS) or any(mark in text[:500] for mark in LIST_MARKS):
        return "a playlist"
    for what, sign in SIGNS:
        if all(start.startswith(mark, place) for place, mark in sign.items()):
            return what
    return ""


def is_markup(start: bytes) -> bool:
    """Tell whether a file that begins so is a page or JSON, whatever comes behind."""
    return _text(start).startswith((*PAGE, *JSON))


def words(start: bytes) -> str:
    """Return what a host says in place of audio, "" if the file is no page, no JSON and no text.

    It may have the audio later.
    """
    text = _text(start)
    if text.startswith(PAGE):
        return "is a web page, not audio (the link may have expired)"
    if text.startswith(JSON):
        said = _said(start)
        return f"is a message of the host, not audio (the link may have expired){said}"
    try:
        said = start[: SEEN_BYTES - 3].decode()
    except UnicodeDecodeError:
        return ""
    is_text = all(char.isprintable() or char.isspace() for char in said)
    return f"is a text, not audio: {quoted(said, limit=100)}" if said.strip() and is_text else ""


def _text(start: bytes) -> bytes:
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()


def _said(start: bytes) -> str:
    """Return the words in a short message of JSON, behind a colon."""
    try:
        body = json.loads(start)
    except (ValueError, RecursionError):
        return ""
    while isinstance(body, dict):
        body = next((body[name] for name in WORDS if body.get(name)), "")
    return f": {quoted(str(body), limit=100)}" if isinstance(body, str | int) and body else ""
