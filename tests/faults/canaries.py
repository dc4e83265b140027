"""A sandbox that echoes secrets wherever a service could, and what each of them looks like."""

import json
import re
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PIAPI_KEY = "canary-piapi-key-5f2a9c"
GPTGE_KEY = "sk-canary-gptge-key-7b1d3e"
MINIMAX_KEY = "canary-minimax-key-91c4e7"
ACESTEP_KEY = "canary-acestep-key-6a0f3b"
KEYS = (PIAPI_KEY, GPTGE_KEY, MINIMAX_KEY, ACESTEP_KEY)
HTTP_TOKEN = "canary-http-token-2e8d51"
WEBHOOK_SECRET = "canary-webhook-secret-91"
USER_ID = "canary-user-40c2"
CHANNEL_ID = 731_882_940_115
SIGNATURE = "canary-signature-aa17"
ELSEWHERE = "canary-signed-elsewhere-bb28"
HIDDEN = (*KEYS, HTTP_TOKEN, WEBHOOK_SECRET, USER_ID, str(CHANNEL_ID), ELSEWHERE)
"""What may come out nowhere; `SIGNATURE` may only be in a clip's own links, `HTTP_TOKEN` in its own
file and where `song-mcp serve` says what clients must send."""
SIGNED = re.compile(rf"https?://[^\s\"'\\]+\?sig={SIGNATURE}")
LINK = re.compile(r"https?://\S+/(?:media|image|audio|video|stream)\S*")
ECHOES = {
    "config": {
        "service_mode": "public",
        "webhook_config": {
            "endpoint": f"https://hook.example/in?sig={ELSEWHERE}",
            "secret": WEBHOOK_SECRET,
        },
    },
    "user_id": USER_ID,
    "channel_id": CHANNEL_ID,
    "preview_url": f"https://cdn.example/preview.mp3?sig={ELSEWHERE}",
}
TALK = (
    f" (user {USER_ID}, channel #{CHANNEL_ID}, key {{key}}, {WEBHOOK_SECRET}, "
    f"see https://up.example/log?sig={ELSEWHERE})"
)
SAYING = {
    *("message", "fail_reason", "raw_message", "error_message", "status_msg"),
    *("detail", "error_detail"),
}
HOLDING = {"task_id", "code", "status", "error", "trace_id", "detail"}


def echoing(value: Any, key: str) -> Any:  # noqa: ANN401 - JSON
    """Return an answer with secrets beside, signed links, and secrets in all that it says.

    `key` is the one that came with the request: a service knows no other.
    """
    if isinstance(value, list):
        return [echoing(item, key) for item in value]
    if isinstance(value, str):
        return f"{value}?sig={SIGNATURE}" if LINK.fullmatch(value) else value
    if not isinstance(value, dict):
        return value
    told = {name: _told(name, item, key) for name, item in value.items()}
    return told | (ECHOES if HOLDING & value.keys() else {})


def _told(name: str, value: Any, key: str) -> Any:  # noqa: ANN401 - JSON
    is_said = name in SAYING and isinstance(value, str) and value not in {"", "success"}
    return value + TALK.format(key=key) if is_said else echoing(value, key)


def enriched(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return an answer with the canaries beside alone: its own words and links stay as they are."""
    if isinstance(value, list):
        return [enriched(item) for item in value]
    if not isinstance(value, dict):
        return value
    told = {name: enriched(item) for name, item in value.items()}
    return (ECHOES | told) if HOLDING & value.keys() else told


class Echoing:
    """Puts the canaries into every JSON answer of the app; others are left alone.

    `fed` gets the key of each request that is answered so.
    """

    def __init__(self, app: ASGIApp, fed: Callable[[str], None] = lambda _: None) -> None:
        self._app = app
        self._fed = fed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []
        key = _key_in(scope)

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_json(message):
                held.append(message)
            elif held:
                held.append(message)
                if not message.get("more_body"):
                    self._fed(key)
                    for each in _rewritten(held, key):
                        await send(each)
                    held.clear()
            else:
                await send(message)

        await self._app(scope, receive, hold)


def _key_in(scope: Scope) -> str:
    headers = dict(scope.get("headers", []))
    return str((headers.get(b"x-api-key") or headers.get(b"authorization", b"")).decode())


def _is_json(message: Message) -> bool:
    return any(name == b"content-type" and b"json" in value for name, value in message["headers"])


def _rewritten(held: list[Message], key: str) -> list[Message]:
    start, *parts = held
    content = b"".join(part.get("body", b"") for part in parts)
    try:
        content = json.dumps(echoing(json.loads(content), key)).encode()
    except ValueError:  # cut off on purpose
        content = content.replace(b"{", json.dumps(ECHOES).encode()[:-1] + b",", 1)
    headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
    headers.append((b"content-length", str(len(content)).encode()))
    body = {"type": "http.response.body", "body": content}
    return [{**start, "headers": headers}, body]
