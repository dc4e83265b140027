"""Whatever a service replies, only our own errors are raised, and no secrets get out."""

import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from song_mcp.errors import SongError
from song_mcp.inbox import Inbox
from song_mcp.providers import Batching, Provider
from song_mcp.providers.piapi import Piapi
from song_mcp.songs import (
    SERVICES,
    Ability,
    CoverRequest,
    LyricsRequest,
    Model,
    Request,
    Service,
    ServiceName,
    SongRequest,
    Source,
    preferred,
)
from tests.faults.checks import forbidden_in, texts_in
from tests.faults.mutation import CHANNEL_ID, KEY, SECRETS, TASK_ID, USER_ID, Mutator
from tests.faults.scale import report, scaled
from tests.memory_services import spare_the_disk

MADE_BY_HOSTS = ("_url", "clip_id", "task_id", "style_audio")
"""Links and ids: an account's id may be part of them, but no secret."""
EXAMPLES = scaled(100, least=25)
UPLOADS = "https://upload.theapi.app"
SEED = int(os.environ.get("SONG_FAULTS_SEED", "20261122"))


class Upstream(httpx.AsyncBaseTransport):
    """Answers every request with the reply that was set last."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self.status, content=self.body)


def provider(service: ServiceName, upstream: Upstream, folder: Path) -> Provider:
    """Return the adapter of a service that hears nobody but `upstream`, and never waits."""
    row = SERVICES[service]
    make: Callable[..., Provider] = resolve_name(row.adapter)
    more: dict[str, Any] = {}
    if row.answers_with_audio:
        more["inbox"] = Inbox(folder, cap_bytes=2**20)
    more |= {"upload_url": UPLOADS} if service == "piapi" else {}
    more |= {"pause": no_pause} if service == "acestep" else {}
    base_url = row.base_url or "http://127.0.0.1:8001"
    return make(KEY, base_url, transport=upstream, **more)


async def no_pause(_seconds: float) -> None:
    """Lose no time."""


def calls(asked: Provider, file: Path) -> list[Callable[[], Awaitable[object]]]:
    """Every way of reading an answer: look at one or many, at the account, submit, upload."""
    ways: list[Callable[[], Awaitable[object]]] = [partial(asked.fetch, TASK_ID), asked.account]
    if isinstance(asked, Batching):
        ways.append(partial(asked.fetch_many, [TASK_ID, "1"]))
    submissions = [asked.prepare(request) for request in requests(SERVICES[asked.service], file)]
    ways += [partial(asked.submit, submission) for submission in submissions]
    if isinstance(asked, Piapi):  # the others only look at the file
        audio = [each for each in submissions if each.audio is not None]
        ways += [partial(asked.attach, submission) for submission in audio]
    return ways


def requests(service: Service, file: Path) -> Iterator[Request]:
    """Yield a request of each kind that a service takes, by the first model that is able to."""
    yield SongRequest(service.default_model, "a slow waltz")
    for ability, make in MADE.items():
        if any(model.can(ability) for model in service.models):
            yield make(preferred([service], ability), file)


def cover_of(model: Model, file: Path) -> Request:
    source = Source("c1", TASK_ID, service=model.service, file=str(file))
    return CoverRequest(model, "a slow waltz", source=source)


MADE: Mapping[Ability, Callable[[Model, Path], Request]] = {
    "lyrics_maker": lambda model, _: LyricsRequest(model, "trams at noon"),
    "cover": cover_of,
}


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
    ways: Sequence[Callable[[], Awaitable[object]]],
    body: bytes,
    count: Counter[str],
    *,
    which: int | None = None,
) -> None:
    """Read the upstream's answer, which is `body`, in every way, or in one."""
    hidden = hidden_in(body)
    for way in ways if which is None else [ways[which % len(ways)]]:
        seen = await outcome(way())
        check(seen, hidden)
        count[type(seen).__name__] += 1


async def survived(service: ServiceName, number: int, folder: Path) -> Counter[str]:
    """Feed `number` bodies, each to one of the calls in turn and every tenth to all of them."""
    upstream, mutator, count = Upstream(), Mutator(service, SEED), Counter[str]()
    ways = ways_of(service, upstream, folder)
    for index in range(number):
        upstream.status, upstream.body = mutator.status(), mutator.body()
        try:
            await read(ways, upstream.body, count, which=index if index % 10 else None)
        except BaseException:
            report(f"{service} {index}: HTTP {upstream.status} {upstream.body!r}")
            raise
    return count


def ways_of(
    service: ServiceName, upstream: Upstream, folder: Path
) -> Sequence[Callable[[], Awaitable[object]]]:
    file = folder / "clip.mp3"
    file.write_bytes(b"ID3 audio")
    return calls(provider(service, upstream, folder / "inbox"), file)


NUMBERS: Mapping[ServiceName, int] = {"piapi": 200_000, "gptge": 200_000}
"""How many bodies each service is tried with at full size, if not `NUMBER`."""
NUMBER = 100_000


@pytest.mark.at_size
@pytest.mark.first
@pytest.mark.parametrize("service", SERVICES)
def test_mutated_bodies_raise_only_our_errors_and_bring_nothing_hidden(
    service: ServiceName,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spare_the_disk(monkeypatch)
    number = scaled(NUMBERS.get(service, NUMBER))
    count = anyio.run(survived, service, number, tmp_path)
    with capsys.disabled():
        report(f"\n{service}: {number} bodies, {count.total()} reads, {dict(count)}")
    if not SERVICES[service].answers_with_audio:
        assert count["Report"] > number / 50, "the mutations leave nothing to be read"
    assert count["Accepted"] > number / 50


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
NAMES = ("data", "output", "songs", "error", "logs", "meta", "status", "title", "id", "user_id")
TASKS = st.dictionaries(st.sampled_from(NAMES), ANY_JSON, max_size=6)


@pytest.mark.parametrize("service", SERVICES)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    task=TASKS,
    code=st.sampled_from([200, "success", "fail", None]),
    content=st.none() | st.binary(),
)
def test_any_task_and_any_bytes_raise_only_our_errors(
    service: ServiceName,
    task: dict[str, object],
    code: object,
    content: bytes | None,
    tmp_path: Path,
) -> None:
    upstream = Upstream()
    task = {"task_id": TASK_ID, "status": "completed", "action": "MUSIC"} | task
    body = json.dumps({"code": code, "message": "", "data": task}).encode()
    upstream.body = body if content is None else content
    anyio.run(read, ways_of(service, upstream, tmp_path), upstream.body, Counter[str]())
