"""MiniMax's endpoints: a song, lyrics, and the look at a song that is to be covered.

A submission is checked completely before anything is accepted. What is accepted is in the catalog
at once, and its answer comes when it is made: the connection stays open for as long.
"""

import asyncio
from base64 import b64decode
from hashlib import sha256
from typing import NoReturn
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from song_mcp.sandbox import markers, minimax_answers, words
from song_mcp.sandbox.markers import without
from song_mcp.sandbox.minimax_answers import MARKERS, refused
from song_mcp.sandbox.songs import Order, make
from song_mcp.sandbox.state import RefusalError, Sandbox, sandbox_of
from song_mcp.sandbox.tasks import Json, Stage, Task
from song_mcp.sandbox.wire import read_json, transport_of

_FREE = frozenset({"music-3.0-free", "music-2.6-free", "music-cover-free"})
_COVERS = frozenset({"music-cover", "music-cover-free"})
_MODELS = _FREE | _COVERS | {"music-3.0", "music-2.6"}
_SOURCES = ("audio_base64", "audio_url", "cover_feature_id")
_SOURCE_CAP_BYTES = 50_000_000
_LYRICS_SHARE = 0.1  # lyrics take a tenth of the time of a song
_LOOKS_EVERY_S = 0.02
_MINUTE_S = 60.0


def _authorise(request: Request) -> Sandbox:
    sandbox = sandbox_of(request)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sandbox.welcomes(key.strip()):
        raise RefusalError(refused("1004-key"))
    return sandbox


def _invalid(more: str) -> NoReturn:
    raise RefusalError(refused("2013-parameters", more))


async def _body(request: Request) -> Json:
    try:
        body = read_json(await request.body())
    except ValueError:
        _invalid("the body is no JSON")
    if not isinstance(body, dict):
        _invalid("the body is no object")
    return body


def _text(body: Json, name: str, most: int) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        _invalid(f"{name} must be a text of at most {most} characters")
    return value


def _flag(body: Json, name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        _invalid(f"{name} must be a bool")
    return value


def _marks(*texts: str) -> dict[str, str]:
    """Return the markers of a submission; the first one that refuses raises its refusal."""
    marks = markers.find(texts)
    if name := markers.unknown(MARKERS, marks):
        _invalid(f"unknown sandbox marker {name!r}")
    if answer := markers.refusal(MARKERS, marks, accepted=False):
        raise RefusalError(answer)
    return marks


def _order(sandbox: Sandbox, body: Json) -> Order:
    """Return what is asked for, if it goes together."""
    prompt, lyrics = _text(body, "prompt", 2000), _text(body, "lyrics", 3500)
    instrumental, optimizes = _flag(body, "is_instrumental"), _flag(body, "lyrics_optimizer")
    if body["model"] in _COVERS:
        _check_cover(body, prompt, lyrics, is_sung=not (instrumental or optimizes))
    else:
        _check_song(body, prompt, lyrics, is_asked=instrumental or optimizes)
    return Order(
        style=without(prompt),
        lyrics=without(lyrics) if lyrics else None,
        instrumental=instrumental,
        seed=f"#{sandbox.count('minimax', _kept(body))}",
    )


def _check_song(body: Json, prompt: str, lyrics: str, *, is_asked: bool) -> None:
    if any(name in body for name in _SOURCES):
        _invalid("audio is for covers")
    if "lyrics" in body and not lyrics:
        _invalid("lyrics must not be empty")
    if not lyrics and not (is_asked and prompt):
        _invalid("lyrics is required")


def _check_cover(body: Json, prompt: str, lyrics: str, *, is_sung: bool) -> None:
    if sum(name in body for name in _SOURCES) != 1:
        _invalid("exactly one of audio_base64, audio_url and cover_feature_id is required")
    if not is_sung:
        _invalid("is_instrumental and lyrics_optimizer are not for covers")
    if not 10 <= len(prompt) <= 300:
        _invalid("prompt must have 10 to 300 characters")
    if lyrics and not 10 <= len(lyrics) <= 1000:
        _invalid("lyrics must have 10 to 1000 characters")
    _check_audio(body)


def _check_audio(body: Json) -> None:
    """Refuse audio that is none."""
    if "audio_base64" not in body:
        return
    try:
        audio = b64decode(body["audio_base64"], validate=True)
    except (ValueError, TypeError):
        _invalid("audio_base64 is no base64")
    if not 0 < len(audio) <= _SOURCE_CAP_BYTES or not audio.startswith((b"ID3", b"\xff", b"RIFF")):
        _invalid("audio_base64 is no audio")


def _kept(body: Json) -> Json:
    """Return a body as it is kept: of audio only what tells it apart."""
    audio = body.get("audio_base64")
    if not isinstance(audio, str):
        return body
    return body | {"audio_base64": sha256(audio.encode()).hexdigest()}


def _count_free(sandbox: Sandbox, model: str) -> None:
    """Refuse more free submissions in a minute than are allowed."""
    if model not in _FREE:
        return
    now = sandbox.clock()
    recent = [at for at in sandbox.free if 0 <= now - at < _MINUTE_S]
    if len(recent) >= sandbox.rules.free_per_minute:
        raise RefusalError(refused("1002-rate-limit"))
    sandbox.free[:] = [*recent, now]


async def _ended(request: Request, sandbox: Sandbox, task: Task) -> None:
    """Return when the task has ended by the sandbox's clock, or the client has hung up."""
    transport = transport_of(request.scope)
    sandbox.held.add(transport)
    try:
        while task.stage(sandbox.clock()) is not Stage.ENDED:
            if await request.is_disconnected():
                raise RefusalError(Response(status_code=499))  # which nobody reads
            await asyncio.sleep(_LOOKS_EVERY_S)
    finally:
        sandbox.held.discard(transport)


def _task(sandbox: Sandbox, body: Json, order: Order, marks: dict[str, str], span: float) -> Task:
    clips = make(order, sandbox.rules.clip_seconds, takes=1) if "model" in body else ()
    task = Task(
        id=uuid4().hex,
        body=_kept(body),
        order=order,
        clips=clips,
        marks=marks,
        submitted_at=sandbox.clock(),
        span_s=sandbox.song_seconds * span,
    )
    sandbox.accept("minimax", task)
    return task


async def generate_song(request: Request) -> Response:
    """Answer `POST /v1/music_generation`."""
    sandbox = _authorise(request)
    body = await _body(request)
    if body.get("model") not in _MODELS:
        _invalid("unknown model")
    marks = _marks(_text(body, "prompt", 2000), _text(body, "lyrics", 3500))
    order = _order(sandbox, body)
    _count_free(sandbox, body["model"])
    task = _task(sandbox, body, order, marks, 1.0)
    await _ended(request, sandbox, task)
    audio: bytes = await run_in_threadpool(request.app.state.press, task.clips[0].tune)
    is_url = body.get("output_format") == "url" or "as-url" in marks
    url = f"{request.base_url}media/{task.clips[0].id}.mp3" if is_url else ""
    answer = JSONResponse(minimax_answers.song(task, audio, url=url))
    return markers.spoilt(MARKERS, marks, answer)


async def generate_lyrics(request: Request) -> Response:
    """Answer `POST /v1/lyrics_generation`."""
    sandbox = _authorise(request)
    body = await _body(request)
    if body.get("mode") not in {"write_full_song", "edit"}:
        _invalid("mode must be write_full_song or edit")
    topic = _text(body, "prompt", 2000)
    marks = _marks(topic)
    plain = without(topic)
    order = Order(style=plain, lyrics=words.lyrics(plain), title=words.title(plain, 0))
    task = _task(sandbox, body, order, marks, _LYRICS_SHARE)
    await _ended(request, sandbox, task)
    return markers.spoilt(MARKERS, marks, JSONResponse(minimax_answers.lyrics(task)))


async def preprocess(request: Request) -> Response:
    """Answer `POST /v1/music_cover_preprocess`, which costs nothing."""
    _authorise(request)
    body = await _body(request)
    if body.get("model") != "music-cover":
        _invalid("model must be music-cover")
    if sum(name in body for name in _SOURCES[:2]) != 1:
        _invalid("exactly one of audio_base64 and audio_url is required")
    _check_audio(body)
    told = {"formatted_lyrics": "[Verse]\nTrams at noon", "structure_result": "{}"}
    fine = {"audio_duration": 60.0, "trace_id": uuid4().hex, "base_resp": minimax_answers.FINE}
    return JSONResponse({"cover_feature_id": uuid4().hex, **told, **fine})
