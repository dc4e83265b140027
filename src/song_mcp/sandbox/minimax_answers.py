"""What MiniMax answers: songs, lyrics, and errors in HTTP 200; and how markers change them.

Shapes and texts are those of docs/providers.md, chapter 9. Ids and numbers are this sandbox's own.
"""

import json as jsonlib
from collections.abc import Callable

from starlette.responses import JSONResponse, Response

from song_mcp.sandbox.markers import COMMON, Row, Table
from song_mcp.sandbox.tasks import Json, Task
from song_mcp.sandbox.wire import Cut

FINE: Json = {"status_code": 0, "status_msg": "success"}
ERRORS = {
    "1000-unknown": (1000, "unknown error"),
    "1001-timeout": (1001, "request timeout"),
    "1002-rate-limit": (1002, "rate limit"),
    "1004-key": (1004, "login fail: Please carry the API secret key in the request header"),
    "1008-balance": (1008, "insufficient balance"),
    "1026-sensitive": (1026, "new_sensitive"),
    "1027-output": (1027, "output new_sensitive"),
    "2013-parameters": (2013, "invalid params"),
    "2049-key": (2049, "invalid api key"),
    "2056-usage": (2056, "usage limit exceeded"),
}
BIT_RATE = 256_000


def refused(name: str, more: str = "") -> Response:
    """Answer with the error of this name, in HTTP 200 as all of them are."""
    code, words = ERRORS[name]
    said = f"{words}, {more}" if more else words
    return JSONResponse(
        {"data": {}, "trace_id": "0" * 32, "base_resp": {"status_code": code, "status_msg": said}}
    )


def song(task: Task, audio: bytes, *, url: str = "") -> Json:
    """Show a song that is made: with its audio as digits, or as an address if one is given."""
    [clip] = task.clips
    return {
        "data": {"audio": url or audio.hex(), "status": 2},
        "trace_id": task.id,
        "extra_info": {
            "music_duration": round(clip.duration_s * 1000),
            "music_sample_rate": 44_100,
            "music_channel": 2,
            "bitrate": BIT_RATE,
            "music_size": len(audio),
        },
        "analysis_info": None,
        "base_resp": FINE,
    }


def lyrics(task: Task) -> Json:
    """Show lyrics that are written."""
    return {
        "song_title": task.order.title,
        "style_tags": "folk, warm",
        "lyrics": task.order.lyrics,
        "base_resp": FINE,
    }


def _refusal(name: str) -> Row:
    return Row(refuse=lambda _argument: refused(name))


def _changed(change: Callable[[Json], Json]) -> Row:
    """Return the row that changes the JSON of a song."""

    def spoil(answer: Response, _argument: str) -> Response:
        return JSONResponse(change(jsonlib.loads(bytes(answer.body))))

    return Row(spoil=spoil)


def _after_the_audio(answer: Response, _argument: str) -> Response:
    """Break off right after the last digit of the audio."""
    body = bytes(answer.body)
    start = body.index(b'"audio":"') + len(b'"audio":"')
    whole = Response(body, answer.status_code, media_type="application/json")
    return Cut(whole, body.index(b'"', start) + 1)


_OWN: Table = {
    **{name: _refusal(name) for name in ERRORS},
    "as-url": Row(),
    "no-audio": _changed(lambda json: json | {"data": None}),
    "bad-digits": _changed(lambda json: json | {"data": {"audio": "ffxx", "status": 2}}),
    "no-trace-id": _changed(lambda json: {k: v for k, v in json.items() if k != "trace_id"}),
    "cut-after-audio": Row(spoil=_after_the_audio),
}
MARKERS: Table = {**{name: row for name, row in COMMON.items() if name != "slow"}, **_OWN}
"""All markers that MiniMax's side knows. It has no looks, so none has a twin."""
