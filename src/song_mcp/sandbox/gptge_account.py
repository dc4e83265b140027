"""What gpt.ge's side tells of a key, as gateways of its family do, and the ways in which they fail.

These calls have no text, so a marker stands in the key: `sk-x[[balance-page]]`.
"""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from song_mcp.sandbox import gptge_answers, markers
from song_mcp.sandbox.state import RefusalError, Sandbox, sandbox_of
from song_mcp.sandbox.tasks import Json
from song_mcp.sandbox.wire import web_page

UNITS = 500_000
"""How much quota is one of the site's units."""
NO_LIMIT = 100_000_000
LIMIT, PRICE = 12.5, 0.1
"""What the key may spend in all, and what a submission costs, in the site's unit."""
LISTED = ("gpt-5", "suno_lyrics", "suno_music")

FAILURES: Mapping[str, Callable[[], Response]] = {
    "balance-error": lambda: JSONResponse(
        {"error": {"message": "no", "type": "upstream_error", "param": "", "code": None}}
    ),
    "balance-flag": lambda: JSONResponse({"success": False, "message": "no"}, 401),
    "balance-page": web_page,
}
"""What answers every look at the account."""
KEY_MARKERS = (*FAILURES, "balance-of-key", "balance-unlimited", "lists-no-suno")
"""All markers that a key can have."""


def _opened(request: Request) -> tuple[Sandbox, Mapping[str, str]]:
    """Return the sandbox and the markers of the key; raises the refusal that one of them means."""
    sandbox = sandbox_of(request)
    key = request.headers.get("authorization", "").partition(" ")[2].strip()
    if not sandbox.welcomes(key):
        raise RefusalError(gptge_answers.bad_key())
    marks = markers.find([key])
    for name in marks:
        if name in FAILURES:
            raise RefusalError(FAILURES[name]())
    return sandbox, marks


def _of_site(request: Request) -> tuple[Sandbox, Mapping[str, str]]:
    """Return the same for the site's own figures, which some gateways do not have."""
    sandbox, marks = _opened(request)
    if "balance-of-key" in marks:
        raise RefusalError(web_page())
    return sandbox, marks


def _used(sandbox: Sandbox) -> float:
    return sandbox.count("gptge") * PRICE


async def subscription(request: Request) -> Response:
    """Answer `GET /v1/dashboard/billing/subscription`."""
    _, marks = _of_site(request)
    limit = NO_LIMIT if "balance-unlimited" in marks else LIMIT
    figures = dict.fromkeys(("soft_limit_usd", "hard_limit_usd", "system_hard_limit_usd"), limit)
    known = {"object": "billing_subscription", "has_payment_method": True, "access_until": 0}
    return JSONResponse(known | figures)


async def usage(request: Request) -> Response:
    """Answer `GET /v1/dashboard/billing/usage`, in hundredths."""
    sandbox, _ = _of_site(request)
    return JSONResponse({"object": "list", "total_usage": _used(sandbox) * 100})


async def of_key(request: Request) -> Response:
    """Answer `GET /api/usage/token/`, in quota."""
    sandbox, marks = _opened(request)
    granted, used = round(LIMIT * UNITS), round(_used(sandbox) * UNITS)
    data: Json = {
        "object": "token_usage",
        "name": "sandbox",
        "total_granted": granted,
        "total_used": used,
        "total_available": granted - used,
        "unlimited_quota": "balance-unlimited" in marks,
        "model_limits": {},
        "model_limits_enabled": False,
        "expires_at": 0,
    }
    return JSONResponse({"code": True, "message": "ok", "data": data})


async def models(request: Request) -> Response:
    """Answer `GET /v1/models` with what the key may use."""
    _, marks = _opened(request)
    names = [name for name in LISTED if "lists-no-suno" not in marks or "suno" not in name]
    listed = [{"id": name, "object": "model", "owned_by": "custom"} for name in names]
    return JSONResponse({"object": "list", "data": listed, "success": True})
