"""What is left on a key of gpt.ge's, and what it may use; only `providers.gptge` asks.

The calls are those of gateways of its family, and none is documented at gpt.ge (`docs/providers.md`
3.13). So whatever fails here means only that nothing is told. Each look is free.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import anyio

from song_mcp.errors import ServiceError
from song_mcp.providers.base import Account
from song_mcp.providers.gptge_replies import LABEL, SERVICE, UNITS
from song_mcp.providers.http import ServiceHttp
from song_mcp.providers.replies import TAG_CAP, to_number, to_object, to_text

SUBSCRIPTION = "/v1/dashboard/billing/subscription"
USAGE = "/v1/dashboard/billing/usage"
OF_KEY = "/api/usage/token/"
MODELS = "/v1/models"
LOOK_S, ALL_S = 5.0, 8.0
"""How long a look may take, in seconds, and all of them together."""
NO_LIMIT = 100_000_000
"""What a gateway says of a key without a limit (3.13)."""
HUNDREDTHS = 100
MOST_NAMED = 20
DIGITS = 6
"""To how many digits a figure is exact: it is only about right."""
SUNOS = re.compile(r"suno|chirp", re.IGNORECASE)
WRITES = re.compile(r"lyric", re.IGNORECASE)


async def account(http: ServiceHttp, deadline_s: float = ALL_S) -> Account | None:
    """Look at what is left and what the key may use; None if nothing of it is told in time."""
    told: dict[str, Mapping[str, Any]] = {}
    dates: list[datetime | None] = [None]

    async def look(path: str) -> None:
        with suppress(ServiceError):
            reply = await http.get(path, LOOK_S)
            body = to_object(reply.body)
            is_error = bool(body.get("error")) or body.get("success") is False
            if 200 <= reply.status < 300 and not is_error:  # noqa: PLR2004 - HTTP's own numbers
                told[path] = body
                dates.append(reply.date)

    with anyio.move_on_after(deadline_s):
        async with anyio.create_task_group() as looks:
            for path in (SUBSCRIPTION, USAGE, MODELS):
                looks.start_soon(look, path)
        if _left(told) is None and not _is_unlimited(told):
            await look(OF_KEY)
    listed = _listed(told.get(MODELS, {}))
    sunos = None if listed is None else [name for name in listed if SUNOS.search(name)]
    found = Account(
        balance_units=_left(told),
        is_unlimited=_is_unlimited(told),
        models=_models(sunos or []),
        remark="" if sunos is None else _remark(sunos),
        told_at=dates[-1],
    )
    return None if found == Account() else found


def _left(told: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return what is left in the gateway's own unit, by the site's figures or else by the key's."""
    limit = to_number(told.get(SUBSCRIPTION, {}).get("hard_limit_usd"))
    used = to_number(told.get(USAGE, {}).get("total_usage"))
    if limit is not None and used is not None and 0 <= limit < NO_LIMIT and used >= 0:
        return round(limit - used / HUNDREDTHS, DIGITS)
    key = to_object(told.get(OF_KEY, {}).get("data"))
    available = to_number(key.get("total_available"))
    if available is None or key.get("unlimited_quota") is True:
        return None
    return round(available / UNITS, DIGITS)


def _is_unlimited(told: Mapping[str, Mapping[str, Any]]) -> bool:
    limit = to_number(told.get(SUBSCRIPTION, {}).get("hard_limit_usd"))
    key = to_object(told.get(OF_KEY, {}).get("data"))
    return (limit is not None and limit >= NO_LIMIT) or key.get("unlimited_quota") is True


def _listed(body: Mapping[str, Any]) -> list[str] | None:
    """Return the names of the models that the gateway lists for the key, None without a list."""
    data = body.get("data")
    items = data if isinstance(data, list) else []
    names = (to_text(to_object(item).get("id"))[:TAG_CAP] for item in items)
    return [name for name in names if name] or None


def _models(sunos: list[str]) -> tuple[str, ...] | None:
    """Return those of Suno's models that are listed by name, by our names; None if none is."""
    found = (SERVICE.model(name) for name in sunos)
    return tuple(dict.fromkeys(model.name for model in found if model))[:MOST_NAMED] or None


def _remark(sunos: list[str]) -> str:
    """Say that the key may not be able to make songs or lyrics, as it is listed without them."""
    writes = any(WRITES.search(name) for name in sunos)
    sings = any(not WRITES.search(name) for name in sunos)
    if sings and (writes or "suno_music" not in sunos):
        return ""
    lacks = (
        "suno_lyrics, so it may refuse lyrics" if sings else "suno_music, so it may refuse songs"
    )
    return f"Among the models of this key {LABEL} lists no {lacks}."
