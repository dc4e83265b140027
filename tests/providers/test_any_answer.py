"""Whatever a service replies, only our own errors are raised, and no doubt is "not charged"."""

import json
import random
from collections.abc import Awaitable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from song_mcp.errors import (
    BusyError,
    MisdirectedError,
    RefusedError,
    ServiceError,
    SongError,
    UnknownTaskError,
)
from song_mcp.providers.base import Accepted
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.piapi import Piapi
from song_mcp.providers.replies import opened, to_object
from song_mcp.songs import Report, SongRequest
from tests.models import DEFAULT_SUNO, UDIO

EXAMPLES = Path(__file__).parent.parent / "examples"
ANSWERS = {
    service: [
        json.loads((EXAMPLES / row["file"]).read_text(encoding="utf-8"))
        for row in json.loads((EXAMPLES / "index.json").read_text(encoding="utf-8"))
        if row["direction"] == "answer" and row["service"] == service
    ]
    for service in ("piapi", "gptge")
}
JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    10**30,
    1e308,
    "",
    "x",
    "\ud800\u202e\x00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "https://a.example/ü",
    "{" * 50,
    '{"code":"quota_not_enough"}',
    [],
    {},
    [None],
    [[[[[[["deep"]]]]]]],
    {"id": {"id": {}}},
    {"": None, "\ud800": {"audio_url": 7}},
]
STATUSES = st.sampled_from([200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 422, 429, 500, 503])
SEEDS = st.integers(0, 2**32)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


def mutated(value: Any, dice: random.Random) -> Any:  # noqa: ANN401 - JSON
    """Return the value with some nodes dropped, replaced or wrapped."""
    if dice.random() < 0.06:
        return dice.choice([*JUNK, [value], {"data": value}, str(value), {"0": value}])
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if dice.random() > 0.04}
        return {key: mutated(item, dice) for key, item in kept.items()}
    if isinstance(value, list):
        return [mutated(item, dice) for item in value for _ in range(dice.choice([1, 1, 1, 0, 2]))]
    return value


def encoded(value: Any) -> bytes:  # noqa: ANN401 - JSON
    return json.dumps(value).encode()


def provider(service: str, status: int, content: bytes) -> Piapi | Gptge:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    if service == "piapi":
        return Piapi("0123456789abcdef", "https://api.piapi.ai", transport=transport)
    return Gptge("sk-0123456789abcdef", "https://api.gpt.ge", transport)


def leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield every text and number in the value, as text."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield str(value).strip()


async def outcome(call: Awaitable[object]) -> object:
    """Return what the call returns, or the error of ours that it raises."""
    try:
        return await call
    except (ServiceError, UnknownTaskError) as error:
        str(error).encode()
        return error


async def _looked(asked: Piapi | Gptge) -> None:
    looks: list[Awaitable[object]] = [asked.fetch("task-1"), asked.account()]
    looks += [] if isinstance(asked, Piapi) else [asked.fetch_many(["task-1"])]
    for look in looks:
        seen = await outcome(look)
        assert not isinstance(seen, SongError) or seen.charged == "no"
        for report in seen.values() if isinstance(seen, dict) else [seen]:
            if isinstance(report, Report):
                check_report(report)


def check_report(report: Report) -> None:
    json.dumps(asdict(report), default=str, ensure_ascii=False).encode()
    ids = [clip.clip_id for clip in report.clips]
    assert len(ids) == len(set(ids))
    assert all(bool(c.audio_url) == (c.status == "completed") for c in report.clips)


async def _submitted(asked: Piapi | Gptge, body: object, status: int) -> None:
    model = UDIO if asked.service == "piapi" else DEFAULT_SUNO
    seen = await outcome(asked.submit(asked.prepare(SongRequest(model, "x"))))
    assert not isinstance(seen, UnknownTaskError), "a submission is never about an unknown task"
    if isinstance(seen, Accepted):
        assert seen.task_id in leaves(body)
    elif isinstance(seen, BusyError | MisdirectedError):
        assert status in {301, 429} or "429" in leaves(body)
    elif isinstance(seen, RefusedError):
        assert seen.charged == "no"
        forms = {"code", "error", "message", "detail", "success"}
        assert status == 422 or forms & to_object(opened(body)).keys()
    else:
        assert isinstance(seen, ServiceError)
        assert seen.charged == "unknown"


async def _tried(service: str, status: int, body: object) -> None:
    content = encoded(body)
    await _looked(provider(service, status, content))
    await _submitted(provider(service, status, content), body, status)


@pytest.mark.parametrize("service", ["piapi", "gptge"])
@given(seed=SEEDS, status=STATUSES)
def test_a_documented_answer_with_anything_wrong_raises_only_our_errors(
    service: str, seed: int, status: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - a shuffle, not a secret
    anyio.run(_tried, service, status, mutated(dice.choice(ANSWERS[service]), dice))


@pytest.mark.parametrize("service", ["piapi", "gptge"])
@given(status=STATUSES, data=ANY_JSON, code=st.sampled_from([200, "success", 400, "x", None]))
def test_any_json_in_an_envelope_raises_only_our_errors(
    service: str, status: int, data: object, code: object
) -> None:
    anyio.run(_tried, service, status, {"code": code, "message": data, "data": data})


@pytest.mark.parametrize("service", ["piapi", "gptge"])
@given(status=STATUSES, content=st.binary(max_size=60))
def test_any_bytes_raise_only_our_errors(service: str, status: int, content: bytes) -> None:
    anyio.run(_looked, provider(service, status, content))


@pytest.mark.parametrize("service", ["piapi", "gptge"])
@pytest.mark.parametrize("depth", [100, 900, 5_000, 100_000])
async def test_deep_nesting_raises_only_our_errors(service: str, depth: int) -> None:
    nested = b'{"data":' * depth + b"1" + b"}" * depth
    content = b'{"code":200,"message":"","data":{"status":"completed","task_id":"task-1","output":'
    await _looked(provider(service, 200, content + nested + b"}}"))
