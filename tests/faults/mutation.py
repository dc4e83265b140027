"""Broken and hostile bodies, made from every documented reply and from those of all cases.

Equal seeds make equal bodies.
"""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from song_mcp.songs import ServiceName
from tests.cases.case import own_cases
from tests.cases.service import CaseService

EXAMPLES = Path(__file__).parent.parent / "examples"
KEY = "sk-canary-key-0123456789abcdef"
WEBHOOK_SECRET = "whsec-canary-77aa55"
USER_ID = "user-canary-31337"
CHANNEL_ID = 9_876_543_210
SECRETS = (KEY, WEBHOOK_SECRET, USER_ID, str(CHANNEL_ID))
ECHOES = {
    "config": {"webhook_config": {"endpoint": "https://hook.example/x", "secret": WEBHOOK_SECRET}},
    "user_id": USER_ID,
    "channel_id": CHANNEL_ID,
}
TASK_ID = "11111111-2222-4333-8444-555555555555"
ODD_TEXTS = (
    "\ud800\u202e\x00x",
    "\ufeffBOM",
    "a\u200bb\u2066c\U000e0041",
    "می\u200cخواهم \u200d",
    "\x1b[31mred\x1b]0;t\x07",
    "<html><img src=x onerror=alert(1)>",
    "![p](https://evil.example/p.png)",
    '{"error":{"message":"{\\"code\\":\\"task_not_exist\\"}"}}',
    "{" * 60,
    "https://a.example/ü",
    "https://cdn.example/x.mp3?sig=abc",
    "NaN",
    "-1",
    "1e999",
    "9" * 300,
    "۱۲۳",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "2025-02-30T00:00:00Z",
    "100%",
    "-0.0",
    "\u115f\u3164",
    "👩\u200d💻" * 50,
    "completed",
    "FAILED\n",
    "generate_lyrics",
)
ODD_VALUES: tuple[Any, ...] = (
    *ODD_TEXTS,
    *(None, True, False, 0, -1, -131.5, 10**30, -(10**300), 1e308, -1e308, 5e-324, 2**63),
    *(float("nan"), float("inf"), float("-inf")),
    *([], {}, [None], [[[[[[["deep"]]]]]]], {"id": {"id": {}}}, {"": None}, {"\ud800": {"id": 7}}),
)
BOM = b"\xef\xbb\xbf"


def bodies(service: ServiceName) -> list[Any]:
    """Return every answer of the service that we know, with secrets echoed in it."""
    rows = json.loads((EXAMPLES / "index.json").read_text(encoding="utf-8"))
    files = [r["file"] for r in rows if r["direction"] == "answer" and r["service"] == service]
    documented = [json.loads((EXAMPLES / name).read_text(encoding="utf-8")) for name in files]
    return [_echoing(body) for body in [*documented, *_of_cases(service)]]


def _of_cases(service: ServiceName) -> Iterator[Any]:
    """Yield what the services of cases answer, as far as it is JSON."""
    for case in own_cases():
        if case.service == service:
            for content in CaseService(replace(case, task_id=TASK_ID)).bodies():
                with suppress(ValueError):
                    yield json.loads(content)


def _echoing(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Put secrets into the object and its tasks, as some replies do. Every task is `TASK_ID`."""
    if isinstance(value, list):
        return [_echoing(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _echoing(item) for key, item in value.items()}
    inner |= {"task_id": TASK_ID} if isinstance(value.get("task_id"), str) else {}
    return inner | (ECHOES if {"task_id", "data", "id", "code"} & value.keys() else {})


class Mutator:
    """Makes one broken body after the other; `seed` decides all of them."""

    def __init__(self, service: ServiceName, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - a shuffle, not a secret
        self._bodies = bodies(service)
        self._encoded = [json.dumps(body).encode() for body in self._bodies]
        self._spoilers: tuple[Callable[[bytes], bytes], ...] = (
            self._cut,
            self._flipped,
            self._doubled,
            self._spliced,
            lambda content: BOM + content,
            lambda content: content.decode().encode("utf-16"),
            lambda content: b"<!DOCTYPE html><title>502</title>" + content,
            lambda content: content.replace(b":", b":" + b"9" * 5000 + b",", 1),
            lambda content: content.replace(b"null", b"1e999").replace(b"true", b"NaN"),
            lambda content: content + content,
            self._nested,
            self._said,
        )

    def body(self) -> bytes:
        """Return the next body: its values are broken, and in every third its bytes as well."""
        if self._dice.random() < 0.25:
            content = self._dice.choice(self._encoded)
        else:
            content = json.dumps(self._broken(self._dice.choice(self._bodies))).encode()
        return self._dice.choice(self._spoilers)(content) if self._dice.random() < 0.3 else content

    def status(self) -> int:
        """Return an HTTP status, most often 200."""
        odd = (201, 204, 301, 400, 401, 403, 404, 422, 429, 500, 503)
        return 200 if self._dice.random() < 0.7 else self._dice.choice(odd)

    def _broken(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        roll = self._dice.random()
        if roll < 0.03:
            packed = json.dumps(value)
            return self._dice.choice((*ODD_VALUES, [value], {"data": value}, str(value), packed))
        if isinstance(value, dict):
            return self._broken_object(value)
        if isinstance(value, list):
            copies = (1, 1, 1, 1, 0, 2)
            return [self._broken(item) for item in value for _ in range(self._dice.choice(copies))]
        if isinstance(value, str) and roll < 0.06:
            secret = self._dice.choice(SECRETS)
            return f"{value} {self._dice.choice((*ODD_TEXTS, secret))}{secret}"
        return value

    def _broken_object(self, value: dict[str, Any]) -> dict[str, Any]:
        kept = {
            key: self._broken(item) for key, item in value.items() if self._dice.random() > 0.02
        }
        if self._dice.random() < 0.04 and kept:
            name = self._dice.choice(list(kept))
            other = self._dice.choice(self._bodies)
            kept[name] = (
                self._dice.choice(list(other.values())) if isinstance(other, dict) else other
            )
        return kept

    def _cut(self, content: bytes) -> bytes:
        return content[: self._dice.randrange(len(content))]

    def _flipped(self, content: bytes) -> bytes:
        spoiled = bytearray(content)
        for _ in range(self._dice.randint(1, 4)):
            spoiled[self._dice.randrange(len(spoiled))] = self._dice.randrange(256)
        return bytes(spoiled)

    def _spliced(self, content: bytes) -> bytes:
        other, at = self._dice.choice(self._encoded), self._dice.randrange(len(content))
        return content[:at] + other[self._dice.randrange(len(other)) :]

    def _doubled(self, content: bytes) -> bytes:
        """Repeat keys: the later value counts."""
        odd = json.dumps(self._dice.choice(ODD_VALUES)).encode()
        key = self._dice.choice((b"status", b"data", b"task_id", b"songs", b"code", b"duration"))
        return content[:-1] + b',"' + key + b'":' + odd + b"}"

    def _nested(self, content: bytes) -> bytes:
        depth = self._dice.choice((30, 300, 3000))
        opening, closing = self._dice.choice(((b"[", b"]"), (b'{"data":', b"}")))
        return content[:-1] + b',"data":' + opening * depth + b"1" + closing * depth + b"}"

    def _said(self, content: bytes) -> bytes:
        """Wrap the whole answer as a text in `message`, the secrets in it unnamed to a parser."""
        wrapped = {"code": self._dice.choice((200, 500, "fail")), "message": content.decode()}
        return json.dumps(wrapped | {"data": None}).encode()
