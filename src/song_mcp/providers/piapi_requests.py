"""What PiAPI is sent for a request: one body for each model and task type (`docs/providers.md` 2).

A body never holds the address of a clip's audio: `with_link` adds it to what goes out, because it
differs each time and belongs neither into the journal nor into the comparison of requests.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from song_mcp.errors import InvalidRequestError
from song_mcp.lrc import is_timed, lines, spread, tidy
from song_mcp.songs import (
    MODELS,
    CoverRequest,
    ExtensionRequest,
    LyricsRequest,
    Request,
    SongRequest,
)

Json = dict[str, Any]
ServiceMode = Literal["public", "private"]

UDIO, ACE_STEP, DIFFRHYTHM = MODELS["udio"], MODELS["ace-step"], MODELS["diffrhythm"]
LYRICS_FIELDS: tuple[str, ...] = ("prompt", "lyrics")
"""The fields for own lyrics: sources disagree, so both get them (`docs/providers.md` 2.2)."""
LINK_FIELDS: Mapping[str, str] = {"extend": "audio", "audio2audio": "style_audio"}
"""Which field takes the address of a clip, by task type."""
NO_VOICE = "[inst]"
SECTION = re.compile(r"^[ \t]*\[[^\[\]\n]*\][ \t]*$", re.MULTILINE)
BASE_S, FULL_S = 95, 285
"""The longest songs of DiffRhythm's two task types, in seconds."""
LINE_S = 4.0
"""About how long a sung line takes, in seconds."""
TOO_LATE = (
    "The last line of the lyrics begins at {:g} s, and diffrhythm makes songs of 285 s at most. "
    "Nothing was sent or paid."
)


def body_of(request: Request, service_mode: ServiceMode) -> Json:
    """Return the body of the one POST for a request, without the address of a clip.

    `service_mode` says whose Udio account works; the other models have none to be hosted.
    """
    if isinstance(request, LyricsRequest):
        return _body(UDIO.sent_as, "generate_lyrics", {"prompt": request.topic}, service_mode)
    if request.model == ACE_STEP:
        return _body(ACE_STEP.sent_as, *_ace_step(request))
    if request.model == DIFFRHYTHM:
        return _body(DIFFRHYTHM.sent_as, *_diffrhythm(request))
    return _body(UDIO.sent_as, "generate_music", _udio(request), service_mode)


def with_link(body: Mapping[str, Any], link: str) -> Json:
    """Return the body with the address of the clip that goes along."""
    field = LINK_FIELDS[body["task_type"]]
    return {**body, "input": {**body["input"], field: link}}


def timed_lyrics(body: Mapping[str, Any]) -> str:
    """Return the lyrics of a body if each line has its time, "" if not."""
    lyrics = body["input"].get("lyrics", "")
    return lyrics if body["model"] == DIFFRHYTHM.sent_as and lyrics != NO_VOICE else ""


def _body(sent_as: str, task_type: str, fields: Json, service_mode: ServiceMode = "public") -> Json:
    config = {
        "service_mode": service_mode,
        "webhook_config": dict.fromkeys(("endpoint", "secret"), ""),
    }
    return {"model": sent_as, "task_type": task_type, "input": fields, "config": config}


def _whole(seconds: float | None) -> float | None:
    """Return a whole number of seconds as an integer, as in PiAPI's examples."""
    if seconds is None:
        return None
    return int(seconds) if float(seconds).is_integer() else seconds


# Udio ----------------------------------------------------------------------------------------


def _udio(request: SongRequest) -> Json:
    fields: Json = {
        "lyrics_type": _lyrics_type(request),
        "negative_tags": request.negative_tags,
        "seed": request.seed,
    }
    if request.description:
        fields["gpt_description_prompt"] = request.description
    if request.title:
        fields["title"] = request.title
    if isinstance(request, ExtensionRequest):
        fields |= _continuation(request)
    if request.lyrics:
        fields |= dict.fromkeys(LYRICS_FIELDS, request.lyrics)
    return fields


def _lyrics_type(request: SongRequest) -> str:
    if request.lyrics:
        return "user"
    return "instrumental" if request.instrumental else "generate"


def _continuation(request: ExtensionRequest) -> Json:
    """Return the fields of an extension."""
    return {
        "continue_song_id": request.source.clip_id,
        "continue_at": _whole(request.position_s),
        "lyrics": "",
    }


# ACE-Step ------------------------------------------------------------------------------------


def _ace_step(request: SongRequest) -> tuple[str, Json]:
    """Return the task type and the fields (`docs/providers.md` 2.12)."""
    is_cover = isinstance(request, CoverRequest)
    fields: Json = {
        "style_prompt": request.description,
        "negative_style_prompt": request.negative_tags,
        "lyrics": _sung(request, alone="" if is_cover else NO_VOICE),
    }
    seconds = _whole(request.duration_s)
    if isinstance(request, ExtensionRequest):
        return "extend", fields | {"right_extend_duration": seconds, "left_extend_duration": 0}
    return "audio2audio" if is_cover else "txt2audio", fields | {"duration": seconds}


def _sung(request: SongRequest, alone: str) -> str:
    """Return the lyrics with the names of their sections in small letters, as ACE-Step has them.

    `alone` is what is sent if there are none; a cover then keeps what is sung in its clip.
    """
    if request.instrumental:
        return NO_VOICE
    return SECTION.sub(lambda found: found[0].lower(), request.lyrics) or alone


# DiffRhythm ----------------------------------------------------------------------------------


def _diffrhythm(request: SongRequest) -> tuple[str, Json]:
    """Return the task type and the fields: lyrics go with the time of each line (2.12).

    Raises InvalidRequestError for a line that begins after the end of the longest song.
    """
    needed_s = _needed_s(request)
    if needed_s > FULL_S:
        raise InvalidRequestError(TOO_LATE.format(needed_s))
    longest_s = FULL_S if needed_s > BASE_S else BASE_S
    given = request.lyrics
    timed = tidy(given) if is_timed(given) else spread(given, request.duration_s or longest_s)
    fields = {
        "lyrics": timed or NO_VOICE,
        "style_prompt": request.description,
        "style_audio": "",
    }
    return "txt2audio-base" if longest_s == BASE_S else "txt2audio-full", fields


def _needed_s(request: SongRequest) -> float:
    """Return how long the song must be, in seconds: as asked, and as its lyrics take."""
    asked_s = request.duration_s or 0.0
    if is_timed(request.lyrics):
        return max(asked_s, *(at for at, _ in lines(request.lyrics)))
    if asked_s:
        return asked_s
    sung = [line for line in SECTION.sub("", request.lyrics).splitlines() if line.strip()]
    return min(len(sung) * LINE_S, FULL_S)
