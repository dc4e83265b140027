"""Audio and covers, made when somebody first asks for them.

A file is served under exactly the URL that an answer named, percent signs included, and needs no
key. Music is made in a worker thread, one clip at a time, and the last clips are cached.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from threading import Lock

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from song_mcp.sandbox import acestep_answers, gptge_answers, markers, minimax_answers, piapi_answers
from song_mcp.sandbox.cover import cover
from song_mcp.sandbox.songs import Clip
from song_mcp.sandbox.state import Sandbox, Service, sandbox_of
from song_mcp.sandbox.tasks import Task
from song_mcp.sandbox.tune import Tune, excerpt

_TABLES: Mapping[Service, markers.Table] = {
    "piapi": piapi_answers.MARKERS,
    "gptge": gptge_answers.MARKERS,
    "minimax": minimax_answers.MARKERS,
    "acestep": acestep_answers.MARKERS,
}
_KEPT = 64  # clips of a quarter of a megabyte
_STREAMED = 0.4  # how much of a song can be heard while it is still being made


class Press:
    """Makes MP3s and remembers the last ones; may be used from several threads."""

    def __init__(self, press: Callable[[Tune], bytes]) -> None:
        self._lock = Lock()
        self._pressed = lru_cache(maxsize=_KEPT)(press)

    def __call__(self, tune: Tune) -> bytes:
        """Return the MP3 of a tune, made once however many callers ask at the same time."""
        with self._lock:
            return self._pressed(tune)


def _found(sandbox: Sandbox, clip_id: str) -> tuple[Task, Clip, markers.Table] | None:
    for service, catalog in sandbox.catalogs.items():
        if found := catalog.of_clip(clip_id):
            return *found, _TABLES[service]
    return None


def missing() -> Response:
    """Answer as a file store does for a file it does not have."""
    return Response("<Error><Code>NoSuchKey</Code></Error>", 404, media_type="application/xml")


async def _serve(request: Request, content: Callable[[Clip], bytes], media_type: str) -> Response:
    """Answer with the file of a clip that the path names."""
    return await serve(request, request.path_params["clip_id"], content, media_type)


async def serve(
    request: Request, clip_id: str, content: Callable[[Clip], bytes], media_type: str
) -> Response:
    """Answer with one file of a clip."""
    found = _found(sandbox_of(request), clip_id)
    if found is None:
        return missing()
    task, clip, table = found
    task.files[request.url.path] += 1
    serving = markers.Serving(
        request, clip, media_type.startswith("audio/"), task.files[request.url.path]
    )
    body = await run_in_threadpool(content, clip)
    return markers.served(table, Response(body, media_type=media_type), task, serving)


def mp3_for(request: Request) -> Callable[[Clip], bytes]:
    """Return what makes the MP3 of a clip."""
    pressed: Press = request.app.state.press
    return lambda clip: clip.before + pressed(clip.tune)


async def audio(request: Request) -> Response:
    """Answer with a clip's whole audio."""
    return await _serve(request, mp3_for(request), "audio/mpeg")


async def stream(request: Request) -> Response:
    """Answer with what can be heard of a clip before it is complete."""
    mp3 = mp3_for(request)
    return await _serve(request, lambda clip: excerpt(mp3(clip), _STREAMED), "audio/mpeg")


async def upload(request: Request) -> Response:
    """Answer with a file that was uploaded."""
    content = sandbox_of(request).uploads.get(request.path_params["name"])
    return missing() if content is None else Response(content, media_type="audio/mpeg")


async def image(request: Request) -> Response:
    """Answer with a clip's cover."""
    return await _serve(request, lambda clip: cover(f"{clip.title} {clip.style}"), "image/png")
