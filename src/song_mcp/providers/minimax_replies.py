"""Reading MiniMax's replies: what a code means, and what was made (`docs/providers.md` 9.2)."""

from collections.abc import Mapping
from dataclasses import dataclass

from song_mcp.errors import (
    BadKeyError,
    BusyError,
    NoAnswerError,
    OutOfCreditsError,
    RefusedError,
    ServiceError,
)
from song_mcp.providers.http import Reply
from song_mcp.providers.redaction import Redaction
from song_mcp.providers.replies import (
    LYRICS_CAP,
    opened,
    to_line,
    to_number,
    to_object,
    to_seconds,
    to_text,
    to_url,
    usable_id,
)
from song_mcp.providers.verdict import Envelope
from song_mcp.songs import Lyrics
from song_mcp.text import clean

SUCCESS = "0"
REFUSALS: Mapping[str, type[ServiceError]] = {
    "1002": BusyError,
    "1004": BadKeyError,
    "1008": OutOfCreditsError,
    "1026": RefusedError,  # the words are not allowed
    "2013": RefusedError,  # a parameter is not
    "2049": BadKeyError,
}
"""The codes after which nothing was made. After any other one, something may have been."""
TITLE_CAP = 200


@dataclass(frozen=True)
class Answer:
    """What a reply holds: its envelope, and what is said of the song or the lyrics.

    `trace_id` is MiniMax's id of the call, "" if it is not usable; `audio_url` is "" if the audio
    was not sent as an address; `duration_s` is None if it is not told.
    """

    envelope: Envelope
    trace_id: str = ""
    audio_url: str = ""
    duration_s: float | None = None
    lyrics: Lyrics | None = None


NOTHING_TOLD = Answer(Envelope())
"""What is known of an answer of which only the audio came."""


def answer_of(reply: Reply, redaction: Redaction) -> Answer:
    """Read a reply to a song or to lyrics; an envelope with no id, whatever was made."""
    body = to_object(opened(reply.body))
    data = to_object(body.get("data"))
    trace_id = usable_id(body.get("trace_id"))
    return Answer(
        envelope=_envelope(body, redaction),
        trace_id="" if redaction.is_secret(trace_id) else trace_id,
        audio_url=redaction.link(to_url(data.get("audio"))),
        duration_s=_duration_s(to_object(body.get("extra_info"))),
        lyrics=_lyrics(body, redaction),
    )


def _envelope(body: Mapping[str, object], redaction: Redaction) -> Envelope:
    told = to_object(body.get("base_resp"))
    code = to_text(told.get("status_code")).strip()
    is_error = code not in {"", SUCCESS}
    return Envelope(
        code=redaction.code(code),
        message=redaction.error(to_text(told.get("status_msg"))) if is_error else "",
        is_service=bool(code),
        kind=REFUSALS.get(code, NoAnswerError) if is_error else None,
    )


def _duration_s(told: Mapping[str, object]) -> float | None:
    """Return how long the song is: MiniMax tells milliseconds."""
    length_ms = to_number(told.get("music_duration"))
    return None if length_ms is None else to_seconds(length_ms / 1000)


def _lyrics(body: Mapping[str, object], redaction: Redaction) -> Lyrics | None:
    text = redaction.song_text(clean(to_text(body.get("lyrics")), limit=LYRICS_CAP))
    title = redaction.song_text(to_line(TITLE_CAP)(body.get("song_title")))
    return Lyrics(title, text) if text else None
