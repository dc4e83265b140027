"""Requests, deadlines and what is never repeated; sources: docs/providers.md 4.2 and 4.5."""

import asyncio
import gzip
import json
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, cast

import anyio
import httpx
import pytest

from song_mcp.errors import NoAnswerError, NotSentError, ServiceError
from song_mcp.providers import http as module
from song_mcp.providers.http import BODY_CAP_BYTES, Reply, ServiceHttp, decoded
from song_mcp.songs import SERVICES
from tests import children
from tests.faults.canaries import GPTGE_KEY
from tests.limits import HANGS_S
from tests.manual_clock import quiet

KEY = GPTGE_KEY
BASE = "https://api.piapi.ai"
Handler = (
    Callable[[httpx.Request], httpx.Response]
    | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]
)


class Server:
    """Plays one reply or error after the other, then always the last one; records the requests."""

    def __init__(self, *turns: httpx.Response | Exception) -> None:
        self.turns = list(turns)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        if isinstance(turn, Exception):
            raise turn
        return turn


class Pauses(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def service(handler: Handler, pauses: Pauses | None = None, *, base: str = BASE) -> ServiceHttp:
    transport = httpx.MockTransport(handler)
    pause = Pauses() if pauses is None else pauses
    return ServiceHttp(SERVICES["piapi"], base, {"x-api-key": KEY}, [KEY], transport, pause=pause)


async def looked(response: httpx.Response) -> Reply:
    return await service(Server(response)).get("/x")


# What goes out ---------------------------------------------------------------------------------


async def test_a_post_carries_the_key_and_plain_json() -> None:
    server = Server(httpx.Response(200, json={"code": 200}))
    await service(server).post("/api/v1/task", {"prompt": "Übermut 夜"}, 60)
    [request] = server.requests
    assert (request.method, str(request.url)) == ("POST", f"{BASE}/api/v1/task")
    assert request.headers["x-api-key"] == KEY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert json.loads(request.content) == {"prompt": "Übermut 夜"}
    assert request.content.isascii()


async def test_a_lone_surrogate_can_be_sent() -> None:
    server = Server(httpx.Response(200, json={}))
    await service(server).post("/x", {"prompt": "a\ud800b"}, 60)
    assert json.loads(server.requests[0].content) == {"prompt": "a\ud800b"}


async def test_a_get_has_no_body_and_a_look_by_post_has_one() -> None:
    server = Server(httpx.Response(200, json={}))
    http = service(server)
    await http.get("/a")
    await http.post_read("/b", {"ids": ["1"]})
    assert [(r.method, r.content) for r in server.requests] == [
        ("GET", b""),
        ("POST", b'{"ids": ["1"]}'),
    ]


async def test_a_quoted_id_stays_quoted_in_the_path() -> None:
    server = Server(httpx.Response(200, json={}))
    await service(server).get("/api/v1/task/a%2F..%2Fb%3Fc")
    assert server.requests[0].url.raw_path == b"/api/v1/task/a%2F..%2Fb%3Fc"


async def test_a_base_url_may_have_a_path_and_a_slash_at_the_end() -> None:
    server = Server(httpx.Response(200, json={}))
    await service(server, base="http://127.0.0.1:8123/piapi/").get("/x")
    assert str(server.requests[0].url) == "http://127.0.0.1:8123/piapi/x"


@pytest.mark.parametrize(
    "location", ["https://elsewhere.example/", "/x", "mailto:you", "https://[", "ftp:x", ""]
)
async def test_a_redirect_is_neither_followed_nor_looked_at(location: str) -> None:
    server = Server(httpx.Response(302, headers={"location": location}))
    answer = await service(server).post("/x", {}, 60)
    assert answer.status == 302
    assert len(server.requests) == 1


async def test_a_cookie_is_not_sent_back() -> None:
    server = Server(httpx.Response(200, headers={"set-cookie": "a=b; Path=/"}, json={}))
    http = service(server)
    await http.get("/x")
    await http.get("/x")
    assert "cookie" not in server.requests[1].headers


async def test_the_environment_sets_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    http = service(Server(httpx.Response(200, json={})))
    assert (await http.get("/x")).status == 200


async def test_a_closed_service_can_be_asked_again() -> None:
    http = service(Server(httpx.Response(200, json={})))
    await http.get("/x")
    await http.close()
    assert (await http.get("/x")).status == 200


# What is tried again ---------------------------------------------------------------------------

UNSENT = [
    httpx.ConnectError("tcp://10.0.0.7 refused " + KEY),
    httpx.ConnectTimeout("slow"),
    httpx.PoolTimeout("full"),
    httpx.LocalProtocolError("Illegal header value " + KEY),
    httpx.UnsupportedProtocol("no scheme"),
    httpx.ProxyError("407 Proxy Authentication Required"),
]
LOST = [
    httpx.ReadError("reset " + KEY),
    httpx.ReadTimeout("slow"),
    httpx.WriteError("broken pipe"),
    httpx.WriteTimeout("slow"),
    httpx.CloseError("close"),
    httpx.RemoteProtocolError("cut off"),
    httpx.DecodingError("bad gzip"),
    httpx.InvalidURL("of a redirect"),
    OSError("unknown"),
    RuntimeError("a bug"),
]


def name(error: Exception) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", UNSENT, ids=name)
async def test_a_post_that_never_left_is_tried_three_times_in_all(error: Exception) -> None:
    server, pauses = Server(error), Pauses()
    with pytest.raises(NotSentError) as caught:
        await service(server, pauses).post("/x", {}, 60)
    assert len(server.requests) == 3
    assert pauses == [0.3, 1.0]
    assert caught.value.charged == "no"
    assert "Nothing was sent or charged" in str(caught.value)
    assert "PIAPI_BASE_URL" in str(caught.value)


async def test_a_post_that_gets_through_later_is_answered() -> None:
    server = Server(httpx.ConnectError("refused"), httpx.Response(200, json={"code": 200}))
    answer = await service(server).post("/x", {}, 60)
    assert answer.body == {"code": 200}
    assert len(server.requests) == 2


async def test_a_post_is_not_tried_again_where_connecting_could_outlast_the_call() -> None:
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(NotSentError):
        await service(server).post("/x", {}, 20)
    assert len(server.requests) == 1


@pytest.mark.parametrize("error", LOST, ids=name)
async def test_a_post_that_may_have_arrived_is_never_sent_again(error: Exception) -> None:
    server, pauses = Server(error), Pauses()
    with pytest.raises(NoAnswerError) as caught:
        await service(server, pauses).post("/x", {}, 60)
    assert len(server.requests) == 1
    assert pauses == []
    assert caught.value.charged == "unknown"
    assert re.search("resolve_task with check.*do not repeat", str(caught.value))


async def test_a_lost_answer_after_an_unsent_attempt_ends_the_call() -> None:
    server = Server(httpx.ConnectError("refused"), httpx.ReadError("reset"))
    with pytest.raises(NoAnswerError):
        await service(server).post("/x", {}, 60)
    assert len(server.requests) == 2


@pytest.mark.parametrize("error", [*UNSENT, *LOST], ids=name)
async def test_a_look_is_made_once_and_its_failure_costs_nothing(error: Exception) -> None:
    server = Server(error)
    with pytest.raises(ServiceError) as caught:
        await service(server).get("/x")
    assert len(server.requests) == 1
    assert caught.value.charged == "no"


@pytest.mark.parametrize("error", [*UNSENT, *LOST], ids=name)
async def test_no_message_holds_an_address_a_key_or_foreign_words(error: Exception) -> None:
    with pytest.raises(ServiceError) as caught:
        await service(Server(error)).post("/secret-path", {}, 60)
    text = str(caught.value)
    for word in (KEY, "://", "secret-path", "10.0.0.7", str(error)):
        assert word not in text


@pytest.mark.parametrize("base", ["https://[broken", "https://a b", "no-scheme", "https://\ud800"])
async def test_a_base_url_that_cannot_be_used_sends_nothing(base: str) -> None:
    http = ServiceHttp(SERVICES["piapi"], base, {}, [], pause=Pauses())
    with pytest.raises(NotSentError, match="PIAPI_BASE_URL"):
        await http.post("/x", {}, 60)
    await http.close()


async def test_a_key_that_is_no_header_sends_nothing() -> None:
    transport = httpx.MockTransport(Server(httpx.Response(200)))
    http = ServiceHttp(SERVICES["gptge"], BASE, {"x-api-key": "clé"}, [], transport, pause=Pauses())
    with pytest.raises(NotSentError) as caught:
        await http.post("/x", {}, 60)
    assert "clé" not in str(caught.value)


async def test_a_number_that_json_lacks_sends_nothing() -> None:
    server = Server(httpx.Response(200))
    with pytest.raises(NotSentError):
        await service(server).post("/x", {"continue_at": float("nan")}, 60)
    assert server.requests == []


@pytest.fixture
def late_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be read long after a deadline."""
    monkeypatch.setattr(module, "LATE_S", 0.05)


@pytest.mark.usefixtures("late_s")
async def test_the_deadline_counts_the_whole_exchange() -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise NotImplementedError

    with anyio.fail_after(HANGS_S), pytest.raises(NoAnswerError, match="no answer within 0 s"):
        await service(hang).post("/x", {}, 0.0)


@pytest.mark.usefixtures("late_s")
async def test_a_body_that_never_ends_meets_the_deadline_too() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'{"code":'
        await anyio.sleep_forever()

    with anyio.fail_after(HANGS_S), pytest.raises(NoAnswerError):
        await service(lambda _: httpx.Response(200, content=endless())).get("/x", 0.05)


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), *UNSENT], ids=name)
async def test_a_body_that_breaks_off_is_never_asked_for_again(error: Exception) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b'{"code": 200'
        raise error

    server = Server(httpx.Response(200, content=broken()))
    with pytest.raises(NoAnswerError):
        await service(server).post("/x", {}, 60)
    assert len(server.requests) == 1


# Replies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('data: {"id": 1}\n\ndata: [DONE]\n\n', {"id": 1}),
        ('event: message\r\nid: 7\r\ndata: {"id": 1}\r\n\r\n', {"id": 1}),
        (': hello\n\ndata: {"id": 1}\n\n', {"id": 1}),
        ('data: {"id":\n\ndata: {"id": 2}\n\n', {"id": 2}),
        ("data: ok\n\n", None),
        ('retry: 5\ndata:["a"]\n', ["a"]),
        ('{"data": "data: {}"}', {"data": "data: {}"}),
    ],
)
def test_the_first_json_of_server_sent_events_is_the_answer(text: str, told: object) -> None:
    assert decoded(text.encode()) == (told is not None, told)


async def test_json_is_decoded_whatever_its_content_type() -> None:
    answer = await looked(httpx.Response(400, content=b'{"code": 400}'))
    assert answer == Reply(400, {"code": 400}, "", None, is_json=True)


async def test_a_byte_order_mark_is_passed_over() -> None:
    assert (await looked(httpx.Response(200, content=b"\xef\xbb\xbf[1]"))).body == [1]


async def test_the_last_of_two_equal_keys_counts() -> None:
    assert (await looked(httpx.Response(200, content=b'{"a": 1, "a": 2}'))).body == {"a": 2}


async def test_null_is_json() -> None:
    answer = await looked(httpx.Response(200, content=b"null"))
    assert (answer.body, answer.is_json) == (None, True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b'{"code": 200',
        b'{"code": NaN}',
        b'{"code": -Infinity}',
        b'{"title": "\xff\xfe"}',
        b"[" * 200_000,
        b"[" + b"9" * 5_000 + b"]",
        '{"a": 1}'.encode("utf-16"),
    ],
    ids=lambda content: content[:12].decode("latin-1"),
)
async def test_what_cannot_be_decoded_is_not_json(content: bytes) -> None:
    answer = await looked(httpx.Response(200, content=content))
    assert (answer.body, answer.is_json) == (None, False)


async def test_a_body_that_is_too_long_is_not_json() -> None:
    content = b'"' + b"x" * BODY_CAP_BYTES + b'"'
    answer = await looked(httpx.Response(200, content=content))
    assert (answer.is_json, answer.text) == (False, "")


async def test_a_body_that_unpacks_to_too_much_is_not_json() -> None:
    packed = gzip.compress(b'"' + b"x" * BODY_CAP_BYTES + b'"')
    response = httpx.Response(200, content=packed, headers={"content-encoding": "gzip"})
    assert not (await looked(response)).is_json


async def test_a_text_is_shown_cleaned_shortened_and_without_the_key() -> None:
    content = f"\x1b[31mkey {KEY} at https://up.example:8080/x?y=1\r\n{'long ' * 200}".encode()
    text = (await looked(httpx.Response(502, content=content))).text
    assert text.startswith("key [key] at [address] long long")
    assert len(text) == 300


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999999", 120.0),
        ("Tue, 01 Sep 2026 10:00:30 GMT", 30.0),
        ("Tue, 01 Sep 2026 09:00:00 GMT", 0.0),
        ("Tue, 01 Sep 2026 23:00:00 GMT", 120.0),
        ("Tue, 01 Sep 2026 10:00:30 -0000", 30.0),
        ("7.5", 7.5),
        ("7.", 7.0),
        ("0.2", 0.2),
        ("2026-09-01T10:00:30Z", 30.0),
        ("2026-09-01T10:00:30", 30.0),
        ("1m30s", 90.0),
        ("12 seconds", 12.0),
        ("1 Second", 1.0),
        ("2 sec", 2.0),
        ("1788256830", 30.0),
        ("-5", None),
        ("1e3", None),
        ("7.5.1", None),
        ("7,5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("Tue, 01 Sep 99999999999 10:00:30 GMT", None),
    ],
)
async def test_retry_after_is_read_as_seconds_or_as_a_date(
    value: str, seconds: float | None
) -> None:
    headers = {b"retry-after": value.encode(), b"date": b"Tue, 01 Sep 2026 10:00:00 GMT"}
    answer = await looked(httpx.Response(429, headers=headers, json={}))
    assert answer.retry_after_s == seconds


NOON = 1_788_256_800
"""10:00 of that day, as a Unix time."""


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("retry-after-ms", "7500", 7.5),
        ("retry-after-ms", "250.5", 0.2505),
        ("retry-after-ms", "9999999", 120.0),
        ("retry-after-ms", "soon", None),
        ("x-ratelimit-reset", "30", 30.0),
        ("X-RateLimit-Reset", f"{NOON + 30}", 30.0),
        ("x-ratelimit-reset", f"{NOON + 30}.25", 30.25),
        ("x-ratelimit-reset", f"{(NOON + 30) * 1000}", 30.0),
        ("x-ratelimit-reset", f"{NOON - 30}", 0.0),
        ("x-ratelimit-reset", f"{NOON + 3600}", 120.0),
        ("x-rate-limit-reset", "30", 30.0),
        ("ratelimit-reset", "30", 30.0),
        ("x-ratelimit-reset-requests", "1m30s", 90.0),
        ("x-ratelimit-reset-requests", "250ms", 0.25),
        ("x-ratelimit-reset-tokens", "6m0s", 120.0),
        ("x-ratelimit-reset-tokens", "7.5s", 7.5),
        ("x-ratelimit-reset-tokens", "1h", 120.0),
        ("anthropic-ratelimit-requests-reset", "2026-09-01T10:00:30Z", 30.0),
        ("x-ratelimit-reset", "never", None),
        ("x-ratelimit-remaining", "30", None),
        ("x-ratelimit-limit", "30", None),
    ],
)
async def test_other_headers_that_tell_how_long_to_wait_are_read(
    name: str, value: str, seconds: float | None
) -> None:
    headers = {name: value, "date": "Tue, 01 Sep 2026 10:00:00 GMT"}
    answer = await looked(httpx.Response(429, headers=headers, json={}))
    assert answer.retry_after_s == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7", "x-ratelimit-reset": "60"}, 7.0),
        ({"retry-after-ms": "6500", "retry-after": "7"}, 6.5),
        ({"retry-after": "soon", "x-ratelimit-reset": "60"}, 60.0),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "9s"}, 9.0),
    ],
)
async def test_of_several_waits_the_one_asked_for_counts_else_the_longest(
    headers: dict[str, str], seconds: float
) -> None:
    answer = await looked(httpx.Response(429, headers=headers, json={}))
    assert answer.retry_after_s == seconds


async def test_a_date_in_retry_after_needs_no_date_of_the_answer() -> None:
    headers = {"retry-after": "Tue, 01 Sep 2020 10:00:00 GMT"}
    assert (await looked(httpx.Response(429, headers=headers, json={}))).retry_after_s == 0.0


# Redaction and silence -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"bad key {KEY}!", "bad key [key]!"),
        (f"bad key {KEY[:5]}\u200b{KEY[5:]}", "bad key [key]"),
        ('Post "https://up.example/suno": dial', 'Post "[address]": dial'),
        ("dial tcp 10.1.2.3:443: i/o timeout", "dial tcp [address]: i/o timeout"),
        ("dial tcp [2001:db8::1]:443: refused", "dial tcp [address]: refused"),
        ("lookup up.example: no such host", "lookup [address]: no such host"),
        ("请联系管理员，渠道ID：7", "请联系管理员，渠道ID：[id]"),
        ("channel #12 is off", "channel #[id] is off"),
        ("lyrics at 1:30, version 4.5", "lyrics at 1:30, version 4.5"),
    ],
)
def test_keys_and_foreign_addresses_are_hidden(text: str, shown: str) -> None:
    assert service(Server(httpx.Response(200))).redact(text) == shown


def test_a_key_of_a_few_letters_garbles_nothing() -> None:
    assert ServiceHttp(SERVICES["piapi"], BASE, {}, ["key", ""]).redact("the key") == "the key"


async def test_httpx_does_not_log_addresses(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    caplog.set_level(logging.DEBUG)
    await service(Server(httpx.Response(200, json={}))).get("/x")
    assert [record for record in caplog.records if record.name.startswith("http")] == []


async def test_a_log_level_that_is_higher_already_stays() -> None:
    logging.getLogger("httpx").setLevel(logging.ERROR)
    await service(Server(httpx.Response(200, json={}))).get("/x")
    assert logging.getLogger("httpx").level == logging.ERROR
    logging.getLogger("httpx").setLevel(logging.WARNING)


def test_importing_the_adapters_does_not_import_httpx() -> None:
    code = (
        "import sys, song_mcp.providers.http, song_mcp.providers.piapi, song_mcp.providers.gptge;"
        "sys.exit('httpx' in sys.modules)"
    )
    children.run([sys.executable, "-c", code])


# Over a real connection ------------------------------------------------------------------------


class Wire:
    """A server on loopback that answers each connection with `reply`, and may then hang up."""

    def __init__(self, reply: bytes, *, hangs_up: bool = False) -> None:
        self.reply = reply
        self.hangs_up = hangs_up
        self.connections = 0
        self.requests = 0

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        self.connections += 1
        async with stream:
            async for received in stream:
                self.requests += received.count(b"HTTP/1.1\r\n")
                await stream.send(self.reply)
                if self.hangs_up:
                    return


def port_of(listener: anyio.abc.Listener[anyio.abc.SocketStream]) -> int:
    return listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django here


async def over_wire(wire: Wire, ask: Callable[[ServiceHttp], Awaitable[object]]) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = port_of(listener)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, wire.handle)
        http = ServiceHttp(SERVICES["piapi"], f"http://127.0.0.1:{port}", {}, [], pause=Pauses())
        with anyio.fail_after(HANGS_S):
            await ask(http)
        await http.close()
        tasks.cancel_scope.cancel()
    await listener.aclose()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


async def test_paid_requests_share_no_connection_and_looks_do() -> None:
    paid, looks = Wire(OK), Wire(OK)

    async def pay(http: ServiceHttp) -> None:
        await http.post("/x", {"a": 1}, 60)
        await http.post("/x", {"a": 1}, 60)

    async def look(http: ServiceHttp) -> None:
        await http.get("/x")
        await http.get("/x")

    await over_wire(paid, pay)
    await over_wire(looks, look)
    assert (paid.connections, paid.requests) == (2, 2)
    assert (looks.connections, looks.requests) == (1, 2)


@pytest.mark.parametrize("reply", [b"\x00", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"])
async def test_a_server_that_hangs_up_gets_the_post_once(reply: bytes) -> None:
    wire = Wire(reply, hangs_up=True)

    async def ask(http: ServiceHttp) -> None:
        with pytest.raises(NoAnswerError):
            await http.post("/x", {"a": 1}, 60)

    await over_wire(wire, ask)
    assert wire.requests == 1


async def test_a_port_where_nobody_listens_is_unsent() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = port_of(listener)
    await listener.aclose()
    pauses = Pauses()
    http = ServiceHttp(SERVICES["piapi"], f"http://127.0.0.1:{port}", {}, [], pause=pauses)
    with pytest.raises(NotSentError, match="connection refused or no network"):
        await http.post("/x", {}, 60)
    await http.close()
    assert len(pauses) == 2


# A process that was paused ---------------------------------------------------------------------


@dataclass
class Paused:
    """A server on a thread; while it answers, this process stands still for longer than any call.

    What the event loop sees is what a real pause leaves: the deadline has passed, `answer` is
    there, and the call that waits for sockets, which the pause interrupted, tells of none.
    """

    answer: bytes
    received: bytes = b""
    has_request: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)
    has_answered: threading.Event = field(default_factory=threading.Event)

    @property
    def requests(self) -> int:
        return self.received.count(b"POST /")

    async def ask(self, ask: Callable[[ServiceHttp], Awaitable[Reply]]) -> Reply:
        loop, monotonic = asyncio.get_running_loop(), time.monotonic
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
            served = pool.submit(self._serve, listener)
            base = f"http://127.0.0.1:{listener.getsockname()[1]}"
            http = ServiceHttp(SERVICES["piapi"], base, {}, [], pause=Pauses())
            asked = asyncio.ensure_future(ask(http))
            with anyio.fail_after(HANGS_S):
                while not self.has_request.is_set():
                    await anyio.lowlevel.checkpoint()
                await quiet()
            self.may_answer.set()
            assert self.has_answered.wait(HANGS_S)
            selector = cast("Any", loop)._selector  # noqa: SLF001 - no pause interrupts it in a test
            tells = chain([[]], map(selector.select, repeat(0.001)))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(loop, "time", lambda: monotonic() + 75.0)
                patch.setattr(selector, "select", lambda _timeout: next(tells))
                try:
                    return await asked
                finally:
                    await http.close()
                    await asyncio.wrap_future(served)

    def _serve(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while not self.received.endswith(b"}"):
                self.received += connection.recv(65_536)
            self.has_request.set()
            assert self.may_answer.wait(HANGS_S)
            connection.sendall(self.answer)
            self.has_answered.set()
            with suppress(ConnectionResetError):
                while more := connection.recv(65_536):
                    self.received += more


@pytest.mark.parametrize("size", [2, 60_000])
async def test_an_answer_that_is_there_when_the_deadline_has_passed_is_read(size: int) -> None:
    body = b"[" + b" " * (size - 2) + b"]"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    paused = Paused(head + body)
    reply = await paused.ask(lambda http: http.post("/x", {"a": 1}, 60))
    assert (reply.status, reply.body) == (200, [])
    assert paused.requests == 1


@pytest.mark.parametrize("half", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"])
@pytest.mark.usefixtures("late_s")
async def test_an_answer_that_is_not_whole_soon_after_the_deadline_is_a_doubt(half: bytes) -> None:
    paused = Paused(half)
    with pytest.raises(NoAnswerError, match="no answer within 60 s"):
        await paused.ask(lambda http: http.post("/x", {"a": 1}, 60))
    assert paused.requests == 1
