"""The sandbox as an ASGI app: all services on one origin, and the files that they link to.

Each path belongs to one service. `/api/...` and `/account/...` are PiAPI's, and the three calls of
MiniMax are below `/v1/`. `/release_task`, `/query_result`, `/health` and `/v1/audio` are those of
ACE-Step's own server. Everything else below `/v1/`, `/suno/...` and `/api/usage/token/` are
gpt.ge's, and so is every path without a route: it answers with the gateway's web page and
HTTP 200. `/media/...` needs no key.
"""

import time
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from song_mcp.sandbox import (
    acestep,
    acestep_answers,
    gptge,
    gptge_account,
    media,
    minimax,
    piapi,
    piapi_answers,
    piapi_audio,
)
from song_mcp.sandbox.state import Asked, RefusalError, Rules, Sandbox, sandbox_of
from song_mcp.sandbox.tasks import Task
from song_mcp.sandbox.tune import Tune, press
from song_mcp.sandbox.wire import web_page

__all__ = ["STANDS_IN_FOR", "Rules", "Sandbox", "Task", "build_app"]

STANDS_IN_FOR = ("piapi", "gptge", "minimax", "acestep")
"""The services that it stands in for, by their names in `songs.SERVICES`."""

_Handler = Callable[[Request], Awaitable[Response]]
_ROUTES: tuple[tuple[str, str, Asked, _Handler], ...] = (
    ("POST", "/api/v1/task", "piapi", piapi.create),
    ("GET", "/api/v1/task/{task_id}", "piapi", piapi.look),
    ("GET", "/api/open/tasks/histories", "piapi", piapi.histories),
    ("POST", "/api/ephemeral_resource", "piapi", piapi.upload),
    ("GET", "/account/info", "piapi", piapi.account),
    ("GET", "/account/active_tasks", "piapi", piapi.active_tasks),
    ("POST", "/suno/submit/music", "gptge", gptge.submit_music),
    ("POST", "/suno/submit/lyrics", "gptge", gptge.submit_lyrics),
    ("POST", "/suno/submit/{action}", "gptge", gptge.submit_other),
    ("POST", "/suno/fetch", "gptge", gptge.fetch_many),
    ("GET", "/suno/fetch/{task_id}", "gptge", gptge.fetch),
    ("GET", "/v1/dashboard/billing/subscription", "gptge", gptge_account.subscription),
    ("GET", "/v1/dashboard/billing/usage", "gptge", gptge_account.usage),
    ("GET", "/api/usage/token/", "gptge", gptge_account.of_key),
    ("GET", "/v1/models", "gptge", gptge_account.models),
    ("POST", "/v1/music_generation", "minimax", minimax.generate_song),
    ("POST", "/v1/lyrics_generation", "minimax", minimax.generate_lyrics),
    ("POST", "/v1/music_cover_preprocess", "minimax", minimax.preprocess),
    ("POST", "/release_task", "acestep", acestep.release),
    ("POST", "/query_result", "acestep", acestep.query),
    ("GET", acestep_answers.AUDIO_PATH, "acestep", acestep.audio),
    ("GET", "/health", "acestep", acestep.health),
    ("GET", "/media/stream/{clip_id}.mp3", "media", media.stream),
    ("GET", piapi_answers.AUDIO_PATH, "media", media.audio),
    ("GET", "/media/{clip_id}.mp3", "media", media.audio),
    ("GET", "/media/{clip_id}.png", "media", media.image),
    ("GET", f"{piapi_audio.UPLOADS}{{name}}", "media", media.upload),
)


def _noted(service: Asked, handler: _Handler) -> _Handler:
    """Remember each request, and answer refusals."""

    @wraps(handler)
    async def endpoint(request: Request) -> Response:
        await sandbox_of(request).note(request, service)
        try:
            return await handler(request)
        except RefusalError as refusal:
            return refusal.answer

    return endpoint


async def _unknown(request: Request, _error: Exception) -> Response:
    """Answer for a path without a route, or with a method that its route does not take."""
    path = request.url.path
    if path.startswith(("/api/", "/account/")):
        await sandbox_of(request).note(request, "piapi")
        return piapi_answers.refused(404, "not found")
    if path.startswith("/media/"):
        await sandbox_of(request).note(request, "media")
        return media.missing()
    await sandbox_of(request).note(request, "gptge")
    if path.startswith("/v1/"):
        message = f"Invalid URL ({request.method} {path})"
        error = {"message": message, "type": "invalid_request_error", "param": "", "code": ""}
        return JSONResponse({"error": error}, 404)
    return web_page()


def build_app(
    song_seconds: float = 12.0,
    *,
    rules: Rules | None = None,
    clock: Callable[[], float] = time.time,
    press: Callable[[Tune], bytes] = press,
) -> Starlette:
    """Build a sandbox of its own.

    `song_seconds` is the time from a submission to its end; lyrics take a quarter of it. `clock`
    returns Unix seconds: states follow it, so a test may set it by hand. `press` makes the MP3 of a
    tune. The `Sandbox` object with counters and received requests is at `app.state.sandbox`.
    """
    app = Starlette(
        routes=[
            Route(path, _noted(service, handler), methods=[method])
            for method, path, service, handler in _ROUTES
        ],
        exception_handlers={404: _unknown, 405: _unknown},
    )
    app.router.redirect_slashes = False
    app.state.sandbox = Sandbox(song_seconds, rules or Rules(), clock)
    app.state.press = media.Press(press)
    return app
