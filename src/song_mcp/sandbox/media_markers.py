"""Markers for files that arrive late, or in another way than as a plain answer with an MP3.

A name that ends in `-first` spoils the first request for a clip's audio, or as many as the argument
says. The others hold for every request. Covers are served as ever.
"""

import gzip
import json as jsonlib
import math
import re
import struct
from array import array
from collections.abc import Callable
from http import HTTPStatus

from starlette.responses import JSONResponse, RedirectResponse, Response

from song_mcp.sandbox.markers import Row, Serving, Table, View
from song_mcp.sandbox.tasks import Json, Stage
from song_mcp.sandbox.wire import Reset

Change = Callable[[Response, Serving], Response]

ZEROS = 417
"""How many zero bytes one service put before its MP3s."""
LINK_KEYS = frozenset({"audio_url", "song_path"})
EXPIRES = "expires"
"""The query of a link that works only if a late enough look gave it."""
RETRY_AFTER_S = 2
_ENDLESS = 0x7FFFFFFF
_WAV_RATE = 8000
_TONE_HZ = 440
_AAC_RATE = 44_100
_AAC_FRAME = 1024
_AAC_SILENCE = bytes.fromhex("211004608c1c")
"""A frame of silence in two channels, as every AAC encoder writes it."""


def _audio(change: Change) -> Row:
    """Return the row that changes the answers with a clip's audio."""
    return Row(
        media=lambda answer, serving: change(answer, serving) if serving.is_audio else answer
    )


def _first(refused: Callable[[], Response]) -> Row:
    """Return the row that answers the first requests for a clip's audio with something else."""
    return _audio(lambda answer, serving: refused() if serving.is_early else answer)


def _body(change: Callable[[bytes], bytes]) -> Row:
    """Return the row that changes the bytes of the audio."""
    return _audio(lambda answer, _: Response(change(bytes(answer.body)), media_type="audio/mpeg"))


def _gzipped(answer: Response, _serving: Serving) -> Response:
    headers = {"content-encoding": "gzip"}
    return Response(gzip.compress(bytes(answer.body)), media_type="audio/mpeg", headers=headers)


def _part(answer: Response) -> Response:
    """Return the whole file as the answer to a request for a range."""
    size = len(answer.body)
    headers = {"content-range": f"bytes 0-{size - 1}/{size}", "accept-ranges": "bytes"}
    return Response(
        bytes(answer.body), HTTPStatus.PARTIAL_CONTENT, headers, media_type="audio/mpeg"
    )


def _ranges_only(answer: Response, serving: Serving) -> Response:
    if "range" in serving.request.headers:
        return _part(answer)
    return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)


def _browsers_only(answer: Response, serving: Serving) -> Response:
    if "Mozilla/" in serving.request.headers.get("user-agent", ""):
        return answer
    return Response("error code: 1010", HTTPStatus.FORBIDDEN, media_type="text/plain")


def _moved(answer: Response, serving: Serving) -> Response:
    """Send the client on to the same file, as often as the marker says."""
    hop = int(serving.request.query_params.get("hop", 0)) + 1
    most = int(float(serving.argument or 5))
    query = serving.request.url.include_query_params(hop=hop).query
    return answer if hop > most else RedirectResponse(f"?{query}")  # the path stays as it came


def _wav(seconds: float) -> bytes:
    """Return a tone as WAV whose header was written before its length was known."""
    step = 2 * math.pi * _TONE_HZ / _WAV_RATE
    samples = array("h", (int(8000 * math.sin(step * n)) for n in range(int(seconds * _WAV_RATE))))
    form = struct.pack("<HHIIHH", 1, 1, _WAV_RATE, _WAV_RATE * 2, 2, 16)
    head = b"RIFF" + struct.pack("<I", _ENDLESS) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return head + b"data" + struct.pack("<I", _ENDLESS) + samples.tobytes()


def _adts(seconds: float) -> bytes:
    """Return silence as AAC in ADTS frames."""
    size = 7 + len(_AAC_SILENCE)
    head = bytes(
        [0xFF, 0xF1, 0x50, 0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC]
    )
    return (head + _AAC_SILENCE) * max(1, math.ceil(seconds * _AAC_RATE / _AAC_FRAME))


def _made(make: Callable[[float], bytes], media_type: str) -> Row:
    """Return the row that serves audio of the clip's length in another format."""
    return _audio(lambda _, serving: Response(make(serving.clip.duration_s), media_type=media_type))


def _playlist(_answer: Response, _serving: Serving) -> Response:
    text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:6.0,\nsegment0.ts\n#EXT-X-ENDLIST\n"
    return Response(text, media_type="application/vnd.apple.mpegurl")


def _box(kind: bytes, *content: bytes) -> bytes:
    inner = b"".join(content)
    return struct.pack(">I4s", 8 + len(inner), kind) + inner


def _film(_answer: Response, _serving: Serving) -> Response:
    """Return what tells an MP4 with pictures and sound from one with sound alone, and no more."""
    tracks = [
        _box(b"trak", _box(b"mdia", _box(b"hdlr", bytes(8), handler, bytes(13))))
        for handler in (b"vide", b"soun")
    ]
    film = _box(b"ftyp", b"isom", bytes(4), b"isom") + _box(b"moov", *tracks)
    return Response(film + _box(b"mdat", bytes(1024)), media_type="video/mp4")


def _not_ready() -> Response:
    return JSONResponse({"status": "processing", "message": "the audio is not ready yet"})


def _busy() -> Response:
    headers = {"retry-after": str(RETRY_AFTER_S)}
    return Response("slow down", HTTPStatus.SERVICE_UNAVAILABLE, headers, "text/plain")


def _dated(value: object, number: int) -> object:
    """Return JSON whose links say which look gave them."""
    if isinstance(value, list):
        return [_dated(item, number) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: f"{item}?{EXPIRES}={number}" if key in LINK_KEYS and item else _dated(item, number)
        for key, item in value.items()
    }


def _expiring(json: Json, view: View) -> Json:
    """Give links that work only if a later look gave them."""
    if view.stage is not Stage.ENDED:
        return json
    dated = _dated(json, view.task.looks_after_end)
    return dated if isinstance(dated, dict) else json


def _expired(answer: Response, serving: Serving) -> Response:
    told = re.match("[0-9]+", serving.request.query_params.get(EXPIRES, ""))
    given = int(told[0]) if told else 0
    if given > int(float(serving.argument or 1)):
        return answer
    text = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    return Response(text, HTTPStatus.FORBIDDEN, media_type="application/xml")


def needs_plan() -> Response:
    """Refuse an upload at PiAPI to an account whose plan has none."""
    message = "this feature is only available for Creator plan or higher"
    return JSONResponse({"code": 403, "data": None, "message": message}, 403)


def _url_on_top(answer: Response) -> Response:
    url = jsonlib.loads(bytes(answer.body))["data"]["url"]
    return JSONResponse({"code": 200, "url": url, "message": "success"})


MEDIA: Table = {
    "media-403-first": _first(lambda: Response("AccessDenied", 403, media_type="text/plain")),
    "media-404-first": _first(lambda: Response("NoSuchKey", 404, media_type="text/plain")),
    "media-202-first": _first(lambda: Response(status_code=202)),
    "media-503-first": _first(_busy),
    "media-json-first": _first(_not_ready),
    "media-empty-first": _first(lambda: Response(b"", media_type="audio/mpeg")),
    "media-reset-first": _first(Reset),
    "media-expires": Row(
        shape=_expiring,
        media=lambda answer, serving: _expired(answer, serving) if serving.is_audio else answer,
    ),
    "media-gzip": _audio(_gzipped),
    "media-206": _audio(lambda answer, _: _part(answer)),
    "media-range-only": _audio(_ranges_only),
    "media-browser-only": _audio(_browsers_only),
    "media-redirect": _audio(_moved),
    "media-zeros": _body(lambda mp3: bytes(ZEROS) + mp3),
    "media-crlf": _body(lambda mp3: b"\r\n" + mp3),
    "media-adts": _made(_adts, "audio/aac"),
    "media-wav": _made(_wav, "audio/wav"),
    "media-playlist": _audio(_playlist),
    "media-video": _audio(_film),
    "upload-403": Row(upload=lambda _: needs_plan()),
    "upload-url-on-top": Row(upload=_url_on_top),
    "upload-reset": Row(upload=lambda _: Reset()),
    "upload-redirect": Row(upload=lambda _: RedirectResponse("/elsewhere", 307)),
}
"""Rows that both services have."""
