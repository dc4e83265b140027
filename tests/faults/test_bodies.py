"""Whatever a service replies, only our own errors are raised, and no secrets get out."""

import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from song_mcp.errors import SongError
from song_mcp.providers.gptge import Gptge
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import ServiceName, SongRequest
from tests.faults.checks import forbidden_in, texts_in
from tests.faults.mutation import CHANNEL_ID, KEY, SECRETS, TASK_ID, USER_ID, Mutator
from tests.faults.scale import report, scaled
from tests.models import DEFAULT_SUNO, UDIO

MADE_BY_HOSTS = ("_url", "clip_id", "task_id")
"""Links and ids: an account's id may be part of them, but no secret."""
SEED = int(os.environ.get("SONG_FAULTS_SEED", "20261122"))


class Upstream(httpx.AsyncBaseTransport):
    """Answers every request with the reply that was set last."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self.status, content=self.body)


def provider(service: str, upstream: Upstream) -> Piapi | Gptge:
    if service == "piapi":
        return Piapi(KEY, "https://api.piapi.ai", transport=upstream)
    return Gptge(KEY, "https://api.gpt.ge", upstream)


def calls(asked: Piapi | Gptge) -> list[Callable[[], Awaitable[object]]]:
    """Every way of reading an answer: look at one, submit, look at many, and at the account."""
    model = UDIO if isinstance(asked, Piapi) else DEFAULT_SUNO
    submission = asked.prepare(SongRequest(model, "x"))
    ways: list[Callable[[], Awaitable[object]]] = [
        partial(asked.fetch, TASK_ID),
        partial(asked.submit, submission),
    ]
    if isinstance(asked, Piapi):
        return [*ways, asked.account]
    return [*ways, partial(asked.fetch_many, [TASK_ID, "1"])]


async def outcome(call: Awaitable[object]) -> object:
    try:
        return await call
    except SongError as error:
        return error


def check(seen: object, hidden: set[str]) -> None:
    """Check that what came out may come out."""
    value = str(seen) if isinstance(seen, SongError) else seen
    for path, text in texts_in(value):
        assert not forbidden_in(text), (path, text)
        may = {USER_ID, str(CHANNEL_ID)} if path.endswith(MADE_BY_HOSTS) else set()
        assert not [secret for secret in hidden - may if secret in text], (path, text)


def hidden_in(body: bytes) -> set[str]:
    """Return the secrets that this body names as such, or all of them if it is not JSON.

    A secret without a name cannot be known as one, except the key, which is ours.
    """
    try:
        return {KEY, *echoed(json.loads(body.decode("utf-8-sig")))}
    except (ValueError, RecursionError):
        return set(SECRETS)


def echoed(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        for item in value:
            yield from echoed(item)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from echoed(item)
            if key in {"secret", "user_id", "channel_id"} and str(item) in SECRETS:
                yield str(item)


async def read(
    asked: Piapi | Gptge, body: bytes, count: Counter[str], *, which: int | None = None
) -> None:
    """Read the upstream's answer, which is `body`, in every way, or in one."""
    ways, hidden = calls(asked), hidden_in(body)
    for way in ways if which is None else [ways[which % len(ways)]]:
        seen = await outcome(way())
        check(seen, hidden)
        count[type(seen).__name__] += 1


async def survived(service: ServiceName, number: int) -> Counter[str]:
    """Feed `number` bodies, each to one of the calls in turn and every tenth to all of them."""
    upstream, mutator, count = Upstream(), Mutator(service, SEED), Counter[str]()
    asked = provider(service, upstream)
    for index in range(number):
        upstream.status, upstream.body = mutator.status(), mutator.body()
        try:
            await read(asked, upstream.body, count, which=index if index % 10 else None)
        except BaseException:
            report(f"{service} {index}: HTTP {upstream.status} {upstream.body!r}")
            raise
    return count


@pytest.mark.at_size
@pytest.mark.first
@pytest.mark.parametrize("service", ["piapi", "gptge"])
def test_mutated_bodies_raise_only_our_errors_and_bring_nothing_hidden(
    service: ServiceName, capsys: pytest.CaptureFixture[str]
) -> None:
    number = scaled(200_000)
    count = anyio.run(survived, service, number)
    with capsys.disabled():
        report(f"\n{service}: {number} bodies, {count.total()} reads, {dict(count)}")
    assert count["Report"] > number / 50, "the mutations leave nothing to be read"
    assert count["Accepted"] > number / 50


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
NAMES = ("data", "output", "songs", "error", "logs", "meta", "status", "title", "id", "user_id")
TASKS = st.dictionaries(st.sampled_from(NAMES), ANY_JSON, max_size=6)


@pytest.mark.parametrize("service", ["piapi", "gptge"])
@given(
    task=TASKS,
    code=st.sampled_from([200, "success", "fail", None]),
    content=st.none() | st.binary(),
)
def test_any_task_and_any_bytes_raise_only_our_errors(
    service: str, task: dict[str, object], code: object, content: bytes | None
) -> None:
    upstream = Upstream()
    task = {"task_id": TASK_ID, "status": "completed", "action": "MUSIC"} | task
    body = json.dumps({"code": code, "message": "", "data": task}).encode()
    upstream.body = body if content is None else content
    anyio.run(read, provider(service, upstream), upstream.body, Counter[str]())
